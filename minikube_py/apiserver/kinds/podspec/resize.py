"""The `resize` sub-resource of a Pod: other amounts of cpu and memory for containers that go on running."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api.errors import FieldError, forbidden, invalid
from minikube_py.apiserver.kinds.base import Context, Object
from minikube_py.apiserver.kinds.podspec.ephemeral import MIRROR, keep_metadata
from minikube_py.apiserver.kinds.podspec.qos import qos_class

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Container, Pod, PodSpec, ResourceRequirements

_MEMBERS = ("resources", "resizePolicy")
_KINDS = ("initContainers", "containers")
_RESIZED = ("cpu", "memory")


def prepare(new: Object, old: Object, context: Context) -> None:
    """Everything but the containers' resources stays as it was.

    Other containers than there are, or in another order, are left for validation to refuse.
    """
    keep_metadata(new, old)
    new["status"] = old.get("status", {})
    asked, before = new.get("spec") or {}, old["spec"]
    if any(len(asked.get(kind) or ()) != len(before.get(kind) or ()) for kind in _KINDS):
        return
    spec = dict(before)
    for kind in _KINDS:
        if kind in before:
            spec[kind] = _merged(asked[kind], before[kind])
    new["spec"] = spec


def _merged(asked: Sequence[Object], before: Sequence[Object]) -> Sequence[Object]:
    if [c.get("name") for c in asked] != [c["name"] for c in before]:
        return asked
    out = []
    for wanted, old in zip(asked, before, strict=True):
        one = {name: value for name, value in old.items() if name not in _MEMBERS}
        one.update({name: wanted[name] for name in _MEMBERS if name in wanted})
        out.append(one)
    return out


def validate(new: Pod, old: Pod) -> Sequence[FieldError]:
    """What is wrong with a resize, as upstream has it."""
    from minikube_py.apiserver.kinds.podspec.validate import validate_spec

    if MIRROR in old.metadata.annotations:
        return [forbidden("", "static pods cannot be resized")]
    after, before = new.spec, old.spec
    if before.os is not None and before.os.name == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    errs = validate_spec(after, "spec")
    now, was = qos_class(after.to_dict()), old.status.qosClass or qos_class(before.to_dict())
    if now != was:
        errs.append(invalid("spec", now, "Pod QOS Class may not change as a result of resizing"))
    if not _node_can(old):
        errs.append(forbidden("spec", "Pod running on node without support for resize"))
    if unlike := list(_unlike(after, before)):
        return [*errs, *unlike]
    for kind in _KINDS:
        for i, (mine, theirs) in enumerate(zip(getattr(after, kind), getattr(before, kind), strict=True)):
            sidecar = kind == "initContainers" and theirs.restartPolicy == "Always"
            if kind == "containers" or sidecar:
                errs += _removed(mine.resources, theirs.resources, f"spec.{kind}[{i}].resources")
                if not _only_cpu_and_memory(mine, theirs):
                    whose = " for sidecar containers" if sidecar else ""
                    errs.append(forbidden("spec", f"only cpu and memory resources{whose} are mutable"))
            elif mine != theirs:
                errs.append(forbidden("spec", "resources for non-sidecar init containers are immutable"))
    return errs


def _node_can(old: Pod) -> bool:
    """A kubelet that resizes says of a running container what resources it has; while none runs, nobody knows."""
    running = next((c for c in old.status.containerStatuses if c.state.running is not None), None)
    return running is None or running.resources is not None


def _unlike(after: PodSpec, before: PodSpec) -> Iterator[FieldError]:
    for kind in _KINDS:
        mine, theirs = getattr(after, kind), getattr(before, kind)
        if len(mine) != len(theirs):
            yield forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            continue
        for i, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            if one.name != other.name:
                yield forbidden(f"spec.{kind}[{i}].name", f"{kind} may not be renamed or reordered on resize")


def _removed(now: ResourceRequirements, was: ResourceRequirements, path: str) -> Iterator[FieldError]:
    for member in ("requests", "limits"):
        if getattr(was, member).keys() - getattr(now, member).keys():
            yield forbidden(f"{path}.{member}", f"resource {member} cannot be removed")


def _only_cpu_and_memory(mine: Container, theirs: Container) -> bool:
    def rest(container: Container) -> dict[str, Any]:
        out = container.to_dict()
        resources = out.pop("resources", None) or {}
        for member in ("requests", "limits"):
            left = {name: text for name, text in (resources.get(member) or {}).items() if name not in _RESIZED}
            out[member] = left
        out["claims"] = resources.get("claims")
        return out

    return rest(mine) == rest(theirs)


def unwritten() -> Sequence[tuple[str, ...]]:
    """What managed fields of this endpoint leave out."""
    return ("metadata",), ("status",)
