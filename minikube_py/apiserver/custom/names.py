"""Which names a CustomResourceDefinition gets, and its conditions: functions over its JSON form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from minikube_py.api.meta import condition, set_condition
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
APPROVAL = "api-approved.kubernetes.io"


class Taken:
    """The names in use in one group: those of resources (plural, singular, short) and those of kinds."""

    def __init__(self) -> None:
        self.resources: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def add(self, names: Object, by: int = 1) -> None:
        """Count what one definition has; `by` -1 takes it back."""
        for name in (names.get("plural"), names.get("singular"), *(names.get("shortNames") or ())):
            _count(self.resources, name, by)
        for name in (names.get("kind"), names.get("listKind")):
            _count(self.kinds, name, by)


def _count(names: Counter[str], name: str | None, by: int) -> None:
    if name:
        names[name] += by
        if not names[name]:
            del names[name]


def of_kind(kind: Kind) -> Object:
    """A built-in kind's names in the form that definitions have them."""
    name = kind.resource.kind
    return {
        "plural": kind.resource.plural,
        "singular": kind.singular,
        "shortNames": list(kind.short_names),
        "kind": name,
        "listKind": f"{name}List",
    }


_NAMES = (("plural", "Plural"), ("singular", "Singular"), ("kind", "Kind"), ("listKind", "ListKind"))


def accept(crd: Object, taken: Taken, now: str) -> bool:
    """Settle status.acceptedNames and the conditions NamesAccepted and Established; true when anything changed.

    `taken` are the names of the others in the group. A name that is in use stays what it was (nothing, at first); the
    other names are taken over, and the condition tells of the last conflict, as upstream's controller has it.
    """
    wanted = crd["spec"]["names"]
    status = crd.setdefault("status", {})
    accepted = dict(status.get("acceptedNames") or {"plural": "", "kind": ""})
    found = {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"}

    def refuse(reason: str, message: str) -> None:
        found.update(status="False", reason=f"{reason}Conflict", message=message)

    for member, reason in _NAMES:
        used = taken.kinds if member in ("kind", "listKind") else taken.resources
        name = wanted.get(member) or ""
        if name != accepted.get(member, "") and name in used:
            refuse(reason, f'"{name}" is already in use')
        else:
            accepted[member] = name
        if member == "singular":
            _shorts(wanted, accepted, taken, refuse)
    _copy(wanted, accepted, "categories")
    changed: bool = accepted != status.get("acceptedNames")
    status["acceptedNames"] = accepted
    conditions = status.setdefault("conditions", [])
    changed = set_condition(conditions, found, now) or changed
    established = condition(crd, "Established")
    if found["status"] != "True" and (established is None or established["status"] != "True"):
        why = {"reason": "NotAccepted", "message": "not all names are accepted"}
        changed = set_condition(conditions, {"type": "Established", "status": "False", **why}, now) or changed
    return changed


def _shorts(wanted: Object, accepted: Object, taken: Taken, refuse: Callable[[str, str], None]) -> None:
    mine = {*(accepted.get("shortNames") or ()), accepted.get("plural"), accepted.get("singular")}
    used = [
        f'"{n}" is already in use' for n in wanted.get("shortNames") or () if n not in mine and n in taken.resources
    ]
    if used:
        refuse("ShortNames", used[0] if len(used) == 1 else f"[{', '.join(used)}]")
    else:
        _copy(wanted, accepted, "shortNames")


def _copy(wanted: Object, accepted: Object, member: str) -> None:
    if wanted.get(member):
        accepted[member] = list(wanted[member])
    else:
        accepted.pop(member, None)


def establish(crd: Object, now: str) -> bool:
    """The condition that the kind is served; true when it changed."""
    found = {
        "type": "Established",
        "status": "True",
        "reason": "InitialNamesAccepted",
        "message": "the initial names have been accepted",
    }
    return set_condition(crd["status"]["conditions"], found, now)


def terminating(crd: Object, status: str, reason: str, message: str, now: str) -> bool:
    """How far the removal of a definition's objects is; true when the condition changed."""
    found = {"type": "Terminating", "status": status, "reason": reason, "message": message}
    return set_condition(crd.setdefault("status", {}).setdefault("conditions", []), found, now)


def is_true(crd: Object, type_: str) -> bool:
    found = condition(crd, type_)
    return found is not None and found["status"] == "True"


def protected(group: str) -> bool:
    """Whether a group is one of the Kubernetes project's, whose additions are reviewed."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval_error(crd: Object) -> str:
    """What is wrong with the approval of a definition in a protected group."""
    if not protected(crd["spec"].get("group") or ""):
        return ""
    said = (crd["metadata"].get("annotations") or {}).get(APPROVAL) or ""
    if not said:
        return "protected groups must have approval annotation"
    if said.startswith(("unapproved", "https://", "http://")):
        return ""
    return 'protected groups must have an approval URL or a reason that starts with "unapproved"'


def approve(crd: Object, now: str) -> bool:
    """The condition of a definition in a protected group; true when it changed."""
    if not protected(crd["spec"]["group"]):
        return False
    said = (crd["metadata"].get("annotations") or {}).get(APPROVAL) or ""
    if said.startswith(("https://", "http://")):
        found = {"status": "True", "reason": "ApprovedAnnotation", "message": f"approved in {said}"}
    else:
        found = {"status": "False", "reason": "UnapprovedAnnotation", "message": f"not approved: {said}"}
    found["type"] = "KubernetesAPIApprovalPolicyConformant"
    return set_condition(crd["status"].setdefault("conditions", []), found, now)
