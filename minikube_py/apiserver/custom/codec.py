"""The bytes of custom resources: kept under the storage version, shown under any, pruned and defaulted when read."""

from __future__ import annotations

from collections.abc import Callable

from minikube_py.api.resources import Resource
from minikube_py.apiserver.encoding import Codec, Object, loads


class CustomCodec(Codec):
    """For one served version. What the store has may be of any version, and older than the schema.

    `read` brings a decoded object into the form of this version and says whether that changed it. A value that is not
    as it would be written now is remembered by its revision, so that a write which changes nothing else writes it anew.
    """

    def __init__(self, resource: Resource, storage: Resource, read: Callable[[Object], bool]) -> None:
        super().__init__(resource)
        self._kept = Codec(storage)
        self._read = read
        self._direct = resource == storage
        self._old: dict[int, bytes] = {}

    def encode(self, obj: Object) -> bytes:
        return self._kept.encode(obj)

    def served(self, value: bytes, rev: int) -> bytes:
        obj = loads(value)
        changed = self._read(obj)
        if self._direct and not changed and value.startswith(self.head):
            return super().served(value, rev)
        if (changed and self._direct) or not value.startswith(self._kept.head):
            self._old[rev] = value
        return super().served(super().encode(obj), rev)

    def shown(self, value: bytes) -> bytes:
        obj = loads(value)
        self._read(obj)
        return super().encode(obj)

    def stored(self, data: bytes, rev: int) -> bytes:
        old = self._old.get(rev)
        if old is not None:
            return old
        plain = super().stored(data, rev)
        return plain if self._direct else self._kept.encode(loads(plain))

    def decode(self, value: bytes, rev: int) -> Object:
        obj: Object = loads(value)
        self._read(obj)
        obj |= self._identity
        obj["metadata"]["resourceVersion"] = str(rev)
        return obj
