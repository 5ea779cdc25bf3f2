"""Secret: a ConfigMap whose values are bytes and whose type says which keys it must have."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, required
from minikube_py.api.resources import SECRETS
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._data import MAX_BYTES, config_key, size_error
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Secret

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"

_REQUIRED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def default(obj: Object) -> None:
    """The type, and `stringData` folded into `data`: it is for writing only and wins over `data`."""
    if not obj.get("type"):
        obj["type"] = "Opaque"
    texts = obj.pop("stringData", None)
    if texts:
        data = obj.setdefault("data", {})
        for key, text in texts.items():
            data[key] = b64encode(text.encode()).decode()
    elif "data" in obj and not obj["data"]:
        del obj["data"]


def validate(obj: Secret) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    data = obj.data
    total = 0
    for key, blob in data.items():
        for sentence in config_key(key):
            errs.append(invalid(f"data[{key}]", key, sentence))
        total += len(blob)
    if total > MAX_BYTES:
        errs.append(size_error("data"))
    kind = obj.type
    if kind == SERVICE_ACCOUNT_TOKEN:
        annotations = obj.metadata.annotations
        if not annotations.get(SERVICE_ACCOUNT_NAME):
            errs.append(required(f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]"))
    elif kind == "kubernetes.io/basic-auth" and "username" not in data and "password" not in data:
        # Either key will do: some user names need no password and the other way round.
        errs.append(required("data[username]"))
        errs.append(required("data[password]"))
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            errs.append(required(f"data[{key}]"))
        elif key.startswith(".docker") and not _is_json(data[key]):
            errs.append(invalid(f"data[{key}]", "<secret contents redacted>", "invalid JSON"))
    return errs


def _is_json(blob: bytes) -> bool:
    import orjson

    try:
        orjson.loads(blob)
    except ValueError:
        return False
    return True


def validate_update(new: Secret, old: Secret) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if new.type != old.type:
        errs.append(invalid("type", new.type, IMMUTABLE))
    if old.immutable:
        if not new.immutable:
            errs.append(forbidden("immutable", "field is immutable when `immutable` is set"))
        if new.data != old.data:
            errs.append(forbidden("data", "field is immutable when `immutable` is set"))
    return [*errs, *validate(new)]


def select_fields(obj: Object) -> Mapping[str, str]:
    return {"type": obj.get("type") or ""}


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    data = obj.get("data") or ()
    return [metadata["name"], obj.get("type", ""), len(data), age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=SECRETS,
    singular="secret",
    columns=(
        NAME,
        Column("Type", description="What the secret is for, which decides the keys that it must have."),
        Column("Data", description="How many keys there are."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    select_fields=select_fields,
)
