"""The bytes of an object: encoded once per revision, shared by every GET, LIST and WATCH that shows it.

The stored form is the object's JSON without `metadata.resourceVersion`, since the revision is known only once the
write is done; it starts with a head that is the same for every object of a kind, so that the served form is the
stored one with the revision spliced in behind the head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import orjson

from minikube_py.api.resources import Resource

Object = dict[str, Any]
Convert = Callable[[Object], Object]

loads = orjson.loads
dumps = orjson.dumps


class Codec:
    """Encodes and decodes the objects of one resource."""

    def __init__(self, resource: Resource) -> None:
        self.head = b'{"kind":%b,"apiVersion":%b,"metadata":{' % (dumps(resource.kind), dumps(resource.api_version))
        self._identity = {"kind": resource.kind, "apiVersion": resource.api_version}
        self._offset = len(self.head)

    def encode(self, obj: Object) -> bytes:
        """The stored form. The object must have metadata with at least a name; its resourceVersion is left out."""
        metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
        return dumps({**self._identity, "metadata": metadata, **_rest(obj)})

    def served(self, value: bytes, rev: int) -> bytes:
        """The form that clients see, from the stored form and its revision."""
        cut = self._offset
        return b'%b"resourceVersion":"%d",%b' % (value[:cut], rev, value[cut:])

    def shown(self, value: bytes) -> bytes:
        """The form that clients see of something that has no revision yet (a dry run)."""
        return value

    def view(self, value: bytes) -> Object:
        """The object as its kind knows it, without its resourceVersion, from the stored form."""
        return cast(Object, loads(value))

    def stored(self, data: bytes, rev: int) -> bytes:
        """The stored form back from the served one."""
        cut = self._offset
        return data[:cut] + data[cut + len(b'"resourceVersion":"%d",' % rev) :]

    def decode(self, value: bytes, rev: int) -> Object:
        """The object as a dict of its own, with its resourceVersion, from the stored form."""
        obj = cast(Object, loads(value))
        obj["metadata"]["resourceVersion"] = str(rev)
        return obj


class ConvertingCodec(Codec):
    """For a version that is not the stored one: objects are converted on their way to the store and back."""

    def __init__(self, resource: Resource, stored: Codec, to_stored: Convert, from_stored: Convert) -> None:
        super().__init__(resource)
        self._stored = stored
        self._to, self._from = to_stored, from_stored

    def encode(self, obj: Object) -> bytes:
        return self._stored.encode(self._to(loads(dumps(obj))))

    def served(self, value: bytes, rev: int) -> bytes:
        return super().served(self.shown(value), rev)

    def shown(self, value: bytes) -> bytes:
        return super().encode(self._from(loads(value)))

    def view(self, value: bytes) -> Object:
        return self._from(loads(value))

    def stored(self, data: bytes, rev: int) -> bytes:
        return self._stored.encode(self._to(loads(data)))

    def decode(self, value: bytes, rev: int) -> Object:
        obj = self._from(loads(value))
        obj["metadata"]["resourceVersion"] = str(rev)
        return obj


def _rest(obj: Object) -> Object:
    return {k: v for k, v in obj.items() if k not in ("kind", "apiVersion", "metadata")}
