"""RuntimeClass: a Pod's RuntimeClass must be there; what it costs and where it runs become the Pod's."""

from __future__ import annotations

from minikube_py.api import quantity
from minikube_py.api.taints import NO_EXECUTE, Toleration
from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin, forbidden
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage


class RuntimeClass(Plugin):
    """As the admission plugin of that name."""

    name = "RuntimeClass"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._classes: Followed[Object] = Followed(storage, "runtimeclasses.node.k8s.io", lambda obj: obj)

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation == "CREATE" and kind.resource.qualified == "pods" and not subresource

    async def admit(self, attributes: Attributes) -> None:
        """Raises Forbidden: no such class, another overhead than the class's, contradicting node selectors."""
        assert attributes.new is not None
        spec = attributes.new["spec"]
        name = spec.get("runtimeClassName")
        if name is None:
            return
        if name not in self._classes.of():
            await self._storage.fresh()
        found = self._classes.of().get(name)
        if found is None:
            raise forbidden(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        if fixed := (found.get("overhead") or {}).get("podFixed"):
            if spec.get("overhead") and not _same(spec["overhead"], fixed):
                raise forbidden(
                    attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
                )
            spec["overhead"] = dict(fixed)
        if scheduling := found.get("scheduling"):
            self._schedule(attributes, spec, scheduling)

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden for an overhead that no class gives."""
        assert attributes.new is not None
        spec = attributes.new["spec"]
        if not spec.get("overhead"):
            return
        found = self._classes.of().get(spec.get("runtimeClassName") or "") or {}
        fixed = (found.get("overhead") or {}).get("podFixed")
        if not fixed:
            raise forbidden(
                attributes, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        if not _same(spec["overhead"], fixed):
            raise forbidden(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")

    @staticmethod
    def _schedule(attributes: Attributes, spec: Object, scheduling: Object) -> None:
        selector = spec.get("nodeSelector") or {}
        for key, value in (scheduling.get("nodeSelector") or {}).items():
            if selector.get(key, value) != value:
                raise forbidden(
                    attributes,
                    f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                    f"pod.spec.nodeSelector[{key}] = {selector[key]}",
                )
            selector = {**selector, key: value}
        if selector:
            spec["nodeSelector"] = selector
        merged = merge_tolerations([*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())])
        if merged:
            spec["tolerations"] = merged


def _same(one: Object, other: Object) -> bool:
    return {n: quantity.parse(a) for n, a in one.items()} == {n: quantity.parse(a) for n, a in other.items()}


def merge_tolerations(given: list[Object]) -> list[Object]:
    """The tolerations without those that another one covers; of equal ones the first stays."""
    parsed = [Toleration.of(raw) for raw in given]
    return [
        raw
        for i, raw in enumerate(given)
        if not any(
            _covers(other, parsed[i]) and not (_covers(parsed[i], other) and i < j)
            for j, other in enumerate(parsed)
            if i != j
        )
    ]


def _covers(wide: Toleration, narrow: Toleration) -> bool:
    """Whether everything that `narrow` tolerates is tolerated by `wide`, for as long."""
    if wide == narrow:
        return True
    if wide.key != narrow.key and not (wide.key == "" and wide.operator == "Exists"):
        return False
    if wide.effect not in ("", narrow.effect):
        return False
    if (
        narrow.effect in ("", NO_EXECUTE)
        and wide.seconds is not None
        and (narrow.seconds is None or narrow.seconds > wide.seconds)
    ):
        return False
    if wide.operator == "Exists":
        return True
    return wide.operator == narrow.operator and wide.value == narrow.value
