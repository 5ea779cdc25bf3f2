"""`pods/exec`, `pods/attach` and `pods/portforward`: the client's WebSocket and the kubelet's, bridged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from minikube_py.api import errors
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import split_query
from minikube_py.apiserver.subresources.bridge import bridge
from minikube_py.apiserver.subresources.kubelets import (
    Kubelets,
    Object,
    choose_container,
    flag,
    kubelets_error,
    unreachable,
)

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse as Socket

SUBPROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Of exec and attach, best first. The older ones (base64, v1 to v3), without an exit code, nobody asks for any more."""

FORWARDING = ("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io")
"""Of portforward: kubectl's tunnel, and the channels of the Python client."""

_OLD_CLIENT = (
    "SPDY upgrades are not supported: exec, attach and portforward are WebSocket streams; use kubectl 1.31 or newer, "
    "or 1.29 and 1.30 with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true (1.30: KUBECTL_PORT_FORWARD_WEBSOCKETS=true)"
)
_NOT_A_STREAM = "Upgrade request required"


class StreamProxy:
    """Serves one of these sub-resources. Raises api.errors classes while the client's handshake is unanswered."""

    def __init__(self, kubelets: Kubelets, verb: Literal["exec", "attach", "portForward"]) -> None:
        self._kubelets = kubelets
        self._verb = verb
        self._subprotocols: Sequence[str] = FORWARDING if verb == "portForward" else SUBPROTOCOLS

    async def serve(self, exchange: Exchange, pod: Object, node: Object | None) -> None:
        """Bridge the exchange, a WebSocket not yet accepted, with a container of `pod` on `node`.

        A plain or SPDY request gets the error that the kubelet would have, else is told which client is needed:
        kubectl falls back to SPDY when its WebSocket was refused, and shows only the second answer.
        """
        scope = exchange.scope
        name = pod["metadata"]["name"]
        path, params = self._ask(exchange, pod)
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            raise errors.BadRequest(f"pod {name} does not have a host assigned")
        if node is None:
            raise errors.not_found("", "nodes", node_name)
        url = self._kubelets.url(node, self._verb, pod["metadata"]["namespace"], *path)
        if scope["type"] != "websocket":
            raise await self._why_not(url, params, exchange)
        offered = scope.get("subprotocols") or ()
        chosen = next((p for p in self._subprotocols if p in offered), None)
        if chosen is None:
            asked, first = ", ".join(offered) or "none", self._subprotocols[0]
            raise errors.BadRequest(f"no supported WebSocket subprotocol: asked for {asked}, use {first}")
        await bridge(exchange, lambda: self._open(exchange, url, params, chosen), self._verb)

    def _ask(self, exchange: Exchange, pod: Object) -> tuple[Sequence[str], list[tuple[str, str]]]:
        """The end of the kubelet's path, from the Pod's name on, and its query. Raises BadRequest."""
        name = pod["metadata"]["name"]
        if self._verb == "portForward":
            said = split_query(exchange.scope["query_string"])
            return (name,), [("port", value) for key, value in said if key in ("port", "ports")]
        query, command = self._query(exchange)
        container = choose_container(pod, query.pop("container", ""))
        return (name, container), [*query.items(), *(("command", word) for word in command)]

    def _query(self, exchange: Exchange) -> tuple[dict[str, str], list[str]]:
        """The kubelet's query and the command. Raises BadRequest where upstream does."""
        values: dict[str, str] = {}
        command = []
        for name, value in split_query(exchange.scope["query_string"]):
            values.setdefault(name, value)
            if name == "command":
                command.append(value)
        tty = flag(values, "tty")
        stdin, stdout = flag(values, "stdin"), flag(values, "stdout")
        # A terminal has one output; upstream drops the error stream silently, too.
        stderr = flag(values, "stderr") and not tty
        if not (stdin or stdout or stderr):
            raise errors.BadRequest("you must specify at least 1 of stdin, stdout, stderr")
        if self._verb == "exec" and not command:
            raise errors.BadRequest("you must specify at least one command for the container")
        named = (("input", stdin), ("output", stdout), ("error", stderr), ("tty", tty))
        query = {name: "1" for name, asked in named if asked}
        if values.get("container"):
            query["container"] = values["container"]
        return query, command if self._verb == "exec" else []

    async def _why_not(self, url: str, params: list[tuple[str, str]], exchange: Exchange) -> errors.StatusError:
        """Why a request that is no WebSocket cannot be served: what the kubelet finds wrong, or the client's age."""
        import aiohttp

        try:
            async with self._kubelets.session().get(url, params=params) as answer:
                error = kubelets_error(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as failed:
            return unreachable(failed)
        if not error.message.startswith(_NOT_A_STREAM):
            return error
        upgrade = exchange.header(b"upgrade").lower()
        return errors.BadRequest(_OLD_CLIENT if upgrade.startswith("spdy/") else _NOT_A_STREAM)

    async def _open(self, exchange: Exchange, url: str, params: list[tuple[str, str]], subprotocol: str) -> Socket:
        import aiohttp

        try:
            return await self._kubelets.session().ws_connect(
                url, params=params, protocols=(subprotocol,), max_msg_size=0, autoclose=False
            )
        except aiohttp.WSServerHandshakeError:
            # The refusal's body is lost here; the same question without the upgrade brings it again.
            raise await self._why_not(url, params, exchange) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(error) from error
