"""ServiceAccount tokens in volumes: bound to their Pod, renewed in time, readable for those who run in it."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import CONFIGMAPS, SERVICEACCOUNTS
from minikube_py.daemon import jwt
from minikube_py.kubelet.volumes.content import one_user
from tests.fakes.kubelet_world import World, world

ISSUER = "https://kubernetes.default.svc.cluster.local"


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "kubelet") as made:
        await made.api.add_account("robot")
        await made.start()
        yield made


def token_source(**more: Any) -> dict[str, Any]:
    return {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token", **more}}]}}


def token_file(w: World) -> Path:
    return next(w.root.glob("pods/*/volumes/kubernetes.io~projected/*/token"))


def claims(path: Path) -> Any:
    return jwt.parse(path.read_text()).claims


def asked(w: World) -> int:
    """How many tokens were asked for so far."""
    return sum(path.endswith("/token") for _, path in w.api.requests)


async def test_what_the_admission_plugin_adds_is_mounted(w: World) -> None:
    root = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": "kube-root-ca.crt"}}
    await w.api.client.create(CONFIGMAPS, {**root, "data": {"ca.crt": "the authority"}})
    made = await w.pod("p", serviceAccountName="robot")
    assert await w.words() == "running 0"
    directory = token_file(w).parent
    assert (directory / "ca.crt").read_text() == "the authority"
    assert (directory / "namespace").read_text() == "default"
    found = claims(directory / "token")
    assert (found["sub"], found["aud"]) == ("system:serviceaccount:default:robot", [ISSUER])
    bound = found["kubernetes.io"]["pod"]
    assert bound == {"name": "p", "uid": made["metadata"]["uid"]}
    mounts = [m for c in w.engine.containers.values() for m in c.config.mounts]
    mount = next(m for m in mounts if m.container_path == "/var/run/secrets/kubernetes.io/serviceaccount")
    assert mount.read_only and mount.host_path == str(directory)


async def test_an_audience_and_a_lifetime(w: World) -> None:
    await w.pod("p", volumes=[token_source(audience="vault", expirationSeconds=600)])
    found = claims(token_file(w))
    assert (found["aud"], found["exp"] - found["iat"]) == (["vault"], 600)


@pytest.mark.parametrize(("seconds", "still", "renewed"), [(600, 420, 480), (3600, 2820, 2880), (10**6, 86400, 86460)])
async def test_a_token_is_renewed_in_time(w: World, seconds: int, still: int, renewed: int) -> None:
    """At 80 % of its life or after a day; the kubelet looks once a minute."""
    await w.pod("p", volumes=[token_source(expirationSeconds=seconds)])
    first = token_file(w).read_text()
    generation = os.readlink(token_file(w).parent / "..data")
    await w.advance(still)
    assert (token_file(w).read_text(), asked(w)) == (first, 1)
    await w.advance(renewed - still)
    assert asked(w) == 2
    assert token_file(w).read_text() != first
    assert os.readlink(token_file(w).parent / "..data") != generation, "switched, not written over"


async def test_an_old_token_stays_while_no_new_one_can_be_had(w: World) -> None:
    await w.pod("p", volumes=[token_source(expirationSeconds=600)])
    first = token_file(w).read_text()
    w.api.away = True
    await w.advance(590)
    assert token_file(w).read_text() == first
    w.api.away = False
    await w.advance(61)
    assert token_file(w).read_text() != first


async def test_a_kubelet_forgets_the_tokens_of_pods_that_are_gone(w: World) -> None:
    await w.pod("p", volumes=[token_source()])
    tokens = w.kubelet.volumes._objects.tokens  # type: ignore[union-attr]
    assert len(tokens._tokens) == 1  # type: ignore[attr-defined]
    await w.delete(grace=0)
    await w.advance(61)
    assert len(tokens._tokens) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({}, 0o644),
        ({"securityContext": {"runAsUser": os.getuid()}}, 0o600),
        ({"securityContext": {"fsGroup": os.getgid()}}, 0o640),
        ({"securityContext": {"runAsUser": os.getuid(), "fsGroup": os.getgid()}}, 0o640),
    ],
)
async def test_who_may_read_it(w: World, spec: dict[str, Any], mode: int) -> None:
    await w.pod("p", volumes=[token_source()], **spec)
    info = token_file(w).stat()
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (mode, os.getuid())


def test_the_one_user_of_a_pod() -> None:
    def pod(own: int | None, *containers: int | None) -> dict[str, Any]:
        listed = [{"name": f"c{i}", "securityContext": {"runAsUser": user}} for i, user in enumerate(containers)]
        return {"spec": {"securityContext": {"runAsUser": own}, "initContainers": listed[:1], "containers": listed[1:]}}

    assert one_user(pod(7, None, None)) == 7
    assert one_user(pod(None, 5, 5)) == 5
    assert one_user(pod(7, 5, 5)) == 5
    assert one_user(pod(0, None, None)) == 0
    for none in (pod(None, None, None), pod(None, 5, None), pod(7, 5, None), pod(None, 5, 6)):
        assert one_user(none) is None


async def test_a_volume_waits_for_its_token_and_says_why(w: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await w.kill()
    await w.pod("p", serviceAccountName="robot", automountServiceAccountToken=False, volumes=[token_source()])
    await w.api.client.delete(SERVICEACCOUNTS, "robot", "default")
    await w.start()
    assert await w.words() == "ContainerCreating 0"
    assert any("failed to fetch token" in e and '"robot" not found' in e for e in await w.events())
    await w.api.add_account("robot")
    await w.advance(120)
    assert await w.words() == "running 0"
    for part in token_file(w).read_text().split("."):
        assert part not in caplog.text
