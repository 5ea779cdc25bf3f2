"""`pods/exec` and `pods/attach`: the client's WebSocket and the kubelet's, bridged frame by frame."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from minikube_py.api import errors
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import split_query
from minikube_py.apiserver.subresources.kubelets import (
    Kubelets,
    Object,
    choose_container,
    flag,
    kubelets_error,
    unreachable,
)

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

SUBPROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Best first. What the older ones (base64, v1 to v3) cannot do, an exit code for one, nobody asks for any more."""

_OLD_CLIENT = (
    "SPDY upgrades are not supported: exec and attach are WebSocket streams (v5.channel.k8s.io or v4.channel.k8s.io); "
    "use kubectl 1.31 or newer, or 1.29 and 1.30 with KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true"
)
_NOT_A_STREAM = "Upgrade request required"


class StreamProxy:
    """Serves one of the two sub-resources. Raises api.errors classes while the client's handshake is unanswered."""

    def __init__(self, kubelets: Kubelets, verb: Literal["exec", "attach"]) -> None:
        self._kubelets = kubelets
        self._verb = verb

    async def serve(self, exchange: Exchange, pod: Object, node: Object | None) -> None:
        """Bridge the exchange, a WebSocket not yet accepted, with a container of `pod` on `node`.

        A plain or SPDY request gets the error that the kubelet would have, else is told which client is needed:
        kubectl falls back to SPDY when its WebSocket was refused, and shows only the second answer.
        """
        scope = exchange.scope
        query, command = self._query(exchange)
        name = pod["metadata"]["name"]
        container = choose_container(pod, query.pop("container", ""))
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            raise errors.BadRequest(f"pod {name} does not have a host assigned")
        if node is None:
            raise errors.not_found("", "nodes", node_name)
        url = self._kubelets.url(node, self._verb, pod["metadata"]["namespace"], name, container)
        params = [*query.items(), *(("command", word) for word in command)]
        if scope["type"] != "websocket":
            raise await self._why_not(url, params, exchange)
        offered = scope.get("subprotocols") or ()
        chosen = next((p for p in SUBPROTOCOLS if p in offered), None)
        if chosen is None:
            asked = ", ".join(offered) or "none"
            raise errors.BadRequest(f"no supported WebSocket subprotocol: asked for {asked}, use {SUBPROTOCOLS[0]}")
        await self._bridge(exchange, url, params, chosen)

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

    async def _bridge(self, exchange: Exchange, url: str, params: list[tuple[str, str]], subprotocol: str) -> None:
        import aiohttp

        first = await exchange.receive()
        if first["type"] != "websocket.connect":
            return
        try:
            socket = await self._kubelets.session().ws_connect(
                url, params=params, protocols=(subprotocol,), max_msg_size=0, autoclose=False
            )
        except aiohttp.WSServerHandshakeError:
            # The refusal's body is lost here; the same question without the upgrade brings it again.
            raise await self._why_not(url, params, exchange) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unreachable(error) from error
        try:
            exchange.started, exchange.status = True, 101
            await exchange.send({"type": "websocket.accept", "subprotocol": subprotocol})
            await self._pass_on(exchange, socket)
        except OSError:
            pass  # The client has left; the server says so by an OSError.
        finally:
            await socket.close()

    async def _pass_on(self, exchange: Exchange, socket: ClientWebSocketResponse) -> None:
        down = asyncio.create_task(_from_kubelet(exchange, socket), name=f"{self._verb} from the kubelet")
        up = asyncio.create_task(_from_client(exchange, socket), name=f"{self._verb} from the client")
        try:
            await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
            if down.done():
                code = down.result()
                await exchange.send({"type": "websocket.close", "code": code})
        finally:
            down.cancel()
            up.cancel()
            await asyncio.gather(down, up, return_exceptions=True)


async def _from_kubelet(exchange: Exchange, socket: ClientWebSocketResponse) -> int:
    """Pass frames to the client; returns the code to close with."""
    import aiohttp

    while True:
        message = await socket.receive()
        match message.type:
            case aiohttp.WSMsgType.BINARY:
                await exchange.send({"type": "websocket.send", "bytes": message.data})
            case aiohttp.WSMsgType.TEXT:
                await exchange.send({"type": "websocket.send", "text": message.data})
            case aiohttp.WSMsgType.CLOSE:
                # 1005 stands for a close without a code and must not be sent.
                return int(message.data) if message.data and message.data != 1005 else 1000
            case _:
                return 1011  # It broke off.


async def _from_client(exchange: Exchange, socket: ClientWebSocketResponse) -> None:
    """Pass frames to the kubelet until the client leaves."""
    while True:
        message = await exchange.receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("bytes")
        try:
            if data is not None:
                await socket.send_bytes(data)
            else:
                await socket.send_str(message["text"])
        except ConnectionError:
            # The kubelet's side has ended; what it still said is on its way to the client.
            await asyncio.get_running_loop().create_future()
