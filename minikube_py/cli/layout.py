"""Where a cluster keeps what: the files below one data directory."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DAEMONS = ("apiserver", "scheduler", "controller-manager", "kubelet")
"""In the order in which they start; they stop in the opposite one."""

ALL_IN_ONE = "cluster"
"""The name of the one process that `--single-process` starts."""

FOREGROUND = "up"
"""The name of an `up --foreground` that looks after the daemons."""

PAUSE_IMAGE = "minikube-py/pause:1"


def default_data_dir() -> Path:
    """`/var/lib/minikube-py` for root, `~/.minikube-py` for others."""
    return Path("/var/lib/minikube-py") if os.geteuid() == 0 else Path.home() / ".minikube-py"


@dataclass(frozen=True)
class Layout:
    """The data directory of one cluster, as an absolute path."""

    root: Path

    @classmethod
    def at(cls, data_dir: str | Path) -> Layout:
        return cls(Path(data_dir).expanduser().resolve())

    def make(self) -> None:
        """Make the directory, readable by its owner alone. Raises OSError saying that it cannot be written."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            denied = not os.access(self.root, os.W_OK | os.X_OK)
        except OSError as error:
            raise OSError(f"cannot make the data directory {self.root}: {error.strerror}") from None
        if denied:
            raise OSError(f"cannot write to the data directory {self.root}")

    @property
    def admin_conf(self) -> Path:
        return self.root / "admin.conf"

    def kubeconfig(self, daemon: str) -> Path:
        return self.root / f"{daemon}.conf"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @property
    def kubelet_root(self) -> Path:
        return self.root / "kubelet"

    @property
    def cluster_file(self) -> Path:
        """What `up` was asked, for `status`, `down` and the next `up`."""
        return self.root / "cluster.json"

    def pid_file(self, process: str) -> Path:
        return self.root / "run" / f"{process}.pid"

    def log_file(self, process: str) -> Path:
        return self.root / "logs" / f"{process}.log"

    @property
    def own(self) -> tuple[Path, ...]:
        """Everything that a cluster ever makes directly below its directory."""
        names = ["cluster.json", "pki", "run", "logs", "kubelet", *(f"{n}.conf" for n in ("admin", *DAEMONS))]
        names += [f"state.db{suffix}" for suffix in ("", "-wal", "-shm", ".lock", ".new", ".new-journal", ".new-wal")]
        return tuple(self.root / name for name in names)

    @property
    def instance(self) -> str:
        """What tells this cluster's containers from those of others on the same engine."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:12]


def node_address() -> str:
    """The address of the interface with the default route; loopback on a machine without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def read_json(path: Path) -> Mapping[str, object]:
    """The object in a JSON file, empty when there is no file. Raises ValueError when it is not one."""
    import json

    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found
