"""Writes a set of files so that a reader sees all of the old or all of the new ones: a symlink is switched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

DATA = "..data"


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int
    user: int | None = None
    """Who owns it; None is the kubelet's own user."""


def write(directory: str, files: Mapping[str, File], now: datetime, group: int | None = None) -> bool:
    """Make `directory` show exactly `files` (by relative path); whether anything changed.

    The names shown are symlinks through `..data`, which one rename points from the old to the new generation.
    What a crash left half-done is cleaned away by the next write. Raises ValueError for a path that leaves the volume.
    """
    for path in files:
        check_path(path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    os.chmod(directory, 0o755)
    current = _current(directory)
    if current is not None and _same(os.path.join(directory, current), files) and _links_fit(directory, files):
        _sweep(directory, current)
        return False
    fresh = _fresh_name(directory, now)
    root = os.path.join(directory, fresh)
    os.mkdir(root, 0o755)
    for path, file in files.items():
        target = os.path.join(root, path)
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        with open(target, "wb") as out:
            out.write(file.content)
        mode = file.mode
        if file.user is not None:
            os.chown(target, file.user, -1)
        if group is not None:
            os.chown(target, -1, group)
            mode |= 0o440  # such volumes are for reading: no group writes
        os.chmod(target, mode)
    switch = os.path.join(directory, "..data_tmp")
    if os.path.lexists(switch):
        os.unlink(switch)
    os.symlink(fresh, switch)
    os.rename(switch, os.path.join(directory, DATA))
    _links(directory, files)
    _sweep(directory, fresh)
    return True


def check_path(path: str) -> None:
    """Raises ValueError unless `path` is relative and stays inside."""
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise ValueError(f"invalid path {path!r}: must be relative and not contain or start with '..'")


def _current(directory: str) -> str | None:
    try:
        return os.readlink(os.path.join(directory, DATA))
    except FileNotFoundError:
        return None


def _fresh_name(directory: str, now: datetime) -> str:
    stem = now.strftime("..%Y_%m_%d_%H_%M_%S.%f")
    name, number = stem, 0
    while os.path.lexists(os.path.join(directory, name)):
        number += 1
        name = f"{stem}_{number}"
    return name


def _same(root: str, files: Mapping[str, File]) -> bool:
    seen = set()
    for directory, _, names in os.walk(root):
        for name in names:
            full = os.path.join(directory, name)
            path = os.path.relpath(full, root)
            wanted = files.get(path)
            if wanted is None:
                return False
            with open(full, "rb") as stored:
                if stored.read() != wanted.content:
                    return False
            seen.add(path)
    return seen == set(files)


def _tops(files: Mapping[str, File]) -> set[str]:
    return {path.split("/", 1)[0] for path in files}


def _links_fit(directory: str, files: Mapping[str, File]) -> bool:
    return {n for n in os.listdir(directory) if not n.startswith("..")} == _tops(files)


def _links(directory: str, files: Mapping[str, File]) -> None:
    wanted = _tops(files)
    for name in os.listdir(directory):
        if not name.startswith("..") and name not in wanted:
            os.unlink(os.path.join(directory, name))
    for name in wanted:
        link = os.path.join(directory, name)
        if not os.path.lexists(link):
            os.symlink(os.path.join(DATA, name), link)


def _sweep(directory: str, keep: str) -> None:
    for name in os.listdir(directory):
        if name.startswith("..") and name not in (DATA, keep):
            full = os.path.join(directory, name)
            if os.path.islink(full):
                os.unlink(full)
            else:
                shutil.rmtree(full, ignore_errors=True)
