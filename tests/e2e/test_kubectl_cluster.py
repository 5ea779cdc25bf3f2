"""kubectl on the cluster itself: versions, discovery, nodes, rights, raw paths, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.e2e.cluster import Cluster, until
from tests.e2e.kubectl import Kubectl
from tests.e2e.objects import config_map, container, pod, waiting_pod

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


@pytest.fixture
def node(kubectl: Kubectl) -> Iterator[str]:
    """The only node; whatever a test does to it is undone."""
    name = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").out
    yield name
    kubectl("uncordon", name)
    kubectl("patch", "node", name, "--type=json", "-p", '[{"op": "add", "path": "/spec/taints", "value": []}]')


def test_versions(kubectl: Kubectl) -> None:
    found = kubectl("version", "-o", "json").json()
    assert found["serverVersion"]["major"] == "1" and found["serverVersion"]["minor"] == "36"
    assert found["serverVersion"]["gitVersion"].startswith("v1.36.")
    assert found["clientVersion"]["minor"] == kubectl.version.partition(".")[2]
    assert kubectl("version").lines[-1] == f"Server Version: {found['serverVersion']['gitVersion']}" or (
        "version skew" in kubectl("version").err + kubectl("version").out
    )


def test_cluster_info_and_config(kubectl: Kubectl, cluster: Cluster) -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", kubectl("cluster-info").out)
    assert plain.startswith(f"Kubernetes control plane is running at {cluster.server}\n")
    assert kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").out == cluster.server
    assert kubectl("config", "current-context").out.strip()
    assert "DATA+OMITTED" in kubectl("config", "view").out


def test_api_resources_and_versions(kubectl: Kubectl) -> None:
    rows = {row[-1]: row for row in kubectl("api-resources", "--no-headers").rows}
    assert rows["Pod"] == ["pods", "po", "v1", "true", "Pod"]
    assert rows["Node"] == ["nodes", "no", "v1", "false", "Node"]
    assert rows["Lease"] == ["leases", "coordination.k8s.io/v1", "true", "Lease"]
    wanted = {"Namespace", "ConfigMap", "Secret", "Service", "Endpoints", "Event", "ServiceAccount", "Binding"}
    assert wanted <= rows.keys()
    names = kubectl("api-resources", "--namespaced=false", "--verbs=list", "-o", "name").lines
    assert {"namespaces", "nodes"} <= set(names) and "pods" not in names
    assert {"v1", "coordination.k8s.io/v1"} <= set(kubectl("api-versions").lines)
    only = kubectl("api-resources", "--api-group=coordination.k8s.io", "--no-headers").rows
    assert [row[0] for row in only] == ["leases"]


def test_raw_paths(kubectl: Kubectl) -> None:
    assert kubectl("get", "--raw", "/readyz").out == "ok"
    assert "[+]ping ok" in kubectl("get", "--raw", "/livez?verbose").out
    assert kubectl("get", "--raw", "/version").json()["major"] == "1"
    assert (
        kubectl("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/configmaps").json()["kind"] == "ConfigMapList"
    )
    assert "# TYPE apiserver_request_total counter" in kubectl("get", "--raw", "/metrics").lines
    made = kubectl(
        "create", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/configmaps", "-f", "-", input=config_map("raw")
    )
    assert made.json()["metadata"]["uid"]
    assert (
        kubectl("delete", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/configmaps/raw").json()["status"]
        == "Success"
    )
    missing = kubectl("get", "--raw", "/no/such/path", code=1)
    assert missing.err.strip() == "Error from server (NotFound): the server could not find the requested resource"


def test_auth(kubectl: Kubectl) -> None:
    me = kubectl("auth", "whoami", "-o", "json").json()["status"]["userInfo"]
    assert me["username"] == "kubernetes-admin"
    assert {"system:masters", "system:authenticated"} <= set(me["groups"])
    assert kubectl("auth", "can-i", "create", "pods").out == "yes\n"
    assert kubectl("auth", "can-i", "get", "/metrics").out == "yes\n"
    assert ["*.*", "[]", "[]", "[*]"] in kubectl("auth", "can-i", "--list").rows


def test_cordon_keeps_new_pods_away(kubectl: Kubectl, node: str) -> None:
    assert kubectl("cordon", node).out == f"node/{node} cordoned\n"
    assert kubectl("cordon", node).out == f"node/{node} already cordoned\n"
    assert kubectl("get", "node", node).rows[1][1] == "Ready,SchedulingDisabled"
    kubectl.create(pod("web"))
    assert kubectl.events("web", "FailedScheduling").startswith("0/1 nodes are available: 1 node(s) were unschedulable")
    assert kubectl.get("pod", "web")["status"]["phase"] == "Pending"
    assert kubectl("uncordon", node).out == f"node/{node} uncordoned\n"
    kubectl.ready("web")


def test_taints(kubectl: Kubectl, node: str) -> None:
    assert kubectl("taint", "node", node, "e2e=yes:NoSchedule").out == f"node/{node} tainted\n"
    tolerant = [{"key": "e2e", "operator": "Exists", "effect": "NoSchedule"}]
    kubectl.create(pod("refused"), pod("tolerant", tolerations=tolerant))
    assert "had untolerated taint" in kubectl.events("refused", "FailedScheduling")
    kubectl.ready("tolerant")
    assert kubectl("taint", "node", node, "e2e:NoSchedule-").out == f"node/{node} untainted\n"
    kubectl.ready("refused")


def test_drain(kubectl: Kubectl, node: str) -> None:
    """kubectl deletes the Pods, as it does wherever the eviction subresource is not served."""
    kubectl.create(pod("web", labels={"app": "web"}))
    kubectl.ready("web")
    refused = kubectl("drain", node, "--pod-selector=app=web", code=1)
    assert "cannot delete" in refused.err and "--force" in refused.err
    drained = kubectl("drain", node, "--force", "--pod-selector=app=web", "--timeout=20s")
    assert f"node/{node} drained" in drained.out
    assert kubectl("get", "pods").out == ""


def test_proxy(kubectl: Kubectl) -> None:
    kubectl.create(config_map("one", key="value"))
    with kubectl.start("proxy", "--port=0") as proxy:
        address = proxy.shows("Starting to serve on ").split()[-1]
        url = f"http://{address}/api/v1/namespaces/{kubectl.namespace}/configmaps/one"
        with urlopen(url, timeout=10) as answer:
            assert json.loads(answer.read())["data"] == {"key": "value"}


def test_what_is_not_served_is_refused_in_a_sentence(kubectl: Kubectl) -> None:
    def refused(*arguments: str) -> str:
        return kubectl(*arguments, code=1).err.strip()

    assert refused("get", "crontabs") == 'error: the server doesn\'t have a resource type "crontabs"'
    kind = {"apiVersion": "example.com/v1", "kind": "CronTab", "metadata": {"name": "x"}}
    unknown = kubectl("apply", "-f", "-", input=kind, code=1).err
    assert 'no matches for kind "CronTab" in version "example.com/v1"' in unknown


def test_events_of_a_pod_that_does_not_fit(kubectl: Kubectl) -> None:
    kubectl.create(pod("big", container(resources={"requests": {"cpu": "1000"}})), waiting_pod("other"))
    message = kubectl.events("big", "FailedScheduling")
    assert message.startswith("0/1 nodes are available: 1 Insufficient cpu")
    condition = until(lambda: kubectl.get("pod", "big")["status"].get("conditions"))[0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert kubectl("get", "pod", "big").rows[1][2] == "Pending"
