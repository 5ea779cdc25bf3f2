"""Kubeconfig files: how a daemon finds its API server and proves who it is; reading and writing kubectl's format."""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minikube_py.client.transport import WireTransport
from minikube_py.daemon import files
from minikube_py.daemon.clock import Clock

_UNSUPPORTED_CLUSTER = ("proxy-url",)
_UNSUPPORTED_USER = ("exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra")


class KubeConfigError(Exception):
    """A kubeconfig file that cannot be read, is malformed, or asks for what is not supported."""


@dataclass(frozen=True, slots=True)
class KubeConfig:
    """One context of a kubeconfig: server, trust and credentials, with files read and paths resolved."""

    path: Path
    context: str
    server: str
    namespace: str
    server_name: str = ""
    ca_pem: bytes = b""
    insecure: bool = False
    cert_pem: bytes = field(default=b"", repr=False)
    key_pem: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS side; None when the server is plain http. Raises KubeConfigError for what OpenSSL cannot read."""
        if not self.server.startswith("https:"):
            return None
        try:
            if self.ca_pem and not self.insecure:
                context = ssl.create_default_context(cadata=self.ca_pem.decode("ascii"))
            else:
                context = ssl.create_default_context()
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.cert_pem:
                _load_pair(context, self.cert_pem, self.key_pem)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise KubeConfigError(f"{self.path}: the certificates of context {self.context!r}: {error}") from error
        return context

    def transport(self, *, clock: Clock | None = None) -> WireTransport:
        """A transport to the server with these credentials; a token file is read again whenever it changes."""
        token: str | Callable[[], str] = self.token
        if not self.token and self.token_file is not None:
            token = _TokenFile(self.token_file)
        return WireTransport(self.server, self.ssl_context(), token=token, server_name=self.server_name, clock=clock)


def load(path: str | os.PathLike[str], *, context: str = "") -> KubeConfig:
    """The named context (the current one when empty) of the file `path`. Raises KubeConfigError.

    Paths in the file are relative to the file. Embedded data wins over a path and a token over a token file, as in
    kubectl. Exec and auth-provider plugins, passwords, impersonation and proxies are refused.
    """
    file = Path(path)
    config = _read(file)
    name = context or config.get("current-context") or ""
    if not name:
        raise KubeConfigError(f"{file}: there is no current-context and no context was named")
    chosen = _named(file, config, "contexts", "context", name)
    cluster = _named(file, config, "clusters", "cluster", _text(file, chosen, "cluster", f"context {name!r}"))
    user_name = _text(file, chosen, "user", f"context {name!r}")
    user = _named(file, config, "users", "user", user_name) if user_name else {}
    for kind, section, unsupported in (("cluster", cluster, _UNSUPPORTED_CLUSTER), ("user", user, _UNSUPPORTED_USER)):
        for refused in unsupported:
            if section.get(refused):
                raise KubeConfigError(f"{file}: {refused} of the {kind} in context {name!r} is not supported")
    server = _text(file, cluster, "server", f"the cluster of context {name!r}")
    if not server.startswith(("https://", "http://")):
        raise KubeConfigError(f"{file}: the server {server!r} of context {name!r} is not an http(s) URL")
    cert, key = _data(file, user, "client-certificate"), _data(file, user, "client-key")
    if bool(cert) != bool(key):
        missing = "client-key" if cert else "client-certificate"
        raise KubeConfigError(f"{file}: the user of context {name!r} has no {missing}")
    ca = _data(file, cluster, "certificate-authority")
    insecure = cluster.get("insecure-skip-tls-verify") is True
    if ca and insecure:
        raise KubeConfigError(f"{file}: a certificate authority and insecure-skip-tls-verify exclude each other")
    token_file = _text(file, user, "tokenFile", "the user")
    return KubeConfig(
        path=file,
        context=name,
        server=server.rstrip("/"),
        namespace=_text(file, chosen, "namespace", "the context") or "default",
        server_name=_text(file, cluster, "tls-server-name", "the cluster"),
        ca_pem=ca,
        insecure=insecure,
        cert_pem=cert,
        key_pem=key,
        token=_text(file, user, "token", "the user"),
        token_file=file.parent / token_file if token_file else None,
    )


def write(
    path: str | os.PathLike[str],
    *,
    server: str,
    user: str,
    cluster: str,
    ca_pem: bytes = b"",
    ca_file: str | os.PathLike[str] = "",
    cert_pem: bytes = b"",
    key_pem: bytes = b"",
    token: str = "",
    namespace: str = "",
) -> None:
    """Write a file with one context `user@cluster`, made current; readable by its owner alone, replaced in one step.

    Raises ValueError unless there is one CA at most and a certificate with its key, or a token.
    """
    if bool(cert_pem) != bool(key_pem):
        raise ValueError("a client certificate needs its key, and a key its certificate")
    if bool(cert_pem) == bool(token):
        raise ValueError("either a client certificate or a token is needed")
    if ca_pem and ca_file:
        raise ValueError("either ca_pem or ca_file may be given")
    cluster_part: dict[str, Any] = {"server": server}
    if ca_pem:
        cluster_part["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    elif ca_file:
        cluster_part["certificate-authority"] = os.fspath(ca_file)
    user_part = {"token": token}
    if cert_pem:
        user_part = {
            "client-certificate-data": base64.b64encode(cert_pem).decode(),
            "client-key-data": base64.b64encode(key_pem).decode(),
        }
    context_part = {"cluster": cluster, "user": user}
    if namespace:
        context_part["namespace"] = namespace
    name = f"{user}@{cluster}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": cluster_part}],
        "users": [{"name": user, "user": user_part}],
        "contexts": [{"name": name, "context": context_part}],
        "current-context": name,
        "preferences": {},
    }
    files.replace(Path(path), "".join(f"{line}\n" for line in _lines(config)).encode())


def _lines(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """The YAML of maps, lists of maps and strings, which are written as JSON writes them.

    Every daemon's start writes such files, and a YAML library takes longer to import than all else that it does.
    """
    for key, inner in value.items():
        if isinstance(inner, str):
            yield f"{indent}{key}: {json.dumps(inner, ensure_ascii=False)}"
        elif not inner:
            yield f"{indent}{key}: {{}}"
        elif isinstance(inner, dict):
            yield f"{indent}{key}:"
            yield from _lines(inner, indent + "  ")
        else:
            yield f"{indent}{key}:"
            for element in inner:
                first, *rest = _lines(element, indent + "  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest


class _TokenFile:
    """The token in a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        try:
            stat = os.stat(self._path)
            if (stat.st_mtime_ns, stat.st_ino) != self._seen:
                self._token = self._path.read_text("ascii").strip()
                self._seen = (stat.st_mtime_ns, stat.st_ino)
        except (OSError, UnicodeDecodeError) as error:
            if not self._token:
                raise KubeConfigError(f"{self._path}: cannot read the token: {error}") from error
        return self._token


def _read(file: Path) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(file.read_bytes(), Loader=loader)
    except OSError as error:
        raise KubeConfigError(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where is not None else ""
        raise KubeConfigError(f"{file}: not YAML{line}") from error
    if not isinstance(config, dict) or config.get("kind", "Config") != "Config":
        raise KubeConfigError(f"{file}: not a kubeconfig")
    return config


def _named(file: Path, config: Mapping[str, Any], section: str, inner: str, name: str) -> Mapping[str, Any]:
    entries = config.get(section) or []
    if isinstance(entries, list):
        for entry in entries:
            if isinstance(entry, dict) and entry.get("name") == name:
                found = entry.get(inner)
                if found is None:
                    return {}
                if not isinstance(found, dict):
                    break
                return found
        else:
            raise KubeConfigError(f"{file}: there is no {inner} {name!r}")
    raise KubeConfigError(f"{file}: {section} is malformed")


def _text(file: Path, section: Mapping[str, Any], key: str, what: str) -> str:
    value = section.get(key)
    if value is not None and not isinstance(value, str):
        raise KubeConfigError(f"{file}: {key} of {what} is not text")
    return value or ""


def _data(file: Path, section: Mapping[str, Any], key: str) -> bytes:
    """The bytes embedded as `key`-data, or of the file that `key` names."""
    embedded, path = _text(file, section, f"{key}-data", key), _text(file, section, key, "the entry")
    if embedded:
        try:
            return base64.b64decode(embedded, validate=True)
        except binascii.Error as error:
            raise KubeConfigError(f"{file}: {key}-data is not base64") from error
    if path:
        try:
            return (file.parent / path).read_bytes()
        except OSError as error:
            raise KubeConfigError(f"{file}: {key} {file.parent / path}: {error.strerror}") from error
    return b""


def _load_pair(context: ssl.SSLContext, cert_pem: bytes, key_pem: bytes) -> None:
    # OpenSSL's loader takes file names only; the file is ours alone (0600) and gone at once.
    with tempfile.NamedTemporaryFile(prefix="minikube-py-") as file:
        file.write(cert_pem.rstrip() + b"\n" + key_pem)
        file.flush()
        context.load_cert_chain(file.name)
