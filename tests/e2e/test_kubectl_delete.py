"""kubectl delete and wait: how objects go, and how to wait for what is to come."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl, documents
from tests.e2e.objects import config_map, container, pod, shell, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

DEAF = shell("trap '' TERM; echo started; while :; do sleep 0.2; done")


def gone(kubectl: Kubectl, name: str) -> bool:
    return kubectl("get", name, "--ignore-not-found", "-o", "name").out == ""


def deleted(kubectl: Kubectl, kind: str, name: str, how: str = "deleted") -> str:
    """What `delete` prints; since 1.33 it names the namespace."""
    where = "" if kubectl.version == "1.32" else f" from {kubectl.namespace} namespace"
    return f'{kind} "{name}" {how}{where}\n'


def test_delete_waits_until_the_pod_is_gone(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"))
    kubectl.ready("web")
    assert kubectl("delete", "pod", "web").out == deleted(kubectl, "pod", "web")
    assert gone(kubectl, "pod/web")
    missing = kubectl("delete", "pod", "web", code=1)
    assert missing.err.strip() == 'Error from server (NotFound): pods "web" not found'
    assert kubectl("delete", "pod", "web", "--ignore-not-found").out == ""


def test_delete_without_waiting_leaves_it_terminating(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", container(command=DEAF), terminationGracePeriodSeconds=3))
    kubectl.ready("web")
    kubectl("delete", "pod", "web", "--wait=false")
    meta = kubectl.get("pod", "web")["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 3 and meta["deletionTimestamp"]
    assert kubectl("get", "pod", "web").rows[1][2] == "Terminating"
    began = time.monotonic()
    kubectl("wait", "--for=delete", "pod/web", "--timeout=15s")
    assert 1 < time.monotonic() - began < 8


def test_delete_by_force(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", container(command=DEAF), terminationGracePeriodSeconds=60), pod("other"))
    kubectl.ready("web", "other")
    forced = kubectl("delete", "pod", "web", "--grace-period=0", "--force", timeout=10)
    assert forced.out == deleted(kubectl, "pod", "web", "force deleted")
    assert forced.err.startswith("Warning: Immediate deletion does not wait for confirmation")
    assert gone(kubectl, "pod/web")
    kubectl("delete", "pod", "other", "--now", timeout=10)


def test_delete_by_selector_file_and_all(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.create(
        config_map("one", {"app": "x"}), config_map("two", {"app": "x"}), config_map("three"), config_map("four"),
        waiting_pod("five"), waiting_pod("six"),
    )  # fmt: skip
    kubectl("delete", "cm", "-l", "app=x")
    assert kubectl("get", "cm", "-o", "name").lines == [
        "configmap/four", "configmap/kube-root-ca.crt", "configmap/three",
    ]  # fmt: skip
    (tmp_path / "file.yaml").write_text(documents(config_map("three"), config_map("four")))
    assert kubectl("delete", "-f", str(tmp_path / "file.yaml")).out == (
        deleted(kubectl, "configmap", "three") + deleted(kubectl, "configmap", "four")
    )
    kubectl("delete", "pods", "--all")
    assert kubectl("get", "pods").out == ""
    kubectl.create(waiting_pod("seven"), waiting_pod("eight"))
    kubectl("delete", "pods", "--field-selector", "metadata.name=seven")
    assert kubectl("get", "pods", "-o", "name").lines == ["pod/eight"]


def test_delete_a_namespace_with_content(kubectl: Kubectl) -> None:
    other = kubectl.namespace[:55] + "-full"
    kubectl("create", "namespace", other)
    for given in (pod("web"), config_map("one")):
        kubectl("create", "-n", other, "-f", "-", input=given)
    kubectl("create", "-n", other, "service", "clusterip", "web", "--tcp=80")
    kubectl("wait", "-n", other, "--for=condition=Ready", "pod/web", "--timeout=30s")
    kubectl("delete", "namespace", other, "--wait=false")
    assert kubectl("get", "namespace", other).rows[1][1] == "Terminating"
    refused = kubectl("create", "-n", other, "configmap", "late", code=1)
    assert f"unable to create new content in namespace {other} because it is being terminated" in refused.err
    kubectl("wait", "--for=delete", f"namespace/{other}", "--timeout=20s")
    assert kubectl("get", "all,cm", "-n", other).out == ""


def test_a_finalizer_holds_an_object_back(kubectl: Kubectl) -> None:
    kubectl.create({**config_map("held"), "metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    kubectl("delete", "cm", "held", "--wait=false")
    assert kubectl.get("cm", "held")["metadata"]["deletionTimestamp"]
    late = kubectl("wait", "--for=delete", "cm/held", "--timeout=300ms", code=1)
    assert late.err.strip().endswith("error: timed out waiting for the condition on configmaps/held")
    kubectl("patch", "cm", "held", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    until(lambda: gone(kubectl, "cm/held"))


def test_wait_for_conditions_values_and_creation(kubectl: Kubectl) -> None:
    with kubectl.start("wait", "--for=create", "pod/web", "--timeout=20s") as created:
        kubectl.create(pod("web", container(command=shell("sleep 1.5")), restartPolicy="Never"))
        assert created.ends().strip() == "pod/web condition met"
    with (
        kubectl.start("wait", "--for=condition=Ready", "pod/web", "--timeout=20s") as ready,
        kubectl.start("wait", "--for=jsonpath={.status.phase}=Running", "pod/web", "--timeout=20s") as running,
        kubectl.start("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod", "--all", "--timeout=20s") as succeeded,
    ):
        for waiting in (ready, running, succeeded):
            assert waiting.ends().strip() == "pod/web condition met"
    assert kubectl("wait", "--for=condition=Ready=false", "pod/web", "--timeout=5s").out == "pod/web condition met\n"
    late = kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=200ms", code=1)
    assert late.err.strip().endswith("error: timed out waiting for the condition on pods/web")
    missing = kubectl("wait", "--for=condition=Ready", "pod/nope", "--timeout=1s", code=1)
    assert missing.err.strip() == 'Error from server (NotFound): pods "nope" not found'
