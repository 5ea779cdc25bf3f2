"""fsGroup: hands a volume's files to the Pod's group."""

from __future__ import annotations

import os
import stat


def give_to_group(path: str, group: int) -> None:
    """Group-own everything at and below `path`, readable (and writable) as the owner's, directories setgid.

    A volume whose root already looks so is left alone. Symlinks are changed themselves, never followed.
    """
    root = os.lstat(path)
    if root.st_gid == group and root.st_mode & stat.S_ISGID:
        return
    for directory, names, files in os.walk(path, topdown=False):
        for name in (*files, *names):
            _give(os.path.join(directory, name), group)
    _give(path, group)


def _give(path: str, group: int) -> None:
    info = os.lstat(path)
    os.chown(path, -1, group, follow_symlinks=False)
    if stat.S_ISLNK(info.st_mode):
        return
    mode = stat.S_IMODE(info.st_mode)
    mode |= (mode & 0o700) >> 3
    if stat.S_ISDIR(info.st_mode):
        mode |= stat.S_ISGID | 0o070
    os.chmod(path, mode)
