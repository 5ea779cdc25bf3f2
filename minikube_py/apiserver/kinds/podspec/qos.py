"""The quality-of-service class of a Pod: who is sacrificed first when a node runs short."""

from __future__ import annotations

from typing import Any

from minikube_py.api import quantity

Object = dict[str, Any]

_COUNTED = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """BestEffort without requests and limits, Guaranteed when all have limits equal to requests, else Burstable."""
    if spec.get("resources"):
        holders = [spec["resources"]]
    else:
        holders = [c.get("resources") or {} for m in ("containers", "initContainers") for c in spec.get(m) or ()]
    guaranteed, any_amount = True, False
    for resources in holders:
        requests = _amounts(resources.get("requests"))
        limits = _amounts(resources.get("limits"))
        if requests or limits:
            any_amount = True
        # A request that was not given follows its limit by default.
        if len(limits) != len(_COUNTED) or any(requests.get(n, limits[n]) != limits[n] for n in limits):
            guaranteed = False
    if not any_amount:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _amounts(amounts: Object | None) -> Object:
    if not amounts:
        return {}
    found = {name: quantity.parse(amounts[name]) for name in _COUNTED if name in amounts}
    zero = quantity.parse("0")
    return {name: amount for name, amount in found.items() if amount > zero}
