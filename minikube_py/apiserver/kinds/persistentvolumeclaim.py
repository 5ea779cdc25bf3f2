"""PersistentVolumeClaim: the wish for a volume of some size, and the volume that was found for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.claims import OLD_CLASS, storage_class
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.quantity import Quantity
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, qualified, validate_label_selector
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource
from minikube_py.apiserver.kinds.podspec.defaults import round_amounts
from minikube_py.apiserver.kinds.podspec.warnings import claim_warnings

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimSpec

_ZERO = Quantity()
_RESIZES = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizePending", "NodeResizeInProgress",
    "NodeResizeInfeasible",
)  # fmt: skip
_SNAPSHOT = ("snapshot.storage.k8s.io", "VolumeSnapshot")
_CLAIM = ("", "PersistentVolumeClaim")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_claim_spec(spec)
    status = obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"
    for member in ("capacity", "allocatedResources"):
        if amounts := status.get(member):
            round_amounts(amounts)


def default_claim_spec(spec: Object) -> None:
    """Fill the defaults into the spec of a claim or of a template for claims."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    for amounts in (spec.get("resources") or {}).values():
        if type(amounts) is dict:
            round_amounts(amounts)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"phase": "Pending"}
    _match_sources(obj["spec"], {})


def prepare_update(new: Object, old: Object, context: Context) -> None:
    _storage.keep_status(new, old, context)
    _match_sources(new["spec"], old.get("spec") or {})


def _match_sources(spec: Object, before: Object) -> None:
    """`dataSource` and `dataSourceRef` say one thing: whichever is missing is copied, as KEP 1495 has it.

    `dataSource` may name claims and snapshots only, anything else in it is dropped. So is a reference into another
    namespace: it belongs to a feature that is off.
    """
    if (spec.get("dataSourceRef") or {}).get("namespace") and "dataSourceRef" not in before:
        del spec["dataSourceRef"]
    source = spec.get("dataSource")
    if source and not before.get("dataSource") and "dataSourceRef" not in spec and not _old_style(source):
        source = None
        del spec["dataSource"]
    reference = spec.get("dataSourceRef")
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = dict(reference)


def _old_style(source: Object) -> bool:
    return (source.get("apiGroup") or "", source.get("kind")) in (_CLAIM, _SNAPSHOT)


def validate(obj: PersistentVolumeClaim) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    validate_claim_spec(obj.spec, "spec", errs)
    return errs


def validate_claim_spec(spec: PersistentVolumeClaimSpec, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the spec of a claim or of a template for claims."""
    if not spec.accessModes:
        errs.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    if spec.selector is not None:
        validate_label_selector(spec.selector, f"{path}.selector", errs)
    _storage.validate_access_modes(spec.accessModes, f"{path}.accessModes", errs)
    size = spec.resources.requests.get("storage")
    if size is None:
        errs.append(required(f"{path}.resources[storage]"))
    elif size <= _ZERO:
        errs.append(invalid(f"{path}.resources[storage]", str(size), _storage.POSITIVE))
    if spec.storageClassName:
        _storage.validate_class_name(spec.storageClassName, f"{path}.storageClassName", errs)
    if spec.volumeMode is not None and spec.volumeMode not in _storage.VOLUME_MODES:
        errs.append(not_supported(f"{path}.volumeMode", spec.volumeMode, _storage.VOLUME_MODES))
    for member in ("dataSource", "dataSourceRef"):
        _data_source(getattr(spec, member), f"{path}.{member}", errs)
    source, reference = spec.dataSource, spec.dataSourceRef
    if source is not None and reference is not None:
        if reference.namespace:
            detail = "may not be specified when dataSourceRef.namespace is specified"
            errs.append(invalid(path, f"{path}.dataSource", detail))
        elif (source.apiGroup, source.kind, source.name) != (reference.apiGroup, reference.kind, reference.name):
            errs.append(invalid(path, f"{path}.dataSource", "must match dataSourceRef"))
    if spec.volumeAttributesClassName:
        _storage.validate_class_name(spec.volumeAttributesClassName, f"{path}.volumeAttributesClassName", errs)


def _data_source(source: Any, path: str, errs: list[FieldError]) -> None:
    if source is None:
        return
    for member in ("name", "kind"):
        if not getattr(source, member):
            errs.append(required(f"{path}.{member}"))
    if not source.apiGroup:
        if source.kind != "PersistentVolumeClaim":
            detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            errs.append(invalid(path, source.kind, detail))
    else:
        for sentence in names.dns1123_subdomain(source.apiGroup):
            errs.append(invalid(f"{path}.apiGroup", source.apiGroup, sentence))


def validate_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Sequence[FieldError]:
    """The spec stays, but for the volume that is found, the size and the attributes of a claim that is bound."""
    errs = [*validate(new)]
    after, before = new.spec, old.spec
    kept: dict[str, Any] = {"volumeAttributesClassName": before.volumeAttributesClassName}
    if not before.volumeName:
        kept["volumeName"] = before.volumeName
    if _class_given(new, old, errs):
        kept["storageClassName"] = before.storageClassName
    if new.status.phase == "Bound" and after.resources.requests:
        requests = {**after.resources.requests, "storage": before.resources.requests.get("storage", _ZERO)}
        kept["resources"] = after.resources.model_copy(update={"requests": requests})
    if after.model_copy(update=kept) != before:
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        errs.append(forbidden("spec", detail))
    size = after.resources.requests.get("storage", _ZERO)
    if size < before.resources.requests.get("storage", _ZERO) and size <= old.status.capacity.get("storage", _ZERO):
        # A growth that failed may be taken back, but not below what is there.
        errs.append(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
    if after.volumeMode != before.volumeMode:
        errs.append(invalid("volumeMode", after.volumeMode, IMMUTABLE))
    if before.volumeAttributesClassName is not None:
        path = "spec.volumeAttributesClassName"
        if after.volumeAttributesClassName is None:
            errs.append(forbidden(path, "update from non-nil value to nil is forbidden"))
        elif not after.volumeAttributesClassName and before.volumeAttributesClassName:
            errs.append(forbidden(path, "update from non-nil value to an empty string is forbidden"))
    return errs


def _class_given(new: PersistentVolumeClaim, old: PersistentVolumeClaim, errs: list[FieldError]) -> bool:
    """Whether a claim without a class gets one, which the old annotation named or nothing did.

    Appends the error for an annotation that changed.
    """
    was, now = (claim.metadata.annotations.get(OLD_CLASS) for claim in (old, new))
    moved = old.spec.storageClassName is None and new.spec.storageClassName is not None
    if was is not None and moved and new.spec.storageClassName == was and now in (None, was):
        return True
    if (was or "") != (now or ""):
        errs.append(invalid(f"metadata.annotations.{OLD_CLASS}", now or "", IMMUTABLE))
    return moved and was in (None, new.spec.storageClassName)


def validate_status(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if not new.spec.accessModes:
        errs.append(required("Spec.accessModes"))
    status = new.status
    for name, amount in status.capacity.items():
        if amount < _ZERO:
            errs.append(invalid(f"status.capacity[{name}]", str(amount), "must be a valid resource quantity"))
    for name, state in status.allocatedResourceStatuses.items():
        # The path is Kubernetes' own.
        _resource_name(name, "status.allocatedResourceStatus", errs)
        if state not in _RESIZES:
            errs.append(not_supported("status.allocatedResourceStatus", name, _RESIZES))
    for name, amount in status.allocatedResources.items():
        _resource_name(name, "status.allocatedResources", errs)
        if amount < _ZERO:
            detail = "must be a valid resource quantity"
            errs.append(invalid(f"status.allocatedResources[{name}]", str(amount), detail))
    return errs


def _resource_name(name: str, path: str, errs: list[FieldError]) -> None:
    wrong = qualified(name)
    for sentence in wrong:
        errs.append(invalid(path, name, sentence))
    if not wrong and ("/" not in name or "kubernetes.io/" in name) and name != "storage":
        errs.append(not_supported(path, name, ("storage",)))


def warnings(obj: Object) -> Sequence[str]:
    found = _storage.annotation_warnings(obj, {OLD_CLASS: _storage.OLD_ANNOTATION})
    return found + claim_warnings(obj.get("spec") or {}, "spec")


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    volume = spec.get("volumeName", "")
    return [
        metadata["name"],
        _storage.status_text(obj),
        volume,
        ((status.get("capacity") or {}).get("storage") or "0") if volume else "",
        _storage.access_modes_text(status.get("accessModes") or ()) if volume else "",
        storage_class(obj) or "",
        spec.get("volumeAttributesClassName") or _storage.UNSET,
        age(metadata.get("creationTimestamp")),
        spec.get("volumeMode") or _storage.UNSET,
    ]


KIND = Kind(
    resource=PERSISTENTVOLUMECLAIMS,
    singular="persistentvolumeclaim",
    short_names=("pvc",),
    subresources=(
        Subresource("status", "PersistentVolumeClaim", ("get", "patch", "update"), "core/v1.PersistentVolumeClaim"),
    ),
    status=True,
    columns=(
        NAME,
        Column("Status", description="Pending, Bound, Lost, or Terminating."),
        Column("Volume", description="The PersistentVolume that it is bound to."),
        Column("Capacity", description="The size that it has."),
        Column("Access Modes", description="How it can be mounted: RWO, ROX, RWX, RWOP."),
        Column("StorageClass", description="The class that was asked for."),
        Column("VolumeAttributesClass", description="The class of its attributes."),
        AGE,
        Column("VolumeMode", priority=1, description="Whether it is a file system or a block device."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=_storage.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
)
