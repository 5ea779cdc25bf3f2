"""open_store: which options go with which backend, and that a driver is loaded only when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minikube_py.daemon.clock import VirtualClock
from minikube_py.store.base import Unavailable
from minikube_py.store.open import TLSFiles, open_store


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "redis"}, "use sqlite, memory or etcd3"),
        ({"backend": "sqlite"}, "needs a path"),
        ({"backend": "memory", "path": "x"}, "no path"),
        ({"backend": "etcd3", "path": "x", "servers": ["http://127.0.0.1:1"]}, "no path"),
        ({"backend": "etcd3"}, "at least one server"),
        ({"backend": "sqlite", "path": "x", "servers": ["http://127.0.0.1:1"]}, "for etcd3, not for sqlite"),
        ({"backend": "memory", "prefix": "/registry"}, "for etcd3, not for memory"),
        ({"backend": "memory", "tls": TLSFiles()}, "for etcd3, not for memory"),
        ({"backend": "etcd3", "servers": ["127.0.0.1:2379"]}, "http://host:port"),
        ({"backend": "etcd3", "servers": ["http://"]}, "http://host:port"),
        ({"backend": "etcd3", "servers": ["http://127.0.0.1:1/path"]}, "http://host:port"),
        ({"backend": "etcd3", "servers": ["http://127.0.0.1:99999"]}, "http://host:port"),
        ({"backend": "etcd3", "servers": ["http://127.0.0.1:1"], "prefix": "/é"}, "ASCII"),
    ],
)
async def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await open_store(clock=VirtualClock(), **options)


async def test_missing_tls_files_are_named() -> None:
    with pytest.raises(Unavailable, match="no-such-ca"):
        await open_store(
            "etcd3", clock=VirtualClock(), servers=["https://127.0.0.1:1"], tls=TLSFiles(ca_file="/no-such-ca")
        )


def test_sqlite_and_memory_load_nothing_of_etcd(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from minikube_py.daemon.clock import RealClock
from minikube_py.store.open import open_store
async def main():
    await (await open_store("memory", clock=RealClock())).close()
    await (await open_store("sqlite", clock=RealClock(), path=sys.argv[1])).close()
asyncio.run(main())
print({"grpc", "aetcd", "google.protobuf"} & set(sys.modules))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "store.db")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"
