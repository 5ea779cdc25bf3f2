"""configMap: the keys of a ConfigMap as files, following its changes."""

from __future__ import annotations

from minikube_py.kubelet.volumes.base import Volume, VolumeKind
from minikube_py.kubelet.volumes.content import configmap_files, default_mode, publish


async def set_up(volume: Volume) -> str:
    return publish(volume, await configmap_files(volume, volume.source, default_mode(volume.source)))


CONFIG_MAP = VolumeKind("configMap", "kubernetes.io~configmap", set_up, updates=True)
