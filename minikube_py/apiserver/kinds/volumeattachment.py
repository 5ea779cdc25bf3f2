"""VolumeAttachment: the wish to have a volume attached to a Node, and how that went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, required, too_long
from minikube_py.api.resources import VOLUMEATTACHMENTS
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._persistentvolume_spec import default_sources, validate_inline_spec
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.storage_v1 import VolumeAttachment, VolumeAttachmentSource, VolumeError

_MAX_METADATA = 256 * 1024
_MAX_MESSAGE = 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def default(obj: Object) -> None:
    source = (obj.get("spec") or {}).get("source") or {}
    if inline := source.get("inlineVolumeSpec"):
        default_sources(inline)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"attached": False}


def validate(obj: VolumeAttachment) -> Sequence[FieldError]:
    errs = _common(obj)
    if obj.spec.attacher:
        _storage.validate_driver_name(obj.spec.attacher, "spec.attacher", errs)
    if name := obj.spec.source.persistentVolumeName:
        for sentence in names.dns1123_subdomain(name):
            errs.append(invalid("spec.source.persistentVolumeName", name, sentence))
    return errs


def _common(obj: VolumeAttachment) -> list[FieldError]:
    spec, status = obj.spec, obj.status
    errs: list[FieldError] = []
    if not spec.attacher:
        errs.append(required("spec.attacher"))
    _source(spec.source, "spec.source", errs)
    for sentence in names.dns1123_subdomain(spec.nodeName):
        errs.append(invalid("spec.nodeName", spec.nodeName, sentence))
    if sum(len(k.encode()) + len(v.encode()) for k, v in status.attachmentMetadata.items()) > _MAX_METADATA:
        errs.append(too_long("status.attachmentMetadata", _MAX_METADATA))
    _error(status.attachError, "status.attachError", errs)
    _error(status.detachError, "status.detachError", errs)
    return errs


def _source(source: VolumeAttachmentSource, path: str, errs: list[FieldError]) -> None:
    inline, name = source.inlineVolumeSpec, source.persistentVolumeName
    if inline is None and name is None:
        errs.append(required(path, _ONE_SOURCE))
    elif inline is not None and name is not None:
        errs.append(forbidden(path, _ONE_SOURCE))
    elif inline is not None:
        validate_inline_spec(inline, f"{path}.inlineVolumeSpec", errs)
    elif not name:
        errs.append(required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName"))


def _error(error: VolumeError | None, path: str, errs: list[FieldError]) -> None:
    if error is None:
        return
    if len(error.message.encode()) > _MAX_MESSAGE:
        errs.append(too_long(f"{path}.message", _MAX_MESSAGE))
    if error.errorCode is not None and error.errorCode < 0:
        detail = f"must be between 0 and {2**31 - 1}, inclusive"
        errs.append(invalid(f"{path}.errorCode", error.errorCode, detail))


def validate_update(new: VolumeAttachment, old: VolumeAttachment) -> Sequence[FieldError]:
    errs = _common(new)
    if new.spec != old.spec:
        errs.append(invalid("spec", new.spec.to_dict(), IMMUTABLE))
    return errs


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return [
        metadata["name"],
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName", ""),
        bool((obj.get("status") or {}).get("attached")),
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=VOLUMEATTACHMENTS,
    singular="volumeattachment",
    subresources=(
        Subresource("status", "VolumeAttachment", ("get", "patch", "update"), "storage/v1.VolumeAttachment"),
    ),
    status=True,
    columns=(
        NAME,
        Column("Attacher", format="name", description="The driver that attaches the volume."),
        Column("PV", description="The PersistentVolume."),
        Column("Node", description="The Node that the volume is attached to."),
        Column("Attached", "boolean", description="Whether it is attached now."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=_storage.keep_status,
    prepare_status=_storage.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_update,
)
