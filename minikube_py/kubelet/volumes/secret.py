"""secret: the keys of a Secret as files, following its changes; kept in memory, never on the node's disk."""

from __future__ import annotations

import os

from minikube_py.kubelet.volumes.base import MountFailed, Volume, VolumeKind
from minikube_py.kubelet.volumes.content import default_mode, publish, secret_files


async def set_up(volume: Volume) -> str:
    files = await secret_files(volume, volume.source, default_mode(volume.source))
    in_memory(volume)
    return publish(volume, files)


def in_memory(volume: Volume) -> None:
    """A tmpfs at the volume's directory. Raises MountFailed."""
    os.makedirs(volume.path, mode=0o755, exist_ok=True)
    if volume.path in volume.mounter.mounted_below(volume.path):
        return
    try:
        volume.mounter.tmpfs(volume.path, 0)
    except OSError as e:
        raise MountFailed(f"mounting a tmpfs failed: {e.strerror}") from e


SECRET = VolumeKind("secret", "kubernetes.io~secret", set_up, updates=True)
