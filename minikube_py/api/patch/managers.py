"""metadata.managedFields as a table: who owns what, decoded, encoded, capped, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from minikube_py.api.patch import fieldset
from minikube_py.api.patch.fieldset import Trie

APPLY, UPDATE = "Apply", "Update"
MAX_UPDATE_MANAGERS = 10
ANCIENT = "ancient-changes"

Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's fields. `raw` is the JSON form that it was read from, while nothing has changed."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: Trie
    time: str = ""
    raw: dict[str, Any] | None = None

    @property
    def identity(self) -> Identity:
        """What makes it this entry: an applier keeps its entry when it goes to another version."""
        return (
            self.manager,
            self.operation,
            "" if self.operation == APPLY else self.api_version,
            self.subresource,
        )

    def owning(self, fields: Trie, time: str | None = None) -> Entry:
        """This entry with other fields."""
        if fields is self.fields and (time is None or time == self.time):
            return self
        return replace(self, fields=fields, time=self.time if time is None else time, raw=None)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, its members in Kubernetes' order."""
        if self.raw is not None:
            return self.raw
        return encode(self.manager, self.operation, self.api_version, self.time, self.fields, self.subresource)

    def show(self) -> str:
        """How messages about conflicts name it."""
        text = _quote(self.manager)
        if self.subresource:
            text += f" with subresource {_quote(self.subresource)}"
        if self.operation == UPDATE:
            text += f" using {self.api_version}"
        return text


def encode(manager: str, operation: str, api_version: str, time: str, fields: Trie, subresource: str) -> dict[str, Any]:
    """One entry of metadata.managedFields."""
    out: dict[str, Any] = {"manager": manager} if manager else {}
    out["operation"] = operation
    out["apiVersion"] = api_version
    if time:
        out["time"] = time
    out["fieldsType"] = "FieldsV1"
    out["fieldsV1"] = fields
    if subresource:
        out["subresource"] = subresource
    return out


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_reset(entries: Any) -> bool:
    """Whether a client that sends these managedFields asks for tracking to start anew: `[]` or `[{}]`."""
    return entries is not None and (not entries or entries == [{}])


def decode(entries: Any, *, trusted: bool) -> Managers:
    """The table of a managedFields list. ValueError when it is malformed.

    `trusted` entries are those that this package wrote and the store kept: they are taken as they are.
    """
    if not isinstance(entries, list):
        raise ValueError("managedFields is not a list")
    table = Managers()
    for i, entry in enumerate(entries):
        if trusted:
            fields = entry.get("fieldsV1") or {}
        else:
            fields = _decode_untrusted(i, entry)
        table.put(
            Entry(
                entry.get("manager", ""),
                entry["operation"],
                entry["apiVersion"],
                entry.get("subresource", ""),
                fields,
                entry.get("time") or "",
                entry if trusted else None,
            )
        )
    return table


def _decode_untrusted(i: int, entry: Any) -> Trie:
    if not isinstance(entry, dict):
        raise ValueError(f"managed fields entry {i} is not an object")
    if entry.get("operation") not in (APPLY, UPDATE):
        raise ValueError("operation must be `Apply` or `Update`")
    if not entry.get("apiVersion"):
        raise ValueError("apiVersion must not be empty")
    kind = entry.get("fieldsType", "")
    if kind != "FieldsV1":
        raise ValueError(
            f'invalid fieldsType "{kind}" in managed fields entry {i}'
            if kind
            else f"missing fieldsType in managed fields entry {i}"
        )
    for name in ("manager", "subresource", "apiVersion", "time"):
        if not isinstance(entry.get(name) or "", str):
            raise ValueError(f"{name} of managed fields entry {i} is not a string")
    return fieldset.decode(entry.get("fieldsV1") or {})


class Managers:
    """The entries by identity."""

    def __init__(self) -> None:
        self._entries: dict[Identity, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __bool__(self) -> bool:
        return bool(self._entries)

    def get(self, identity: Identity) -> Entry | None:
        """The entry of that identity."""
        return self._entries.get(identity)

    def put(self, entry: Entry) -> None:
        """Set an entry; one without fields goes."""
        if entry.fields:
            self._entries[entry.identity] = entry
        else:
            self._entries.pop(entry.identity, None)

    def copy(self) -> Managers:
        """The same entries in a table of their own."""
        out = Managers()
        out._entries = dict(self._entries)
        return out

    def disown(self, fields: Trie, *, keep: Identity | None = None) -> None:
        """Take `fields` from every entry but `keep`."""
        if not fields:
            return
        for entry in self:
            if entry.identity != keep:
                self.put(entry.owning(fieldset.difference(entry.fields, fields)))

    def cap(self) -> None:
        """Merge the oldest Update entries into "ancient-changes", one per version, until at most ten remain."""
        updates = [e for e in self if e.operation == UPDATE]
        count = len(updates)
        if count <= MAX_UPDATE_MANAGERS:
            return
        updates.sort(key=lambda e: (e.time, e.identity))
        first: dict[str, Entry] = {}
        for entry in updates:
            if count <= MAX_UPDATE_MANAGERS:
                break
            earlier = first.get(entry.api_version)
            if earlier is None:
                first[entry.api_version] = entry
                continue
            bucket = Entry(ANCIENT, UPDATE, entry.api_version, "", {}, entry.time)
            found = self.get(bucket.identity)
            if found is None:
                del self._entries[earlier.identity]
                found = earlier
            self._entries.pop(entry.identity, None)
            self.put(bucket.owning(fieldset.union(entry.fields, found.fields)))
            count -= 1

    def to_list(self) -> list[dict[str, Any]]:
        """metadata.managedFields, in upstream's order: appliers first, then by time, manager, version, subresource."""
        entries = list(self._entries.values())
        if len(entries) > 1:
            entries.sort(key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource))
        return [e.to_dict() for e in entries]
