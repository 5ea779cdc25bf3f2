"""The rules for the spec of a PersistentVolume, which a VolumeAttachment may have too."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._persistentvolume_sources import SOURCES, validate_persistent_source
from minikube_py.apiserver.kinds.base import Object
from minikube_py.apiserver.kinds.podspec.defaults import default_source
from minikube_py.apiserver.kinds.podspec.scheduling import validate_node_selector

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import PersistentVolumeSpec, VolumeNodeAffinity

_RECLAIM = ("Delete", "Recycle", "Retain")
_NOT_INLINE = "may not be specified in the context of inline volumes"
_ZERO = Quantity()


def default_sources(spec: Object) -> None:
    """Fill in what a volume's source has unless told otherwise."""
    for source in SOURCES:
        if body := spec.get(source):
            default_source(source, body)


def sources_of(spec: PersistentVolumeSpec) -> list[str]:
    """The members that say where the volume is; a good spec has one."""
    return [source for source in SOURCES if getattr(spec, source) is not None]


def validate_spec(spec: PersistentVolumeSpec, name: str, path: str) -> list[FieldError]:
    """What is wrong with the spec of a PersistentVolume called `name`."""
    errs: list[FieldError] = []
    if not spec.accessModes:
        errs.append(required(f"{path}.accessModes"))
    _storage.validate_access_modes(spec.accessModes, f"{path}.accessModes", errs)
    _capacity(spec, f"{path}.capacity", errs)
    policy = spec.persistentVolumeReclaimPolicy
    if policy and policy not in _RECLAIM:
        errs.append(not_supported(f"{path}.persistentVolumeReclaimPolicy", policy, _RECLAIM))
    if spec.nodeAffinity is not None:
        _affinity(spec.nodeAffinity, f"{path}.nodeAffinity", errs)
    _one_source(spec, name, path, errs)
    if spec.local is not None and (spec.nodeAffinity is None or spec.nodeAffinity.required is None):
        errs.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    if spec.hostPath is not None and policy == "Recycle" and posixpath.normpath(spec.hostPath.path) in ("/", "//"):
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errs.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", detail))
    if spec.storageClassName:
        _storage.validate_class_name(spec.storageClassName, f"{path}.storageClassName", errs)
    if spec.volumeMode is not None and spec.volumeMode not in _storage.VOLUME_MODES:
        errs.append(not_supported(f"{path}.volumeMode", spec.volumeMode, _storage.VOLUME_MODES))
    _attributes_class(spec, path, errs)
    return errs


def validate_inline_spec(spec: PersistentVolumeSpec, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a spec that stands in a VolumeAttachment for a Pod's own volume: it must be of CSI."""
    for member in ("claimRef", "capacity", "nodeAffinity", "storageClassName"):
        if getattr(spec, member):
            errs.append(forbidden(f"{path}.{member}", _NOT_INLINE))
    if spec.csi is None:
        errs.append(required(f"{path}.csi", "has to be specified in the context of inline volumes"))
    if not spec.accessModes:
        errs.append(required(f"{path}.accessModes"))
    _storage.validate_access_modes(spec.accessModes, f"{path}.accessModes", errs)
    if spec.persistentVolumeReclaimPolicy not in ("", "Retain"):
        detail = "may only be Retain in the context of inline volumes"
        errs.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", detail))
    _one_source(spec, "", path, errs)
    if spec.volumeMode not in (None, "Filesystem"):
        detail = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        errs.append(forbidden(f"{path}.volumeMode", detail))
    _attributes_class(spec, path, errs)


def _capacity(spec: PersistentVolumeSpec, path: str, errs: list[FieldError]) -> None:
    capacity = spec.capacity
    if not capacity:
        errs.append(required(path))
    if set(capacity) != {"storage"}:
        errs.append(not_supported(path, {k: str(v) for k, v in capacity.items()}, ("storage",)))
    for resource, amount in sorted(capacity.items()):
        if amount < _ZERO:
            errs.append(invalid(f"{path}[{resource}]", str(amount), "must be a valid resource quantity"))
        if amount <= _ZERO:
            errs.append(invalid(f"{path}[{resource}]", str(amount), _storage.POSITIVE))


def _affinity(affinity: VolumeNodeAffinity, path: str, errs: list[FieldError]) -> None:
    if affinity.required is None:
        errs.append(required(f"{path}.required", "must specify required node constraints"))
    else:
        validate_node_selector(affinity.required, f"{path}.required", errs)


def _one_source(spec: PersistentVolumeSpec, name: str, path: str, errs: list[FieldError]) -> None:
    chosen: Sequence[str] = sources_of(spec)
    if not chosen:
        errs.append(required(path, "must specify a volume type"))
        return
    validate_persistent_source(chosen[0], getattr(spec, chosen[0]), name, f"{path}.{chosen[0]}", errs)
    for extra in chosen[1:]:
        errs.append(forbidden(f"{path}.{extra}", "may not specify more than 1 volume type"))


def _attributes_class(spec: PersistentVolumeSpec, path: str, errs: list[FieldError]) -> None:
    name = spec.volumeAttributesClassName
    if name is None:
        return
    if not name:
        errs.append(required(f"{path}.volumeAttributesClassName", "an empty string is disallowed"))
    else:
        _storage.validate_class_name(name, f"{path}.volumeAttributesClassName", errs)
    if spec.csi is None:
        errs.append(required(f"{path}.csi", "has to be specified when using volumeAttributesClassName"))
