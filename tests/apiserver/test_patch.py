"""PATCH in its four forms, and who owns which field after every kind of write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver.conftest import CONFIGMAPS, PODS, Answer, Api, pod

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

Object = dict[str, Any]


async def patch(api: Api, path: str, body: Any, media: str, **headers: str) -> Answer:
    return await api.ask("PATCH", path, body, content_type=media, headers=headers)


async def apply(api: Api, path: str, obj: Any, manager: str = "one", query: str = "") -> Answer:
    return await patch(api, f"{path}?fieldManager={manager}{query}", obj, APPLY)


def config_map(name: str = "a", data: Object | None = None, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"k": "v"}}


def only_cause(answer: Answer) -> tuple[str, str, str]:
    (cause,) = answer.json["details"]["causes"]
    return cause["reason"], cause.get("field", ""), cause["message"]


def owners(obj: Object) -> dict[tuple[str, str, str], Object]:
    """What each (manager, operation, sub-resource) owns."""
    found = obj["metadata"].get("managedFields", [])
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in found}


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (JSON_PATCH, [{"op": "test", "path": "/data/k", "value": "v"}, {"op": "add", "path": "/data/n", "value": "w"}]),
        (MERGE, {"data": {"n": "w"}}),
        (STRATEGIC, {"data": {"n": "w"}}),
    ],
)
async def test_each_kind_of_patch_changes_what_it_names(api: Api, media: str, body: Any) -> None:
    made = await api.config_map("a")
    answer = await patch(api, f"{CONFIGMAPS}/a", body, media)
    assert answer.status == 200
    assert answer.json["data"] == {"k": "v", "n": "w"}
    assert int(answer.json["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == answer.json


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (JSON_PATCH, [
            {"op": "replace", "path": "/status/phase", "value": "Running"},
            {"op": "add", "path": "/spec/nodeName", "value": "n"},
        ]),
        (MERGE, {"status": {"phase": "Running"}, "spec": {"nodeName": "n"}}),
        (STRATEGIC, {"status": {"phase": "Running"}, "spec": {"nodeName": "n"}}),
    ],
)  # fmt: skip
async def test_a_patch_of_status_leaves_the_spec_alone(api: Api, media: str, body: Any) -> None:
    await api.ok("POST", PODS, pod())
    changed = await api.ok("PATCH", f"{PODS}/p/status", body, content_type=media)
    assert changed["status"]["phase"] == "Running"
    assert "nodeName" not in changed["spec"]
    assert changed["metadata"]["generation"] == 1


async def test_a_plain_patch_leaves_status_alone(api: Api) -> None:
    await api.ok("POST", PODS, pod())
    changed = await api.ok("PATCH", f"{PODS}/p", {"status": {"phase": "Failed"}}, content_type=MERGE)
    assert changed["status"]["phase"] == "Pending"


async def test_null_removes_and_lists_are_replaced_by_a_merge_patch(api: Api) -> None:
    await api.ok("POST", PODS, pod(tolerations=[{"key": "a", "operator": "Exists"}]))
    body = {"metadata": {"labels": {"x": "y", "gone": None}}, "spec": {"tolerations": None}}
    changed = await api.ask("PATCH", f"{PODS}/p", body, content_type=MERGE)
    assert (changed.status, changed.reason) == (422, "Invalid"), "a Pod's tolerations can only be added to"
    labelled = await api.ok("PATCH", f"{PODS}/p", {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE)
    assert labelled["metadata"]["labels"] == {"x": "y"}
    bare = await api.ok("PATCH", f"{PODS}/p", {"metadata": {"labels": {"x": None}}}, content_type=MERGE)
    assert "labels" not in bare["metadata"]


async def test_strategic_directives(api: Api) -> None:
    node = {
        "metadata": {"name": "n", "finalizers": ["a.b/one", "a.b/two"], "labels": {"x": "1", "y": "2"}},
        "spec": {"taints": [{"key": "k1", "effect": "NoSchedule"}, {"key": "k2", "effect": "NoSchedule"}]},
    }
    await api.ok("POST", "/api/v1/nodes", node)
    body = {
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/one"], "labels": {"$patch": "replace", "z": "3"}},
    }
    changed = await api.ok("PATCH", "/api/v1/nodes/n", body, content_type=STRATEGIC)
    assert changed["metadata"]["finalizers"] == ["a.b/two"]
    assert {k: v for k, v in changed["metadata"]["labels"].items() if len(k) == 1} == {"z": "3"}
    assert "$" not in json.dumps(changed)

    status = {
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
            "addresses": [{"type": "Hostname", "address": "n"}],
        }
    }
    await api.ok("PATCH", "/api/v1/nodes/n/status", status, content_type=STRATEGIC)
    body = {
        "status": {
            "conditions": [
                {"type": "New", "status": "True"},
                {"type": "Other", "$patch": "delete"},
                {"type": "Ready", "status": "False"},
            ],
            "$setElementOrder/conditions": [{"type": "New"}, {"type": "Ready"}],
        }
    }
    changed = await api.ok("PATCH", "/api/v1/nodes/n/status", body, content_type=STRATEGIC)
    assert [(c["type"], c["status"]) for c in changed["status"]["conditions"]] == [("New", "True"), ("Ready", "False")]

    await api.ok("POST", PODS, pod())
    body = {"spec": {"containers": [{"name": "c", "image": "web:2"}]}}
    merged = await api.ok("PATCH", f"{PODS}/p", body, content_type=STRATEGIC)
    assert merged["spec"]["containers"][0]["image"] == "web:2"
    assert merged["spec"]["containers"][0]["terminationMessagePath"] == "/dev/termination-log", "merged, not replaced"

    unnamed = await patch(api, f"{PODS}/p", {"spec": {"containers": [{"image": "x"}]}}, STRATEGIC)
    assert (unnamed.status, unnamed.reason) == (400, "BadRequest")
    assert "does not contain declared merge key: name" in unnamed.json["message"]
    unknown = await patch(api, f"{PODS}/p", {"metadata": {"$patch": "explode"}}, STRATEGIC)
    assert (unknown.status, unknown.reason) == (400, "BadRequest")
    assert "explode" in unknown.json["message"]


async def test_json_patch_that_fails_or_is_malformed(api: Api) -> None:
    made = await api.config_map("a")
    for operations in (
        [{"op": "test", "path": "/data/k", "value": "other"}],
        [{"op": "remove", "path": "/data/none"}],
        [{"op": "replace", "path": "/data/none", "value": "x"}],
        [{"op": "add", "path": "/data/new", "value": "x"}, {"op": "explode", "path": "/data"}],
        [{"op": "move", "path": "/data/x", "from": "/data/none"}],
        [{"op": "add", "path": "data", "value": "x"}],
    ):
        answer = await patch(api, f"{CONFIGMAPS}/a", operations, JSON_PATCH)
        assert (answer.status, answer.reason) == (422, "Invalid"), operations
        assert answer.json["message"] == "the server rejected our request due to an error in our request"
    for raw in (b"", b"{", b'{"op":"add"}', b'"x"', b"[1]", b"null", b"[null]", b"\xff"):
        answer = await patch(api, f"{CONFIGMAPS}/a", raw, JSON_PATCH)
        assert (answer.status, answer.reason) == (400, "BadRequest"), raw
    many = await patch(api, f"{CONFIGMAPS}/a", [{"op": "test", "path": "/data/k", "value": "v"}] * 10_001, JSON_PATCH)
    assert (many.status, many.reason) == (413, "RequestEntityTooLarge")
    assert "10000, got 10001" in many.json["message"]
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == made


@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
async def test_other_malformed_patches(api: Api, media: str) -> None:
    made = await api.config_map("a")
    for raw in (b"", b"{", b"[]", b'"x"', b"1", b"null", b"\xff\xfe", b"[" * 5000 + b"]" * 5000):
        answer = await patch(api, f"{CONFIGMAPS}/a", raw, media)
        assert (answer.status, answer.reason) == (400, "BadRequest"), raw[:20]
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == made


async def test_unsupported_media_types_are_told_the_four(api: Api) -> None:
    made = await api.config_map("a")
    for media in ("application/json", "application/yaml", "text/plain", "", "application/apply-patch+cbor", ";;"):
        answer = await patch(api, f"{CONFIGMAPS}/a", {"data": {}}, media)
        assert (answer.status, answer.reason) == (415, "UnsupportedMediaType"), media
        for accepted in (JSON_PATCH, MERGE, STRATEGIC, APPLY):
            assert accepted in answer.json["message"]
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == made


async def test_a_media_type_may_carry_parameters(api: Api) -> None:
    await api.config_map("a")
    for media in (f"{MERGE}; charset=utf-8", f" {MERGE.upper()}", f"{MERGE};"):
        assert (await patch(api, f"{CONFIGMAPS}/a", {"data": {"m": media}}, media)).status == 200


async def test_options_that_only_apply_may_have_or_must_have(api: Api) -> None:
    await api.config_map("a")
    answer = await patch(api, f"{CONFIGMAPS}/a?force=true", {"data": {}}, MERGE)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert only_cause(answer)[:2] == ("FieldValueForbidden", "force")
    assert answer.json["message"] == (
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    )
    answer = await patch(api, f"{CONFIGMAPS}/a", config_map(), APPLY)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert only_cause(answer) == ("FieldValueRequired", "fieldManager", "Required value: is required for apply patch")
    assert (await patch(api, f"{CONFIGMAPS}/a?force=perhaps&fieldManager=m", config_map(), APPLY)).status == 400
    for manager, reason in (("m" * 129, "FieldValueTooLong"), ("a%0Ab", "FieldValueInvalid")):
        answer = await patch(api, f"{CONFIGMAPS}/a?fieldManager={manager}", {}, MERGE)
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert only_cause(answer)[:2] == (reason, "fieldManager")


async def test_apply_creates_then_changes_then_takes_back(api: Api) -> None:
    made = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "1", "y": "2"}))
    assert made.status == 201
    assert made.json["data"] == {"x": "1", "y": "2"}
    assert owners(made.json) == {("one", "Apply", ""): {"f:data": {"f:x": {}, "f:y": {}}}}
    again = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "1", "y": "2"}))
    assert (again.status, again.json) == (200, made.json), "nothing changed, nothing written"
    less = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "1"}))
    assert (less.status, less.json["data"]) == (200, {"x": "1"})
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == less.json


async def test_apply_conflicts_unless_forced(api: Api) -> None:
    await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "1"}))
    before = await api.ok("GET", f"{CONFIGMAPS}/a")
    answer = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "2"}), "two")
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert answer.json["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert only_cause(answer) == ("FieldManagerConflict", ".data.x", 'conflict with "one"')
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == before
    forced = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "2"}), "two", "&force=true")
    assert (forced.status, forced.json["data"]) == (200, {"x": "2"})
    assert owners(forced.json) == {("two", "Apply", ""): {"f:data": {"f:x": {}}}}
    await api.ok("PATCH", f"{CONFIGMAPS}/a", {"data": {"x": "3"}}, content_type=MERGE, headers={"user-agent": "ed/1"})
    answer = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "2"}), "two")
    assert answer.status == 409
    assert only_cause(answer)[2] == 'conflict with "ed" using v1'
    shared = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "3"}), "three")
    assert shared.status == 200, "the same value is no conflict: both own it"
    assert ("three", "Apply", "") in owners(shared.json) and ("ed", "Update", "") in owners(shared.json)


async def test_apply_takes_yaml_and_json(api: Api) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  yes_: 'on'\n"
    assert (await apply(api, f"{CONFIGMAPS}/a", text)).json["data"] == {"yes_": "on"}
    assert (await apply(api, f"{CONFIGMAPS}/b", config_map("b"))).status == 201


@pytest.mark.parametrize(
    ("obj", "code", "text"),
    [
        (config_map("b"), 400, "the name of the object (b) does not match the name on the URL (a)"),
        (config_map(namespace="other"), 400, "the namespace of the provided object does not match the namespace"),
        ({**config_map(), "kind": "Secret"}, 400, "Secret"),
        ({**config_map(), "apiVersion": "v2"}, 400, "v2"),
        ({**config_map(), "data": {"k": 1}}, 400, "cannot unmarshal number"),
        ({**config_map(), "metadata": "x"}, 400, "cannot unmarshal string"),
        ({**config_map(), "metadata": None}, 201, ""),
        (config_map(managedFields=[{"manager": "m"}]), 400, "metadata.managedFields must be nil"),
        (b"a: [", 400, "yaml"),
        (b"- a", 400, "cannot unmarshal array"),
        (b"", 400, ""),
        (config_map(resourceVersion="7"), 404, 'configmaps "a" not found'),
        (config_map(uid="00000000-0000-4000-8000-000000000000"), 409, "uid mismatch: the provided object"),
        ({**config_map(), "data": {"a b": "v"}}, 422, "a valid config key must consist of"),
    ],
)
async def test_apply_with_a_body_for_something_else(api: Api, obj: Any, code: int, text: str) -> None:
    answer = await apply(api, f"{CONFIGMAPS}/a", obj)
    assert answer.status == code, answer
    if code != 201:
        assert text in answer.json["message"]
        assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404


async def test_apply_to_status(api: Api) -> None:
    await api.ok("POST", PODS, pod())
    obj = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"nodeName": "n"}, "status": {"phase": "Running"},
    }  # fmt: skip
    changed = await apply(api, f"{PODS}/p/status", obj, "kube")
    assert (changed.status, changed.json["status"]["phase"]) == (200, "Running")
    assert "nodeName" not in changed.json["spec"]
    assert owners(changed.json)["kube", "Apply", "status"] == {"f:status": {"f:phase": {}}}
    missing = await apply(api, f"{PODS}/none/status", {**obj, "metadata": {"name": "none"}}, "kube")
    assert (missing.status, missing.reason) == (404, "NotFound"), "a status is not applied into being"


async def test_apply_in_a_namespace_that_is_not_there(api: Api) -> None:
    answer = await apply(api, "/api/v1/namespaces/nowhere/configmaps/a", config_map())
    assert (answer.status, answer.json["message"]) == (404, 'namespaces "nowhere" not found')


async def test_dry_run_of_apply_and_patch(api: Api) -> None:
    made = await apply(api, f"{CONFIGMAPS}/a", config_map(), query="&dryRun=All")
    assert made.status == 201
    assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404
    real = await api.config_map("a")
    changed = await patch(api, f"{CONFIGMAPS}/a?dryRun=All", {"data": {"k": "2"}}, MERGE)
    assert changed.json["data"] == {"k": "2"}
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == real


@pytest.mark.parametrize(
    ("media", "body", "code", "field", "text"),
    [
        (MERGE, {"data": {"a b": "x"}}, 422, "data[a b]", "a valid config key must consist of"),
        (MERGE, {"data": {"k": 1}}, 422, "patch", "cannot unmarshal number"),
        (STRATEGIC, {"data": []}, 422, "patch", "cannot unmarshal array"),
        (JSON_PATCH, [{"op": "add", "path": "/data", "value": 7}], 422, "patch", "cannot unmarshal number"),
        (JSON_PATCH, [{"op": "add", "path": "/metadata", "value": "x"}], 422, "patch", "cannot unmarshal string"),
        (MERGE, {"metadata": {"labels": {"a": "b c"}}}, 422, "metadata.labels", "a valid label must be"),
        (MERGE, {"metadata": {"uid": "x"}}, 409, "", "Precondition failed: UID in precondition: x"),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, "", "the object has been modified"),
        (MERGE, {"metadata": {"name": "b"}}, 400, "", "the name of the object (b) does not match the name on the URL"),
        (MERGE, {"metadata": {"namespace": "b"}}, 400, "", "the namespace of the object (b) does not match"),
        (JSON_PATCH, [{"op": "remove", "path": "/metadata/name"}], 400, "", "name must be provided"),
        (STRATEGIC, {"$patch": "delete"}, 400, "", "name must be provided"),
        (MERGE, {"kind": "Secret"}, 422, "patch", "Secret"),
        (MERGE, {"apiVersion": "apps/v1"}, 422, "patch", "apps/v1"),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": []}], 422, None, ""),
    ],
)
async def test_a_patch_that_would_break_the_object_stores_nothing(
    api: Api, media: str, body: Any, code: int, field: str | None, text: str
) -> None:
    made = await api.config_map("a")
    answer = await patch(api, f"{CONFIGMAPS}/a", body, media)
    assert answer.status == code, answer
    assert text in answer.json["message"]
    if field:
        assert only_cause(answer)[1] == field
    assert await api.ok("GET", f"{CONFIGMAPS}/a") == made


async def test_unknown_fields_of_a_patch(api: Api) -> None:
    await api.ok("POST", PODS, pod())
    body = {"spec": {"containers": [{"name": "c", "imag": "x"}]}}
    warned = await patch(api, f"{PODS}/p", body, STRATEGIC)
    assert (warned.status, warned.headers["warning"]) == (200, '299 - "unknown field \\"spec.containers[0].imag\\""')
    ignored = await patch(api, f"{PODS}/p?fieldValidation=Ignore", body, STRATEGIC)
    assert (ignored.status, "warning" in ignored.headers) == (200, False)
    strict = await patch(api, f"{PODS}/p?fieldValidation=Strict", body, STRATEGIC)
    assert (strict.status, strict.reason) == (422, "Invalid")
    assert 'strict decoding error: unknown field "spec.containers[0].imag"' in strict.json["message"]
    twice = await patch(api, f"{PODS}/p?fieldValidation=Strict", b'{"metadata":{},"metadata":{}}', MERGE)
    assert twice.status == 400 and 'duplicate field "metadata"' in twice.json["message"]
    applied = await apply(
        api, f"{CONFIGMAPS}/a", b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata: {a: b, a: c}\n",
        query="&fieldValidation=Strict",
    )  # fmt: skip
    assert applied.status == 400 and 'duplicate field "data.a"' in applied.json["message"]


async def test_managed_fields_by_user_agent(api: Api) -> None:
    agents = iter(("kubectl-create/v1.36 (linux)", "editor", "", "kubelet/v1.36"))
    made = await api.ok("POST", PODS, pod(), headers={"user-agent": next(agents)})
    assert list(owners(made)) == [("kubectl-create", "Update", "")]
    entry = made["metadata"]["managedFields"][0]
    assert (entry["apiVersion"], entry["fieldsType"], entry["time"]) == ("v1", "FieldsV1", "2030-01-01T00:00:00Z")
    made["metadata"]["labels"] = {"a": "b"}
    labelled = await api.ok("PUT", f"{PODS}/p", made, headers={"user-agent": next(agents)})
    assert owners(labelled)["editor", "Update", ""] == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    annotate = {"metadata": {"annotations": {"x": "y"}}}
    patched = await api.ok("PATCH", f"{PODS}/p", annotate, content_type=MERGE, headers={"user-agent": next(agents)})
    assert owners(patched)["unknown", "Update", ""] == {"f:metadata": {"f:annotations": {".": {}, "f:x": {}}}}
    status = {"status": {"phase": "Running"}}
    kubelet = {"user-agent": next(agents)}
    running = await api.ok("PATCH", f"{PODS}/p/status", status, content_type=MERGE, headers=kubelet)
    assert owners(running)["kubelet", "Update", "status"] == {"f:status": {"f:phase": {}}}
    named = await api.ok("PATCH", f"{PODS}/p?fieldManager=me", {"metadata": {"labels": {"c": "d"}}}, content_type=MERGE)
    assert owners(named)["me", "Update", ""] == {"f:metadata": {"f:labels": {"f:c": {}}}}
    odd = await api.ok(
        "PATCH", f"{PODS}/p", {"metadata": {"labels": {"e": "f"}}}, content_type=MERGE,
        headers={"user-agent": "a\x7fb" + "c" * 300},
    )  # fmt: skip
    assert ("ab" + "c" * 126, "Update", "") in owners(odd)


@pytest.mark.parametrize("reset", [[], [{}]])
async def test_managed_fields_can_be_reset(api: Api, reset: list[Any]) -> None:
    made = await api.config_map("a")
    assert owners(made)
    cleared = await api.ok("PUT", f"{CONFIGMAPS}/a", {**made, "metadata": {**made["metadata"], "managedFields": reset}})
    assert "managedFields" not in cleared["metadata"]
    again = await api.ok("PATCH", f"{CONFIGMAPS}/a", {"data": {"n": "1"}}, content_type=MERGE)
    assert "managedFields" not in again["metadata"], "an object without managed fields stays without"
    first = await apply(api, f"{CONFIGMAPS}/a", config_map(data={"x": "1"}))
    assert set(owners(first.json)) == {("before-first-apply", "Update", ""), ("one", "Apply", "")}


async def test_managed_fields_a_client_leaves_out_stay(api: Api) -> None:
    made = await api.config_map("a")
    without = {k: v for k, v in made["metadata"].items() if k != "managedFields"}
    kept = await api.ok("PUT", f"{CONFIGMAPS}/a", {**made, "metadata": without})
    assert kept["metadata"]["managedFields"] == made["metadata"]["managedFields"]
