"""A Pod calls the API with the token that is mounted into it; kubectl issues tokens that do the same from outside."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import pod

pytestmark = [
    pytest.mark.docker,
    pytest.mark.kubectl,
    pytest.mark.parametrize("kubectl", ["1.36"], indirect=True),
]

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_a_pod_knows_who_it_is(kubectl: Kubectl) -> None:
    """What a process in the Pod reads is all that a client needs (busybox speaks no TLS that the server takes)."""
    kubectl("create", "serviceaccount", "robot")
    kubectl.create(pod("asker", serviceAccountName="robot", securityContext={"runAsUser": 1234}))
    kubectl.ready("asker")
    made = kubectl.get("pod", "asker")

    def mounted(name: str) -> str:
        return kubectl("exec", "asker", "--", "cat", f"{MOUNT}/{name}").out

    assert mounted("namespace") == kubectl.namespace
    info = who(kubectl, mounted("token"), mounted("ca.crt"))
    assert info["username"] == f"system:serviceaccount:{kubectl.namespace}:robot"
    extra = {name.rpartition("/")[2]: values for name, values in info["extra"].items()}
    assert extra["pod-name"] == ["asker"] and extra["pod-uid"] == [made["metadata"]["uid"]]
    assert extra["node-name"] == [made["spec"]["nodeName"]]
    listed = kubectl("exec", "asker", "--", "stat", "-L", "-c", "%a %u", f"{MOUNT}/token").out
    assert listed == "600 1234\n", "for the Pod's one user alone"


def who(kubectl: Kubectl, token: str, root: str = "") -> Any:
    """Whom the server takes the token for, asked with the cluster's own authority; None when it is refused."""
    root = root or kubectl.get("configmap", "kube-root-ca.crt")["data"]["ca.crt"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(kubectl.cluster.server + WHO, b"{}", headers)
    try:
        with urlopen(request, timeout=10, context=ssl.create_default_context(cadata=root)) as answer:
            return json.load(answer)["status"]["userInfo"]
    except HTTPError as error:
        assert error.code == 401, error
        return None


def test_create_token(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    token = kubectl("create", "token", "robot", "--duration=10m").out.strip()
    assert who(kubectl, token)["username"] == f"system:serviceaccount:{kubectl.namespace}:robot"
    assert who(kubectl, kubectl("create", "token", "robot", "--audience=vault").out.strip()) is None
    refused = kubectl("create", "token", "robot", "--duration=1m", code=1)
    assert "may not specify a duration less than 10 minutes" in refused.err
    kubectl("delete", "serviceaccount", "robot")
    assert who(kubectl, token) is None


def test_a_token_in_a_secret(kubectl: Kubectl) -> None:
    kubectl("create", "serviceaccount", "robot")
    annotations = {"kubernetes.io/service-account.name": "robot"}
    kubectl.create({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "robot-token", "annotations": annotations},
    })  # fmt: skip
    data = until(lambda: kubectl.get("secret", "robot-token").get("data"))
    token = base64.b64decode(data["token"]).decode()
    assert who(kubectl, token)["username"] == f"system:serviceaccount:{kubectl.namespace}:robot"
    kubectl("delete", "secret", "robot-token")
    assert who(kubectl, token) is None
