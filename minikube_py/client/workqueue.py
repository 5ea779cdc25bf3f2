"""A queue of keys for level-based work: a key waits once, is never in two hands, and can be delayed and retried.

An `add` of a key that is being worked on means exactly one more run after `done`. The states are three:
`ready` (fifo, what `get` hands out), `dirty` (needs a run, whether in the fifo or held back while busy),
`busy` (between `get` and `done`).
"""

from __future__ import annotations

import asyncio
from collections import deque

from minikube_py.daemon.clock import Clock, Handle


class Closed(Exception):
    """The queue was closed: there will be no more keys."""


class WorkQueue:
    """Delays are seconds on `clock`; retries back off from `base_delay` by doubling up to `max_delay`, per key."""

    def __init__(self, clock: Clock, *, base_delay: float = 0.005, max_delay: float = 1000.0) -> None:
        self._clock = clock
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._ready: deque[str] = deque()
        self._dirty: set[str] = set()
        self._busy: set[str] = set()
        self._delayed: dict[str, tuple[float, Handle]] = {}
        self._failures: dict[str, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """How many keys are ready to be handed out."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Whether nothing is ready, busy or delayed."""
        return not (self._dirty or self._busy or self._delayed)

    def add(self, key: str) -> None:
        """Let the key have a run; nothing changes when it already waits for one."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._busy:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """Add the key after a delay. Of several delays of one key the earliest deadline holds."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        deadline = self._clock.monotonic() + seconds
        known = self._delayed.get(key)
        if known is not None:
            if known[0] <= deadline:
                return
            known[1].cancel()
        self._delayed[key] = (deadline, self._clock.call_later(seconds, lambda: self._due(key)))

    def retry(self, key: str) -> float:
        """Add the key after its next backoff, and return that delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is capped as well: a float overflows after 1,024 doublings.
        delay = min(self._base_delay * 2.0 ** min(failures, 64), self._max_delay)
        self.add_after(key, delay)
        return delay

    def retries(self, key: str) -> int:
        """How often the key was retried since it was last forgotten."""
        return self._failures.get(key, 0)

    def forget(self, key: str) -> None:
        """The key succeeded: its next failure starts the backoff anew."""
        self._failures.pop(key, None)

    async def get(self) -> str:
        """The next key, which is then busy until `done`. Raises Closed once the queue is closed and empty."""
        while not self._ready:
            if self._closed:
                raise Closed
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Woken and cancelled in the same turn: the wake-up belongs to the next one who waits.
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                else:
                    self._waiters.remove(waiter)
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """The run of this key has ended; it runs once more if it was added meanwhile."""
        self._busy.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def close(self) -> None:
        """Take no more keys, drop the delayed ones, and let `get` raise Closed when the ready ones are gone."""
        self._closed = True
        for _, handle in self._delayed.values():
            handle.cancel()
        self._delayed.clear()
        while self._waiters:
            self._wake()

    def _due(self, key: str) -> None:
        del self._delayed[key]
        self.add(key)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
