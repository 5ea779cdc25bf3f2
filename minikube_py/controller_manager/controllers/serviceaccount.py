"""Every namespace that is not going away has a ServiceAccount named `default`."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.api.meta import Object, is_deleting
from minikube_py.api.resources import NAMESPACES, SERVICEACCOUNTS
from minikube_py.controller_manager.context import Context, namespace_key

DEFAULT = "default"


def plan(namespace: Object | None, account: Object | None) -> Object | None:
    """The ServiceAccount to create, if one is missing."""
    if namespace is None or is_deleting(namespace) or account is not None:
        return None
    metadata = {"namespace": namespace["metadata"]["name"], "name": DEFAULT}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


class ServiceAccountController:
    name = "serviceaccount-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.namespaces = context.informer(NAMESPACES)
        self.accounts = context.informer(SERVICEACCOUNTS)
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.namespaces)
        controller.watch(self.accounts, namespace_key)

    async def reconcile(self, key: str) -> float | None:
        """`key` is a namespace."""
        missing = plan(self.namespaces.get(key), self.accounts.get(f"{key}/{DEFAULT}"))
        if missing is not None:
            try:
                await self.client.create(SERVICEACCOUNTS, missing)
            except (errors.AlreadyExists, errors.NotFound):
                pass  # made by another hand, or the namespace went: both will be heard
            except errors.Forbidden as error:
                if not namespace_terminating(error):
                    raise
        return None


def namespace_terminating(error: errors.StatusError) -> bool:
    """Whether a create was refused because its namespace is going away."""
    return any(c.get("reason") == "NamespaceTerminating" for c in error.details.get("causes") or ())
