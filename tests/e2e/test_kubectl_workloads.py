"""kubectl with Deployments, Jobs, CronJobs, Ingresses, autoscalers and all that `get all` shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}
    return {
        "apiVersion": "v1" if kind == "ReplicationController" else "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "selector": labels if kind == "ReplicationController" else {"matchLabels": labels},
            "template": template, **spec,
        },
    }  # fmt: skip


def test_create_deployment(kubectl: Kubectl) -> None:
    made = kubectl("create", "deployment", "web", "--image=nginx:1", "--image=side:2", "--replicas=3", "--port=80")
    assert made.out == "deployment.apps/web created\n"
    spec = kubectl.get("deployment", "web")["spec"]
    assert (spec["replicas"], spec["selector"]) == (3, {"matchLabels": {"app": "web"}})
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert [c["image"] for c in spec["template"]["spec"]["containers"]] == ["nginx:1", "side:2"]
    rows = kubectl("get", "deploy", "web", "-o", "wide").rows
    assert rows[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert rows[1][:4] == ["web", "0/3", "0", "0"] and rows[1][5:] == ["nginx,side", "nginx:1,side:2", "app=web"]
    taken = kubectl("create", "deployment", "web", "--image=a", code=1)
    assert taken.err.strip() == 'error: failed to create deployment: deployments.apps "web" already exists'
    wrong = workload("Deployment", "bad")
    wrong["spec"]["selector"]["matchLabels"] = {"app": "other"}
    wrong["spec"]["strategy"] = {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}
    refused = kubectl("create", "-f", "-", input=wrong, code=1).err
    assert refused.startswith('The Deployment "bad" is invalid:')
    assert "spec.template.metadata.labels: Invalid value:" in refused
    assert "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'" in refused


def test_create_jobs(kubectl: Kubectl) -> None:
    suspended = '{"spec": {"suspend": true}}'  # nobody runs it while the test looks
    assert kubectl("create", "job", "once", "--image=a", "--", "date", "-u").out == "job.batch/once created\n"
    kubectl("patch", "job", "once", "-p", suspended)
    kubectl("create", "cronjob", "nightly", "--image=b", "--schedule=0 3 * * *", "--restart=OnFailure", "--", "date")
    assert kubectl("create", "job", "now", "--from=cronjob/nightly").out == "job.batch/now created\n"
    once, now = kubectl.get("job", "once"), kubectl.get("job", "now")
    container = once["spec"]["template"]["spec"]["containers"][0]
    assert (container["command"], once["spec"]["backoffLimit"]) == (["date", "-u"], 6)
    uid = once["metadata"]["uid"]
    assert once["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert now["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    owner = now["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "nightly", True)
    rows = kubectl("get", "cronjob", "nightly").rows
    assert rows[1][:8] == ["nightly", "0", "3", "*", "*", "*", "<none>", "False"]
    assert kubectl("get", "job", "once").rows[0] == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    refused = kubectl("create", "cronjob", "x", "--image=b", "--schedule=61 * * * *", code=1).err
    assert "spec.schedule: Invalid value: " in refused
    refused = kubectl("patch", "job", "once", "--type=merge", "-p", '{"spec": {"completions": 3}}', code=1).err
    assert "spec.completions: Invalid value: 3: field is immutable" in refused
    kubectl("delete", "cronjob", "nightly")
    kubectl("wait", "--for=delete", "job/now", "--timeout=20s")


def test_create_ingress_and_expose(kubectl: Kubectl) -> None:
    rule = "--rule=example.com/shop*=shop:http,tls=secret"
    made = kubectl("create", "ingress", "front", rule, "--class=nginx", "--default-backend=none:80", "--annotation=a=b")
    assert made.out == "ingress.networking.k8s.io/front created\n"
    rows = kubectl("get", "ingress").rows
    assert rows[0] == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    assert rows[1][:5] == ["front", "nginx", "example.com", "80,", "443"]
    assert "/shop   shop:http" in kubectl("describe", "ingress", "front").out
    kubectl("create", "deployment", "web", "--image=a", "--port=8080")
    assert kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080").out == "service/web exposed\n"
    spec = kubectl.get("service", "web")["spec"]
    assert spec["selector"] == {"app": "web"} and spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 8080}]
    kubectl("expose", "deployment", "web", "--name=node", "--type=NodePort", "--port=80")
    assert 30000 <= kubectl.get("service", "node")["spec"]["ports"][0]["nodePort"] <= 32767
    assert kubectl("get", "service", "web", "-o", "wide").rows[1][-1] == "app=web"


def test_scale(kubectl: Kubectl) -> None:
    kinds = ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")
    kubectl.create(*(workload(kind, kind.lower(), replicas=2) for kind in kinds))
    for kind in kinds:
        name = f"{kind.lower()}/{kind.lower()}"
        assert kubectl("scale", name, "--replicas=4").out.endswith(f"/{kind.lower()} scaled\n")
        found = kubectl.get(name)
        assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (4, 2)
    conflict = kubectl("scale", "deploy/deployment", "--current-replicas=2", "--replicas=6", code=1)
    assert conflict.err.strip() == "error: Expected replicas to be 2, was 4"
    kubectl("scale", "deploy/deployment", "--current-replicas=4", "--replicas=0")
    kubectl("patch", "rs", "replicaset", "--subresource=scale", "--type=merge", "-p", '{"spec": {"replicas": 7}}')
    scale = kubectl("get", "rs", "replicaset", "--subresource=scale", "-o", "json").json()
    assert scale["kind"] == "Scale" and scale["spec"] == {"replicas": 7}
    assert scale["status"] == {"replicas": 0, "selector": "app=replicaset"}
    owners = {e["manager"]: e.get("subresource") for e in _fields(kubectl, "rs", "replicaset")}
    assert owners["kubectl-patch"] == "scale"
    refused = kubectl("scale", "deploy/deployment", "--replicas=1", "--resource-version=1", code=1)
    assert "please apply your changes to the latest version" in refused.err or "1, was" in refused.err


def _fields(kubectl: Kubectl, kind: str, name: str) -> Any:
    return kubectl("get", kind, name, "-o", "json", "--show-managed-fields").json()["metadata"]["managedFields"]


def test_autoscale(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=a")
    old = kubectl.version == "1.32"
    usage = "--cpu-percent=80" if old else "--cpu=80%"
    made = kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", usage)
    assert made.out == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    target = {"type": "Utilization", "averageUtilization": 80}
    spec = kubectl.get("hpa", "web")["spec"]
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    first = kubectl("get", "horizontalpodautoscalers.v1.autoscaling", "web", "-o", "json").json()
    assert first["apiVersion"] == "autoscaling/v1" and first["spec"]["targetCPUUtilizationPercentage"] == 80
    rows = kubectl("get", "hpa").rows
    assert rows[0] == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert rows[1][:7] == ["web", "Deployment/web", "cpu:", "<unknown>/80%", "2", "5", "0"]
    refused = kubectl("autoscale", "deployment", "web", "--name=x", "--min=6", "--max=5", code=1).err
    assert "max" in refused and "min" in refused


def test_get_all(kubectl: Kubectl) -> None:
    kinds = ("DaemonSet", "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")
    kubectl.create(*(workload(kind, "x" + kind.lower()) for kind in kinds))
    kubectl("create", "service", "clusterip", "x", "--tcp=80")
    kubectl("create", "cronjob", "x", "--image=b", "--schedule=0 3 * * *")
    kubectl("create", "job", "x", "--image=b")
    kubectl("autoscale", "deployment", "xdeployment", "--max=5")
    kubectl("create", "configmap", "not-shown")
    names = {line.split("/")[0] for line in kubectl("get", "all", "-o", "name").lines}
    assert names >= {
        "service", "daemonset.apps", "deployment.apps", "replicaset.apps", "statefulset.apps", "replicationcontroller",
        "horizontalpodautoscaler.autoscaling", "cronjob.batch", "job.batch",
    }  # fmt: skip
    assert "configmap" not in names
    assert kubectl("get", "all", "-o", "wide").out.count("NAME ") >= 9
    for kind in ("ds", "deploy", "rs", "rc", "sts", "svc", "cj", "job", "hpa"):
        assert "Name: " in kubectl("describe", kind).out, kind
    assert kubectl("delete", "all", "--all").out.count(" deleted") >= 9


def test_rollout(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=a")
    before = kubectl.get("deployment", "web")["metadata"]["generation"]
    assert kubectl("rollout", "restart", "deploy/web").out == "deployment.apps/web restarted\n"
    found = kubectl.get("deployment", "web")
    assert found["metadata"]["generation"] == before + 1
    assert "kubectl.kubernetes.io/restartedAt" in found["spec"]["template"]["metadata"]["annotations"]
    assert kubectl("rollout", "pause", "deploy/web").out == "deployment.apps/web paused\n"
    assert kubectl("rollout", "pause", "deploy/web", code=1).err.strip() == (
        'error: deployments.apps "web" is already paused'
    )
    assert kubectl("rollout", "restart", "deploy/web", code=1).err.strip() == (
        'error: deployments.apps "web" can\'t restart paused deployment (run rollout resume first)'
    )
    assert kubectl("rollout", "resume", "deploy/web").out == "deployment.apps/web resumed\n"
    assert kubectl.get("deployment", "web")["spec"].get("paused") is None
    assert kubectl("rollout", "history", "deploy/web").out.startswith("deployment.apps/web")
    kubectl.create(workload("DaemonSet", "all"), workload("StatefulSet", "db"))
    assert kubectl("rollout", "restart", "ds/all").out == "daemonset.apps/all restarted\n"
    assert kubectl("rollout", "restart", "sts/db").out == "statefulset.apps/db restarted\n"


def test_change_a_deployment(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "deployment", "web", "--image=a:1")
    assert kubectl("label", "deploy", "web", "tier=front").out == "deployment.apps/web labeled\n"
    assert kubectl.get("deploy", "web")["metadata"]["generation"] == 1
    assert kubectl("annotate", "deploy", "web", "note=x").out == "deployment.apps/web annotated\n"
    assert kubectl.get("deploy", "web")["metadata"]["generation"] == 2, "of Deployments, annotations count too"
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "b:1"}]}}}}
    kubectl("patch", "deploy", "web", "-p", json.dumps(side))
    containers = kubectl.get("deploy", "web")["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in containers} == {"a": "a:1", "side": "b:1"}
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i "s/replicas: 1/replicas: 6/" "$1"\n')
    editor.chmod(0o755)
    edited = kubectl("edit", "deploy", "web", env={"KUBE_EDITOR": str(editor)})
    assert edited.out == "deployment.apps/web edited\n"
    assert kubectl.get("deploy", "web")["spec"]["replicas"] == 6
    fixed = '{"spec": {"selector": {"matchLabels": {"app": "other"}}}}'
    refused = kubectl("patch", "deploy", "web", "--type=merge", "-p", fixed, code=1).err
    assert "spec.selector: Invalid value: " in refused and "field is immutable" in refused
    status = '{"status": {"replicas": 3, "readyReplicas": 2, "observedGeneration": 3}}'
    kubectl("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", status)
    assert kubectl("get", "deploy", "web").rows[1][1] == "2/6"
