"""PersistentVolumeClaimResize: only a bound claim may grow, and only if its StorageClass says that it can."""

from __future__ import annotations

from minikube_py.api import quantity
from minikube_py.api.claims import storage_class
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin, forbidden
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage


class PersistentVolumeClaimResize(Plugin):
    """As the admission plugin of that name."""

    name = "PersistentVolumeClaimResize"

    def __init__(self, storage: Storage) -> None:
        self._growing = Followed(
            storage, "storageclasses.storage.k8s.io", lambda o: o.get("allowVolumeExpansion") is True
        )

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "UPDATE" and kind.resource.qualified == "persistentvolumeclaims" and not subresource

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden."""
        new, old = attributes.new, attributes.old
        assert new is not None and old is not None
        if _size(new) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(attributes, "Only bound persistent volume claims can be expanded")
        name = storage_class(new)
        if not name or name != storage_class(old) or not self._growing.of().get(name):
            raise forbidden(
                attributes,
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize",
            )


def _size(claim: Object) -> Quantity:
    said = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    return Quantity() if said is None else quantity.parse(said)
