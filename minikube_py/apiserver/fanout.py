"""Sends watch events to many clients in turns, with room for everybody else in between.

A change is not written to all its watchers at once but to a slice of them per turn of the event loop, and after a round
through everybody who waited the loop belongs to others for as long as the round took. Under a burst many changes are
made meanwhile, and each watcher then gets all of them in one write: the more there is to send, the fewer system calls
and TLS records an event costs. A change that comes alone finds no round before it and goes out at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from minikube_py.daemon.clock import Clock

SLICE = 32
"""Watchers per turn: few enough that a request which comes meanwhile hardly waits."""

LONGEST_REST = 0.02
"""Seconds: what a burst may add to an event's way, however many watchers there are."""

Flush = Callable[[], None]


class Fanout:
    """The watchers that have something to send, first come first served, each at most once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Flush, None] = {}
        self._scheduled = False
        self._left = 0
        self._spent = 0.0
        self._rest_until = 0.0

    def add(self, flush: Flush) -> None:
        """Have `flush` called in one of the next turns, once for however many calls of this."""
        self._waiting[flush] = None
        if not self._scheduled:
            self._scheduled = True
            self._begin_round()

    def _begin_round(self) -> None:
        rest = self._rest_until - self._clock.monotonic()
        if rest > 0:
            self._clock.call_later(rest, self._turn)
        else:
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        waiting = self._waiting
        began = self._clock.monotonic()
        if not self._left:
            self._left, self._spent = len(waiting), 0.0
        size = min(SLICE, self._left)
        for _ in range(size):
            flush = next(iter(waiting))
            del waiting[flush]
            flush()
        self._left -= size
        now = self._clock.monotonic()
        self._spent += now - began
        if self._left:
            asyncio.get_running_loop().call_soon(self._turn)
            return
        self._rest_until = now + min(self._spent, LONGEST_REST)
        self._scheduled = bool(waiting)
        if waiting:
            self._begin_round()
