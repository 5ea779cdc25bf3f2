"""An unmodified kopf operator: its resource's life, finalizers, status, events, timers and peering, under RBAC."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, until
from tests.e2e.kubectl import Kubectl

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

DATA = Path(__file__).parent / "data"
FINALIZER = "shop.example.com/receipt"
KIND = "orders.shop.example.com"


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[None]:
    """The CustomResourceDefinitions and the ClusterRole."""
    manifest = str(DATA / "operator.yaml")
    assert cluster.kubectl("1.36", "apply", "-f", manifest).code == 0
    for name in (KIND, "kopfpeerings.kopf.dev"):
        assert cluster.kubectl("1.36", "wait", "--for=condition=Established", f"crd/{name}").code == 0
    yield
    assert cluster.kubectl("1.36", "delete", "-f", manifest, timeout=60).code == 0


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str, installed: None) -> Iterator[Kubectl]:
    made = Kubectl(cluster, "1.36", namespace)
    yield made
    # Without its operator nobody would take the finalizer away.
    for name in made("get", KIND, "-o", "name").lines:
        made("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


@pytest.fixture
def robot(kubectl: Kubectl, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a ServiceAccount that may what the ClusterRole says, and nothing else."""
    name = f"{kubectl.namespace}-operator"
    kubectl("create", "serviceaccount", "robot")
    account = f"{kubectl.namespace}:robot"
    kubectl("create", "clusterrolebinding", name, "--clusterrole=order-operator", f"--serviceaccount={account}")
    path = tmp_path / "robot.conf"
    config = kubectl("config", "view", "--raw", "--minify", "-o", "json").json()
    config["users"][0]["user"] = {"token": kubectl("create", "token", "robot").out}
    path.write_text(json.dumps(config))
    yield path
    kubectl("delete", "clusterrolebinding", name)


class Operator:
    """A `kopf run` and what it logs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def logs(self, *texts: str) -> None:
        """Wait until it has logged each of the texts."""

        def told() -> bool:
            missing = [text for text in texts if text not in self.log]
            assert self.process.poll() is None, f"the operator ended:\n{self.log}"
            assert not missing, f"{missing} is not in:\n{self.log}"
            return True

        until(told)


@contextmanager
def operating(kubectl: Kubectl, kubeconfig: Path, *flags: str) -> Iterator[Operator]:
    """Run the operator; it has to end by itself when asked to, and must not have met an error on the way."""
    log = kubeconfig.parent / f"kopf-{next(_numbers)}.log"
    command = [sys.executable, "-m", "kopf", "run", "--verbose", f"--namespace={kubectl.namespace}", *flags]
    with open(log, "w") as file:
        process = subprocess.Popen(
            [*command, str(DATA / "operator.py")], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            env={**os.environ, **kubectl.cluster.env, "KUBECONFIG": str(kubeconfig)}, cwd=kubeconfig.parent,
        )  # fmt: skip
    operator = Operator(process, log)
    try:
        operator.logs("Starting the watch-stream for orders", "Starting the watch-stream for configmaps")
        yield operator
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, operator.log
        assert "Traceback" not in operator.log and "orbidden" not in operator.log, operator.log
    finally:
        process.kill()
        process.wait()


_numbers = itertools.count(1)


def order(name: str, *items: Any, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "shop.example.com/v1", "kind": "Order", "metadata": {"name": name, "labels": labels or {}},
        "spec": {"items": list(items), **spec},
    }  # fmt: skip


def phase(kubectl: Kubectl, name: str, wanted: str) -> Any:
    """Wait until an Order has a phase; the Order."""
    kubectl("wait", f"{KIND}/{name}", f"--for=jsonpath={{.status.phase}}={wanted}", "--timeout=20s")
    return kubectl.get(KIND, name)


def test_the_life_of_a_custom_resource(kubectl: Kubectl, robot: Path) -> None:
    with operating(kubectl, robot, "--standalone"):
        kubectl.create(order("one", {"name": "tea"}, {"name": "milk", "count": 2}))
        made = phase(kubectl, "one", "Packed")
        assert made["metadata"]["finalizers"] == [FINALIZER]
        assert made["status"]["create"] == {"configMap": "one-items"} and made["metadata"]["generation"] == 1
        items = kubectl.get("configmap", "one-items")
        assert items["data"] == {"tea": "1", "milk": "2"}
        assert items["metadata"]["ownerReferences"] == [{
            "apiVersion": "shop.example.com/v1", "kind": "Order", "name": "one", "uid": made["metadata"]["uid"],
            "controller": True, "blockOwnerDeletion": True,
        }]  # fmt: skip
        assert kubectl.events("one", "Packed") == "packed 2 items"
        assert kubectl("get", "shop").rows == [["NAME", "PHASE"], ["one", "Packed"]]
        assert "packed 2 items" in kubectl("describe", KIND, "one").out

        more = order("one", {"name": "tea", "count": 5})
        refused = kubectl("apply", "--server-side", "-f", "-", input=more, code=1)
        assert 'conflict with "kubectl-create" using shop.example.com/v1: .spec.items[name="tea"].count' in refused.err
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=more)
        assert phase(kubectl, "one", "Changed")["metadata"]["generation"] == 2
        assert kubectl.get("configmap", "one-items")["data"] == {"tea": "5", "milk": "2"}

        kubectl("delete", KIND, "one")
        assert kubectl("get", KIND).out == ""
        assert kubectl.get("configmap", "one-receipt")["metadata"].get("ownerReferences") is None
        until(lambda: kubectl("get", "configmap", "one-items", "--ignore-not-found").out == "")


def test_deletion_waits_for_the_operator(kubectl: Kubectl, robot: Path) -> None:
    with operating(kubectl, robot, "--standalone"):
        kubectl.create(order("one", {"name": "tea"}))
        phase(kubectl, "one", "Packed")
    kubectl("delete", KIND, "one", "--wait=false")
    waiting = kubectl.get(KIND, "one")["metadata"]
    assert waiting["deletionTimestamp"] and waiting["finalizers"] == [FINALIZER]
    refused = kubectl(
        "patch", KIND, "one", "--type=merge", "-p", '{"metadata": {"finalizers": ["a.com/b", "c.com/d"]}}', code=1
    )
    assert "metadata.finalizers: Forbidden: no new finalizers can be added" in refused.err
    with operating(kubectl, robot, "--standalone"):
        kubectl("wait", "--for=delete", f"{KIND}/one", "--timeout=20s")
        assert kubectl.get("configmap", "one-receipt")


def test_a_handler_that_gives_up(kubectl: Kubectl, robot: Path) -> None:
    with operating(kubectl, robot, "--standalone") as operator:
        kubectl.create(order("one", {"name": "tea"}, refuse=True))
        operator.logs("failed permanently: the shop is closed", "Creation is processed: 0 succeeded; 1 failed")
        assert "phase" not in kubectl.get(KIND, "one").get("status", {})
        assert "the shop is closed" in kubectl.events("one", "Logging")
        kubectl("delete", KIND, "one")


def test_timers_daemons_and_events_of_builtin_kinds(kubectl: Kubectl, robot: Path) -> None:
    with operating(kubectl, robot, "--standalone") as operator:
        kubectl.create(order("one", {"name": "tea"}, labels={"counted": "yes", "watched": "yes"}))
        kubectl("wait", f"{KIND}/one", "--for=jsonpath={.status.ticks}=3", "--timeout=20s")
        operator.logs("the guard comes")
        kubectl("create", "configmap", "other", "--from-literal=a=b")
        kubectl("label", "configmap", "other", "counted=yes")
        kubectl("delete", "configmap", "other")
        operator.logs("saw MODIFIED of other", "saw DELETED of other")
        kubectl("delete", KIND, "one")
        operator.logs("the guard leaves: ")


def test_two_operators_agree_who_works(kubectl: Kubectl, robot: Path) -> None:
    name = "shop"
    kubectl.create({"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": name}})
    flags = (f"--peering={name}",)
    with operating(kubectl, robot, *flags, "--priority=1") as low:
        with operating(kubectl, robot, *flags, "--priority=9"):
            low.logs("Pausing operations in favour of")
            peers = kubectl.get("kopfpeering", name)["status"].values()
            assert sorted(peer["priority"] for peer in peers) == [1, 9]
            kubectl.create(order("one", {"name": "tea"}))
            phase(kubectl, "one", "Packed")
        low.logs("Resuming operations after the pause")
        kubectl("delete", KIND, "one")
        assert "Handler 'receipt' succeeded" in low.log
    assert not kubectl.get("kopfpeering", name).get("status"), "each takes its own entry away"
