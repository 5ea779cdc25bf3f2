"""Images from a real registry that asks for credentials, pulled by a real engine for a kubelet's Pods."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import EVENTS, SECRETS, SERVICEACCOUNTS
from tests.integration.kubelet_node import FOREVER, Node, eventually, running_node
from tests.registry import PASSWORD, Registry, docker, registry

pytestmark = pytest.mark.docker


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Registry]:
    with registry(tmp_path / "registry") as made:
        yield made


@pytest.fixture
async def node(tmp_path: Path, shop: Registry) -> AsyncIterator[Node]:
    """After the registry: the node's containers are gone before its images are."""
    async with running_node(tmp_path) as made:
        yield made


async def pull_secret(node: Node, shop: Registry, name: str, password: str = PASSWORD) -> None:
    text = json.dumps(shop.docker_config(password))
    body: dict[str, Any] = {"type": "kubernetes.io/dockerconfigjson"}
    body["data"] = {".dockerconfigjson": base64.b64encode(text.encode()).decode()}
    metadata = {"namespace": "default", "name": name}
    await node.client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **body})


async def pod(node: Node, name: str, image: str, policy: str = "", *secrets: str, **spec: Any) -> None:
    container = {"name": "a", "image": image, "command": ["sh", "-c", FOREVER]}
    if policy:
        container["imagePullPolicy"] = policy
    if secrets:
        spec["imagePullSecrets"] = [{"name": one} for one in secrets]
    await node.pod(name, container, **spec)


async def events(node: Node, name: str) -> list[str]:
    found = (await node.client.list(EVENTS, "default"))["items"]
    mine = [e for e in found if e["involvedObject"]["name"] == name]
    return [f"{e['type']} {e['reason']}: {e['message']}" for e in mine]


async def said(node: Node, name: str, *beginnings: str) -> list[str]:
    """The Pod's events, once there is one for each beginning."""

    async def all_there() -> list[str] | None:
        found = await events(node, name)
        return found if all(any(e.startswith(b) for e in found) for b in beginnings) else None

    return list(await eventually(all_there, f"{name}: {beginnings}"))


async def waiting(node: Node, name: str, reason: str) -> str:
    """The message of the container's waiting state, once it has this reason."""

    async def there() -> dict[str, str] | None:
        one = ((await node.status(name)).get("containerStatuses") or [{}])[0]
        state: dict[str, str] = (one.get("state") or {}).get("waiting") or {}
        return state if state.get("reason") == reason else None

    return str((await eventually(there, f"{name} {reason}"))["message"])


def present(image: str) -> bool:
    return bool(docker("images", "--quiet", image))


async def test_a_private_image_with_the_pods_secret(node: Node, shop: Registry) -> None:
    image = shop.push("team/tool:1")
    await pull_secret(node, shop, "mine")
    await pod(node, "p", image, "IfNotPresent", "mine")
    one = (await node.phase("p", "Running"))["containerStatuses"][0]
    assert one["image"] == image and one["imageID"].startswith("docker://sha256:")
    found = await said(node, "p", "Normal Pulling", "Normal Pulled", "Normal Started")
    assert f'Normal Pulling: Pulling image "{image}"' in found
    assert any(e.startswith(f'Normal Pulled: Successfully pulled image "{image}" in ') for e in found)
    labels = docker("inspect", "--format", "{{json .Config}}", one["containerID"].removeprefix("docker://"))
    assert PASSWORD not in labels and PASSWORD not in str(found)

    # It is there now: a Pod without credentials may use it, as long as it does not ask the registry.
    await pod(node, "q", image, "IfNotPresent")
    await node.phase("q", "Running")
    (pulled,) = [e for e in await said(node, "q", "Normal Pulled") if e.startswith("Normal Pulled")]
    assert pulled == f'Normal Pulled: Container image "{image}" already present on machine'
    await pod(node, "r", image, "Always")
    assert "no basic auth credentials" in await waiting(node, "r", "ErrImagePull")


async def test_the_service_accounts_secret_and_a_digest(node: Node, shop: Registry) -> None:
    image = shop.digest(shop.push("team/tool:1"))
    await pull_secret(node, shop, "mine")
    account = {
        "metadata": {"namespace": "default", "name": "builder"}, "imagePullSecrets": [{"name": "mine"}],
        "automountServiceAccountToken": False,
    }  # fmt: skip
    await node.client.create(SERVICEACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", **account})
    await pod(node, "p", image, serviceAccountName="builder")
    await node.phase("p", "Running")
    assert any("Successfully pulled" in e for e in await said(node, "p", "Normal Pulled"))


async def test_wrong_credentials_back_off_and_right_ones_heal(node: Node, shop: Registry) -> None:
    image = shop.push("team/tool:1")
    await pull_secret(node, shop, "mine", "not-the-word")
    await pod(node, "p", image, "Always", "mine", "missing")
    first = await waiting(node, "p", "ErrImagePull")
    assert "unauthorized: authentication required" in first and "not-the-word" not in first
    second = await waiting(node, "p", "ImagePullBackOff")
    assert second.startswith(f'Back-off pulling image "{image}": ErrImagePull: ') and "unauthorized" in second
    kinds = ("Warning Failed: Error: ImagePullBackOff", "Normal BackOff", "Warning FailedToRetrieveImagePullSecret")
    found = await said(node, "p", *kinds)
    assert f'Normal BackOff: Back-off pulling image "{image}"' in found
    assert any(e.startswith(f'Warning Failed: Failed to pull image "{image}": ') for e in found)
    assert "Warning Failed: Error: ErrImagePull" in found
    assert any("(missing)" in e for e in found)
    assert not present(image)
    await node.client.delete(SECRETS, "mine", "default")
    await pull_secret(node, shop, "mine")
    # The next attempt, ten seconds after the first, sees the new one.
    await node.phase("p", "Running")


async def test_always_asks_again_and_finds_what_is_new(node: Node, shop: Registry) -> None:
    image = shop.push("team/tool:1")
    await pull_secret(node, shop, "mine")
    await pod(node, "p", image, "Always", "mine")
    before = (await node.phase("p", "Running"))["containerStatuses"][0]["imageID"]
    shop.push("team/tool:1", "minikube-py/web:1")
    await pod(node, "q", image, "Always", "mine")
    after = (await node.phase("q", "Running"))["containerStatuses"][0]["imageID"]
    assert before != after


async def test_an_image_that_was_deleted_is_pulled_again(node: Node, shop: Registry) -> None:
    image = shop.push("team/tool:1")
    await pull_secret(node, shop, "mine")
    await pod(node, "p", image, "IfNotPresent", "mine")
    one = (await node.phase("p", "Running"))["containerStatuses"][0]
    shop.forget(image)
    assert not present(image)
    docker("kill", one["containerID"].removeprefix("docker://"))

    async def again() -> bool:
        now = (await node.status("p"))["containerStatuses"][0]
        return now["restartCount"] == 1 and "running" in now["state"]

    await eventually(again, "restarted with an image pulled anew")
    assert present(image)


async def test_never_pulls_nothing(node: Node, shop: Registry) -> None:
    image = shop.push("team/tool:1")
    await pull_secret(node, shop, "mine")
    await pod(node, "p", image, "Never", "mine")
    assert await waiting(node, "p", "ErrImageNeverPull") == (
        f'Container image "{image}" is not present with pull policy of Never'
    )
    assert not present(image)
    docker("tag", "minikube-py/busybox:1", image)
    await pod(node, "q", image, "Never")
    await node.phase("q", "Running")


async def test_an_image_that_the_registry_does_not_have(node: Node, shop: Registry) -> None:
    await pull_secret(node, shop, "mine")
    await pod(node, "p", f"{shop.address}/team/none:1", "", "mine")
    assert "manifest unknown" in await waiting(node, "p", "ErrImagePull")
