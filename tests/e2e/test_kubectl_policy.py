"""kubectl with budgets, certificates and bound tokens, and what it prints, explains and describes of every kind."""

from __future__ import annotations

import base64
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_every_resource import STORED, columns_of, facts, sample
from tests.e2e.cluster import run, until
from tests.e2e.kubectl import Kubectl, documents
from tests.e2e.objects import config_map, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def test_create_poddisruptionbudget(kubectl: Kubectl) -> None:
    made = kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=50%")
    assert made.out == "poddisruptionbudget.policy/web created\n"
    kubectl("create", "pdb", "db", "--selector=app in (db,cache)", "--max-unavailable=1")
    assert kubectl.get("pdb", "db")["spec"]["selector"] == {
        "matchExpressions": [{"key": "app", "operator": "In", "values": ["cache", "db"]}]
    }
    rows = kubectl("get", "pdb").lines
    assert re.split(r"\s{2,}", rows[0]) == ["NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"]
    assert rows[1].split()[:3] == ["db", "N/A", "1"] and rows[2].split()[:3] == ["web", "50%", "N/A"]


def test_certificates(kubectl: Kubectl, tmp_path: Path) -> None:
    """A user asks for a certificate, the administrator approves it, and the signer's certificate opens the cluster."""
    name = f"jane-{kubectl.namespace}"
    key, asked = tmp_path / "key.pem", tmp_path / "request.pem"
    made = run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", key, "-out", asked, "-subj", f"/O=team/CN={name}"])  # fmt: skip
    assert made.code == 0, str(made)

    def request(suffix: str) -> dict[str, Any]:
        spec = {
            "request": base64.b64encode(asked.read_bytes()).decode(), "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client", "expirationSeconds": 3600,
        }  # fmt: skip
        meta = {"name": f"{name}-{suffix}"}
        return {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": meta,
                "spec": spec}  # fmt: skip

    try:
        kubectl.create(request("yes"), request("no"))
        assert kubectl("get", "csr", f"{name}-yes").rows[1][-1] == "Pending"
        approved = kubectl("certificate", "approve", f"{name}-yes").out
        assert approved == f"certificatesigningrequest.certificates.k8s.io/{name}-yes approved\n"
        assert "denied" in kubectl("certificate", "deny", f"{name}-no").out
        issued = until(lambda: kubectl.get("csr", f"{name}-yes")["status"].get("certificate"))
        assert kubectl("get", "csr", f"{name}-yes").rows[1][-1] == "Approved,Issued"
        assert kubectl("get", "csr", f"{name}-no").rows[1][-1] == "Denied"
        assert "certificate" not in kubectl.get("csr", f"{name}-no")["status"]
        assert "is already Denied" in kubectl("certificate", "approve", f"{name}-no", code=1).err
        (tmp_path / "cert.pem").write_bytes(base64.b64decode(issued))
        conf = _kubeconfig(
            kubectl, tmp_path, {"client-certificate": str(tmp_path / "cert.pem"), "client-key": str(key)}
        )
        who = kubectl("auth", "whoami", "-o", "json", conf).json()["status"]["userInfo"]
        assert (who["username"], who["groups"]) == (name, ["team", "system:authenticated"])
        assert who["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")
        assert "Forbidden" in kubectl("get", "pods", conf, code=1).err
    finally:
        kubectl("delete", "csr", f"{name}-yes", f"{name}-no", "--ignore-not-found")


def _kubeconfig(kubectl: Kubectl, folder: Path, user: dict[str, str]) -> str:
    config = kubectl("config", "view", "--raw", "--minify", "-o", "json").json()
    config["users"][0]["user"] = user
    (folder / "conf").write_text(json.dumps(config))
    return f"--kubeconfig={folder / 'conf'}"


def test_tokens_are_bound_and_open_what_roles_say(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "secret", "generic", "bound")
    bound = ("--bound-object-kind=Secret", "--bound-object-name=bound")
    conf = _kubeconfig(kubectl, tmp_path, {"token": kubectl("create", "token", "robot", *bound).out})
    assert "Forbidden" in kubectl("get", "configmaps", conf, code=1).err
    kubectl("create", "rolebinding", "robot", "--clusterrole=view", f"--serviceaccount={kubectl.namespace}:robot")
    assert "kube-root-ca.crt" in kubectl("get", "configmaps", conf).out
    assert "Forbidden" in kubectl("get", "secrets", conf, code=1).err
    kubectl("delete", "secret", "bound")
    # The server may remember a token that it found good for some seconds.
    until(lambda: _refused(kubectl, conf), 15)
    missing = kubectl("create", "token", "robot", *bound, code=1).err
    assert missing.strip() == 'error: failed to create token: secrets "bound" not found'


def _refused(kubectl: Kubectl, conf: str) -> bool:
    result = kubectl.cluster.kubectl(kubectl.version, "get", "configmaps", conf, "-n", kubectl.namespace)
    return result.code == 1 and "(Unauthorized)" in result.err


ELSEWHERE = {"namespaces", "nodes", "customresourcedefinitions", "apiservices", "endpoints", "events"}
"""Shown by other tests; of some of them a sample would be a burden for the cluster."""

SHOWN = [
    row for row in STORED if row["plural"] not in ELSEWHERE and (row["group"], row["version"]) != ("autoscaling", "v1")
]


def test_every_kind_is_created_shown_described_and_deleted(kubectl: Kubectl) -> None:
    made = [sample(row)[0] for row in SHOWN]
    try:
        kubectl("create", "-f", "-", input=documents(*made))
        tables = kubectl("get", "-o", "wide", "-f", "-", input=documents(*made)).out.split("\n\n")
        for row, table in zip(SHOWN, tables, strict=True):
            titles = re.split(r"\s{2,}", table.lstrip().partition("\n")[0].strip())
            assert titles == [c["name"].upper() for c in columns_of(row["type"])], row["plural"]
        # kubectl 1.32 asks for these at the versions that they had in its time.
        beta = {"IPAddress", "ServiceCIDR", "VolumeAttributesClass"} if kubectl.version == "1.32" else set()
        told = [obj for obj in made if obj["kind"] not in beta]
        described = kubectl("describe", "-f", "-", input=documents(*told)).out
        assert len(re.findall(r"^Name: ", described, re.MULTILINE)) >= len(told)
    finally:
        kubectl("delete", "-f", "-", "--ignore-not-found", "--wait=false", input=documents(*made))


def test_api_resources_are_those_of_kubernetes(kubectl: Kubectl) -> None:
    """Kubernetes' own, with short names, kinds, verbs and categories."""
    lines = kubectl("api-resources", "-o", "wide").lines
    starts = [lines[0].index(title) for title in lines[0].split()] + [None]
    cells = [[line[a:b].strip() for a, b in itertools.pairwise(starts)] for line in lines[1:]]
    shown = {(name, version): rest for name, _, version, *_, rest in [[*c[:3], c] for c in cells]}
    # kubectl shows a group's preferred version.
    rows = [r for r in facts("resources.json")["resources"] if (r["group"], r["version"]) != ("autoscaling", "v1")]
    for row in rows:
        version = f"{row['group']}/{row['version']}" if row["group"] else row["version"]
        _, short, _, namespaced, kind, verbs, categories = shown[row["plural"], version]
        assert short.split(",") == (row.get("shortNames") or [""]), row["plural"]
        assert (namespaced, kind) == (str(row["namespaced"]).lower(), row["kind"])
        assert sorted(verbs.split(",")) == sorted(row["verbs"]), row["plural"]
        assert categories.split(",") == (row.get("categories") or [""]), row["plural"]


def test_explain(kubectl: Kubectl) -> None:
    shown = kubectl("explain", "cronjob.spec.jobTemplate.spec.backoffLimit").out
    assert shown.startswith("GROUP:      batch\nKIND:       CronJob\nVERSION:    v1\n")
    assert "FIELD: backoffLimit <integer>" in shown
    tree = kubectl("explain", "hpa.spec", "--recursive").out
    assert re.search(r"^  maxReplicas\t<integer> -required-$", tree, re.MULTILINE)
    first = kubectl("explain", "hpa.spec", "--api-version=autoscaling/v1").out
    assert "targetCPUUtilizationPercentage\t<integer>" in first


def test_raw_documents(kubectl: Kubectl) -> None:
    paths = json.loads(kubectl("get", "--raw", "/openapi/v3").out)["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/batch/v1", "apis/networking.k8s.io/v1"} <= set(paths)
    document = json.loads(kubectl("get", "--raw", paths["apis/apps/v1"]["serverRelativeURL"]).out)
    assert "io.k8s.api.apps.v1.Deployment" in document["components"]["schemas"]
    assert "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale" in document["paths"]
    keys = json.loads(kubectl("get", "--raw", "/openid/v1/jwks").out)["keys"]
    assert keys and {key["kty"] for key in keys} <= {"RSA", "EC"}
    groups = {g["name"] for g in json.loads(kubectl("get", "--raw", "/apis").out)["groups"]}
    assert {"apps", "batch", "policy", "storage.k8s.io", "apiextensions.k8s.io"} <= groups


def test_cluster_info_dump(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.create(waiting_pod("web"), config_map("not-in-it"))
    kubectl("cluster-info", "dump", f"--namespaces={kubectl.namespace}", f"--output-directory={tmp_path}")
    folder = tmp_path / kubectl.namespace
    pods = json.loads((folder / "pods.json").read_text())
    assert [p["metadata"]["name"] for p in pods["items"]] == ["web"]
    assert (folder / "deployments.json").exists() and (tmp_path / "nodes.json").exists()
