"""APIServices and ComponentStatuses over the wire."""

from __future__ import annotations

import pytest

from minikube_py.daemon.clock import settle
from minikube_py.store.base import Unavailable
from tests.apiserver.conftest import Api

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
STATUSES = "/api/v1/componentstatuses"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


async def test_every_group_version_has_its_object(api: Api) -> None:
    groups = (await api.ok("GET", "/apis"))["groups"]
    served = {f"{v['version']}.{g['name']}" for g in groups for v in g["versions"]} | {"v1."}
    items = (await api.ok("GET", SERVICES))["items"]
    assert {i["metadata"]["name"] for i in items} == served - {"v1.apiregistration.k8s.io"}
    assert all(i["status"]["conditions"][0]["status"] == "True" for i in items)
    assert {i["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] for i in items} == {"onstart"}


async def test_a_deleted_one_comes_back_and_a_stale_one_goes(api: Api) -> None:
    await api.ok("DELETE", f"{SERVICES}/v1.apps")
    stale = {
        "metadata": {"name": "v1.gone.io", "labels": {"kube-aggregator.kubernetes.io/automanaged": "true"}},
        "spec": {"group": "gone.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1},
    }
    await api.ok("POST", SERVICES, stale)
    own = {**stale, "metadata": {"name": "v1.own.io"}, "spec": {**stale["spec"], "group": "own.io"}}
    await api.ok("POST", SERVICES, own)
    await settle()
    await api.ok("GET", f"{SERVICES}/v1.apps")
    await api.ok("DELETE", f"{SERVICES}/v1.batch")
    await settle()
    assert (await api.ask("GET", f"{SERVICES}/v1.gone.io")).status == 404
    await api.ok("GET", f"{SERVICES}/v1.own.io")


async def test_custom_groups_come_and_go(api: Api) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await api.ok("POST", crds, {"metadata": {"name": "things.example.com"}, "spec": spec})
    await settle()
    found = await api.ok("GET", f"{SERVICES}/v1.example.com")
    assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
    await api.ok("DELETE", f"{crds}/things.example.com")
    await settle()
    assert (await api.ask("GET", f"{SERVICES}/v1.example.com")).status == 404


async def test_an_aggregated_one_is_refused(api: Api) -> None:
    spec = {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"namespace": "kube-system", "name": "metrics-server"}}  # fmt: skip
    answer = await api.ask("POST", SERVICES, {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": spec})
    assert answer.status == 422
    assert "aggregated APIs are not supported yet" in answer.json["message"]


async def test_component_statuses(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await api.ask("GET", STATUSES)
    assert answer.headers["warning"] == '299 - "v1 ComponentStatus is deprecated in v1.19+"'
    assert answer.json["kind"] == "ComponentStatusList"
    table = await api.ok("GET", STATUSES, headers=TABLE)
    assert [row["cells"] for row in table["rows"]] == [
        ["controller-manager", "Unknown", "", ""], ["etcd-0", "Healthy", "ok", ""], ["scheduler", "Unknown", "", ""],
    ]  # fmt: skip
    lease = {"holderIdentity": "a", "renewTime": "2199-01-01T00:00:00.000000Z", "leaseDurationSeconds": 15}
    assert (await api.ask("GET", f"{STATUSES}?includeObject=All", headers=TABLE)).status == 400
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    await api.ok("POST", leases, {"metadata": {"name": "kube-scheduler"}, "spec": lease})
    one = await api.ok("GET", f"{STATUSES}/scheduler")
    assert one["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    only = await api.ok("GET", f"{STATUSES}?fieldSelector=metadata.name%3Detcd-0")
    assert [i["metadata"]["name"] for i in only["items"]] == ["etcd-0"]

    async def unavailable() -> int:
        raise Unavailable("no etcd")

    monkeypatch.setattr(api.cluster.server.storage.store, "revision", unavailable)
    one = await api.ok("GET", f"{STATUSES}/etcd-0")
    assert one["conditions"] == [{"type": "Healthy", "status": "False", "error": "no etcd"}]


@pytest.mark.parametrize(
    "method, path, code",
    [("GET", "/nothing", 404), ("DELETE", "/etcd-0", 405), ("POST", "", 405), ("GET", "/etcd-0/status", 404)],
)
async def test_component_statuses_that_are_none(api: Api, method: str, path: str, code: int) -> None:
    assert (await api.ask(method, STATUSES + path)).status == code


async def test_discovery_lists_component_statuses(api: Api) -> None:
    listed = (await api.ok("GET", "/api/v1"))["resources"]
    (found,) = [r for r in listed if r["name"] == "componentstatuses"]
    assert (found["shortNames"], found["verbs"], found["namespaced"]) == (["cs"], ["get", "list"], False)
