"""Ephemeral containers of a Pod: what they may have, and their sub-resource, by which they are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from minikube_py.api import scheme
from minikube_py.api.errors import FieldError, forbidden
from minikube_py.apiserver.kinds.base import Context, Object
from minikube_py.apiserver.kinds.podspec.containers import PodFacts, validate_common

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import EphemeralContainer, Pod

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a Pod that only shows what a kubelet runs by itself (a static Pod)."""
_NOT_FOR_THEM = "cannot be set for an Ephemeral Container"
_REFUSED = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip
"""What makes a container part of the workload; a debugger is not."""


def validate_ephemeral_containers(
    containers: Sequence[EphemeralContainer], path: str, pod: PodFacts, errs: list[FieldError]
) -> None:
    """Append what is wrong with them; `pod.names` has the names of all other containers."""
    others = frozenset(pod.names)
    for i, container in enumerate(containers):
        where = f"{path}[{i}]"
        validate_common(container, where, pod, errs)
        target = container.targetContainerName
        if target and target not in others:
            errs.append(FieldError("FieldValueNotFound", f"{where}.targetContainerName", "", target))
        shown = container.to_dict()
        errs += [forbidden(f"{where}.{member}", _NOT_FOR_THEM) for member in _REFUSED if shown.get(member)]
        for j, mount in enumerate(container.volumeMounts):
            for member in ("subPath", "subPathExpr"):
                if getattr(mount, member):
                    errs.append(forbidden(f"{where}.volumeMounts[{j}].{member}", _NOT_FOR_THEM))


def keep_metadata(new: Object, old: Object) -> None:
    """These sub-resources write no metadata: only whose fields are whose is told anew."""
    kept = dict(old["metadata"])
    for member in ("resourceVersion", "managedFields"):
        if member in new["metadata"]:
            kept[member] = new["metadata"][member]
        else:
            kept.pop(member, None)
    new["metadata"] = kept


def prepare(new: Object, old: Object, context: Context) -> None:
    """Everything but the ephemeral containers stays as it was."""
    keep_metadata(new, old)
    added: Any = (new.get("spec") or {}).get("ephemeralContainers")
    new["spec"] = dict(old["spec"])
    if added:
        new["spec"]["ephemeralContainers"] = added
    else:
        new["spec"].pop("ephemeralContainers", None)
    new["status"] = old.get("status", {})


def validate(new: Pod, old: Pod) -> Sequence[FieldError]:
    """Those that are there stay, unchanged; their order does not count."""
    from minikube_py.apiserver.kinds.podspec.validate import validate_spec

    if MIRROR in old.metadata.annotations:
        return [forbidden("", "static pods do not support ephemeral containers")]
    errs = validate_spec(new.spec, "spec")
    path = "spec.ephemeralContainers"
    now = {container.name: container for container in new.spec.ephemeralContainers}
    for container in old.spec.ephemeralContainers:
        if container.name not in now:
            errs.append(forbidden(path, f'existing ephemeral containers "{container.name}" may not be removed'))
        elif now[container.name] != container:
            errs.append(forbidden(path, f'existing ephemeral containers "{container.name}" may not be changed'))
    return errs


@cache
def unwritten() -> Sequence[tuple[str, ...]]:
    """What managed fields of this endpoint leave out."""
    members = scheme.struct("core/v1.PodSpec").fields
    return ("metadata",), ("status",), *(("spec", name) for name in members if name != "ephemeralContainers")
