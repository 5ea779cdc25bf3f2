"""What the machine is and has: the facts that a Node's status tells."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def capacity(root_dir: str, max_pods: int) -> dict[str, str]:
    """cpu, memory, ephemeral-storage and pods, as Kubernetes writes them."""
    disk = shutil.disk_usage(_existing(root_dir))
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory_kib()}Ki",
        "ephemeral-storage": f"{disk.total // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(max_pods),
    }


def allocatable(total: Mapping[str, str], reserved: Mapping[str, str]) -> dict[str, str]:
    """The capacity without what is reserved for the system."""
    from minikube_py.api import quantity

    out = dict(total)
    for name, amount in reserved.items():
        if name in out:
            left = quantity.parse(out[name]) - quantity.parse(amount)
            out[name] = left.canonical() if left.milli_value() > 0 else "0"
    return out


def memory_kib() -> int:
    """The machine's memory."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0


def pressures(root_dir: str) -> dict[str, tuple[bool, str, str]]:
    """By condition type: whether it is so, the reason, the message. Thresholds are the kubelet's usual ones."""
    available = next(
        (int(x.split()[1]) for x in Path("/proc/meminfo").read_text().splitlines() if x.startswith("MemAvailable:")),
        memory_kib(),
    )
    disk = shutil.disk_usage(_existing(root_dir))
    low_memory = available < 100 * 1024
    low_disk = disk.free < disk.total // 20
    return {
        "MemoryPressure": _pressure(low_memory, "Memory", "memory available"),
        "DiskPressure": _pressure(low_disk, "Disk", "disk space available"),
        "PIDPressure": _pressure(_pids_short(), "PID", "PID available"),
    }


def _pressure(true: bool, word: str, what: str) -> tuple[bool, str, str]:
    if true:
        return True, f"KubeletHasInsufficient{word}", f"kubelet has insufficient {what}"
    if word == "Disk":
        return False, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"
    return False, f"KubeletHasSufficient{word}", f"kubelet has sufficient {what}"


def _pids_short() -> bool:
    try:
        running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
        limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    except (OSError, IndexError, ValueError):
        return False
    return running > limit * 0.95


def node_info(runtime_version: str, kubernetes_version: str) -> dict[str, str]:
    """The Node's nodeInfo; all members are there, as its readers expect."""
    name = platform.uname()
    return {
        "architecture": architecture(),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": runtime_version,
        "kernelVersion": name.release,
        "kubeProxyVersion": kubernetes_version,
        "kubeletVersion": kubernetes_version,
        "machineID": _read("/etc/machine-id"),
        "operatingSystem": "linux",
        "osImage": _os_image(),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
    }


def architecture() -> str:
    """The architecture by its Go name."""
    machine = platform.machine()
    return _ARCH.get(machine, machine)


def default_ip() -> str:
    """The address that this machine reaches others from; loopback where it has no network."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Sends nothing: only the route is looked up.
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _os_image() -> str:
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return "Linux"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path) or "/"
    return path
