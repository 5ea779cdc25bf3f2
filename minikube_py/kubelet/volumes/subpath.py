"""subPath: a part of a volume, found without ever leaving the volume through a symlink or `..`."""

from __future__ import annotations

import os

from minikube_py.kubelet.volumes.base import MountFailed
from minikube_py.kubelet.volumes.mounts import Mounter


def open_inside(root: str, sub_path: str) -> int:
    """A descriptor of `root/sub_path`, made as a directory where it is missing. Raises MountFailed.

    Symlinks are followed only as long as the end lies inside the volume; the check is made on what was opened, so a
    container that swaps a directory for a symlink meanwhile gains nothing.
    """
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise MountFailed(f'subPath "{sub_path}" must be relative and not contain ".."')
    base = os.path.realpath(root)
    full = os.path.join(base, sub_path)
    try:
        if not os.path.lexists(full):
            _make(base, sub_path)
        descriptor = os.open(full, os.O_PATH | os.O_CLOEXEC)
    except OSError as e:
        raise MountFailed(f'subPath "{sub_path}": {e.strerror}') from e
    actual = os.readlink(f"/proc/self/fd/{descriptor}")
    if actual != base and not actual.startswith(base + "/"):
        os.close(descriptor)
        raise MountFailed(f'subPath "{sub_path}" leads out of the volume')
    return descriptor


def _make(base: str, sub_path: str) -> None:
    """Make the missing directories one by one, each opened from its parent and never through a symlink outside."""
    mode = os.stat(base).st_mode & 0o7777
    here = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in (p for p in sub_path.split("/") if p not in ("", ".")):
            try:
                os.mkdir(part, 0o755, dir_fd=here)
                made = True
            except FileExistsError:
                made = False
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
            actual = os.readlink(f"/proc/self/fd/{here}")
            if not actual.startswith(base + "/"):
                raise MountFailed(f'subPath "{sub_path}" leads out of the volume')
            if made:
                os.fchmod(here, mode)
    finally:
        os.close(here)


def expose(root: str, sub_path: str, target: str, mounter: Mounter) -> str:
    """Bind `root/sub_path` at `target` (made as needed, an older bind there replaced); the path to mount."""
    descriptor = open_inside(root, sub_path)
    try:
        for point in mounter.mounted_below(target):
            mounter.unmount(point)
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            if os.path.isfile(target):
                os.unlink(target)
            os.makedirs(target, mode=0o755, exist_ok=True)
        else:
            if os.path.isdir(target):
                os.rmdir(target)
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640))
        return mounter.bind(descriptor, target)
    except OSError as e:
        raise MountFailed(f'subPath "{sub_path}": {e.strerror or e}') from e
    finally:
        os.close(descriptor)
