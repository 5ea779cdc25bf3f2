"""The kubelet's measurements as its server tells them: the Summary (stats/v1alpha1) and Prometheus' text.

Beside upstream's fields a `cpu` has `window`: what its `usageNanoCores` is an average over, which upstream leaves open.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from minikube_py.api.times import format_duration, format_time
from minikube_py.kubelet.runtime.base import Container
from minikube_py.kubelet.stats import Figures, PodFigures, Sampler, Series

Object = dict[str, Any]


class NodeStats:
    """See `server.Stats`."""

    def __init__(self, sampler: Sampler, node_name: str, memory_bytes: int) -> None:
        self._sampler = sampler
        self._node_name = node_name
        self._memory_bytes = memory_bytes

    def summary(self) -> Object:
        return summary(self._node_name, self._sampler.figures(), self._memory_bytes)

    def resource_metrics(self) -> str:
        return resource_metrics(self._sampler.figures())


def summary(node_name: str, figures: Figures, memory_bytes: int) -> Object:
    """The Summary's JSON; `memory_bytes` is what the node has. What is unknown is absent."""
    node: Object = {"nodeName": node_name, "startTime": format_time(figures.booted_at)}
    if figures.node is not None:
        node |= _measured([figures.node])
        available = max(0, memory_bytes - figures.node.last.working_set)
        node["memory"] = {"availableBytes": available, **node["memory"]}
    return {"node": node, "pods": [_pod(pod) for pod in figures.pods]}


def _pod(pod: PodFigures) -> Object:
    ref = {"name": pod.ref.name, "namespace": pod.ref.namespace, "uid": pod.ref.uid}
    out: Object = {"podRef": ref, "startTime": format_time(pod.started_at)}
    out["containers"] = [_container(one, series) for one, series in pod.containers]
    known = [series for _, series in pod.containers if series is not None]
    if len(known) == len(pod.containers):
        out |= _measured(known, pod.ended_nanoseconds)
    return out


def _container(one: Container, series: Series | None) -> Object:
    out: Object = {"name": one.name, "startTime": format_time(one.started_at or one.created_at)}
    return out | _measured([series]) if series is not None else out


def _measured(parts: Iterable[Series], earlier_nanoseconds: int = 0) -> Object:
    """The `cpu` and `memory` of one thing, or of several together: of the oldest time, and a rate if all have one."""
    series = list(parts)
    oldest = min(series, key=lambda s: s.last.at)
    time = format_time(oldest.last.at)
    cpu: Object = {"time": time}
    rates = [s.nanocores for s in series]
    if None not in rates:
        cpu["usageNanoCores"] = sum(rate or 0 for rate in rates)
        cpu["window"] = format_duration(oldest.window_nanoseconds)
    cpu["usageCoreNanoSeconds"] = earlier_nanoseconds + sum(s.last.cpu_nanoseconds for s in series)
    memory = {
        "time": time,
        "usageBytes": sum(s.last.memory for s in series),
        "workingSetBytes": sum(s.last.working_set for s in series),
        "rssBytes": sum(s.last.rss for s in series),
    }
    return {"cpu": cpu, "memory": memory}


_FAMILIES = {
    "container_cpu_usage_seconds_total": ("counter", "CPU time that the container has used, in core-seconds."),
    "container_memory_working_set_bytes": ("gauge", "The container's working set in bytes."),
    "container_start_time_seconds": ("gauge", "When the container was started, in seconds since the epoch."),
    "node_cpu_usage_seconds_total": ("counter", "CPU time that the node has used, in core-seconds."),
    "node_memory_working_set_bytes": ("gauge", "The node's working set in bytes."),
    "pod_cpu_usage_seconds_total": ("counter", "CPU time that the Pod's containers have used, in core-seconds."),
    "pod_memory_working_set_bytes": ("gauge", "The working set of the Pod's containers in bytes."),
    "resource_scrape_error": ("gauge", "1 if the containers could not be measured, else 0."),
    "scrape_error": ("gauge", "The older name of resource_scrape_error."),
}


def resource_metrics(figures: Figures) -> str:
    """The text of /metrics/resource: the samples carry the time at which they were taken."""
    lines: dict[str, list[str]] = {name: [] for name in _FAMILIES}

    def put(name: str, labels: str, value: str, at: datetime | None = None) -> None:
        stamp = f" {round(at.timestamp() * 1000)}" if at is not None else ""
        lines[name].append(f"{name}{labels} {value}{stamp}")

    def both(of: str, labels: str, spent: int, working_set: int, at: datetime) -> None:
        put(f"{of}_cpu_usage_seconds_total", labels, _seconds(spent), at)
        put(f"{of}_memory_working_set_bytes", labels, str(working_set), at)

    for pod in figures.pods:
        owner = f'namespace="{pod.ref.namespace}",pod="{pod.ref.name}"'
        known = [(one, series.last) for one, series in pod.containers if series is not None]
        for one, last in known:
            labels = f'{{container="{one.name}",{owner}}}'
            both("container", labels, last.cpu_nanoseconds, last.working_set, last.at)
            if one.started_at is not None:
                put("container_start_time_seconds", labels, f"{one.started_at.timestamp():.6f}")
        if len(known) == len(pod.containers):
            spent = pod.ended_nanoseconds + sum(last.cpu_nanoseconds for _, last in known)
            at = min(last.at for _, last in known)
            both("pod", f"{{{owner}}}", spent, sum(last.working_set for _, last in known), at)
    if figures.node is not None:
        last = figures.node.last
        both("node", "", last.cpu_nanoseconds, last.working_set, last.at)
    for name in ("resource_scrape_error", "scrape_error"):
        put(name, "", str(int(figures.failed)))
    out = []
    for name, (kind, help) in _FAMILIES.items():
        if lines[name]:
            out += [f"# HELP {name} {help}", f"# TYPE {name} {kind}", *lines[name]]
    return "\n".join(out) + "\n"


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, 10**9)
    return f"{whole}.{rest:09d}"
