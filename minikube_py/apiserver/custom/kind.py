"""From a version of a CustomResourceDefinition to a Kind that the registry serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from minikube_py.api import errors, labels, names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.goform import too_deep
from minikube_py.api.resources import Resource
from minikube_py.apiserver.custom import default as defaulting
from minikube_py.apiserver.custom.codec import CustomCodec
from minikube_py.apiserver.custom.columns import columns, field_path, field_text
from minikube_py.apiserver.custom.prune import prune
from minikube_py.apiserver.custom.resource_meta import coerce_embedded, coerce_root, has_embedded, validate_embedded
from minikube_py.apiserver.custom.struct import struct
from minikube_py.apiserver.custom.structural import Json, Schema
from minikube_py.apiserver.custom.validate import validate, validate_lists, validate_update
from minikube_py.apiserver.encoding import loads
from minikube_py.apiserver.kinds.base import ALL_VERBS, Context, Custom, Kind, Object, Scale, Stored, Subresource

MAX_REPLICAS = 2**31 - 1
TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")


class Version:
    """One version of a definition; its schema is compiled on first use, from the definition's bytes."""

    def __init__(self, crd: Object, data: bytes, index: int, terminating: bool) -> None:
        spec, version = crd["spec"], crd["spec"]["versions"][index]
        accepted = crd["status"]["acceptedNames"]
        self._data, self._index = data, index
        self.terminating = terminating
        self.name: str = version["name"]
        self.served: bool = bool(version.get("served"))
        self.storage: bool = bool(version.get("storage"))
        group, kind = spec["group"], accepted["kind"]
        self.resource = Resource(
            group, self.name, accepted["plural"], kind, spec["scope"] == "Namespaced", f"{group}/{self.name}.{kind}"
        )
        self.names: Object = accepted
        self.token = f"{crd['metadata']['uid']}/{crd['metadata'].get('generation', 0)}/{self.name}"
        root = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        self.preserve = bool(root.get("x-kubernetes-preserve-unknown-fields"))
        self.columns = version.get("additionalPrinterColumns") or ()
        parts = version.get("subresources") or {}
        self.status = parts.get("status") is not None
        self.scale = _scale(parts["scale"]) if parts.get("scale") is not None else None
        self.selectable = {
            ".".join(path): path for path in (field_path(f["jsonPath"]) for f in version.get("selectableFields") or ())
        }
        self.deprecated = ""
        if version.get("deprecated"):
            self.deprecated = version.get("deprecationWarning") or f"{group}/{self.name} {kind} is deprecated"

    def share(self, data: bytes) -> None:
        """Read the schema from these bytes from now on, which somebody else keeps anyway; the spec is the same."""
        self._data = data

    def props(self) -> Json:
        """The version's openAPIV3Schema as it stands in the definition."""
        version = loads(self._data)["spec"]["versions"][self._index]
        props: Json = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        return props

    @cached_property
    def schema(self) -> Schema:
        return Schema(self.props())

    @cached_property
    def _embeds(self) -> bool:
        return has_embedded(self.schema)

    # -- the kind's hooks ---------------------------------------------------------------------------------------

    def normalize(self, obj: Object, partial: bool) -> Sequence[str]:
        """Types of the metadata, unknown members. Raises BadRequest."""
        if too_deep(obj):
            raise errors.BadRequest("the object is nested too deeply")
        unknown = coerce_root(obj, partial)
        prune(obj, self.schema, unknown, root=True)
        if self._embeds:
            unknown += coerce_embedded(obj, self.schema)
        return unknown

    def read(self, obj: Object) -> bool:
        """Bring a stored object into this version's form; true when that changed it."""
        unknown: list[str] = []
        prune(obj, self.schema, unknown, root=True)
        return defaulting.apply(obj, self.schema) or bool(unknown)

    def default(self, obj: Object) -> None:
        defaulting.apply(obj, self.schema)

    def prepare_create(self, obj: Object, context: Context) -> None:
        if self.terminating:
            raise errors.MethodNotAllowed("create not allowed while custom resource definition is terminating")
        if self.status:
            obj.pop("status", None)

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        if not self.status:
            return
        if "status" in old:
            new["status"] = old["status"]
        else:
            new.pop("status", None)

    def prepare_status(self, new: Object, old: Object, context: Context) -> None:
        """Nothing but the status is taken, and what became of the managed fields."""
        metadata = {k: v for k, v in old["metadata"].items() if k != "managedFields"}
        if "managedFields" in new["metadata"]:
            metadata["managedFields"] = new["metadata"]["managedFields"]
        kept = {k: v for k, v in old.items() if k not in ("status", "metadata")}
        if "status" in new:
            kept["status"] = new["status"]
        new.clear()
        new |= kept
        new["metadata"] = metadata

    def validate(self, obj: Object) -> Sequence[FieldError]:
        errs = validate(obj, self.schema)
        errs += validate_lists(obj, self.schema)
        if self._embeds:
            errs += validate_embedded(obj, self.schema)
        return errs + self._scale_errors(obj)

    def validate_update(self, new: Object, old: Object) -> Sequence[FieldError]:
        errs = validate_update(new, old, self.schema)
        lists = validate_lists(new, self.schema)
        if lists and not validate_lists(old, self.schema):  # as it was before, it may stay
            errs += lists
        if self._embeds:
            errs += validate_embedded(new, self.schema)
        return errs + self._scale_errors(new)

    def validate_status(self, new: Object, old: Object) -> Sequence[FieldError]:
        schema = self.schema.properties.get("status")
        if schema is None or "status" not in new:
            return self._scale_errors(new)
        errs = validate_update(new["status"], old.get("status"), schema, "status")
        errs += validate_lists(new["status"], schema, "status")
        return errs + self._scale_errors(new)

    def _scale_errors(self, obj: Object) -> list[FieldError]:
        errs: list[FieldError] = []
        if self.scale is None:
            return errs
        for path in (self.scale.replicas, self.scale.status_replicas):
            value = _at(obj, path)
            where = ".".join(path)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                errs.append(invalid(where, value, "must be an integer"))
            elif value < 0:
                errs.append(invalid(where, value, "should be a non-negative integer"))
            elif value > MAX_REPLICAS:
                errs.append(invalid(where, value, f"should be less than or equal to {MAX_REPLICAS}"))
        if self.scale.selector and (selector := _at(obj, self.scale.selector)) is not None:
            where = ".".join(self.scale.selector)
            if not isinstance(selector, str):
                errs.append(invalid(where, selector, "must be a string"))
            else:
                try:
                    labels.parse(selector)
                except errors.StatusError as error:
                    errs.append(invalid(where, selector, error.message))
        return errs

    def select_fields(self, obj: Object) -> Mapping[str, str]:
        return {label: field_text(obj, path) for label, path in self.selectable.items()}

    def kind(self, storage: Version) -> Kind:
        """The kind; `storage` is the version that all are kept as."""
        shown, row = columns(self.columns)
        resource, accepted = self.resource, self.names
        subresources: list[Subresource] = []
        if self.scale is not None:
            verbs = ("get", "patch", "update")
            subresources.append(Subresource("scale", "Scale", verbs, "autoscaling/v1.Scale", "autoscaling", "v1"))
        if self.status:
            subresources.append(Subresource("status", resource.kind, ("get", "patch", "update"), resource.type))
        return Kind(
            resource=resource,
            singular=accepted["singular"],
            short_names=tuple(accepted.get("shortNames") or ()),
            categories=tuple(accepted.get("categories") or ()),
            columns=shown,
            row=row,
            subresources=tuple(subresources),
            status=self.status,
            generation=True,
            validate_name=names.dns1123_subdomain,
            default=self.default,
            prepare_create=self.prepare_create,
            prepare_update=self.prepare_update,
            prepare_status=self.prepare_status,
            validate=self.validate,
            validate_update=self.validate_update,
            validate_status=self.validate_status,
            select_fields=self.select_fields,
            deprecated=self.deprecated,
            schema=struct(resource.type, lambda: self.schema, self.preserve),
            normalize=self.normalize,
            stored_as=None if self is storage else Stored(storage.resource, _as_it_is, _as_it_is),
            scale=self.scale,
            custom=Custom(
                self.props,
                lambda: CustomCodec(resource, storage.resource, self.read),
                accepted["listKind"],
                self.token,
                TERMINATING_VERBS if self.terminating else ALL_VERBS,
            ),
        )


def versions(crd: Object, data: bytes) -> list[Version]:
    """All versions of a definition whose names are accepted; `data` are its bytes."""
    terminating = bool(crd["metadata"].get("deletionTimestamp"))
    return [Version(crd, data, i, terminating) for i in range(len(crd["spec"]["versions"]))]


def _as_it_is(obj: Object) -> Object:
    return obj


def _scale(said: Object) -> Scale:
    selector = said.get("labelSelectorPath")
    return Scale(
        field_path(said["specReplicasPath"]),
        field_path(said["statusReplicasPath"]),
        field_path(selector) if selector else (),
    )


def _at(obj: Any, path: Sequence[str]) -> Any:
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj
