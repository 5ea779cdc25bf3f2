"""What is known of Nodes and placed Pods, those included whose binding is still under way.

A decision runs without awaiting anything, so the live view is its snapshot: nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from minikube_py.daemon.clock import Clock, Handle
from minikube_py.scheduler.node import NodeFacts, NodeInfo
from minikube_py.scheduler.pod import PodInfo


@dataclass(slots=True)
class _Placed:
    pod: PodInfo
    node: NodeInfo
    assumed: bool
    expiry: Handle | None = None


class Cache:
    """Implements plugins.base.Cluster. Pods are known by key; a uid tells a successor under the same key.

    An assumed Pod counts at once. `set_pod` confirms it when the API server shows its Node, `forget` takes it back, and
    `expected` starts the wait for the confirmation of a binding that was accepted: when `ttl` seconds bring none,
    `expired` is called with the Pod, which still counts until somebody decides.
    """

    def __init__(self, clock: Clock, *, ttl: float = 30.0) -> None:
        self._clock = clock
        self._ttl = ttl
        self._infos: dict[str, NodeInfo] = {}
        self._known: dict[str, NodeInfo] = {}
        self._order: list[NodeInfo] | None = None
        self._placed: dict[str, _Placed] = {}
        self._repelling: dict[str, NodeInfo] = {}
        self._social: dict[str, NodeInfo] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self.expired: Callable[[PodInfo], None] = lambda pod: None

    # what plugins see

    @property
    def nodes(self) -> Sequence[NodeInfo]:
        if self._order is None:
            self._order = [self._known[name] for name in sorted(self._known)]
        return self._order

    @property
    def repelling(self) -> Mapping[str, NodeInfo]:
        return self._repelling

    @property
    def social(self) -> Mapping[str, NodeInfo]:
        return self._social

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return self._namespaces.get(namespace, {})

    # what is learnt from the API server

    def set_node(self, facts: NodeFacts) -> None:
        """A Node came or changed."""
        info = self._infos.get(facts.name)
        if info is None:
            info = self._infos[facts.name] = NodeInfo(facts)
        info.facts = facts
        if facts.name not in self._known:
            self._known[facts.name] = info
            self._order = None

    def remove_node(self, name: str) -> None:
        """A Node went; Pods that name it stay counted, in case it comes back."""
        info = self._known.pop(name, None)
        if info is not None:
            self._order = None
            info.facts = NodeFacts(name)
            self._drop_if_empty(info)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace came or changed, or went (None)."""
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels

    def set_pod(self, pod: PodInfo) -> None:
        """The API server shows `pod` on its Node: confirms an assumption, or corrects it."""
        assert pod.node_name, "only placed Pods are accounted"
        self.remove_pod(pod.key)
        self._place(pod, pod.node_name, assumed=False)

    def remove_pod(self, key: str) -> None:
        """The Pod is gone or has ended. Nothing happens if it was never counted."""
        placed = self._placed.pop(key, None)
        if placed is None:
            return
        if placed.expiry is not None:
            placed.expiry.cancel()
        placed.node.remove(key)
        self._repelling.pop(key, None)
        self._social.pop(key, None)
        self._drop_if_empty(placed.node)

    # what the scheduler decides

    def assume(self, pod: PodInfo, node: str) -> None:
        """Count `pod` on `node` before the API server knows."""
        assert pod.key not in self._placed, f"{pod.key} is placed already"
        self._place(pod, node, assumed=True)

    def expected(self, pod: PodInfo) -> None:
        """The binding was accepted: its confirmation should be on the way."""
        placed = self._assumed(pod)
        if placed is not None and placed.expiry is None:
            placed.expiry = self._clock.call_later(self._ttl, lambda: self._expire(pod))

    def forget(self, pod: PodInfo) -> None:
        """The binding failed: unless it was confirmed meanwhile, the Pod counts no more."""
        if self._assumed(pod) is not None:
            self.remove_pod(pod.key)

    def is_assumed(self, key: str) -> bool:
        """Whether the Pod counts without having been confirmed."""
        placed = self._placed.get(key)
        return placed is not None and placed.assumed

    def node_of(self, key: str) -> str:
        """The name of the Node on which the Pod counts; empty if it does not."""
        placed = self._placed.get(key)
        return placed.node.name if placed is not None else ""

    def _assumed(self, pod: PodInfo) -> _Placed | None:
        placed = self._placed.get(pod.key)
        return placed if placed is not None and placed.assumed and placed.pod.uid == pod.uid else None

    def _expire(self, pod: PodInfo) -> None:
        placed = self._assumed(pod)
        if placed is not None:
            placed.expiry = None
            self.expired(pod)

    def _place(self, pod: PodInfo, name: str, *, assumed: bool) -> None:
        info = self._infos.get(name)
        if info is None:
            info = self._infos[name] = NodeInfo(NodeFacts(name))
        info.add(pod)
        self._placed[pod.key] = _Placed(pod, info, assumed)
        if pod.anti_affinity:
            self._repelling[pod.key] = info
        if pod.affinity or pod.preferred_pods:
            self._social[pod.key] = info

    def _drop_if_empty(self, info: NodeInfo) -> None:
        if not info.pods and info.name not in self._known:
            self._infos.pop(info.name, None)
