"""What every cluster has from its start: one file per sort of first objects, and the one ordered list of them.

All of it comes back at the next start when somebody removed it. A hook has finished before the server says that it is
ready; one that must go on (a loop that repairs) starts a task of its own in the group that it gets.
"""

from __future__ import annotations

from minikube_py.apiserver.bootstrap import (
    apiservices,
    crds,
    kubernetes_service,
    namespaces,
    priority_classes,
    rbac,
    services,
)
from minikube_py.apiserver.bootstrap.base import Hook, Server

__all__ = ["HOOKS", "Hook", "Server"]

HOOKS: tuple[Hook, ...] = (
    crds.HOOK,
    namespaces.HOOK,
    priority_classes.HOOK,
    rbac.HOOK,
    services.HOOK,
    kubernetes_service.HOOK,
    apiservices.HOOK,
)
