"""--encryption-provider-config: apiserver.config.k8s.io/v1 EncryptionConfiguration, with identity and aesgcm."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minikube_py.apiserver import configfile
from minikube_py.apiserver.encryption.providers import AESGCM, Identity, Keeper, Provider

API_VERSION = "apiserver.config.k8s.io/v1"
KEY_BYTES = (16, 24, 32)

Choose = Callable[[str, str], Keeper | None]
"""The keeper of a resource by (group, plural); None leaves its values alone."""


def load(path: str | Path) -> Choose:
    """Read the file. Raises ValueError that names what is wrong in it, never with a key's bytes; OSError."""
    try:
        return _rules(configfile.read(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rules(said: Any) -> Choose:
    configfile.known(said, "", {"kind", "apiVersion", "resources"})
    if said.get("kind") != "EncryptionConfiguration" or said.get("apiVersion") != API_VERSION:
        raise ValueError(f"expected kind EncryptionConfiguration of {API_VERSION}")
    rules: list[tuple[Sequence[str], Keeper]] = []
    for number, rule in enumerate(_list(said, "resources", "resources")):
        where = f"resources[{number}]"
        configfile.known(rule, where, {"resources", "providers"})
        names = _list(rule, "resources", f"{where}.resources")
        for name in names:
            if not isinstance(name, str) or not name or name == "*":
                raise ValueError(f"{where}.resources: {name!r} is none of secrets, deployments.apps, *.apps, *., *.*")
        providers = [
            made
            for place, one in enumerate(_list(rule, "providers", f"{where}.providers"))
            for made in _provider(one, f"{where}.providers[{place}]")
        ]
        rules.append((names, Keeper(providers)))

    def choose(group: str, plural: str) -> Keeper | None:
        fitting = {f"{plural}.{group}" if group else plural, f"*.{group}", "*.*"}
        return next((keeper for names, keeper in rules if fitting & set(names)), None)

    return choose


def _provider(said: Any, where: str) -> list[Provider]:
    if not isinstance(said, dict) or len(said) != 1:
        raise ValueError(f"{where}: expected exactly one provider")
    ((name, options),) = said.items()
    if name == "identity":
        configfile.known(options or {}, f"{where}.identity", set())
        return [Identity()]
    if name != "aesgcm":
        raise ValueError(f"{where}: provider {name!r} is not supported: use aesgcm or identity")
    configfile.known(options, f"{where}.aesgcm", {"keys"})
    keys = _list(options, "keys", f"{where}.aesgcm.keys")
    made: list[Provider] = []
    seen: set[str] = set()
    for number, key in enumerate(keys):
        place = f"{where}.aesgcm.keys[{number}]"
        configfile.known(key, place, {"name", "secret"})
        label, secret = key.get("name"), key.get("secret")
        if not isinstance(label, str) or not label or ":" in label or not label.isascii():
            raise ValueError(f"{place}.name: a name without colons is needed")
        if label in seen:
            raise ValueError(f"{place}.name: {label!r} is there twice")
        seen.add(label)
        made.append(AESGCM(label, _secret(secret, place)))
    return made


def _secret(said: Any, where: str) -> bytes:
    try:
        secret = base64.b64decode(said, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"{where}.secret: no base64") from None
    if len(secret) not in KEY_BYTES:
        raise ValueError(f"{where}.secret: {len(secret)} bytes; 16, 24 or 32 are needed")
    return secret


def _list(said: Any, name: str, where: str) -> list[Any]:
    found = said.get(name)
    if not isinstance(found, list) or not found:
        raise ValueError(f"{where}: a list that is not empty is needed")
    return found
