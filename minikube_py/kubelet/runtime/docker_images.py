"""The Docker engine's images: what is there, and what is pulled with which credentials."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.kubelet.runtime import docker_specs as specs
from minikube_py.kubelet.runtime import references
from minikube_py.kubelet.runtime.base import Credentials, Image, ImagePullFailed, InvalidImageName, pull_failed
from minikube_py.kubelet.runtime.docker_client import DockerClient, fault
from minikube_py.kubelet.runtime.docker_http import Refused


class DockerImages:
    """See `base.Runtime`, whose methods these are."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    async def image(self, name: str) -> Image | None:
        try:
            return specs.image_from(await self._client.call("inspect_image", name))
        except Refused as error:
            if "invalid reference format" in error.text:
                raise InvalidImageName(references.invalid(name, error.text)) from error
            if error.status == 404:
                return None
            raise fault(error) from error

    async def images(self) -> Sequence[Image]:
        return [specs.image_from(item) for item in await self._client.ask("images")]

    async def pull_image(self, name: str, credentials: Sequence[Credentials] = ()) -> Image:
        reasons: list[str] = []
        for one in credentials or (None,):
            try:
                await self._pull(name, one)
                break
            except ImagePullFailed as error:
                reasons.append(str(error))
        else:
            raise pull_failed(reasons)
        image = await self.image(name)
        if image is None:
            raise ImagePullFailed(f"the engine pulled {name} and does not have it")
        return image

    async def _pull(self, name: str, credentials: Credentials | None) -> None:
        repository, tag = references.split(name)
        headers = {"X-Registry-Auth": specs.registry_auth(credentials)} if credentials is not None else {}
        try:
            answer = await self._client.open(
                "POST", "/images/create", query={"fromImage": repository, "tag": tag}, headers=headers
            )
        except Refused as error:
            if "invalid reference format" in error.text:
                raise InvalidImageName(references.invalid(name, error.text)) from error
            raise ImagePullFailed(error.text) from error
        try:
            async for line in answer.lines():
                if "error" in line:
                    raise ImagePullFailed(str(line["error"]))
        finally:
            answer.close()
