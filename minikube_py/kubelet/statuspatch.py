"""The difference between two Pod statuses as a strategic merge patch, pure; what others own is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minikube_py.kubelet.conditions import OWNED, PASSING
from minikube_py.kubelet.podspec import Object

PLAIN = (
    "observedGeneration", "phase", "message", "reason", "hostIP", "podIP", "startTime",
    "initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses",
)  # fmt: skip
BY_IP = ("hostIPs", "podIPs")


def status_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """What turns `old` (as the API server has it) into `new` in the kubelet's own members; {} for nothing."""
    out: Object = {}
    for name in PLAIN:
        value = new.get(name)
        if _bare(value) == _bare(old.get(name)):
            continue
        out[name] = value
    if "qosClass" in new and not old.get("qosClass"):
        out["qosClass"] = new["qosClass"]
    for name in BY_IP:
        before = [one["ip"] for one in old.get(name) or ()]
        after = [one["ip"] for one in new.get(name) or ()]
        if before != after:
            # Lists that merge by key need telling what to drop.
            dropped = [{"$patch": "delete", "ip": ip} for ip in before if ip not in after]
            out[name] = [{"ip": ip} for ip in after] + dropped
    conditions = _conditions(old, new)
    if conditions:
        out["conditions"] = conditions
    return out


def _conditions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Object]:
    before = {c["type"]: c for c in old.get("conditions") or ()}
    out = []
    for one in new.get("conditions") or ():
        was = before.get(one["type"])
        if one["type"] not in OWNED and was is not None:
            continue
        if was is None or _bare(was) != _bare(one):
            gone = [name for name in was or () if name not in one]
            out.append({**one, **dict.fromkeys(gone)})
    now = {one["type"] for one in new.get("conditions") or ()}
    out += [{"$patch": "delete", "type": kind} for kind in PASSING if kind in before and kind not in now]
    return out


def _bare(value: Any) -> Any:
    """A value without members that say nothing, so that null, {} and absent are the same."""
    if isinstance(value, dict):
        pairs = ((key, _bare(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner not in (None, {}, [], "")}
    if isinstance(value, (list, tuple)):
        return [_bare(one) for one in value]
    return None if value in ("", {}, []) else value
