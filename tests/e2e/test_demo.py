"""`make demo` and `make down`, as their scripts run, with a data directory and a port of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, kubectl_binary, leftovers, run
from tests.etcd import free_port
from tests.images import need_docker

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def test_demo_twice_and_down(tmp_path: Path) -> None:
    from minikube_py.cli.layout import Layout

    need_docker()
    kubectl_binary("1.36")
    data = tmp_path / "demo"
    instance = Layout.at(data).instance
    own = {
        "DATA_DIR": str(data), "SECURE_PORT": str(free_port()), "HOME": str(tmp_path),
        # An empty state: the engine was not started by this demo, so that `down` must leave it alone.
        "MINIKUBE_PY_DOCKER_STATE": str(tmp_path / "engine"),
    }  # fmt: skip
    rules = _rules()
    try:
        first = run([ROOT / "tools" / "demo.sh"], env=own, timeout=240)
        assert first.code == 0, str(first)
        assert "says: Hello from the writer container" in first.out
        again = run([ROOT / "tools" / "demo.sh"], env=own, timeout=240)
        assert again.code == 0, str(again)
        # "configured", as on Kubernetes, since the volume of the token is not in the file; the Pod is the same one.
        assert "pod/two-containers configured" in again.out and "says: Hello from the writer container" in again.out
        pods = run(
            [kubectl_binary("1.36"), "get", "pods", "-A", "--no-headers"],
            env={**own, "KUBECONFIG": f"{data}/admin.conf"},
        )
        assert [row[1:3] for row in pods.rows] == [["two-containers", "1/2"]]
    finally:
        down = run([ROOT / "tools" / "down.sh"], env=own, timeout=240)
    assert down.code == 0, str(down)
    assert leftovers(data, instance) == [], "tools/down.sh left something behind"
    assert not data.exists() and _rules() == rules
    assert run(["docker", "version"]).code == 0, "tools/down.sh stopped an engine that the demo did not start"
    harmless = run([ROOT / "tools" / "down.sh"], env=own, timeout=60)
    assert harmless.code == 0, str(harmless)


def _rules() -> list[str]:
    """The iptables rules that are not the engine's own, for comparison."""
    saved = run(["iptables-save"] if os.geteuid() == 0 else ["sudo", "-n", "iptables-save"])
    return [line for line in saved.lines if "minikube" in line.lower() or "KUBE" in line]
