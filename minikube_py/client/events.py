"""The event recorder: what a user should see about an object, as core/v1 Events that count their repeats."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Any, Literal, TypeVar

from minikube_py.api import errors, times
from minikube_py.api.meta import Object
from minikube_py.api.resources import EVENTS
from minikube_py.client.rest import Client
from minikube_py.daemon import logs, metrics
from minikube_py.daemon.clock import Clock

log = logs.get("events")

EventType = Literal["Normal", "Warning"]
K = TypeVar("K")
V = TypeVar("V")

# The numbers of upstream's recorder.
QUEUE_LENGTH = 1000
_CACHE_SIZE = 4096
_SIMILAR_EVENTS, _SIMILAR_SECONDS = 10, 600.0
_BURST, _REFILL_SECONDS = 25, 300.0
_TRIES, _RETRY_SECONDS = 12, 10.0
_MAX_NAME = 253


class EventRecorder:
    """Records events of one component; `run()` is the task that sends them.

    `event()` never blocks or raises. What cannot be sent is dropped, counted in `events_dropped_total` by cause, and
    logged once per cause. An object gets 25 events at once and one more every five minutes, as upstream's filter does.
    """

    def __init__(
        self,
        client: Client,
        component: str,
        *,
        clock: Clock,
        host: str = "",
        registry: metrics.Registry | None = None,
        queue_length: int = QUEUE_LENGTH,
    ) -> None:
        self.name = f"events of {component}"
        self._client = client
        self._clock = clock
        self._component = component
        self._host = host
        self._length = queue_length
        self._queue: deque[Object] = deque()
        self._filled = asyncio.Event()
        self._correlator = _Correlator(clock)
        self._last_stamp = 0
        self._logged: set[str] = set()
        registry = registry or metrics.REGISTRY
        self._dropped = registry.counter("events_dropped_total", "Events that were not sent", ("component", "cause"))

    @property
    def dropped(self) -> int:
        """How many events this component has dropped."""
        causes = ("overflow", "spam", "refused", "unreachable", "malformed")
        return int(sum(self._dropped.value(self._component, cause) for cause in causes))

    def event(self, obj: Object, type: EventType, reason: str, message: str, *, field_path: str = "") -> None:
        """Say that something happened to `obj` (which has apiVersion and kind); `reason` is one CamelCase word.

        `field_path` points into the object, such as `spec.containers{web}`.
        """
        try:
            event = self._make(obj, type, reason, message, field_path)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self._drop("malformed", reason, repr(error))
            return
        if len(self._queue) >= self._length:
            self._drop("overflow", reason, "the queue of unsent events is full")
            return
        self._queue.append(event)
        self._filled.set()

    async def run(self) -> None:
        """Send the queued events in order, until cancelled."""
        while True:
            while not self._queue:
                self._filled.clear()
                await self._filled.wait()
            # It keeps its place in the queue while it is sent, so that the bound counts it.
            await self._send(self._queue[0])
            self._queue.popleft()

    async def flush(self) -> None:
        """Send what is queued now, once, without waiting for a server that is away: for the end of a daemon."""
        for event in list(self._queue):
            await self._send(event, tries=1)
        self._queue.clear()

    def _make(self, obj: Object, type: str, reason: str, message: str, field_path: str) -> Object:
        if type not in ("Normal", "Warning"):
            raise ValueError(f"event type {type!r} is neither Normal nor Warning")
        metadata = obj["metadata"]
        reference = {
            "kind": obj["kind"],
            "namespace": metadata.get("namespace"),
            "name": metadata["name"],
            "uid": metadata.get("uid"),
            "apiVersion": obj["apiVersion"],
            "resourceVersion": metadata.get("resourceVersion"),
            "fieldPath": field_path,
        }
        now = self._clock.now()
        stamp = self._last_stamp = max(int(now.timestamp() * 1e9), self._last_stamp + 1)
        suffix = f".{stamp:x}"
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": metadata["name"][: _MAX_NAME - len(suffix)].rstrip(".-") + suffix,
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": {k: v for k, v in reference.items() if v},
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": times.format_time(now),
            "lastTimestamp": times.format_time(now),
            "count": 1,
            "type": type,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    async def _send(self, event: Object, tries: int = _TRIES) -> None:
        correlated = self._correlator.correlate(event)
        if correlated is None:
            self._drop("spam", event["reason"], "too many events about one object")
            return
        key, event = correlated
        why = ""
        for attempt in range(tries):
            if attempt:
                await self._clock.sleep(_RETRY_SECONDS)
            try:
                self._correlator.sent(key, await self._write(event))
                return
            except errors.StatusError as error:
                if error.code < 500 and error.code != 429:
                    self._drop("refused", event["reason"], error.message)
                    return
                why = error.message
        self._drop("unreachable", event["reason"], why)

    async def _write(self, event: Object) -> Object:
        metadata = event["metadata"]
        if event["count"] > 1:
            patch = {k: event[k] for k in ("count", "lastTimestamp", "message")}
            try:
                return await self._client.patch(EVENTS, metadata["name"], metadata["namespace"], patch)
            except errors.NotFound:
                # It has expired at the server; it goes on under a name of its own.
                self._last_stamp += 1
                base = metadata["name"].rpartition(".")[0]
                event = {**event, "metadata": {**metadata, "name": f"{base}.{self._last_stamp:x}"}}
        try:
            return await self._client.create(EVENTS, event)
        except errors.AlreadyExists:
            # The names are ours alone: an earlier try got through and only its answer was lost.
            return event

    def _drop(self, cause: str, reason: str, why: str) -> None:
        self._dropped.inc(self._component, cause)
        if cause not in self._logged:
            self._logged.add(cause)
            log.warning(
                "an event was dropped, later ones are only counted",
                component=self._component, cause=cause, reason=reason, error=why,
            )  # fmt: skip


class _Correlator:
    """Which event an event repeats. Three steps, as upstream: spam filter, aggregation of similar ones, repeats."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: OrderedDict[Any, tuple[float, float]] = OrderedDict()  # tokens left, when
        self._similar: OrderedDict[Any, tuple[float, set[str]]] = OrderedDict()  # when, messages
        self._repeats: OrderedDict[Any, tuple[float, Object]] = OrderedDict()  # when, the event as last sent

    def correlate(self, event: Object) -> tuple[Any, Object] | None:
        """A key for `sent` and the event to write (count 1: create; more: patch the named one), or None for spam."""
        source, about = event["source"], event["involvedObject"]
        who = (source["component"], source.get("host", ""))
        what = tuple(about.get(k, "") for k in ("kind", "namespace", "name", "uid", "apiVersion"))
        if not self._allowed((who, what)):
            return None
        now = self._clock.monotonic()
        group = (who, what, event["type"], event["reason"])
        at, messages = self._similar.get(group, (now, set[str]()))
        if now - at > _SIMILAR_SECONDS:
            messages = set()
        messages.add(event["message"])
        key: Any = (group, about.get("fieldPath", ""), event["message"])
        if len(messages) > _SIMILAR_EVENTS:
            # Too many different ones: from here on they count as one, which shows the newest message.
            messages.remove(next(m for m in messages if m != event["message"]))
            key = (group, None, None)
            event = {**event, "message": "(combined from similar events): " + event["message"]}
        _remember(self._similar, group, (now, messages))
        at, known = self._repeats.get(key, (now, None))
        if known is not None and now - at <= _SIMILAR_SECONDS:
            event = {**event, **{k: known[k] for k in ("metadata", "firstTimestamp")}, "count": known["count"] + 1}
        return key, event

    def sent(self, key: Any, stored: Object) -> None:
        """The server has it: repeats will patch it."""
        kept = {
            "metadata": {k: stored["metadata"][k] for k in ("name", "namespace")},
            "firstTimestamp": stored.get("firstTimestamp"),
            "count": int(stored.get("count") or 1),
        }
        _remember(self._repeats, key, (self._clock.monotonic(), kept))

    def _allowed(self, key: Any) -> bool:
        now = self._clock.monotonic()
        tokens, at = self._tokens.get(key, (float(_BURST), now))
        tokens = min(float(_BURST), tokens + (now - at) / _REFILL_SECONDS)
        allowed = tokens >= 1.0
        _remember(self._tokens, key, (tokens - 1.0 if allowed else tokens, now))
        return allowed


def _remember(cache: OrderedDict[K, V], key: K, value: V) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > _CACHE_SIZE:
        cache.popitem(last=False)
