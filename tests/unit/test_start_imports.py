"""What a start does not wait for: libraries and types that only some requests need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from minikube_py.apiserver.server import web_socket


@pytest.mark.parametrize(
    "module", ["minikube_py.apiserver.main", "minikube_py.apiserver.server", "minikube_py.cli.prepare"]
)
def test_importing_the_api_server_loads_nothing_that_can_wait(module: str) -> None:
    later = (
        "pydantic",
        "minikube_py.api.types.base",
        "yaml",
        "cryptography",
        "fastapi",
        "wsproto",
        "aiohttp",
        "docker",
    )
    code = f"import sys, {module}; print(*(name for name in {later!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


async def test_a_web_socket_is_taken_over_by_uvicorns_protocol() -> None:
    from uvicorn.config import Config
    from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
    from uvicorn.server import ServerState

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("nobody asked")

    config = Config(app, lifespan="off", log_config=None)
    config.load()
    assert isinstance(web_socket(config=config, server_state=ServerState(), app_state={}), WSProtocol)
