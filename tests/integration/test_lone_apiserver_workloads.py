"""kubectl on workloads, against an API server alone: all that needs no controller to move."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.etcd import free_port
from tests.integration.clusters import Result, ended, kubectl_binary, run, start, until

pytestmark = pytest.mark.kubectl

Kubectl = Callable[..., Result]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """kubectl as the administrator; its commands must succeed unless `code` says otherwise."""
    binary, home = kubectl_binary(), tmp_path_factory.mktemp("home")
    data = home / "data"
    flags = ("--data-dir", str(data), "--secure-port", str(free_port()), "--storage-backend", "memory")
    env = {"KUBECONFIG": str(data / "admin.conf"), "HOME": str(home), "KUBECACHEDIR": str(home / "cache")}

    def ask(*arguments: str, code: int = 0) -> Result:
        result = run([binary, *arguments], env=env)
        assert result.code == code, str(result)
        return result

    with ended(start("apiserver", *flags)) as process:
        ready = [binary, "get", "--raw", "/readyz"]
        until(lambda: process.poll() is not None or run(ready, env=env).code == 0, 30, "the API server is ready")
        assert process.poll() is None
        ask("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
        yield ask


def got(kubectl: Kubectl, *what: str) -> Any:
    return json.loads(kubectl("get", *what, "-o", "json").out)


def test_scale(kubectl: Kubectl) -> None:
    assert kubectl("scale", "deployment", "web", "--replicas=5").out == "deployment.apps/web scaled\n"
    assert got(kubectl, "deployment", "web")["spec"]["replicas"] == 5
    kubectl("scale", "deployment/web", "--replicas=6", "--current-replicas=5")
    refused = kubectl("scale", "deployment/web", "--replicas=7", "--current-replicas=5", code=1)
    assert "Expected replicas to be 5, was 6" in refused.err
    managed = json.loads(kubectl("get", "deploy", "web", "-o", "json", "--show-managed-fields").out)["metadata"]
    (scaler,) = [e for e in managed["managedFields"] if e.get("subresource") == "scale"]
    assert scaler["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    shown = kubectl("get", "deployment", "web", "--subresource=scale").out.split()
    assert shown == ["NAME", "DESIRED", "AVAILABLE", "AGE", "web", "6", "0", shown[-1]]


def test_set(kubectl: Kubectl) -> None:
    kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    kubectl("set", "env", "deployment/web", "A=b")
    kubectl("set", "resources", "deployment", "web", "--limits=cpu=100m")
    (container,) = got(kubectl, "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["env"]) == ("nginx:2", [{"name": "A", "value": "b"}])
    assert container["resources"] == {"limits": {"cpu": "100m"}}


def test_rollout(kubectl: Kubectl) -> None:
    before = got(kubectl, "deployment", "web")["metadata"]["generation"]
    kubectl("rollout", "restart", "deployment/web")
    assert kubectl("rollout", "pause", "deployment/web").out == "deployment.apps/web paused\n"
    assert got(kubectl, "deployment", "web")["spec"]["paused"] is True
    assert kubectl("rollout", "resume", "deployment/web").out == "deployment.apps/web resumed\n"
    assert "No rollout history found" in kubectl("rollout", "history", "deployment/web").out
    assert got(kubectl, "deployment", "web")["metadata"]["generation"] == before + 3


def test_autoscale(kubectl: Kubectl) -> None:
    kubectl("autoscale", "deployment", "web", "--name=auto", "--min=2", "--max=7", "--cpu=60%")
    row = kubectl("get", "hpa", "auto", "--no-headers").out.split()
    assert row[:7] == ["auto", "Deployment/web", "cpu:", "<unknown>/60%", "2", "7", "0"]
    older = got(kubectl, "horizontalpodautoscalers.v1.autoscaling", "auto")
    assert (older["apiVersion"], older["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 60)
    assert "cpu on pods" in kubectl("describe", "hpa", "auto").out


def test_jobs(kubectl: Kubectl) -> None:
    kubectl("create", "job", "once", "--image=busybox", "--", "true")
    kubectl("create", "cronjob", "often", "--image=busybox", "--schedule=*/5 * * * *", "--", "true")
    kubectl("create", "job", "--from=cronjob/often", "now")
    assert kubectl("get", "job", "once", "--no-headers").out.split()[:3] == ["once", "Running", "0/1"]
    assert kubectl("get", "cj", "often", "--no-headers").out.split()[:9] == [
        "often", "*/5", "*", "*", "*", "*", "<none>", "False", "0",
    ]  # fmt: skip
    refused = kubectl("create", "cronjob", "bad", "--image=busybox", "--schedule=TZ=UTC 0 0 * * *", code=1)
    assert "spec.schedule: Invalid value" in refused.err


def test_the_rest(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "poddisruptionbudget", "pdb", "--selector=app=web", "--min-available=50%")
    assert kubectl("get", "pdb", "pdb", "--no-headers").out.split()[:4] == ["pdb", "50%", "N/A", "0"]
    file = tmp_path / "set.yaml"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "web"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    objects = [
        {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "it"}, "spec": spec}
        for kind in ("DaemonSet", "ReplicaSet", "StatefulSet")
    ]
    file.write_text("\n---\n".join(json.dumps(obj) for obj in objects))
    kubectl("apply", "-f", str(file))
    assert kubectl("apply", "-f", str(file)).out.count("unchanged") == 3
    assert kubectl("diff", "-f", str(file)).out == ""
    listed = kubectl("get", "all", "-o", "name").out.split()
    assert {"daemonset.apps/it", "deployment.apps/web", "replicaset.apps/it", "statefulset.apps/it"} <= set(listed)
    for kind in ("daemonset", "replicaset", "statefulset"):
        assert "Pod Template:" in kubectl("describe", kind, "it").out
    kubectl("scale", "statefulset", "it", "--replicas=0")
    assert kubectl("get", "sts", "it", "--no-headers").out.split()[:2] == ["it", "0/0"]
