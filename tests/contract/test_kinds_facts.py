"""Every kind that is served says of itself what Kubernetes' own tables say (`tools/facts`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import scheme
from minikube_py.apiserver.discovery import GROUP_ORDER, Discovery
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Kind

FACTS = Path(__file__).parents[2] / "tools" / "facts"


def facts(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FACTS / name).read_text())
    return loaded


RESOURCES = {(r["group"], r["version"], r["plural"]): r for r in facts("resources.json")["resources"]}
COLUMNS = facts("columns.json")["kinds"]
FIELDS = facts("fieldselectors.json")["kinds"]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.plural)


@every_kind
def test_names_scope_and_verbs(kind: Kind) -> None:
    r = kind.resource
    fact = RESOURCES[r.group, r.version, r.plural]
    assert (r.kind, kind.singular, r.namespaced, r.type) == (
        fact["kind"], fact["singular"], fact["namespaced"], fact["type"],
    )  # fmt: skip
    assert list(kind.short_names) == fact.get("shortNames", [])
    assert list(kind.categories) == fact.get("categories", [])
    assert sorted(kind.verbs) == fact["verbs"]
    assert scheme.struct(r.type).group_version_kind == (r.group, r.version, r.kind)


@every_kind
def test_subresources_are_some_of_kubernetes(kind: Kind) -> None:
    r = kind.resource
    known = {s["name"]: s for s in RESOURCES[r.group, r.version, r.plural].get("subresources", [])}
    for sub in kind.subresources:
        fact = known[sub.name]
        assert (sub.kind, list(sub.verbs), sub.type) == (fact["kind"], fact["verbs"], fact["type"])
        assert (sub.group, sub.version) == (fact.get("group", ""), fact.get("version", ""))
    assert ("status" in known) == kind.status == any(s.name == "status" for s in kind.subresources)


@every_kind
def test_storage_version_hash(kind: Kind) -> None:
    r = kind.resource
    listed = Discovery([kind]).resources(r.group, r.version)
    assert listed is not None
    assert listed["resources"][0]["storageVersionHash"] == RESOURCES[r.group, r.version, r.plural]["storageVersionHash"]


@every_kind
def test_columns(kind: Kind) -> None:
    mine = [(c.name, c.type, c.format, c.priority) for c in kind.columns]
    theirs = COLUMNS[kind.resource.type]
    if isinstance(theirs, dict):
        theirs = COLUMNS[theirs["sameAs"]]
    assert mine == [(c["name"], c["type"], c.get("format", ""), c.get("priority", 0)) for c in theirs]
    assert all(c.description for c in kind.columns)


@every_kind
def test_field_selectors(kind: Kind) -> None:
    fact = FIELDS.get(kind.resource.type, {"fields": []})
    always = {"metadata.name", "metadata.namespace"}
    assert set(kind.select_fields({"metadata": {"name": "x"}})) == set(fact["fields"]) - always
    # For a version that is kept as another one the table says how that one calls the fields.
    assert dict(kind.field_aliases or {}) == ({} if kind.stored_as is not None else fact.get("aliases", {}))


def test_the_order_of_groups() -> None:
    theirs = [g["group"] for g in facts("resources.json")["groups"] if not g.get("aggregated")]
    assert list(GROUP_ORDER) == theirs
