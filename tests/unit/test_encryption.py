"""Encryption at rest: the configuration, what is in the store, and rotating keys."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from minikube_py.api import resources
from minikube_py.apiserver.bootstrap.base import own_request
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.encryption import encrypted
from minikube_py.apiserver.encryption.config import load
from minikube_py.apiserver.encryption.providers import AESGCM, Identity, Keeper, Unreadable
from minikube_py.apiserver.main import APIServer, start
from minikube_py.daemon.clock import VirtualClock, settle
from minikube_py.daemon.run import named_group
from minikube_py.store.base import Unavailable
from minikube_py.store.memory import MemoryStore

ONE, TWO = base64.b64encode(b"1" * 32).decode(), base64.b64encode(b"2" * 16).decode()
IDENTITY: dict[str, Any] = {"identity": {}}
SECRET = "/registry/secrets/default/s"


def aesgcm(**keys: str) -> dict[str, Any]:
    return {"aesgcm": {"keys": [{"name": name, "secret": secret} for name, secret in keys.items()]}}


def configuration(*providers: dict[str, Any], names: tuple[str, ...] = ("secrets",)) -> dict[str, Any]:
    return {
        "kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [{"resources": list(names), "providers": list(providers)}],
    }  # fmt: skip


def write(path: Path, said: Any) -> str:
    path.write_text(said if isinstance(said, str) else yaml.safe_dump(said))
    return str(path)


class Servers:
    """One store, and API servers over it one after another, each with an encryption configuration of its own."""

    def __init__(self, directory: Path) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self._file = directory / "encryption.yaml"

    async def run(self, said: dict[str, Any], work: Any) -> Any:
        config = Config(storage_backend="memory", encryption_provider_config=write(self._file, said))
        async with named_group() as tasks, start(config, self.clock, tasks, self.store) as server:
            return await work(server)

    async def raw(self, key: str) -> bytes:
        return (await self.store.get(key)).value


async def create(server: APIServer) -> None:
    for resource in (resources.SECRETS, resources.CONFIGMAPS):
        obj = {"metadata": {"name": "s"}, "data": {"k": base64.b64encode(b"hidden").decode()}}
        await server.catalog.of(resource).create(obj, own_request("default", "s"))


async def read(server: APIServer) -> str:
    obj = await server.catalog.of(resources.SECRETS).read("default", "s")
    return base64.b64decode(obj["data"]["k"]).decode()


async def touch(server: APIServer) -> None:
    """As `kubectl get secrets -o json | kubectl replace -f -` does it."""
    await server.catalog.of(resources.SECRETS).modify(lambda obj: obj, own_request("default", "s"))


async def test_secrets_are_sealed_and_others_are_not(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    await servers.run(configuration(aesgcm(one=ONE)), create)
    sealed = await servers.raw(SECRET)
    assert sealed.startswith(b"k8s:enc:aesgcm:v1:one:") and base64.b64encode(b"hidden") not in sealed
    assert b'"k":' in await servers.raw("/registry/configmaps/default/s")
    assert await servers.run(configuration(aesgcm(one=ONE)), read) == "hidden"


async def test_rotation(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    await servers.run(configuration(IDENTITY), create)
    assert b'"k":' in await servers.raw(SECRET)
    for providers, prefix in (
        ((aesgcm(one=ONE), IDENTITY), b"k8s:enc:aesgcm:v1:one:"),
        ((aesgcm(two=TWO, one=ONE),), b"k8s:enc:aesgcm:v1:two:"),
        ((IDENTITY, aesgcm(two=TWO)), b'{"kind":"Secret"'),
    ):
        assert await servers.run(configuration(*providers), read) == "hidden"
        assert not (await servers.raw(SECRET)).startswith(prefix)
        await servers.run(configuration(*providers), touch)
        assert (await servers.raw(SECRET)).startswith(prefix)
        before = await servers.store.get(SECRET)
        await servers.run(configuration(*providers), touch)
        assert await servers.store.get(SECRET) == before  # nothing is stale any more: nothing is written


async def test_what_no_key_opens_is_not_served(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    await servers.run(configuration(aesgcm(one=ONE)), create)
    store = encrypted(
        servers.store, write(tmp_path / "two.yaml", configuration(aesgcm(two=TWO))), frozenset({"secrets"})
    )
    with pytest.raises(Unavailable, match="is encrypted with a key that is not in the encryption configuration"):
        await store.get(SECRET)
    with pytest.raises(Unavailable, match="secrets/default/s"):
        await store.list("/registry/secrets/")
    assert len((await store.list("/registry/configmaps/")).entries) == 1


def test_a_changed_or_moved_value_does_not_open() -> None:
    keeper = Keeper([AESGCM("one", bytes(16)), Identity()])
    sealed = keeper.seal("/registry/secrets/a/s", b"{}")
    assert keeper.open("/registry/secrets/a/s", sealed) == (b"{}", False)
    for key, value in (("/registry/secrets/b/s", sealed), ("/registry/secrets/a/s", sealed[:-1] + b"?")):
        with pytest.raises(Unreadable, match="changed or moved"):
            keeper.open(key, value)
    assert keeper.seal("k", b"{}") != keeper.seal("k", b"{}")


@pytest.mark.parametrize(
    ("names", "group", "plural", "chosen"),
    [
        (("secrets",), "", "secrets", True), (("secrets",), "", "configmaps", False),
        (("secrets",), "example.com", "secrets", False), (("widgets.example.com",), "example.com", "widgets", True),
        (("*.example.com",), "example.com", "widgets", True), (("*.example.com",), "", "secrets", False),
        (("*.",), "", "secrets", True), (("*.",), "apps", "deployments", False), (("*.*",), "apps", "jobs", True),
    ],
)  # fmt: skip
def test_which_resources(tmp_path: Path, names: tuple[str, ...], group: str, plural: str, chosen: bool) -> None:
    choose = load(write(tmp_path / "c.yaml", configuration(IDENTITY, names=names)))
    assert (choose(group, plural) is not None) is chosen


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("a: [", "no YAML"),
        ("[]", "a mapping is needed"),
        ({"kind": "Pod"}, "kind: unknown field|expected kind EncryptionConfiguration"),
        ({**configuration(IDENTITY), "extra": 1}, "extra: unknown field"),
        (configuration(), r"resources\[0\].providers: a list that is not empty"),
        (configuration({"kms": {}}), "provider 'kms' is not supported: use aesgcm or identity"),
        (configuration({"aesgcm": {"keys": []}}), r"aesgcm.keys: a list that is not empty"),
        (configuration(aesgcm(one="c2hvcnQ=")), r"keys\[0\].secret: 5 bytes; 16, 24 or 32 are needed"),
        (configuration(aesgcm(one="%%%")), r"keys\[0\].secret: no base64"),
        (configuration(aesgcm(**{"a:b": ONE})), r"keys\[0\].name: a name without colons"),
        (configuration(IDENTITY, names=("*",)), r"resources\[0\].resources: '\*' is none of"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, said: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        load(write(tmp_path / "c.yaml", said))
    assert "c2hvcnQ" not in str(caught.value)


async def test_the_server_starts_with_everything_encrypted(tmp_path: Path) -> None:
    servers = Servers(tmp_path)

    async def ready(server: APIServer) -> bool:
        await settle()
        return (await server.health.answer("readyz", "", verbose=False, exclude=[])).status == 200  # type: ignore[union-attr]

    for _ in range(2):
        assert await servers.run(configuration(aesgcm(one=ONE), names=("*.*",)), ready)
    for entry in (await servers.store.list("/registry/")).entries:
        assert entry.value.startswith(b"k8s:enc:"), entry.key
