"""The Pods of the document that the project was created from, with images that are built here."""

from __future__ import annotations

import os
import string
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import container, pod, shell
from tests.etcd import free_port

pytestmark = [
    pytest.mark.docker,
    pytest.mark.kubectl,
    pytest.mark.parametrize("kubectl", ["1.36"], indirect=True),
]

DATA = Path(__file__).parent / "data"


def apply(kubectl: Kubectl, name: str, **places: object) -> None:
    """Apply a file of `data/` with `$NAME` filled in."""
    text = string.Template((DATA / f"{name}.yaml").read_text()).substitute({k: str(v) for k, v in places.items()})
    kubectl("apply", "-f", "-", input=text)


def page(url: str) -> str:
    """The page, once it is served."""

    def ask() -> str:
        try:
            with urlopen(url, timeout=2) as answer:
                return str(answer.read().decode())
        except OSError as error:
            raise AssertionError(str(error)) from None

    return until(ask)


def test_two_containers_share_a_directory_of_the_host(kubectl: Kubectl, tmp_path: Path) -> None:
    apply(kubectl, "two-containers", DIR=tmp_path)
    found = kubectl.phase("two-containers", "Running")
    assert page(f"http://{found['status']['podIP']}/index.html") == "Hello from the debian container\n"
    until(lambda: kubectl("get", "pod", "two-containers").rows[1][1:3] == ["1/2", "NotReady"])
    states = {s["name"]: s["state"] for s in kubectl.get("pod", "two-containers")["status"]["containerStatuses"]}
    assert "running" in states["nginx-container"]
    assert states["debian-container"]["terminated"]["reason"] == "Completed"
    assert (tmp_path / "index.html").read_text() == "Hello from the debian container\n"
    kubectl("delete", "pod", "two-containers")
    assert (tmp_path / "index.html").exists()


def test_an_init_container_hands_a_file_over(kubectl: Kubectl) -> None:
    port = free_port()
    apply(kubectl, "javaweb-2", PORT=port)
    kubectl.ready("javaweb-2")
    status = kubectl.get("pod", "javaweb-2")["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    inside = page(f"http://{status['podIP']}:8080/sample.war")
    assert inside and page(f"http://{status['hostIP']}:{port}/sample.war") == inside
    taken = pod("second", container("c", ports=[{"containerPort": 8080, "hostPort": port}]))
    kubectl.create(taken)
    assert "didn't have free ports for the requested pod ports" in kubectl.events("second", "FailedScheduling")
    kubectl("delete", "pod", "javaweb-2", "--wait=false")
    kubectl.ready("second")


def test_a_node_selector_waits_for_its_node(kubectl: Kubectl) -> None:
    apply(kubectl, "node-selector")
    message = kubectl.events("on-ssd", "FailedScheduling")
    assert message.startswith("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector")
    assert kubectl("get", "pod", "on-ssd").rows[1][2] == "Pending"
    kubectl("label", "nodes", "--all", "disktype=ssd")
    try:
        kubectl.ready("on-ssd")
    finally:
        kubectl("label", "nodes", "--all", "disktype-")


def test_a_node_name_goes_past_the_scheduler(kubectl: Kubectl) -> None:
    node = kubectl.get("nodes")["items"][0]["metadata"]["name"]
    kubectl.create(pod("chosen", nodeName=node, schedulerName="nobody"))
    kubectl.ready("chosen")


def test_host_aliases_are_in_the_hosts_file(kubectl: Kubectl) -> None:
    apply(kubectl, "host-aliases")
    kubectl.ready("aliases")
    lines = [line.split() for line in kubectl("exec", "aliases", "--", "cat", "/etc/hosts").lines]
    assert ["10.1.2.3", "foo.remote", "bar.remote"] in lines
    assert [kubectl.get("pod", "aliases")["status"]["podIP"], "aliases"] in lines


def test_containers_share_their_process_namespace(kubectl: Kubectl) -> None:
    apply(kubectl, "share-process-namespace")
    kubectl.ready("nginx")
    with kubectl.start("attach", "-it", "nginx", "-c", "shell", tty=True) as terminal:
        until(lambda: terminal.write("\n") or "#" in terminal.printed)
        terminal.write("ps -o args; echo $((3+4))-listed\n")
        printed = terminal.shows("7-listed")
    assert "/pause" in printed and "/usr/bin/serve" in printed


def test_a_pod_in_the_hosts_namespaces(kubectl: Kubectl) -> None:
    port = free_port()
    apply(kubectl, "host-namespaces", PORT=port)
    kubectl.ready("nginx")
    status = kubectl.get("pod", "nginx")["status"]
    assert status["podIP"] == status["hostIP"]
    assert page(f"http://127.0.0.1:{port}/index.html")
    links = kubectl(
        "exec", "nginx", "-c", "shell", "--", "sh", "-c", "for n in net ipc pid; do readlink /proc/self/ns/$n; done"
    )
    assert links.lines == [os.readlink(f"/proc/self/ns/{name}") for name in ("net", "ipc", "pid")]


def test_lifecycle_hooks_run(kubectl: Kubectl, tmp_path: Path) -> None:
    apply(kubectl, "lifecycle", DIR=tmp_path)
    kubectl.ready("lifecycle-demo")
    message = "Hello from the postStart handler\n"
    assert kubectl("exec", "lifecycle-demo", "--", "cat", "/usr/share/message").out == message
    assert not (tmp_path / "message").exists()
    kubectl("delete", "pod", "lifecycle-demo")
    assert (tmp_path / "message").read_text() == message


def test_a_failing_post_start_hook_is_an_event(kubectl: Kubectl) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo no such luck; exit 3"]}}}
    stay = shell("trap 'exit 9' TERM; while :; do sleep 0.1; done")
    kubectl.create(pod("web", container(command=stay, lifecycle=hook), restartPolicy="Never"))
    assert kubectl.events("web", "FailedPostStartHook")
    kubectl.phase("web", "Failed")


def test_phases(kubectl: Kubectl) -> None:
    kubectl.create(
        pod("pending", nodeSelector={"no": "such-node"}),
        pod("running"),
        pod("succeeded", container(command=["true"]), restartPolicy="Never"),
        pod("failed", container("a", ["true"]), container("b", shell("exit 3")), restartPolicy="OnFailure"),
        pod("failed-for-good", container("a", ["true"]), container("b", shell("exit 3")), restartPolicy="Never"),
        pod("crashing", container(command=shell("exit 1"))),
        pod("no-image", {**container(), "image": "minikube-py/no-such-image:1"}),
    )
    for name, phase in (("running", "Running"), ("succeeded", "Succeeded"), ("failed-for-good", "Failed")):
        kubectl.phase(name, phase)
    assert kubectl.get("pod", "pending")["status"]["phase"] == "Pending"

    def shown(name: str) -> str:
        return kubectl("get", "pod", name).rows[1][2]

    assert (shown("succeeded"), shown("failed-for-good"), shown("running")) == ("Completed", "Error", "Running")
    until(lambda: shown("crashing") == "CrashLoopBackOff", 30)
    until(lambda: shown("no-image") == "ErrImageNeverPull")
    assert kubectl.get("pod", "crashing")["status"]["phase"] == "Running"
    terminated = [s["state"] for s in kubectl.get("pod", "failed-for-good")["status"]["containerStatuses"]]
    assert [t["terminated"]["exitCode"] for t in terminated] == [0, 3]
