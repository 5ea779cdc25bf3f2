"""Nobody gives rights that they do not have: the checks on writes of roles and of their bindings.

Upstream has them in the storage of the four kinds, behind the mutating plugins: hence `admit`, as the last of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from minikube_py.api import errors, rbac
from minikube_py.api.rbac import FULL_AUTHORITY, Rule
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.auth.rbac import GROUP, RBAC
from minikube_py.apiserver.auth.user import MASTERS
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind

ROLES = ("roles", "clusterroles")
BINDINGS = ("rolebindings", "clusterrolebindings")
_COLLECTED = ("ownerReferences", "finalizers", "managedFields")


class RBACEscalation(Plugin):
    """A role takes the verb escalate, a binding the verb bind, or else all the rights that they give."""

    name = "RBACEscalation"

    def __init__(self, authorization: Authorization, rules: RBAC) -> None:
        self._authorization = authorization
        self._rules = rules

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return (
            operation in ("CREATE", "UPDATE")
            and kind.resource.group == GROUP
            and kind.resource.plural in (*ROLES, *BINDINGS)
        )

    async def admit(self, attributes: Attributes) -> None:
        """Raises Forbidden telling which rights the user lacks; NotFound for a binding to a role that is not there."""
        new, old, user = attributes.new, attributes.old, attributes.user
        assert new is not None
        if MASTERS in user.groups or (old is not None and _only_collection_changes(new, old)):
            return
        if attributes.kind.resource.plural in ROLES:
            self._check_role(attributes, new, old)
        else:
            self._check_binding(attributes, new)

    def _check_role(self, attributes: Attributes, new: Object, old: Object | None) -> None:
        name = "" if attributes.operation == "CREATE" else attributes.name
        plural = attributes.kind.resource.plural
        asked = Asked("escalate", "", GROUP, "v1", plural, "", attributes.namespace, name)
        if self._authorization.authorize(attributes.user, asked)[0]:
            return
        self._confirm(attributes, new.get("rules") or ())
        if (_aggregates(new) or _aggregates(old)) and rbac.missing(self._held(attributes)[0], FULL_AUTHORITY):
            # What it gathers is not known yet, so it may be anything.
            raise _forbidden(attributes, "must have cluster-admin privileges to use the aggregationRule")

    def _check_binding(self, attributes: Attributes, new: Object) -> None:
        ref = new.get("roleRef") or {}
        kind, role = ref.get("kind", ""), ref.get("name", "")
        if kind not in ("Role", "ClusterRole") or not role or ref.get("apiGroup") != GROUP:
            return  # the kind's own validation refuses it
        plural = "roles" if kind == "Role" else "clusterroles"
        asked = Asked("bind", "", GROUP, "v1", plural, "", attributes.namespace, role)
        if self._authorization.authorize(attributes.user, asked)[0]:
            return
        rules = self._rules.role(kind, role, attributes.namespace)
        if rules is None:
            raise errors.not_found(GROUP, plural, role)
        self._confirm(attributes, rules)

    def _held(self, attributes: Attributes) -> tuple[list[Rule], list[str]]:
        return self._rules.held(attributes.user, attributes.namespace)

    def _confirm(self, attributes: Attributes, wanted: Sequence[Rule]) -> None:
        held, problems = self._held(attributes)
        lacking = rbac.missing(held, wanted)
        if not lacking:
            return
        user = attributes.user
        told = "\n".join(sorted({rbac.tell(rule) for rule in rbac.compact(lacking)}))
        message = (
            f'user "{user.name}" (groups={rbac.quoted(user.groups)}) is attempting to grant RBAC permissions '
            f"not currently held:\n{told}"
        )
        if problems:
            message += f"; resolution errors: [{', '.join(problems)}]"
        raise _forbidden(attributes, message)


def _forbidden(attributes: Attributes, why: str) -> errors.Forbidden:
    resource = attributes.kind.resource
    details = {"name": attributes.name, "group": resource.group, "kind": resource.plural}
    return errors.Forbidden(f'{resource.qualified} "{attributes.name}" is forbidden: {why}', details=details)


def _aggregates(role: Object | None) -> bool:
    return bool(role is not None and (role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _only_collection_changes(new: Object, old: Object) -> bool:
    """True when nothing changes but what the garbage collector must be able to change, so that the object can go."""
    before, after = old["metadata"], new["metadata"]
    return (
        {k: v for k, v in new.items() if k != "metadata"} == {k: v for k, v in old.items() if k != "metadata"}
        and {k: v for k, v in after.items() if k not in _COLLECTED}
        == {k: v for k, v in before.items() if k not in _COLLECTED}
    )  # fmt: skip
