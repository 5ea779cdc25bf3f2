"""LIST: consistent or from the cache, in pages that stay at one revision, as bytes joined from the cached items."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import orjson

from minikube_py.api import errors
from minikube_py.apiserver.cache import Filter, Item, KindCache
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.options import ListOptions
from minikube_py.apiserver.storage import Storage
from minikube_py.store import base as store

CHUNK = 1024 * 1024
"""Bytes per piece of a streamed list, at least."""
LATEST = -1
"""The revision of a continue token that goes on with whatever is there now."""
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class ListResult(NamedTuple):
    """Items at a revision, the token of the next page ("" for none) and how many remain (None: unknown)."""

    items: Sequence[Item]
    rev: int
    token: str
    remaining: int | None

    def meta(self) -> dict[str, object]:
        """The list's metadata."""
        meta: dict[str, object] = {"resourceVersion": str(self.rev)}
        if self.token:
            meta["continue"] = self.token
            if self.remaining is not None:
                meta["remainingItemCount"] = self.remaining
        return meta


async def list_items(storage: Storage, cache: KindCache, namespace: str, options: ListOptions) -> ListResult:
    """The items that the options choose. Raises Expired (410) for a revision whose history is gone, BadRequest."""
    chosen = Filter(namespace, options.name, options.labels, options.fields)
    if options.continue_token:
        rev, after, left = decode_token(options.continue_token, cache.prefix)
        if rev == LATEST:
            return _page(cache, chosen, await storage.fresh(), after, options.limit)
        await storage.at_least(rev)
        return await _at(storage, cache, chosen, rev, after, options.limit, left)
    wanted = options.resource_version
    if options.match == "Exact" or (wanted and options.limit and not options.match):
        # Without a match rule, a limited list at a given revision is exact, as upstream documents it.
        assert wanted is not None
        await storage.at_least(wanted)
        return await _at(storage, cache, chosen, wanted, "", options.limit, None)
    rev = await storage.fresh() if wanted is None else await storage.at_least(wanted)
    return _page(cache, chosen, rev, "", options.limit)


def _page(cache: KindCache, chosen: Filter, rev: int, after: str, limit: int) -> ListResult:
    found = cache.list(chosen, rev, after_key=after, limit=limit)
    token = encode_token(rev, found.items[-1].key, cache.prefix, found.remaining) if found.more else ""
    return ListResult(found.items, rev, token, found.remaining if found.more else None)


async def _at(
    storage: Storage, cache: KindCache, chosen: Filter, rev: int, after: str, limit: int, left: int | None
) -> ListResult:
    """The list at exactly `rev`: from the cache if nothing was written since, else from the store's history.

    `left` is how many items there are after `after`, where the page before has counted them.
    """
    if storage.progress.rev == rev:
        return _page(cache, chosen, rev, after, limit)
    asked_after, prefix = after, cache.prefix
    if chosen.namespace:
        prefix = f"{prefix}{chosen.namespace}/"
    items: list[Item] = []
    try:
        while True:
            page = await storage.store.list(prefix, after_key=after, limit=limit and limit + 1, rev=rev)
            for entry in page.entries:
                item = cache.item(entry)
                if chosen.matches(item):
                    if limit and len(items) == limit:
                        left = left - limit if chosen.plain and left is not None and left > limit else None
                        return ListResult(items, rev, encode_token(rev, items[-1].key, cache.prefix, left), left)
                    items.append(item)
            if not page.more:
                return ListResult(items, rev, "", None)
            after = page.entries[-1].key
    except store.Compacted:
        if not asked_after:
            raise errors.Expired("The resourceVersion for the provided list is too old.") from None
        # Whoever can do with a list that mixes two states may go on from here.
        raise errors.Expired(_TOO_OLD, continue_=encode_token(LATEST, asked_after, cache.prefix, None)) from None
    except store.FutureRevision as future:
        raise errors.Timeout(f"Too large resource version: {rev}, current: {future.current}") from None


def encode_token(rev: int, key: str, prefix: str, left: int | None) -> str:
    """An opaque continue token: the list's revision, the last key shown, how many items remain (None: unknown)."""
    said = {"v": "meta.k8s.io/v1", "rv": rev, "start": key[len(prefix) :]}
    raw = dumps(said if left is None else said | {"left": left})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_token(token: str, prefix: str) -> tuple[int, str, int | None]:
    """(revision, key to continue after, items left). Raises BadRequest for what this server did not give out."""
    try:
        said = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        rev, start, left = said["rv"], said["start"], said.get("left")
        if (
            not isinstance(rev, int)
            or isinstance(rev, bool)
            or (rev <= 0 and rev != LATEST)
            or not isinstance(start, str)
            or not start.isascii()
            or (left is not None and (type(left) is not int or left < 0))
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise errors.BadRequest("continue key is not valid: it was not given out by this server") from None
    return rev, prefix + start, left


def list_body(kind: str, api_version: str, result: ListResult) -> tuple[int, Iterator[bytes]]:
    """The list as JSON: its length, and pieces of about CHUNK bytes; the items' bytes are joined, not encoded again.

    `kind` is the list's.
    """
    head = b'{"kind":%b,"apiVersion":%b,"metadata":%b,"items":[' % (
        dumps(kind), dumps(api_version), dumps(result.meta()),
    )  # fmt: skip
    data = [item.data for item in result.items]
    sizes = list(map(len, data))
    return len(head) + sum(sizes) + max(0, len(data) - 1) + 2, _pieces(head, data, sizes)


def _pieces(head: bytes, data: Sequence[bytes], sizes: Sequence[int]) -> Iterator[bytes]:
    start, size = 0, 0
    for index, length in enumerate(sizes):
        size += length
        if size >= CHUNK:
            yield head + b",".join(data[start : index + 1])
            head, start, size = b",", index + 1, 0
    yield (head + b",".join(data[start:]) if start < len(data) or not data else b"") + b"]}"
