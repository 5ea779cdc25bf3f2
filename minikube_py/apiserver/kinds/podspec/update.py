"""What may change in a Pod that exists: little in its spec, and its status only forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, required
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, qualified
from minikube_py.apiserver.kinds.podspec.validate import validate_deadline, validate_spec

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import ContainerStatus, Pod, PodSpec, Toleration

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    """What is wrong with a plain update of a Pod, beyond its metadata."""
    after, before = new.spec, old.spec
    if after == before:  # amounts may be written in another way
        return []
    errs = validate_spec(after, "spec")
    for member in ("containers", "initContainers"):
        if len(getattr(after, member)) != len(getattr(before, member)):
            errs.append(forbidden(f"spec.{member}", "pod updates may not add or remove containers"))
    if any(error.type == "FieldValueForbidden" and error.detail.endswith("containers") for error in errs):
        return errs
    for member in ("containers", "initContainers"):
        for i, container in enumerate(getattr(after, member)):
            if not container.image and not any(e.field == f"spec.{member}[{i}].image" for e in errs):
                errs.append(required(f"spec.{member}[{i}].image"))
    _deadline(after, before, errs)
    _only_fewer_gates(after, before, errs)
    _only_more_tolerations(after.tolerations, before.tolerations, errs)
    if differences := _differences(after, before):
        shown = "".join(f"\n  {line}" for line in differences)
        errs.append(forbidden("spec", _MAY_CHANGE + shown))
    return errs


def _deadline(after: PodSpec, before: PodSpec, errs: list[FieldError]) -> None:
    now, was = after.activeDeadlineSeconds, before.activeDeadlineSeconds
    if now is not None:
        validate_deadline(now, "spec", [])
        if was is not None and now > was:
            errs.append(invalid("spec.activeDeadlineSeconds", now, "must be less than or equal to previous value"))
    elif was is not None:
        detail = "must not update from a positive integer to nil value"
        errs.append(invalid("spec.activeDeadlineSeconds", None, detail))


def _only_fewer_gates(after: PodSpec, before: PodSpec, errs: list[FieldError]) -> None:
    known = {gate.name for gate in before.schedulingGates}
    for i, gate in enumerate(after.schedulingGates):
        if gate.name not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errs.append(forbidden(f"spec.schedulingGates[{i}]", detail))


def _only_more_tolerations(after: Sequence[Toleration], before: Sequence[Toleration], errs: list[FieldError]) -> None:
    """Every old one is still there; only how long it holds may have changed."""

    def key(t: Toleration) -> tuple[str, str, str, str]:
        return (t.key, t.operator, t.value, t.effect)

    kept = {key(t) for t in after}
    if any(key(t) not in kept for t in before):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        errs.append(forbidden("spec.tolerations", detail))


def _differences(after: PodSpec, before: PodSpec) -> list[str]:
    """The members that changed and may not have."""
    now, was = after.to_dict(), before.to_dict()
    for spec in (now, was):
        spec.pop("activeDeadlineSeconds", None)
        spec.pop("tolerations", None)
        spec.pop("schedulingGates", None)
        for member in ("containers", "initContainers"):
            for container in spec.get(member) or ():
                container.pop("image", None)
    if (was.get("terminationGracePeriodSeconds") or 0) < 0 and now.get("terminationGracePeriodSeconds") == 1:
        was["terminationGracePeriodSeconds"] = 1
    if before.schedulingGates:
        # Whoever holds a Pod back may still say where it should go, as long as that only narrows the choice.
        _allow_narrowing(now, was)
    return list(_diff(now, was, "spec"))


def _allow_narrowing(now: dict[str, Any], was: dict[str, Any]) -> None:
    old, new = was.get("nodeSelector") or {}, now.get("nodeSelector") or {}
    if old.items() <= new.items():
        now.pop("nodeSelector", None)
        was.pop("nodeSelector", None)
    old_affinity, new_affinity = was.get("affinity") or {}, now.get("affinity") or {}
    if _narrower(new_affinity.get("nodeAffinity") or {}, old_affinity.get("nodeAffinity") or {}):
        for holder, affinity in ((now, new_affinity), (was, old_affinity)):
            rest = {k: v for k, v in affinity.items() if k != "nodeAffinity"}
            if rest:
                holder["affinity"] = rest
            else:
                holder.pop("affinity", None)


def _narrower(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Preferences are free; each old required term is there, in its place, with the same or more conditions."""
    member = "requiredDuringSchedulingIgnoredDuringExecution"
    before = (old.get(member) or {}).get("nodeSelectorTerms")
    after = (new.get(member) or {}).get("nodeSelectorTerms")
    if before is None:
        return True
    if after is None or len(after) != len(before):
        return False
    for then, now in zip(before, after, strict=True):
        for part in ("matchExpressions", "matchFields"):
            mine = now.get(part) or []
            if any(condition not in mine for condition in then.get(part) or ()):
                return False
        # A term without conditions matches nothing; conditions would widen it.
        if not then.get("matchExpressions") and not then.get("matchFields") and now != then:
            return False
    return True


def _diff(new: Any, old: Any, path: str) -> Iterator[str]:
    if new == old:
        return
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted({*new, *old}):
            yield from _diff(new.get(key), old.get(key), f"{path}.{key}")
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for i, (a, b) in enumerate(zip(new, old, strict=True)):
            yield from _diff(a, b, f"{path}[{i}]")
    elif (new or None) != (old or None):
        yield f"{path}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    import json

    text = json.dumps(value, separators=(",", ":"), default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def validate_pod_status(new: Pod, old: Pod) -> list[FieldError]:
    """What is wrong with an update of a Pod's status: what has ended for good does not run again."""
    status, before = new.status, old.status
    errs: list[FieldError] = []
    if status.nominatedNodeName:
        for sentence in names.dns1123_subdomain(status.nominatedNodeName):
            errs.append(invalid("status.nominatedNodeName", status.nominatedNodeName, sentence))
    if before.qosClass and status.qosClass != before.qosClass:
        errs.append(invalid("status.qosClass", status.qosClass, IMMUTABLE))
    for i, condition in enumerate(status.conditions):
        for sentence in qualified(condition.type):
            errs.append(invalid(f"status.conditions[{i}].type", condition.type, sentence))
    restart = old.spec.restartPolicy
    _still_ended(status.containerStatuses, before.containerStatuses, "status.containerStatuses", restart, set(), errs)
    sidecars = {c.name for c in old.spec.initContainers if c.restartPolicy == "Always"}
    path = "status.initContainerStatuses"
    # An init container that failed is tried again under Always as under OnFailure.
    init = "OnFailure" if restart == "Always" else restart
    _still_ended(status.initContainerStatuses, before.initContainerStatuses, path, init, sidecars, errs)
    for i, entry in enumerate(status.podIPs):
        for sentence in _net.ip(entry.ip):
            errs.append(invalid(f"status.podIPs[{i}]", entry.ip, sentence))
    if len(status.podIPs) > 1:
        families = [":" in entry.ip for entry in status.podIPs]
        if len(families) > 2 or families[0] == families[1]:
            shown = [entry.ip for entry in status.podIPs]
            detail = "may specify no more than one IP for each IP family"
            errs.append(invalid("status.podIPs", shown, detail))
    for i, host in enumerate(status.hostIPs):
        for sentence in _net.ip(host.ip):
            errs.append(invalid(f"status.hostIPs[{i}]", host.ip, sentence))
    return errs


def _still_ended(
    now: Sequence[ContainerStatus],
    before: Sequence[ContainerStatus],
    path: str,
    restart: str,
    sidecars: set[str],
    errs: list[FieldError],
) -> None:
    if restart == "Always":
        return
    current = {status.name: (i, status) for i, status in enumerate(now)}
    for old in before:
        ended = old.state.terminated
        if ended is None or old.name in sidecars or (restart == "OnFailure" and ended.exitCode != 0):
            continue
        found = current.get(old.name)
        if found is not None and found[1].state.terminated is None:
            errs.append(forbidden(f"{path}[{found[0]}].state", "may not be transitioned to non-terminated state"))
