"""What a Pod asks for and what it may use at most, as exact quantities, by upstream's rule for whole Pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minikube_py.api import quantity
from minikube_py.api.quantity import Quantity

Amounts = dict[str, Quantity]
"""Resource name -> amount."""


def amounts(raw: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList as quantities. Raises ValueError."""
    return {name: quantity.parse(text) for name, text in (raw or {}).items()}


def requests(pod: Mapping[str, Any]) -> Amounts:
    """What the Pod needs at its peak; while it is resized, the greater of what is wanted and what it still holds.

    What its node can never give it does not count.
    """
    return _total(pod, "requests")


def limits(pod: Mapping[str, Any]) -> Amounts:
    """What the Pod may use at its peak."""
    return _total(pod, "limits")


def _total(pod: Mapping[str, Any], member: str) -> Amounts:
    """Containers and sidecars run together, an init container runs beside the sidecars started before it.

    The greater of both counts. What is given for the Pod as a whole replaces the sum, and the sandbox's overhead is
    added; to limits only where there is one, since nothing is limited otherwise.
    """
    spec = pod.get("spec") or {}
    status = pod.get("status") or {}
    held = _held(status, member)
    settled = bool(held) and infeasible(status)
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, _own(container, member, held, settled))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _own(container, member, held, settled)
        if container.get("restartPolicy") == "Always":
            add(total, own)
            add(sidecars, own)
            own = dict(sidecars)
        else:
            add(own, sidecars)
        raise_to(starting, own)
    raise_to(total, starting)
    total.update(amounts((spec.get("resources") or {}).get(member)))
    if overhead := spec.get("overhead"):
        for name, amount in amounts(overhead).items():
            if member == "requests" or total.get(name):
                total[name] = total[name] + amount if name in total else amount
    return total


def _own(container: Mapping[str, Any], member: str, held: Mapping[str, Amounts], settled: bool) -> Amounts:
    mine = held.get(container.get("name", "")) if held else None
    if mine is not None and settled:
        return dict(mine)
    own = amounts((container.get("resources") or {}).get(member))
    if mine is not None:
        raise_to(own, mine)
    return own


def _held(status: Mapping[str, Any], member: str) -> dict[str, Amounts]:
    """By container, what the kubelet says it has now: a Pod that shrinks does not give back before that is done."""
    found: dict[str, Amounts] = {}
    for name in ("containerStatuses", "initContainerStatuses"):
        for container in status.get(name) or ():
            now = amounts((container.get("resources") or {}).get(member))
            if member == "requests":
                raise_to(now, amounts(container.get("allocatedResources")))
            if now:
                found[container.get("name", "")] = now
    return found


def infeasible(status: Mapping[str, Any]) -> bool:
    """Whether the kubelet said that it will never resize the Pod to what its spec asks for."""
    return any(
        one.get("type") == "PodResizePending" and one.get("reason") == "Infeasible"
        for one in status.get("conditions") or ()
    )


def add(total: Amounts, more: Mapping[str, Quantity]) -> None:
    """Add `more` to `total`, in place."""
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def raise_to(total: Amounts, floor: Mapping[str, Quantity]) -> None:
    """Raise the members of `total` to those of `floor`, in place."""
    for name, amount in floor.items():
        if name not in total or total[name] < amount:
            total[name] = amount
