"""A real uvicorn server with TLS in this process's event loop, for tests of what goes over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import uvicorn

from minikube_py.daemon import pki


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the signals are pytest's


@lru_cache(maxsize=1)
def certificates() -> tuple[pki.Pair, pki.Pair]:
    """A CA and a serving certificate of 127.0.0.1."""
    ca = pki.new_ca("test-ca")
    return ca, pki.issue(ca, "server", sans=pki.Sans(ips=("127.0.0.1",)), server=True)


@asynccontextmanager
async def serve(
    app: Any, directory: Path, *, pair: pki.Pair | None = None, **options: Any
) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """Serve an ASGI app on a free port, with `pair` or the test certificate; the URL and a context that trusts it."""
    ca, test_pair = certificates()
    server_pair = pair or test_pair
    cert_file, key_file = directory / "server.crt", directory / "server.key"
    cert_file.write_bytes(server_pair.cert_pem)
    key_file.write_bytes(server_pair.key_pem)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        log_level="critical",
        http="httptools",
        ws="none",
        ssl_certfile=str(cert_file),
        ssl_keyfile=str(key_file),
        timeout_graceful_shutdown=1,
        **options,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(), name="uvicorn")
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    context = ssl.create_default_context(cadata=ca.cert_pem.decode())
    try:
        yield f"https://127.0.0.1:{port}", context
    finally:
        server.should_exit = server.force_exit = True
        await task
