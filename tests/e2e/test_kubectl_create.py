"""kubectl create, apply, diff, dry runs: how objects come to be."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl, documents
from tests.e2e.objects import config_map, pod, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def test_create_from_files(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(documents(config_map("one"), config_map("two")))
    (tmp_path / "b.json").write_text(json.dumps(waiting_pod("three")))
    assert kubectl("create", "-f", str(tmp_path)).lines == [
        "configmap/one created", "configmap/two created", "pod/three created",
    ]  # fmt: skip
    again = kubectl("create", "-f", str(tmp_path / "b.json"), code=1)
    assert again.err.strip() == (
        f'Error from server (AlreadyExists): error when creating "{tmp_path}/b.json": pods "three" already exists'
    )
    assert kubectl("create", "-f", "-", "-o", "name", input=config_map("four")).out == "configmap/four\n"
    generated = {**config_map(""), "metadata": {"generateName": "made-"}}
    names = {kubectl("create", "-f", "-", "-o", "name", input=generated).out.strip() for _ in range(2)}
    assert len(names) == 2 and all(name.startswith("configmap/made-") and len(name) == 20 for name in names)


def test_create_from_a_list(kubectl: Kubectl) -> None:
    given = {"apiVersion": "v1", "kind": "List", "items": [config_map("one"), waiting_pod("two")]}
    assert kubectl("create", "-f", "-", input=given).lines == ["configmap/one created", "pod/two created"]
    wrong = {"apiVersion": "v1", "kind": "List", "items": [{**config_map("three"), "nonsense": 1}]}
    refused = kubectl("apply", "-f", "-", input=wrong, code=1)
    assert "nonsense" in refused.err and kubectl("get", "cm", "three", code=1)


def test_create_refuses_what_is_wrong(kubectl: Kubectl) -> None:
    no_image = pod("web", {"name": "main"})
    refused = kubectl("create", "-f", "-", input=no_image, code=1)
    assert refused.err.strip() == 'The Pod "web" is invalid: spec.containers[0].image: Required value'
    refused = kubectl("create", "-f", "-", input=waiting_pod("Not_A_Name"), code=1)
    assert refused.err.startswith(
        'The Pod "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain'
    )
    unknown = waiting_pod("web", foo=1)
    refused = kubectl("create", "-f", "-", input=unknown, code=1)
    assert refused.err.strip() == (
        'Error from server (BadRequest): error when creating "STDIN": Pod in version "v1" cannot be handled as a Pod: '
        'strict decoding error: unknown field "spec.foo"'
    )
    warned = kubectl("create", "--validate=warn", "-f", "-", input=unknown)
    assert warned.err.strip() == 'Warning: unknown field "spec.foo"' and warned.out == "pod/web created\n"
    assert kubectl("create", "--validate=ignore", "-f", "-", input=waiting_pod("other", foo=1)).err == ""
    wrong_type = waiting_pod("third", terminationGracePeriodSeconds="soon")
    refused = kubectl("create", "-f", "-", input=wrong_type, code=1)
    assert refused.err.startswith(
        'Error from server (BadRequest): error when creating "STDIN": Pod in version "v1" cannot'
    )
    twice = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1"},"data":{"a":"2"}}'
    # kubectl itself drops a member that comes twice, so this goes over a raw path.
    raw = f"/api/v1/namespaces/{kubectl.namespace}/configmaps?fieldValidation=Strict"
    assert 'duplicate field "data"' in kubectl("create", "--raw", raw, "-f", "-", input=twice, code=1).err
    lost = kubectl("-n", "no-such-namespace", "create", "configmap", "x", code=1)
    assert lost.err.strip() == 'error: failed to create configmap: namespaces "no-such-namespace" not found'


def test_create_configmap(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("some text\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    (tmp_path / "vars").write_text("A=1\nB=two\n")
    made = kubectl(
        "create", "configmap", "files", f"--from-file={tmp_path}/text", f"--from-file=other={tmp_path}/binary",
        "--from-literal=key=value",
    )  # fmt: skip
    assert made.out == "configmap/files created\n"
    found = kubectl.get("configmap", "files")
    assert found["data"] == {"text": "some text\n", "key": "value"}
    assert base64.b64decode(found["binaryData"]["other"]) == b"\xff\x00\xfe"
    kubectl("create", "cm", "vars", f"--from-env-file={tmp_path}/vars")
    assert kubectl.get("configmap", "vars")["data"] == {"A": "1", "B": "two"}
    again = kubectl("create", "configmap", "vars", code=1)
    assert again.err.strip() == 'error: failed to create configmap: configmaps "vars" already exists'


def test_create_secret(kubectl: Kubectl) -> None:
    assert kubectl("create", "secret", "generic", "plain", "--from-literal=user=admin").out == "secret/plain created\n"
    found = kubectl.get("secret", "plain")
    assert found["type"] == "Opaque" and base64.b64decode(found["data"]["user"]) == b"admin"
    kubectl(
        "create", "secret", "docker-registry", "pull", "--docker-server=registry.invalid", "--docker-username=u",
        "--docker-password=p",
    )  # fmt: skip
    found = kubectl.get("secret", "pull")
    assert found["type"] == "kubernetes.io/dockerconfigjson"
    assert "registry.invalid" in json.loads(base64.b64decode(found["data"][".dockerconfigjson"]))["auths"]


def test_create_namespace_and_serviceaccount(kubectl: Kubectl) -> None:
    name = kubectl.namespace[:55] + "-more"
    assert kubectl("create", "namespace", name).out == f"namespace/{name} created\n"
    found = kubectl.get("namespace", name)
    assert found["status"]["phase"] == "Active" and found["spec"]["finalizers"] == ["kubernetes"]
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=10s")
    assert kubectl("delete", "namespace", name).out.startswith(f'namespace "{name}" deleted')
    assert kubectl("create", "serviceaccount", "robot").out == "serviceaccount/robot created\n"
    assert kubectl.get("serviceaccount", "robot")["metadata"]["namespace"] == kubectl.namespace


def test_create_services(kubectl: Kubectl) -> None:
    assert kubectl("create", "service", "clusterip", "inside", "--tcp=80:8080").out == "service/inside created\n"
    spec = kubectl.get("service", "inside")["spec"]
    assert spec["clusterIP"].startswith("10.") and spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}]
    assert (spec["type"], spec["selector"], spec["sessionAffinity"]) == ("ClusterIP", {"app": "inside"}, "None")
    kubectl("create", "service", "nodeport", "outside", "--tcp=80")
    port = kubectl.get("service", "outside")["spec"]["ports"][0]
    assert 30000 <= port["nodePort"] <= 32767
    taken = kubectl("create", "service", "nodeport", "third", "--tcp=80", f"--node-port={port['nodePort']}", code=1)
    assert "provided port is already allocated" in taken.err
    kubectl("create", "service", "clusterip", "headless", "--clusterip=None", "--tcp=80")
    assert kubectl.get("service", "headless")["spec"]["clusterIP"] == "None"
    kubectl("create", "service", "externalname", "far", "--external-name=far.invalid")
    assert kubectl("get", "service", "far").rows[1][1:4] == ["ExternalName", "<none>", "far.invalid"]
    kubectl("create", "service", "loadbalancer", "balanced", "--tcp=80")
    assert kubectl("get", "service", "balanced").rows[1][3] == "<pending>"


def test_expose_a_pod(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("web", labels={"app": "web"}))
    assert kubectl("expose", "pod", "web", "--port=80", "--target-port=8080").out == "service/web exposed\n"
    assert kubectl.get("service", "web")["spec"]["selector"] == {"app": "web"}


def test_dry_runs_store_nothing(kubectl: Kubectl) -> None:
    client = kubectl("create", "service", "clusterip", "web", "--tcp=80", "--dry-run=client", "-o", "json").json()
    assert "clusterIP" not in client["spec"] and "uid" not in client["metadata"]
    server = kubectl("create", "service", "clusterip", "web", "--tcp=80", "--dry-run=server", "-o", "json").json()
    assert server["spec"]["sessionAffinity"] == "None" and server["metadata"]["uid"]
    told = kubectl("create", "configmap", "x", "--dry-run=server")
    assert told.out == "configmap/x created (server dry run)\n"
    assert kubectl("apply", "--dry-run=server", "-f", "-", input=config_map("y")).out == (
        "configmap/y created (server dry run)\n"
    )
    assert kubectl("get", "svc,cm", "-o", "name").lines == ["configmap/kube-root-ca.crt"]
    kubectl("create", "configmap", "x")
    refused = kubectl("create", "configmap", "x", "--dry-run=server", code=1)
    assert "already exists" in refused.err
    assert "(server dry run)" in kubectl("delete", "configmap", "x", "--dry-run=server").out
    assert kubectl("label", "cm", "x", "a=b", "--dry-run=server").out == "configmap/x labeled (server dry run)\n"
    assert "labels" not in kubectl.get("configmap", "x")["metadata"]
