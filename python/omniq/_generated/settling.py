"""The verbs of a backend that end runs, blocking: made from `settling.py` by `python/twins.py`. Do not edit it by hand."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from typing import Any

from omniq._checks import a_flag, a_text_or_none
from omniq._loop import wait
from omniq.backend.parts import Parts
from omniq.models import Settled, Settlement, Task, TaskError, TaskState
from omniq.storage._checks import a_task, completions, failures, settlements
from omniq.transaction import execute_in_sync, is_inside_sync

__all__ = ["Settling"]


class Settling(Parts):
    """Ends runs in the queue, with their results and events."""

    def complete(self, task: Task, value: Any = None, *, codec: str | None = None, connection: Any = None) -> None:
        """Reports success of a dequeued task, with its result and event.

        Args:
            task: The task, as `dequeue` returned it.
            value: The value of the task; stored if results are on. Default: ``None``.
            codec: The codec of the value. Default: that of the backend.
            connection: Your open connection to the queue's database, as for `enqueue`, at the isolation level read
                committed. The task leaves the queue, and its result and event appear, when its transaction is committed;
                until then, and after a rollback, the task stays held. Default: none.

        Raises:
            ClaimLostError: If the task is not held any more. With `connection` the driver raises its own error, with
                SQLSTATE ``OQ001``, and the transaction has failed.
            CodecError: For a value that the codec cannot represent.
            InvalidError: With `connection`, if results or events are kept elsewhere than the queue, and for a connection
                of another kind or to another database; nothing is sent or done then.
        """
        task, codec = a_task(task), a_text_or_none(codec, "codec")
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.complete_statement([(task, value)], codec))
        else:
            wait(self._core.complete(task, value, codec))

    complete_sync = complete

    def complete_many(
        self, done: Iterable[Task | tuple[Task, Any]], *, codec: str | None = None, connection: Any = None
    ) -> None:
        """Reports success of dequeued tasks, with their results and events: of all, or of none if one is not held any
        more (`ClaimLostError`).

        Args:
            done: The tasks, each as ``(task, value)``, or alone for the value ``None``.
            codec: The codec of the values. Default: that of the backend.
            connection: As for `complete`. Default: none.

        Raises:
            OmniQError: As `complete`.
        """
        pairs, codec = completions(done), a_text_or_none(codec, "codec")
        if is_inside_sync(connection, self._test):
            execute_in_sync(connection, self._core.complete_statement(pairs, codec))
        else:
            wait(self._core.complete_many(pairs, codec))

    complete_many_sync = complete_many

    def fail(self, task: Task, error: TaskError | BaseException | str, *, connection: Any = None) -> TaskState:
        """Reports failure of a dequeued task: it is retried after its backoff, or becomes a dead letter with a result.

        Args:
            task: The task, as `dequeue` returned it.
            error: The reason. Of an exception, type, message and traceback are stored.
            connection: As for `complete`. Default: none.

        Returns:
            `TaskState.SCHEDULED` if another run follows, `TaskState.DEAD` if not.

        Raises:
            ClaimLostError: As for `complete`.
        """
        task, made = a_task(task), TaskError.of(error)
        if is_inside_sync(connection, self._test):
            outcome = execute_in_sync(connection, self._core.fail_statement([(task, made)]))
            state: TaskState = outcome.returns[0]
            return state
        return wait(self._core.fail(task, made))

    fail_sync = fail

    def fail_many(
        self, failed: Iterable[tuple[Task, TaskError | BaseException | str]], *, connection: Any = None
    ) -> builtins.list[TaskState]:
        """Reports failure of dequeued tasks, as `fail`: of all, or of none if one is not held any more
        (`ClaimLostError`).

        Args:
            failed: The tasks, each with its error.
            connection: As for `complete`. Default: none.

        Returns:
            As `fail`, for each task.
        """
        pairs = failures(failed)
        if is_inside_sync(connection, self._test):
            outcome = execute_in_sync(connection, self._core.fail_statement(pairs))
            states: builtins.list[TaskState] = outcome.returns
            return states
        return wait(self._core.fail_many(pairs))

    fail_many_sync = fail_many

    def settle(
        self, batch: Sequence[Settlement], *, all_or_nothing: bool = False, connection: Any = None
    ) -> builtins.list[Settled]:
        """Settles runs with their results and events, and returns one answer for each in the same order.

        Results and events in the queue's location are written in the queue's transaction. Results kept elsewhere are
        stored before the queue settles, events kept elsewhere after it, and only those of tasks that were settled.
        Results or events are left out if they are off.

        A crash before this returns leaves tasks held, and they run again; none is lost. A result that is kept elsewhere
        is stored before the claim is checked, so it can come from a run whose claim is lost. It stays until the run
        that holds the task stores its own; if that run has stored first, the lost run's result stays. Workers prevent
        this: they stop their runs when they lose their lease, before other workers may take the tasks.

        Args:
            batch: The settlements.
            all_or_nothing: If true, one lost claim fails the call (`ClaimLostError`) and nothing is written. Otherwise
                a lost claim is answered with `Settled.LOST`, a row that another session has locked with `Settled.BUSY`,
                and the rest is settled. Default: false.
            connection: As for `complete`. A settlement without a claim is then `Settled.LOST`, a row that another
                session has locked is waited for, and in a transaction that is not read committed a lost claim always
                fails the call. Default: none.

        Raises:
            OmniQError: As of the queue and of the result storage, never of the event storage.
        """
        made, everything = settlements(batch), a_flag(all_or_nothing, "all_or_nothing")
        if is_inside_sync(connection, self._test):
            outcome = execute_in_sync(connection, self._core.settle_statement(made, everything))
            return [Settled.DONE if held else Settled.LOST for held in outcome.done]
        return wait(self._core.settle(made, everything))

    settle_sync = settle
