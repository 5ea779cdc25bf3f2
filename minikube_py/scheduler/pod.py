"""A Pod as the scheduler sees it: the few facts that decide where it may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minikube_py.api.taints import Toleration
from minikube_py.scheduler import resources
from minikube_py.scheduler.terms import NodeTerm, PodTerm, SpreadConstraint

DEFAULT_SCHEDULER = "default-scheduler"


@dataclass(frozen=True, slots=True)
class Condition:
    """The Pod's PodScheduled condition as last seen."""

    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class PodInfo:
    """The projection that the scheduler's informer keeps. Two are equal when nothing that matters here differs."""

    key: str
    namespace: str
    name: str
    uid: str
    node_name: str = ""
    scheduler_name: str = DEFAULT_SCHEDULER
    priority: int = 0
    done: bool = False
    deleting: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    scoring: tuple[int, int] = (0, 0)
    ports: tuple[tuple[str, str, int], ...] = ()
    images: tuple[str, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    node_terms: tuple[NodeTerm, ...] | None = None
    preferred_nodes: tuple[tuple[int, NodeTerm], ...] = ()
    affinity: tuple[PodTerm, ...] = ()
    anti_affinity: tuple[PodTerm, ...] = ()
    preferred_pods: tuple[tuple[int, PodTerm], ...] = ()
    spread: tuple[SpreadConstraint, ...] = ()
    unsupported: tuple[str, ...] = ()
    condition: Condition | None = field(default=None, compare=False)

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> PodInfo:
        """The projection of a Pod in JSON form."""
        metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
        namespace, name, labels = metadata["namespace"], metadata["name"], metadata.get("labels") or {}
        sized = resources.with_held(spec, status)
        affinity = spec.get("affinity") or {}
        to_nodes = affinity.get("nodeAffinity") or {}
        required = to_nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
        to_pods, from_pods = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}

        def terms(side: Mapping[str, Any]) -> tuple[PodTerm, ...]:
            found = side.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
            return tuple(PodTerm.of(t, namespace, labels) for t in found)

        def wishes(side: Mapping[str, Any], sign: int) -> tuple[tuple[int, PodTerm], ...]:
            found = side.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
            return tuple((sign * t["weight"], PodTerm.of(t["podAffinityTerm"], namespace, labels)) for t in found)

        containers = spec.get("containers") or ()
        return cls(
            key=f"{namespace}/{name}",
            namespace=namespace,
            name=name,
            uid=metadata.get("uid", ""),
            node_name=spec.get("nodeName") or "",
            scheduler_name=spec.get("schedulerName") or DEFAULT_SCHEDULER,
            priority=spec.get("priority") or 0,
            done=status.get("phase") in ("Succeeded", "Failed"),
            deleting=bool(metadata.get("deletionTimestamp")),
            labels=labels,
            gates=tuple(g["name"] for g in spec.get("schedulingGates") or ()),
            requests=resources.requests(sized),
            scoring=resources.scoring_requests(sized),
            ports=resources.host_ports(spec),
            images=tuple(c.get("image") or "" for c in containers),
            tolerations=tuple(Toleration.of(t) for t in spec.get("tolerations") or ()),
            node_selector=spec.get("nodeSelector") or {},
            node_terms=None
            if required is None
            else tuple(NodeTerm.of(t) for t in required.get("nodeSelectorTerms") or ()),
            preferred_nodes=tuple(
                (t["weight"], NodeTerm.of(t.get("preference") or {}))
                for t in to_nodes.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
            ),
            affinity=terms(to_pods),
            anti_affinity=terms(from_pods),
            preferred_pods=wishes(to_pods, 1) + wishes(from_pods, -1),
            spread=tuple(SpreadConstraint.of(c, labels) for c in spec.get("topologySpreadConstraints") or ()),
            unsupported=_unsupported(spec),
            condition=_condition(status),
        )

    @property
    def reference(self) -> dict[str, Any]:
        """Enough of an object for an event to be about it."""
        metadata = {"namespace": self.namespace, "name": self.name, "uid": self.uid}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def _condition(status: Mapping[str, Any]) -> Condition | None:
    for raw in status.get("conditions") or ():
        if raw.get("type") == "PodScheduled":
            return Condition(
                raw.get("status", ""),
                raw.get("reason") or "",
                raw.get("message") or "",
                raw.get("lastTransitionTime") or "",
            )
    return None


def _unsupported(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """What the Pod needs of its Node that no plugin here can judge: better Pending with a reason than misplaced."""
    found = set()
    for volume in spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume or "ephemeral" in volume:
            found.add("persistent volume claims are not supported by this scheduler")
    if spec.get("resourceClaims"):
        found.add("resource claims are not supported by this scheduler")
    return tuple(sorted(found))
