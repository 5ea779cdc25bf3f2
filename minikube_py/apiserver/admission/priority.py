"""Priority: a Pod's PriorityClass becomes its priority and its preemption policy."""

from __future__ import annotations

from dataclasses import dataclass

from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin, forbidden
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage

_CLASSES = "priorityclasses.scheduling.k8s.io"
_PREEMPT = "PreemptLowerPriority"


@dataclass(frozen=True, slots=True)
class _Class:
    value: int
    default: bool
    policy: str

    @classmethod
    def of(cls, obj: Object) -> _Class:
        return cls(obj.get("value") or 0, bool(obj.get("globalDefault")), obj.get("preemptionPolicy") or _PREEMPT)


_NONE = _Class(0, False, _PREEMPT)


class Priority(Plugin):
    """As the admission plugin of that name; it also sees to it that there is one global default at most."""

    name = "Priority"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._classes = Followed(storage, _CLASSES, _Class.of)

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation in ("CREATE", "UPDATE") and kind.resource.qualified in ("pods", _CLASSES) and not subresource

    async def admit(self, attributes: Attributes) -> None:
        """Raises Forbidden for an unknown class, and for numbers of the client's own that are not the class's."""
        if attributes.kind.resource.qualified != "pods":
            return
        assert attributes.new is not None
        spec = attributes.new["spec"]
        if attributes.old is not None:
            before = attributes.old["spec"]
            for member in ("priority", "preemptionPolicy"):
                if spec.get(member) is None and before.get(member) is not None:
                    spec[member] = before[member]
            return
        name = spec.get("priorityClassName") or ""
        if name:
            found = self._classes.of().get(name)
            if found is None:
                await self._storage.fresh()
                found = self._classes.of().get(name)
                if found is None:
                    raise forbidden(attributes, f"no PriorityClass with name {name} was found")
        else:
            name, found = self._default()
            if name:
                spec["priorityClassName"] = name
        said = spec.get("priority")
        if said is not None and said != found.value:
            raise forbidden(
                attributes,
                f"the integer value of priority ({said}) must not be provided in pod spec; priority admission "
                f"controller computed {found.value} from the given PriorityClass name",
            )
        spec["priority"] = found.value
        policy = spec.get("preemptionPolicy")
        if policy and policy != found.policy:
            raise forbidden(
                attributes,
                f"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; priority admission "
                f"controller computed {found.policy} from the given PriorityClass name",
            )
        spec["preemptionPolicy"] = found.policy

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden for a second global default."""
        if attributes.kind.resource.qualified != _CLASSES:
            return
        assert attributes.new is not None
        if not attributes.new.get("globalDefault"):
            return
        name, _ = self._default()
        if name and (attributes.old is None or name != attributes.name):
            raise forbidden(
                attributes, f"PriorityClass {name} is already marked as default. Only one default can exist"
            )

    def _default(self) -> tuple[str, _Class]:
        """The global default; of several, which only a race can make, the least important."""
        name, chosen = "", _NONE
        for other, found in self._classes.of().items():
            if found.default and (not name or found.value < chosen.value):
                name, chosen = other, found
        return name, chosen
