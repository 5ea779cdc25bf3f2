"""The informer: a list and an endless watch that keep a local, read-only cache equal to the server's state."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.meta import key as object_key
from minikube_py.api.resources import Resource
from minikube_py.client.rest import Client
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock

log = logs.get("informer")

T = TypeVar("T")
Handler = Callable[[T | None, T | None], object]

_FIRST_DELAY, _MAX_DELAY = 0.2, 30.0
# A server ends a watch after its timeoutSeconds; one that is silent for longer than that has died without saying so.
_MIN_WATCH_SECONDS, _SILENCE_SECONDS = 300, 30.0
# A stream that lived this long was worth opening, so the next one is opened without delay.
_GOOD_STREAM_SECONDS = 1.0


class _Relist(Exception):
    """The watch cannot go on from the known revision."""


class Informer(Generic[T]):
    """A cache of one resource, by `namespace/name`, and the changes to it.

    `transform` turns an object into what is kept (a projection, a model); without it the object itself is. Handlers are
    called in order, in the task of `run()`, after the cache has changed; they must be quick and must not raise. An
    object deleted and created anew under its name is heard as both, also when that was seen only in a list.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        clock: Clock,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[Object], T] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.resource = resource
        self.revision = ""
        self.relists = 0
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._transform = transform or cast("Callable[[Object], T]", _same)
        self._random = rng or random.Random()
        self._items: dict[str, T] = {}
        self._view: Mapping[str, T] = MappingProxyType(self._items)
        self._versions: dict[str, tuple[str, str]] = {}  # uid, resourceVersion
        self._handlers: list[Handler[T]] = []
        self._synced = asyncio.Event()
        self._delay = 0.0

    @property
    def name(self) -> str:
        """What is watched, for logs and task names."""
        return f"{self.resource.qualified} in {self._namespace}" if self._namespace else self.resource.qualified

    @property
    def synced(self) -> bool:
        """Whether the first list has arrived and all handlers have heard of it."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when `synced`."""
        await self._synced.wait()

    def get(self, key: str) -> T | None:
        """The cached object, which must not be changed."""
        return self._items.get(key)

    def items(self) -> Mapping[str, T]:
        """A live read-only view of the cache; copy it before awaiting anything in a loop over it."""
        return self._view

    def on_change(self, handler: Handler[T]) -> None:
        """Call `handler(old, new)` for each change: None and new, old and new, old and None.

        A handler that comes late first hears of every object that is there already.
        """
        self._handlers.append(handler)
        for item in list(self._items.values()):
            handler(None, item)

    async def run(self) -> None:
        """List and watch until cancelled, through any failure of the server."""
        relist_from: str | None = "0"
        while True:
            try:
                if relist_from is not None or not self.revision:
                    await self._list(relist_from)
                    relist_from = None
                    self._delay = 0.0
                await self._watch()
            except _Relist as reason:
                log.info("listing anew", resource=self.name, revision=self.revision, reason=reason)
                # Not from the server's cache, which may be what was behind.
                relist_from = ""
            except errors.StatusError as error:
                self._delay = min(max(self._delay * 2, _FIRST_DELAY), _MAX_DELAY)
                delay = self._delay * (1 + self._random.random())
                log.warning("cannot list or watch", resource=self.name, error=error, retry_seconds=round(delay, 3))
                await self._clock.sleep(delay)

    async def _list(self, revision: str | None) -> None:
        found = await self._client.list(
            self.resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            resource_version=revision or None,
        )
        self.relists += self.synced
        listed = {object_key(item): item for item in found["items"]}
        for key in [key for key in self._items if key not in listed]:
            self._drop(key)
        for key, item in listed.items():
            self._put(key, item)
        self.revision = found["metadata"]["resourceVersion"]
        self._synced.set()

    async def _watch(self) -> None:
        """One watch, from the known revision until its stream ends."""
        seconds = int(_MIN_WATCH_SECONDS * (1 + self._random.random()))
        began, opened_at = self._clock.monotonic(), self.revision
        try:
            async with (
                self._clock.timeout(seconds + _SILENCE_SECONDS),
                self._client.watch(
                    self.resource,
                    self._namespace,
                    resource_version=self.revision,
                    label_selector=self._label_selector,
                    field_selector=self._field_selector,
                    timeout_seconds=seconds,
                ) as events,
            ):
                async for event in events:
                    self._apply(event.type, event.object)
        except TimeoutError:
            log.warning("the watch fell silent", resource=self.name, seconds=seconds + _SILENCE_SECONDS)
        except errors.StatusError as error:
            if _lost(error):
                raise _Relist(error.message) from error
            if self.revision != opened_at:
                self._delay = 0.0
            raise
        if self.revision != opened_at or self._clock.monotonic() - began >= _GOOD_STREAM_SECONDS:
            self._delay = 0.0
        else:
            raise errors.ServiceUnavailable("the server ended the watch at once")

    def _apply(self, kind: str, obj: Object) -> None:
        revision = obj["metadata"]["resourceVersion"]
        if _older(revision, self.revision):
            raise _Relist(f"the server's revision went back to {revision}")
        if kind == "DELETED":
            self._drop(object_key(obj))
        elif kind in ("ADDED", "MODIFIED"):
            self._put(object_key(obj), obj)
        elif kind != "BOOKMARK":
            raise errors.InternalError(f"a watch event of unknown type {kind!r}")
        self.revision = revision

    def _put(self, key: str, obj: Object) -> None:
        metadata = obj["metadata"]
        version = (metadata.get("uid", ""), metadata.get("resourceVersion", ""))
        known = self._versions.get(key)
        if known == version:
            return
        if known is not None and known[0] != version[0]:
            self._drop(key)
        old = self._items.get(key)
        new = self._transform(obj)
        self._items[key] = new
        self._versions[key] = version
        self._tell(old, new)

    def _drop(self, key: str) -> None:
        old = self._items.pop(key, None)
        if self._versions.pop(key, None) is not None:
            self._tell(old, None)

    def _tell(self, old: T | None, new: T | None) -> None:
        for handler in self._handlers:
            handler(old, new)


def _same(obj: Object) -> Any:
    return obj


def _older(revision: str, than: str) -> bool:
    """Whether a revision goes back. Revisions that are no numbers are never compared."""
    return revision.isdigit() and than.isdigit() and int(revision) < int(than)


def _lost(error: errors.StatusError) -> bool:
    """Whether watching on from the same revision is hopeless: history is gone, or is not the one that we know."""
    if isinstance(error, errors.Timeout):
        causes = error.details.get("causes") or ()
        return any(c.get("reason") == "ResourceVersionTooLarge" for c in causes) or (
            "too large resource version" in error.message.lower()
        )
    return 400 <= error.code < 500 and error.code != 429
