"""What containers and the machine use, read from the kernel's own files: cgroups (version 1 or 2) and /proc.

Asking the Docker engine instead takes a second for every container, since it waits for its own next look.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from minikube_py.kubelet.runtime.base import Usage

PROC = Path("/proc")


class Cgroups:
    """The control groups of this machine's processes, found by /proc wherever they are mounted."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._mounts = _mounts((proc / "self" / "mountinfo").read_text())

    def usage(self, pid: int, name: str, now: datetime) -> Usage | None:
        """What the group of the process uses; None when it is gone, or when its group is not one called `name`.

        By the name (the container's id) another process is told apart that has got the number of one that ended.
        Without memory accounting nothing is known, either.
        """
        try:
            groups = _groups((self._proc / str(pid) / "cgroup").read_text())
            if "memory" in self._mounts and "cpuacct" in self._mounts:
                return self._version_1(groups, name, now)
            return self._version_2(groups, name, now)
        except (OSError, KeyError, ValueError):
            return None

    def _version_1(self, groups: Mapping[str, str], name: str, now: datetime) -> Usage | None:
        memory, cpu = self._directory(groups, "memory", name), self._directory(groups, "cpuacct", name)
        stat = _numbers((memory / "memory.stat").read_text())
        used = int((memory / "memory.usage_in_bytes").read_text())
        spent = int((cpu / "cpuacct.usage").read_text())
        return Usage(now, spent, max(0, used - stat["total_inactive_file"]), used, stat["total_rss"])

    def _version_2(self, groups: Mapping[str, str], name: str, now: datetime) -> Usage | None:
        group = self._directory(groups, "", name)
        stat = _numbers((group / "memory.stat").read_text())
        used = int((group / "memory.current").read_text())
        spent = _numbers((group / "cpu.stat").read_text())["usage_usec"] * 1000
        return Usage(now, spent, max(0, used - stat["inactive_file"]), used, stat["anon"])

    def _directory(self, groups: Mapping[str, str], controller: str, name: str) -> Path:
        mount, root = self._mounts[controller]
        path = groups[controller]
        if name not in path:
            raise KeyError(name)
        if root != "/":
            path = path.removeprefix(root)
        return Path(mount) / path.lstrip("/")


def of_machine(now: datetime, proc: Path = PROC) -> Usage:
    """What the whole machine uses. Memory in use is what is not free, its working set without idle file pages."""
    fields = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("cpu ")).split()
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[1:8])
    ticks = user + nice + system + irq + softirq
    memory = _numbers((proc / "meminfo").read_text().replace(":", ""))
    used = (memory["MemTotal"] - memory["MemFree"]) * 1024
    working_set = max(0, used - memory.get("Inactive(file)", 0) * 1024)
    return Usage(now, ticks * 10**9 // os.sysconf("SC_CLK_TCK"), working_set, used, memory.get("AnonPages", 0) * 1024)


def booted_at(proc: Path = PROC) -> datetime:
    """When the machine was started."""
    return datetime.fromtimestamp(_numbers((proc / "stat").read_text())["btime"], UTC)


def _mounts(mountinfo: str) -> dict[str, tuple[str, str]]:
    """By controller ("" for version 2): where its groups are mounted, and which group the mount's root is."""
    found: dict[str, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        front, _, back = line.partition(" - ")
        fields, (kind, _, options) = front.split(), back.split(" ", 2)
        if kind == "cgroup2":
            found.setdefault("", (fields[4], fields[3]))
        elif kind == "cgroup":
            for controller in options.split(","):
                found.setdefault(controller, (fields[4], fields[3]))
    return found


def _groups(text: str) -> dict[str, str]:
    """By controller ("" for version 2): the group of a process, from its /proc/PID/cgroup."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _numbers(text: str) -> dict[str, int]:
    """The lines of a name and a number."""
    parts = (line.split() for line in text.splitlines())
    return {part[0]: int(part[1]) for part in parts if len(part) > 1 and part[1].isdigit()}
