"""ServiceAccount: the identity that the processes of a Pod act as."""

from __future__ import annotations

from typing import Any

from minikube_py.api import names
from minikube_py.api.resources import SERVICEACCOUNTS
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Kind, Object, Subresource


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=SERVICEACCOUNTS,
    singular="serviceaccount",
    short_names=("sa",),
    columns=(NAME, AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    subresources=(
        Subresource(
            "token", "TokenRequest", ("create",), "authentication/v1.TokenRequest", "authentication.k8s.io", "v1"
        ),
    ),
)
