"""The equivalents of names that users know from Celery, Dramatiq and taskiq, for the errors about names that do not exist."""

from __future__ import annotations

__all__ = ["APPLICATION", "FUNCTION", "HANDLE", "MODULE", "OPTIONS", "WORKER", "missing", "option"]

#: Options of a task or of one enqueue.
OPTIONS = {
    "actor_name": "name=",
    "acks_late": "every task is acknowledged after its run; there is no option for it",
    "autoretry_for": "retry_on=",
    "base": "a middleware or a dependency",
    "bind": "a first parameter that is annotated with Context",
    "countdown": "delay=",
    "default_retry_delay": "backoff=Backoff.fixed(…)",
    "depends_on": "after=, of one call: f.with_options(after=handle).enqueue(…)",
    "dont_autoretry_for": "dead_on=",
    "eta": "run_at=",
    "expires": "ttl=",
    "expiration": "ttl=",
    "ignore_result": 'the setting results="off" of the application',
    "labels": "metadata=",
    "link": "on_success=",
    "link_error": "on_dead=",
    "max_age": "ttl=, in seconds",
    "max_backoff": "backoff=Backoff.exponential(…, max=…)",
    "min_backoff": "backoff=Backoff.exponential(…)",
    "on_error": "on_retry= for a run that fails, or on_dead= for the last one",
    "on_failure": "on_retry= for a run that fails, or on_dead= for the last one",
    "on_retry_exhausted": "on_dead=",
    "periodic": "cron=, every= or at=",
    "queue_name": "queue=",
    "rate_limit": "a queue with one worker of concurrency=1, or raise Snooze(…); there are no rate limits",
    "result_ttl": "the setting result_ttl= of the application",
    "retry_backoff": "backoff=Backoff.exponential(…)",
    "retry_backoff_max": "backoff=Backoff.exponential(…, max=…)",
    "retry_jitter": "the jitter of backoff=",
    "retry_kwargs": "max_retries= and backoff=",
    "retry_policy": "nothing: an enqueue that returns is durable",
    "routing_key": "queue=",
    "run_every": "every=",
    "schedule": "cron=, every= or at=",
    "serializer": "codec=",
    "soft_time_limit": "soft_timeout=",
    "store_results": 'the setting results="off" of the application, if none is wanted: results are stored by default',
    "task_id": "id=",
    "task_name": "name=",
    "throws": "dead_on=",
    "time_limit": "timeout=",
}

_ENQUEUE = "enqueue(…)"
_WITH_OPTIONS = "with_options(delay=…).enqueue(…)"

#: Attributes of a task.
FUNCTION = {
    "AsyncResult": "handle(id)",
    "apply": "a plain call, f(…), which runs the function here",
    "apply_async": f"{_ENQUEUE}, and {_WITH_OPTIONS} for options",
    "chunks": "app.map(f, items)",
    "defer": _ENQUEUE,
    "delay": _ENQUEUE,
    "delay_on_commit": "with_options(connection=connection).enqueue(…)",
    "fn": "function",
    "kiq": _ENQUEUE,
    "kicker": "with_options(…)",
    "map": "app.map(f, items)",
    "retry": "raise Retry(…), of omniq",
    "s": f"{_ENQUEUE}; a task enqueues the next one itself",
    "schedule": _WITH_OPTIONS,
    "send": _ENQUEUE,
    "send_with_options": _WITH_OPTIONS,
    "si": f"{_ENQUEUE}; a task enqueues the next one itself",
    "signature": f"{_ENQUEUE}; a task enqueues the next one itself",
    "starmap": "app.map(f, items)",
    "subtask": f"{_ENQUEUE}; a task enqueues the next one itself",
}

#: Attributes of a handle.
HANDLE = {
    "collect": "gather(handles)",
    "failed": "status()",
    "forget": "app.backend.results.delete(handle.id)",
    "get": "result()",
    "get_progress": "events()",
    "get_result": "result()",
    "info": "result()",
    "is_ready": "status()",
    "join": "gather(handles)",
    "message_id": "id",
    "ready": "status()",
    "revoke": "cancel()",
    "state": "status()",
    "successful": "status()",
    "task_id": "id",
    "traceback": "result(), whose TaskFailed has the error with its traceback",
    "wait": "result()",
    "wait_result": "result()",
}

#: Attributes of an application.
APPLICATION = {
    "AsyncResult": "app.handle(id)",
    "Task": "middleware or dependencies",
    "actor": "@app.task",
    "add_middleware": "@app.middleware",
    "add_periodic_task": "app.schedule(name, f, args, …), or @app.task(cron=…)",
    "autodiscover_tasks": 'app.autodiscover("package")',
    "broker": "app.backend",
    "conf": "the arguments of the application, or OMNIQ_… variables",
    "config_from_object": "AsyncOmniQ.from_config(…), or OMNIQ_… variables",
    "control": "app.backend.queue, with pause, resume, cancel_all, workers and others",
    "enqueue": "f.enqueue(…), or app.backend.enqueue(name, args) for a task by its name",
    "on_event": "@app.lifespan",
    "register_task": "app.task(function)",
    "run": "app.run_worker()",
    "send_task": "app.backend.enqueue(name, args)",
    "shared_task": "TaskGroup(…).task, and app.include(group)",
    "shutdown": "app.close()",
    "signature": "f.enqueue(…); a task enqueues the next one itself",
    "start": "app.run_worker()",
    "startup": "app.connect()",
    "tasks": "app.functions",
    "worker_main": "app.run_worker()",
}

#: Options of the command ``omniq worker``.
WORKER = {
    "--app": "the application's name by itself, such as shop.tasks:app",
    "--autoscale": "--concurrency; there is no scaling",
    "--beat": "nothing: each worker carries out the ticks of schedules",
    "--fs-discover": 'app.autodiscover("package")',
    "--hostname": "--name",
    "--loglevel": "--log-level",
    "--max-async-tasks": "--concurrency",
    "--max-memory-per-child": "--max-memory, such as 512M",
    "--max-tasks-per-child": "--max-tasks",
    "--max-threadpool-threads": "--threads",
    "--pool": "--threads for def tasks, and --task-processes for those with process=True",
    "--prefetch-multiplier": "prefetch= of app.worker()",
    "--skip-logging": "--log-level off",
    "--soft-time-limit": "soft_timeout= of the task or of the application's defaults",
    "--time-limit": "timeout= of the task or of the application's defaults",
    "--verbose": "--log-level debug",
    "--wait-tasks-timeout": "--grace",
    "--watch": "--reload",
    "--workers": "--processes",
    "-A": "the application's name by itself, such as shop.tasks:app",
    "-B": "nothing: each worker carries out the ticks of schedules",
    "-P": "--threads for def tasks, and --task-processes for those with process=True",
    "-Q": "--queues",
    "-c": "--concurrency",
    "-l": "--log-level",
    "-n": "--name",
    "-p": "--processes",
    "-t": "--threads",
    "-v": "--log-level debug",
    "-w": "--processes",
}

_NEXT = "f.with_options(after=handle).enqueue(…), which runs after that task"

#: Names of the package.
MODULE = {
    "AsyncResult": "app.handle(id)",
    "Broker": "AsyncOmniQ or OmniQ",
    "Celery": "AsyncOmniQ, or OmniQ for blocking code",
    "Ignore": "Discard",
    "MaxRetriesExceededError": "TaskFailed",
    "Reject": "Discard",
    "SoftTimeLimitExceeded": "SoftTimeout",
    "TaskiqDepends": "Depends",
    "TaskiqScheduler": "nothing: each worker carries out the ticks of schedules; see @app.task(cron=…)",
    "actor": "the decorator @app.task",
    "chain": _NEXT,
    "chord": "f.with_options(after=handles).enqueue(), which runs after all of them; context.predecessors() has their values",
    "crontab": "@app.task(cron=…), with five fields or six, the second first",
    "group": "enqueue_many(…) and gather(handles), or TaskGroup for tasks in several modules",
    "shared_task": "TaskGroup(…).task, or AsyncTaskGroup, and app.include(group)",
    "signature": _NEXT,
}


def missing(owner: object, name: str, equivalents: dict[str, str]) -> AttributeError:
    """The error for an attribute that does not exist, with its equivalent if it is known."""
    words = f"{type(owner).__name__!r} object has no attribute {name!r}"
    found = equivalents.get(name)
    return AttributeError(words if found is None else f"{words}: its equivalent is {found}", name=name, obj=owner)


def option(name: object) -> str:
    """The sentence about an option's equivalent, with a space at its end; empty for other names."""
    found = OPTIONS.get(str(name))
    return "" if found is None else f"its equivalent is {found}; "
