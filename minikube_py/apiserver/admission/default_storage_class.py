"""DefaultStorageClass: a claim that names no StorageClass gets the one that is marked as the default."""

from __future__ import annotations

from minikube_py.api.claims import storage_class
from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage

_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


class DefaultStorageClass(Plugin):
    """As the admission plugin of that name: of several defaults the newest, of the same age the first by name."""

    name = "DefaultStorageClass"

    def __init__(self, storage: Storage) -> None:
        self._defaults = Followed(storage, "storageclasses.storage.k8s.io", lambda o: since_when(o, *_MARKS))

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "CREATE" and kind.resource.qualified == "persistentvolumeclaims" and not subresource

    async def admit(self, attributes: Attributes) -> None:
        claim = attributes.new
        assert claim is not None
        if storage_class(claim) is None and (name := newest(self._defaults)):
            claim["spec"]["storageClassName"] = name


def since_when(obj: Object, *marks: str) -> str:
    """When an object that one of the annotations marks as the default was made; empty if none does."""
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    return str(metadata["creationTimestamp"]) if any(annotations.get(m) == "true" for m in marks) else ""


def newest(defaults: Followed[str]) -> str:
    """The name of the newest default, empty if there is none. Time stamps in UTC sort as texts."""
    marked = [(since, name) for name, since in defaults.of().items() if since]
    if not marked:
        return ""
    latest = max(since for since, _ in marked)
    return min(name for since, name in marked if since == latest)
