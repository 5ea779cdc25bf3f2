"""What probes and hooks do on the network: an HTTP GET, a TCP connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

BODY_LIMIT = 10 * 1024
REDIRECTS = 10


class Net(Protocol):
    """Both raise OSError, with a sentence, where nobody answers. Timeouts are the caller's."""

    async def http_get(self, url: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        """Status and the beginning of the body. Certificates are not verified, as Kubernetes has it for probes."""
        ...

    async def connect(self, host: str, port: int) -> None: ...

    async def close(self) -> None: ...


def why_not(error: OSError) -> str:
    """Why a connection was not made, in the words that Kubernetes' probes use: `connect: connection refused`."""
    if error.errno is not None and error.errno > 0:
        return f"connect: {os.strerror(error.errno).lower()}"
    return error.strerror or str(error) or type(error).__name__


class RealNet:
    """The machine's network. Redirects are followed only to the same host name."""

    def __init__(self) -> None:
        self._session: Any = None

    async def http_get(self, url: str, headers: Sequence[tuple[str, str]]) -> tuple[int, str]:
        import aiohttp
        from multidict import CIMultiDict

        if self._session is None:
            # A probe must see today's server: no connection is kept, no name is remembered.
            connector = aiohttp.TCPConnector(ssl=False, force_close=True, use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
            )
        sent: Mapping[str, str] = CIMultiDict(headers)
        try:
            for _ in range(REDIRECTS):
                async with self._session.get(url, headers=sent, allow_redirects=False) as answer:
                    body = (await answer.content.read(BODY_LIMIT)).decode("utf-8", "replace")
                    target = urljoin(url, answer.headers.get("Location", ""))
                    follow = answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers
                    if not follow or urlsplit(target).hostname != urlsplit(url).hostname:
                        return int(answer.status), body
                    url = target
        except aiohttp.ClientConnectorError as e:
            host = f"[{e.host}]" if ":" in e.host else e.host
            raise OSError(f"dial tcp {host}:{e.port}: {why_not(e.os_error)}") from e
        except aiohttp.ClientError as e:
            raise OSError(str(e) or type(e).__name__) from e
        except ValueError as e:
            raise OSError(str(e)) from e
        raise OSError(f"stopped after {REDIRECTS} redirects")

    async def connect(self, host: str, port: int) -> None:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
