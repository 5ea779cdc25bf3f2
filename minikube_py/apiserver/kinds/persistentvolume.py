"""PersistentVolume: a piece of storage of the cluster, free or bound to a claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.claims import OLD_CLASS, storage_class
from minikube_py.api.errors import FieldError, forbidden, invalid
from minikube_py.api.resources import PERSISTENTVOLUMES
from minikube_py.api.times import format_time
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._persistentvolume_sources import SOURCES
from minikube_py.apiserver.kinds._persistentvolume_spec import default_sources, validate_spec
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource
from minikube_py.apiserver.kinds.podspec.defaults import round_amounts
from minikube_py.apiserver.kinds.podspec.warnings import OLD_LABELS, OLD_VOLUMES

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import PersistentVolume, PersistentVolumeSpec

_ANNOTATIONS = {
    OLD_CLASS: _storage.OLD_ANNOTATION,
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_SOURCES_THAT_WARN = ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    if capacity := spec.get("capacity"):
        round_amounts(capacity)
    default_sources(spec)
    status = obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": format_time(context.now)}


def prepare_status(new: Object, old: Object, context: Context) -> None:
    """A phase that changes is stamped with the time, unless the client did so itself."""
    _storage.keep_spec(new, old, context)
    after, before = new.setdefault("status", {}), old.get("status") or {}
    stamp, known = after.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
    if after.get("phase") == before.get("phase"):
        if not stamp and known:
            after["lastPhaseTransitionTime"] = known
    elif not stamp or stamp == known:
        after["lastPhaseTransitionTime"] = format_time(context.now)


def validate(obj: PersistentVolume) -> Sequence[FieldError]:
    return validate_spec(obj.spec, obj.metadata.name, "spec")


def validate_update(new: PersistentVolume, old: PersistentVolume) -> Sequence[FieldError]:
    """Where the bytes are stays; a secret for growing may be added once, and so may the choice of Nodes."""
    errs = [*validate(new)]
    after, before = new.spec, old.spec
    if not _same_source(after, before):
        errs.append(forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"))
    if after.volumeMode != before.volumeMode:
        errs.append(invalid("volumeMode", after.volumeMode, IMMUTABLE))
    if before.nodeAffinity is not None and _renamed(after) != _renamed(before):
        value = after.nodeAffinity.to_dict() if after.nodeAffinity is not None else None
        errs.append(invalid("nodeAffinity", value, IMMUTABLE))
    if before.volumeAttributesClassName is not None and after.volumeAttributesClassName is None:
        errs.append(forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))
    return errs


def _same_source(after: PersistentVolumeSpec, before: PersistentVolumeSpec) -> bool:
    for source in SOURCES:
        new, old = getattr(after, source), getattr(before, source)
        if source == "csi" and new is not None and old is not None and old.controllerExpandSecretRef is None:
            new = new.model_copy(update={"controllerExpandSecretRef": None})
        if new != old:
            return False
    return True


def _renamed(spec: PersistentVolumeSpec) -> Any:
    """The node affinity with today's names for labels, whose old ones may be replaced by them at any time."""
    if spec.nodeAffinity is None:
        return None
    found = spec.nodeAffinity.to_dict()
    for term in (found.get("required") or {}).get("nodeSelectorTerms") or ():
        for expression in term.get("matchExpressions") or ():
            expression["key"] = _NEW_LABELS.get(expression.get("key"), expression.get("key"))
    return found


_NEW_LABELS = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
}


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    found = _storage.annotation_warnings(obj, _ANNOTATIONS)
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        found.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    for i, term in enumerate(terms):
        for j, expression in enumerate(term.get("matchExpressions") or ()):
            if (key := expression.get("key")) in OLD_LABELS:
                path = f"spec.nodeAffinity.required.nodeSelectorTerms[{i}].matchExpressions[{j}].key"
                found.append(f"{path}: {key} is {OLD_LABELS[key]}")
    found += [f"spec.{source}: {OLD_VOLUMES[source]}" for source in _SOURCES_THAT_WARN if source in spec]
    return found


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    claim = spec.get("claimRef")
    return [
        metadata["name"],
        (spec.get("capacity") or {}).get("storage") or "0",
        _storage.access_modes_text(spec.get("accessModes") or ()),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _storage.status_text(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim is not None else "",
        storage_class(obj) or "",
        spec.get("volumeAttributesClassName") or _storage.UNSET,
        (obj.get("status") or {}).get("reason", ""),
        age(metadata.get("creationTimestamp")),
        spec.get("volumeMode") or _storage.UNSET,
    ]


KIND = Kind(
    resource=PERSISTENTVOLUMES,
    singular="persistentvolume",
    short_names=("pv",),
    subresources=(Subresource("status", "PersistentVolume", ("get", "patch", "update"), "core/v1.PersistentVolume"),),
    status=True,
    columns=(
        NAME,
        Column("Capacity", description="Its size."),
        Column("Access Modes", description="How it can be mounted: RWO, ROX, RWX, RWOP."),
        Column("Reclaim Policy", description="What becomes of it when its claim goes."),
        Column("Status", description="Pending, Available, Bound, Released, Failed, or Terminating."),
        Column("Claim", description="The claim that it is bound to, with its namespace."),
        Column("StorageClass", description="The class that it belongs to."),
        Column("VolumeAttributesClass", description="The class of its attributes."),
        Column("Reason", description="Why it is in this state, in one word."),
        AGE,
        Column("VolumeMode", priority=1, description="Whether it is a file system or a block device."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=_storage.keep_status,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
