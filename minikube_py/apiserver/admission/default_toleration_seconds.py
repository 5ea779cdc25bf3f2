"""DefaultTolerationSeconds: how long a Pod stays on a Node that is not ready or cannot be reached: five minutes."""

from __future__ import annotations

from minikube_py.api import taints
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.kinds.base import Kind

SECONDS = 300


class DefaultTolerationSeconds(Plugin):
    """As the admission plugin of that name. A Pod that says something of such a taint itself is left alone."""

    name = "DefaultTolerationSeconds"

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation in ("CREATE", "UPDATE") and kind.resource.qualified == "pods" and not subresource

    async def admit(self, attributes: Attributes) -> None:
        assert attributes.new is not None
        spec = attributes.new["spec"]
        said = spec.get("tolerations") or []
        missing = {taints.NOT_READY: True, taints.UNREACHABLE: True}
        for toleration in said:
            if (toleration.get("effect") or taints.NO_EXECUTE) == taints.NO_EXECUTE:
                key = toleration.get("key")
                if key:
                    missing[key] = False
                else:
                    return
        added = [
            {"key": key, "operator": "Exists", "effect": taints.NO_EXECUTE, "tolerationSeconds": SECONDS}
            for key, wanted in missing.items()
            if wanted
        ]
        if added:
            spec["tolerations"] = [*said, *added]
