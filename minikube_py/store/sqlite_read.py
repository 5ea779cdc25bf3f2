"""Reads many rows of the log in few steps: each step of a statement lets go of the interpreter's lock and, while the
event loop is busy, waits long to get it back. So a query here answers with one row that holds hundreds of entries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import orjson

from .base import Change, Entry

# The bounds of a batch: in rows, and in bytes as guessed from the batch before.
_FEWEST, _MOST = 16, 1024
_BATCH_BYTES = 1 << 20

# Joined values are cut apart by their lengths. Rows reach the aggregates in the order of the inner query.
_LIST = """
WITH page AS (
    SELECT key, MAX(rev) AS rev FROM log WHERE key >= ? AND key < ? AND rev <= ? GROUP BY key LIMIT ?
)
SELECT json_group_array(page.key), json_group_array(page.rev), json_group_array(length(log.value)),
    CAST(group_concat(log.value, '') AS BLOB)
FROM page CROSS JOIN log ON log.rev = page.rev
"""
_HISTORY = """
WITH page AS (
    SELECT rev, key, prev, value FROM log WHERE rev > ? AND rev <= ? AND key >= ? AND key < ? ORDER BY rev LIMIT ?
)
SELECT json_group_array(page.key), json_group_array(page.rev), json_group_array(length(page.value)),
    CAST(group_concat(page.value, '') AS BLOB),
    json_group_array(old.rev), json_group_array(length(old.value)), CAST(group_concat(old.value, '') AS BLOB)
FROM page LEFT JOIN log AS old ON old.rev = page.prev
"""


class _Batch:
    """How many rows to ask for next."""

    def __init__(self) -> None:
        self.size = _FEWEST

    def ask(self, reader: sqlite3.Connection, query: str, *args: object, at_most: int) -> tuple[Any, int]:
        """The answer's columns, and how many rows were asked for."""
        while True:
            size = min(self.size, at_most)
            try:
                return reader.execute(query, (*args, size)).fetchone(), size
            except sqlite3.DataError:
                # Over the length that SQLite lets a joined value have, far above `_FEWEST` of the largest values.
                if self.size == _FEWEST:
                    raise
                self.size = _FEWEST

    def adapt(self, rows: int, size: int) -> None:
        if rows:
            self.size = min(_MOST, self.size * 8, max(_FEWEST, _BATCH_BYTES * rows // (size + 1)))


def read_list(reader: sqlite3.Connection, first: str, end: str, at: int, limit: int) -> tuple[list[Entry], bool]:
    """The entries of keys in [first, end) as they were at revision `at`; whether `limit` (0: none) cut the list."""
    entries: list[Entry] = []
    batch = _Batch()
    while True:
        at_most = limit + 1 - len(entries) if limit else _MOST
        (keys_json, revs, lengths, joined), asked = batch.ask(reader, _LIST, first, end, at, at_most=at_most)
        keys = orjson.loads(keys_json)
        entries += [
            Entry(key, value, rev)
            for key, value, rev in zip(keys, _cut(joined, lengths), orjson.loads(revs), strict=True)
            if value is not None
        ]
        if limit and len(entries) > limit:
            return entries[:limit], True
        if len(keys) < asked:
            return entries, False
        first = keys[-1] + "\0"
        batch.adapt(len(keys), len(joined or b""))


def read_history(reader: sqlite3.Connection, after: int, up_to: int, first: str, end: str) -> tuple[list[Change], int]:
    """Some of the writes in (after, up_to] to keys in [first, end), and the revision that they reach."""
    changes: list[Change] = []
    batch = _Batch()
    while len(changes) < _MOST:
        columns, asked = batch.ask(reader, _HISTORY, after, up_to, first, end, at_most=_MOST)
        keys_json, revs, lengths, joined, old_revs, old_lengths, old_joined = columns
        keys = orjson.loads(keys_json)
        values = zip(
            orjson.loads(revs), keys, _cut(joined, lengths),
            orjson.loads(old_revs), _cut(old_joined, old_lengths), strict=True,
        )  # fmt: skip
        changes += [
            Change(
                rev,
                key,
                None if value is None else Entry(key, value, rev),
                None if old_value is None else Entry(key, old_value, old_rev),
            )
            for rev, key, value, old_rev, old_value in values
        ]
        if len(keys) < asked:
            return changes, up_to
        after = changes[-1].rev
        batch.adapt(len(keys), len(joined or b"") + len(old_joined or b""))
    return changes, after


def _cut(joined: bytes | None, lengths: str) -> Iterator[bytes | None]:
    start = 0
    for length in orjson.loads(lengths):
        if length is None:
            yield None
        else:
            yield joined[start : start + length] if joined else b""
            start += length
