"""The clock that every daemon is handed: the only place that knows real time.

`RealClock` for production. `VirtualClock` for tests: time stands still until `advance("1h")`, which fires
everything that is due, in order, letting the tasks that it wakes run before the next one fires.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time as _time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

T = TypeVar("T")


class Handle(Protocol):
    """A scheduled callback that can be cancelled; cancelling twice is harmless."""

    def cancel(self) -> None: ...


class Clock(ABC):
    """Wall time, monotonic time and timers. All durations are seconds."""

    @abstractmethod
    def now(self) -> datetime:
        """The wall time, aware, in UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    @abstractmethod
    def call_later(self, delay: float, callback: Callable[[], object]) -> Handle:
        """Run `callback` on the event loop after `delay` seconds."""

    def time(self) -> float:
        """The wall time as seconds since the epoch."""
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; zero or less still yields to the loop once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        handle = self.call_later(seconds, lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            handle.cancel()

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[None]:
        """Cancel the body after `seconds` and raise TimeoutError; None waits for ever."""
        return _Timeout(self, seconds)

    async def wait_for(self, awaitable: Awaitable[T], seconds: float | None) -> T:
        """The awaitable's result, or TimeoutError after `seconds`."""
        async with self.timeout(seconds):
            return await awaitable


class _Timeout:
    """A time limit on the body of an `async with`; a class, since every request of a client has one."""

    __slots__ = ("_cancelling", "_clock", "_fired", "_handle", "_seconds", "_task")

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._fired = False
        self._handle: Handle | None = None

    async def __aenter__(self) -> None:
        if self._seconds is None:
            return
        task = asyncio.current_task()
        assert task is not None, "Clock.timeout needs a running task"
        self._task = task
        # A body that runs while its task is being cancelled (clean-up with a time limit) has this above zero already.
        self._cancelling = task.cancelling()
        self._handle = self._clock.call_later(self._seconds, self._fire)

    def _fire(self) -> None:
        self._fired = True
        self._task.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._handle is not None:
            self._handle.cancel()
        # uncancel() counts down to where it was only if the cancellation was ours alone.
        ours = self._fired and self._task.uncancel() <= self._cancelling
        if ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError(f"timed out after {self._seconds} s") from None


class RealClock(Clock):
    """The machine's time and the running event loop's timers."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def time(self) -> float:
        return _time.time()

    def monotonic(self) -> float:
        return _time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Handle:
        return asyncio.get_running_loop().call_later(delay, callback)


class _Timer:
    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualClock(Clock):
    """Time that moves only when a test says so."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, delay: float, callback: Callable[[], object]) -> Handle:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self._elapsed + max(0.0, delay), next(self._order), timer))
        return timer

    async def advance(self, duration: float | str) -> None:
        """Move time on by seconds, or by a text such as "90s", "5m", "1h30m", "2d"."""
        await settle()
        end = self._elapsed + (parse_duration(duration) if isinstance(duration, str) else duration)
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            if timer.cancelled:
                continue
            self._elapsed = max(self._elapsed, due)
            timer.callback()
            await settle()
        self._elapsed = end


async def settle(limit: int = 10_000) -> None:
    """Let every runnable task run until all of them wait for something (asyncio's own loop; in-process work only).

    Raises RuntimeError when the tasks are still busy after `limit` turns of the loop.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(limit):
        await asyncio.sleep(0)
        if not ready:
            return
    raise RuntimeError(f"tasks are still runnable after {limit} turns of the event loop")


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds in a text such as "1h30m", "250ms", "2d". Raises ValueError on anything else."""
    import re

    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 90s, 5m or 1h30m")
    return sum(float(n) * _UNITS[u] for n, u in parts)
