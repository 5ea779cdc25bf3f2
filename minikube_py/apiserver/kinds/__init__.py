"""The kinds that are served: one file each, and the one list of them, in the order of their groups in discovery."""

from __future__ import annotations

from minikube_py.apiserver.kinds import (
    configmap,
    endpoints,
    event,
    lease,
    namespace,
    node,
    pod,
    secret,
    service,
    serviceaccount,
)
from minikube_py.apiserver.kinds.base import Kind

KINDS: tuple[Kind, ...] = (
    configmap.KIND,
    endpoints.KIND,
    event.KIND,
    namespace.KIND,
    node.KIND,
    pod.KIND,
    secret.KIND,
    serviceaccount.KIND,
    service.KIND,
    lease.KIND,
)
