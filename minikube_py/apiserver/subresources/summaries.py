"""What the kubelets have measured: every asked one's Summary, fetched side by side, and the figures in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from minikube_py.api import errors
from minikube_py.api.quantity import Quantity
from minikube_py.api.times import parse_duration, parse_time
from minikube_py.apiserver.subresources.kubelets import Kubelets, Object, kubelets_error
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock

log = logs.get("apiserver.summaries")

TIMEOUT = 5.0
"""Seconds that a kubelet has for its answer."""
AT_ONCE = 100
"""Kubelets that are asked at the same time: each takes a connection."""
QUERY = {"only_cpu_and_memory": "true"}
USUAL_WINDOW = "30s"
"""What a rate is taken to be an average over where the kubelet does not say: upstream's do not."""

PodKey = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one thing uses: the quantities by resource, when that was, and what the CPU's is an average over."""

    usage: Mapping[str, str]
    timestamp: str
    window: str


@dataclass(frozen=True, slots=True)
class Summary:
    """One kubelet's figures. A Pod of which any container was not measured yet is not among them."""

    node: Measured | None = None
    pods: Mapping[PodKey, Mapping[str, Measured]] = field(default_factory=dict)


class Summaries:
    """Asks kubelets."""

    def __init__(self, kubelets: Kubelets, clock: Clock) -> None:
        self._kubelets = kubelets
        self._clock = clock
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def of(self, nodes: Iterable[Object]) -> dict[str, Summary]:
        """By Node name; those that did not answer in time, or no Summary, are left out."""
        asked = {node["metadata"]["name"]: node for node in nodes}
        answers = await asyncio.gather(*(self._ask(node) for node in asked.values()))
        return {name: found for name, found in zip(asked, answers, strict=True) if found is not None}

    async def _ask(self, node: Object) -> Summary | None:
        import aiohttp

        try:
            url = self._kubelets.url(node, "stats", "summary")
            session = self._kubelets.session()
            async with self._slots, self._clock.timeout(TIMEOUT), session.get(url, params=QUERY) as answer:
                body = await answer.read()
            if answer.status != 200:
                raise kubelets_error(answer.status, body)
            return read(orjson.loads(body))
        except (aiohttp.ClientError, OSError, ValueError, errors.StatusError) as error:
            said = str(error) or type(error).__name__
            log.warning("a kubelet did not tell its measurements", node=node["metadata"]["name"], error=said)
            return None


def read(summary: Any) -> Summary:
    """The figures of a Summary (stats/v1alpha1). Raises ValueError for what has another shape."""
    try:
        pods = {}
        for pod in summary.get("pods") or ():
            containers = {c["name"]: _measured(c) for c in pod.get("containers") or ()}
            complete = {name: found for name, found in containers.items() if found is not None}
            if complete and len(complete) == len(containers):
                pods[pod["podRef"]["namespace"], pod["podRef"]["name"]] = complete
        return Summary(_measured(summary["node"]), pods)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a Summary: {error!r}") from None


def _measured(of: Object) -> Measured | None:
    """Both figures or none, as metrics-server has it; no process gets along without memory."""
    cpu, memory = of.get("cpu") or {}, of.get("memory") or {}
    cores, held = cpu.get("usageNanoCores"), memory.get("workingSetBytes")
    if cores is None or not held:
        return None
    if not isinstance(cores, int) or not isinstance(held, int):
        raise ValueError("not a Summary: a figure is no whole number")
    window = cpu.get("window", USUAL_WINDOW)
    parse_time(cpu["time"])
    parse_duration(window)
    usage = {"cpu": Quantity(cores).canonical(), "memory": Quantity(held * 10**9, "BinarySI").canonical()}
    return Measured(usage, cpu["time"], window)
