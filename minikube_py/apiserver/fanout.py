"""Sends watch events to many clients in turns, with room for everybody else in between.

A change is not written to all its watchers at once but to a slice of them per turn of the event loop. Under a burst the
next changes are made meanwhile, and a watcher whose turn comes late gets all of them in one write: the more there is
to send, the fewer system calls an event costs. With few changes it is one more turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SLICE = 32
"""Watchers per turn: few enough that a request which comes meanwhile hardly waits."""

Flush = Callable[[], None]


class Fanout:
    """The watchers that have something to send, first come first served, each at most once."""

    def __init__(self) -> None:
        self._waiting: dict[Flush, None] = {}
        self._scheduled = False

    def add(self, flush: Flush) -> None:
        """Have `flush` called in one of the next turns, once for however many calls of this."""
        self._waiting[flush] = None
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        waiting = self._waiting
        for _ in range(min(SLICE, len(waiting))):
            flush = next(iter(waiting))
            del waiting[flush]
            flush()
        self._scheduled = bool(waiting)
        if waiting:
            asyncio.get_running_loop().call_soon(self._turn)
