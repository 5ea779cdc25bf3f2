"""The store as the registry sees it: every kind's cache, fed by one watch, and waiting for a consistent view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from minikube_py.api import errors
from minikube_py.api.resources import Resource
from minikube_py.apiserver.cache import KindCache, Progress
from minikube_py.apiserver.encoding import Codec, ConvertingCodec
from minikube_py.apiserver.fanout import Fanout
from minikube_py.apiserver.keylocks import KeyLocks
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.store.base import Change, Compacted, Entry, Store, Unavailable, Watch

log = logs.get("apiserver.storage")

ROOT = "/registry/"
HISTORY_SECONDS = 300.0
"""How long old revisions stay readable, as kube-apiserver's --etcd-compaction-interval."""
STEP_BACK_SECONDS = 2.0
FRESHNESS_SECONDS = 3.0
"""How long a read waits for a revision that the cache has not reached, as upstream's watch cache."""

CHECK_SECONDS = 2.0
"""How long the store may take to answer a health check, as kube-apiserver's --etcd-readycheck-timeout."""


def prefix_for(resource: Resource) -> str:
    """Where a kind's objects live in the store: `/registry/pods/`, `/registry/coordination.k8s.io/leases/`."""
    group = resource.group
    return f"{ROOT}{group}/{resource.plural}/" if group else f"{ROOT}{resource.plural}/"


class Storage:
    """All caches over one store. `run()` keeps them fed; reads before the first load wait for it."""

    def __init__(
        self, store: Store, kinds: Sequence[Kind], clock: Clock, stale: Callable[[str], bool] = lambda key: False
    ) -> None:
        self.store = store
        self.stale = stale
        """Whether a key's value should be written again even if nothing in it changes (encryption at rest)."""
        self.clock = clock
        self.progress = Progress()
        self.fanout = Fanout(clock)
        self.loaded = asyncio.Event()
        self.locks = KeyLocks()
        self.caches: dict[str, KindCache] = {}
        """The caches of the stored kinds by qualified plural."""
        self._watch: Watch | None = None
        self._loading: dict[str, list[Change]] = {}
        """Changes to kinds that are being added, which wait until their cache is loaded."""
        self._gaps = 0
        self._by_prefix: dict[str, list[KindCache]] = {}
        for kind in kinds:
            if kind.stored_as is None:
                self._register(KindCache(kind, prefix_for(kind.resource), Codec(kind.resource)))

    def _register(self, cache: KindCache) -> None:
        self.caches[cache.kind.resource.qualified] = cache
        self._by_prefix[cache.prefix] = [cache]

    def cache(self, kind: Kind) -> KindCache:
        """The cache of a kind. That of a version that is not the stored one is made of the stored one's when asked for.

        Raises KeyError for a kind that is not served.
        """
        stored = kind.stored_as
        if stored is None:
            return self.caches[kind.resource.qualified]
        caches = self._by_prefix[prefix_for(stored.resource)]
        for cache in caches:
            if cache.kind.resource == kind.resource:
                return cache
        first = caches[0]
        if kind.custom is not None:
            codec = kind.custom.codec()
        else:
            codec = ConvertingCodec(kind.resource, first.codec, stored.to_stored, stored.from_stored)
        view = KindCache(kind, first.prefix, codec)
        # Without an await: what changes from here on comes through `apply`.
        view.load([Entry(i.key, i.value, i.rev) for i in first.items.values()], self.progress.rev)
        caches.append(view)
        return view

    async def add(self, kind: Kind) -> None:
        """Serve one more stored kind from now on (a custom resource): its cache is loaded on return.

        One that is served already is served anew, with another schema; watches of it end. Raises Unavailable, and
        nothing is added then.
        """
        await self.loaded.wait()
        codec = kind.custom.codec() if kind.custom is not None else Codec(kind.resource)
        cache = KindCache(kind, prefix_for(kind.resource), codec)
        while True:
            gaps = self._gaps
            meanwhile = self._loading[cache.prefix] = []
            try:
                page = await self.store.list(cache.prefix)
                await self.at_least(page.rev)
            finally:
                del self._loading[cache.prefix]
            if gaps == self._gaps:
                break
        cache.load(page.entries, page.rev)
        for change in meanwhile:
            if change.rev > page.rev:
                cache.apply(change)
        before = self._by_prefix.get(cache.prefix, ())
        self._register(cache)
        for old in before:
            old.end_watches()

    def remove(self, kind: Kind) -> None:
        """Serve a stored kind, in all its versions, no more; watches of it end."""
        for cache in self._by_prefix.pop(prefix_for(kind.resource), ()):
            cache.replace((), self.progress.rev)
        self.caches.pop(kind.resource.qualified, None)

    async def run(self) -> None:
        """Load the caches and follow the store for ever; a broken watch is resumed from the last revision seen."""
        while not self.loaded.is_set():
            try:
                await self._load()
            except Unavailable as error:
                log.warning("the store does not answer, trying again", error=str(error), delay=STEP_BACK_SECONDS)
                await self.clock.sleep(STEP_BACK_SECONDS)
        while True:
            try:
                await self._follow()
            except Unavailable as error:
                log.warning("the store's watch broke, resuming", error=str(error), after=self.progress.rev)
            except Compacted:
                log.warning(
                    "the store's history does not reach back, reading everything again", after=self.progress.rev
                )
                await self._reload()
            await self.clock.sleep(STEP_BACK_SECONDS)

    async def _load(self) -> None:
        page = await self.store.list(ROOT)
        grouped = self._group(page.entries)
        for prefix, caches in self._by_prefix.items():
            for cache in caches:
                cache.load(grouped.get(prefix, ()), page.rev)
        self.progress.advance(page.rev)
        self.loaded.set()
        log.info("caches loaded", revision=page.rev, objects=len(page.entries))

    async def _reload(self) -> None:
        """After a gap: the state as it is now; the watchers have to list again."""
        self._gaps += 1
        page = await self.store.list(ROOT)
        grouped = self._group(page.entries)
        for prefix, caches in self._by_prefix.items():
            for cache in caches:
                cache.replace(grouped.get(prefix, ()), page.rev)
        self.progress.advance(page.rev)

    async def _follow(self) -> None:
        async with self.store.watch(ROOT, after=self.progress.rev) as changes:
            self._watch = changes
            try:
                async for change in changes:
                    if change.key:
                        self._apply(change)
                    self.progress.advance(change.rev)
            finally:
                self._watch = None

    def _apply(self, change: Change) -> None:
        """Tell the caches that the key belongs to; keys of other kinds (a newer server's) are none of ours."""
        parts = change.key[len(ROOT) :].split("/", 2)
        prefix = f"{ROOT}{parts[0]}/"
        caches = self._by_prefix.get(prefix)
        if caches is None and len(parts) > 2:
            prefix = f"{prefix}{parts[1]}/"
            caches = self._by_prefix.get(prefix)
        if caches is not None:
            for cache in caches:
                cache.apply(change)
        if prefix in self._loading:
            self._loading[prefix].append(change)

    def _group(self, entries: Sequence[Entry]) -> dict[str, list[Entry]]:
        grouped: dict[str, list[Entry]] = {}
        for entry in entries:
            parts = entry.key[len(ROOT) :].split("/", 2)
            for prefix in (f"{ROOT}{parts[0]}/", f"{ROOT}{'/'.join(parts[:2])}/"):
                if prefix in self._by_prefix:
                    grouped.setdefault(prefix, []).append(entry)
                    break
        return grouped

    async def check(self) -> str | None:
        """What is wrong with the store, for the health endpoints."""
        if not self.loaded.is_set():
            return "the caches are not loaded yet"
        try:
            await self.clock.wait_for(self.store.revision(), CHECK_SECONDS)
        except (Unavailable, TimeoutError) as error:
            return str(error) or "the store does not answer"
        return None

    async def fresh(self) -> int:
        """Wait until the caches are not older than any write acknowledged before; returns their revision."""
        await self.loaded.wait()
        rev = await self.store.revision()
        if rev > self.progress.rev:
            if self._watch is not None:
                # The revision may belong to a key outside our root, which no change will ever bring us to.
                await self._watch.request_progress()
            await self._reach(rev)
        return self.progress.rev

    async def at_least(self, rev: int) -> int:
        """Wait until the caches have reached `rev`. Raises Timeout (ResourceVersionTooLarge) when they do not soon."""
        await self.loaded.wait()
        if rev > self.progress.rev:
            await self._reach(rev)
        return self.progress.rev

    async def _reach(self, rev: int) -> None:
        try:
            await self.clock.wait_for(self.progress.reach(rev), FRESHNESS_SECONDS)
        except TimeoutError:
            raise errors.Timeout(
                f"Too large resource version: {rev}, current: {self.progress.rev}",
                details={
                    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                    "retryAfterSeconds": 1,
                },
            ) from None

    async def compact_old_history(self) -> None:
        """Every few minutes forget the revisions that are older than one period. Runs for ever."""
        await self.loaded.wait()
        previous = self.progress.rev
        while True:
            await self.clock.sleep(HISTORY_SECONDS)
            current = self.progress.rev
            try:
                await self.store.compact(previous)
                log.debug("history compacted", revision=previous)
            except Unavailable as error:
                log.warning("compaction failed, trying again next time", error=str(error))
                continue
            previous = current
