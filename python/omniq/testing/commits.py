"""When the transactions of users' connections are committed, without a statement on them.

| connection | what tells |
|---|---|
| Django | its ``on_commit``; within a `TestCase`, which never commits, the end of the outermost ``atomic`` block of the tested code |
| SQLAlchemy's `Session` and `AsyncSession` | the events of the session, so that a session in an outer transaction of the test counts as committed by its own ``commit()`` |
| SQLAlchemy's `Connection` and `AsyncConnection` | the methods of its dialect that commit, in two phases as well, and the events of the connection |
| asyncpg, psycopg, psycopg2 | nothing: they tell nobody of a commit |
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from omniq.errors import ConfigError

__all__ = ["Commits"]

#: What follows a commit.
Work = Callable[[], None]


class _Watch(Protocol):
    """Watches one connection."""

    def add(self, work: Work) -> bool:
        """Calls `work` after the commit of the present transaction, and not after its rollback, also to a savepoint.
        Returns false if nothing will tell of the commit."""
        ...


class Commits:
    """The connections that are watched. `close` ends that."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        # The connections are kept, so that no other one has the id of one of them.
        self._watches: dict[int, tuple[Any, _Watch]] = {}

    def after(self, connection: Any, work: Work) -> bool:
        """Calls `work` after the commit of the connection's present transaction; see `_Watch.add`."""
        watched = _plain(connection)
        known = self._watches.get(id(watched))
        if known is None:
            watch = self._new(watched)
            if watch is None:
                return False
            known = self._watches[id(watched)] = (watched, watch)
        return known[1].add(work)

    def _new(self, connection: Any) -> _Watch | None:
        modules = {kind.__module__.partition(".")[0] for kind in type(connection).__mro__}
        if "sqlalchemy" in modules:
            import sqlalchemy.orm

            of_session = isinstance(connection, sqlalchemy.orm.Session)
            return _Session(connection, self._stack) if of_session else _Connection(connection, self._stack)
        return _Django(connection, self._stack) if hasattr(connection, "settings_dict") else None

    def close(self) -> None:
        """Watches no longer. What was not committed by now is forgotten."""
        self._stack.close()
        self._watches.clear()


def _plain(connection: Any) -> Any:
    """The object behind a proxy: of Django's ``connection``, of scoped and async sessions, and of async connections."""
    registry = getattr(connection, "registry", None)
    if callable(registry):
        connection = registry()
    for name in ("sync_session", "sync_connection"):
        connection = getattr(connection, name, connection)
    if type(connection).__name__ == "ConnectionProxy":
        return connection._connections[connection._alias]
    return connection


class _Django:
    def __init__(self, connection: Any, stack: ExitStack) -> None:
        self._connection = connection
        #: Within a `TestCase`: what waits, with the savepoints that are open then.
        self._waiting: list[tuple[set[str | None], Work]] = []
        self._commit, self._rollback = connection.savepoint_commit, connection.savepoint_rollback
        connection.savepoint_commit, connection.savepoint_rollback = self._released, self._rolled_back
        stack.callback(self._restore)

    def _restore(self) -> None:
        for name in ("savepoint_commit", "savepoint_rollback"):
            vars(self._connection).pop(name, None)

    def _own_blocks(self) -> list[Any]:
        """The open ``atomic`` blocks, without those of a `TestCase`."""
        blocks = getattr(self._connection, "atomic_blocks", ())
        return [block for block in blocks if not getattr(block, "_from_testcase", False)]

    def add(self, work: Work) -> bool:
        connection = self._connection
        if not connection.in_atomic_block:
            # Autocommit: there is no transaction; without it Django tells of no commit.
            return False
        own = self._own_blocks()
        if len(own) == len(connection.atomic_blocks):
            connection.on_commit(work)
            return True
        if not own or not own[0].savepoint:
            # Code that would have committed by now, or whose end is no statement.
            return False
        self._waiting.append((set(connection.savepoint_ids), work))
        return True

    def _rolled_back(self, sid: str) -> None:
        self._rollback(sid)
        self._waiting = [(sids, work) for sids, work in self._waiting if sid not in sids]

    def _released(self, sid: str) -> None:
        self._commit(sid)
        if self._waiting and not self._own_blocks():
            waiting, self._waiting = self._waiting, []
            for _, work in waiting:
                work()


class _Session:
    def __init__(self, session: Any, stack: ExitStack) -> None:
        from sqlalchemy import event

        self._session = session
        #: What waits for the end of a transaction of the session.
        self._waiting: list[tuple[Any, Work]] = []
        self._committed: Any = None
        for name, listener in (("after_commit", self._after_commit), ("after_transaction_end", self._ended)):
            event.listen(session, name, listener)
            stack.callback(event.remove, session, name, listener)

    def _present(self) -> Any:
        return self._session.get_nested_transaction() or self._session.get_transaction()

    def add(self, work: Work) -> bool:
        if not self._session.in_transaction():
            # As a statement would.
            self._session.begin()
        self._waiting.append((self._present(), work))
        return True

    def _after_commit(self, _session: Any) -> None:
        self._committed = self._present()

    def _ended(self, _session: Any, transaction: Any) -> None:
        of_it = [work for waits_for, work in self._waiting if waits_for is transaction]
        if not of_it:
            return
        self._waiting = [one for one in self._waiting if one[0] is not transaction]
        if transaction is not self._committed:
            return
        if transaction.parent is not None:
            self._waiting += [(transaction.parent, work) for work in of_it]
            return
        for work in of_it:
            work()


class _Connection:
    """None of a connection's events comes after its commit: the one of that name comes before, and the commit may fail. What
    follows is told by the methods of the dialect by which SQLAlchemy commits; they are part of its interface for dialects.
    """

    def __init__(self, connection: Any, stack: ExitStack) -> None:
        from sqlalchemy import event

        self._connection = connection
        #: The savepoints that are open, the outermost first, without those that were set before.
        self._savepoints: list[str] = []
        #: What waits, with the savepoints that were open then.
        self._waiting: list[tuple[set[str], Work]] = []
        #: Whether a commit was announced, and its method was not called yet.
        self._is_announced = False
        stack.callback(self._check)
        for name, listener in (
            ("commit", self._announced),
            ("commit_twophase", self._announced),
            ("rollback", self._rolled_back),
            ("rollback_twophase", self._rolled_back),
            ("release_savepoint", self._released),
            ("rollback_savepoint", self._rolled_back_to),
        ):
            event.listen(connection, name, listener)
            stack.callback(event.remove, connection, name, listener)
        for name, follow in (
            ("do_savepoint", self._set),
            ("do_commit", self._committed),
            ("do_commit_twophase", self._committed_twophase),
        ):
            _follow(connection.dialect, name, follow, stack)

    def add(self, work: Work) -> bool:
        if not self._connection.in_transaction():
            # As a statement would.
            self._connection.begin()
        self._waiting.append((set(self._savepoints), work))
        return True

    def _set(self, has_succeeded: bool, connection: Any, name: str) -> None:
        if has_succeeded and connection is self._connection:
            self._savepoints.append(name)

    def _closed(self, name: str) -> None:
        """The savepoint is no longer open, and no one that was set within it."""
        within = self._savepoints.index(name) if name in self._savepoints else 0
        del self._savepoints[within:]

    def _released(self, _connection: Any, name: str, _context: Any) -> None:
        self._closed(name)

    def _rolled_back_to(self, _connection: Any, name: str, _context: Any) -> None:
        if name in self._savepoints:
            self._waiting = [one for one in self._waiting if name not in one[0]]
        else:
            # It was set before the first enqueue, so that all of them came after it.
            self._waiting = []
        self._closed(name)

    def _rolled_back(self, _connection: Any, *_transaction: Any) -> None:
        self._savepoints, self._waiting, self._is_announced = [], [], False

    def _announced(self, _connection: Any, *_transaction: Any) -> None:
        self._is_announced = True

    def _committed(self, has_succeeded: bool, driver: Any) -> None:
        connection = self._connection
        # One that is closed or broken has no connection of the driver, and looks for one.
        if not (connection.closed or connection.invalidated) and driver is connection.connection:
            self._end(has_succeeded)

    def _committed_twophase(self, has_succeeded: bool, connection: Any, *_transaction: Any, **_options: Any) -> None:
        if connection is self._connection:
            self._end(has_succeeded)

    def _end(self, has_succeeded: bool) -> None:
        waiting = self._waiting
        self._rolled_back(self._connection)
        for _, work in waiting if has_succeeded else ():
            work()

    def _check(self) -> None:
        if self._is_announced and self._waiting:
            raise ConfigError(_not_told(f"a commit of {self._connection!r} did not call its dialect"))


def _follow(dialect: Any, name: str, follow: Callable[..., None], stack: ExitStack) -> None:
    """Calls `follow` after each call of this method: with whether it has succeeded, and its arguments."""
    method = getattr(dialect, name, None)
    if not callable(method):
        raise ConfigError(_not_told(f"{type(dialect).__name__} has no method {name}"))

    def followed(*args: Any, **named: Any) -> Any:
        try:
            answer = method(*args, **named)
        except BaseException:
            follow(False, *args, **named)
            raise
        follow(True, *args, **named)
        return answer

    if name in vars(dialect):
        stack.callback(setattr, dialect, name, method)
    else:
        stack.callback(delattr, dialect, name)
    setattr(dialect, name, followed)


def _not_told(why: str) -> str:
    import sqlalchemy

    return (
        f"SQLAlchemy {sqlalchemy.__version__} does not tell when a connection is committed: {why}, so that tasks that were"
        " enqueued with it would not appear; give a Session, or use omniq.testing.on_database"
    )
