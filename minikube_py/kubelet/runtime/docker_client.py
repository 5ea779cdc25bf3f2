"""The two ways to the engine: the docker SDK's low-level client in a few threads, and streams on the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from minikube_py.kubelet.runtime.base import EngineUnavailable, NotFound, RuntimeFault
from minikube_py.kubelet.runtime.docker_http import Answer, Connections, Refused

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")

THREADS = 8
"""More do not help: the engine starts about eight containers a second, however many ask."""

DEFAULT_URL = "unix:///var/run/docker.sock"
_ANSWER_SECONDS = 120


class DockerClient:
    """Calls that answer at once go through the SDK in threads; what takes long or streams is read on the event loop."""

    def __init__(self, base_url: str | None = None) -> None:
        """`base_url` is $DOCKER_HOST or the engine's usual socket unless given. Raises ValueError for TLS or SSH."""
        self._url = base_url or os.environ.get("DOCKER_HOST") or DEFAULT_URL
        self._wire = Connections(self._url)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._lock = threading.Lock()
        self._sdk: APIClient | None = None

    def _connect(self) -> APIClient:
        """The SDK's client, made when the engine first answers."""
        import docker

        with self._lock:
            if self._sdk is None:
                self._sdk = docker.APIClient(self._url, version="auto", timeout=_ANSWER_SECONDS, max_pool_size=THREADS)
            return self._sdk

    def act(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK from a thread. Raises Refused or EngineUnavailable and nothing else of the SDK's."""
        import docker.errors
        import requests

        try:
            return getattr(self._connect(), method)(*args, **kwargs)
        except docker.errors.APIError as error:
            text = error.explanation or str(error)
            text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            raise Refused(error.response.status_code if error.response is not None else 500, text) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            _close_sockets(error)
            raise EngineUnavailable(f"cannot reach the Docker engine: {error}") from error

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run a sequence of `act`s in one thread: a cancelled caller does not tear it apart."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """`act` from the event loop."""
        return await self.in_thread(partial(self.act, method, *args, **kwargs))

    async def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """`call` where a refusal needs no thought: NotFound for 404, RuntimeFault otherwise."""
        try:
            return await self.call(method, *args, **kwargs)
        except Refused as error:
            raise fault(error) from error

    async def open(self, method: str, path: str, **kwargs: Any) -> Answer:
        """A streaming request, see `Connections.open`; it speaks the API version that the SDK agreed on."""
        if self._sdk is None:
            await self.call("ping")
        assert self._sdk is not None
        return await self._wire.open(method, f"/v{self._sdk.api_version}{path}", **kwargs)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._sdk is not None:
            self._sdk.close()


def _close_sockets(error: BaseException | None) -> None:
    """The SDK forgets to close the socket that it could not connect: it is a local of the function that failed."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if isinstance(left := frame.f_locals.get("sock"), socket.socket):
                left.close()
        error = error.__context__


def fault(error: Refused) -> RuntimeFault:
    """What the engine's refusal means when the operation has no word of its own for it."""
    return NotFound(error.text) if error.status == 404 else RuntimeFault(error.text)
