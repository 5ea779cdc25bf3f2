"""Prefer Nodes that already have the Pod's images, the more so the bigger they are."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.scheduler.node import NodeInfo
from minikube_py.scheduler.plugins.base import MAX_SCORE, Cluster
from minikube_py.scheduler.pod import PodInfo

MB = 1024 * 1024
SMALL = 23 * MB
LARGE_PER_CONTAINER = 1000 * MB


class ImageLocality:
    name = "ImageLocality"
    weight = 1

    def score(self, pod: PodInfo, nodes: Sequence[NodeInfo], cluster: Cluster) -> list[int] | None:
        """Sizes weighted by how many Nodes have the image, lest one warm Node draws every Pod."""
        images = [with_tag(image) for image in pod.images]
        shares = {}
        total = len(cluster.nodes)
        for image in set(images):
            holders = sum(image in node.facts.images for node in cluster.nodes)
            if holders:
                shares[image] = holders / total
        if not shares:
            return None
        large = LARGE_PER_CONTAINER * len(images)
        found = []
        for node in nodes:
            size = int(sum(node.facts.images.get(i, 0) * shares.get(i, 0.0) for i in images))
            found.append(MAX_SCORE * (min(max(size, SMALL), large) - SMALL) // (large - SMALL))
        return found if any(found) else None


def with_tag(image: str) -> str:
    """The image's name as Nodes report it: with `:latest` when it has neither tag nor digest."""
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:latest"
