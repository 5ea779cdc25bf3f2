"""Custom resources: the generic verbs over a schema that somebody defined."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import start
from minikube_py.client.transport import AppTransport
from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.daemon.run import named_group
from minikube_py.store.memory import MemoryStore
from tests.apiserver.conftest import Api, Watching
from tests.apiserver.crd_samples import CRDS, CRONTABS, SCHEMA, Object, crd, crontab, full, install, version

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def refused(api: Api, spec: Object, field: str, text: str) -> None:
    answer = await api.ask("POST", CRONTABS, {"metadata": {"name": "bad"}, "spec": spec})
    assert answer.status == 422, answer
    causes = {c["field"]: c["message"] for c in answer.json["details"]["causes"]}
    assert causes[field] == text


async def test_types_and_bounds(api: Api) -> None:
    await install(api, full())
    await refused(
        api,
        {"replicas": "many"},
        "spec.replicas",
        'Invalid value: "many": must be an integer',
    )
    answer = await api.ask("POST", CRONTABS, {"metadata": {"name": "bad"}, "spec": {"image": 1}})
    assert answer.json["message"] == (
        'CronTab.stable.example.com "bad" is invalid: spec.image: Invalid value: "integer": '
        'spec.image in body must be of type string: "integer"'
    )
    too_much = "Invalid value: 11: spec.replicas in body should be less than or equal to 10"
    await refused(api, {"replicas": 11}, "spec.replicas", too_much)
    await refused(api, {"policy": "x"}, "spec.policy", 'Unsupported value: "x": supported values: "Allow", "Forbid"')
    await refused(
        api,
        {"port": True},
        "spec.port",
        'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    )
    await refused(api, {"tags": ["a", "b", "a"]}, "spec.tags[2]", 'Duplicate value: "a"')
    await refused(
        api, {"image": None}, "spec.image", 'Invalid value: "null": spec.image in body must be of type string: "null"'
    )
    answer = await api.ask("POST", CRONTABS, {"metadata": {"name": "bad"}})
    assert "spec: Required value" in answer.json["message"]
    await refused(api, {"template": {"apiVersion": "v1"}}, "spec.template.kind", "Required value: must not be empty")
    bad = {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a b": "c"}}}}
    answer = await api.ask("POST", CRONTABS, {"metadata": {"name": "bad"}, "spec": bad})
    assert "spec.template.metadata.labels" in [c["field"] for c in answer.json["details"]["causes"]]


async def test_defaults_pruning_and_field_validation(api: Api) -> None:
    await install(api, full())
    sent = crontab(
        bogus=1,
        free={"any": {"thing": [1]}},
        note=None,
        steps=[{"name": "a", "odd": 1}],
        port="http",
        template={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "strange": 1}, "spec": {"kept": True}},
    )
    sent["metadata"]["wrong"] = 1
    sent["extra"] = True
    strict = await api.ask("POST", f"{CRONTABS}?fieldValidation=Strict", sent)
    assert strict.status == 400
    for name in ("metadata.wrong", "extra", "spec.bogus", "spec.steps[0].odd", "spec.template.metadata.strange"):
        assert f'unknown field "{name}"' in strict.json["message"]
    warned = await api.ask("POST", f"{CRONTABS}?dryRun=All", sent)
    assert warned.status == 201 and "unknown field" in warned.headers["warning"]
    silent = await api.ask("POST", f"{CRONTABS}?fieldValidation=Ignore", sent)
    assert silent.status == 201 and "warning" not in silent.headers
    assert silent.json["spec"] == {
        "cronSpec": "* * * * */5",
        "free": {"any": {"thing": [1]}},
        "note": None,
        "port": "http",
        "steps": [{"name": "a", "seconds": 30}],
        "policy": "Allow",
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"kept": True}},
    }
    assert "extra" not in silent.json and "wrong" not in silent.json["metadata"]
    assert (await api.ok("GET", f"{CRONTABS}/c")) == silent.json


async def test_metadata_has_the_rules_of_all_objects(api: Api) -> None:
    await install(api, full())
    bad = crontab("Upper")
    assert (await api.ask("POST", CRONTABS, bad)).status == 422
    bad = crontab("a")
    bad["metadata"]["labels"] = {"a": 1}
    assert (await api.ask("POST", CRONTABS, bad)).status == 400
    assert (await api.ask("POST", CRONTABS.replace("default", "nowhere"), crontab())).status == 404
    made = crontab()
    made["apiVersion"] = "stable.example.com/v2"
    assert (await api.ask("POST", CRONTABS, made)).status == 400


async def test_status_is_apart_and_generation_counts_the_rest(api: Api) -> None:
    await install(api, full())
    made = await api.ok("POST", CRONTABS, crontab(replicas=2) | {"status": {"phase": "Lost"}})
    assert "status" not in made and made["metadata"]["generation"] == 1
    made["status"] = {"phase": "Ready"}
    made["spec"]["image"] = "a"
    plain = await api.ok("PUT", f"{CRONTABS}/c", made)
    assert "status" not in plain and plain["metadata"]["generation"] == 2
    plain["status"] = {"phase": "Ready", "strange": 1}
    plain["spec"]["image"] = "b"
    plain["metadata"]["labels"] = {"not": "taken"}
    status = await api.ok("PUT", f"{CRONTABS}/c/status", plain)
    assert status["status"] == {"phase": "Ready"} and status["spec"]["image"] == "a"
    assert status["metadata"]["generation"] == 2 and "labels" not in status["metadata"]
    wrong = await api.ask("PATCH", f"{CRONTABS}/c/status", {"status": {"phase": 1}}, content_type=MERGE)
    assert wrong.status == 422 and wrong.json["details"]["causes"][0]["field"] == "status.phase"
    labelled = await api.ok("PATCH", f"{CRONTABS}/c", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    assert labelled["metadata"]["generation"] == 2


async def test_without_the_status_subresource_everything_counts(api: Api) -> None:
    await install(api, crd())
    made = await api.ok("POST", CRONTABS, crontab() | {"status": {"phase": "New"}})
    assert made["status"] == {"phase": "New"}
    made["status"]["phase"] = "Old"
    changed = await api.ok("PUT", f"{CRONTABS}/c", made)
    assert changed["status"] == {"phase": "Old"} and changed["metadata"]["generation"] == 2
    assert (await api.ask("GET", f"{CRONTABS}/c/status")).status == 404
    assert (await api.ask("GET", f"{CRONTABS}/c/scale")).status == 404


async def test_scale(api: Api) -> None:
    await install(api, full())
    await api.ok("POST", CRONTABS, crontab(replicas=2))
    patch = {"status": {"replicas": 1, "selector": "app=a"}}
    await api.ok("PATCH", f"{CRONTABS}/c/status", patch, content_type=MERGE)
    scale = await api.ok("GET", f"{CRONTABS}/c/scale")
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
    assert scale["status"] == {"replicas": 1, "selector": "app=a"}
    scale["spec"]["replicas"] = 4
    await api.ok("PUT", f"{CRONTABS}/c/scale", scale)
    assert (await api.ok("GET", f"{CRONTABS}/c"))["spec"]["replicas"] == 4
    too_many = await api.ask("PATCH", f"{CRONTABS}/c/scale", {"spec": {"replicas": 40}}, content_type=MERGE)
    assert too_many.status == 422


async def test_patches(api: Api) -> None:
    await install(api, full())
    await api.ok("POST", CRONTABS, crontab(steps=[{"name": "a"}], labels={"x": "1"}))
    path = f"{CRONTABS}/c"
    merged = await api.ok("PATCH", path, {"spec": {"labels": {"y": "2"}, "image": "i"}}, content_type=MERGE)
    assert merged["spec"]["labels"] == {"x": "1", "y": "2"}
    operations = [{"op": "replace", "path": "/spec/image", "value": "j"}]
    changed = await api.ok("PATCH", path, operations, content_type="application/json-patch+json")
    assert changed["spec"]["image"] == "j"
    for media in ("application/strategic-merge-patch+json", "text/plain"):
        answer = await api.ask("PATCH", path, {"spec": {}}, content_type=media)
        assert answer.status == 415 and "strategic" not in answer.json["message"]


async def test_apply_by_the_schema(api: Api) -> None:
    await install(api, full())
    path = f"{CRONTABS}/c"

    def config(**spec: Any) -> Object:
        head = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "c"}}
        return {**head, "spec": spec}

    first = config(cronSpec="* * * * *", steps=[{"name": "a", "seconds": 1}], tags=["x"], free={"mine": 1})
    made = await api.ask("PATCH", f"{path}?fieldManager=one", first, content_type=APPLY)
    assert made.status == 201
    second = config(steps=[{"name": "b", "seconds": 2}], tags=["y"])
    both = await api.ok("PATCH", f"{path}?fieldManager=two", second, content_type=APPLY)
    assert [s["name"] for s in both["spec"]["steps"]] == ["a", "b"] and both["spec"]["tags"] == ["x", "y"]
    owned = {e["manager"]: e["fieldsV1"]["f:spec"] for e in both["metadata"]["managedFields"]}
    assert 'k:{"name":"b"}' in owned["two"]["f:steps"] and 'v:"x"' in owned["one"]["f:tags"]
    clash = config(cronSpec="1 * * * *")
    answer = await api.ask("PATCH", f"{path}?fieldManager=two", clash, content_type=APPLY)
    assert answer.status == 409 and answer.json["details"]["causes"][0]["field"] == ".spec.cronSpec"
    gone = await api.ok("PATCH", f"{path}?fieldManager=two", config(), content_type=APPLY)
    assert [s["name"] for s in gone["spec"]["steps"]] == ["a"] and gone["spec"]["tags"] == ["x"]
    await api.ok("PATCH", f"{path}?fieldManager=two&force=true", clash, content_type=APPLY)
    # A new field next to another's in what the schema leaves open is no conflict.
    shared = config(free={"theirs": 2})
    found = await api.ok("PATCH", f"{path}?fieldManager=three", shared, content_type=APPLY)
    assert found["spec"]["free"] == {"mine": 1, "theirs": 2}


async def test_apply_to_what_the_schema_leaves_open(api: Api) -> None:
    """Unknown members are owned one by one, as deep as they are objects; the declared ones as they are declared."""
    await install(api, full())
    path = f"{CRONTABS}/c"
    head = {"apiVersion": "v1", "kind": "Pod"}

    def config(**template: Any) -> Object:
        top = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "c"}}
        return {**top, "spec": {"template": {**head, **template}}}

    first = config(metadata={"labels": {"a": "1"}}, spec={"x": {"y": 1, "l": [1, 2]}})
    made = await api.ask("PATCH", f"{path}?fieldManager=one", first, content_type=APPLY)
    assert made.status == 201, made
    fields = made.json["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]
    assert fields["f:spec"] == {".": {}, "f:x": {".": {}, "f:l": {}, "f:y": {}}}
    assert fields["f:metadata"] == {"f:labels": {"f:a": {}}}
    both = await api.ok("PATCH", f"{path}?fieldManager=two", config(spec={"x": {"z": 2}}), content_type=APPLY)
    assert both["spec"]["template"]["spec"] == {"x": {"y": 1, "l": [1, 2], "z": 2}}
    clash = config(spec={"x": {"l": [3]}})
    answer = await api.ask("PATCH", f"{path}?fieldManager=two", clash, content_type=APPLY)
    assert answer.status == 409
    assert [c["field"] for c in answer.json["details"]["causes"]] == [".spec.template.spec.x.l"]
    less = config(metadata={"labels": {"a": "1"}}, spec={"x": {"l": [1, 2]}})
    left = await api.ok("PATCH", f"{path}?fieldManager=one", less, content_type=APPLY)
    assert left["spec"]["template"]["spec"] == {"x": {"l": [1, 2], "z": 2}}


async def test_apply_to_an_open_root(api: Api) -> None:
    await install(api, crd(version(schema={"type": "object", "x-kubernetes-preserve-unknown-fields": True})))
    config = {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "c"}}
    first = {**config, "data": {"a": {"b": 1}}}
    made = await api.ask("PATCH", f"{CRONTABS}/c?fieldManager=one", first, content_type=APPLY)
    assert made.status == 201 and made.json["data"] == {"a": {"b": 1}}
    more = {**config, "data": {"a": {"c": 2}}}
    found = await api.ok("PATCH", f"{CRONTABS}/c?fieldManager=two", more, content_type=APPLY)
    assert found["data"] == {"a": {"b": 1, "c": 2}}
    changed = await api.ok("PATCH", f"{CRONTABS}/c?fieldManager=x", {"data": {"a": {"b": 3}}}, content_type=MERGE)
    assert changed["data"]["a"]["b"] == 3
    owned = {e["manager"]: e["fieldsV1"] for e in changed["metadata"]["managedFields"]}
    assert owned["x"] == {"f:data": {"f:a": {"f:b": {}}}}


async def test_table_and_selectors(api: Api) -> None:
    await install(api, full())
    await api.ok("POST", CRONTABS, crontab("a", image="i", replicas=3))
    await api.ok("POST", CRONTABS, crontab("b", image="j"))
    ready = {"status": {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}]}}
    await api.ok("PATCH", f"{CRONTABS}/a/status", ready, content_type=MERGE)
    await api.clock.advance(300)
    table = await api.ok("GET", CRONTABS, headers={"accept": TABLE})
    assert [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", "string", 0),
        ("Spec", "string", 0),
        ("Replicas", "integer", 0),
        ("Ready", "string", 0),
        ("Image", "string", 1),
        ("Age", "date", 0),
    ]
    assert [r["cells"] for r in table["rows"]] == [
        ["a", "* * * * */5", 3, "True", "i", "5m"],
        ["b", "* * * * */5", None, None, "j", "5m"],
    ]
    for selector, names in (("spec.image=j", ["b"]), ("spec.replicas!=3", ["b"]), ("metadata.name=a", ["a"])):
        found = await api.ok("GET", f"{CRONTABS}?fieldSelector={selector.replace('=', '%3D')}")
        assert [i["metadata"]["name"] for i in found["items"]] == names, selector
    assert (await api.ask("GET", f"{CRONTABS}?fieldSelector=spec.cronSpec%3Dx")).status == 400
    await install(api, crd(plural="plains", kind="Plain", listKind="ManyPlain"))
    assert (await api.ok("GET", "/apis/stable.example.com/v1/plains"))["kind"] == "ManyPlain"
    table = await api.ok("GET", "/apis/stable.example.com/v1/plains", headers={"accept": TABLE})
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Age"]


async def test_watch_and_deletecollection(api: Api) -> None:
    await install(api, full())
    selected = f"{CRONTABS}?fieldSelector=spec.image%3Di"
    async with Watching(api, CRONTABS) as everything, Watching(api, selected) as some:
        await api.ok("POST", CRONTABS, crontab("a", image="i") | {"metadata": {"name": "a", "labels": {"x": "y"}}})
        await api.ok("POST", CRONTABS, crontab("b"))
        await api.ok("PATCH", f"{CRONTABS}/a", {"spec": {"image": "k"}}, content_type=MERGE)
        await api.ok("DELETE", f"{CRONTABS}?labelSelector=x%3Dy")
        assert await everything.seen() == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]
        assert await some.seen() == [("ADDED", "a"), ("DELETED", "a")]
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    found = await api.ok("GET", CRONTABS, headers={"accept": partial})
    assert found["items"][0]["kind"] == "PartialObjectMetadata" and "spec" not in found["items"][0]


async def test_versions_show_the_same_objects(api: Api) -> None:
    old_schema = copy.deepcopy(SCHEMA)
    old_schema["properties"]["spec"]["properties"]["mood"] = {"type": "string", "default": "calm"}
    beta = version("v1beta1", old_schema, storage=False, deprecated=True)
    await install(api, crd(version("v1"), beta))
    other = CRONTABS.replace("v1/", "v1beta1/")
    made = await api.ask("POST", other, crontab("a", mood="wild"))
    assert made.status == 201 and made.json["apiVersion"] == "stable.example.com/v1beta1"
    assert made.headers["warning"] == '299 - "stable.example.com/v1beta1 CronTab is deprecated"'
    assert "is deprecated" in (await api.ask("GET", other)).headers["warning"]
    assert "mood" not in (await api.ok("GET", f"{CRONTABS}/a"))["spec"]
    assert (await api.ok("GET", f"{other}/a"))["spec"]["mood"] == "wild"
    await api.ok("POST", CRONTABS, crontab("b"))
    shown = await api.ok("GET", other)
    assert [(i["apiVersion"].rpartition("/")[2], i["spec"]["mood"]) for i in shown["items"]] == [
        ("v1beta1", "wild"),
        ("v1beta1", "calm"),
    ]
    async with Watching(api, other) as watching:
        await api.ok("PATCH", f"{CRONTABS}/b", {"spec": {"image": "i"}}, content_type=MERGE)
        await watching.seen()
        assert watching.events[-1][1]["apiVersion"] == "stable.example.com/v1beta1"
    # The storage version changes: what was stored as v1 is shown as before, and rewritten by a write.
    path = f"{CRDS}/crontabs.stable.example.com"
    definition = await api.ok("GET", path)
    for v in definition["spec"]["versions"]:
        v["storage"] = not v["storage"]
    await api.ok("PUT", path, definition)
    await settle()
    read = await api.ok("GET", f"{CRONTABS}/b")
    assert read["apiVersion"] == "stable.example.com/v1" and read["spec"]["image"] == "i"
    written = await api.ok("PUT", f"{CRONTABS}/b", read)
    assert written["metadata"]["resourceVersion"] != read["metadata"]["resourceVersion"]
    again = await api.ok("PUT", f"{CRONTABS}/b", written)
    assert again["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


async def test_what_was_wrong_before_may_stay(api: Api) -> None:
    await install(api, full())
    await api.ok("POST", CRONTABS, crontab(image="a long name", steps=[{"name": "a", "seconds": 1}]))
    path = f"{CRDS}/crontabs.stable.example.com"
    definition = await api.ok("GET", path)
    props = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    props["image"]["maxLength"] = 5
    props["steps"]["items"]["properties"]["seconds"]["minimum"] = 10
    await api.ok("PUT", path, definition)
    await settle()
    kept = await api.ok("PATCH", f"{CRONTABS}/c", {"spec": {"replicas": 2}}, content_type=MERGE)
    assert kept["spec"]["image"] == "a long name"
    wrong = await api.ask("PATCH", f"{CRONTABS}/c", {"spec": {"image": "another name"}}, content_type=MERGE)
    assert wrong.json["details"]["causes"][0]["message"] == "Too long: may not be more than 5 bytes"


async def test_another_scope_the_second_time(api: Api) -> None:
    """Nothing remembers a definition that is gone."""
    await install(api, crd(scope="Cluster"))
    await api.ok("POST", "/apis/stable.example.com/v1/crontabs", crontab())
    await api.ok("DELETE", f"{CRDS}/crontabs.stable.example.com")
    await settle()
    await install(api, crd())
    assert (await api.ok("GET", CRONTABS))["items"] == []
    refused = await api.ask("POST", CRONTABS.replace("default", "nowhere"), crontab())
    assert (refused.status, refused.json["details"]["kind"]) == (404, "namespaces")
    await api.ok("POST", CRONTABS, crontab())


async def test_no_protobuf(api: Api) -> None:
    await install(api, full())
    answer = await api.ask("POST", CRONTABS, b"k8s\0x", content_type="application/vnd.kubernetes.protobuf")
    assert answer.status == 415
    assert (
        await api.ask("POST", CRONTABS, b"metadata: {name: from-yaml}\nspec: {}", content_type="application/yaml")
    ).status == 201


async def test_a_definition_is_applied_like_anything_else(api: Api) -> None:
    path = f"{CRDS}/crontabs.stable.example.com"
    made = await api.ask("PATCH", f"{path}?fieldManager=one", full(), content_type=APPLY)
    assert made.status == 201, made
    await settle()
    again = await api.ask("PATCH", f"{path}?fieldManager=one", full(), content_type=APPLY)
    assert again.status == 200 and again.json["metadata"]["generation"] == 1
    found = await api.ok("GET", path)
    assert found["metadata"]["resourceVersion"] == again.json["metadata"]["resourceVersion"]
    patch = {"spec": {"versions": [{"name": "v1", "served": False, "storage": True}]}}
    strategic = await api.ask("PATCH", path, patch, content_type="application/strategic-merge-patch+json")
    assert strategic.status == 422  # the list of versions is replaced: the schema is missing
    quantity = {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
        "pattern": "^[0-9]+m?$",
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"cpu": quantity}}}}
    changed = {**full(), "spec": {**full()["spec"], "versions": [version(schema=schema)]}}
    await api.ok("PATCH", f"{path}?fieldManager=one", changed, content_type=APPLY)
    await settle()
    for cpu, status in ((1, 201), ("5m", 201), ("x", 422), (True, 422)):
        obj = {"metadata": {"name": f"c-{str(cpu).lower()}"}, "spec": {"cpu": cpu}}
        assert (await api.ask("POST", CRONTABS, obj)).status == status, cpu


async def test_cluster_scope(api: Api) -> None:
    await install(api, crd(scope="Cluster"))
    path = "/apis/stable.example.com/v1/crontabs"
    made = await api.ok("POST", path, crontab())
    assert "namespace" not in made["metadata"]
    assert (await api.ask("GET", CRONTABS)).status == 404
    await api.ok("DELETE", f"{path}/c")


async def test_definitions_are_there_before_a_restarted_server_is_ready_and_servers_follow_each_other() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    config = Config(storage_backend="memory")

    async def call(server: Any, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        import orjson

        transport = AppTransport(server.app, user="admin", groups=("system:masters",))
        sent = None if body is None else orjson.dumps(body)
        answer = await transport.request(method, path, headers={"content-type": "application/json"}, body=sent)
        return answer.status, orjson.loads(answer.body)

    async with named_group() as tasks, start(config, clock, tasks, store) as one:
        assert (await call(one, "POST", CRDS, full()))[0] == 201
        await settle()
        assert (await call(one, "POST", CRONTABS, crontab()))[0] == 201
        async with start(config, clock, tasks, store) as two:
            assert (await call(two, "GET", f"{CRONTABS}/c"))[0] == 200
            assert (await call(two, "POST", CRDS, crd(plural="others", kind="Other")))[0] == 201
            await settle()
            assert (await call(one, "GET", CRONTABS.replace("crontabs", "others")))[0] == 200
            assert (await call(one, "DELETE", f"{CRDS}/crontabs.stable.example.com"))[0] == 200
            await settle()
            for server in (one, two):
                assert (await call(server, "GET", CRONTABS))[0] == 404
    async with named_group() as tasks, start(config, clock, tasks, store) as three:
        status, found = await call(three, "GET", f"{CRDS}/others.stable.example.com")
        assert status == 200 and found["status"]["acceptedNames"]["kind"] == "Other"
        assert (await call(three, "GET", CRONTABS.replace("crontabs", "others")))[0] == 200


@pytest.mark.parametrize("count", [60])
async def test_many_definitions_at_once(api: Api, count: int) -> None:
    made = [crd(plural=f"things{i}s", kind=f"Thing{i}", group=f"g{i % 3}.example.com") for i in range(count)]
    answers = await asyncio.gather(*(api.ask("POST", CRDS, d) for d in made))
    assert {a.status for a in answers} == {201}
    await settle(100_000)
    for definition in made:
        name = definition["metadata"]["name"]
        plural, _, group = name.partition(".")
        assert (await api.ask("GET", f"/apis/{group}/v1/{plural}")).status == 200
    await asyncio.gather(*(api.ask("DELETE", f"{CRDS}/{d['metadata']['name']}") for d in made))
    await settle(100_000)
    assert (await api.ok("GET", CRDS))["items"] == []
