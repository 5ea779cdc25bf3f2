"""How much is served at once: a cap on reads and one on writes, and fair turns for the users who wait.

As --max-requests-inflight and --max-mutating-requests-inflight. What finds no seat waits in a queue of its user's own;
the users' queues are served in turn, so that one who sends a thousand writes keeps nobody else waiting for them.
Whoever fills their own queue, or waits too long, is told to come back later (429). Requests without end (watch, exec,
log -f, proxies) hold no seat, and members of system:masters need none: somebody must be able to look when all is full.
"""

from __future__ import annotations

import asyncio
from collections import deque

from minikube_py.api import errors
from minikube_py.apiserver.http import Exchange
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.health import ENDPOINTS

QUEUE_LENGTH = 64
"""Requests of one user that may wait."""
PATIENCE = 15.0
"""Seconds that a request waits at most: a quarter of upstream's request timeout."""
RETRY_AFTER = 1

ENDLESS = frozenset({"attach", "exec", "log", "portforward", "proxy"})
"""Sub-resources whose requests may last as long as their client likes."""
EXEMPT_GROUP = "system:masters"
PROBES = tuple(f"/{endpoint}" for endpoint in ENDPOINTS)
READS = frozenset({"GET", "HEAD"})


class Lane:
    """So many seats, and a queue per user for those who find none. 0 seats: no limit."""

    def __init__(self, seats: int, clock: Clock) -> None:
        self._seats = seats
        self._clock = clock
        self.taken = 0
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def try_enter(self) -> bool:
        """Take a seat if one is free and nobody waits for it."""
        if self._seats and (self.taken >= self._seats or self._queues):
            return False
        self.taken += 1
        return True

    async def enter(self, user: str) -> None:
        """Wait for a seat. Raises TooManyRequests when too many of the user's wait already, or after PATIENCE."""
        queue = self._queues.setdefault(user, deque())
        if len(queue) >= QUEUE_LENGTH:
            raise _too_many()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            async with self._clock.timeout(PATIENCE):
                await turn
        except TimeoutError:
            self._forget(user, turn)
            raise _too_many() from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the seat came in the very moment in which nobody wanted it any more
            else:
                self._forget(user, turn)
            raise

    def leave(self) -> None:
        """Give the seat to the next user's next request, or back."""
        while self._queues:
            user, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            del self._queues[user]
            if queue:
                self._queues[user] = queue  # behind the others now
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _forget(self, user: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(user)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[user]


class Flow:
    """The two lanes."""

    def __init__(self, clock: Clock, reads: int = 400, writes: int = 200) -> None:
        self.reads = Lane(reads, clock)
        self.writes = Lane(writes, clock)

    def lane(self, exchange: Exchange) -> Lane | None:
        """Where the request has to find a seat, None where it needs none."""
        target = exchange.target
        if EXEMPT_GROUP in exchange.user.groups or exchange.scope["type"] == "websocket":
            return None
        if target is None and exchange.path.startswith(PROBES):
            return None
        if target is not None and target.subresource.partition("/")[0] in ENDLESS:
            return None
        if exchange.method not in READS:
            return self.writes
        if b"watch=" in exchange.scope["query_string"]:
            return None
        return self.reads


def _too_many() -> errors.TooManyRequests:
    return errors.TooManyRequests(
        "too many requests, please try again later", details={"retryAfterSeconds": RETRY_AFTER}
    )
