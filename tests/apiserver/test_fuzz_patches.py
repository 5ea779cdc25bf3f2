"""Random patches of every kind and form: what is refused changes nothing, what is accepted holds up."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api.schema import Field, List, Struct
from tests.apiserver.fuzz_values import Rng, anything, fitting, member, mutated, text
from tests.apiserver.fuzzing import (
    APPLY,
    JSON_PATCH,
    MERGE,
    PATCHES,
    STRATEGIC,
    Object,
    Served,
    Server,
    bounded,
    labels,
    several,
)  # fmt: skip

OPTIONS = ("", "", "&force=true", "&dryRun=All", "&fieldValidation=Strict", "&fieldValidation=Ignore", "&force=x")
OPERATIONS = ("add", "add", "remove", "replace", "move", "copy", "test", "x", "")


def pointer(rng: Rng, obj: Any, struct: Any, odd: bool) -> tuple[str, Any, Any]:
    """A JSON pointer to a place of the object (or near one, if `odd`), the schema of what is there, and its value."""
    path, here, node = "", obj, struct
    for _ in range(rng.randrange(odd is False, 6)):
        if isinstance(here, dict):
            known = list(node.fields) if isinstance(node, Struct) and node.fields else list(here)
            names = known if odd and rng.random() < 0.3 else list(here)
            key: Any = rng.choice(names) if names and not (odd and rng.random() < 0.05) else text(rng)
            inner = here.get(key)
        elif isinstance(here, list):
            key = rng.choice((0, len(here), "-", -1, "01")) if odd else 0
            inner = here[key] if isinstance(key, int) and 0 <= key < len(here) else None
        else:
            break
        path += "/" + str(key).replace("~", "~0").replace("/", "~1")
        here, node = inner, member(node, key)
    return path, node, here


def json_patch(served: Served, changes: list[int]) -> Any:
    found = []
    for change in changes[: 1 + changes[0] % 4]:
        rng = random.Random(change)
        odd = rng.random() < 0.3
        path, node, value = pointer(rng, served.typed, served.struct, odd)
        operation: Object = {"op": rng.choice(OPERATIONS), "path": path, "value": fitting(rng, node)}
        if operation["op"] == "test" and rng.random() < 0.8:
            operation["value"] = value
        if operation["op"] in ("move", "copy") and rng.random() < 0.95:
            operation["from"] = pointer(rng, served.typed, served.struct, odd)[0]
        for name in ("op", "path", "value"):
            if rng.random() < 0.03:
                operation[name] = anything(rng)
        found.append(anything(rng) if rng.random() < 0.02 else operation)
    return found


def directives(rng: Rng, patch: Any, node: Any) -> None:
    """Put strategic merge's own words somewhere into a patch."""
    here = patch
    for _ in range(rng.randrange(5)):
        inner = [
            k for k, v in (here.items() if isinstance(here, dict) else enumerate(here)) if isinstance(v, dict | list)
        ]
        if not inner:
            break
        key = rng.choice(inner)
        here, node = here[key], member(node, key)
    if isinstance(here, list):
        here.append({"$patch": rng.choice(("replace", "delete", "merge", "x", 1)), "name": rng.choice(("c", "a"))})
    elif isinstance(here, dict):
        lists = [f for f in node.fields.values() if isinstance(f.node, List)] if isinstance(node, Struct) else []
        field = rng.choice(lists) if lists and rng.random() < 0.9 else Field("finalizers", List(Struct("x", dict)))
        values: list[Any] = [fitting(rng, field.node) for _ in range(2)]
        match rng.randrange(4):
            case 0:
                here["$patch"] = rng.choice(("replace", "delete", "merge", "x", anything(rng)))
            case 1:
                here["$retainKeys"] = rng.choice(([text(rng), *list(here)[:1]], list(here), anything(rng)))
            case 2:
                here[f"$setElementOrder/{field.name}"] = rng.choice((*values, here.get(field.name), anything(rng)))
            case _:
                here[f"$deleteFromPrimitiveList/{field.name}"] = rng.choice((*values, here.get(field.name)))


def patch_of(served: Served, media: str, subresource: str, changes: list[int]) -> Any:
    if media == JSON_PATCH:
        return json_patch(served, changes)
    rng = random.Random(changes[0])
    body: Object = served.typed if media == APPLY or rng.random() < 0.5 else {"metadata": {"labels": {"x": "y"}}}
    body = dict(body)
    if subresource and served.status is not None:
        body["status"] = served.status
    patch = mutated(body, served.struct, changes)
    if media == STRATEGIC and isinstance(patch, dict | list):
        for change in changes[:2]:
            if change % 2:
                directives(random.Random(change), patch, served.struct)
    return patch


@bounded(2800)
@given(labels, st.sampled_from(PATCHES), several(4))
def test_patched_objects(fuzzed: Server, label: str, media: str, changes: list[int]) -> None:
    served = fuzzed.all[label]
    rng = random.Random(changes[-1])
    made = fuzzed.create(served)
    path = f"{served.path}/{served.name}"
    subresources = [s.name for s in served.kind.subresources if "patch" in s.verbs and s.name != "proxy"]
    sub = f"/{rng.choice(subresources)}" if subresources and rng.random() < 0.3 else ""
    query = f"fieldManager=fuzz{rng.choice(OPTIONS)}"
    body = patch_of(served, media, sub, changes)
    try:
        answer = fuzzed.ask("PATCH", path + sub, query, body, media)
        found = fuzzed.ask("GET", path)
        if answer.status != 200 or "dryRun" in query:
            assert found.json == made, "what is refused changes nothing"
            return
        if found.status == 404:  # it has lost its last finalizer, or what kept it
            return
        if sub in ("", "/status") and served.kind.resource.kind != "CustomResourceDefinition":
            assert answer.json == found.json
        fuzzed.holds_up(served, path, found.json)
        if media in (APPLY, MERGE) and sub in ("", "/status"):
            again = fuzzed.ask("PATCH", path + sub, query, body, media)
            assert (again.status, fuzzed.ask("GET", path).json) == (200, found.json), "the same again changes nothing"
    finally:
        fuzzed.remove(path)


@bounded(1000)
@given(labels, several(3), several(3), st.sampled_from(["a", "b"]), st.booleans())
def test_applied_by_two(
    fuzzed: Server, label: str, first: list[int], second: list[int], other: str, force: bool
) -> None:
    """Two managers apply; what a conflict refuses changes nothing, and with force there is none."""
    served = fuzzed.all[label]
    path = f"{served.path}/{served.name}"
    bodies = [mutated(served.typed, served.struct, changes) for changes in (first, second)]
    try:
        one = fuzzed.ask("PATCH", path, "fieldManager=a", bodies[0], APPLY)
        if one.status not in (200, 201):
            return
        before = fuzzed.ask("GET", path).json
        query = f"fieldManager={other}{'&force=true' if force else ''}"
        two = fuzzed.ask("PATCH", path, query, bodies[1], APPLY)
        found = fuzzed.ask("GET", path)
        if two.status == 409:
            told = two.json["message"]
            unowned = "before-first-apply" in told  # the first configuration owned nothing
            assert told.startswith(("Operation cannot", "Precondition")) or (not force and (other != "a" or unowned))
        if two.status >= 400:
            assert found.json == before
        elif found.status == 200:
            fuzzed.holds_up(served, path, found.json)
    finally:
        fuzzed.remove(path)
