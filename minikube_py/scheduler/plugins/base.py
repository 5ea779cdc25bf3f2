"""What a plugin is: one or more of these tiny protocols, as pure functions over PodInfo and NodeInfo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from minikube_py.scheduler.node import NodeFacts, NodeInfo
from minikube_py.scheduler.pod import PodInfo

if TYPE_CHECKING:
    from minikube_py.client.rest import Client

Check = Callable[[NodeInfo], Sequence[str]]
"""Asked of each Node: why the Pod cannot run there, in upstream's words; nothing when it can."""

MAX_SCORE = 100


class Cluster(Protocol):
    """What a plugin may look at besides the Pod and the Node. It stands still during one decision."""

    @property
    def nodes(self) -> Sequence[NodeInfo]:
        """Every known Node."""
        ...

    @property
    def repelling(self) -> Mapping[str, NodeInfo]:
        """Keys of placed Pods that have required anti-affinity, each with its Node."""
        ...

    @property
    def social(self) -> Mapping[str, NodeInfo]:
        """Keys of placed Pods that have required or preferred affinity to other Pods, each with its Node."""
        ...

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace; empty when it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A Node came (old None), went (new None) or changed in a way that its facts show."""

    old: NodeFacts | None
    new: NodeFacts | None


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A Pod that has a Node came, went (or ended), or changed in a way that its projection shows."""

    old: PodInfo | None
    new: PodInfo | None


@dataclass(frozen=True, slots=True)
class NamespaceEvent:
    """The labels of a namespace changed."""

    name: str


Event = NodeEvent | PodEvent | NamespaceEvent


class Rejected(Exception):
    """No Node can take the Pod, whatever it is like; the text says why."""


@runtime_checkable
class Gate(Protocol):
    """Keeps a Pod out of the queue until the Pod itself changes."""

    name: str

    def hold(self, pod: PodInfo) -> str:
        """Why the Pod must wait; empty when it need not."""
        ...


@runtime_checkable
class Filter(Protocol):
    """Says which Nodes can take a Pod."""

    name: str

    def filter(self, pod: PodInfo, cluster: Cluster) -> Check | None:
        """The check to ask of each Node, prepared once per decision; None when every Node will do. Raises Rejected."""
        ...

    def cured_by(self, pod: PodInfo, event: Event) -> bool:
        """Whether a Pod that this plugin kept off some Node may fit after `event`. Too often is only a waste."""
        ...


@runtime_checkable
class Score(Protocol):
    """Says which of the Nodes that can take a Pod are better."""

    name: str
    weight: int

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """0 to 100 for each of `nodes`, the more the better; None when they are all the same to this plugin."""
        ...


@runtime_checkable
class Bind(Protocol):
    """Makes a decision true."""

    name: str

    async def bind(self, client: Client, pod: PodInfo, node: str) -> None:
        """Assign the Pod through the API server. Raises what the client raises."""
        ...


Plugin = Gate | Filter | Score | Bind


def stretched(raw: Sequence[int], *, reverse: bool = False) -> list[int]:
    """The numbers scaled so that the highest is 100; reversed, the lowest number scores highest."""
    highest = max(raw, default=0)
    if highest == 0:
        return [MAX_SCORE if reverse else 0] * len(raw)
    if reverse:
        return [MAX_SCORE - MAX_SCORE * n // highest for n in raw]
    return [MAX_SCORE * n // highest for n in raw]
