"""What the two kinds of flowcontrol.apiserver.k8s.io share: their status, and the objects whose spec is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from minikube_py.api.errors import FieldError, duplicate, required
from minikube_py.apiserver.kinds.base import Context, Object

EXEMPT, CATCH_ALL = "exempt", "catch-all"
NO_EFFECT = "this server does not sort requests by priority and fairness yet: the object is stored and has no effect"

_ALL: Object = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}


def _rule(*groups: str) -> Object:
    return {
        "subjects": [{"kind": "Group", "group": {"name": name}} for name in groups],
        "resourceRules": [_ALL],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }


FIXED_SCHEMAS: dict[str, Object] = {
    EXEMPT: {
        "priorityLevelConfiguration": {"name": EXEMPT},
        "matchingPrecedence": 1,
        "rules": [_rule("system:masters")],
    },
    CATCH_ALL: {
        "priorityLevelConfiguration": {"name": CATCH_ALL},
        "matchingPrecedence": 10000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [_rule("system:unauthenticated", "system:authenticated")],
    },
}
FIXED_LEVELS: dict[str, Object] = {
    EXEMPT: {"type": "Exempt"},
    CATCH_ALL: {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}},
    },
}


class _Condition(Protocol):
    type: str


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def prepare_update(new: Object, old: Object, context: Context) -> None:
    new["status"] = old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old["spec"]


def validate_conditions(conditions: Sequence[_Condition]) -> list[FieldError]:
    errs: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        path = f"status.conditions[{i}].type"
        if condition.type in seen:
            errs.append(duplicate(path, condition.type))
        seen.add(condition.type)
        if not condition.type:
            errs.append(required(path, "must not be empty"))
    return errs


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored object does here; the fixed ones say what holds anyway."""
    return () if obj["metadata"]["name"] in FIXED_LEVELS else (NO_EFFECT,)
