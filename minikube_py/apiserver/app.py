"""The ASGI application: one gate in front of everything, one raw application for resources, FastAPI for documents."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from minikube_py.api import errors
from minikube_py.apiserver import paths
from minikube_py.apiserver.auth.authentication import Authentication
from minikube_py.apiserver.auth.authorization import Asked, Authorization, Denied
from minikube_py.apiserver.auth.user import ANONYMOUS
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.flow import Flow, Lane
from minikube_py.apiserver.http import App, Exchange, Message, Receive, Scope, Send
from minikube_py.apiserver.observe import Observer
from minikube_py.apiserver.paths import split_query
from minikube_py.apiserver.resources import Resources
from minikube_py.apiserver.virtual import Virtuals
from minikube_py.daemon import logs
from minikube_py.daemon.health import ENDPOINTS, Health
from minikube_py.store.base import TooLarge, Unavailable

if TYPE_CHECKING:
    from minikube_py.apiserver.audit import Auditor

log = logs.get("apiserver")


class Shell:
    """The documents' application (FastAPI), loaded in a thread once the server answers, or by its first request."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._loading: asyncio.Task[App] | None = None

    def load(self) -> asyncio.Task[App]:
        """Start loading, once."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="documents")
        return self._loading

    async def _load(self) -> App:
        await asyncio.to_thread(importlib.import_module, "minikube_py.apiserver.documents")
        return self._make()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await asyncio.shield(self.load())
        await app(scope, receive, send)


HEALTH_PATHS = tuple(f"/{endpoint}" for endpoint in ENDPOINTS)


class Gate:
    """In front of everything: finds the user, counts and times, and sends resources straight to their application.

    Resources do not pass FastAPI's and Starlette's own middleware: measured, that is a quarter of the time of a GET.
    """

    def __init__(
        self,
        shell: Shell,
        resources: ResourceApp,
        health: Health,
        authentication: Authentication,
        authorization: Authorization,
        observer: Observer,
        flow: Flow,
        auditor: Auditor | None,
    ) -> None:
        self._authorization = authorization
        self._flow = flow
        self._auditor = auditor
        self._shell = shell
        self._health = health
        self._resources = resources
        self._authentication = authentication
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            return
        if kind == "websocket":
            scope["method"] = "GET"
        exchange = Exchange(scope, receive, send, ANONYMOUS)
        started = self._observer.begin()
        seat: Lane | None = None
        try:
            exchange.user = self._authentication.known(scope) or await self._authentication.authenticate(scope)
            if exchange.path.startswith(("/api/", "/apis/")):
                exchange.target = paths.parse(exchange.path)
            if self._auditor is not None:
                self._auditor.begin(exchange)
            lane = self._flow.lane(exchange)
            if lane is not None:
                if not lane.try_enter():
                    await lane.enter(exchange.user.name)
                seat = lane
            await self._answer(exchange)
        except errors.StatusError as error:
            if exchange.audit is None and self._auditor is not None:
                self._auditor.begin(exchange)  # nobody was identified: that is worth a line, too
            await refuse(exchange, error)
        finally:
            if seat is not None:
                seat.leave()
            if exchange.audit is not None:
                exchange.audit.complete()
            self._observer.end(exchange, started)

    async def _answer(self, exchange: Exchange) -> None:
        path, method, target = exchange.path, exchange.method, exchange.target
        if path.startswith(("/api/", "/apis/")) and (target is None or target.plural):
            await self._resources.serve(exchange, target)
            return
        if exchange.scope["type"] == "websocket":
            raise errors.NotFound("the server could not find the requested resource", details={})
        self._authorization.require(exchange.user, Asked(method.lower(), path))
        if method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowed(
                f"the server does not allow the method {method[:16]} on the requested resource", details={}
            )
        if path.startswith(HEALTH_PATHS):
            await self._answer_health(exchange)
        else:
            await self._show_document(exchange)

    async def _show_document(self, exchange: Exchange) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.started = True
                exchange.status = message["status"]
            await exchange.send(message)

        # The server itself leaves the body out of an answer to HEAD.
        await self._shell({**exchange.scope, "method": "GET"}, exchange.receive, send)

    async def _answer_health(self, exchange: Exchange) -> None:
        endpoint, _, check = exchange.path[1:].partition("/")
        query = split_query(exchange.scope["query_string"])
        answer = await self._health.answer(
            endpoint,
            check,
            verbose=any(name == "verbose" for name, _ in query),
            exclude=[value for name, value in query if name == "exclude"],
        )
        if answer is None:
            raise errors.NotFound("the server could not find the requested resource", details={})
        await exchange.answer(answer.status, answer.body.encode(), b"text/plain; charset=utf-8")


async def refuse(exchange: Exchange, error: errors.StatusError) -> None:
    """Answer with the error's Status. Raises ConnectionError, which ends the connection, when the answer had begun."""
    exchange.denied = isinstance(error, Denied)
    if exchange.started:
        raise ConnectionError("the answer had begun when the request failed") from error
    if exchange.scope["type"] == "websocket":
        await refuse_websocket(exchange, error)
    else:
        await exchange.answer_error(error)


async def refuse_websocket(exchange: Exchange, error: errors.StatusError) -> None:
    """Answer a WebSocket handshake with a Status instead of accepting it."""
    exchange.started = True
    exchange.status = error.code
    body = dumps(error.to_status())
    await exchange.send({
        "type": "websocket.http.response.start", "status": error.code,
        "headers": [
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"connection", b"close"),
        ],
    })  # fmt: skip
    await exchange.send({"type": "websocket.http.response.body", "body": body, "more_body": False})


class ResourceApp:
    """Everything below /api/v1 and /apis/<group>/<version> that names a resource."""

    def __init__(self, resources: Resources, virtuals: Virtuals, authorization: Authorization) -> None:
        self._authorization = authorization
        self._resources = resources
        self._virtuals = virtuals

    async def serve(self, exchange: Exchange, target: paths.Target | None) -> None:
        """Answer, whatever happens."""
        try:
            await self._serve(exchange, target)
        except errors.StatusError as error:
            await refuse(exchange, error)
        except Unavailable as error:
            # A write may have been done or not: that is what an answer 5xx says.
            log.warning("the store failed a request", method=exchange.method, path=exchange.path, error=error)
            await refuse(exchange, errors.ServiceUnavailable(f"the store is not available: {error}"))
        except TooLarge as error:
            await refuse(exchange, errors.RequestEntityTooLarge(f"Request is too large: {error}"))
        except Exception:
            # One of the places where everything is caught: a bug in a request must not cost the client its answer.
            log.exception("a request failed", method=exchange.method, path=exchange.path)
            await refuse(exchange, errors.InternalError("Internal error occurred: the server has logged the cause"))

    async def _serve(self, exchange: Exchange, target: paths.Target | None) -> None:
        if target is None:
            method = exchange.method
            self._authorization.require(exchange.user, Asked(method.lower(), exchange.path))
            raise errors.NotFound("the server could not find the requested resource", details={})
        virtual = self._virtuals.find(target)
        if virtual is not None:
            await virtual(exchange, target)
            return
        await self._resources.serve(exchange, target)
