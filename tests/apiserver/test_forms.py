"""The forms of an answer: tables, metadata only, and the documents that describe the server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minikube_py import KUBERNETES_VERSION
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Kind
from tests.apiserver.conftest import CONFIGMAPS, PODS, Api, Object, Watching, pod

KUBECTL = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
"""What `kubectl get` sends, 1.32 and 1.36 alike."""
DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MERGE = "application/merge-patch+json"

BODIES: dict[str, Object] = {
    "Namespace": {}, "Node": {}, "Pod": {"spec": pod()["spec"]}, "ConfigMap": {"data": {"k": "v"}},
    "Secret": {"data": {"k": "djE="}}, "Service": {"spec": {"ports": [{"port": 80}]}},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    "Event": {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "R", "type": "Normal"},
    "Lease": {"spec": {"holderIdentity": "me"}}, "ServiceAccount": {},
}  # fmt: skip
COLUMNS = {
    "Namespace": ["Name", "Status", "Age"],
    "Node": ["Name", "Status", "Roles", "Age", "Version",
             "Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"],
    "Pod": ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"],
    "ConfigMap": ["Name", "Data", "Age"],
    "Secret": ["Name", "Type", "Data", "Age"],
    "Service": ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"],
    "Endpoints": ["Name", "Endpoints", "Age"],
    "Event": ["Last Seen", "Type", "Reason", "Object", "Subobject", "Source", "Message", "First Seen", "Count", "Name"],
    "Lease": ["Name", "Holder", "Age"],
    "ServiceAccount": ["Name", "Age"],
}  # fmt: skip
WIDE = {
    "Node": ["Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"],
    "Pod": ["IP", "Node", "Nominated Node", "Readiness Gates"],
    "Service": ["Selector"],
    "Event": ["Subobject", "Source", "First Seen", "Count", "Name"],
}


def collection(kind: Kind) -> str:
    resource = kind.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/namespaces/default/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"


async def shown(api: Api, path: str, accept: str = KUBECTL) -> Any:
    return await api.ok("GET", path, headers={"accept": accept})


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k.resource.kind in BODIES and k.stored_as is None], ids=lambda k: k.resource.plural
)
async def test_tables(api: Api, kind: Kind) -> None:
    path = collection(kind)
    made = await api.ok("POST", path, {"metadata": {"name": "one"}, **BODIES[kind.resource.kind]})
    await api.clock.advance("90s")
    for query, included in (("", "Metadata"), ("?includeObject=Object", "Object"), ("?includeObject=None", "None")):
        for table in (await shown(api, path + query), await shown(api, f"{path}/one{query}")):
            assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
            names = [c["name"] for c in table["columnDefinitions"]]
            assert names == COLUMNS[kind.resource.kind]
            wide = [c["name"] for c in table["columnDefinitions"] if c["priority"] > 0]
            assert wide == WIDE.get(kind.resource.kind, [])
            row = next(r for r in table["rows"] if "one" in map(str, r["cells"]))
            cells = dict(zip(names, row["cells"], strict=True))
            if "Age" in cells:
                assert cells["Age"] == "90s"
            for definition, cell in zip(table["columnDefinitions"], row["cells"], strict=True):
                # Upstream calls some of its counts strings, too.
                assert isinstance(cell, int if definition["type"] == "integer" else (str, int))
            if included == "None":
                assert row["object"] is None
            elif included == "Object":
                assert row["object"] == made
            else:
                expected = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
                assert row["object"] == {**expected, "metadata": made["metadata"]}
    listed = await api.ok("GET", path)
    assert (await shown(api, path))["metadata"] == listed["metadata"]
    assert (await shown(api, f"{path}/one"))["metadata"] == {"resourceVersion": made["metadata"]["resourceVersion"]}
    first_only = await shown(api, f"{path}?limit=1")
    assert len(first_only["rows"]) == 1


async def test_the_older_version_of_a_table(api: Api) -> None:
    await api.config_map("a")
    table = await shown(api, CONFIGMAPS, "application/json;as=Table;v=v1beta1;g=meta.k8s.io")
    assert (table["apiVersion"], table["rows"][0]["object"]["apiVersion"]) == ("meta.k8s.io/v1beta1",) * 2


async def test_an_empty_table_has_its_columns(api: Api) -> None:
    table = await shown(api, CONFIGMAPS)
    assert table["rows"] == [] and [c["name"] for c in table["columnDefinitions"]] == COLUMNS["ConfigMap"]


async def test_pods_that_are_over_say_so(api: Api) -> None:
    await api.ok("POST", PODS, pod())
    await api.ok("PATCH", f"{PODS}/p/status", {"status": {"phase": "Succeeded"}}, content_type=MERGE)
    (row,) = (await shown(api, PODS))["rows"]
    assert [(c["type"], c["status"], c["reason"]) for c in row["conditions"]] == [("Completed", "True", "Succeeded")]


class Tables(Watching):
    """A watch of some form."""

    def __init__(self, api: Api, path: str, accept: str) -> None:
        super().__init__(api, path)
        self._headers = {"accept": accept}


async def test_a_watch_of_tables_has_its_columns_once(api: Api) -> None:
    await api.config_map("a")
    async with Tables(api, f"{CONFIGMAPS}?allowWatchBookmarks=true", KUBECTL) as watch:
        await api.config_map("b")
        await api.ok("PATCH", f"{CONFIGMAPS}/b", {"data": {"n": "1"}}, content_type=MERGE)
        await api.ok("DELETE", f"{CONFIGMAPS}/a")
        await api.clock.advance("61s")
        await watch.seen()
    types, tables = zip(*watch.events, strict=True)
    assert types == ("ADDED", "ADDED", "MODIFIED", "DELETED", "BOOKMARK")
    assert {t["kind"] for t in tables} == {"Table"}
    assert [bool(t["columnDefinitions"]) for t in tables] == [True, False, False, False, False]
    rows = [t["rows"][0]["cells"][:2] for t in tables[:-1]]
    assert rows == [["a", 1], ["b", 1], ["b", 2], ["a", 1]]
    deleted = tables[3]["rows"][0]["object"]["metadata"]
    assert tables[3]["metadata"]["resourceVersion"] == deleted["resourceVersion"], "the revision of the deletion"
    assert int(deleted["resourceVersion"]) > int(tables[2]["metadata"]["resourceVersion"])
    assert tables[4]["rows"] == [] and int(tables[4]["metadata"]["resourceVersion"]) > 0


async def test_a_watch_of_whole_objects_in_tables(api: Api) -> None:
    made = await api.config_map("a")
    async with Tables(api, f"{CONFIGMAPS}?includeObject=Object", KUBECTL) as watch:
        await watch.seen()
    assert watch.events[0][1]["rows"][0]["object"] == made


async def test_metadata_alone(api: Api) -> None:
    made = await api.config_map("a", labels={"x": "y"})
    expected = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": made["metadata"]}
    assert await shown(api, f"{CONFIGMAPS}/a", PARTIAL) == expected
    listed = await shown(api, CONFIGMAPS, PARTIAL_LIST)
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert listed["items"] == [expected]
    assert listed["metadata"] == (await api.ok("GET", CONFIGMAPS))["metadata"]
    async with Tables(api, CONFIGMAPS, PARTIAL) as watch:
        await api.ok("DELETE", f"{CONFIGMAPS}/a")
        await watch.seen()
    assert [(t, o["kind"], o["metadata"]["name"], "data" in o) for t, o in watch.events] == [
        ("ADDED", "PartialObjectMetadata", "a", False), ("DELETED", "PartialObjectMetadata", "a", False)
    ]  # fmt: skip
    older = await shown(api, CONFIGMAPS, PARTIAL_LIST.replace("v=v1", "v=v1beta1"))
    assert older["apiVersion"] == "meta.k8s.io/v1beta1"


async def test_writes_answer_in_the_form_asked_for(api: Api) -> None:
    body = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    made = await api.ok("POST", CONFIGMAPS, body, headers={"accept": KUBECTL})
    assert (made["kind"], made["rows"][0]["cells"][:2]) == ("Table", ["a", 1])
    patched = await api.ok(
        "PATCH", f"{CONFIGMAPS}/a", {"data": {"n": "1"}}, content_type=MERGE, headers={"accept": PARTIAL}
    )
    assert (patched["kind"], "data" in patched) == ("PartialObjectMetadata", False)


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("application/json", 200), ("*/*", 200), ("application/*", 200), ("", 200), ("APPLICATION/JSON", 200),
        ("application/json, */*", 200), ("text/html;q=0.9,*/*;q=0.8", 200), ("application/json; charset=utf-8", 200),
        ("application/vnd.kubernetes.protobuf,application/json", 200), (KUBECTL, 200),
        ("text/html", 406), ("application/vnd.kubernetes.protobuf", 406),
        ("application/xml", 406), ("application/json;as=Table;g=other;v=v1", 406), ("application/cbor", 406),
    ],
)  # fmt: skip
async def test_what_is_accepted(api: Api, accept: str, code: int) -> None:
    await api.config_map("a")
    for path in (CONFIGMAPS, f"{CONFIGMAPS}/a"):
        answer = await api.ask("GET", path, headers={"accept": accept})
        assert answer.status == code
        assert answer.headers["content-type"] == "application/json"
        if code == 406:
            assert answer.reason == "NotAcceptable" and "application/json" in answer.json["message"]
    if code == 406:
        answer = await api.ask("GET", f"{CONFIGMAPS}?watch=1", headers={"accept": accept})
        assert (answer.status, answer.reason) == (406, "NotAcceptable")


async def test_legacy_discovery(api: Api) -> None:
    api_versions = await api.ok("GET", "/api")
    assert (api_versions["kind"], api_versions["versions"]) == ("APIVersions", ["v1"])
    assert await api.ok("GET", "/api/") == api_versions
    groups = await api.ok("GET", "/apis")
    assert groups["kind"] == "APIGroupList" and await api.ok("GET", "/apis/") == groups
    for group in groups["groups"]:
        assert await api.ok("GET", f"/apis/{group['name']}") == {"kind": "APIGroup", "apiVersion": "v1", **group}
        assert await api.ok("GET", f"/apis/{group['name']}/") == {"kind": "APIGroup", "apiVersion": "v1", **group}
        resources = await api.ok("GET", f"/apis/{group['preferredVersion']['groupVersion']}")
        assert (resources["kind"], bool(resources["resources"])) == ("APIResourceList", True)
    core = await api.ok("GET", "/api/v1")
    assert core == await api.ok("GET", "/api/v1/")
    names = {r["name"] for r in core["resources"]}
    assert {k.resource.plural for k in KINDS if not k.resource.group} <= names
    assert {"pods/log", "pods/exec", "pods/attach", "pods/binding", "pods/status", "bindings"} <= names
    answer = await api.ask("GET", "/apis")
    assert answer.headers["content-type"] == "application/json"


async def test_aggregated_discovery(api: Api) -> None:
    beyond = {"authorization.k8s.io", "authentication.k8s.io", "metrics.k8s.io"}
    named = beyond | {k.resource.group for k in KINDS if k.resource.group}
    for path, expected in (("/api", {""}), ("/apis", named)):
        for accept, version in ((DISCOVERY, "v2"), (DISCOVERY.split(",", 1)[1], "v2beta1")):
            answer = await api.ask("GET", path, headers={"accept": accept})
            media = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            assert answer.headers["content-type"] == media
            found = answer.json
            assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", f"apidiscovery.k8s.io/{version}")
            assert {g["metadata"].get("name", "") for g in found["items"]} == expected
        plain = await api.ask("GET", path, headers={"accept": "application/json"})
        assert plain.headers["content-type"] == "application/json"
        assert "Accept" in plain.headers["vary"]


async def test_openapi(api: Api) -> None:
    index = await api.ok("GET", "/openapi/v3")
    assert index == await api.ok("GET", "/openapi/v3"), "the same content has the same addresses"
    assert {"api/v1", "apis/coordination.k8s.io/v1"} <= set(index["paths"])
    for path, entry in index["paths"].items():
        url = entry["serverRelativeURL"]
        assert url.startswith(f"/openapi/v3/{path}?hash=")
        document = await api.ok("GET", url)
        assert document["openapi"].startswith("3.") and document["paths"] and document["components"]["schemas"]
    hashes = [entry["serverRelativeURL"].partition("?hash=")[2] for entry in index["paths"].values()]
    assert len(set(hashes)) == len(hashes) and all(hashes), "other content, another address"
    core = await api.ok("GET", "/openapi/v3/api/v1")
    assert core["components"]["schemas"]["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Pod", "version": "v1"}
    ]
    second = await api.ok("GET", "/openapi/v2")
    assert second["swagger"] == "2.0" and "io.k8s.api.core.v1.Pod" in second["definitions"]


async def test_version_and_roots(api: Api) -> None:
    version = await api.ok("GET", "/version")
    assert version["gitVersion"] == KUBERNETES_VERSION
    assert f"v{version['major']}.{version['minor']}" == ".".join(KUBERNETES_VERSION.split(".")[:2])
    assert await api.ok("GET", "/version/") == version
    root = await api.ok("GET", "/")
    assert {"/api", "/api/v1", "/apis", "/apis/coordination.k8s.io/v1", "/healthz", "/openapi/v3", "/version"} <= set(
        root["paths"]
    )
    for path in root["paths"]:
        assert (await api.ask("GET", path)).status == 200, path
    for path in ("/unknown", "/a/b/c", "/openapi/v3/nothing", "/version/more", "/metrics/more"):
        answer = await api.ask("GET", path)
        assert (answer.status, answer.reason, answer.json["kind"]) == (404, "NotFound", "Status"), path
        assert answer.json["message"] == "the server could not find the requested resource"


async def test_health(api: Api) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/healthz/ping", "/livez/ping", "/readyz/etcd"):
        answer = await api.ask("GET", path)
        assert (answer.status, answer.raw) == (200, b"ok"), path
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    verbose = (await api.ask("GET", "/readyz?verbose")).raw.decode()
    assert "[+]ping ok\n" in verbose and "[+]etcd ok\n" in verbose and verbose.endswith("readyz check passed\n")
    excluded = (await api.ask("GET", "/readyz?verbose=1&exclude=etcd&exclude=ping")).raw.decode()
    assert "[+]etcd excluded: ok\n" in excluded and "[+]ping excluded: ok\n" in excluded
    unknown = (await api.ask("GET", "/livez?verbose&exclude=unicorn")).raw.decode()
    assert 'no matches for "unicorn"' in unknown
    namespaces = api.cluster.server.storage.caches["namespaces"]
    del namespaces.items[namespaces.key("", "kube-public")]  # as if somebody had removed it
    failed = await api.ask("GET", "/readyz")
    assert failed.status == 500
    assert "[-]poststarthook/start-system-namespaces failed: reason withheld\n" in failed.raw.decode()
    assert failed.raw.endswith(b"readyz check failed\n")
    assert (await api.ask("GET", "/livez")).status == 200


def counted(text: str, **labels: str) -> float:
    """The sum of apiserver_request_total over the lines that carry these labels."""
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(w in line for w in wanted))


async def test_metrics_move(api: Api) -> None:
    async def text() -> str:
        answer = await api.ask("GET", "/metrics")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return answer.raw.decode()

    before = await text()
    await api.config_map("a")
    for _ in range(3):
        await api.ok("GET", f"{CONFIGMAPS}/a")
    await api.ask("GET", f"{CONFIGMAPS}/none")
    await api.ask("GET", "/version")
    after = await text()

    def grown(**labels: str) -> float:
        return counted(after, **labels) - counted(before, **labels)

    assert grown(verb="get", resource="configmaps", code="200") == 3
    assert grown(verb="create", resource="configmaps", code="201") == 1
    assert grown(code="404") == 1
    assert grown(verb="get", resource="", code="200") == 2, "the version and the first look at the metrics"
    assert counted(after, code="0") == 0
    assert "# TYPE apiserver_request_duration_seconds histogram" in after
    assert "apiserver_current_inflight_requests 1" in after, "this request itself"


async def test_watches_are_in_flight(api: Api) -> None:
    async with Watching(api, CONFIGMAPS):
        assert b"apiserver_current_inflight_requests 2" in (await api.ask("GET", "/metrics")).raw
    assert b"apiserver_current_inflight_requests 1" in (await api.ask("GET", "/metrics")).raw


async def test_large_lists_come_in_pieces_and_whole(api: Api) -> None:
    for i in range(5):
        await api.ok("POST", CONFIGMAPS, {"metadata": {"name": f"big-{i}"}, "data": {"k": "x" * 500_000}})
    raw = (await api.ask("GET", CONFIGMAPS)).raw
    found = json.loads(raw)
    assert len(raw) > 2_500_000 and len(found["items"]) == 5
