"""The rules for a PodTemplateSpec: what the Pods look like that a workload is going to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported
from minikube_py.apiserver.kinds._objectmeta import validate_annotations, validate_labels
from minikube_py.apiserver.kinds.podspec.validate import validate_spec

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import PodTemplateSpec


def validate_metadata(template: PodTemplateSpec, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the labels and annotations of a template; upstream's paths leave metadata out."""
    if labels := template.metadata.labels:
        validate_labels(labels, f"{path}.labels", errs)
    if annotations := template.metadata.annotations:
        validate_annotations(annotations, f"{path}.annotations", errs)


def validate_template(template: PodTemplateSpec, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a template at `path` (ValidatePodTemplateSpec)."""
    validate_metadata(template, path, errs)
    errs.extend(validate_spec(template.spec, f"{path}.spec", template=True))
    if template.spec.ephemeralContainers:
        errs.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))


def always_restarting(template: PodTemplateSpec, path: str, kind: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a template whose Pods a controller keeps running: they may not end on their own."""
    if template.spec.restartPolicy != "Always":
        errs.append(not_supported(f"{path}.spec.restartPolicy", template.spec.restartPolicy, ("Always",)))
    if template.spec.activeDeadlineSeconds is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errs.append(forbidden(f"{path}.spec.activeDeadlineSeconds", detail))


def shared_disks_read_only(template: PodTemplateSpec, path: str, errs: list[FieldError]) -> None:
    """Append the volumes of a template for several Pods that only one node at a time can write to."""
    for i, volume in enumerate(template.spec.volumes):
        disk = volume.gcePersistentDisk
        if disk is not None and not disk.readOnly:
            detail = (
                "must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if read-only"
            )
            errs.append(invalid(f"{path}.spec.volumes[{i}].gcePersistentDisk.readOnly", False, detail))
