"""emptyDir: a directory that lives as long as its Pod, on disk or in memory."""

from __future__ import annotations

import os

from minikube_py.api import quantity
from minikube_py.kubelet.volumes.base import MountFailed, Volume, VolumeKind
from minikube_py.kubelet.volumes.ownership import give_to_group


async def set_up(volume: Volume) -> str:
    """See `make`."""
    return make(volume)


def make(volume: Volume) -> str:
    """Everyone may write, as in Kubernetes. A size limit of one in memory is the tmpfs' own; see also `usage`."""
    medium = volume.source.get("medium") or ""
    if medium not in ("", "Memory"):
        raise MountFailed(f'emptyDir medium "{medium}" is not supported on this node')
    if not os.path.isdir(volume.path):
        os.makedirs(volume.path, mode=0o755)
    if medium == "Memory" and volume.path not in volume.mounter.mounted_below(volume.path):
        limit = volume.source.get("sizeLimit")
        try:
            volume.mounter.tmpfs(volume.path, quantity.parse(limit).value() if limit else 0)
        except OSError as e:
            raise MountFailed(f"mounting a tmpfs failed: {e.strerror}") from e
    os.chmod(volume.path, 0o777)
    if volume.fs_group is not None:
        give_to_group(volume.path, volume.fs_group)
    return volume.path


def usage(path: str) -> int:
    """Bytes that the files below `path` take on disk."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


EMPTY_DIR = VolumeKind("emptyDir", "kubernetes.io~empty-dir", set_up)
