"""Images for containers: found locally or pulled as imagePullPolicy says, one pull for all who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from minikube_py.client.events import EventRecorder
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import podspec
from minikube_py.kubelet.backoff import doubled
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.pullsecrets import PullSecrets
from minikube_py.kubelet.runtime.base import (
    Credentials,
    EngineUnavailable,
    Image,
    ImagePullFailed,
    InvalidImageName,
    Runtime,
    RuntimeFault,
)
from minikube_py.kubelet.state import Failure, ImageState

Spawn = Callable[[str, Coroutine[Any, Any, None]], object]
_Pull = tuple[str, tuple[Credentials, ...]]
"""What makes two pulls one: the image's name and the credentials."""


class ImagePuller:
    """Failed pulls are retried by the plan, after 10 s doubling to `backoff_max`, per Pod and image."""

    def __init__(
        self, runtime: Runtime, recorder: EventRecorder, secrets: PullSecrets, *, clock: Clock, spawn: Spawn,
        serialize: bool, backoff_max: float,
    ) -> None:  # fmt: skip
        self._runtime = runtime
        self._recorder = recorder
        self._secrets = secrets
        self._clock = clock
        self._spawn = spawn
        self._one_by_one = asyncio.Lock() if serialize else None
        self._backoff_max = backoff_max
        self._delays: dict[tuple[str, str], float] = {}
        self._pulls: dict[_Pull, asyncio.Future[Image]] = {}

    def forget(self, pod_uid: str) -> None:
        """The Pod is no more."""
        for key in [k for k in self._delays if k[0] == pod_uid]:
            del self._delays[key]

    async def ensure(self, pod: Object, spec: Object, attempt: int) -> ImageState:
        """The image of the container's next attempt, or why it is not there.

        Raises EngineUnavailable, and ServiceUnavailable where nobody answers who knows the Pod's Secrets.
        """
        name, policy = str(spec.get("image", "")), podspec.pull_policy(spec)
        where = podspec.field_path(pod, spec["name"])
        key = (podspec.uid(pod), name)
        try:
            found = None if policy == "Always" else await self._runtime.image(name)
            if found is not None:
                self._recorder.event(
                    pod, "Normal", "Pulled", f'Container image "{name}" already present on machine', field_path=where
                )
            elif policy == "Never":
                message = f'Container image "{name}" is not present with pull policy of Never'
                self._recorder.event(pod, "Warning", "ErrImageNeverPull", message, field_path=where)
                return self._failed(key, attempt, "ErrImageNeverPull", message)
            else:
                found = await self._pull(pod, name, where)
        except InvalidImageName as e:
            self._recorder.event(pod, "Warning", "InspectFailed", str(e), field_path=where)
            return self._failed(key, attempt, "InvalidImageName", str(e))
        except EngineUnavailable:
            raise
        except RuntimeFault as e:
            reason = ImagePullFailed.reason
            self._recorder.event(pod, "Warning", "Failed", f'Failed to pull image "{name}": {e}', field_path=where)
            self._recorder.event(pod, "Warning", "Failed", f"Error: {reason}", field_path=where)
            return self._failed(key, attempt, reason, str(e))
        self._delays.pop(key, None)
        return ImageState(name, attempt, found.id, found.user)

    def _failed(self, key: tuple[str, str], attempt: int, reason: str, message: str) -> ImageState:
        delay = self._delays[key] = doubled(self._delays.get(key, 0.0), self._backoff_max)
        now = self._clock.now()
        return ImageState(key[1], attempt, failure=Failure(reason, message, now, now + timedelta(seconds=delay)))

    async def _pull(self, pod: Object, name: str, where: str) -> Image:
        self._recorder.event(pod, "Normal", "Pulling", f'Pulling image "{name}"', field_path=where)
        began = self._clock.monotonic()
        # Who comes with other credentials may be told something else.
        key = (name, tuple(await self._secrets.credentials(pod, name)))
        pull = self._pulls.get(key)
        if pull is None:
            pull = self._pulls[key] = asyncio.get_running_loop().create_future()
            # Somebody always looks at the result, also when every Pod that waited has been deleted.
            pull.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._spawn(f"pull {name}", self._work(key, pull))
        image = await asyncio.shield(pull)
        took = f"{self._clock.monotonic() - began:.3f}s"
        self._recorder.event(
            pod, "Normal", "Pulled",
            f'Successfully pulled image "{name}" in {took} ({took} including waiting). Image size: {image.size} bytes.',
            field_path=where,
        )  # fmt: skip
        return image

    async def _work(self, key: _Pull, result: asyncio.Future[Image]) -> None:
        try:
            async with AsyncExitStack() as stack:
                if self._one_by_one is not None:
                    await stack.enter_async_context(self._one_by_one)
                image = await self._runtime.pull_image(*key)
            result.set_result(image)
        except RuntimeFault as e:
            result.set_exception(e)
        finally:
            self._pulls.pop(key, None)
            if not result.done():
                result.cancel()
