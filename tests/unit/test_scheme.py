"""The schemas compiled from the models, held against the fact tables that the models were generated from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import scheme
from minikube_py.api.schema import List, Map, Node, Scalar, Struct

TABLES = json.loads((Path(__file__).parents[2] / "tools" / "facts" / "types.json").read_text())
TYPES = TABLES["types"]
NOT_LITERAL = {"discovery/v1.AddressType": ("IPv4", "IPv6")}
"""Values that upstream makes of another package's constants: the table has literal ones only."""
STRUCTS = [
    name
    for name, entry in TYPES.items()
    if "alias" not in entry and "jsonForm" not in entry and not name.startswith("runtime.")
]


def members(name: str) -> Iterator[tuple[str, dict[str, Any], tuple[int, ...]]]:
    """JSON name, facts and path of embedded messages of every member, embedded structs flattened."""
    for f in TYPES[name]["fields"]:
        if f.get("inline"):
            for inner, facts, via in members(f["type"]["ref"]):
                if "pb" in f:
                    yield inner, facts, (f["pb"]["num"], *via)
                else:
                    yield inner, {k: v for k, v in facts.items() if k != "pb"}, ()
        else:
            yield f["json"], f, ()


def check_node(node: Node, wanted: dict[str, Any], where: str) -> None:
    kind = wanted["kind"]
    if kind == "ref":
        target = TYPES[wanted["ref"]]
        if "jsonForm" in target:
            assert node == Scalar("JSON"), where
        elif "alias" in target and target["alias"]["kind"] != "ref":
            check_node(node, target["alias"], where)
        else:
            assert isinstance(node, Struct) and node.name == wanted["ref"], where
    elif kind == "list":
        assert isinstance(node, List), where
        check_node(node.of, wanted["of"], where)
    elif kind == "map":
        assert isinstance(node, Map), where
        check_node(node.of, wanted["of"], where)
    else:
        assert isinstance(node, Scalar), where
        name = {"int": "int32", "any": "JSON"}.get(wanted["name"], wanted["name"])
        assert node.name == name, where
        enum = TABLES["stringTypes"].get(wanted.get("type", ""), {})
        values = {*enum.get("values", {}).values(), *NOT_LITERAL.get(wanted.get("type", ""), ())}
        assert node.enum == (tuple(sorted(values)) if enum.get("enum") else ()), where


@pytest.mark.parametrize("name", STRUCTS)
def test_schema_says_what_the_table_says(name: str) -> None:
    struct = scheme.struct(name)
    wanted = list(members(name))
    assert list(struct.fields) == [json_name for json_name, _, _ in wanted]
    assert struct.atomic == (TYPES[name].get("structType") == "atomic")
    for json_name, facts, via in wanted:
        field, where = struct.fields[json_name], f"{name}.{json_name}"
        check_node(field.node, facts["type"], where)
        if "pb" in facts:
            assert field.pb is not None
            assert (field.pb.number, field.pb.proto, field.pb.via) == (facts["pb"]["num"], facts["pb"]["proto"], via), (
                where
            )
        else:
            assert field.pb is None, where
        assert field.pointer == bool(facts.get("pointer")), where
        assert field.required == bool(facts.get("required")), where
        assert field.omitempty == bool(facts.get("omitempty") or facts.get("omitzero")), where
        assert field.default == facts.get("default"), where
        assert field.merge_key == facts.get("patchMergeKey", ""), where
        assert ",".join(field.strategy) == facts.get("patchStrategy", ""), where
        if isinstance(field.node, List):
            assert field.node.type == facts.get("listType", "atomic"), where
            assert field.node.keys == tuple(facts.get("listMapKeys", ())), where


def test_atomic_on_a_field_overrules_the_type() -> None:
    claim = scheme.struct("core/v1.PersistentVolumeSpec").fields["claimRef"].node
    assert isinstance(claim, Struct) and not claim.atomic
    assert scheme.struct("core/v1.ObjectReference").atomic


@pytest.mark.parametrize(
    ("api_version", "kind", "want"),
    [
        ("v1", "Pod", "core/v1.Pod"),
        ("apps/v1", "Deployment", "apps/v1.Deployment"),
        ("v1", "PodSpec", None),
        ("v1", "Deployment", None),
        ("v1", "", None),
        ("", "", None),
        ("x/v1", "Pod", None),
        ("v1", "Nope", None),
        ("apps/v1", "DeleteOptions", "meta/v1.DeleteOptions"),
        ("v1", "Status", "meta/v1.Status"),
        ("policy/v1", "Eviction", "policy/v1.Eviction"),
        ("autoscaling/v1", "Scale", "autoscaling/v1.Scale"),
        ("v1", "List", "core/v1.List"),
        ("v1", "TypeMeta", None),
        ("v1", "Model", None),
        ("v1", "field", None),
        ("rbac.authorization.k8s.io/v1", "Role", "rbac/v1.Role"),
        ("meta.k8s.io/v1", "Table", "meta/v1.Table"),
        ("nope/v1", "DeleteOptions", None),
        ("authentication.k8s.io/v1", "TokenRequest", "authentication/v1.TokenRequest"),
    ],
)
def test_type_for(api_version: str, kind: str, want: str | None) -> None:
    assert scheme.type_for(api_version, kind) == want


@pytest.mark.parametrize("name", ["core/v1.Nope", "nope/v1.Pod", "Pod", "", "core/v1.ObjectMeta", "core/v1.Protocol"])
def test_unknown_types(name: str) -> None:
    with pytest.raises(KeyError):
        scheme.struct(name)


def test_the_packages_are_those_of_the_tables() -> None:
    wanted = {name: info.get("group", "") for name, info in TABLES["packages"].items() if name != "runtime"}
    assert dict(scheme.PACKAGES) == wanted
    pod = scheme.struct("core/v1.Pod")
    assert pod.openapi == "io.k8s.api.core.v1.Pod" and pod.group_version_kind == ("", "v1", "Pod")
    assert scheme.struct("core/v1.Pod") is pod
