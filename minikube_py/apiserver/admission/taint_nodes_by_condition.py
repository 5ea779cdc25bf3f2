"""TaintNodesByCondition: a new Node gets no Pods until the node lifecycle controller has seen that it is ready."""

from __future__ import annotations

from minikube_py.api import taints
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.kinds.base import Kind


class TaintNodesByCondition(Plugin):
    """As the admission plugin of that name."""

    name = "TaintNodesByCondition"

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "CREATE" and kind.resource.qualified == "nodes" and not subresource

    async def admit(self, attributes: Attributes) -> None:
        assert attributes.new is not None
        spec = attributes.new.setdefault("spec", {})
        found = spec.get("taints") or []
        if not any(t.get("key") == taints.NOT_READY and t.get("effect") == taints.NO_SCHEDULE for t in found):
            spec["taints"] = [*found, {"key": taints.NOT_READY, "effect": taints.NO_SCHEDULE}]
