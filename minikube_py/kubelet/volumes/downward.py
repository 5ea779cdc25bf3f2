"""downwardAPI: fields of the Pod itself as files, following its labels and annotations."""

from __future__ import annotations

from minikube_py.kubelet.volumes.base import Volume, VolumeKind
from minikube_py.kubelet.volumes.content import default_mode, downward_files, publish


async def set_up(volume: Volume) -> str:
    mode = default_mode(volume.source)
    return publish(volume, downward_files(volume.pod, volume.source.get("items") or (), volume.facts, mode))


DOWNWARD_API = VolumeKind("downwardAPI", "kubernetes.io~downward-api", set_up, updates=True)
