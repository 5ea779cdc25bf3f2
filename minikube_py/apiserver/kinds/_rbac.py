"""Rules that the kinds of rbac.authorization.k8s.io share: policy rules, the reference to a role, subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Object

if TYPE_CHECKING:
    from minikube_py.api.types.rbac_v1 import ClusterRoleBinding, PolicyRule, RoleBinding, RoleRef, Subject

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")

CREATED_AT = Column("Created At", "date", description="When the server stored the object for the first time.")
BINDING_COLUMNS = (
    NAME,
    Column("Role", description="The role whose permissions are given, with its kind."),
    AGE,
    Column("Users", priority=1, description="The users who get them."),
    Column("Groups", priority=1, description="The groups whose members get them."),
    Column("ServiceAccounts", priority=1, description="The ServiceAccounts that get them, with their namespaces."),
)


def default_binding(obj: Object) -> None:
    """A role is RBAC's own; so are users and groups, while a ServiceAccount is of the core group."""
    ref = obj.get("roleRef")
    if ref is None:
        ref = obj["roleRef"] = {"apiGroup": "", "kind": "", "name": ""}
    if not ref.get("apiGroup"):
        ref["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def validate_rules(rules: Sequence[PolicyRule], namespaced: bool) -> list[FieldError]:
    """What is wrong with the rules of a Role (`namespaced`) or ClusterRole."""
    errs: list[FieldError] = []
    for i, rule in enumerate(rules):
        path = f"rules[{i}]"
        if not rule.verbs:
            errs.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        if urls := list(rule.nonResourceURLs):
            if namespaced:
                detail = "namespaced rules cannot apply to non-resource URLs"
                errs.append(invalid(f"{path}.nonResourceURLs", urls, detail))
            if rule.apiGroups or rule.resources or rule.resourceNames:
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                errs.append(invalid(f"{path}.nonResourceURLs", urls, detail))
            continue
        if not rule.apiGroups:
            errs.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.resources:
            errs.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return errs


def validate_binding(obj: RoleBinding | ClusterRoleBinding, namespaced: bool) -> list[FieldError]:
    """What is wrong with a RoleBinding (`namespaced`) or ClusterRoleBinding."""
    errs = _role_ref(obj.roleRef, ("Role", "ClusterRole") if namespaced else ("ClusterRole",))
    for i, subject in enumerate(obj.subjects):
        errs += _subject(subject, f"subjects[{i}]", namespaced)
    return errs


def validate_binding_update(
    new: RoleBinding | ClusterRoleBinding, old: RoleBinding | ClusterRoleBinding, namespaced: bool
) -> list[FieldError]:
    """As for a new one; and the role stays: who may change the subjects need not have the role's rights."""
    errs = validate_binding(new, namespaced)
    if new.roleRef != old.roleRef:
        errs.append(invalid("roleRef", new.roleRef.to_dict(), "cannot change roleRef"))
    return errs


def _role_ref(ref: RoleRef, kinds: Sequence[str]) -> list[FieldError]:
    errs: list[FieldError] = []
    if ref.apiGroup != GROUP:
        errs.append(not_supported("roleRef.apiGroup", ref.apiGroup, (GROUP,)))
    if ref.kind not in kinds:
        errs.append(not_supported("roleRef.kind", ref.kind, kinds))
    if not ref.name:
        errs.append(required("roleRef.name"))
    errs += [invalid("roleRef.name", ref.name, sentence) for sentence in names.path_segment(ref.name)]
    return errs


def _subject(subject: Subject, path: str, namespaced: bool) -> list[FieldError]:
    errs: list[FieldError] = []
    if not subject.name:
        errs.append(required(f"{path}.name"))
    if subject.kind == "ServiceAccount":
        if subject.name:
            wrong = names.dns1123_subdomain(subject.name)
            errs += [invalid(f"{path}.name", subject.name, sentence) for sentence in wrong]
        if subject.apiGroup:
            errs.append(not_supported(f"{path}.apiGroup", subject.apiGroup, ("",)))
        if not namespaced and not subject.namespace:  # in a RoleBinding it means the binding's own namespace
            errs.append(required(f"{path}.namespace"))
    elif subject.kind in _SUBJECTS:
        if subject.apiGroup != GROUP:
            errs.append(not_supported(f"{path}.apiGroup", subject.apiGroup, (GROUP,)))
    else:
        errs.append(not_supported(f"{path}.kind", subject.kind, _SUBJECTS))
    return errs


def role_row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], metadata.get("creationTimestamp") or ""]


def binding_row(obj: Object) -> list[Any]:
    metadata, ref = obj["metadata"], obj.get("roleRef") or {}
    told: dict[str, list[str]] = {kind: [] for kind in _SUBJECTS}
    for subject in obj.get("subjects") or ():
        name = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            name = f"{subject.get('namespace', '')}/{name}"
        if subject.get("kind") in told:
            told[subject["kind"]].append(name)
    return [
        metadata["name"],
        f"{ref.get('kind', '')}/{ref.get('name', '')}",
        age(metadata.get("creationTimestamp")),
        *(", ".join(told[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]
