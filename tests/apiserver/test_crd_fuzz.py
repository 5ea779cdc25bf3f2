"""Definitions and custom resources with anything in any place: an answer, and never the server's own fault."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minikube_py.daemon.clock import settle
from tests.apiserver.conftest import Api
from tests.apiserver.crd_samples import CRDS, CRONTABS, Object, crontab, full, install
from tests.fakes.cluster import cluster

odd = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "a", ".", "x" * 300, "\x00", "é", "[", "$patch", "object", "string", "array", "map"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["name", "type", "items", "a", "properties", "default"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every member and element below."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += [(*here, key), *places(inner, (*here, key))]
    return found


def changed(obj: Object, path: tuple[Any, ...], value: Any) -> Object:
    made = copy.deepcopy(obj)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


DEFINITION = full()
DEFINITION["spec"]["conversion"] = {"strategy": "None"}
RULES = [{"rule": "self.replicas > 0", "message": "m", "reason": "FieldValueInvalid", "fieldPath": ".replicas"}]
_SPEC = DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = copy.deepcopy(
    DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
)
_SPEC["properties"]["spec"] |= {
    "x-kubernetes-validations": RULES,
    "anyOf": [{"required": ["cronSpec"]}, {"properties": {"image": {"pattern": "a"}}}],
    "not": {"required": ["nothing"]},
}
OBJECT = {
    "apiVersion": "stable.example.com/v1",
    "kind": "CronTab",
    "status": {"replicas": 1, "selector": "a=b"},
    **crontab(
        image="i",
        replicas=1,
        policy="Allow",
        port=1,
        free={"a": [1]},
        note=None,
        labels={"a": "b"},
        tags=["a"],
        steps=[{"name": "a", "seconds": 1}],
        template={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {}},
    ),
}
some = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


@some
@given(st.lists(st.tuples(st.sampled_from(places(DEFINITION)), odd), min_size=1, max_size=8))
def test_definitions(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    async def check() -> None:
        async with cluster() as made:
            api = Api(made)
            for path, value in changes:
                definition = changed(DEFINITION, path, value)
                answer = await api.ask("POST", CRDS, definition)
                assert answer.status < 500, (path, value, answer.json)
                await settle()
                if answer.status == 201:
                    assert (await api.ask("GET", CRONTABS, headers=TABLE)).status in (200, 404)
                    written = await api.ask("POST", CRONTABS, OBJECT)
                    assert written.status < 500, (path, value, written.json)
                    if written.status == 201:
                        assert (await api.ask("GET", CRONTABS, headers=TABLE)).status == 200
                    assert (await api.ask("GET", "/openapi/v3/apis/stable.example.com/v1")).status in (200, 404)
                    await api.ok("DELETE", f"{CRDS}/{answer.json['metadata']['name']}")
                    await settle()
                assert (await api.ok("GET", CRDS))["items"] == [], (path, value)

    asyncio.run(check())


@some
@given(st.lists(st.tuples(st.sampled_from(places(OBJECT)), odd), min_size=1, max_size=10))
def test_objects(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    async def check() -> None:
        async with cluster() as made:
            api = Api(made)
            await install(api, DEFINITION)
            await api.ok("POST", CRONTABS, changed(OBJECT, ("metadata", "name"), "kept"))
            for path, value in changes:
                obj = changed(OBJECT, path, value)
                answer = await api.ask("POST", CRONTABS, obj)
                assert answer.status < 500, (path, value, answer.json)
                obj = changed(changed(OBJECT, ("metadata", "name"), "kept"), path, value)
                for method, place, media in (
                    ("PUT", f"{CRONTABS}/kept", "application/json"),
                    ("PATCH", f"{CRONTABS}/kept", "application/merge-patch+json"),
                    ("PATCH", f"{CRONTABS}/kept/status", "application/merge-patch+json"),
                    ("PATCH", f"{CRONTABS}/kept?fieldManager=m&force=true", "application/apply-patch+yaml"),
                ):
                    written = await api.ask(method, place, obj, content_type=media)
                    assert written.status < 500, (method, media, path, value, written.json)
                if answer.status == 201:
                    await api.ok("DELETE", f"{CRONTABS}/{answer.json['metadata']['name']}")
            listed = await api.ok("GET", CRONTABS)
            assert (await api.ask("GET", CRONTABS, headers=TABLE)).status == 200
            for item in listed["items"]:  # whatever is stored is good
                again = await api.ask("PUT", f"{CRONTABS}/{item['metadata']['name']}", item)
                assert again.status == 200, again.json

    asyncio.run(check())


def test_too_deep() -> None:
    async def check() -> None:
        async with cluster() as made:
            api = Api(made)
            await install(api, DEFINITION)
            for place in ("free", "replicas", "image"):
                value: Any = 1
                for _ in range(300):
                    value = {"a": value}
                answer = await api.ask("POST", CRONTABS, crontab(**{place: value}))
                assert (answer.status, answer.reason) == (400, "BadRequest"), answer.json

    asyncio.run(check())
