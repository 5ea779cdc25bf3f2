"""Reading cgroups of both versions, and the machine's own figures, from trees of files like the kernel's."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from minikube_py.daemon.clock import RealClock
from minikube_py.kubelet import usage
from minikube_py.kubelet.runtime.base import Usage
from minikube_py.kubelet.usage import Cgroups

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ID = "f67490"


def write(root: Path, files: dict[str, str]) -> None:
    """Files by their path below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def version_1(root: Path, group: str = f"/docker/{ID}", mounted: str = "/") -> Cgroups:
    """cpu,cpuacct mounted together, memory apart, the unified hierarchy beside them without controllers."""
    lines = [
        f"30 1 0:26 {mounted} {root}/cpu rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct",
        f"31 1 0:27 {mounted} {root}/memory rw,relatime - cgroup cgroup rw,memory",
        f"32 1 0:28 / {root}/unified rw,relatime - cgroup2 cgroup2 rw",
        "33 1 0:29 / / rw,relatime - ext4 /dev/vda rw",
    ]
    below = (group.removeprefix(mounted) if mounted != "/" else group).lstrip("/")
    write(root, {
        "proc/self/mountinfo": "\n".join(lines) + "\n",
        "proc/7/cgroup": f"3:memory:{group}\n2:cpu,cpuacct:{group}\n0::{group}\n",
        f"cpu/{below}/cpuacct.usage": "2217133237\n",
        f"memory/{below}/memory.usage_in_bytes": "1000000\n",
        f"memory/{below}/memory.stat": "cache 5\ninactive_file 1\ntotal_inactive_file 300000\ntotal_rss 400000\n",
    })  # fmt: skip
    return Cgroups(root / "proc")


@pytest.mark.parametrize(
    ("group", "mounted"),
    [(f"/docker/{ID}", "/"), (f"/system.slice/docker-{ID}.scope", "/"), (f"/outer/{ID}", "/outer")],
)
def test_version_1(tmp_path: Path, group: str, mounted: str) -> None:
    assert version_1(tmp_path, group, mounted).usage(7, ID, NOW) == Usage(NOW, 2217133237, 700000, 1000000, 400000)


def test_version_2(tmp_path: Path) -> None:
    write(tmp_path, {
        "proc/self/mountinfo": f"32 1 0:28 / {tmp_path}/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
        "proc/7/cgroup": f"0::/docker/{ID}\n",
        f"cgroup/docker/{ID}/cpu.stat": "usage_usec 1500\nuser_usec 1000\n",
        f"cgroup/docker/{ID}/memory.current": "900\n",
        f"cgroup/docker/{ID}/memory.stat": "anon 500\nfile 400\ninactive_file 1000\n",
    })  # fmt: skip
    cgroups = Cgroups(tmp_path / "proc")
    assert cgroups.usage(7, ID, NOW) == Usage(NOW, 1_500_000, 0, 900, 500)
    (tmp_path / "cgroup" / "docker" / ID / "memory.current").unlink()
    assert cgroups.usage(7, ID, NOW) is None


def test_what_is_gone_or_another_process_is_not_measured(tmp_path: Path) -> None:
    cgroups = version_1(tmp_path)
    assert cgroups.usage(8, ID, NOW) is None
    assert cgroups.usage(7, "another", NOW) is None
    (tmp_path / "memory" / "docker" / ID / "memory.stat").write_text("cache 5\n")
    assert cgroups.usage(7, ID, NOW) is None


def test_without_cgroups_nothing_is_known(tmp_path: Path) -> None:
    mounts = "33 1 0:29 / / rw,relatime - ext4 /dev/vda rw\n"
    write(tmp_path, {"self/mountinfo": mounts, "7/cgroup": f"0::/{ID}\n"})
    assert Cgroups(tmp_path).usage(7, ID, NOW) is None


def test_the_machine(tmp_path: Path) -> None:
    hz = os.sysconf("SC_CLK_TCK")
    stat = (
        f"cpu  {hz} {hz} {hz} 999999 99999 {hz} {hz} 77777 5 5\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5 6\nbtime 1767225600\n"
    )
    memory = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 800 kB\nInactive(file): 200 kB\nAnonPages: 100 kB\n"
    write(tmp_path, {"stat": stat, "meminfo": memory})
    assert usage.of_machine(NOW, tmp_path) == Usage(NOW, 5 * 10**9, 500 * 1024, 700 * 1024, 100 * 1024)
    assert usage.booted_at(tmp_path) == datetime(2026, 1, 1, tzinfo=UTC)


def test_this_machine() -> None:
    now = RealClock().now()
    found = usage.of_machine(now)
    assert found.cpu_nanoseconds > 0 and 0 < found.working_set <= found.memory
    assert usage.booted_at() < now
