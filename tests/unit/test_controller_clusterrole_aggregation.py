"""The clusterrole-aggregation controller: what it plans, and that it does it with its own rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minikube_py.api.meta import Object
from minikube_py.api.resources import CLUSTERROLES
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.controller_manager.controllers.clusterrole_aggregation import plan
from minikube_py.controller_manager.main import run
from tests.fakes.cluster import Cluster, cluster

GET = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
LIST = {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}


def role(name: str, label: str = "", *rules: Object, of: str = "") -> Object:
    made: Object = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": list(rules)}
    made["metadata"] = {"name": name, "labels": {label: "true"} if label else {}}
    if of:
        made["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {of: "true"}}]}
    return made


@pytest.mark.parametrize(
    ("own", "others", "wanted"),
    [
        (role("w", of="a"), [role("x", "a", GET)], [GET]),
        (role("w", "", GET, of="a"), [role("x", "a", GET)], None),
        (role("w", "", GET, of="a"), [role("y", "a", GET), role("x", "a", LIST)], [LIST, GET]),
        (role("w", "", GET, LIST, of="a"), [role("x", "a", GET)], [GET]),
        (role("w", "", GET, of="a"), [], []),
        (role("w", of="a"), [], None),
        (role("w", "", GET), [role("x", "a", LIST)], None),
        (None, [role("x", "a", GET)], None),
    ],
)
def test_plan(own: Object | None, others: list[Object], wanted: list[Object] | None) -> None:
    assert plan(own, others) == wanted


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        config = ControllerManagerConfig(controllers=("clusterrole-aggregation-controller",))
        transport = made.transport("system:kube-controller-manager", ())
        task: asyncio.Task[Any] = made.run(lambda: run(config, made.clock, transport))
        await made.settle()
        assert not task.done()
        yield made


async def rules_of(world: Cluster, name: str) -> list[Object]:
    found: list[Object] = (await world.client.get(CLUSTERROLES, name)).get("rules") or []
    return found


async def test_a_role_follows_what_it_gathers(world: Cluster) -> None:
    await world.client.create(CLUSTERROLES, role("whole", "up", of="part"))
    await world.client.create(CLUSTERROLES, role("top", of="up"))
    await world.client.create(CLUSTERROLES, role("one", "part", GET))
    await world.settle()
    assert await rules_of(world, "whole") == [GET]
    assert await rules_of(world, "top") == [GET], "through another aggregated role"
    two = await world.client.create(CLUSTERROLES, role("two", "part", LIST))
    await world.settle()
    assert await rules_of(world, "top") == [GET, LIST]
    await world.client.update(CLUSTERROLES, {**await world.client.get(CLUSTERROLES, "whole"), "rules": []})
    await world.settle()
    assert await rules_of(world, "whole") == [GET, LIST], "its rules are not for others to change"
    await world.client.delete(CLUSTERROLES, two["metadata"]["name"])
    await world.settle()
    assert await rules_of(world, "top") == [GET]
    managers = [m["manager"] for m in (await world.client.get(CLUSTERROLES, "top"))["metadata"]["managedFields"]]
    assert "clusterrole-aggregation-controller" in managers


async def test_the_default_roles_need_nothing(world: Cluster) -> None:
    await world.settle()
    assert world.writes() == [], "the server ships them gathered"
    await world.client.create(
        CLUSTERROLES, role("mine", "rbac.authorization.k8s.io/aggregate-to-view", {**GET, "resources": ["unicorns"]})
    )
    await world.settle()
    for name in ("view", "edit", "admin"):
        assert any(r.get("resources") == ["unicorns"] for r in await rules_of(world, name)), name
    before = len(world.writes())
    await world.advance(3600)
    assert len(world.writes()) == before, "once it is right nothing is written"
