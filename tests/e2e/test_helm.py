"""helm 4 with a chart of everything that charts are made of: install, upgrade, roll back, test, uninstall."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, Result, binary, run, until
from tests.e2e.kubectl import Kubectl

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

CHART = Path(__file__).parent / "data" / "chart"
CRD = "shelves.shop.example.com"
MADE = "deployment,service,configmap,secret,serviceaccount,role,rolebinding,clusterrole,shelf"
OURS = "app.kubernetes.io/managed-by=Helm,app.kubernetes.io/instance="
QUICK = ("--timeout", "20s")


@dataclass(frozen=True)
class Helm:
    """Calls helm in one namespace and fails the test on an unexpected exit code."""

    cluster: Cluster
    namespace: str

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        command = [binary("helm"), f"--namespace={self.namespace}", *arguments]
        result = run(command, env=self.cluster.env, timeout=60)
        assert result.code == code, f"exit code {code} was expected\n{result}"
        return result

    def history(self, release: str) -> list[tuple[int, str]]:
        """Each revision with its state."""
        return [(each["revision"], each["status"]) for each in self("history", release, "-o", "json").json()]


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    return Kubectl(cluster, "1.36", namespace)


@pytest.fixture
def helm(cluster: Cluster, kubectl: Kubectl) -> Iterator[Helm]:
    yield Helm(cluster, kubectl.namespace)
    kubectl("delete", "crd", CRD, "--ignore-not-found")
    kubectl("delete", "clusterrole", f"{kubectl.namespace}-shop", "--ignore-not-found")


def kept(kubectl: Kubectl) -> dict[str, Any]:
    """What the release `shop` has set, where charts usually go wrong."""
    container = kubectl.get("deployment", "shop")["spec"]["template"]["spec"]["containers"][0]
    return {
        "data": kubectl.get("configmap", "shop")["data"],
        "ports": [port["name"] for port in kubectl.get("service", "shop")["spec"]["ports"]],
        "env": {entry["name"]: entry["value"] for entry in container.get("env", ())},
        "replicas": kubectl.get("deployment", "shop")["spec"]["replicas"],
        "shelf": kubectl.get("shelf", "shop")["spec"],
    }


FIRST = {
    "data": {"color": "green", "size": "large"}, "ports": ["http", "metrics"],
    "env": {"COLOR": "green", "SIZE": "large"}, "replicas": 2, "shelf": {"size": 3, "color": "white"},
}  # fmt: skip
SECOND = {
    "data": {"color": "green", "taste": "sweet"}, "ports": ["http"],
    "env": {"COLOR": "green", "TASTE": "sweet"}, "replicas": 5, "shelf": {"size": 4, "color": "white"},
}  # fmt: skip
CHANGED = "--set=settings.size=null,settings.taste=sweet,metrics=null,replicas=5,size=4"


def test_install_and_what_helm_says_of_it(helm: Helm, kubectl: Kubectl) -> None:
    assert "STATUS: deployed" in helm("install", "shop", str(CHART)).out
    assert kept(kubectl) == FIRST
    listed = helm("list", "-o", "json").json()
    assert [(r["name"], r["revision"], r["status"], r["chart"]) for r in listed] == [
        ("shop", "1", "deployed", "shop-1.0.0")
    ]
    status = helm("status", "shop").out
    assert "==> v1/Deployment\nNAME   READY   UP-TO-DATE   AVAILABLE   AGE\nshop   0/2     0            0" in status
    assert "==> v1/Shelf\nNAME   SIZE   COLOR\nshop   3      white\n" in status
    everything = helm("get", "all", "shop").out
    assert "helm.sh/hook: test" in everything and "shop has 2 replicas." in everything
    record = kubectl.get("secret", "sh.helm.release.v1.shop.v1")
    assert record["type"] == "helm.sh/release.v1" and record["metadata"]["labels"]["status"] == "deployed"
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(record["data"]["release"]))))
    assert release["name"] == "shop" and release["version"] == 1
    asked = kubectl.get("configmap", "shop")["metadata"]["annotations"]
    assert asked["shop.example.com/server"] == kubectl("version", "-o", "json").json()["serverVersion"]["gitVersion"]
    assert asked["shop.example.com/namespace"] == kubectl.get("namespace", helm.namespace)["metadata"]["uid"]
    assert asked["shop.example.com/serves"] == "true"
    taken = helm("install", "shop", str(CHART), code=1).err
    assert "cannot reuse a name that is still in use" in taken


def test_a_dry_run_asks_the_server_and_stores_nothing(helm: Helm, kubectl: Kubectl) -> None:
    unknown = helm("install", "shop", str(CHART), "--dry-run=server", code=1).err
    assert 'no matches for kind "Shelf" in version "shop.example.com/v1"' in unknown
    kubectl("apply", "-f", str(CHART / "crds"))
    kubectl("wait", "--for=condition=Established", f"crd/{CRD}")
    assert "kind: Shelf" in helm("install", "shop", str(CHART), "--dry-run=server").out
    assert kubectl("get", MADE, "-l", OURS + "shop").out == ""
    helm("install", "shop", str(CHART))
    assert "size: 4" in helm("upgrade", "shop", str(CHART), CHANGED, "--dry-run=server").out
    assert helm.history("shop") == [(1, "deployed")] and kept(kubectl) == FIRST


@pytest.mark.parametrize("server_side", ["true", "false"])
def test_upgrade_and_rollback(helm: Helm, kubectl: Kubectl, server_side: str) -> None:
    """Both ways in which helm writes leave the same: what the chart no longer has is gone."""
    mode = f"--server-side={server_side}"
    helm("install", "shop", str(CHART), mode)
    address = kubectl.get("service", "shop")["spec"]["clusterIP"]
    helm("upgrade", "shop", str(CHART), CHANGED, mode)
    assert kept(kubectl) == SECOND
    assert kubectl.get("service", "shop")["spec"]["clusterIP"] == address
    helm("rollback", "shop", "1", mode)
    assert kept(kubectl) == FIRST
    assert helm.history("shop") == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    shown = kubectl("get", "deployment", "shop", "-o", "json", "--show-managed-fields").json()
    operations = {e["operation"] for e in shown["metadata"]["managedFields"] if e["manager"] == "helm"}
    assert operations == {"Apply" if server_side == "true" else "Update"}


def test_an_upgrade_meets_another_owner(helm: Helm, kubectl: Kubectl) -> None:
    helm("install", "shop", str(CHART))
    scale = ("--subresource=scale", "--type=merge", "-p", '{"spec": {"replicas": 9}}', "--field-manager=ann")
    kubectl("patch", "deployment", "shop", *scale)
    refused = helm("upgrade", "shop", str(CHART), "--set=replicas=5", code=1).err
    assert 'conflict with "ann" with subresource "scale" using apps/v1: .spec.replicas' in refused
    assert kubectl.get("deployment", "shop")["spec"]["replicas"] == 9
    helm("upgrade", "shop", str(CHART), "--set=replicas=5", "--force-conflicts")
    assert kubectl.get("deployment", "shop")["spec"]["replicas"] == 5


def test_a_failed_upgrade_goes_back(helm: Helm, kubectl: Kubectl) -> None:
    helm("install", "shop", str(CHART), "--set=workload=false", "--wait", *QUICK)
    helm("upgrade", "shop", str(CHART), "--set=workload=false,size=4", "--wait", *QUICK)
    # The ConfigMap is changed before the server refuses the custom resource.
    wrong = "--set=workload=false,settings.color=red,size=40"
    failed = helm("upgrade", "shop", str(CHART), wrong, "--rollback-on-failure", *QUICK, code=1).err
    assert '"shop" is invalid: spec.size: Invalid value: 40:' in failed and "has been rolled back" in failed
    assert helm.history("shop") == [(1, "superseded"), (2, "superseded"), (3, "failed"), (4, "deployed")]
    assert kubectl.get("configmap", "shop")["data"] == FIRST["data"]
    assert kubectl.get("shelf", "shop")["spec"]["size"] == 4


def test_a_failed_install_leaves_nothing(helm: Helm, kubectl: Kubectl) -> None:
    failed = helm("install", "shop", str(CHART), "--set=strategy=Slowly", "--rollback-on-failure", *QUICK, code=1).err
    assert 'Deployment.apps "shop" is invalid: spec.strategy: Unsupported value' in failed
    assert "uninstalled due to rollback-on-failure being set" in failed
    assert kubectl("get", MADE, "-l", OURS + "shop").out == ""
    assert helm("list", "--all-namespaces", "-q").out == ""


def test_the_test_hook_runs_a_pod(helm: Helm, kubectl: Kubectl) -> None:
    helm("install", "shop", str(CHART))
    passed = helm("test", "shop", "--logs", *QUICK).out
    assert "Phase:          Succeeded" in passed and "the color is green\n" in passed
    helm("upgrade", "shop", str(CHART), "--set=expected=something else")
    failed = helm("test", "shop", "--logs", *QUICK, code=1)
    assert "Phase:          Failed" in failed.out and "pod shop-test failed" in failed.err
    kubectl("delete", "pod", "shop-test")


def test_uninstall_leaves_only_the_crd(helm: Helm, kubectl: Kubectl) -> None:
    before = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    everything = MADE.replace(",clusterrole", "") + ",pod,replicaset,event"
    helm("install", "shop", str(CHART))
    helm("upgrade", "shop", str(CHART), CHANGED)
    assert len(kubectl("get", MADE, "-l", OURS + "shop", "-o", "name").lines) == 9
    assert helm("uninstall", "shop", "--wait", *QUICK).out == 'release "shop" uninstalled\n'
    until(lambda: set(kubectl("get", everything, "-o", "name").lines) == before)
    assert kubectl("get", "clusterrole", "-l", OURS + "shop").out == ""
    assert kubectl("get", "crd", CRD, "-o", "name").out == f"customresourcedefinition.apiextensions.k8s.io/{CRD}\n"


def test_helms_own_chart_by_somebody_who_may_one_namespace(helm: Helm, kubectl: Kubectl, tmp_path: Path) -> None:
    """What `helm create` writes, with everything in it that can be turned on without another API."""
    chart = str(tmp_path / "mini")
    helm("create", chart)
    kubectl("create", "rolebinding", "dev", "--clusterrole=admin", "--user=dev")
    user = ("--kube-as-user", "dev")
    helm("install", "m", chart, *user)
    helm("upgrade", "m", chart, "--set=autoscaling.enabled=true,ingress.enabled=true", *user)
    made = {line.partition("/")[0] for line in kubectl("get", "all,ingress,sa", "-o", "name", "-l", OURS + "m").lines}
    assert made == {
        "service", "deployment.apps", "horizontalpodautoscaler.autoscaling", "ingress.networking.k8s.io",
        "serviceaccount",
    }  # fmt: skip
    elsewhere = helm("install", "other", chart, "--namespace=default", *user, code=1).err
    assert 'User "dev" cannot get resource "serviceaccounts" in API group "" in the namespace "default"' in elsewhere
    helm("uninstall", "m", "--wait", *QUICK, *user)
    assert kubectl("get", "all,ingress,secret", "-o", "name").out == ""
