"""The API server's connections to kubelets: where a Node's kubelet listens, and one HTTP client for all."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from minikube_py.api import errors

if TYPE_CHECKING:
    import aiohttp

Object = dict[str, Any]

_ADDRESS_TYPES = ("InternalIP", "ExternalIP", "Hostname")
_CONNECT_SECONDS = 10.0
_DEFAULT_PORT = 10250


class Kubelets:
    """Makes requests to kubelets with the API server's client certificate, which `tls` carries."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._passing: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """The HTTP client, made at its first use."""
        if self._session is None:
            import aiohttp

            # A stream may be silent for as long as it likes: only the connecting has a limit.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
            connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session

    def passing(self) -> aiohttp.ClientSession:
        """The HTTP client for requests that are passed on as they are: no cookies kept, nothing decompressed."""
        if self._passing is None:
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
            self._passing = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=timeout, auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )  # fmt: skip
        return self._passing

    def verify(self, *, kubelet: bool) -> ssl.SSLContext | bool:
        """How to verify who answers: a kubelet by its CA; a Pod's own certificate nobody can know."""
        if not kubelet:
            return False
        return self._tls if self._tls is not None else True

    def url(self, node: Object, *path: str) -> str:
        """The URL of `path` at the Node's kubelet. Raises InternalError for a Node without an address."""
        status = node.get("status") or {}
        addresses = {a.get("type"): a.get("address") for a in status.get("addresses") or ()}
        host = next((addresses[kind] for kind in _ADDRESS_TYPES if addresses.get(kind)), None)
        if not host:
            name = node["metadata"]["name"]
            raise errors.InternalError(f'Internal error occurred: no preferred addresses found for node "{name}"')
        endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if self._tls is not None else "http"
        root = f"{scheme}://{shown}:{endpoint.get('Port') or _DEFAULT_PORT}/"
        return root + "/".join(quote(part, safe="") for part in path)

    async def close(self) -> None:
        for session in (self._session, self._passing):
            if session is not None:
                await session.close()
        self._session = self._passing = None


def unreachable(error: Exception) -> errors.StatusError:
    """The Status for a kubelet that cannot be reached."""
    return errors.InternalError(f"Internal error occurred: error dialing backend: {error}")


def kubelets_error(status: int, body: bytes) -> errors.StatusError:
    """The error that a kubelet answered: its own Status, or its text as upstream passes it on."""
    try:
        read = orjson.loads(body)
    except ValueError:
        read = None
    if isinstance(read, dict) and read.get("kind") == "Status":
        return errors.from_status(read, status)
    text = body.decode(errors="replace").strip()[:2048]
    return errors.from_status({"message": text or f"the kubelet answered {status}"}, status)


def choose_container(pod: Object, named: str) -> str:
    """The container that a request means. Raises BadRequest for an unknown one, or for none of several.

    Unnamed, it is the one that the Pod's `kubectl.kubernetes.io/default-container` annotation names, or the only one.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    main = [c["name"] for c in spec.get("containers") or ()]
    init = [c["name"] for c in spec.get("initContainers") or ()]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers") or ()]
    if named:
        if named not in (*main, *init, *ephemeral):
            raise errors.BadRequest(f"container {named} is not valid for pod {metadata['name']}")
        return named
    default = (metadata.get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in main:
        return str(default)
    if len(main) == 1:
        return str(main[0])
    text = f"a container name must be specified for pod {metadata['name']}, choose one of: [{' '.join(main)}]"
    if init:
        text += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        text += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise errors.BadRequest(text)


def flag(values: dict[str, str], name: str) -> bool:
    """A boolean query parameter as upstream reads it: present and neither "false" nor "0"."""
    return values.get(name, "false").lower() not in ("false", "0")
