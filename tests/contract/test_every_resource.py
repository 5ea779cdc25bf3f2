"""Every row of Kubernetes' table of resources, walked through all its verbs on a running server."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from minikube_py.daemon.clock import settle
from tests import samples
from tests.apiserver.conftest import Api, Watching
from tests.fakes.cluster import cluster

Object = dict[str, Any]
HERE = Path(__file__).parent
FACTS = HERE.parents[1] / "tools" / "facts"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
HELD = {"namespaces", "persistentvolumes", "persistentvolumeclaims"}
"""What somebody else finishes deleting."""


@cache
def facts(name: str) -> Any:
    return json.loads((FACTS / name).read_text())


ROWS: list[Object] = facts("resources.json")["resources"]
STORED = [r for r in ROWS if "watch" in r["verbs"]]
OTHERS = [r for r in ROWS if "watch" not in r["verbs"]]


def label(row: Object) -> str:
    return f"{row['plural']}.{row['group']}/{row['version']}"


def root(row: Object) -> str:
    start = f"/apis/{row['group']}/{row['version']}" if row["group"] else f"/api/{row['version']}"
    return f"{start}/namespaces/default/{row['plural']}" if row["namespaced"] else f"{start}/{row['plural']}"


def sample(row: Object) -> tuple[Object, Object | None]:
    """A new object of the resource, and a patch of its status."""
    return samples.sample(row["group"], row["version"], row["plural"])


def columns_of(type_name: str) -> list[Object]:
    """What `kubectl get` shows of a type, by Kubernetes' table."""
    found = facts("columns.json")["kinds"][type_name]
    return columns_of(found["sameAs"]) if "sameAs" in found else found


def within(part: Any, whole: Any) -> bool:
    """Whether everything in `part` is in `whole`, which may have more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and within(v, whole[k]) for k, v in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(within(a, b) for a, b in zip(part, whole, strict=True))
    return bool(part == whole) or (part == "" and whole is None)


class Walk:
    """One resource's way through its verbs."""

    def __init__(self, api: Api, row: Object) -> None:
        self.api, self.row = api, row
        self.root = root(row)
        self.obj, self.status = sample(row)
        self.name = self.obj["metadata"]["name"]
        self.url = f"{self.root}/{self.name}"

    async def create(self) -> Object:
        await self.api.ok("POST", f"{self.root}?dryRun=All", self.obj)
        assert (await self.api.ask("GET", self.url)).status == 404, "a dry run stores nothing"
        made: Object = await self.api.ok("POST", self.root, self.obj)
        assert (await self.api.ask("POST", self.root, self.obj)).reason == "AlreadyExists"
        kubernetes_validate.validate(made, "1.36", strict=True)
        assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"]
        assert made["metadata"]["managedFields"], "somebody owns the fields"
        await settle()  # a CustomResourceDefinition gets its conditions
        again: Object = await self.api.ok("GET", self.url)
        assert self.row["kind"] == "CustomResourceDefinition" or again == made
        return again

    async def read(self, made: Object) -> None:
        assert await self.api.ok("GET", self.url) == made
        for query in ("", "?resourceVersion=0", f"?fieldSelector=metadata.name={self.name}"):
            listed = await self.api.ok("GET", f"{self.root}{query}")
            assert listed["kind"] == self.row["listKind"] and made in listed["items"]
        nothing = await self.api.ok("GET", f"{self.root}?labelSelector=walked=not")
        assert nothing["items"] == []

    async def table(self) -> None:
        columns = columns_of(self.row["type"])
        for url in (self.url, self.root):
            shown = await self.api.ok("GET", f"{url}?includeObject=Metadata", headers=TABLE)
            assert [c["name"] for c in shown["columnDefinitions"]] == [c["name"] for c in columns]
            (row,) = (r for r in shown["rows"] if r["object"]["metadata"]["name"] == self.name)
            assert len(row["cells"]) == len(columns)

    async def change(self, made: Object) -> None:
        """PUT and the four patches, each of which sets one label."""
        wanted = copy.deepcopy(made)
        wanted["metadata"].setdefault("labels", {})["put"] = "yes"
        done = await self.api.ok("PUT", self.url, wanted)
        assert int(done["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        assert (await self.api.ask("PUT", self.url, wanted)).reason == "Conflict"
        for media, body in (
            (JSON_PATCH, [{"op": "add", "path": "/metadata/labels/json", "value": "yes"}]),
            (MERGE, {"metadata": {"labels": {"merge": "yes"}}}),
            (STRATEGIC, {"metadata": {"labels": {"strategic": "yes"}}}),
        ):
            await self.api.ok("PATCH", self.url, body, content_type=media)
        applied = {k: self.obj[k] for k in ("apiVersion", "kind")}
        applied["metadata"] = {"name": self.name, "labels": {"apply": "yes"}}
        body = yaml.safe_dump(applied).encode()
        done = await self.api.ok("PATCH", f"{self.url}?fieldManager=walker&force=true", body, content_type=APPLY)
        assert {"put", "json", "merge", "strategic", "apply"} <= done["metadata"]["labels"].keys()
        entry = next(e for e in done["metadata"]["managedFields"] if e["manager"] == "walker")
        assert entry["operation"] == "Apply" and entry["fieldsV1"] == {"f:metadata": {"f:labels": {"f:apply": {}}}}
        assert done == await self.api.ok("GET", self.url)
        chosen = await self.api.ok("GET", f"{self.root}?labelSelector=apply=yes")
        assert [i["metadata"]["name"] for i in chosen["items"]] == [self.name]

    async def change_status(self) -> None:
        """A status write changes nothing else, and a plain write no status."""
        before = await self.api.ok("GET", self.url)
        if self.status is not None:
            done = await self.api.ok("PATCH", f"{self.url}/status", {"status": self.status}, content_type=MERGE)
            assert within(self.status, done["status"])
            assert {k: v for k, v in done.items() if k not in ("metadata", "status")} == {
                k: v for k, v in before.items() if k not in ("metadata", "status")
            }
            plain = await self.api.ok("PUT", self.url, {**done, "status": before.get("status", {})})
            assert plain["status"] == done["status"]
        now = await self.api.ok("GET", f"{self.url}/status")
        kubernetes_validate.validate(now, "1.36", strict=True)
        assert (await self.api.ok("PUT", f"{self.url}/status", now)).get("status") == now.get("status")

    async def delete(self) -> None:
        await self.api.ok("DELETE", f"{self.url}?dryRun=All")
        await self.api.ok("GET", self.url)
        await self.api.ok("DELETE", f"{self.url}?propagationPolicy=Background")
        if self.row["plural"] in HELD:
            assert (await self.api.ok("GET", self.url))["metadata"]["deletionTimestamp"]
            return
        await settle()  # a CustomResourceDefinition goes after its instances
        assert (await self.api.ask("GET", self.url)).status == 404
        if "deletecollection" in self.row["verbs"]:
            await self.api.ok(
                "POST", self.root, {**self.obj, "metadata": {**self.obj["metadata"], "labels": {"l": "1"}}}
            )
            await self.api.ok("DELETE", f"{self.root}?labelSelector=l=1&propagationPolicy=Background")
            await settle()
            assert (await self.api.ask("GET", self.url)).status == 404


@pytest.mark.parametrize("row", STORED, ids=label)
async def test_every_verb_of(row: Object) -> None:
    async with cluster() as made_cluster:
        walk = Walk(Api(made_cluster), row)
        made = await walk.create()
        await walk.read(made)
        await walk.table()
        query = f"resourceVersion={made['metadata']['resourceVersion']}&fieldSelector=metadata.name={walk.name}"
        async with Watching(walk.api, f"{walk.root}?{query}") as watching:
            await walk.change(made)
            if any(s["name"] == "status" for s in row.get("subresources", [])):
                await walk.change_status()
            await walk.delete()
            await settle()
            types = [type_ for type_, _ in watching.events]
        assert types[:5] == ["MODIFIED"] * 5
        if row["plural"] not in HELD:
            assert "DELETED" in types
        revisions = [int(obj["metadata"]["resourceVersion"]) for _, obj in watching.events]
        assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("row", ROWS, ids=label)
async def test_it_is_served_with_all_its_subresources(row: Object) -> None:
    start = f"/apis/{row['group']}/{row['version']}" if row["group"] else f"/api/{row['version']}"
    async with cluster() as made_cluster:
        listed = await Api(made_cluster).ok("GET", start)
    found = {r["name"]: r for r in listed["resources"]}
    assert found[row["plural"]]["verbs"] == sorted(row["verbs"])
    for sub in row.get("subresources", []):
        assert found[f"{row['plural']}/{sub['name']}"]["verbs"] == sorted(sub["verbs"])


def test_every_sample_is_of_a_resource() -> None:
    names = {f"{r['plural']}.{r['group']}" if r["group"] else r["plural"] for r in STORED}
    assert {name.partition("/")[0] for name in samples.samples()} == names
    assert {r["plural"] for r in OTHERS} == {
        "bindings", "componentstatuses", "selfsubjectreviews", "tokenreviews", "localsubjectaccessreviews",
        "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews", "nodes", "pods",
    }  # fmt: skip
