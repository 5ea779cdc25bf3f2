"""A small scripted API server as an ASGI app: any resource, one revision counter, and failures on demand.

It keeps to the wire: list, watch, create, update, merge patch, delete, `status` and `binding`, selectors, Conflict,
finalizers, preconditions. Tests make it cut streams, forget its history, stay away, or come back with another history.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import orjson

from minikube_py.api import errors, fields, labels
from minikube_py.api.meta import Object
from minikube_py.api.patch import merge

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)(?:/namespaces/(?P<ns>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?\Z"
)
_CLUSTER_WIDE = ("namespaces", "nodes")


class FakeApiServer:
    """State by resource path ("/v1/pods") and key; `log` holds every change as (revision, resource, new, old)."""

    def __init__(self) -> None:
        self.revision = 100
        self.objects: dict[str, dict[str, Object]] = {}
        self.log: list[tuple[int, str, Object | None, Object | None]] = []
        self.oldest = 100
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.peers: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.away = False
        self.gone_as_event = False
        self.accepts_future = False  # watches from a revision that is yet to come wait silently
        self.before: Callable[[str, str], Awaitable[None]] | None = None
        self.answers: list[tuple[int, dict[str, str], bytes]] = []  # scripted answers to the next requests
        self.cut_bytes: int | None = None
        self._uids = itertools.count(1)
        self._changed = asyncio.Event()
        self._epoch = 0
        self._bookmarks = 0

    # -- what tests do to it

    def cut(self) -> None:
        """End every open watch."""
        self._epoch += 1
        self._wake()

    def compact(self) -> None:
        """Forget all history: watches from before now get 410."""
        self.oldest = self.revision

    def bookmark(self) -> None:
        """Send a bookmark to every open watch."""
        self._bookmarks += 1
        self._wake()

    def reset(self, revision: int) -> None:
        """Come back with another, empty history that starts at `revision`."""
        self.objects.clear()
        self.log.clear()
        self.revision = self.oldest = revision
        self.cut()

    def put(self, resource: str, obj: Object) -> Object:
        """Write an object as some other client would (create or replace)."""
        metadata = obj["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
        old = self.objects.setdefault(resource, {}).get(key)
        new = copy.deepcopy(obj)
        new["metadata"].setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self._uids)}")
        return self._store(resource, key, new, old)

    def drop(self, resource: str, key: str) -> None:
        """Delete an object as some other client would."""
        self._remove(resource, key)

    # -- the ASGI side

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = dict(parse_qsl(scope["query_string"].decode()))
        method, path = scope["method"], scope["path"]
        self.requests.append((method, path, query))
        self.peers.append(scope.get("state", {}).get("peer", {}))
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        self.headers.append(headers)
        try:
            if self.before is not None:
                await self.before(method, path)
            if self.answers:
                status, extra, data = self.answers.pop(0)
                await _respond(send, status, data, extra)
                return
            if self.away:
                raise errors.ServiceUnavailable("the server is away")
            if path in ("/readyz", "/version"):
                await _respond(send, 200, b"ok")
                return
            match = _PATH.match(path)
            if match is None:
                raise errors.NotFound("the server could not find the requested resource")
            if query.get("watch") == "true":
                await self._serve_watch(match, query, receive, send)
                return
            code, found = self._answer(method, match, query, headers, body)
            await _respond(send, code, orjson.dumps(found))
        except errors.StatusError as error:
            await _respond(send, error.code, orjson.dumps(error.to_status()))

    def _answer(
        self, method: str, match: re.Match[str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, Object]:
        group, plural, namespace, name = match["group"] or "", match["plural"], match["ns"], match["name"]
        resource = f"{group}/{match['version']}/{plural}"
        table = self.objects.setdefault(resource, {})
        if name is None:
            if method == "GET":
                items = [o for _, o in sorted(table.items()) if _selected(o, query, namespace)]
                return 200, {
                    "kind": "List",
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": str(self.revision)},
                    "items": [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items],
                }
            if method == "POST":
                return 201, self._create(resource, group, plural, namespace, orjson.loads(body))
            if method == "DELETE":
                for key in [k for k, o in table.items() if _selected(o, query, namespace)]:
                    self._delete(resource, key, table[key], orjson.loads(body or b"{}"))
                return 200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        key = f"{namespace}/{name}" if namespace else name
        old = table.get(key)
        if old is None:
            raise errors.not_found(group, plural, name)
        if method == "GET":
            return 200, old
        if method == "DELETE":
            return 200, self._delete(resource, key, old, orjson.loads(body or b"{}"))
        if method == "POST" and match["sub"] == "binding":
            new = copy.deepcopy(old)
            new.setdefault("spec", {})["nodeName"] = orjson.loads(body)["target"]["name"]
            self._store(resource, key, new, old)
            return 201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        if method == "PUT":
            new = orjson.loads(body)
        elif method == "PATCH":
            if not headers.get("content-type", "").startswith("application/merge-patch+json"):
                raise errors.UnsupportedMediaType("this server knows merge patches only")
            new = copy.deepcopy(merge.apply(old, orjson.loads(body)))
        else:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        asked = new["metadata"].get("resourceVersion") or old["metadata"]["resourceVersion"]
        if asked != old["metadata"]["resourceVersion"]:
            raise errors.conflict(group, plural, name)
        if match["sub"] == "status":
            new = {**old, "metadata": {**old["metadata"]}, "status": new.get("status")}
        elif "status" in old:
            new["status"] = old["status"]
        for fixed in ("uid", "creationTimestamp", "deletionTimestamp"):
            if fixed in old["metadata"]:
                new["metadata"][fixed] = old["metadata"][fixed]
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self._remove(resource, key)
            return 200, new
        return 200, self._store(resource, key, new, old)

    def _create(self, resource: str, group: str, plural: str, namespace: str | None, obj: Object) -> Object:
        metadata = obj["metadata"]
        if plural not in _CLUSTER_WIDE:
            metadata["namespace"] = namespace
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{next(self._uids):05d}"
        key = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
        if key in self.objects[resource]:
            raise errors.already_exists(group, plural, metadata["name"])
        metadata["uid"] = f"uid-{next(self._uids)}"
        metadata["creationTimestamp"] = "2030-01-01T00:00:00Z"
        return self._store(resource, key, obj, None)

    def _delete(self, resource: str, key: str, old: Object, options: Object) -> Object:
        _, _, plural = resource.split("/")
        for name, value in (options.get("preconditions") or {}).items():
            if old["metadata"].get(name) != value:
                raise errors.conflict("", plural, old["metadata"]["name"], f"the {name} in the precondition differs")
        if old["metadata"].get("finalizers"):
            if "deletionTimestamp" not in old["metadata"]:
                new = copy.deepcopy(old)
                new["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
                old = self._store(resource, key, new, old)
            return old
        self._remove(resource, key)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _store(self, resource: str, key: str, new: Object, old: Object | None) -> Object:
        self.revision += 1
        new["metadata"]["resourceVersion"] = str(self.revision)
        self.objects.setdefault(resource, {})[key] = new
        self.log.append((self.revision, resource, new, old))
        self._wake()
        return new

    def _remove(self, resource: str, key: str) -> None:
        old = self.objects[resource].pop(key)
        self.revision += 1
        self.log.append((self.revision, resource, None, old))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _serve_watch(self, match: re.Match[str], query: dict[str, str], receive: Any, send: Any) -> None:
        resource = f"{match['group'] or ''}/{match['version']}/{match['plural']}"
        after = int(query["resourceVersion"])
        if after < self.oldest or (after > self.revision and not self.accepts_future):
            error = errors.Expired(f"too old or unknown resource version: {after} ({self.oldest})")
            if not self.gone_as_event:
                raise error
            status = orjson.dumps({"type": "ERROR", "object": error.to_status()}) + b"\n"
            await _start(send, 200)
            await send({"type": "http.response.body", "body": status})
            return
        after = min(after, self.revision)
        await _start(send, 200)
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        leaving = asyncio.ensure_future(_left(receive))
        epoch, bookmarks = self._epoch, self._bookmarks
        try:
            while epoch == self._epoch:
                changed = self._changed
                for revision, event in self._events(resource, after, query, match["ns"]):
                    line = orjson.dumps(event) + b"\n"
                    if self.cut_bytes is not None:
                        await send({"type": "http.response.body", "body": line[: self.cut_bytes], "more_body": False})
                        self.cut_bytes = None
                        return
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                    after = revision
                if bookmarks != self._bookmarks:
                    bookmarks, after = self._bookmarks, self.revision
                    mark = {"kind": "Bookmark", "apiVersion": "v1", "metadata": {"resourceVersion": str(after)}}
                    line = orjson.dumps({"type": "BOOKMARK", "object": mark}) + b"\n"
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                waiting = asyncio.ensure_future(changed.wait())
                await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if leaving.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()

    def _events(
        self, resource: str, after: int, query: dict[str, str], namespace: str | None
    ) -> Iterator[tuple[int, Object]]:
        for revision, what, new, old in list(self.log):
            if revision <= after or what != resource:
                continue
            now = new is not None and _selected(new, query, namespace)
            before = old is not None and _selected(old, query, namespace)
            if now:
                yield revision, {"type": "MODIFIED" if before else "ADDED", "object": new}
            elif before:
                last = copy.deepcopy(new if new is not None else old)
                assert last is not None
                last["metadata"]["resourceVersion"] = str(revision)
                yield revision, {"type": "DELETED", "object": last}


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Any, status: int, headers: dict[str, str] | None = None) -> None:
    pairs = [(b"content-type", b"application/json")]
    pairs += [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def _respond(send: Any, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    await _start(send, status, {**(headers or {}), "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


def _selected(obj: Object, query: dict[str, str], namespace: str | None) -> bool:
    metadata = obj["metadata"]
    if namespace is not None and metadata.get("namespace") != namespace:
        return False
    if not labels.parse(query.get("labelSelector", "")).matches(metadata.get("labels")):
        return False
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "spec.nodeName": (obj.get("spec") or {}).get("nodeName", ""),
        "status.phase": (obj.get("status") or {}).get("phase", ""),
        "involvedObject.name": (obj.get("involvedObject") or {}).get("name", ""),
    }
    return fields.parse(query.get("fieldSelector", "")).matches(values)
