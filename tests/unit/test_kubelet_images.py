"""Images in the kubelet: pull policies, failures and their back-off, over the fake engine."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import EVENTS, SECRETS, SERVICEACCOUNTS
from minikube_py.kubelet.podspec import pull_policy
from minikube_py.kubelet.runtime.base import Credentials
from minikube_py.kubelet.runtime.references import invalid
from tests.fakes.kubelet_world import World, shell, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        await made.start()
        yield made


@pytest.mark.parametrize(
    ("image", "given", "expected"),
    [
        ("web", "", "Always"),
        ("web:latest", "", "Always"),
        ("web:1", "", "IfNotPresent"),
        ("host:5000/web", "", "Always"),
        ("web@sha256:abc", "", "IfNotPresent"),
        ("web", "Never", "Never"),
    ],
)
def test_default_pull_policy(image: str, given: str, expected: str) -> None:
    assert pull_policy({"image": image, "imagePullPolicy": given}) == expected


@pytest.mark.parametrize(
    ("image", "policy", "pulls", "state"),
    [
        ("shell:1", "IfNotPresent", 0, "running 0"),
        ("shell:1", "Always", 1, "running 0"),
        ("shell:1", "Never", 0, "running 0"),
        ("other:1", "IfNotPresent", 1, "running 0"),
        ("other:1", "Never", 0, "ErrImageNeverPull 0"),
        ("absent:1", "IfNotPresent", 1, "ErrImagePull 0"),
        ("Bad Name", "IfNotPresent", 0, "InvalidImageName 0"),
    ],
)
async def test_policies(w: World, image: str, policy: str, pulls: int, state: str) -> None:
    w.engine.absent.add("absent:1")
    await w.pod("p", {"name": "a", "image": image, "imagePullPolicy": policy, "command": ["serve"]})
    assert (len(w.calls("pull_image")), await w.words()) == (pulls, state)


async def test_an_invalid_name_is_explained_once(w: World) -> None:
    await w.pod("p", {"name": "a", "image": "Bad Name"})
    waiting = (await w.container())["state"]["waiting"]["message"]
    assert waiting.startswith('Failed to apply default image tag "Bad Name": couldn\'t parse image name "Bad Name": ')
    assert waiting.count("Failed to apply") == 1
    assert f"InspectFailed: {waiting}" in await w.events()
    engine = "no such image: Bad Name: invalid reference format"
    assert invalid("Bad Name", engine) == invalid("Bad Name", "invalid reference format")


async def test_failed_pulls_back_off(w: World) -> None:
    w.engine.absent.add("absent:1")
    await w.pod("p", {"name": "a", "image": "absent:1"})
    assert await w.words() == "ErrImagePull 0"
    await w.advance(1)
    assert await w.words() == "ImagePullBackOff 0"
    waits = []
    for _ in range(8):
        before, asked = w.clock.monotonic(), len(w.calls("pull_image"))
        while len(w.calls("pull_image")) == asked:
            await w.advance(1)
        waits.append(round(w.clock.monotonic() - before))
    assert waits == [9, 20, 40, 80, 160, 300, 300, 300]
    said = await w.events()
    assert "Normal" not in said
    for sentence in (
        'BackOff: Back-off pulling image "absent:1"', "Failed: Error: ErrImagePull", "Failed: Error: ImagePullBackOff",
        'Pulling: Pulling image "absent:1"',
    ):  # fmt: skip
        assert sentence in said


async def test_the_image_arrives_at_last(w: World) -> None:
    w.engine.absent.add("late:1")
    await w.pod("p", {"name": "a", "image": "late:1", "command": ["serve"]})
    w.engine.absent.clear()
    await w.advance(9)
    assert await w.words() == "ImagePullBackOff 0"
    await w.advance(1)
    assert await w.words() == "running 0"
    # Forgiven: the next failure begins anew.
    assert w.kubelet is not None
    assert w.kubelet.pods.images._delays == {}


async def test_deletion_in_back_off(w: World) -> None:
    w.engine.absent.add("absent:1")
    await w.pod("p", {"name": "a", "image": "absent:1"})
    await w.advance(3)
    await w.delete()
    assert await w.get() is None
    assert (w.engine.sandboxes, w.engine.containers) == ({}, {})


async def test_one_pull_for_all_who_wait(w: World) -> None:
    await w.pod("p", *({"name": n, "image": "other:1", "command": ["serve"]} for n in ("a", "b", "c")))
    assert len(w.calls("pull_image")) == 1
    assert w.running() == ["a", "b", "c"]


async def test_non_root_is_verified(w: World) -> None:
    context = {"runAsNonRoot": True}
    await w.pod("p", shell("a", securityContext=context))
    assert await w.words() == "CreateContainerConfigError 0"
    waiting = (await w.container())["state"]["waiting"]
    assert "image will run as root" in waiting["message"]
    await w.pod("q", shell("a", securityContext={**context, "runAsUser": 1000}))
    assert await w.words("a", "q") == "running 0"


# -- pull secrets

PRIVATE, HOST = "reg.test:5000/team/tool:1", "reg.test:5000"
GOOD, WRONG = Credentials("puller", "right-word"), Credentials("puller", "wrong-word")


async def pull_secret(w: World, name: str, one: Credentials, place: str = HOST) -> None:
    config = {"auths": {place: {"username": one.username, "password": one.password}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    await add(w, "Secret", SECRETS, name, type="kubernetes.io/dockerconfigjson", data=data)


async def add(w: World, kind: str, resource: Any, name: str, **body: Any) -> None:
    metadata = {"namespace": "default", "name": name}
    await w.api.client.create(resource, {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body})


async def private(w: World, pod: str = "p", *secrets: str, image: str = PRIVATE, **spec: Any) -> str:
    """Make a Pod with an image from the private registry; the state of its container."""
    w.engine.private[HOST] = {GOOD}
    container = {"name": "a", "image": image, "command": ["serve"]}
    if secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    await w.pod(pod, container, **spec)
    return await w.words("a", pod)


async def test_a_pull_secret_of_the_pod(w: World) -> None:
    await pull_secret(w, "mine", GOOD)
    assert await private(w, "p", "mine") == "running 0"
    assert w.engine.credentials_seen == [(PRIVATE, GOOD)]


async def test_without_a_secret_the_registry_says_no(w: World) -> None:
    assert await private(w) == "ErrImagePull 0"
    assert "no basic auth credentials" in (await w.container())["state"]["waiting"]["message"]


async def test_a_secret_for_another_registry_is_not_shown_to_this_one(w: World) -> None:
    await pull_secret(w, "mine", GOOD, place="other.test:5000")
    assert await private(w, "p", "mine") == "ErrImagePull 0"
    assert w.engine.credentials_seen == [(PRIVATE,)]


async def test_several_secrets_are_tried_in_order(w: World) -> None:
    await pull_secret(w, "one", WRONG)
    await pull_secret(w, "two", GOOD)
    assert await private(w, "p", "one", "two") == "running 0"
    assert w.engine.credentials_seen == [(PRIVATE, WRONG, GOOD)]


async def test_a_missing_secret_is_a_warning_and_the_pull_goes_on(w: World) -> None:
    await pull_secret(w, "there", GOOD)
    assert await private(w, "p", "gone-1", "there", "gone-2") == "running 0"
    told = (
        "FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone-1, gone-2); "
        "attempting to pull the image may not succeed."
    )
    assert told in await w.events()


async def test_the_service_accounts_secrets_are_for_pods_without_their_own(w: World) -> None:
    await pull_secret(w, "good", GOOD)
    await pull_secret(w, "wrong", WRONG)
    await w.api.add_account("builder", imagePullSecrets=[{"name": "good"}], automountServiceAccountToken=False)
    assert await private(w, "p", serviceAccountName="builder") == "running 0"
    other = PRIVATE.replace("tool", "other")
    assert await private(w, "q", "wrong", serviceAccountName="builder", image=other) == "ErrImagePull 0"
    assert await private(w, "r", image=other) == "ErrImagePull 0"


async def test_the_default_service_account(w: World) -> None:
    await pull_secret(w, "good", GOOD)
    found = await w.api.get(SERVICEACCOUNTS, "default", "default")
    if found is None:
        await add(w, "ServiceAccount", SERVICEACCOUNTS, "default", imagePullSecrets=[{"name": "good"}])
    else:
        await w.api.client.update(SERVICEACCOUNTS, {**found, "imagePullSecrets": [{"name": "good"}]})
    assert await private(w) == "running 0"


async def test_a_corrected_secret_counts_at_the_next_attempt(w: World) -> None:
    await pull_secret(w, "mine", WRONG)
    assert await private(w, "p", "mine") == "ErrImagePull 0"
    assert "unauthorized" in (await w.container())["state"]["waiting"]["message"]
    await w.api.client.delete(SECRETS, "mine", "default")
    await pull_secret(w, "mine", GOOD)
    await w.advance(5)
    assert await w.words() == "ImagePullBackOff 0"
    await w.advance(5)
    assert await w.words() == "running 0"


async def test_a_secret_that_cannot_be_understood_fails_the_pull(w: World) -> None:
    data = {".dockerconfigjson": base64.b64encode(b'{"auths": {"h": {"auth": "bm8tY29sb24="}}}').decode()}
    await add(w, "Secret", SECRETS, "bad", type="kubernetes.io/dockerconfigjson", data=data)
    assert await private(w, "p", "bad") == "ErrImagePull 0"
    message = (await w.container())["state"]["waiting"]["message"]
    assert "image pull secret default/bad" in message and "no-colon" not in message and "bm8tY29sb24" not in message
    assert w.calls("pull_image") == []


async def test_one_pods_wrong_credentials_do_not_fail_anothers_pull(w: World) -> None:
    from minikube_py.kubelet.runtime.fake import FakeRuntime

    class Slow(FakeRuntime):
        async def pull_image(self, name: str, credentials=()):  # type: ignore[no-untyped-def]
            await self._clock.sleep(10)
            return await super().pull_image(name, credentials)

    await w.kill()
    await w.start(Slow(w.clock, instance="k", engine=w.engine))
    await pull_secret(w, "good", GOOD)
    await pull_secret(w, "wrong", WRONG)
    await private(w, "p", "wrong")
    await private(w, "q", "good")
    await private(w, "r", "good")
    await w.advance(30)
    assert (await w.words("a", "q"), await w.words("a", "r")) == ("running 0", "running 0")
    assert len(w.calls("pull_image")) == 2


async def test_while_nobody_answers_for_secrets_nothing_is_pulled(w: World) -> None:
    w.engine.private[HOST] = {GOOD}
    await pull_secret(w, "mine", GOOD)
    away = True
    client = w.kubelet.client  # type: ignore[union-attr]
    inner = client.get

    async def get(resource: Any, *words: Any) -> Any:
        if away and resource is SECRETS:
            raise errors.ServiceUnavailable("connection refused")
        return await inner(resource, *words)

    client.get = get  # type: ignore[method-assign,assignment]
    assert await private(w, "p", "mine") == "ContainerCreating 0"
    assert w.calls("pull_image") == []
    away = False
    await w.advance(5)
    assert await w.words() == "running 0"


async def test_passwords_are_nowhere_to_be_read(w: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await pull_secret(w, "wrong", WRONG)
    await pull_secret(w, "good", GOOD)
    await private(w, "p", "wrong")
    await private(w, "q", "wrong", "good")
    await w.advance(30)
    events = (await w.api.client.list(EVENTS, "default"))["items"]
    made = [c.config for c in w.engine.containers.values()], [s.config for s in w.engine.sandboxes.values()]
    everything = f"{events} {await w.get('p')} {await w.get('q')} {made} {w.engine.calls} {caplog.text}"
    for one in (GOOD, WRONG):
        assert one.password not in everything
        assert base64.b64encode(f"{one.username}:{one.password}".encode()).decode() not in everything


async def test_ids_carry_the_engines_name(w: World) -> None:
    await w.pod("p", shell("a"))
    one = await w.container()
    (made,) = w.engine.containers
    assert (one["containerID"], one["imageID"]) == (f"fake://{made}", f"fake://{w.engine.images['shell:1'].id}")
