"""CustomResourceDefinitions: defaults, rules, names and conditions, discovery, clean-up."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from minikube_py.daemon.clock import settle
from tests.apiserver.conftest import Api, Watching
from tests.apiserver.crd_samples import (
    CRDS,
    CRONTABS,
    SCHEMA,
    Object,
    conditions,
    crd,
    crontab,
    full,
    install,
    version,
)

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def test_defaults_and_conditions(api: Api) -> None:
    made = await api.ok("POST", CRDS, crd())
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["spec"]["names"] == {
        "plural": "crontabs",
        "kind": "CronTab",
        "singular": "crontab",
        "listKind": "CronTabList",
    }
    assert made["status"]["storedVersions"] == ["v1"] and made["metadata"]["generation"] == 1
    await settle()
    found = await api.ok("GET", f"{CRDS}/crontabs.stable.example.com")
    assert conditions(found) == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert found["status"]["acceptedNames"] == made["spec"]["names"]
    assert found["metadata"]["generation"] == 1
    table = await api.ok("GET", CRDS, headers={"accept": TABLE})
    assert table["rows"][0]["cells"] == ["crontabs.stable.example.com", "2030-01-01T00:00:00Z"]


def schema_with(**root: Any) -> Object:
    return {"type": "object", "properties": {"spec": {"type": "object", **root}}}


def broken(change: Any) -> Object:
    made = crd()
    change(made)
    return made


def spec_schema(**root: Any) -> Object:
    return crd(version(schema=schema_with(**root)))


AT = "spec.versions[0].schema.openAPIV3Schema.properties[spec]"
BAD: list[tuple[Object, str, str]] = [
    (broken(lambda d: d["metadata"].update(name="x.y")), "metadata.name", "FieldValueInvalid"),
    (broken(lambda d: d["spec"].update(scope="Galaxy")), "spec.scope", "FieldValueNotSupported"),
    (broken(lambda d: d["spec"].update(group="nodots")), "spec.group", "FieldValueInvalid"),
    (broken(lambda d: d["spec"]["names"].update(kind="Cron_Tab")), "spec.names.kind", "FieldValueInvalid"),
    (broken(lambda d: d["spec"]["names"].update(listKind="CronTab")), "spec.names.listKind", "FieldValueInvalid"),
    (broken(lambda d: d["spec"]["names"].update(shortNames=["A"])), "spec.names.shortNames[0]", "FieldValueInvalid"),
    (broken(lambda d: d["spec"]["names"].update(categories=["a.b"])), "spec.names.categories[0]", "FieldValueInvalid"),
    (broken(lambda d: d["spec"].update(preserveUnknownFields=True)), "spec.preserveUnknownFields", "FieldValueInvalid"),
    (crd(version(storage=False)), "spec.versions", "FieldValueInvalid"),
    (crd(version(), version("v2")), "spec.versions", "FieldValueInvalid"),
    (crd(version(), version(storage=False)), "spec.versions", "FieldValueInvalid"),
    (crd(version("V1")), "spec.versions[0].name", "FieldValueInvalid"),
    (
        broken(lambda d: d["spec"]["versions"][0].pop("schema")),
        "spec.versions[0].schema.openAPIV3Schema",
        "FieldValueRequired",
    ),
    (
        broken(lambda d: d["spec"].update(conversion={"strategy": "Webhook"})),
        "spec.conversion.strategy",
        "FieldValueInvalid",
    ),
    (
        broken(lambda d: d["spec"].update(conversion={"strategy": "x"})),
        "spec.conversion.strategy",
        "FieldValueNotSupported",
    ),
    (crd(version(deprecationWarning="old")), "spec.versions[0].deprecationWarning", "FieldValueInvalid"),
    (crd(version(schema={"type": "string"})), "spec.versions[0].schema.openAPIV3Schema.type", "FieldValueInvalid"),
    (crd(version(schema={"properties": {}})), "spec.versions[0].schema.openAPIV3Schema.type", "FieldValueRequired"),
    (spec_schema(properties={"a": {}}), f"{AT}.properties[a].type", "FieldValueRequired"),
    (spec_schema(properties={"a": {"type": "text"}}), f"{AT}.properties[a].type", "FieldValueNotSupported"),
    (spec_schema(properties={"a": {"type": "array"}}), f"{AT}.properties[a].items", "FieldValueRequired"),
    (spec_schema(anyOf=[{"properties": {"b": {"minLength": 1}}}]), f"{AT}.properties[b]", "FieldValueRequired"),
    (spec_schema(anyOf=[{"type": "string"}]), f"{AT}.anyOf[0].type", "FieldValueForbidden"),
    (spec_schema(**{"not": {"description": "x"}}), f"{AT}.not.description", "FieldValueForbidden"),
    (
        spec_schema(properties={"a": {"type": "string", "pattern": "("}}),
        f"{AT}.properties[a].pattern",
        "FieldValueInvalid",
    ),
    (
        spec_schema(properties={"a": {"type": "string", "pattern": "a(?=b)"}}),
        f"{AT}.properties[a].pattern",
        "FieldValueInvalid",
    ),
    (spec_schema(uniqueItems=True), f"{AT}.uniqueItems", "FieldValueForbidden"),
    (spec_schema(**{"$ref": "#/x"}), f"{AT}.$ref", "FieldValueForbidden"),
    (
        spec_schema(properties={"a": {"type": "string"}}, additionalProperties={"type": "string"}),
        f"{AT}.additionalProperties",
        "FieldValueForbidden",
    ),
    (
        spec_schema(**{"x-kubernetes-preserve-unknown-fields": False}),
        f"{AT}.x-kubernetes-preserve-unknown-fields",
        "FieldValueInvalid",
    ),
    (spec_schema(**{"x-kubernetes-map-type": "loose"}), f"{AT}.x-kubernetes-map-type", "FieldValueNotSupported"),
    (spec_schema(**{"x-kubernetes-list-type": "set"}), f"{AT}.type", "FieldValueInvalid"),
    (spec_schema(**{"x-kubernetes-embedded-resource": True}), f"{AT}.properties", "FieldValueRequired"),
    (
        spec_schema(
            properties={
                "a": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                }
            }
        ),
        f"{AT}.properties[a].items.properties[k].default",
        "FieldValueRequired",
    ),
    (
        spec_schema(properties={"a": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}}),
        f"{AT}.properties[a].x-kubernetes-list-map-keys",
        "FieldValueRequired",
    ),
    (
        spec_schema(properties={"a": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"}}),
        f"{AT}.properties[a].items.x-kubernetes-map-type",
        "FieldValueInvalid",
    ),
    (
        spec_schema(properties={"a": {"type": "integer", "default": "x"}}),
        f"{AT}.properties[a].default",
        "FieldValueTypeInvalid",
    ),
    (spec_schema(default={"strange": 1}), f"{AT}.default", "FieldValueInvalid"),
    (
        crd(
            version(
                schema={
                    "type": "object",
                    "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
                }
            )
        ),
        "spec.versions[0].schema.openAPIV3Schema.properties[metadata]",
        "FieldValueForbidden",
    ),
    (
        spec_schema(**{"x-kubernetes-validations": [{"rule": " "}]}),
        f"{AT}.x-kubernetes-validations[0].rule",
        "FieldValueRequired",
    ),
    (
        crd(version(additionalPrinterColumns=[{"name": "a", "type": "text", "jsonPath": ".a"}])),
        "spec.versions[0].additionalPrinterColumns[0].type",
        "FieldValueInvalid",
    ),
    (
        crd(version(additionalPrinterColumns=[{"name": "a", "type": "string", "jsonPath": "spec.a"}])),
        "spec.versions[0].additionalPrinterColumns[0].jsonPath",
        "FieldValueInvalid",
    ),
    (
        crd(version(additionalPrinterColumns=[{"name": "a", "type": "string", "jsonPath": ".a[?(@.b"}])),
        "spec.versions[0].additionalPrinterColumns[0].jsonPath",
        "FieldValueInvalid",
    ),
    (
        crd(version(selectableFields=[{"jsonPath": ".spec.free"}])),
        "spec.versions[0].selectableFields[0].jsonPath",
        "FieldValueInvalid",
    ),
    (
        crd(version(selectableFields=[{"jsonPath": ".metadata.name"}])),
        "spec.versions[0].selectableFields[0].jsonPath",
        "FieldValueInvalid",
    ),
    (
        crd(version(selectableFields=[{"jsonPath": ".spec.image"}] * 2)),
        "spec.versions[0].selectableFields[1].jsonPath",
        "FieldValueDuplicate",
    ),
    (
        crd(version(subresources={"scale": {"specReplicasPath": ".status.x", "statusReplicasPath": ".status.x"}})),
        "spec.versions[0].subresources.scale.specReplicasPath",
        "FieldValueInvalid",
    ),
    (
        crd(version(subresources={"status": {}}, schema={"type": "object", "allOf": [{"required": ["spec"]}]})),
        "spec.versions[0].schema.openAPIV3Schema",
        "FieldValueInvalid",
    ),
    (crd(group="x.k8s.io"), "metadata.annotations[api-approved.kubernetes.io]", "FieldValueRequired"),
]


@pytest.mark.parametrize(("definition", "field", "reason"), BAD, ids=[f"{i}-{f}" for i, (_, f, _) in enumerate(BAD)])
async def test_what_is_refused(api: Api, definition: Object, field: str, reason: str) -> None:
    answer = await api.ask("POST", CRDS, definition)
    assert answer.status == 422, answer
    found = [(c["field"], c["reason"]) for c in answer.json["details"]["causes"]]
    assert (field, reason) in found, answer.json["message"]
    assert (await api.ask("GET", f"{CRDS}/{definition['metadata']['name']}")).status == 404


async def test_nothing_else_is_wrong_with_the_sample(api: Api) -> None:
    answer = await api.ask("POST", CRDS, full())
    assert answer.status == 201 and "warning" not in answer.headers, answer


async def test_rules_and_unknown_formats_are_kept_with_a_warning(api: Api) -> None:
    rules = [{"rule": "self.a > 1"}]
    made = await api.ask("POST", CRDS, spec_schema(**{"x-kubernetes-validations": rules}))
    assert made.status == 201
    assert f"x-kubernetes-validations at {AT} are stored but not evaluated by this server" in made.headers["warning"]
    kept = made.json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert kept["x-kubernetes-validations"] == rules
    other = spec_schema(properties={"a": {"type": "string", "format": "sundial"}})
    answer = await api.ask("POST", f"{CRDS}?dryRun=All", broken_name(other))
    assert f'{AT}.properties[a].format: unrecognized format \\"sundial\\"' in answer.headers["warning"]


def broken_name(made: Object) -> Object:
    """The same under another name."""
    made["metadata"]["name"] = "others.stable.example.com"
    made["spec"]["names"]["plural"] = "others"
    return made


async def test_unknown_words_below_items_are_named(api: Api) -> None:
    items = {"type": "object", "properties": {"a": {"type": "string", "colour": "red"}}, "nulable": True}
    made = spec_schema(properties={"l": {"type": "array", "items": items}})
    answer = await api.ask("POST", f"{CRDS}?fieldValidation=Strict", made)
    assert answer.status == 400
    for word in ("nulable", "properties.a.colour"):
        assert f'unknown field "{AT}.properties[l].items.{word}"' in answer.json["message"]


async def test_what_cannot_change(api: Api) -> None:
    made = await install(api, crd())
    path = f"{CRDS}/crontabs.stable.example.com"
    for change, field in (
        (lambda s: s.update(scope="Cluster"), "spec.scope"),
        (lambda s: s["names"].update(kind="Other"), "spec.names.kind"),
        (lambda s: s.update(group="other.example.com"), "spec.group"),
        (lambda s: s["names"].update(plural="others"), "spec.names.plural"),
        (lambda s: s["versions"].__setitem__(0, version("v2")), "status.storedVersions[0]"),
    ):
        new = copy.deepcopy(made)
        change(new["spec"])
        answer = await api.ask("PUT", path, new)
        assert answer.status == 422, (field, answer)
        assert field in [c["field"] for c in answer.json["details"]["causes"]]


async def test_stored_versions_follow_the_storage_version(api: Api) -> None:
    await install(api, crd(version("v1"), version("v2", storage=False)))
    path = f"{CRDS}/crontabs.stable.example.com"
    made = await api.ok("GET", path)
    made["spec"]["versions"] = [version("v1", storage=False), version("v2")]
    changed = await api.ok("PUT", path, made)
    assert changed["status"]["storedVersions"] == ["v1", "v2"] and changed["metadata"]["generation"] == 2
    changed["status"]["storedVersions"] = ["v2"]
    await api.ok("PUT", f"{path}/status", changed)
    await settle()
    changed = await api.ok("GET", path)
    changed["spec"]["versions"] = [version("v2")]
    await api.ok("PUT", path, changed)
    await settle()
    assert (await api.ask("GET", CRONTABS)).status == 404
    await api.ok("GET", CRONTABS.replace("v1", "v2"))


async def test_names_in_use(api: Api) -> None:
    await install(api, full())
    other = await install(
        api, crd(plural="tabs", kind="CronTab", singular="crontab", shortNames=["ct", "tb"], listKind="TabList")
    )
    assert conditions(other) == {
        "NamesAccepted": ("False", "KindConflict"),
        "Established": ("False", "NotAccepted"),
    }
    assert other["status"]["acceptedNames"] == {"plural": "tabs", "kind": "", "listKind": "TabList"}
    path = "/apis/stable.example.com/v1/tabs"
    assert (await api.ask("GET", path)).status == 404
    # Another group is another name space.
    elsewhere = await install(api, crd(group="other.example.com"))
    assert conditions(elsewhere)["Established"][0] == "True"
    await api.ok("DELETE", f"{CRDS}/crontabs.stable.example.com")
    await settle()
    other = await api.ok("GET", f"{CRDS}/tabs.stable.example.com")
    assert conditions(other)["NamesAccepted"] == ("True", "NoConflicts")
    await api.ok("GET", path)


async def test_names_of_builtin_kinds_are_taken(api: Api) -> None:
    made = crd(plural="deployments", kind="Thing", group="apps")
    made["spec"]["group"] = "apps"
    answer = await api.ask("POST", CRDS, made)
    assert "spec.group" in [c["field"] for c in answer.json["details"]["causes"]]  # no dot, as upstream
    made = crd(plural="leases", kind="Thing", group="coordination.k8s.io")
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, experimental-only"}
    found = await install(api, made)
    assert conditions(found)["NamesAccepted"] == ("False", "PluralConflict")
    assert conditions(found)["KubernetesAPIApprovalPolicyConformant"][0] == "False"
    leases = await api.ok("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases")
    assert leases["kind"] == "LeaseList"


async def test_discovery_follows_at_once(api: Api) -> None:
    await api.ok("GET", "/apis")
    await install(api, full())
    groups = [g["name"] for g in (await api.ok("GET", "/apis"))["groups"]]
    assert groups[-2:] == ["stable.example.com", "metrics.k8s.io"]
    found = (await api.ok("GET", "/apis/stable.example.com/v1"))["resources"]
    assert [r["name"] for r in found] == ["crontabs", "crontabs/scale", "crontabs/status"]
    assert (found[0]["shortNames"], found[0]["categories"], found[0]["singularName"]) == (["ct"], ["all"], "crontab")
    accept = {"accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    listed = (await api.ok("GET", "/apis", headers=accept))["items"][-2]
    assert listed["metadata"] == {"name": "stable.example.com"}
    assert [r["resource"] for r in listed["versions"][0]["resources"]] == ["crontabs"]
    await install(api, crd(group="a.example.com"))
    await install(
        api, crd(version("v1"), version("v2", storage=False), version("v1beta1", storage=False), plural="as", kind="A")
    )
    items = (await api.ok("GET", "/apis", headers=accept))["items"]
    assert [i["metadata"]["name"] for i in items][-3:-1] == ["a.example.com", "stable.example.com"]
    assert [v["version"] for v in items[-2]["versions"]] == ["v2", "v1", "v1beta1"]
    await api.ok("DELETE", f"{CRDS}/crontabs.a.example.com")
    await settle()
    items = (await api.ok("GET", "/apis", headers=accept))["items"]
    assert "a.example.com" not in [i["metadata"]["name"] for i in items]


async def test_openapi_of_a_custom_resource(api: Api) -> None:
    before = (await api.ok("GET", "/openapi/v3"))["paths"]
    await install(api, full())
    place = "apis/stable.example.com/v1"
    url = (await api.ok("GET", "/openapi/v3"))["paths"][place]["serverRelativeURL"]
    assert place not in before
    document = await api.ok("GET", f"/openapi/v3/{place}")
    schemas = document["components"]["schemas"]
    found = schemas["com.example.stable.v1.CronTab"]
    assert found["x-kubernetes-group-version-kind"] == [
        {"group": "stable.example.com", "kind": "CronTab", "version": "v1"}
    ]
    steps = found["properties"]["spec"]["properties"]["steps"]
    assert steps["x-kubernetes-list-map-keys"] == ["name"]
    assert found["properties"]["metadata"]["allOf"][0]["$ref"].endswith("ObjectMeta")
    template = found["properties"]["spec"]["properties"]["template"]["properties"]
    assert set(template) == {"apiVersion", "kind", "metadata"}
    patch = document["paths"]["/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    names = {r.rpartition("/")[2] for r in _refs(document)}
    assert names <= set(schemas)
    swagger = await api.ok("GET", "/openapi/v2")
    old = swagger["definitions"]["com.example.stable.v1.CronTab"]["properties"]["spec"]["properties"]
    assert "type" not in old["note"] and "default" not in old["policy"] and old["replicas"]["maximum"] == 10
    protobuf = await api.ask(
        "GET", "/openapi/v2", headers={"accept": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}
    )
    assert protobuf.status == 200 and b"com.example.stable.v1.CronTab" in protobuf.raw
    path = f"{CRDS}/crontabs.stable.example.com"
    await api.ok("PATCH", path, {"spec": {"names": {"shortNames": ["x"]}}}, content_type="application/merge-patch+json")
    await settle()
    assert (await api.ok("GET", "/openapi/v3"))["paths"][place]["serverRelativeURL"] != url


def _refs(value: Any) -> list[str]:
    return [part.split('"')[0] for part in json.dumps(value).split('"$ref": "')[1:]]


async def test_deletion_removes_the_objects_first(api: Api) -> None:
    await install(api, full())
    await api.ok("POST", CRONTABS, crontab("plain"))
    held = crontab("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.ok("POST", CRONTABS, held)
    path = f"{CRDS}/crontabs.stable.example.com"
    async with Watching(api, CRONTABS) as watching:
        await api.ok("DELETE", path)
        await settle()
        assert ("DELETED", "plain") in await watching.seen() or watching.ended
    found = await api.ok("GET", path)
    assert found["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert conditions(found)["Terminating"] == ("True", "InstanceDeletionInProgress")
    listed = (await api.ok("GET", "/apis/stable.example.com/v1"))["resources"][0]
    assert listed["verbs"] == ["delete", "deletecollection", "get", "list", "watch"]
    left = (await api.ok("GET", CRONTABS))["items"]
    assert [i["metadata"]["name"] for i in left] == ["held"] and left[0]["metadata"]["deletionTimestamp"]
    refused = await api.ask("POST", CRONTABS, crontab("late"))
    assert refused.status == 405 and "custom resource definition is terminating" in refused.json["message"]
    patch = {"metadata": {"finalizers": None}}
    await api.ok("PATCH", f"{CRONTABS}/held", patch, content_type="application/merge-patch+json")
    await settle()
    assert (await api.ask("GET", path)).status == 404
    assert (await api.ask("GET", CRONTABS)).status == 404
    # The name is free, and the objects are really gone.
    await install(api, full())
    assert (await api.ok("GET", CRONTABS))["items"] == []


async def test_a_definition_that_was_never_served_goes_at_once(api: Api) -> None:
    await install(api, full())
    await install(api, crd(plural="tabs", kind="CronTab"))
    await api.ok("DELETE", f"{CRDS}/tabs.stable.example.com")
    await settle()
    assert (await api.ask("GET", f"{CRDS}/tabs.stable.example.com")).status == 404
    await api.ok("GET", CRONTABS)


async def test_a_schema_change_holds_at_once_and_ends_watches(api: Api) -> None:
    await install(api, full())
    await api.ok("POST", CRONTABS, crontab("old", replicas=3))
    path = f"{CRDS}/crontabs.stable.example.com"
    async with Watching(api, CRONTABS) as watching:
        made = await api.ok("GET", path)
        schema = copy.deepcopy(SCHEMA)
        schema["properties"]["spec"]["properties"]["colour"] = {"type": "string", "default": "red"}
        del schema["properties"]["spec"]["properties"]["replicas"]
        made["spec"]["versions"][0] |= {
            "schema": {"openAPIV3Schema": schema},
            "selectableFields": [{"jsonPath": ".spec.colour"}],
        }
        await api.ok("PUT", path, made)
        await settle()
        assert watching.ended
    # What is stored is shown by the new schema: pruned and defaulted.
    read = await api.ok("GET", f"{CRONTABS}/old")
    assert read["spec"]["colour"] == "red" and "replicas" not in read["spec"]
    assert read == (await api.ok("GET", CRONTABS))["items"][0]
    # A write that changes nothing stores that form.
    again = await api.ok("PUT", f"{CRONTABS}/old", read)
    assert int(again["metadata"]["resourceVersion"]) > int(read["metadata"]["resourceVersion"])
    same = await api.ok("PUT", f"{CRONTABS}/old", again)
    assert same["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
    found = await api.ok("GET", f"{CRONTABS}?fieldSelector=spec.colour%3Dred")
    assert len(found["items"]) == 1
