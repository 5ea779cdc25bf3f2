"""kubectl apply --prune, by label and by ApplySet, and diff of what it would take away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl, documents
from tests.e2e.objects import config_map

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

LABELS = {"app": "shop"}


def deployment(name: str, replicas: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}},
        },
    }  # fmt: skip


def names(kubectl: Kubectl) -> set[str]:
    kinds = "configmap,deployment.apps,service"
    return {line.rpartition("/")[2] for line in kubectl("get", kinds, "-o", "name").lines} - {"kube-root-ca.crt"}


def test_prune_by_label(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "by-hand")
    kubectl("label", "configmap", "by-hand", "app=shop")  # matches, but was never applied
    first = documents(config_map("one", LABELS, a="b"), config_map("two", LABELS), deployment("web"))
    command = ("apply", "--prune", "-l", "app=shop", "-f", "-")
    kubectl(*command, input=first)
    assert names(kubectl) == {"by-hand", "one", "two", "web"}
    shown = kubectl("diff", "--prune", "-l", "app=shop", "-f", "-", input=documents(config_map("one", LABELS)), code=1)
    assert "-  a: b" in shown.lines and "-kind: Deployment" in shown.lines
    ran = kubectl(*command, "--dry-run=server", input=documents(config_map("one", LABELS)))
    assert "configmap/two pruned (server dry run)" in ran.out and names(kubectl) == {"by-hand", "one", "two", "web"}
    ran = kubectl(*command, input=documents(config_map("one", LABELS)))
    assert set(ran.lines) == {"configmap/one configured", "configmap/two pruned", "deployment.apps/web pruned"}
    assert names(kubectl) == {"by-hand", "one"}


def test_prune_by_allow_list(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", input=documents(config_map("one", LABELS), deployment("web")))
    only = ("--prune", "--all", "--prune-allowlist=core/v1/ConfigMap")
    kubectl("apply", *only, "-f", "-", input=documents(config_map("two", LABELS)))
    assert names(kubectl) == {"two", "web"}


def test_prune_by_apply_set(kubectl: Kubectl) -> None:
    """The set's parent remembers which kinds and namespaces it is made of."""
    alpha = {"KUBECTL_APPLYSET": "true"}
    command = ("apply", "--prune", "--applyset=shop", "-f", "-")
    kubectl(*command, input=documents(config_map("one"), deployment("web")), env=alpha)
    parent = kubectl.get("secret", "shop")["metadata"]
    assert parent["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps"
    member = kubectl.get("deployment", "web")["metadata"]["labels"]["applyset.kubernetes.io/part-of"]
    assert parent["labels"]["applyset.kubernetes.io/id"] == member
    kubectl("create", "configmap", "stranger")
    kubectl(*command, input=documents(config_map("two")), env=alpha)
    assert names(kubectl) == {"two", "stranger"}


def test_diff(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("apply", "-f", "-", input=documents(deployment("web")))
    assert kubectl("diff", "-f", "-", input=documents(deployment("web"))).out == ""
    for mode in (("--server-side", "--force-conflicts"), ()):
        shown = kubectl("diff", *mode, "-f", "-", input=documents(deployment("web", 4)), code=1).lines
        assert "-  replicas: 1" in shown and "+  replicas: 4" in shown and "+  generation: 2" in shown
        # A defaulted field is no difference.
        assert not [line for line in shown if line.startswith(("+", "-")) and "maxSurge" in line]
    assert kubectl.get("deployment", "web")["spec"]["replicas"] == 1
    wrong = deployment("web", -1)
    refused = kubectl("diff", "-f", "-", input=documents(wrong), code=2)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in refused.err
