"""Which credentials an image is pulled with: docker configurations from Secrets, matched by Kubernetes' rules; pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import Any
from urllib.parse import urlsplit

import orjson

from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Credentials
from minikube_py.kubelet.runtime.references import full_repository

_JSON, _OLD = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"
_DEFAULT = "index.docker.io"
"""The key under which `docker login` keeps the credentials of the default registry."""

Keyring = Mapping[str, list[Credentials]]
"""Credentials by registry host and, where given, port and path: `registry.example:5000/team`."""


class BadSecret(Exception):
    """A Secret does not hold what its type promises. The message shows nothing of its content."""


def keyring(secrets: Iterable[Object]) -> Keyring:
    """The credentials in Secrets of the two docker types, in their order; other types have none. Raises BadSecret."""
    found: dict[str, list[Credentials]] = {}
    for secret in secrets:
        for place, entry in _entries(secret).items():
            key = _key(place)
            if key is None:
                continue
            kept = found.setdefault(key, [])
            one = _credentials(secret, entry)
            if one not in kept:
                kept.append(one)
    return found


def lookup(ring: Keyring, image: str) -> list[Credentials]:
    """What to try for an image, the longest path first. Raises InvalidImageName.

    A host's parts may be globs (`*.example.com`), ports are compared as they are, and a path matches all that begins
    with it. Without a match, an image of the default registry gets what is kept for `index.docker.io`.
    """
    repository = full_repository(image)
    found: list[Credentials] = []
    # Backwards, so that `host/team` comes before `host`.
    for key in sorted(ring, reverse=True):
        if _matches(key, repository):
            found += (one for one in ring[key] if one not in found)
    if not found and repository.startswith("docker.io/"):
        found = list(ring.get(_DEFAULT, ()))
    return found


def _entries(secret: Object) -> Mapping[str, Any]:
    data = secret.get("data") or {}
    kind = secret.get("type")
    name = {_JSON: ".dockerconfigjson", _OLD: ".dockercfg"}.get(str(kind))
    if name is None or not data.get(name):
        return {}
    try:
        held = orjson.loads(base64.b64decode(data[name], validate=True))
    except (binascii.Error, ValueError):
        # Not "from": the parser's words quote what it read.
        raise BadSecret(f"{_name(secret)}: {name} is not valid JSON") from None
    if isinstance(held, dict) and kind == _JSON:
        held = held.get("auths") or {}
    if not isinstance(held, dict):
        raise BadSecret(f"{_name(secret)}: {name} is not a docker configuration")
    return held


def _credentials(secret: Object, entry: object) -> Credentials:
    if not isinstance(entry, dict):
        raise BadSecret(f"{_name(secret)}: an entry is not an object")
    if auth := entry.get("auth"):
        try:
            text = str(auth).strip()
            decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
        except (binascii.Error, ValueError):
            raise BadSecret(f"{_name(secret)}: an auth field is not base64") from None
        user, colon, password = decoded.partition(":")
        if not colon:
            raise BadSecret(
                f"{_name(secret)}: unable to parse auth field, must be formatted as base64(username:password)"
            )
        return Credentials(user, password)
    return Credentials(str(entry.get("username") or ""), str(entry.get("password") or ""))


def _key(place: str) -> str | None:
    """`https://host:port/v1/path` as `host:port/path`; None for what is no address, which is passed over."""
    try:
        parsed = urlsplit(place if re.match("https?://", place) else f"https://{place}")
    except ValueError:
        return None
    path = parsed.path
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    return parsed.netloc + (path if path != "/" else "")


def _matches(key: str, repository: str) -> bool:
    wanted, slash, path = key.partition("/")
    host, _, rest = repository.partition("/")
    (wanted, wanted_port), (host, port) = _host_and_port(wanted), _host_and_port(host)
    globs, parts = wanted.split("."), host.split(".")
    return (
        wanted_port == port
        and len(globs) == len(parts)
        and f"/{rest}".startswith(slash + path)
        and all(re.fullmatch(translate(glob), part) for glob, part in zip(globs, parts, strict=True))
    )


def _host_and_port(address: str) -> tuple[str, str]:
    host, _, port = address.partition(":")
    return host, port


def _name(secret: Object) -> str:
    meta = secret["metadata"]
    return f"image pull secret {meta.get('namespace', '')}/{meta['name']}"
