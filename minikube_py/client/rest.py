"""The REST client: the one place that builds URLs, for every resource, on JSON-form dicts."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import orjson

from minikube_py.api import errors
from minikube_py.api.meta import Object
from minikube_py.api.resources import Resource
from minikube_py.client.transport import Query, Response, Stream, Transport
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock

log = logs.get("client")

PatchType = Literal["merge", "strategic", "json", "apply"]

_PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_MAX_RETRIES = 10  # as client-go
_MAX_RETRY_SECONDS = 60.0


class WatchEvent(NamedTuple):
    """One change: ADDED, MODIFIED, DELETED, or BOOKMARK, whose object carries little more than its resourceVersion."""

    type: str
    object: Object


class Client:
    """All verbs for all resources over one transport. Raises `api.errors` classes.

    Answers 429 and 503 that carry Retry-After are asked again up to ten times, as client-go does. `timeout` (seconds)
    bounds each try of a request; watches have none but their own.
    """

    def __init__(
        self, transport: Transport, *, clock: Clock, user_agent: str = "minikube-py", timeout: float = 60.0
    ) -> None:
        self.transport = transport
        self.clock = clock
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "User-Agent": user_agent}

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """One object; NotFound when there is none."""
        return await self._object("GET", _path(resource, namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str | None = None,
        limit: int = 0,
        continue_: str = "",
    ) -> Object:
        """The list object, its items with apiVersion and kind. No namespace means all of them.

        `resource_version` None reads the newest state, "0" whatever the server has at hand.
        """
        query = _selectors(label_selector, field_selector)
        if resource_version is not None:
            query.append(("resourceVersion", resource_version))
        if limit:
            query.append(("limit", str(limit)))
        if continue_:
            query.append(("continue", continue_))
        found = await self._object("GET", _path(resource, namespace), query)
        items = found.get("items") or []
        for item in items:
            # Lists of the original server leave these out of their items.
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        found["items"] = items
        return found

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int | None = None,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Every change after `resource_version`, until the server or the caller ends the stream.

        An ERROR event is raised as the class that its Status names (`Expired` when history is gone), a connection that
        breaks as ServiceUnavailable; a stream that merely ends, also in the middle of a line, ends the iteration.
        """
        query = [("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", resource_version)]
        query += _selectors(label_selector, field_selector)
        if timeout_seconds is not None:
            query.append(("timeoutSeconds", str(timeout_seconds)))
        path = _path(resource, namespace)
        tries = 0
        while True:
            async with self.transport.stream("GET", path, query=query, headers=self._headers) as stream:
                if stream.status == 200:
                    yield _Events(stream)
                    return
                answer = Response(stream.status, stream.headers, b"".join([piece async for piece in stream]))
            tries += 1
            delay = _retry_after(answer)
            if delay is None or tries > _MAX_RETRIES:
                raise error_of(answer)
            await self._wait(delay, f"GET {path}", answer.status)

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create in the namespace that the object names; what the server stored. AlreadyExists, Invalid, ..."""
        return await self._object("POST", _path(resource, _namespace(resource, obj)), body=orjson.dumps(obj))

    async def update(self, resource: Resource, obj: Object, subresource: str = "") -> Object:
        """Replace the object (or its sub-resource); Conflict when it carries an outdated resourceVersion."""
        path = _path(resource, _namespace(resource, obj), obj["metadata"]["name"], subresource)
        return await self._object("PUT", path, body=orjson.dumps(obj))

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        """Change what `patch` says; `field_manager` is required for type "apply", and `force` belongs to it alone."""
        if force and type != "apply":
            raise errors.BadRequest("force may be set for apply patches only")
        query = [("fieldManager", field_manager)] if field_manager else []
        if force:
            query.append(("force", "true"))
        path = _path(resource, namespace, name, subresource)
        return await self._object("PATCH", path, query, orjson.dumps(patch), _PATCH_TYPES[type])

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> Object:
        """Ask for deletion; `uid` and `resource_version` are preconditions (Conflict when they do not hold).

        Answers a Status when the object is gone, or the object when it waits for finalizers or its grace period.
        """
        options = _delete_options(grace_period_seconds, propagation_policy)
        conditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
        if conditions:
            options["preconditions"] = conditions
        return await self._object("DELETE", _path(resource, namespace, name), body=orjson.dumps(options))

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
    ) -> Object:
        """Ask for deletion of every object that the selectors match."""
        options = _delete_options(grace_period_seconds, propagation_policy)
        query = _selectors(label_selector, field_selector)
        return await self._object("DELETE", _path(resource, namespace), query, orjson.dumps(options))

    async def create_subresource(
        self, resource: Resource, name: str, namespace: str, subresource: str, obj: Object
    ) -> Object:
        """POST to an object's sub-resource, such as a Pod's `binding`."""
        return await self._object("POST", _path(resource, namespace, name, subresource), body=orjson.dumps(obj))

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Response:
        """Any request, such as GET /readyz; an error status is raised. `timeout` replaces the client's own."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": content_type}
        seconds = self._timeout if timeout is None else timeout
        tries = 0
        while True:
            request = self.transport.request(method, path, query=query, headers=headers, body=body)
            try:
                answer = await self.clock.wait_for(request, seconds)
            except TimeoutError:
                raise errors.Timeout(f"{method} {path}: no answer within {seconds:g} s") from None
            if answer.status < 300:
                return answer
            tries += 1
            delay = _retry_after(answer)
            if delay is None or tries > _MAX_RETRIES:
                raise error_of(answer)
            await self._wait(delay, f"{method} {path}", answer.status)

    async def _object(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Object:
        answer = await self.raw(method, path, query=query, body=body, content_type=content_type)
        return _loads(answer.body, f"{method} {path}")

    async def _wait(self, seconds: float, request: str, status: int) -> None:
        log.info("the server asked to come back later", request=request, status=status, seconds=seconds)
        await self.clock.sleep(seconds)


def error_of(answer: Response) -> errors.StatusError:
    """The error that an answer with an error status stands for, whether or not its body is a Status."""
    try:
        status = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = answer.body[:200].decode("utf-8", "replace").strip()
        status = {"message": f"the server answered {answer.status}" + (f": {text}" if text else "")}
    return errors.from_status(status, answer.status)


def _retry_after(answer: Response) -> float | None:
    """Seconds to wait before asking again, or None when the server did not ask for that."""
    if answer.status not in (429, 503):
        return None
    text = answer.headers.get("retry-after", "")
    return min(float(text), _MAX_RETRY_SECONDS) if text.isascii() and text.isdigit() else None


def _loads(data: bytes, what: str) -> Object:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise errors.InternalError(f"{what}: the answer is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise errors.InternalError(f"{what}: the answer is not a JSON object")
    return found


class _Events:
    """The watch events in a stream, one JSON object per line, however the lines are cut into pieces."""

    __slots__ = ("_lines", "_pending", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream.__aiter__()
        self._lines: deque[bytes] = deque()
        self._pending: list[bytes] = []  # the pieces of the line that has no newline yet

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        return self

    async def __anext__(self) -> WatchEvent:
        while True:
            while self._lines:
                line = self._lines.popleft()
                if line and not line.isspace():
                    return _event(line)
            # At the end of the stream a pending line was cut off and is dropped: StopAsyncIteration passes through.
            first, newline, rest = (await self._stream.__anext__()).partition(b"\n")
            self._pending.append(first)
            if newline:
                self._lines.append(b"".join(self._pending))
                *lines, last = rest.split(b"\n")
                self._lines.extend(lines)
                self._pending = [last]


def _event(line: bytes) -> WatchEvent:
    event = _loads(line, "watch")
    try:
        kind, obj = event["type"], event["object"]
    except KeyError as error:
        raise errors.InternalError(f"watch: an event without {error}") from None
    if kind == "ERROR":
        raise errors.from_status(obj)
    return WatchEvent(kind, obj)


def _selectors(label_selector: str, field_selector: str) -> list[tuple[str, str]]:
    pairs = (("labelSelector", label_selector), ("fieldSelector", field_selector))
    return [(name, value) for name, value in pairs if value]


def _delete_options(grace_period_seconds: int | None, propagation_policy: str) -> Object:
    options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if grace_period_seconds is not None:
        options["gracePeriodSeconds"] = grace_period_seconds
    if propagation_policy:
        options["propagationPolicy"] = propagation_policy
    return options


def _namespace(resource: Resource, obj: Object) -> str:
    namespace: str = obj["metadata"].get("namespace") or ""
    if resource.namespaced and not namespace:
        raise errors.BadRequest(f"an object of {resource.qualified} needs a namespace")
    return namespace


def _path(resource: Resource, namespace: str, name: str | None = None, subresource: str = "") -> str:
    """The URL path of a collection (no name) or an object. Raises BadRequest for what cannot stand in a path."""
    for part in (namespace,) if name is None else (namespace, name):
        if part in (".", "..") or "/" in part or "%" in part:
            raise errors.BadRequest(f"{part!r} cannot be a name: it may not be '.', '..' or hold '/' or '%'")
    if name is None:
        return resource.path(namespace)
    if not name:
        raise errors.BadRequest(f"the name of an object of {resource.qualified} may not be empty")
    if resource.namespaced and not namespace:
        raise errors.BadRequest(f"an object of {resource.qualified} needs a namespace")
    return resource.path(namespace, name, subresource)
