"""What the controllers of certificate requests share: verdicts, and the requests that kubelets make."""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import datetime
from typing import Any

from minikube_py.api.meta import Object
from minikube_py.api.times import format_time
from minikube_py.daemon import csr

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"

_NODES, _NODE = "system:nodes", "system:node:"


def spec_of(request: Object) -> Object:
    spec: Object = request.get("spec") or {}
    return spec


def conditions_of(request: Object) -> list[Object]:
    return list((request.get("status") or {}).get("conditions") or ())


def has(request: Object, type_: str) -> bool:
    """Whether the request has a condition of this type that is True."""
    return any(c.get("type") == type_ and c.get("status") == "True" for c in conditions_of(request))


def is_issued(request: Object) -> bool:
    return bool((request.get("status") or {}).get("certificate"))


def parsed(request: Object) -> csr.Request:
    """What the request asks for. Raises ValueError when it cannot be read."""
    return csr.parse(base64.b64decode(spec_of(request).get("request") or ""))


def with_status(request: Object, now: datetime, *, condition: Object | None = None, certificate: bytes = b"") -> Object:
    """A copy of the request with one more condition, or with its certificate."""
    status: dict[str, Any] = dict(request.get("status") or {})
    if condition is not None:
        status["conditions"] = [*conditions_of(request), {**condition, "lastUpdateTime": format_time(now)}]
    if certificate:
        status["certificate"] = base64.b64encode(certificate).decode()
    return {**request, "status": status}


def client_error(usages: Collection[str]) -> str:
    """What keeps a certificate for these usages from being one for a client of the API server."""
    allowed = ("digital signature", "key encipherment", "client auth")
    for usage in usages:
        if usage not in allowed:
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def kubelet_client_error(asked: csr.Request, usages: Collection[str]) -> str:
    """What keeps a request from being that of a kubelet for its client certificate; empty when nothing does."""
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    for what, found in (
        ("DNS", asked.dns_names), ("Email", asked.emails), ("IP", asked.ips), ("URI", asked.uris),
    ):  # fmt: skip
        if found:
            return f"{what} subjectAltNames are not allowed"
    if not asked.common_name.startswith(_NODE):
        return "subject common name does not begin with system:node:"
    return _usages_error(usages, "client auth")


def kubelet_serving_error(asked: csr.Request, usages: Collection[str]) -> str:
    """What keeps a request from being that of a kubelet for its serving certificate; empty when nothing does."""
    if asked.organizations != (_NODES,):
        return "subject organization is not system:nodes"
    if not asked.dns_names and not asked.ips:
        return "DNS or IP subjectAltName is required"
    for what, found in (("Email", asked.emails), ("URI", asked.uris)):
        if found:
            return f"{what} subjectAltNames are not allowed"
    if wrong := _usages_error(usages, "server auth"):
        return wrong
    if not asked.common_name.startswith(_NODE):
        return "subject common name does not begin with system:node:"
    return ""


def _usages_error(usages: Collection[str], purpose: str) -> str:
    """Key encipherment is for RSA keys: a kubelet with another one leaves it out."""
    least = {"digital signature", purpose}
    if set(usages) - {"key encipherment"} == least:
        return ""
    return f"usages did not match [{' '.join(sorted(least | {'key encipherment'}))}]"
