"""kubectl port-forward, drain, debug and the proxies: what goes through to Pods, and what holds it up."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl, Running
from tests.e2e.objects import container, pod, shell, web

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

LOCAL_ONLY = shell("mkdir /www; echo only here > /www/index.html; exec httpd -f -p 127.0.0.1:8000 -h /www")


@contextmanager
def forwarded(kubectl: Kubectl, *arguments: str) -> Iterator[tuple[int, Running]]:
    """`kubectl port-forward` and the local port that it chose."""
    with kubectl.start("port-forward", *arguments) as running:
        shown = running.shows("Forwarding from 127.0.0.1:")
        found = re.search(r"127\.0\.0\.1:(\d+) ->", shown)
        assert found is not None
        yield int(found.group(1)), running


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


def test_port_forward(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", web(), container("local", LOCAL_ONLY)))
    kubectl.ready("web")
    with forwarded(kubectl, "pod/web", ":8000") as (port, running):
        until(lambda: page(port) == "only here\n")
        assert [page(port) for _ in range(20)] == ["only here\n"] * 20, "one connection after the other"
        running.shows(f"Handling connection for {port}")
    with forwarded(kubectl, "pod/web", ":80") as (port, _):
        assert page(port) == kubectl("exec", "web", "-c", "local", "--", "wget", "-qO-", "http://127.0.0.1/").out


def test_port_forward_where_nobody_listens(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"))
    kubectl.ready("web")
    with forwarded(kubectl, "pod/web", ":9") as (port, running):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            assert sock.recv(1) == b""
        running.shows("error forwarding port 9 to pod", "connection refused")


def test_port_forward_in_the_hosts_network(kubectl: Kubectl) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    script = shell(f"mkdir /www; echo host > /www/index.html; exec httpd -f -p 127.0.0.1:{free} -h /www")
    kubectl.create(pod("web", container("main", script), hostNetwork=True))
    kubectl.ready("web")
    with forwarded(kubectl, "pod/web", f":{free}") as (port, _):
        until(lambda: page(port) == "host\n")


def test_get_raw_through_the_pods_proxy(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", web(ports=[{"containerPort": 80}])))
    kubectl.ready("web")
    root = f"/api/v1/namespaces/{kubectl.namespace}/pods"
    assert kubectl("get", "--raw", f"{root}/web/proxy/").out
    node = kubectl.get("pod", "web")["spec"]["nodeName"]
    pods = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/pods").out)
    assert "web" in [p["metadata"]["name"] for p in pods["items"]]
    refused = kubectl("get", "--raw", f"{root}/web:9/proxy/", code=1)
    assert "error trying to reach service" in refused.err


def test_drain_waits_for_the_budget(kubectl: Kubectl) -> None:
    node = kubectl.get("nodes")["items"][0]["metadata"]["name"]
    labels = {"app": kubectl.namespace}
    kubectl.create(pod("one", labels=labels), pod("two", labels=labels))
    kubectl.ready("one", "two")
    kubectl("create", "poddisruptionbudget", "b", f"--selector=app={kubectl.namespace}", "--min-available=1")
    until(lambda: kubectl.get("pdb", "b").get("status", {}).get("disruptionsAllowed") == 1)
    try:
        drain = ("drain", node, "--force", "--ignore-daemonsets", f"--pod-selector=app={kubectl.namespace}")
        held_up = kubectl(*drain, "--timeout=8s", code=1)
        assert "Cannot evict pod as it would violate the pod's disruption budget." in held_up.err
        left = [p["metadata"]["name"] for p in kubectl.get("pods")["items"]]
        assert len(left) == 1, "one of them could go"
        kubectl("delete", "pdb", "b")
        assert "drained" in kubectl(*drain, "--timeout=30s").out
        assert kubectl.get("pods")["items"] == []
    finally:
        kubectl("uncordon", node)


def test_containers_know_the_kubernetes_service(kubectl: Kubectl) -> None:
    kubectl.create(pod("web", enableServiceLinks=False))
    kubectl.ready("web")
    there = set(kubectl("exec", "web", "--", "env").lines)
    address = kubectl("get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}").out
    assert {f"KUBERNETES_SERVICE_HOST={address}", "KUBERNETES_SERVICE_PORT=443"} <= there
