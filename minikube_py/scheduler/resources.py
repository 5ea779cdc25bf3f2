"""What a Pod asks of a Node, as integers: CPU in thousandths, everything else in units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from minikube_py.api import podresources, quantity

Amounts = Mapping[str, int]
"""Resource name -> amount; `cpu` in millicores, `memory` and others in bytes or pieces."""

DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What scoring assumes of a container that asks for nothing, so that such Pods do not all land on one Node."""


@lru_cache(maxsize=4096)
def amount(name: str, text: str | int | float) -> int:
    """The integer for one quantity of resource `name`, rounded up."""
    parsed = quantity.parse(text)
    return parsed.milli_value() if name == "cpu" else parsed.value()


def amounts(raw: Mapping[str, Any] | None) -> dict[str, int]:
    """A ResourceList in integers."""
    return {name: amount(name, text) for name, text in (raw or {}).items()}


def requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """What the Pod needs at its peak, by upstream's rule.

    The containers and the sidecars (init containers that restart always) run together; an ordinary init container
    runs alone beside the sidecars started before it. The greater of both counts, plus the overhead of the sandbox.
    Requests of the Pod as a whole replace the sum where they are given.
    """
    total = _peak(spec, _asked)
    total.update(amounts((spec.get("resources") or {}).get("requests")))
    _add(total, amounts(spec.get("overhead")))
    return {name: number for name, number in total.items() if number}


def with_held(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec, its requests raised to what the containers still hold of their Node while the Pod is resized.

    What the Node can never give does not count: then the Pod takes what it holds. Where nothing differs it is the spec
    itself.
    """
    held = {
        one["name"]: one
        for member in ("containerStatuses", "initContainerStatuses")
        for one in status.get(member) or ()
        if one.get("allocatedResources") or one.get("resources")
    }
    if not held:
        return spec
    settled = podresources.infeasible(status)
    changed = {}
    for member in ("containers", "initContainers"):
        containers = [_with_held(c, held.get(c["name"]), settled) for c in spec.get(member) or ()]
        if any(new is not old for new, old in zip(containers, spec.get(member) or (), strict=True)):
            changed[member] = containers
    return {**spec, **changed} if changed else spec


def _with_held(container: Mapping[str, Any], status: Mapping[str, Any] | None, settled: bool) -> Mapping[str, Any]:
    if status is None:
        return container
    wanted = (container.get("resources") or {}).get("requests") or {}
    granted, there = status.get("allocatedResources") or {}, (status.get("resources") or {}).get("requests") or {}
    if granted == there == wanted:
        return container
    most: dict[str, Any] = {}
    for asked in (granted, there) if settled else (granted, there, wanted):
        for name, text in asked.items():
            if name not in most or amount(name, text) > amount(name, most[name]):
                most[name] = text
    return container if most == wanted else {**container, "resources": {"requests": most}}


def scoring_requests(spec: Mapping[str, Any]) -> tuple[int, int]:
    """(millicores, bytes of memory) for scores, with the defaults for containers that ask for nothing."""
    total = _peak(spec, _assumed)
    total.update(amounts((spec.get("resources") or {}).get("requests")))
    _add(total, amounts(spec.get("overhead")))
    return total.get("cpu", 0), total.get("memory", 0)


def _peak(spec: Mapping[str, Any], need: Any) -> dict[str, int]:
    running: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(running, need(container))
    sidecars: dict[str, int] = {}
    starting: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        own = dict(need(container))
        if container.get("restartPolicy") == "Always":
            _add(running, own)
            _add(sidecars, own)
            own = dict(sidecars)
        else:
            _add(own, sidecars)
        _raise(starting, own)
    _raise(running, starting)
    return running


def _asked(container: Mapping[str, Any]) -> dict[str, int]:
    return amounts((container.get("resources") or {}).get("requests"))


def _assumed(container: Mapping[str, Any]) -> dict[str, int]:
    asked = _asked(container)
    return {"cpu": asked.get("cpu", DEFAULT_MILLI_CPU), "memory": asked.get("memory", DEFAULT_MEMORY)}


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        total[name] = total.get(name, 0) + number


def _raise(total: dict[str, int], floor: Mapping[str, int]) -> None:
    for name, number in floor.items():
        if number > total.get(name, 0):
            total[name] = number


def host_ports(spec: Mapping[str, Any]) -> tuple[tuple[str, str, int], ...]:
    """(address, protocol, port) for each port that the Pod wants of the Node itself, sidecars included."""
    return tuple(_ports(spec.get("containers") or ())) + tuple(
        _ports(c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")
    )


def _ports(containers: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, int]]:
    for container in containers:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"])
