"""Starts real etcd servers for tests: own data directories, free ports on 127.0.0.1, killed by their process ids."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest


def etcd_binary() -> str:
    """The path of etcd; without one the test is skipped, or fails where CI is set."""
    found = shutil.which("etcd")
    if found is None:
        message = "no etcd binary on PATH (Debian package etcd-server)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Etcd:
    """One etcd server, alone or a member of a small cluster, that can be stopped and started again."""

    def __init__(self, directory: Path, *, name: str = "one", tls: Sequence[str] = ()) -> None:
        """`tls` are extra flags (certificates); with them the client URL is https."""
        self.directory, self.name, self._flags = directory, name, list(tls)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{free_port()}"
        self.peer_url = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, members: Sequence[Etcd] = (), *, wait: bool = True) -> None:
        """Start it; `members` are all servers of its cluster (none: it is alone)."""
        cluster = ",".join(f"{member.name}={member.peer_url}" for member in members or [self])
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    etcd_binary(), "--name", self.name, "--data-dir", str(self.directory / "data"),
                    "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                    "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
                    "--initial-cluster", cluster, "--logger", "zap", "--log-level", "warn", *self._flags,
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return when it accepts connections (over plain HTTP: when it is healthy)."""
        import time

        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, f"etcd ended: {(self.directory / 'log').read_text()[-2000:]}"
            try:
                if self.url.startswith("https"):
                    host, port = self.url.removeprefix("https://").split(":")
                    socket.create_connection((host, int(port)), timeout=1).close()
                    return
                with urlopen(self.url + "/health", timeout=1) as answer:
                    if b"true" in answer.read():
                        return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(f"etcd at {self.url} does not become healthy")

    def stop(self) -> None:
        """Kill it; its data stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
