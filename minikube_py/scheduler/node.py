"""A Node as the scheduler sees it: its own facts, and what the Pods on it take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minikube_py.api.taints import Taint
from minikube_py.scheduler import resources
from minikube_py.scheduler.pod import PodInfo


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The projection that the scheduler's informer keeps; a heartbeat alone leaves it equal."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    allocatable: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> NodeFacts:
        """The projection of a Node in JSON form; `images` maps every name of an image to its size in bytes."""
        metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
        return cls(
            name=metadata["name"],
            labels=metadata.get("labels") or {},
            taints=tuple(Taint.of(t) for t in spec.get("taints") or ()),
            unschedulable=bool(spec.get("unschedulable")),
            allocatable=resources.amounts(status.get("allocatable")),
            images={n: i.get("sizeBytes") or 0 for i in status.get("images") or () for n in i.get("names") or ()},
        )


class NodeInfo:
    """A Node and the sum of its Pods. Only the cache changes it; plugins read."""

    __slots__ = ("facts", "name", "pods", "ports", "requested", "scoring_cpu", "scoring_memory")

    def __init__(self, facts: NodeFacts) -> None:
        self.name = facts.name
        self.facts = facts
        self.pods: dict[str, PodInfo] = {}
        self.requested: dict[str, int] = {}
        self.ports: Counter[tuple[str, str, int]] = Counter()
        self.scoring_cpu = 0
        self.scoring_memory = 0

    def add(self, pod: PodInfo) -> None:
        """Count `pod` in. It must not be there."""
        self.pods[pod.key] = pod
        for name, number in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + number
        self.ports.update(pod.ports)
        self.scoring_cpu += pod.scoring[0]
        self.scoring_memory += pod.scoring[1]

    def remove(self, key: str) -> None:
        """Count the Pod `key` out. It must be there."""
        pod = self.pods.pop(key)
        for name, number in pod.requests.items():
            self.requested[name] -= number
        self.ports.subtract(pod.ports)
        for port in pod.ports:
            if self.ports[port] <= 0:
                del self.ports[port]
        self.scoring_cpu -= pod.scoring[0]
        self.scoring_memory -= pod.scoring[1]
