"""Mounting and unmounting through the kernel; the only place of the kubelet that changes the mount table."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from collections.abc import Sequence
from typing import Protocol

MS_BIND, MNT_DETACH = 4096, 2


class Mounter(Protocol):
    """Every method raises OSError where the kernel refuses."""

    def tmpfs(self, target: str, size: int) -> None:
        """Mount a tmpfs of at most `size` bytes (0: the kernel's default) on an existing directory."""
        ...

    def bind(self, descriptor: int, target: str) -> str:
        """Make the file or directory open as `descriptor` visible at `target`; the path to use for it."""
        ...

    def mounted_below(self, directory: str) -> Sequence[str]:
        """Mount points at or below a directory, the deepest first."""
        ...

    def unmount(self, target: str) -> None: ...


class KernelMounter:
    """The machine's mount table. Needs CAP_SYS_ADMIN."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def tmpfs(self, target: str, size: int) -> None:
        options = "mode=0777" + (f",size={size}" if size else "")
        self._mount("tmpfs", target, "tmpfs", 0, options)

    def bind(self, descriptor: int, target: str) -> str:
        # Through the open descriptor: what is mounted is what was checked, whatever happens to its path meanwhile.
        self._mount(f"/proc/self/fd/{descriptor}", target, "", MS_BIND, "")
        return target

    def mounted_below(self, directory: str) -> Sequence[str]:
        inside = directory.rstrip("/") + "/"
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            points = [_unescape(line.split(" ")[4]) for line in table]
        found = [p for p in points if p == directory or p.startswith(inside)]
        return sorted(found, key=lambda p: p.count("/"), reverse=True)

    def unmount(self, target: str) -> None:
        if self._libc.umount2(os.fsencode(target), MNT_DETACH) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"unmounting failed: {os.strerror(number)}", target)

    def _mount(self, source: str, target: str, kind: str, flags: int, options: str) -> None:
        done = self._libc.mount(
            os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), options.encode()
        )
        if done != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mounting failed: {os.strerror(number)}", target)


class PlainMounter:
    """For the fake runtime: no mounts are made, a tmpfs is a plain directory and a bind its source's own path."""

    def tmpfs(self, target: str, size: int) -> None:
        return None

    def bind(self, descriptor: int, target: str) -> str:
        return os.readlink(f"/proc/self/fd/{descriptor}")

    def mounted_below(self, directory: str) -> Sequence[str]:
        return ()

    def unmount(self, target: str) -> None:
        return None


def remove_tree(directory: str, mounter: Mounter) -> None:
    """Unmount everything below `directory` and remove it; never removes through a mount. Raises OSError."""
    # The table shows paths without symlinks: looked up by another name, what is mounted would go unseen.
    parent, name = os.path.split(os.path.abspath(directory))
    directory = os.path.join(os.path.realpath(parent), name)
    for point in mounter.mounted_below(directory):
        mounter.unmount(point)
    left = mounter.mounted_below(directory)
    if left:
        raise OSError(f"still mounted: {', '.join(left)}")
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        if os.path.lexists(directory):
            raise


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), text)
