"""kubectl set: image, env, resources, serviceaccount, selector and subject."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def template(kubectl: Kubectl, name: str = "deploy/web") -> Any:
    return kubectl.get(name)["spec"]["template"]["spec"]


def test_set_on_a_deployment(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=a:1", "--image=b:1")
    assert kubectl("set", "image", "deploy/web", "a=a:2").out == "deployment.apps/web image updated\n"
    assert [c["image"] for c in template(kubectl)["containers"]] == ["a:2", "b:1"]
    kubectl("set", "image", "deploy", "--all", "*=c:3")
    assert [c["image"] for c in template(kubectl)["containers"]] == ["c:3", "c:3"]
    assert kubectl("set", "image", "deploy/web", "none=x", code=1).err.strip() == (
        'error: unable to find container named "none"'
    )
    limits = ("--limits=cpu=200m,memory=64Mi", "--requests=cpu=0.1")
    assert kubectl("set", "resources", "deploy/web", "-c=a", *limits).out == (
        "deployment.apps/web resource requirements updated\n"
    )
    assert template(kubectl)["containers"][0]["resources"] == {
        "limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"},
    }  # fmt: skip
    refused = kubectl("set", "resources", "deploy/web", "-c=b", "--requests=cpu=2", "--limits=cpu=1", code=1).err
    assert "spec.template.spec.containers[1].resources.requests: Invalid value" in refused
    kubectl("create", "serviceaccount", "robot")
    assert kubectl("set", "serviceaccount", "deploy/web", "robot").out == (
        "deployment.apps/web serviceaccount updated\n"
    )
    spec = template(kubectl)
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("robot", "robot")


def test_set_env(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=a:1")
    kubectl("create", "configmap", "settings", "--from-literal=color=red")
    kubectl("create", "secret", "generic", "hidden", "--from-literal=password=x")
    assert kubectl("set", "env", "deploy/web", "A=b", "C=d").out == "deployment.apps/web env updated\n"
    assert kubectl("set", "env", "deploy/web", "--list").lines[1:] == ["A=b", "C=d"]
    kubectl("set", "env", "deploy/web", "A-", "--from=configmap/settings")
    kubectl("set", "env", "deploy/web", "--from=secret/hidden", "--prefix=MY_")
    env = {e["name"]: e.get("value") or e["valueFrom"] for e in template(kubectl)["containers"][0]["env"]}
    assert env == {
        "C": "d", "COLOR": {"configMapKeyRef": {"name": "settings", "key": "color"}},
        "MY_PASSWORD": {"secretKeyRef": {"name": "hidden", "key": "password"}},
    }  # fmt: skip
    assert "COLOR=red" in kubectl("set", "env", "deploy/web", "--list", "--resolve").out
    kubectl("set", "env", "deploy/web", "C-", "COLOR-", "MY_PASSWORD-")
    assert "env" not in template(kubectl)["containers"][0]
    kubectl("create", "cronjob", "nightly", "--image=b", "--schedule=0 3 * * *")
    kubectl("set", "env", "cronjob/nightly", "A=b")
    job = kubectl.get("cronjob", "nightly")["spec"]["jobTemplate"]["spec"]
    assert job["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "b"}]


def test_set_selector_and_subject(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "web", "--tcp=80")
    assert kubectl("set", "selector", "service", "web", "app=other,tier=front").out == "service/web selector updated\n"
    assert kubectl.get("service", "web")["spec"]["selector"] == {"app": "other", "tier": "front"}
    kubectl("create", "role", "reader", "--verb=get", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--user=ann")
    account = f"--serviceaccount={kubectl.namespace}:default"
    done = kubectl("set", "subject", "rolebinding", "reader", "--user=bob", "--group=team", account)
    assert done.out == "rolebinding.rbac.authorization.k8s.io/reader subjects updated\n"
    subjects = kubectl.get("rolebinding", "reader")["subjects"]
    assert [(s["kind"], s["name"]) for s in subjects] == [
        ("User", "ann"), ("User", "bob"), ("Group", "team"), ("ServiceAccount", "default"),
    ]  # fmt: skip
    assert kubectl("auth", "can-i", "get", "pods", "--as=bob").out == "yes\n"
