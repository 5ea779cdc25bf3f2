"""DefaultIngressClass: an Ingress that names no IngressClass gets the one that is marked as the default."""

from __future__ import annotations

from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.admission.default_storage_class import newest, since_when
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage

_MARK = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


class DefaultIngressClass(Plugin):
    """As the admission plugin of that name: of several defaults the newest, of the same age the first by name."""

    name = "DefaultIngressClass"

    def __init__(self, storage: Storage) -> None:
        self._defaults = Followed(storage, "ingressclasses.networking.k8s.io", lambda o: since_when(o, _MARK))

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "CREATE" and kind.resource.qualified == "ingresses.networking.k8s.io" and not subresource

    async def admit(self, attributes: Attributes) -> None:
        ingress = attributes.new
        assert ingress is not None
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or _OLD_CLASS in (ingress["metadata"].get("annotations") or {}):
            return
        if name := newest(self._defaults):
            spec["ingressClassName"] = name
