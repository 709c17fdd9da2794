"""What surrounds runs, enqueues and workers of an application: the decorators that add it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

from omniq.app.around_enqueue import EnqueueCall
from omniq.app.callbacks import HasCallbacks
from omniq.app.context import Context
from omniq.app.group import namespace_of
from omniq.app.lifespan import Lifespan
from omniq.errors import ConfigError

__all__ = ["Surrounded"]

F = TypeVar("F", bound=Callable[..., Any])


class Surrounded(HasCallbacks):
    """The decorators of an application, which take a function with parentheses and without."""

    dependency_overrides: dict[Callable[..., Any], Callable[..., Any]]

    def _surround(self) -> None:
        self._middleware: list[Callable[[Context], Any]] = []
        self._enqueue_middleware: list[Callable[[EnqueueCall], Any]] = []
        self._lifespans: list[tuple[Callable[..., Any], dict[str, Any] | None]] = []
        self._changes = 0
        self._callbacks = {}
        self._start_hooks = []

    @overload
    def middleware(self, function: F) -> F: ...
    @overload
    def middleware(self) -> Callable[[F], F]: ...
    def middleware(self, function: Any = None) -> Any:
        """Adds a generator function that surrounds every run. It takes the `Context`; its code before the ``yield``
        runs before the function, and its code after the ``yield`` runs afterwards. The ``yield`` returns the task's
        value, or raises its exception. The first one added is the outermost.

        An async generator surrounds ``def`` tasks too. It then runs on the worker's event loop (in a process: on a loop
        of the process), so the task does not see context variables that it sets.

        >>> @app.middleware  # doctest: +SKIP
        ... def timing(context: Context):
        ...     begun = time.monotonic()
        ...     value = yield
        ...     log.info("%s took %.3f s", context.func, time.monotonic() - begun)

        Args:
            function: A generator function. Default: none; ``@app.middleware()`` with parentheses is the same.

        Raises:
            ConfigError: For anything but a generator function.
        """
        if function is None:
            # With parentheses: @app.middleware().
            return self.middleware
        if not (inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)):
            raise ConfigError(f"{function!r} is no middleware: it yields once, where the task runs")
        self._middleware.append(function)
        return function

    @overload
    def enqueue_middleware(self, function: F) -> F: ...
    @overload
    def enqueue_middleware(self) -> Callable[[F], F]: ...
    def enqueue_middleware(self, function: Any = None) -> Any:
        """Adds a generator function that surrounds every enqueue of the application's functions. It takes the `EnqueueCall`;
        its code before the ``yield`` runs before the tasks are written, and its code after the ``yield`` runs
        afterwards, when `EnqueueCall.ids` are there. The first one added is the outermost. It is called once for each
        ``enqueue`` and each ``enqueue_many``; not for enqueues by the backend or by SQL.

        It may change `EnqueueCall.metadata`. If it raises before the ``yield``, nothing is written, and the caller gets
        the exception. The ``yield`` raises an error of the enqueue, which the caller gets in any case. In a transaction
        of the caller the tasks are durable with its commit, not yet at the end of the middleware.

        >>> @app.enqueue_middleware  # doctest: +SKIP
        ... def of_tenant(call: EnqueueCall):
        ...     call.metadata["tenant"] = tenant.get()
        ...     yield
        ...     log.info("%d tasks of %s", call.count, call.func)

        Args:
            function: A generator function. An async one runs on the caller's event loop; a blocking enqueue refuses it
                (`ConfigError`). Default: none; ``@app.enqueue_middleware()`` with parentheses is the same.

        Raises:
            ConfigError: For anything but a generator function.
        """
        if function is None:
            # With parentheses: @app.enqueue_middleware().
            return self.enqueue_middleware
        if not (inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)):
            raise ConfigError(f"{function!r} is no middleware: it yields once, where the tasks are written")
        self._enqueue_middleware.append(function)
        return function

    @overload
    def lifespan(self, function: F) -> F: ...
    @overload
    def lifespan(self) -> Callable[[F], F]: ...
    def lifespan(self, function: Any = None) -> Any:
        """Adds a function that surrounds the life of a worker: its value is made once in each process of each worker,
        before the first run, and torn down after the last one.

        Tasks get the value by ``Depends(function, scope="worker")``.

        >>> @app.lifespan  # doctest: +SKIP
        ... async def pool() -> AsyncIterator[asyncpg.Pool]:
        ...     async with asyncpg.create_pool(URL) as pool:
        ...         yield pool
        >>> @app.task  # doctest: +SKIP
        ... async def count(pool: Annotated[asyncpg.Pool, Depends(pool, scope="worker")] = injected) -> int:
        ...     return await pool.fetchval("select count(*) from customers")

        Args:
            function: A generator function, async or not, one that is decorated with `contextlib.asynccontextmanager` or
                `contextlib.contextmanager`, or a function that returns the value. Its parameters may be dependencies of
                the worker's scope. In the worker's process it runs on the event loop; if it raises, the worker does
                not start. In a process of ``process=True`` tasks it runs before the first run, which fails if it raises.
                Nothing is torn down in a process that is killed. Default: none; ``@app.lifespan()`` with parentheses is the same.

        Raises:
            ConfigError: For anything but a function.
        """
        if function is None:
            # With parentheses: @app.lifespan().
            return self.lifespan
        if not callable(function):
            raise ConfigError(f"{function!r} is no lifespan: give a function that yields once")
        self._lifespans.append((function, namespace_of(function, 1)))
        return function

    def _new_lifespan(self) -> Lifespan:
        """The values of the worker's scope, for one process of a worker."""
        return Lifespan(self._lifespans, self.dependency_overrides)
