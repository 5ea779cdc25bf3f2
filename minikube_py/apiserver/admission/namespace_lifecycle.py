"""NamespaceLifecycle: no object in a namespace that does not exist or is going away; the system's own stay."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


class NamespaceLifecycle(Plugin):
    """As the admission plugin of that name."""

    name = "NamespaceLifecycle"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._namespaces = storage.caches["namespaces"]

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        if operation == "DELETE":
            return kind.resource.qualified == "namespaces"
        return operation == "CREATE" and kind.resource.namespaced

    async def admit(self, attributes: Attributes) -> None:
        """Raises NotFound (no such namespace) or Forbidden (Terminating, or an immortal one is to be deleted)."""
        if attributes.operation == "DELETE":
            if attributes.name in IMMORTAL:
                raise errors.Forbidden(
                    f'namespaces "{attributes.name}" is forbidden: this namespace may not be deleted',
                    details={"name": attributes.name, "kind": "namespaces"},
                )
            return
        item = self._namespaces.items.get(f"{self._namespaces.prefix}{attributes.namespace}")
        if item is None:
            await self._storage.fresh()
            item = self._namespaces.items.get(f"{self._namespaces.prefix}{attributes.namespace}")
            if item is None:
                raise errors.not_found("", "namespaces", attributes.namespace)
        if item.fields.get("status.phase") == "Terminating":
            resource = attributes.kind.resource
            why = f"unable to create new content in namespace {attributes.namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {attributes.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            details = {"name": attributes.name, "kind": resource.plural, "causes": [cause]}
            if resource.group:
                details["group"] = resource.group
            raise errors.Forbidden(f'{resource.qualified} "{attributes.name}" is forbidden: {why}', details=details)
