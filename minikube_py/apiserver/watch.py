"""WATCH: history first, then live, each change once and in order, to as many clients as there are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from minikube_py.api import errors
from minikube_py.apiserver.cache import Event, Filter, Item, KindCache, TooOld
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.options import ListOptions
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon.clock import Clock
from minikube_py.store import base as store

QUEUE_LIMIT = 10_000
"""Events that may wait for one client; a laggard is closed and resumes from its revision."""
BOOKMARK_SECONDS = 60.0
LAST_BOOKMARK = 2.0
"""Seconds before a watch's own end at which a bookmark tells where to resume, as upstream."""
DEFAULT_TIMEOUT = 1800
"""Seconds after which a watch that named no timeout ends by itself; upstream ends them after 30 to 60 minutes."""

LAST_CHANCE = 5.0
"""Seconds that a watch whose time is over still waits for a client that does not read."""

Render = Callable[[Event, str], bytes]
"""The line that shows an event of that type to this client."""


class Watcher:
    """One client's watch: a filter, a bounded queue, and the task that sends."""

    def __init__(self, storage: Storage, cache: KindCache, chosen: Filter, options: ListOptions, clock: Clock) -> None:
        self._storage = storage
        self._cache = cache
        self._chosen = chosen
        self._options = options
        self._clock = clock
        self._queue: deque[Event] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._overrun = False
        self._ended = False
        self._sent = 0
        self._send_now: Callable[[], bool] | None = None
        self._sending: Exchange | None = None

    async def serve(
        self,
        exchange: Exchange,
        render: Render,
        show_item: Callable[[Item], bytes],
        bookmark: Callable[[int, bool], bytes],
        *,
        direct: bool = True,
    ) -> None:
        """Send until the client leaves, the timeout passes, or the client falls too far behind.

        `direct` lets `render` be called from where the change is heard of; one that can fail must not be.
        Raises Expired before anything is sent when the asked revision's history is gone.
        """
        initial, backlog, sent = await self._begin()
        unsubscribe = self._cache.subscribe(self._offer)
        leaving = asyncio.create_task(self._left(exchange), name=f"watch {exchange.path} disconnect")
        seconds = self._options.timeout_seconds or DEFAULT_TIMEOUT
        self._deadline = self._clock.monotonic() + seconds
        self._timer = self._clock.call_later(seconds, self._time_out)
        try:
            await exchange.open_stream(b"application/json")
            first = [show_item(item) for item in initial]
            for event in backlog:
                type_ = event.type_for(self._chosen)
                if type_:
                    first.append(render(event, type_))
            if self._options.send_initial_events:
                first.append(bookmark(sent, True))
            for start in range(0, len(first), 512):
                await self._push(exchange, b"".join(first[start : start + 512]))
            del first, initial, backlog
            await self._live(exchange, render, bookmark, sent, direct)
        finally:
            self._timer.cancel()
            unsubscribe()
            leaving.cancel()
        if self._overrun:
            exchange.abort()
        else:
            await exchange.close_stream()

    async def _begin(self) -> tuple[list[Item], list[Event], int]:
        """What to send first, decided in one step with the revision from which the live part follows.

        No await may come between reading the cache and subscribing to it, or a change would be missed.
        """
        options, cache = self._options, self._cache
        wanted = options.resource_version
        from_state = not wanted or bool(options.send_initial_events)
        if from_state:
            if wanted is None:
                await self._storage.fresh()
            else:
                await self._storage.at_least(wanted)
            if options.send_initial_events is False:
                return [], [], self._storage.progress.rev
            rev = self._storage.progress.rev
            return list(cache.list(self._chosen, rev).items), [], rev
        assert wanted is not None
        await self._storage.loaded.wait()
        if wanted > self._storage.progress.rev:
            await self._storage.at_least(wanted)
        try:
            return [], cache.since(wanted), self._storage.progress.rev
        except TooOld:
            return await self._from_history(wanted)

    async def _from_history(self, after: int) -> tuple[list[Item], list[Event], int]:
        """Changes after `after` from the store, up to where the cache's own window takes over."""
        cache, found, reached = self._cache, list[Event](), after
        try:
            async with self._storage.store.watch(cache.prefix, after=after) as changes:
                await changes.request_progress()
                async for change in changes:
                    reached = change.rev
                    if change.key:
                        new = cache.item(change.new) if change.new is not None else None
                        old = cache.item(change.old) if change.old is not None else None
                        found.append(Event(change.rev, new, old))
                    if cache.covers(reached):
                        break
            await self._storage.at_least(reached)
            # From here on without an await: what follows `reached` is in the cache's window or comes by subscription.
            return [], found + cache.since(reached), self._storage.progress.rev
        except (store.Compacted, TooOld):
            raise errors.Expired(f"too old resource version: {after}") from None

    def _offer(self, event: Event | None) -> None:
        """Take an event for this client; None ends the watch, since events were missed."""
        if event is None:
            self._end()
            return
        if self._ended:
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._overrun = True
            self._end()
            self._cut()
            return
        self._queue.append(event)
        if self._send_now is not None:
            self._storage.fanout.add(self._flush)
        else:
            self._tick()

    def _flush(self) -> None:
        """Send what waits without waking the task, which is most of the cost with many clients; wake it otherwise."""
        if self._send_now is None or not self._send_now():
            self._tick()

    def _end(self) -> None:
        self._ended = True
        self._send_now = None
        self._queue.clear()
        self._tick()

    def _time_out(self) -> None:
        self._end()
        self._timer = self._clock.call_later(LAST_CHANCE, self._cut)

    def _cut(self) -> None:
        """End the connection of a client that does not read: nothing else wakes the task that sends to it."""
        if self._sending is not None:
            self._sending.abort()

    async def _push(self, exchange: Exchange, data: bytes) -> None:
        self._sending = exchange
        try:
            await exchange.push(data)
        finally:
            self._sending = None

    async def _left(self, exchange: Exchange) -> None:
        while (await exchange.receive())["type"] != "http.disconnect":
            pass
        self._end()

    def _type(self, event: Event) -> str:
        if self._chosen.plain and not self._chosen.namespace:
            return "ADDED" if event.old is None else "DELETED" if event.new is None else "MODIFIED"
        return event.type_for(self._chosen)

    async def _live(
        self, exchange: Exchange, render: Render, bookmark: Callable[[int, bool], bytes], sent: int, direct: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        self._sent = sent
        due = self._next_bookmark()
        ticking = self._clock.call_later(due - self._clock.monotonic(), self._tick) if self._options.bookmarks else None

        def lines_of(events: Iterable[Event]) -> list[bytes]:
            types = ((event, self._type(event)) for event in events if event.rev > self._sent)
            return [render(event, type_) for event, type_ in types if type_]

        def send_now() -> bool:
            queue = self._queue
            if queue:
                lines = lines_of(queue)
                if lines and not exchange.push_now(lines[0] if len(lines) == 1 else b"".join(lines)):
                    return False
                self._sent = max(self._sent, queue[-1].rev)
                queue.clear()
            return True

        try:
            while not self._ended:
                lines = lines_of(self._queue)
                if self._queue:
                    self._sent = max(self._sent, self._queue[-1].rev)
                    self._queue.clear()
                if self._options.bookmarks and self._clock.monotonic() >= due:
                    # Nothing of this kind is waiting: everything up to the cache's revision has been sent.
                    self._sent = max(self._sent, self._storage.progress.rev)
                    lines.append(bookmark(self._sent, False))
                    due = self._next_bookmark()
                    ticking = self._clock.call_later(due - self._clock.monotonic(), self._tick)
                if lines:
                    self._send_now = None  # what comes while this is being sent must queue behind it
                    await self._push(exchange, lines[0] if len(lines) == 1 else b"".join(lines))
                    continue
                self._send_now = send_now if direct else None
                self._wake = loop.create_future()
                await self._wake
                self._wake = None
        finally:
            self._send_now = None
            if ticking is not None:
                ticking.cancel()

    def _next_bookmark(self) -> float:
        """When the next one is due: in a minute, or shortly before the end."""
        now = self._clock.monotonic()
        last = self._deadline - LAST_BOOKMARK
        return min(now + BOOKMARK_SECONDS, last) if last > now else now + BOOKMARK_SECONDS

    def _tick(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def event_line(type_: str, obj: dict[str, object]) -> bytes:
    """A watch line made from a dict."""
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), dumps(obj))


def bookmark_object(kind: str, api_version: str, rev: int, initial: bool) -> dict[str, object]:
    """A bookmark's object: nothing but a revision, annotated when it ends the initial events."""
    metadata: dict[str, object] = {"resourceVersion": str(rev), "creationTimestamp": None}
    if initial:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata}
