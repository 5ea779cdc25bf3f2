"""From names such as "core/v1.Pod" to schemas and models; a group-version's module is loaded on first use."""

from __future__ import annotations

import inspect
import types as _pytypes
import typing
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from minikube_py.api.schema import PB, Field, List, Map, Node, Scalar, Struct

if TYPE_CHECKING:
    from minikube_py.api.types.base import Model, Spec

# Short package name and API group of every module in api/types; the version is in the package's name.
PACKAGES: Mapping[str, str] = {
    "core/v1": "",
    "meta/v1": "meta.k8s.io",
    "admission/v1": "admission.k8s.io",
    "admissionregistration/v1": "admissionregistration.k8s.io",
    "apidiscovery/v2": "apidiscovery.k8s.io",
    "apiextensions/v1": "apiextensions.k8s.io",
    "apiregistration/v1": "apiregistration.k8s.io",
    "apps/v1": "apps",
    "authentication/v1": "authentication.k8s.io",
    "authorization/v1": "authorization.k8s.io",
    "autoscaling/v1": "autoscaling",
    "autoscaling/v2": "autoscaling",
    "batch/v1": "batch",
    "certificates/v1": "certificates.k8s.io",
    "coordination/v1": "coordination.k8s.io",
    "discovery/v1": "discovery.k8s.io",
    "events/v1": "events.k8s.io",
    "flowcontrol/v1": "flowcontrol.apiserver.k8s.io",
    "metrics/v1beta1": "metrics.k8s.io",
    "networking/v1": "networking.k8s.io",
    "node/v1": "node.k8s.io",
    "policy/v1": "policy",
    "rbac/v1": "rbac.authorization.k8s.io",
    "resource/v1": "resource.k8s.io",
    "scheduling/v1": "scheduling.k8s.io",
    "storage/v1": "storage.k8s.io",
    "version": "",
}

# Kinds of meta/v1 that every group-version accepts as request bodies, besides those whose apiVersion says meta.k8s.io.
_EVERYWHERE = {
    "CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "Status", "UpdateOptions",
    "WatchEvent",
}  # fmt: skip


@cache
def model(type_name: str) -> type[Model]:
    """The pydantic class of a type name ("core/v1.Pod"). Raises KeyError for a name that is no struct."""
    package, _, short = type_name.rpartition(".")
    if package not in PACKAGES:
        raise KeyError(type_name)
    module = import_module("minikube_py.api.types." + package.replace("/", "_"))
    found = getattr(module, short, None)
    if not isinstance(found, type) or found.__module__ != module.__name__:
        raise KeyError(type_name)
    return found


@cache
def struct(type_name: str) -> Struct:
    """The schema of a type name ("core/v1.Pod"). Its fields are compiled on first use. Raises KeyError."""
    return _struct_of(model(type_name))


def type_for(api_version: str, kind: str) -> str | None:
    """The type name of an object's `apiVersion` and `kind` among the built-in types, None if there is no such kind."""
    group, _, version = api_version.rpartition("/")
    for package, its_group in PACKAGES.items():
        if its_group == group and package.rpartition("/")[2] == version:
            name = f"{package}.{kind}"
            try:
                gvk = struct(name).group_version_kind
            except KeyError:
                continue
            if gvk is not None and gvk[2] == kind:
                return name
    return f"meta/v1.{kind}" if kind in _EVERYWHERE and _known(group, version) else None


def _known(group: str, version: str) -> bool:
    return any(g == group and p.rpartition("/")[2] == version for p, g in PACKAGES.items())


@cache
def _struct_of(cls: type[Model]) -> Struct:
    module = import_module(cls.__module__)
    package = _package(cls.__module__)
    return Struct(
        f"{package}.{cls.__name__}",
        lambda: _fields(cls),
        atomic=cls.__atomic__,
        doc=" ".join((cls.__doc__ or "").split()),
        openapi=f"{module.OPENAPI}.{cls.__name__}",
        group_version_kind=(module.GROUP, module.VERSION, cls.__kind__) if cls.__kind__ else None,
    )


@cache
def _package(module_name: str) -> str:
    return module_name.rpartition(".")[2].replace("_", "/")


def _fields(cls: type[Model]) -> dict[str, Field]:
    """The members in the order of Go's JSON output: those of an embedded struct stand where Go embeds it."""
    inherited: dict[str, Field] = {}
    for base in cls.__bases__:
        if getattr(base, "__specs__", None):
            inherited = dict(_struct_of(base).fields)
    place = cls.__embedded__
    # TypeMeta is embedded without a number: the envelope has it.
    inherited = {
        name: replace(f, pb=replace(f.pb, via=(place, *f.pb.via)) if f.pb and place is not None else None)
        for name, f in inherited.items()
    }
    annotations = inspect.get_annotations(cls)
    module_names = vars(import_module(cls.__module__))
    before: dict[str, Field] = {}
    after: dict[str, Field] = {}
    for attribute, spec in cls.__specs__.items():
        annotation = annotations[attribute]
        if isinstance(annotation, str):
            annotation = eval(annotation, dict(module_names))
        target = before if place is not None and spec.number < place else after
        target[spec.alias or attribute] = _field(spec.alias or attribute, annotation, spec)
    return {**before, **inherited, **after}


def _field(name: str, annotation: Any, spec: Spec) -> Field:
    inner = _optional(annotation)
    pointer = inner is not None
    node = _node(annotation if inner is None else inner)
    if isinstance(node, List) and spec.list_type:
        node = List(node.of, typing.cast(Any, spec.list_type), spec.keys)
    elif spec.atomic is not None and not isinstance(node, (Scalar, List)):
        node = replace(node, atomic=spec.atomic)
    return Field(
        name, node, spec.required, spec.doc, PB(spec.number, spec.proto or _proto(node)) if spec.number else None,
        spec.strategy, spec.merge_key, spec.default, spec.omitempty, pointer,
    )  # fmt: skip


_PLAIN: dict[Any, Scalar] = {
    str: Scalar("string"), bool: Scalar("bool"), float: Scalar("float64"), int: Scalar("int64"), Any: Scalar("any"),
}  # fmt: skip


def _node(annotation: Any) -> Node:
    plain = _PLAIN.get(annotation)
    if plain is not None:
        return plain
    for fact in getattr(annotation, "__metadata__", ()):
        if isinstance(fact, Scalar):
            return fact
    origin = getattr(annotation, "__origin__", None)
    if origin is list:
        return List(_node(annotation.__args__[0]))
    if origin is dict:
        return Map(_node(annotation.__args__[1]))
    if isinstance(annotation, type) and hasattr(annotation, "__specs__"):
        return _struct_of(annotation)
    raise TypeError(f"no schema for annotation {annotation!r}")


def _optional(annotation: Any) -> Any:
    """X of `X | None`, None for any other annotation. (Time and RawExtension are Annotated: no pointers yet.)"""
    if isinstance(annotation, _pytypes.UnionType) or getattr(annotation, "__origin__", None) is typing.Union:
        return annotation.__args__[0]
    return None


_PROTO = {
    "float64": "double", "Time": "meta/v1.Time", "MicroTime": "meta/v1.MicroTime", "Duration": "meta/v1.Duration",
    "FieldsV1": "meta/v1.FieldsV1", "RawExtension": "runtime.RawExtension", "JSON": "apiextensions/v1.JSON",
}  # fmt: skip


def _proto(node: Node) -> str:
    match node:
        case Scalar():
            return _PROTO.get(node.name, node.name)
        case List():
            return f"repeated {_proto(node.of)}"
        case Map():
            return f"map<string, {_proto(node.of)}>"
        case Struct():
            return node.name
