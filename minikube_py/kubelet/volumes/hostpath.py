"""hostPath: a file or directory of the node, checked against the type that the volume names."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from minikube_py.kubelet.volumes.base import MountFailed, Volume, VolumeKind

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


async def set_up(volume: Volume) -> str:
    """See `check`."""
    return check(str(volume.source["path"]), str(volume.source.get("type") or ""))


def check(path: str, kind: str) -> str:
    """The path itself. Without a type nothing is checked, and a path that is not there becomes a directory."""
    if kind and kind not in _CHECKS:
        raise MountFailed(f'hostPath type "{kind}" is not known')
    try:
        if not os.path.exists(path):
            if kind in ("", "DirectoryOrCreate"):
                os.makedirs(path, mode=0o755, exist_ok=True)
            elif kind == "FileOrCreate":
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        if kind:
            fits, words = _CHECKS[kind]
            if not os.path.exists(path) or not fits(os.stat(path).st_mode):
                raise MountFailed(f"hostPath type check failed: {path} is not {words}")
    except OSError as e:
        raise MountFailed(f"hostPath {path}: {e.strerror}") from e
    return path


HOST_PATH = VolumeKind("hostPath", "kubernetes.io~host-path", set_up)
