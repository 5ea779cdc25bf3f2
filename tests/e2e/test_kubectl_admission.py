"""kubectl and what admission does: quotas, limit ranges, priority classes, secured namespaces."""

from __future__ import annotations

import pytest

from tests.e2e.cluster import until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def described(kubectl: Kubectl, kind: str, name: str) -> list[list[str]]:
    return [line.split() for line in kubectl("describe", kind, name).lines]


def test_quotas(kubectl: Kubectl) -> None:
    made = kubectl("create", "quota", "small", "--hard=pods=1,secrets=2,count/configmaps=5,limits.memory=1Gi")
    assert made.out == "resourcequota/small created\n"

    def counted() -> bool:
        rows = described(kubectl, "quota", "small")
        return ["count/configmaps", "1", "5"] in rows and ["pods", "0", "1"] in rows

    until(counted)
    kubectl("create", "secret", "generic", "one")
    kubectl("create", "secret", "generic", "two")
    assert ["secrets", "2", "2"] in described(kubectl, "quota", "small")
    refused = kubectl("create", "secret", "generic", "three", code=1)
    assert "exceeded quota: small, requested: secrets=1, used: secrets=2, limited: secrets=2" in refused.err
    refused = kubectl("create", "-f", "-", input=waiting_pod("a"), code=1)
    assert "failed quota: small: must specify limits.memory for: " in refused.err
    kubectl("delete", "secret", "one")
    until(lambda: ["secrets", "1", "2"] in described(kubectl, "quota", "small"))
    scoped = ("--scopes=BestEffort", "--hard=pods=3")
    assert kubectl("create", "quota", "scoped", *scoped).out == "resourcequota/scoped created\n"
    assert "BestEffort" in kubectl("describe", "quota", "scoped").out


def test_limit_ranges(kubectl: Kubectl) -> None:
    limits = [{"type": "Container", "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": "1"}}]
    kubectl.create(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "usual"}, "spec": {"limits": limits}}
    )
    row = next(r for r in described(kubectl, "limits", "usual") if r[:1] == ["Container"])
    assert row == ["Container", "cpu", "-", "1", "100m", "200m", "-"]
    kubectl.create(waiting_pod("a"))
    assert kubectl.get("pod", "a")["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "200m"}, "requests": {"cpu": "100m"},
    }  # fmt: skip


def test_priority_classes(kubectl: Kubectl) -> None:
    name = kubectl.namespace[:60]
    made = kubectl("create", "priorityclass", name, "--value=1000", "--description=for the test")
    assert made.out == f"priorityclass.scheduling.k8s.io/{name} created\n"
    kubectl.create(waiting_pod("a", priorityClassName=name))
    assert kubectl.get("pod", "a")["spec"]["priority"] == 1000
    kubectl("delete", "priorityclass", name)
    names = kubectl("get", "priorityclasses", "-o", "name").lines
    assert "priorityclass.scheduling.k8s.io/system-node-critical" in names


def test_secured_namespaces(kubectl: Kubectl) -> None:
    kubectl("label", "namespace", kubectl.namespace, "pod-security.kubernetes.io/enforce=baseline")
    refused = kubectl("create", "-f", "-", input=waiting_pod("a", hostNetwork=True), code=1)
    assert 'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' in (
        refused.err
    )
    kubectl.create(waiting_pod("b"))
    told = kubectl(
        "label", "namespace", kubectl.namespace, "--overwrite", "pod-security.kubernetes.io/enforce=restricted"
    )
    assert "Warning: existing pods in namespace" in told.err
    assert "Warning: b: allowPrivilegeEscalation != false" in told.err


def test_claims_go_when_nothing_uses_them(kubectl: Kubectl) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    kubectl.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec})
    assert kubectl.get("pvc", "c")["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    kubectl("delete", "pvc", "c", "--timeout=20s")
    kubectl("get", "pvc", "c", code=1)
