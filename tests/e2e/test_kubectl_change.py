"""kubectl edit, patch, label, annotate, replace and set: how objects change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import config_map, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def test_edit(kubectl: Kubectl, tmp_path: Path) -> None:
    def editor(script: str) -> dict[str, str]:
        file = tmp_path / "editor"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return {"KUBE_EDITOR": str(file)}

    kubectl.create(config_map("one", key="before"))
    edited = kubectl("edit", "configmap", "one", env=editor("sed -i s/before/after/ $1"))
    assert edited.out == "configmap/one edited\n"
    assert kubectl.get("cm", "one")["data"] == {"key": "after"}
    assert kubectl("edit", "configmap", "one", env=editor("true")).err == "Edit cancelled, no changes made.\n"
    # A refused change comes back to the editor with the reason as a comment; leaving it as it is gives up.
    again = editor(f"grep -q '^# ' $1 && cp $1 {tmp_path}/seen; sed -i 's,^  key: after,  not/a/key: x,' $1")
    refused = kubectl("edit", "configmap", "one", env=again, code=1)
    assert "not/a/key" in (tmp_path / "seen").read_text() and "Edit cancelled" in refused.err
    assert kubectl.get("cm", "one")["data"] == {"key": "after"}


def test_patch_of_each_type(kubectl: Kubectl) -> None:
    kubectl.create(config_map("one", a="1", b="2"))
    merge = kubectl("patch", "cm", "one", "--type=merge", "-p", '{"data": {"a": null, "c": "3"}}')
    assert merge.out == "configmap/one patched\n"
    assert kubectl.get("cm", "one")["data"] == {"b": "2", "c": "3"}
    same = kubectl("patch", "cm", "one", "--type=merge", "-p", '{"data": {"c": "3"}}')
    assert same.out == "configmap/one patched (no change)\n"
    steps = [{"op": "test", "path": "/data/b", "value": "2"}, {"op": "move", "from": "/data/b", "path": "/data/d"}]
    kubectl("patch", "cm", "one", "--type=json", "-p", json.dumps(steps))
    assert kubectl.get("cm", "one")["data"] == {"c": "3", "d": "2"}
    failed = kubectl("patch", "cm", "one", "--type=json", "-p", json.dumps(steps), code=1)
    assert failed.err.startswith("The request is invalid: ") or "Invalid" in failed.err
    missing = kubectl("patch", "cm", "nope", "-p", "{}", code=1)
    assert missing.err.strip() == 'Error from server (NotFound): configmaps "nope" not found'


def test_strategic_patch_merges_lists_by_their_key(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("web"))
    kubectl("patch", "pod", "web", "-p", '{"spec": {"containers": [{"name": "main", "image": "minikube-py/web:1"}]}}')
    spec = kubectl.get("pod", "web")["spec"]
    assert [(c["name"], c["image"]) for c in spec["containers"]] == [("main", "minikube-py/web:1")]
    assert spec["containers"][0]["command"]
    kubectl("create", "service", "clusterip", "web", "--tcp=80", "--tcp=81")
    kubectl(
        "patch",
        "service",
        "web",
        "-p",
        '{"spec": {"ports": [{"port": 80, "$patch": "delete"}, {"port": 82, "name": "new"}]}}',
    )
    assert sorted(p["port"] for p in kubectl.get("service", "web")["spec"]["ports"]) == [81, 82]
    refused = kubectl("patch", "pod", "web", "-p", '{"spec": {"containers": [{"name": "two", "image": "x"}]}}', code=1)
    assert "pod updates may not add or remove containers" in refused.err


def test_patch_of_the_status_subresource(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("web"))
    both = '{"status": {"phase": "Failed", "reason": "Tested"}, "metadata": {"labels": {"a": "b"}}}'
    kubectl("patch", "pod", "web", "--subresource=status", "--type=merge", "-p", both)
    found = kubectl.get("pod", "web")
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "Tested")
    kubectl("patch", "pod", "web", "--type=merge", "-p", '{"status": {"phase": "Running"}}')
    assert kubectl.get("pod", "web")["status"]["phase"] == "Failed"
    assert kubectl("get", "pod", "web", "--subresource=status", "-o", "jsonpath={.status.reason}").out == "Tested"


def test_label(kubectl: Kubectl) -> None:
    kubectl.create(config_map("one"), config_map("two"))
    assert kubectl("label", "cm", "one", "app=web", "tier=front").out == "configmap/one labeled\n"
    assert kubectl("label", "cm", "one", "app=web").out == "configmap/one not labeled\n"
    refused = kubectl("label", "cm", "one", "app=db", code=1)
    assert refused.err.strip() == "error: 'app' already has a value (web), and --overwrite is false"
    kubectl("label", "--overwrite", "cm", "one", "app=db")
    assert kubectl.get("cm", "one")["metadata"]["labels"] == {"app": "db", "tier": "front"}
    assert kubectl("label", "cm", "one", "tier-").out == "configmap/one unlabeled\n"
    kubectl("label", "cm", "-l", "app=db", "chosen=yes")
    assert kubectl("get", "cm", "-l", "chosen", "-o", "name").lines == ["configmap/one"]
    assert sorted(kubectl("label", "cm", "--all", "x=y").lines)[1:] == [
        "configmap/one labeled",
        "configmap/two labeled",
    ]
    wrong = kubectl("label", "cm", "one", "app=not a value", code=1)
    assert "a valid label must be an empty string or consist of alphanumeric characters" in wrong.err
    assert sorted(kubectl("label", "cm", "one", "--list").lines) == ["app=db", "chosen=yes", "x=y"]


def test_annotate(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("web"))
    assert kubectl("annotate", "pod", "web", "note=some text").out == "pod/web annotated\n"
    refused = kubectl("annotate", "pod", "web", "note=other", code=1)
    assert refused.err.strip() == (
        "error: --overwrite is false but found the following declared annotation(s): "
        "'note' already has a value (some text)"
    )
    kubectl("annotate", "--overwrite", "pod", "web", "note=other", "more=x")
    assert kubectl.get("pod", "web")["metadata"]["annotations"] == {"note": "other", "more": "x"}
    assert kubectl("annotate", "pod", "web", "note-", "more-").out == "pod/web annotated\n"
    assert "annotations" not in kubectl.get("pod", "web")["metadata"]


def test_replace(kubectl: Kubectl) -> None:
    kubectl.create(config_map("one", a="1", b="2"))
    old = kubectl.get("cm", "one")
    assert kubectl("replace", "-f", "-", input=config_map("one", a="2")).out == "configmap/one replaced\n"
    assert kubectl.get("cm", "one")["data"] == {"a": "2"}
    stale = kubectl("replace", "-f", "-", input=old, code=1)
    assert stale.err.strip() == (
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on '
        'configmaps "one": the object has been modified; please apply your changes to the latest version and try again'
    )
    forced = kubectl("replace", "--force", "-f", "-", input=config_map("one", a="3"))
    assert forced.lines[-1] == "configmap/one replaced"
    new = kubectl.get("cm", "one")
    assert new["data"] == {"a": "3"} and new["metadata"]["uid"] != old["metadata"]["uid"]
    missing = kubectl("replace", "-f", "-", input=config_map("nope"), code=1)
    assert (
        missing.err.strip() == 'Error from server (NotFound): error when replacing "STDIN": configmaps "nope" not found'
    )


def test_set_image_and_env(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("web"))
    assert kubectl("set", "image", "pod/web", "main=minikube-py/web:1").out == "pod/web image updated\n"
    assert kubectl.get("pod", "web")["spec"]["containers"][0]["image"] == "minikube-py/web:1"
    refused = kubectl("set", "env", "pod/web", "A=b", code=1)
    assert "pod updates may not change fields other than" in refused.err


def test_immutable_things_stay(kubectl: Kubectl) -> None:
    kubectl.create({**config_map("fixed", a="1"), "immutable": True}, waiting_pod("web"))
    refused = kubectl("patch", "cm", "fixed", "-p", '{"data": {"a": "2"}}', code=1)
    assert (
        refused.err.strip()
        == 'The ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set'
    )
    refused = kubectl("patch", "pod", "web", "--type=merge", "-p", '{"metadata": {"name": "other"}}', code=1)
    assert "the name of the object (other) does not match the name on the URL (web)" in refused.err
