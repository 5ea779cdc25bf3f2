"""kubectl get: every way to choose and to print."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import config_map, container, pod, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def test_prints_a_running_pod_as_a_table_plain_and_wide(kubectl: Kubectl) -> None:
    kubectl.create(pod("web"))
    kubectl.ready("web")
    header, row = kubectl("get", "pods").rows
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:4] == ["web", "1/1", "Running", "0"] and row[4].endswith("s")
    wide = kubectl("get", "pods", "-o", "wide").lines
    assert wide[0].split("  ")[0] == "NAME" and wide[0].endswith("READINESS GATES")
    status = kubectl.get("pod", "web")["status"]
    assert wide[1].split()[5:] == [status["podIP"], kubectl.get("pod", "web")["spec"]["nodeName"], "<none>", "<none>"]
    assert kubectl("get", "pod", "--no-headers").rows[0][0] == "web"
    assert kubectl("get", "pod", "web", "--no-headers").lines == kubectl("get", "po/web", "--no-headers").lines


def test_prints_yaml_json_names_and_templates(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("web", labels={"app": "web"}))
    as_yaml = yaml.safe_load(kubectl("get", "pod", "web", "-o", "yaml").out)
    as_json = kubectl("get", "pod", "web", "-o", "json").json()
    assert as_yaml == as_json
    assert (as_json["apiVersion"], as_json["kind"]) == ("v1", "Pod")
    assert as_json["spec"]["restartPolicy"] == "Always" and as_json["status"]["qosClass"] == "BestEffort"
    assert "managedFields" not in as_json["metadata"]
    assert "managedFields" in kubectl("get", "pod", "web", "-o", "json", "--show-managed-fields").json()["metadata"]
    listed = kubectl("get", "pods", "-o", "json").json()
    assert listed["kind"] == "List" and listed["items"] == [as_json]
    assert kubectl("get", "pod", "-o", "name").lines == ["pod/web"]
    assert kubectl(
        "get", "pod", "-o", "jsonpath={.items[0].metadata.labels.app}/{.items[*].spec.schedulerName}"
    ).out == ("web/nobody")
    assert kubectl("get", "pod", "-o", "custom-columns=NAME:.metadata.name,POLICY:.spec.restartPolicy").rows == [
        ["NAME", "POLICY"], ["web", "Always"],
    ]  # fmt: skip
    assert kubectl("get", "pod", "-o", "go-template={{range .items}}{{.metadata.name}};{{end}}").out == "web;"


def test_all_namespaces_adds_the_namespace_column(kubectl: Kubectl) -> None:
    kubectl.create(config_map("mine"))
    rows = kubectl("get", "configmaps", "-A").rows
    assert rows[0] == ["NAMESPACE", "NAME", "DATA", "AGE"]
    assert [kubectl.namespace, "mine", "0"] in [row[:3] for row in rows]
    assert ["kube-system", "kube-root-ca.crt", "1"] in [row[:3] for row in rows]


def test_label_selectors_choose(kubectl: Kubectl) -> None:
    kubectl.create(config_map("a", {"app": "a", "tier": "one"}), config_map("b", {"app": "b"}), config_map("c"))

    def chosen(selector: str) -> list[str]:
        names = kubectl("get", "cm", "-l", selector, "-o", "name").lines
        return [n.removeprefix("configmap/") for n in names if n != "configmap/kube-root-ca.crt"]

    assert chosen("app=a") == ["a"]
    assert chosen("app in (a, b)") == ["a", "b"]
    assert chosen("app notin (a)") == ["b", "c"]
    assert chosen("app,tier!=one") == ["b"]
    assert chosen("!app") == ["c"]
    broken = kubectl("get", "cm", "-l", "app in a", code=1)
    assert "unable to parse requirement" in broken.err


def test_field_selectors_choose_and_unknown_ones_are_refused(kubectl: Kubectl) -> None:
    kubectl.create(waiting_pod("one"), waiting_pod("two", labels={"app": "two"}))
    assert kubectl("get", "pods", "--field-selector", "metadata.name=two", "-o", "name").lines == ["pod/two"]
    assert kubectl("get", "pods", "--field-selector", "status.phase!=Pending").err.startswith("No resources found in ")
    assert kubectl(
        "get", "pods", "--field-selector", "spec.schedulerName=nobody,metadata.name!=one", "-o", "name"
    ).lines == ["pod/two"]
    refused = kubectl("get", "configmaps", "--field-selector", "data=x", code=1)
    assert refused.err.strip() == (
        'Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "", field '
        'selector "data=x": "data" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
    refused = kubectl("get", "pods", "--field-selector", "spec.foo=x", code=1)
    assert refused.err.strip().endswith("field label not supported: spec.foo")


def test_watch_shows_what_is_and_what_happens(kubectl: Kubectl) -> None:
    kubectl.create(config_map("first"))
    with kubectl.start("get", "configmaps", "-w", "--output-watch-events") as watch:
        watch.shows("ADDED      first")
        kubectl.create(config_map("second", key="one"))
        watch.shows("ADDED      second")
        kubectl("patch", "cm", "second", "-p", '{"data": {"more": "two"}}')
        watch.shows("MODIFIED   second")
        kubectl("delete", "cm", "second")
        printed = watch.shows("DELETED    second")
    assert printed.splitlines()[0].split() == ["EVENT", "NAME", "DATA", "AGE"]


def test_watch_only_leaves_out_what_is(kubectl: Kubectl) -> None:
    kubectl.create(config_map("first"))
    with kubectl.start("get", "configmaps", "--watch-only", "-o", "name") as watch:
        # A watch has no sign of being open: change something until it is noticed.
        for count in range(200):
            kubectl("annotate", "--overwrite", "cm", "first", f"count={count}")
            if "configmap/first" in watch.printed:
                break
        kubectl.create(config_map("second"))
        printed = watch.shows("configmap/second")
    assert "kube-root-ca.crt" not in printed


def test_a_pods_way_is_seen_in_its_watch(kubectl: Kubectl) -> None:
    with kubectl.start("get", "pods", "-w") as watch:
        kubectl.create(pod("short", container(command=["true"]), restartPolicy="Never"))
        printed = watch.shows("Completed")
    states = [line.split()[2] for line in printed.splitlines() if line.startswith("short")]
    assert states[0] == "Pending" and "ContainerCreating" in states and states[-1] == "Completed"


def test_sorts_and_shows_labels(kubectl: Kubectl) -> None:
    kubectl.create(
        config_map("a", {"rank": "3"}), config_map("b", {"rank": "1", "app": "x"}), config_map("c", {"rank": "2"})
    )
    by_rank = kubectl("get", "cm", "-l", "rank", "--sort-by=.metadata.labels.rank", "-o", "name").lines
    assert by_rank == ["configmap/b", "configmap/c", "configmap/a"]
    rows = kubectl("get", "cm", "-l", "rank", "--show-labels").rows
    assert rows[0][-1] == "LABELS" and rows[2][-1] == "app=x,rank=1"
    rows = kubectl("get", "cm", "-l", "rank", "-L", "app").rows
    assert rows[0][-1] == "APP" and rows[2][-1] == "x"


def test_a_long_list_comes_in_chunks(kubectl: Kubectl) -> None:
    kubectl.create(*(config_map(f"n{number}") for number in range(7)))
    listed = kubectl("get", "cm", "--chunk-size=2", "-v=8")
    assert [row[0] for row in listed.rows[1:]] == ["kube-root-ca.crt", *(f"n{number}" for number in range(7))]
    assert "limit=2" in listed.err and "continue=" in listed.err


def test_what_is_not_there_is_said(kubectl: Kubectl) -> None:
    missing = kubectl("get", "pod", "nope", code=1)
    assert missing.err.strip() == 'Error from server (NotFound): pods "nope" not found'
    assert kubectl("get", "pod", "nope", "--ignore-not-found").out == ""
    assert kubectl("get", "pods").err.strip() == f"No resources found in {kubectl.namespace} namespace."
    unknown = kubectl("get", "nonsense", code=1)
    assert unknown.err.strip() == 'error: the server doesn\'t have a resource type "nonsense"'


def test_each_kind_has_its_columns(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    kubectl("create", "secret", "generic", "hidden", "--from-literal=a=b")
    headers = {
        kind: kubectl("get", kind, *more).lines[0].split("   ")[0:1] and " ".join(kubectl("get", kind, *more).rows[0])
        for kind, *more in [["nodes"], ["namespaces"], ["services"], ["secrets"], ["serviceaccounts"], ["leases", "-A"]]
    }
    assert headers == {
        "nodes": "NAME STATUS ROLES AGE VERSION",
        "namespaces": "NAME STATUS AGE",
        "services": "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE",
        "secrets": "NAME TYPE DATA AGE",
        "serviceaccounts": headers["serviceaccounts"],
        "leases": "NAMESPACE NAME HOLDER AGE",
    }
    assert headers["serviceaccounts"] in ("NAME SECRETS AGE", "NAME AGE")  # 1.36 has no column for secrets any more
    assert kubectl("get", "secrets").rows[1][:3] == ["hidden", "Opaque", "1"]
    everything = [row[0] for row in kubectl("get", "all", "--no-headers").rows]
    assert everything == ["service/web"]


def test_several_kinds_and_files_at_once(kubectl: Kubectl) -> None:
    kubectl.create(config_map("one"), waiting_pod("two"))
    assert kubectl("get", "cm/one", "pod/two", "-o", "name").lines == ["configmap/one", "pod/two"]
    given = json.dumps(config_map("one"))
    assert kubectl("get", "-f", "-", "-o", "name", input=given).lines == ["configmap/one"]
