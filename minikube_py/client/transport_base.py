"""What a transport is: a way to send requests to one API server, and the shape of its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode

from minikube_py.api import errors
from minikube_py.daemon.clock import Clock

Query = Iterable[tuple[str, str]]

# What may stand unescaped in a path (RFC 3986 pchar); RBAC names such as system:node need the colon.
_PATH_SAFE = "/:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream(Protocol):
    """An answer whose body arrives piece by piece, to be read once; pieces have no meaning (no line framing)."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """One API server. Paths are unescaped text. A dead connection is `errors.ServiceUnavailable`, at any moment."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        """The whole answer; `errors.Timeout` after `timeout` seconds. An HTTP error status is returned, not raised."""
        ...

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AbstractAsyncContextManager[Stream]:
        """The answer's head at once and its body as it comes; leaving the context ends the request."""
        ...

    async def close(self) -> None:
        """Give the connections back; a later request is `errors.ServiceUnavailable`."""
        ...


def escaped(path: str) -> str:
    """A path as it goes into a request line."""
    return quote(path, safe=_PATH_SAFE)


def query_string(query: Query) -> str:
    """A query as it goes into a request line, without the question mark."""
    pairs = query if isinstance(query, (list, tuple)) else list(query)
    return urlencode(pairs, quote_via=quote, safe="") if pairs else ""


async def bounded(clock: Clock, work: Awaitable[Response], seconds: float | None, what: str) -> Response:
    """The answer of `work`, or `errors.Timeout` after `seconds`."""
    if seconds is None:
        return await work
    try:
        return await clock.wait_for(work, seconds)
    except TimeoutError:
        raise errors.Timeout(f"{what}: no answer within {seconds:g} s") from None
