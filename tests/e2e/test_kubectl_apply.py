"""kubectl apply, client-side and server-side, and diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import config_map, pod, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

LAST = "kubectl.kubernetes.io/last-applied-configuration"


def service(*ports: tuple[str, int], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": n, "port": p} for n, p in ports], **spec},
    }  # fmt: skip


def test_apply_twice_changes_nothing(kubectl: Kubectl) -> None:
    for given, name in ((config_map("one", key="a"), "configmap/one"), (waiting_pod("two"), "pod/two"),
                        (service(("http", 80)), "service/web")):  # fmt: skip
        assert kubectl("apply", "-f", "-", input=given).out == f"{name} created\n"
        before = kubectl.get(name)["metadata"]["resourceVersion"]
        assert kubectl("apply", "-f", "-", input=given).out == f"{name} unchanged\n"
        assert kubectl.get(name)["metadata"]["resourceVersion"] == before


def test_apply_changes_and_removes_what_the_file_no_longer_has(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", input=config_map("one", a="1", b="2"))
    kubectl("patch", "cm", "one", "-p", '{"data": {"theirs": "stays"}}')
    assert kubectl("apply", "-f", "-", input=config_map("one", a="3")).out == "configmap/one configured\n"
    found = kubectl.get("cm", "one")
    assert found["data"] == {"a": "3", "theirs": "stays"}
    last = json.loads(found["metadata"]["annotations"][LAST])
    assert last["data"] == {"a": "3"}
    assert json.loads(kubectl("apply", "view-last-applied", "cm/one", "-o", "json").out) == last


def test_apply_changes_a_list_by_its_merge_key(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", input=service(("http", 80), ("old", 81)))
    address = kubectl.get("service", "web")["spec"]["clusterIP"]
    assert kubectl("apply", "-f", "-", input=service(("http", 80), ("https", 443))).out == "service/web configured\n"
    spec = kubectl.get("service", "web")["spec"]
    assert [(p["name"], p["port"], p["targetPort"]) for p in spec["ports"]] == [("http", 80, 80), ("https", 443, 443)]
    assert spec["clusterIP"] == address


def test_apply_refuses_what_may_not_change(kubectl: Kubectl) -> None:
    given = waiting_pod("web")
    kubectl("apply", "-f", "-", input=given)
    given["spec"]["schedulerName"] = "somebody"
    refused = kubectl("apply", "-f", "-", input=given, code=1)
    assert refused.err.startswith(
        'The Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than '
        "`spec.containers[*].image`"
    )
    adopted = kubectl("create", "configmap", "plain", "--from-literal=a=b") and kubectl(
        "apply", "-f", "-", input=config_map("plain", a="c")
    )
    assert "is missing the kubectl.kubernetes.io/last-applied-configuration annotation" in adopted.err
    assert kubectl.get("cm", "plain")["data"] == {"a": "c"}


def test_server_side_apply_owns_fields(kubectl: Kubectl) -> None:
    def apply(manager: str, *more: str, code: int = 0, **data: str) -> Any:
        given = config_map("shared", None, **data)
        return kubectl("apply", "--server-side", f"--field-manager={manager}", *more, "-f", "-", input=given, code=code)

    assert apply("one", a="1", b="1").out == "configmap/shared serverside-applied\n"
    version = kubectl.get("cm", "shared")["metadata"]["resourceVersion"]
    apply("one", a="1", b="1")
    assert kubectl.get("cm", "shared")["metadata"]["resourceVersion"] == version
    apply("two", c="2")
    assert kubectl.get("cm", "shared")["data"] == {"a": "1", "b": "1", "c": "2"}
    refused = apply("two", a="2", c="2", code=1)
    assert refused.err.startswith('error: Apply failed with 1 conflict: conflict with "one": .data.a\n')
    apply("two", "--force-conflicts", a="2", c="2")
    apply("one", b="1")  # no longer owns a, which stays; drops nothing that is two's
    assert kubectl.get("cm", "shared")["data"] == {"a": "2", "b": "1", "c": "2"}
    apply("one")
    found = kubectl("get", "cm", "shared", "-o", "json", "--show-managed-fields").json()
    assert found["data"] == {"a": "2", "c": "2"} and LAST not in found["metadata"].get("annotations", {})
    two = next(entry for entry in found["metadata"]["managedFields"] if entry["manager"] == "two")
    assert (two["operation"], two["apiVersion"], two["fieldsType"]) == ("Apply", "v1", "FieldsV1")
    assert set(two["fieldsV1"]["f:data"]) >= {"f:a", "f:c"}


def test_server_side_apply_of_keyed_lists(kubectl: Kubectl) -> None:
    def apply(manager: str, *ports: tuple[str, int]) -> None:
        kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", input=service(*ports))

    apply("one", ("http", 80))
    apply("two", ("https", 443))
    assert [p["port"] for p in kubectl.get("service", "web")["spec"]["ports"]] == [80, 443]
    apply("one", ("other", 8080))
    assert sorted(p["port"] for p in kubectl.get("service", "web")["spec"]["ports"]) == [443, 8080]


def test_from_client_side_to_server_side(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", input=config_map("one", a="1", b="2"))
    moved = kubectl("apply", "--server-side", "-f", "-", input=config_map("one", a="2"))
    assert moved.out == "configmap/one serverside-applied\n"
    assert kubectl.get("cm", "one")["data"] == {"a": "2"}


def test_apply_a_kustomization(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(waiting_pod("web")))
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [pod.json]\nnamePrefix: my-\nconfigMapGenerator:\n- name: settings\n  literals: [a=b]\n"
    )
    lines = kubectl("apply", "-k", str(tmp_path)).lines
    assert lines[0].startswith("configmap/my-settings-") and lines[1:] == ["pod/my-web created"]


def test_diff(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", input=config_map("one", a="1"))
    assert kubectl("diff", "-f", "-", input=config_map("one", a="1")).out == ""
    shown = kubectl("diff", "-f", "-", input=config_map("one", a="2"), code=1).lines
    assert '-  a: "1"' in shown and '+  a: "2"' in shown
    assert "+kind: ConfigMap" in kubectl("diff", "-f", "-", input=config_map("new"), code=1).lines
    assert kubectl("get", "cm", "new", "--ignore-not-found").out == ""
    assert "+  a: \"2\"" in kubectl("diff", "--server-side", "--force-conflicts", "-f", "-",
                                   input=config_map("one", a="2"), code=1).lines  # fmt: skip


def test_apply_to_a_running_pod_leaves_it_running(kubectl: Kubectl) -> None:
    given = pod("web")
    kubectl("apply", "-f", "-", input=given)
    kubectl.ready("web")
    given["metadata"]["labels"] = {"app": "web"}
    assert kubectl("apply", "-f", "-", input=given).out == "pod/web configured\n"
    found = kubectl.get("pod", "web")
    assert found["metadata"]["labels"] == {"app": "web"} and found["status"]["phase"] == "Running"
    assert found["status"]["containerStatuses"][0]["restartCount"] == 0
