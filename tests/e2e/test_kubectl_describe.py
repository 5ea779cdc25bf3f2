"""kubectl describe, explain and events: what people read."""

from __future__ import annotations

import re

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import config_map, container, pod, web

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def fields(text: str) -> dict[str, str]:
    """The `Name: value` lines at the left margin."""
    return {m[1]: m[2] for m in re.finditer(r"^([A-Z][A-Za-z -]*):[ \t]*(.*)$", text, re.MULTILINE)}


def test_describe_pod(kubectl: Kubectl) -> None:
    kubectl.create(
        pod(
            "web", web(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "b"}]), container("side"),
            labels={"app": "web"},
        )
    )  # fmt: skip
    kubectl.ready("web")
    text = kubectl("describe", "pod", "web").out
    shown = fields(text)
    assert shown["Name"] == "web" and shown["Namespace"] == kubectl.namespace
    assert shown["Labels"] == "app=web" and shown["Status"] == "Running" and shown["QoS Class"] == "BestEffort"
    assert shown["IP"] == kubectl.get("pod", "web")["status"]["podIP"]
    for line in ("Port:           80/TCP", "Restart Count:  0", "State:          Running"):
        assert line in text
    assert re.search(r"^ +A: +b$", text, re.MULTILINE)
    for condition in ("Initialized", "Ready", "ContainersReady", "PodScheduled"):
        assert re.search(rf"^  {condition} +True", text, re.MULTILINE)
    assert kubectl.events("web", "Scheduled") == f"Successfully assigned {kubectl.namespace}/web to {node_of(kubectl)}"
    kubectl.events("web", "Started")
    events = kubectl("describe", "pod", "web").out.partition("Events:")[2]
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert f"Normal   {reason}" in events or f"Normal  {reason}" in events


def node_of(kubectl: Kubectl) -> str:
    return str(kubectl.get("pod", "web")["spec"]["nodeName"])


def test_describe_node(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", container(resources={"requests": {"cpu": "100m", "memory": "16Mi"}})))
    kubectl.ready("web")
    node = node_of(kubectl)
    text = kubectl("describe", "node", node).out
    shown = fields(text)
    assert shown["Name"] == node and shown["Unschedulable"] == "false"
    assert f"kubernetes.io/hostname={node}" in text and "KubeletReady" in text
    assert re.search(rf"{kubectl.namespace} +web +100m \(\d+%\) +0 \(0%\) +16Mi \(0%\)", text)
    assert f"HolderIdentity:  {node}" in text


def test_describe_configmap_and_secret(kubectl: Kubectl) -> None:
    kubectl.create(config_map("settings", {"a": "b"}, key="a value"))
    text = kubectl("describe", "configmap", "settings").out
    assert fields(text)["Name"] == "settings" and "key:\n----\na value\n" in text
    kubectl("create", "secret", "generic", "hidden", "--from-literal=password=swordfish")
    text = kubectl("describe", "secret", "hidden").out
    assert fields(text)["Type"] == "Opaque" and "password:  9 bytes" in text and "swordfish" not in text


def test_describe_service_and_namespace(kubectl: Kubectl) -> None:
    kubectl("create", "service", "nodeport", "web", "--tcp=80:8080", "--node-port=31999")
    shown = fields(kubectl("describe", "service", "web").out)
    service = kubectl.get("service", "web")["spec"]
    assert shown["Type"] == "NodePort" and shown["IP"] == service["clusterIP"] and shown["Selector"] == "app=web"
    assert shown["Port"].split() == ["80-8080", "80/TCP"] and shown["TargetPort"] == "8080/TCP"
    assert shown["NodePort"].split() == ["80-8080", "31999/TCP"]
    shown = fields(kubectl("describe", "namespace", kubectl.namespace).out)
    assert shown["Name"] == kubectl.namespace and shown["Status"] == "Active"
    assert shown["Labels"] == f"kubernetes.io/metadata.name={kubectl.namespace}"


def test_explain_shows_fields_with_their_meaning(kubectl: Kubectl) -> None:
    image = kubectl("explain", "pod.spec.containers.image").out
    assert image.startswith("KIND:       Pod\nVERSION:    v1\n") and "FIELD: image <string>" in image
    assert len(image.partition("DESCRIPTION:")[2].split()) > 5, image
    top = kubectl("explain", "configmap").out
    assert re.search(r"^  data\t<map\[string\]string>$", top, re.MULTILINE)
    assert len(top.partition("DESCRIPTION:")[2].partition("FIELDS:")[0].split()) > 5, top
    tree = kubectl("explain", "pod.spec", "--recursive").out
    assert re.search(r"^  containers\t<\[\]Container> -required-$", tree, re.MULTILINE)
    assert re.search(r"^ {6}containerPort\t<integer>", tree, re.MULTILINE)
    assert kubectl("explain", "pod.spec.nonsense", code=1).err.strip() == 'error: field "nonsense" does not exist'
    other = kubectl("explain", "leases.spec.holderIdentity", "--api-version=coordination.k8s.io/v1").out
    assert other.startswith("GROUP:      coordination.k8s.io\nKIND:       Lease\nVERSION:    v1\n")


def test_events_of_one_object_and_as_a_stream(kubectl: Kubectl) -> None:
    with kubectl.start("events", "--watch") as watch:
        kubectl.create(pod("web", container(command=["true"]), restartPolicy="Never"))
        watch.shows("Scheduled", "Pod/web", "Started container main")
    rows = kubectl("events", "--for", "pod/web").rows
    assert rows[0] == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {row[2] for row in rows[1:]} >= {"Scheduled", "Pulled", "Created", "Started"}
    assert kubectl("events", "--types=Warning", "--for=pod/web").out.count("Started") == 0
    columns = kubectl("get", "events").rows[0]
    assert columns == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
