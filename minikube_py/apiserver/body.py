"""Request bodies: JSON, YAML or protobuf by Content-Type, into one JSON-form object."""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api import decode, errors
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.kinds.base import Kind

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON_TYPES = ("application/json", "")
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")


def media_type(header: str) -> str:
    """The type without its parameters, in lower case."""
    return header.partition(";")[0].strip().lower()


def parse(raw: bytes, content_type: str, *, duplicates: bool) -> tuple[Object, Sequence[str]]:
    """The object and the paths of duplicate members (looked for only when asked).

    Raises BadRequest for a malformed body, UnsupportedMediaType for a type that is none of the three.
    """
    media = media_type(content_type)
    if media in JSON_TYPES:
        return decode.decode_json(raw, duplicates=duplicates)
    if media in YAML_TYPES:
        return decode.decode_yaml(raw)
    if media == PROTOBUF:
        from minikube_py.api import protobuf

        return protobuf.decode(raw), ()
    raise errors.UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        f"application/json, application/yaml, {PROTOBUF}"
    )


async def read_object(exchange: Exchange, *, duplicates: bool) -> tuple[Object, Sequence[str]]:
    """The request's body as an object. Raises BadRequest when it is empty or no object."""
    raw = await exchange.body()
    if not raw.strip():
        raise errors.BadRequest("the request has no body: an object was expected")
    return parse(raw, exchange.header(b"content-type"), duplicates=duplicates)


def require_kind(obj: Object, kind: str, api_version: str) -> None:
    """The body must be of the kind that the URL is for; what it leaves out is filled in. Raises BadRequest."""
    for member, wanted in (("kind", kind), ("apiVersion", api_version)):
        if obj.get(member) in (None, ""):
            obj[member] = wanted
    said_kind, said_version = obj["kind"], obj["apiVersion"]
    if not isinstance(said_kind, str) or not isinstance(said_version, str):
        raise errors.BadRequest("kind and apiVersion must be strings")
    if said_kind != kind or said_version != api_version:
        raise errors.BadRequest(
            f"the object provided is unrecognized: the URL is for {kind} ({api_version}), "
            f"the body says {said_kind} ({said_version})"
        )


def require_object(obj: Object, kind: Kind) -> None:
    require_kind(obj, kind.resource.kind, kind.resource.api_version)


def check_options(obj: Object, type_name: str, kind: str) -> Object:
    """Check a body that is no stored object (DeleteOptions, Binding, a review) against its type. Raises BadRequest."""
    from minikube_py.api import scheme
    from minikube_py.api.normalize import normalize

    said = obj.get("kind")
    if said and said != kind:
        raise errors.BadRequest(f"the body must be a {kind}, not a {said!r}")
    normalize(obj, scheme.struct(type_name))
    return obj
