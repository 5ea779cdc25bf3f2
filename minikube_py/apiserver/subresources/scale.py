"""`scale`: the number of an object's replicas, seen and written as an autoscaling/v1 Scale.

A ScaleRegistry stands for the registry of a kind that says where its numbers are (`Kind.scale`), so that the verbs, the
patches and the forms of answers are those of every other object.

    GET                   object -> Scale
    PUT, PATCH, apply     object -> Scale -> changed Scale -> object with the new number, and who owns it -> stored
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minikube_py.api import errors, labels, names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.patch import apply as managed
from minikube_py.api.patch import managers
from minikube_py.api.patch.fieldset import LEAF, Trie, difference, is_member, union
from minikube_py.api.resources import Resource
from minikube_py.api.times import format_time
from minikube_py.apiserver import objectmeta
from minikube_py.apiserver.encoding import Object, dumps, loads
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE
from minikube_py.apiserver.kinds._objectmeta import validate_object_meta
from minikube_py.apiserver.kinds.base import Column, Kind
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.writes import Change, Request, Result

API_VERSION = "autoscaling/v1"
REPLICAS: Trie = {"f:spec": {"f:replicas": LEAF}}
"""The one field of a Scale that someone owns."""

_SHOWN_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _row(scale: Object) -> list[Any]:
    metadata = scale["metadata"]
    wanted, there = scale.get("spec") or {}, scale.get("status") or {}
    return [
        metadata["name"],
        wanted.get("replicas") or 0,
        there.get("replicas") or 0,
        age(metadata.get("creationTimestamp")),
    ]


def _kind(namespaced: bool) -> Kind:
    return Kind(
        resource=Resource("autoscaling", "v1", "scales", "Scale", namespaced, "autoscaling/v1.Scale"),
        singular="scale",
        columns=(
            Column("Name", description="The object's name."),
            Column("Desired", "integer", description="How many replicas are wanted."),
            Column("Available", "integer", description="How many there are."),
            AGE,
        ),
        row=_row,
        validate_name=names.dns1123_subdomain,
    )


_KINDS = {namespaced: _kind(namespaced) for namespaced in (True, False)}


class ScaleRegistry(Registry):
    """The Scales of a kind's objects. Creating, deleting and listing is for the objects themselves."""

    def __init__(self, parent: Registry) -> None:
        assert parent.kind.scale is not None
        super().__init__(
            _KINDS[parent.resource.namespaced], parent._storage, parent._admission, parent._clock, parent.allocators
        )
        self._parent = parent
        self._scale = parent.kind.scale

    async def get(self, namespace: str, name: str, resource_version: int | None = None) -> bytes:
        """The Scale of an object. Raises NotFound, and InternalError for a custom resource without a number."""
        return self._shown(await self._parent.get(namespace, name, resource_version))

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
        """As Registry.modify, `change` being from Scale to Scale. Only the number and its owners reach the object."""

        def scaled(obj: Object) -> Object:
            before = self._scale_of(obj, owners=True)
            after = change(self._scale_of(obj, owners=True))
            if not checked:
                self.check(after, request)
            return self._written(obj, before, after, request, tracked)

        result = await self._parent.modify(scaled, request, checked=True, whole=whole, tracked=True, internal=internal)
        return Result(self._shown(result.data), result.code, result.warnings)

    def _shown(self, data: bytes) -> bytes:
        obj = loads(data)
        if _at(obj, self._scale.replicas) is None:
            path = "." + ".".join(self._scale.replicas)
            raise errors.InternalError(f'the spec replicas field "{path}" does not exist')
        return dumps(self._scale_of(obj, owners=False))

    def _scale_of(self, obj: Object, *, owners: bool) -> Object:
        """The Scale of an object; `owners` adds who owns the number."""
        metadata: Object = {member: obj["metadata"][member] for member in _SHOWN_METADATA if member in obj["metadata"]}
        wanted, there = _at(obj, self._scale.replicas), _at(obj, self._scale.status_replicas)
        status: Object = {"replicas": there or 0}
        if selector := self._selector(obj):
            status["selector"] = selector
        if owners and (entries := self._to_scale(obj["metadata"].get("managedFields") or [])):
            metadata["managedFields"] = entries
        return {
            "kind": "Scale",
            "apiVersion": API_VERSION,
            "metadata": metadata,
            "spec": {"replicas": wanted} if wanted else {},
            "status": status,
        }

    def _selector(self, obj: Object) -> str:
        """The selector as text, from a text, a LabelSelector or a plain map of labels."""
        found = _at(obj, self._scale.selector) if self._scale.selector else None
        if found is None or isinstance(found, str):
            return found or ""
        if "matchLabels" in found or "matchExpressions" in found:
            return str(labels.from_label_selector(found))
        return str(labels.from_set(found))

    def _written(self, obj: Object, before: Object, after: Object, request: Request, tracked: bool) -> Object:
        """The object with what the changed Scale says. Raises Invalid."""
        metadata = objectmeta.ensure_metadata(after)
        if tracked:
            entries = metadata.get("managedFields") or []
        else:
            entries = managed.track(
                after,
                before,
                self.kind.struct,
                manager=request.options.field_manager,
                api_version=API_VERSION,
                time=format_time(self._clock.now()),
                subresource=request.subresource,
            )
        replicas = (after.get("spec") or {}).get("replicas") or 0
        problems: list[FieldError] = validate_object_meta(
            {k: v for k, v in metadata.items() if k != "managedFields"},
            self.resource.namespaced,
            self.kind.validate_name,
        )
        if replicas < 0:
            problems.append(invalid("spec.replicas", replicas, "must be greater than or equal to 0"))
        if problems:
            raise errors.Invalid.of("autoscaling", "Scale", request.name, problems)
        _put(obj, self._scale.replicas, replicas)
        for named in ("uid", "resourceVersion"):
            if metadata.get(named):
                obj["metadata"][named] = metadata[named]
            elif named == "resourceVersion":
                obj["metadata"].pop(named, None)
        if owners := self._to_object(obj["metadata"].get("managedFields") or [], entries):
            obj["metadata"]["managedFields"] = owners
        else:
            obj["metadata"].pop("managedFields", None)
        return obj

    # -- who owns the number ------------------------------------------------------------------------------------

    @property
    def _path(self) -> Trie:
        """The set of the one field in the object where the number is."""
        path = LEAF
        for name in reversed(self._scale.replicas):
            path = {"f:" + name: path}
        return path

    def _owns(self, fields: Trie) -> bool:
        for name in self._scale.replicas:
            found = fields.get("f:" + name)
            if found is None:
                return False
            fields = found
        return is_member(fields)

    def _to_scale(self, entries: Sequence[Object]) -> list[Object]:
        """The owners of the object's number as owners of the Scale's (upstream's ScaleHandler.ToSubresource)."""
        table = managers.Managers()
        for entry in managers.decode(list(entries), trusted=True):
            if self._owns(entry.fields):
                table.put(_entry(entry, API_VERSION, REPLICAS))
        return table.to_list()

    def _to_object(self, entries: Sequence[Object], scale_entries: Sequence[Object]) -> list[Object]:
        """The object's owners, once the Scale's are these (upstream's ScaleHandler.ToParent)."""
        path, version = self._path, self._parent.resource.api_version
        owners = {
            _owner(entry): entry
            for entry in managers.decode(list(scale_entries), trusted=True)
            if "f:replicas" in entry.fields.get("f:spec", LEAF)
        }
        table = managers.Managers()
        for entry in managers.decode(list(entries), trusted=True):
            if self._owns(entry.fields) and owners.pop(_owner(entry), None) is None:
                entry = entry.owning(difference(entry.fields, path))
            table.put(entry)
        for entry in owners.values():
            new = _entry(entry, version, path)
            had = table.get(new.identity)
            table.put(new if had is None else new.owning(union(had.fields, path)))
        return table.to_list()


def _owner(entry: managers.Entry) -> tuple[str, str, str]:
    """What an entry of the object and one of its Scale have in common: their versions differ."""
    return (entry.manager, entry.operation, entry.subresource)


def _entry(entry: managers.Entry, api_version: str, fields: Trie) -> managers.Entry:
    return managers.Entry(entry.manager, entry.operation, api_version, entry.subresource, fields, entry.time)


def _at(obj: Object, path: Sequence[str]) -> Any:
    """What is at a path of member names; None where nothing is."""
    found: Any = obj
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _put(obj: Object, path: Sequence[str], value: int) -> None:
    for name in path[:-1]:
        obj = obj.setdefault(name, {})
    obj[path[-1]] = value
