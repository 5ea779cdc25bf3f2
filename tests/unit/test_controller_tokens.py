"""The controllers of token Secrets: those of ServiceAccounts are filled and removed, expired bootstrap tokens go."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.meta import Object
from minikube_py.api.resources import SECRETS, SERVICEACCOUNTS
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.controller_manager.controllers import token_cleaner, tokens
from minikube_py.controller_manager.main import run
from minikube_py.daemon import jwt
from tests.apiserver.conftest import Api
from tests.apiserver.test_token_request import good, who
from tests.fakes.cluster import Cluster, cluster, signing_key

NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def begin(world: Cluster, ca: Path) -> asyncio.Task[Any]:
    config = ControllerManagerConfig(
        controllers=("serviceaccount-token-controller",), service_account_private_key_file=signing_key(),
        root_ca_file=str(ca),
    )  # fmt: skip
    return world.run(lambda: run(config, world.clock, world.transport("system:kube-controller-manager")))


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_text("the authority")
    return path


async def make(world: Cluster, name: str = "s", account: str = "robot", **data: str) -> Object:
    return await world.client.create(SECRETS, {
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"namespace": "default", "name": name, "annotations": {NAME: account}},
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    })  # fmt: skip


async def content(world: Cluster, name: str = "s") -> dict[str, str] | None:
    found = await world.get(SECRETS, name, "default")
    if found is None:
        return None
    return {k: base64.b64decode(v).decode() for k, v in (found.get("data") or {}).items()}


async def test_a_secret_is_filled_and_its_token_is_good(world: Cluster, ca: Path) -> None:
    begin(world, ca)
    account = await world.add_account("robot")
    await make(world)
    await world.settle()
    data = await content(world)
    assert data is not None
    assert (data["namespace"], data["ca.crt"]) == ("default", "the authority")
    assert jwt.parse(data["token"]).claims == {
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:robot",
        "kubernetes.io/serviceaccount/namespace": "default", "kubernetes.io/serviceaccount/secret.name": "s",
        "kubernetes.io/serviceaccount/service-account.name": "robot",
        "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
    }  # fmt: skip
    secret = await world.client.get(SECRETS, "s", "default")
    assert secret["metadata"]["annotations"][UID] == account["metadata"]["uid"]
    api = Api(world)
    info = (await who(api, data["token"])).json["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:default:robot"
    before = len(world.writes())
    await world.advance(600)
    assert len(world.writes()) == before, "nothing to do any more"
    await world.client.delete(SECRETS, "s", "default")
    assert not await good(api, data["token"])


async def test_what_is_there_stays_and_what_is_wrong_is_made_right(world: Cluster, ca: Path) -> None:
    begin(world, ca)
    await world.add_account("robot")
    await make(world, token="given", **{"ca.crt": "old"})
    await world.settle()
    assert await content(world) == {"token": "given", "namespace": "default", "ca.crt": "the authority"}


async def test_a_token_goes_with_its_account(world: Cluster, ca: Path) -> None:
    await world.add_account("robot")
    await make(world)
    task = begin(world, ca)
    await make(world, "orphan", "ghost")
    await world.settle()
    assert await content(world, "orphan") is None, "an account that was never there"
    assert await content(world) is not None
    await world.client.delete(SERVICEACCOUNTS, "robot", "default")
    await world.settle()
    assert await content(world) is None
    await world.add_account("robot")
    await make(world)
    await world.settle()
    await world.kill(task)
    await world.client.delete(SERVICEACCOUNTS, "robot", "default")
    await world.add_account("robot")
    begin(world, ca)
    await world.settle()
    assert await content(world) is None, "the account of that name is another one now"


async def test_accounts_name_no_secret_that_is_gone(world: Cluster, ca: Path) -> None:
    begin(world, ca)
    await world.add_account("robot", secrets=[{"name": "s"}, {"name": "t"}])
    await world.add_account("other", secrets=[{"name": "t"}])
    await make(world)
    await world.settle()
    await world.client.delete(SECRETS, "s", "default")
    await world.settle()
    assert (await world.client.get(SERVICEACCOUNTS, "robot", "default"))["secrets"] == [{"name": "t"}]
    assert (await world.client.get(SERVICEACCOUNTS, "other", "default"))["secrets"] == [{"name": "t"}]


def test_plan() -> None:
    account = {"metadata": {"namespace": "n", "name": "a", "uid": "u1"}}
    encoded = base64.b64encode(b"ca").decode()

    def secret(uid: str = "", **data: str) -> Object:
        return {"metadata": {"annotations": {NAME: "a", **({UID: uid} if uid else {})}}, "data": data}

    full = {"token": "t", "namespace": "n", "ca.crt": encoded}
    assert tokens.plan(secret("u1", **full), account, "ca") == tokens.Plan()
    assert tokens.plan(secret(**full), account, "") == tokens.Plan()
    assert tokens.plan(secret("u2", **full), account, "ca").delete
    assert tokens.plan(secret(), None, "ca").delete
    assert tokens.plan(secret(), account, "ca").missing == ("token", "namespace", "ca.crt")
    assert tokens.plan(secret(), account, "").missing == ("token", "namespace")


async def test_no_token_in_the_log(world: Cluster, ca: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    begin(world, ca)
    await world.add_account("robot")
    await make(world)
    await world.settle()
    data = await content(world)
    assert data is not None and "filled a token's secret" in caplog.text
    for part in data["token"].split("."):
        assert part not in caplog.text


async def bootstrap(world: Cluster, name: str, expiration: str, **more: Any) -> None:
    data = {"expiration": base64.b64encode(expiration.encode()).decode()} if expiration else {}
    metadata = {"namespace": "kube-system", "name": name}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    await world.client.create(SECRETS, {**secret, "type": "bootstrap.kubernetes.io/token", **more})


async def test_expired_bootstrap_tokens_are_deleted(world: Cluster) -> None:
    wanted = ControllerManagerConfig(controllers=("token-cleaner-controller",))
    world.run(lambda: run(wanted, world.clock, world.transport("system:kube-controller-manager")))
    await bootstrap(world, "bootstrap-token-aaaaaa", "2030-01-01T00:01:00Z")
    await bootstrap(world, "bootstrap-token-bbbbbb", "2029-01-01T00:00:00Z")
    await bootstrap(world, "bootstrap-token-cccccc", "")
    await bootstrap(world, "bootstrap-token-dddddd", "some day")
    await bootstrap(world, "bootstrap-token-eeeeee", "2029-01-01T00:00:00Z", type="Opaque")

    async def left() -> str:
        found = (await world.client.list(SECRETS, "kube-system"))["items"]
        return "".join(sorted(s["metadata"]["name"][-1] for s in found))

    await world.settle()
    assert await left() == "ace"
    await world.advance(59)
    assert await left() == "ace"
    await world.advance(1)
    assert await left() == "ce"


def test_remaining() -> None:
    def at(text: str) -> Object:
        return {"data": {"expiration": base64.b64encode(text.encode()).decode()}}

    assert token_cleaner.remaining({"data": {}}, 0.0) is None
    assert token_cleaner.remaining(at("1970-01-01T00:01:00Z"), 20.0) == 40.0
    assert token_cleaner.remaining(at("1970-01-01T00:01:00Z"), 60.0) == 0.0
    assert token_cleaner.remaining(at("never"), 0.0) == 0.0
    assert token_cleaner.remaining({"data": {"expiration": "/w=="}}, 0.0) == 0.0
