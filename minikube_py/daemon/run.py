"""The root of every process: one event loop, named tasks in groups, and what signals and failures do to them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from minikube_py.daemon import logs

log = logs.get("run")

Root = Callable[[], Coroutine[Any, Any, object]]


class TaskReturned(RuntimeError):
    """A task that must run until it is cancelled came to its end: a bug in that task."""

    def __init__(self, name: str) -> None:
        super().__init__(f"task {name} returned, though it must run until it is cancelled")
        self.name = name


class NamedGroup:
    """Tasks with names and one owner; the first that fails cancels the others and fails the owner."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def start(self, name: str, function: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        """Run a task that must never return; if it does, the group fails with `TaskReturned`."""
        return self._group.create_task(_for_ever(name, function), name=name)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a task that may end by itself."""
        return self._group.create_task(work, name=name)


async def _for_ever(name: str, function: Callable[[], Awaitable[object]]) -> None:
    await function()
    raise TaskReturned(name)


@asynccontextmanager
async def named_group() -> AsyncIterator[NamedGroup]:
    """A task group whose tasks have names. What failed in it is raised as an ExceptionGroup."""
    async with asyncio.TaskGroup() as group:
        yield NamedGroup(group)


def leaves(error: BaseException) -> list[BaseException]:
    """The exceptions inside (nested) exception groups, or the one itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def main(
    root: Root,
    *,
    name: str = "daemon",
    drain_seconds: float = 30.0,
    may_return: bool = False,
    expected: Callable[[BaseException], bool] = lambda error: False,
) -> int:
    """Run `root()` until a signal or a failure ends it; the process's exit code.

    The first SIGTERM or SIGINT cancels the root and waits up to `drain_seconds` for it to clean up (0, or 1 when that
    took too long); the second ends the process at once. A root that fails, or returns without `may_return`, is 1.
    A failure that is `expected` (a port in use, a missing file) is logged without its traceback.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_supervise(root, name, drain_seconds, may_return, expected))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _supervise(
    root: Root, name: str, drain_seconds: float, may_return: bool, expected: Callable[[BaseException], bool]
) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            log.warning("second signal, ending at once", daemon=name, signal=signal.Signals(number).name)
            os._exit(1)
        log.info("stopping", daemon=name, signal=signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    loop.set_exception_handler(on_loop_error)
    task = asyncio.create_task(root(), name=name)
    waiter = asyncio.create_task(stop.wait(), name=f"{name} signals")
    await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
        # The one wait that no Clock can bound: it ends the process that the clock belongs to.
        await asyncio.wait((task,), timeout=drain_seconds)
        if not task.done():
            log.error("the daemon did not stop in time", daemon=name, seconds=drain_seconds)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            os._exit(1)
    return _exit_code(task, name, stopping=stop.is_set(), may_return=may_return, expected=expected)


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaited: a connection that broke is ordinary (whoever used it has heard), all else is told as usual.

    uvloop raises RuntimeError where TLS still writes to a connection that the other side has closed.
    """
    error = context.get("exception")
    if "transport" in context and isinstance(error, (OSError, RuntimeError)):
        log.debug("a connection broke", error=error)
    else:
        loop.default_exception_handler(context)


def _exit_code(
    task: asyncio.Task[object],
    name: str,
    *,
    stopping: bool,
    may_return: bool,
    expected: Callable[[BaseException], bool],
) -> int:
    if task.cancelled():
        if not stopping:
            log.error("the daemon was cancelled without a signal", daemon=name)
        return 0 if stopping else 1
    error = task.exception()
    if error is not None:
        for leaf in leaves(error):
            if expected(leaf):
                log.error("the daemon failed", daemon=name, error=leaf)
                continue
            try:
                raise leaf
            except BaseException:
                log.exception("the daemon failed", daemon=name, error=leaf)
        return 1
    if stopping or may_return:
        return 0
    log.error("the daemon's root task returned, though it must run until it is stopped", daemon=name)
    return 1
