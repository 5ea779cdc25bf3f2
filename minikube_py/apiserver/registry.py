"""The verbs, written once: get, create, update, patch and delete of any kind, over the store and the caches.

    create   normalize -> default -> prepare -> managed fields -> admission -> validate -> allocate -> store
    update   read -> (patch) -> normalize -> default -> prepare -> ... -> store at the revision that was read

Lists and watches are in `reading.py` and `watch.py`. Values that leave here are bytes in served form.
"""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api import errors
from minikube_py.api.normalize import normalize
from minikube_py.api.patch import apply as managed
from minikube_py.api.times import format_time
from minikube_py.apiserver import deletion, objectmeta
from minikube_py.apiserver.admission import Admission, Attributes
from minikube_py.apiserver.allocators import Allocators
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.cache import KindCache
from minikube_py.apiserver.encoding import Codec, Object, dumps, loads
from minikube_py.apiserver.kinds._objectmeta import validate_object_meta, validate_object_meta_update
from minikube_py.apiserver.kinds.base import Allocation, Context, Kind
from minikube_py.apiserver.options import DeleteOptions
from minikube_py.apiserver.storage import Storage
from minikube_py.apiserver.writes import Change, Request, Result, report_unknown
from minikube_py.daemon.clock import Clock
from minikube_py.store import base as store

MAX_RETRIES = 50
"""How often a write that named no revision starts again when another server's write got there first."""

OBJECT_LIMIT = 1536 * 1024
"""Bytes of a stored object: etcd's default limit of a request, which every store keeps to."""

OTHER_ENDPOINT = {"": (("status",),), "status": (("spec",),)}
"""What managed fields leave out per endpoint: a plain write does not own status, a status write owns nothing else."""


class Registry:
    """The verbs of one kind."""

    def __init__(
        self, kind: Kind, storage: Storage, admission: Admission, clock: Clock, allocators: Allocators
    ) -> None:
        self.kind = kind
        self.resource = kind.resource
        self._storage = storage
        self._store = storage.store
        self._admission = admission
        self._clock = clock
        self.allocators = allocators
        self._cache: KindCache | None = None

    def alike(self, kind: Kind) -> Registry:
        """The registry of another kind, over the same store and admission."""
        return Registry(kind, self._storage, self._admission, self._clock, self.allocators)

    @property
    def cache(self) -> KindCache:
        """The kind's cache; that of a version that is not the stored one is filled when it is first asked for."""
        if self._cache is None:
            self._cache = self._storage.cache(self.kind)
        return self._cache

    @property
    def codec(self) -> Codec:
        return self.cache.codec

    # -- read ---------------------------------------------------------------------------------------------------

    async def get(self, namespace: str, name: str, resource_version: int | None = None) -> bytes:
        """The object's served bytes; None asks for the latest state, a number for one not older. Raises NotFound."""
        if resource_version is None:
            await self._storage.fresh()
        else:
            await self._storage.at_least(resource_version)
        item = self.cache.items.get(self.cache.key(namespace, name))
        if item is None:
            raise self._not_found(name)
        return item.data

    async def read(self, namespace: str, name: str) -> Object:
        """The latest state as a dict of the caller's own. Raises NotFound."""
        entry = await self._current(self.cache.key(namespace, name), name)
        return self.codec.decode(entry.value, entry.rev)

    async def _current(self, key: str, name: str) -> store.Entry:
        await self._storage.fresh()
        item = self.cache.items.get(key)
        if item is None:
            raise self._not_found(name)
        return store.Entry(key, item.value, item.rev)

    def _not_found(self, name: str) -> errors.NotFound:
        return errors.not_found(self.resource.group, self.resource.plural, name)

    # -- create -------------------------------------------------------------------------------------------------

    async def create(self, obj: Object, request: Request, *, tracked: bool = False, internal: bool = False) -> Result:
        """Store a new object. Raises AlreadyExists, Invalid, BadRequest, Forbidden; nothing is stored then.

        `tracked` says that managedFields are settled already (server-side apply); `internal` that the object is one
        that the server ships, and a test has found valid: the start is not held up by looking again.
        """
        kind, now = self.kind, self._clock.now()
        if not internal:
            self.check(obj, request, whole=True)
        objectmeta.prepare_create(kind, obj, request.namespace, now)
        kind.default(obj)
        kind.prepare_create(obj, Context(now, request.user))
        if not tracked:  # before admission, whose additions nobody owns
            self._track(obj, None, request, now_text=format_time(now))
        attributes = self._attributes("CREATE", request, obj, None)
        await self._admission.admit(attributes)
        if not internal:
            self._validate_create(obj)
        if kind.warnings is not None:
            request.warnings.extend(kind.warnings(obj))
        key = self.cache.key(request.namespace, obj["metadata"]["name"])
        allocation = None
        try:
            await self._admission.validate(attributes)
            allocation = self._allocate(obj, None)
            value = self._encode(key, obj)
            if request.options.dry_run:
                await self._storage.fresh()
                if key in self.cache.items:
                    raise store.Exists(key)
                return Result(self.codec.shown(value), 201, request.warnings)
            entry = await self._store.create(key, value, ttl=kind.ttl(obj) if kind.ttl else 0)
            self._commit(allocation, attributes)
        except store.Exists:
            name = obj["metadata"]["name"]
            raise errors.already_exists(self.resource.group, self.resource.plural, name) from None
        finally:
            self._release(allocation, attributes)
        return Result(self.codec.served(entry.value, entry.rev), 201, request.warnings)

    # -- update and patch ---------------------------------------------------------------------------------------

    async def update(self, obj: Object, request: Request) -> Result:
        """Replace the object (or, with a subresource, that part). Raises NotFound, Conflict, Invalid."""
        self.check(obj, request, whole=True)
        metadata = objectmeta.ensure_metadata(obj)
        objectmeta.match_name(metadata, request.name, request.namespace)
        objectmeta.match_namespace(self.kind, metadata, request.namespace)
        wanted = dumps(obj)  # a fresh copy per attempt: defaults and stamps of a lost race must not stay
        return await self.modify(lambda _: loads(wanted), request, checked=True, whole=True)

    async def modify(
        self,
        change: Change,
        request: Request,
        *,
        checked: bool = False,
        whole: bool = False,
        tracked: bool = False,
        internal: bool = False,
    ) -> Result:
        """Read, change, check, write; start again when someone else wrote in between and no revision was named.

        `checked` says that the change's result has been checked; `whole` that it does not build on the object read, so
        that a lost race is a conflict when it names a revision; `tracked` that it has settled managedFields itself
        (server-side apply); `internal` that it is the server's own (a binding), which the kind's rules for clients do
        not apply to.
        """
        key = self.cache.key(request.namespace, request.name)
        async with self._storage.locks.hold(key):
            return await self._modify(key, change, request, checked, whole, tracked, internal)

    async def _modify(
        self, key: str, change: Change, request: Request, checked: bool, whole: bool, tracked: bool, internal: bool
    ) -> Result:
        entry = await self._current(key, request.name)
        for _ in range(MAX_RETRIES):
            old = self.codec.decode(entry.value, entry.rev)
            new = change(self.codec.decode(entry.value, entry.rev))
            if not checked:
                self.check(new, request)
            named = objectmeta.ensure_metadata(new).get("resourceVersion") or ""
            if named and named != old["metadata"]["resourceVersion"]:
                raise errors.conflict(self.resource.group, self.resource.plural, request.name)
            try:
                return await self._replace(new, old, entry, request, tracked or internal, internal)
            except store.Conflict as lost:
                if whole and named:
                    raise errors.conflict(self.resource.group, self.resource.plural, request.name) from None
                entry = lost.current
            except store.NotFound:
                raise self._not_found(request.name) from None
        raise errors.conflict(self.resource.group, self.resource.plural, request.name)

    async def _replace(
        self, new: Object, old: Object, entry: store.Entry, request: Request, tracked: bool, internal: bool
    ) -> Result:
        kind, now = self.kind, self._clock.now()
        uid = new["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise errors.conflict(
                self.resource.group, self.resource.plural, request.name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}",
            )  # fmt: skip
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        objectmeta.prepare_update(kind, new, old)
        kind.default(new)
        context = Context(now, request.user)
        if internal:
            objectmeta.bump_generation(kind, new, old)
        elif request.subresource == "status":
            kind.prepare_status(new, old, context)
        elif part := kind.parts.get(request.subresource):
            part.prepare(new, old, context)
            objectmeta.bump_generation(kind, new, old)
        else:
            kind.prepare_update(new, old, context)
            objectmeta.bump_generation(kind, new, old)
        if not tracked:
            self._track(new, old, request, now_text=format_time(now))
        attributes = self._attributes("UPDATE", request, new, old)
        await self._admission.admit(attributes)
        if not internal:
            self._validate_update(new, old, request.subresource)
        if kind.warnings is not None and not request.subresource:
            request.warnings.extend(kind.warnings(new))
        allocation = None
        try:
            await self._admission.validate(attributes)
            allocation = self._allocate(new, old)
            value = self._encode(entry.key, new)
            # Where nothing changed, nothing is written: the revision stays and no watcher is told.
            unchanged = value == entry.value and not self._storage.stale(entry.key)
            if request.options.dry_run or unchanged:
                return Result(self.codec.served(value, entry.rev), 200, request.warnings)
            if deletion.is_finished(kind, new):
                await self._remove(entry, old)
                return Result(self.codec.served(value, entry.rev), 200, request.warnings)
            stored = await self._store.update(entry.key, value, at=entry.rev, ttl=kind.ttl(new) if kind.ttl else 0)
            self._commit(allocation, attributes)
        finally:
            self._release(allocation, attributes)
        return Result(self.codec.served(stored.value, stored.rev), 200, request.warnings)

    # -- delete -------------------------------------------------------------------------------------------------

    async def delete(self, namespace: str, name: str, options: DeleteOptions, user: User) -> tuple[bytes, bool]:
        """Delete, or mark for deletion while someone still has to act. Returns (served bytes, gone at once).

        Graceful kinds (Pod) and objects with finalizers are marked; whoever finishes the work removes them.
        Raises NotFound, Conflict (preconditions).
        """
        key = self.cache.key(namespace, name)
        async with self._storage.locks.hold(key):
            return await self._delete_at(key, namespace, name, options, user)

    async def _delete_at(
        self, key: str, namespace: str, name: str, options: DeleteOptions, user: User
    ) -> tuple[bytes, bool]:
        entry = await self._current(key, name)
        for _ in range(MAX_RETRIES):
            obj = self.codec.decode(entry.value, entry.rev)
            deletion.check_preconditions(self.kind, obj, options)
            attributes = Attributes("DELETE", self.kind, namespace, name, "", user, None, obj, options.dry_run)
            await self._admission.admit(attributes)
            await self._admission.validate(attributes)
            try:
                return await self._delete(obj, entry, options)
            except store.Conflict as lost:
                entry = lost.current
            except store.NotFound:
                raise self._not_found(name) from None
        raise errors.conflict(self.resource.group, self.resource.plural, name)

    async def _delete(self, obj: Object, entry: store.Entry, options: DeleteOptions) -> tuple[bytes, bool]:
        waits, changed = deletion.mark(self.kind, obj, options, self._clock.now())
        if not waits:
            if options.dry_run:
                return self.codec.served(entry.value, entry.rev), True
            return await self._remove(entry, obj), True
        if not changed or options.dry_run:
            return self.codec.served(self.codec.encode(obj), entry.rev), False
        stored = await self._store.update(entry.key, self.codec.encode(obj), at=entry.rev)
        return self.codec.served(stored.value, stored.rev), False

    async def _remove(self, entry: store.Entry, obj: Object) -> bytes:
        gone = await self._store.delete(entry.key, at=entry.rev)
        if self.kind.allocate is not None:
            self.kind.allocate(self.allocators, None, obj).commit()
        return self.codec.served(gone.value, gone.rev)

    # -- the steps ----------------------------------------------------------------------------------------------

    def check(self, obj: Object, request: Request, *, partial: bool = False, whole: bool = False) -> None:
        """Check types, prune what the schema does not know, and say so as fieldValidation asks.

        `partial` leaves out what is left out: an applied configuration owns no zero values. `whole` says that the
        object is a request's body, which the error then names.
        """
        metadata = obj.get("metadata")
        reset = type(metadata) is dict and metadata.get("managedFields") == []
        if self.kind.normalize is not None:
            unknown = self.kind.normalize(obj, partial)
        else:
            unknown = normalize(obj, self.kind.struct, partial=partial)
        if reset and not partial:
            obj["metadata"]["managedFields"] = [{}]  # the empty list, which says the same, does not survive
        if unknown or request.duplicates:
            sentences = [*request.duplicates, *(f'unknown field "{path}"' for path in unknown)]
            request.duplicates.clear()
            report_unknown(sentences, request, self.resource if whole else None)

    def _attributes(self, operation: str, request: Request, obj: Object, old: Object | None) -> Attributes:
        name = obj["metadata"].get("name", request.name)
        return Attributes(
            operation, self.kind, request.namespace, name, request.subresource, request.user, obj, old,
            request.options.dry_run, request.warnings, request.annotations,
        )  # fmt: skip

    def _validate_create(self, obj: Object) -> None:
        metadata = obj["metadata"]
        problems = list(validate_object_meta(metadata, self.resource.namespaced, self.kind.validate_name))
        problems.extend(self.kind.validate(self.kind.view(obj)))
        if problems:
            raise errors.Invalid.of(self.resource.group, self.resource.kind, metadata.get("name", ""), problems)

    def _validate_update(self, new: Object, old: Object, subresource: str) -> None:
        kind, metadata = self.kind, new["metadata"]
        problems = list(validate_object_meta_update(metadata, old["metadata"]))
        if subresource == "status":
            part_of = kind.status_part or (lambda obj: obj)
            problems.extend(kind.validate_status(kind.view(part_of(new)), kind.view(part_of(old))))
        elif part := kind.parts.get(subresource):
            problems.extend(part.validate(kind.view(new), kind.view(old)))
        elif kind.unchanged is None or not kind.unchanged(new, old):
            problems.extend(kind.validate_update(kind.view(new), kind.view(old)))
        if problems:
            raise errors.Invalid.of(self.resource.group, self.resource.kind, metadata.get("name", ""), problems)

    def _track(self, new: Object, old: Object | None, request: Request, *, now_text: str) -> None:
        entries = managed.track(
            new,
            old,
            self.kind.struct,
            manager=request.options.field_manager,
            api_version=self.resource.api_version,
            time=now_text,
            subresource=request.subresource,
            ignore=self.ignored(request.subresource),
        )
        if entries:
            new["metadata"]["managedFields"] = entries
        else:
            new["metadata"].pop("managedFields", None)

    def ignored(self, subresource: str) -> Sequence[tuple[str, ...]]:
        """The paths that managed fields of this endpoint leave out."""
        if part := self.kind.parts.get(subresource):
            return part.ignore()
        return OTHER_ENDPOINT.get(subresource, ()) if self.kind.status else ()

    def _allocate(self, new: Object, old: Object | None) -> Allocation | None:
        if self.kind.allocate is None:
            return None
        return self.kind.allocate(self.allocators, new, old)

    def _encode(self, key: str, obj: Object) -> bytes:
        """The stored form. Raises TooLarge beyond OBJECT_LIMIT, whatever the store would take."""
        value = self.codec.encode(obj)
        if len(value) > OBJECT_LIMIT:
            raise store.TooLarge(key, len(value))
        return value

    @staticmethod
    def _commit(allocation: Allocation | None, attributes: Attributes) -> None:
        attributes.undo.clear()
        if allocation is not None:
            allocation.commit()

    @staticmethod
    def _release(allocation: Allocation | None, attributes: Attributes) -> None:
        """Give back what an uncommitted write took; after a commit this does nothing."""
        if attributes.undo:
            Admission.undo(attributes)
        if allocation is not None:
            allocation.release()
