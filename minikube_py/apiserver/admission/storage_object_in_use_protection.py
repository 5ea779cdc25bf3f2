"""StorageObjectInUseProtection: claims and volumes get the finalizer that keeps them while somebody uses them."""

from __future__ import annotations

from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.kinds.base import Kind

_FINALIZERS = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}
"""Two controllers of the controller manager take them off again: pvc_protection and pv_protection."""


class StorageObjectInUseProtection(Plugin):
    """As the admission plugin of that name."""

    name = "StorageObjectInUseProtection"

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "CREATE" and kind.resource.qualified in _FINALIZERS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        assert attributes.new is not None
        finalizer = _FINALIZERS[attributes.kind.resource.qualified]
        metadata = attributes.new["metadata"]
        if finalizer not in (metadata.get("finalizers") or ()):
            metadata["finalizers"] = [*(metadata.get("finalizers") or ()), finalizer]
