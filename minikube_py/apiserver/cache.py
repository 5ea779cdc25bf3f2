"""The watch cache: per kind, what the store holds now and what changed lately, fed by one watch of the store.

Lists and watches are answered from here; a consistent read first waits until the cache has reached the store's
current revision. The cache holds bytes and the little that selectors look at, never decoded objects.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from minikube_py.api.fields import FieldSelector
from minikube_py.api.labels import Selector
from minikube_py.apiserver.encoding import Codec, Object, loads
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.table import Row
from minikube_py.store.base import Change, Entry

EVENT_WINDOW = 4096
"""Changes per kind that a watch can be resumed from without reading the store's history."""


class Item:
    """One object as it is served: its bytes, revision, and what selectors and Table rows are chosen by."""

    __slots__ = ("_codec", "_row", "data", "fields", "key", "labels", "name", "namespace", "rev")

    def __init__(self, key: str, value: bytes, rev: int, obj: Object, codec: Codec, kind: Kind) -> None:
        metadata = obj["metadata"]
        self.key = key
        self.data = codec.served(value, rev)
        self.rev = rev
        self.name: str = metadata["name"]
        self.namespace: str = metadata.get("namespace", "")
        self.labels: Mapping[str, str] | None = metadata.get("labels")
        self.fields = kind.select_fields(obj)
        self._codec = codec
        self._row: Row | None = None

    @property
    def value(self) -> bytes:
        """The stored form; it is made from the served one, so that the bytes are kept once."""
        return self._codec.stored(self.data, self.rev)

    def row(self, kind: Kind) -> Row:
        """The object's Table row without its ages, made at most once."""
        if self._row is None:
            self._row = Row(kind, loads(self.data))
        return self._row


class Filter:
    """Which items a list or watch shows: a namespace, one name, a label selector, a field selector."""

    __slots__ = ("fields", "labels", "name", "namespace", "plain")

    def __init__(
        self,
        namespace: str = "",
        name: str = "",
        labels: Selector | None = None,
        fields: FieldSelector | None = None,
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.labels = labels
        self.fields = fields
        self.plain = not name and labels is None and fields is None
        """True when nothing but the namespace chooses."""

    def matches(self, item: Item) -> bool:
        if self.namespace and item.namespace != self.namespace:
            return False
        if self.name and item.name != self.name:
            return False
        if self.labels is not None and not self.labels.matches(item.labels):
            return False
        if self.fields is not None:
            values = {**item.fields, "metadata.name": item.name, "metadata.namespace": item.namespace}
            return self.fields.matches(values)
        return True


class Event:
    """One change of one kind, framed at most once for all the watchers that see it alike."""

    __slots__ = ("_frames", "new", "old", "rev")

    def __init__(self, rev: int, new: Item | None, old: Item | None) -> None:
        self.rev = rev
        self.new = new
        self.old = old
        self._frames: dict[str, bytes] = {}

    def type_for(self, chosen: Filter) -> str:
        """What this change is to a watcher with that filter: ADDED, MODIFIED, DELETED, or "" for nothing.

        An object that leaves a selector looks deleted, one that enters it looks new.
        """
        now = self.new is not None and chosen.matches(self.new)
        before = self.old is not None and chosen.matches(self.old)
        if now:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else ""

    def shown(self, type_: str) -> tuple[bytes, int]:
        """The stored bytes and revision of the object that the event carries (for DELETED: the last state seen)."""
        item = self.new if type_ != "DELETED" else self.old
        assert item is not None
        return item.value, self.rev

    def frame(self, type_: str, codec: Codec) -> bytes:
        """The JSON line of a watch stream."""
        found = self._frames.get(type_)
        if found is None:
            data = codec.served(*self.shown(type_)) if type_ == "DELETED" else self.new.data  # type: ignore[union-attr]
            found = self._frames[type_] = b'{"type":"%b","object":%b}\n' % (type_.encode(), data)
        return found


Notify = Callable[[Event | None], None]
"""Hears of an event, or (None) that some were missed."""


class TooOld(Exception):
    """The asked revision is before the window that the cache keeps; the store's history may still have it."""


class Listing(NamedTuple):
    """Items in key order at revision `rev`; `remaining` is how many more there are (None when selectors choose)."""

    items: Sequence[Item]
    rev: int
    more: bool
    remaining: int | None


class KindCache:
    """The items and recent events of one kind. `notify` is called for every event, in order, on the event loop."""

    def __init__(self, kind: Kind, prefix: str, codec: Codec) -> None:
        self.kind = kind
        self.prefix = prefix
        self.codec = codec
        self.items: dict[str, Item] = {}
        self._keys: list[str] = []
        self._events: deque[Event] = deque(maxlen=EVENT_WINDOW)
        self._window_start = 0
        self._subscribers: dict[object, Notify] = {}

    def load(self, entries: Sequence[Entry], rev: int) -> None:
        """Fill an empty cache with the state at `rev`, from which on watches can be resumed."""
        for entry in entries:
            self.items[entry.key] = self.item(entry)
        self._keys = sorted(self.items)
        self._window_start = rev

    def apply(self, change: Change) -> None:
        """Take one change of the store; older state than the cache holds is never delivered."""
        key, new = change.key, None
        old = self.items.get(key)
        if change.new is None:
            if old is None:
                return
            del self.items[key]
            del self._keys[bisect_left(self._keys, key)]
        else:
            new = self.items[key] = self.item(change.new)
            if old is None:
                insort(self._keys, key)
        event = Event(change.rev, new, old)
        if len(self._events) == EVENT_WINDOW:
            self._window_start = self._events[0].rev
        self._events.append(event)
        for notify in tuple(self._subscribers.values()):
            notify(event)

    def replace(self, entries: Sequence[Entry], rev: int) -> None:
        """Become the state at `rev` after a gap, and end every watch.

        What happened in the gap has no revisions of its own that a watch could be resumed from half-way: the watchers
        come back with the last revision that they saw, are told that it is too old, and list again, as upstream.
        """
        self.items.clear()
        self._events.clear()
        self.load(entries, rev)
        self.end_watches()

    def end_watches(self) -> None:
        """Have everybody who watches come back."""
        for notify in tuple(self._subscribers.values()):
            notify(None)

    def subscribe(self, notify: Notify) -> Callable[[], None]:
        """Have `notify` called for every later event, with None after a gap; the function returned ends that."""
        token = object()
        self._subscribers[token] = notify
        return lambda: self._subscribers.pop(token, None) and None

    @property
    def watchers(self) -> int:
        return len(self._subscribers)

    def covers(self, rev: int) -> bool:
        """True when `since(rev)` can be answered."""
        return rev >= self._window_start

    def since(self, rev: int) -> list[Event]:
        """The events after `rev`. Raises TooOld when the window does not reach back that far."""
        if not self.covers(rev):
            raise TooOld
        if not self._events or self._events[-1].rev <= rev:
            return []
        return [e for e in self._events if e.rev > rev]

    def list(self, chosen: Filter, rev: int, *, after_key: str = "", limit: int = 0) -> Listing:
        """The items that the filter chooses; `rev` is the revision that the whole cache has reached."""
        if chosen.plain:
            low, high = self._bounds(chosen.namespace, after_key)
            end = min(high, low + limit) if limit else high
            items = self.items
            return Listing([items[k] for k in self._keys[low:end]], rev, end < high, high - end)
        found: list[Item] = []
        for item in self._walk(chosen, after_key):
            if chosen.matches(item):
                if limit and len(found) == limit:
                    return Listing(found, rev, True, None)
                found.append(item)
        return Listing(found, rev, False, None)

    def _walk(self, chosen: Filter, after_key: str) -> Iterator[Item]:
        if chosen.name and (chosen.namespace or not self.kind.resource.namespaced):
            item = self.items.get(self.key(chosen.namespace, chosen.name))
            return iter((item,) if item is not None and item.key > after_key else ())
        low, high = self._bounds(chosen.namespace, after_key)
        return (self.items[k] for k in self._keys[low:high])

    def key(self, namespace: str, name: str) -> str:
        """The store's key of an object."""
        return f"{self.prefix}{namespace}/{name}" if self.kind.resource.namespaced else f"{self.prefix}{name}"

    def _bounds(self, namespace: str, after_key: str) -> tuple[int, int]:
        low, high = 0, len(self._keys)
        if namespace:
            low = bisect_left(self._keys, f"{self.prefix}{namespace}/")
            high = bisect_left(self._keys, f"{self.prefix}{namespace}0")  # "0" is the character after "/"
        if after_key:
            low = max(low, bisect_left(self._keys, after_key + "\0"))
        return low, max(low, high)

    def item(self, entry: Entry) -> Item:
        """An item of this kind from a store entry (also one of an older revision)."""
        return Item(entry.key, entry.value, entry.rev, self.codec.view(entry.value), self.codec, self.kind)


class Progress:
    """The revision that all the caches have reached, and a way to wait for one."""

    def __init__(self) -> None:
        self.rev = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def advance(self, rev: int) -> None:
        if rev <= self.rev:
            return
        self.rev = rev
        if self._waiters:
            due = [w for w in self._waiters if w[0] <= rev]
            self._waiters = [w for w in self._waiters if w[0] > rev]
            for _, future in due:
                if not future.done():
                    future.set_result(None)

    async def reach(self, rev: int) -> None:
        """Return once every change up to `rev` is in the caches."""
        if rev <= self.rev:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (rev, future)
        self._waiters.append(entry)
        try:
            await future
        finally:
            if entry in self._waiters:
                self._waiters.remove(entry)
