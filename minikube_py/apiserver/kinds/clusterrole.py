"""ClusterRole: what is allowed in the whole cluster, or wherever a RoleBinding gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import CLUSTERROLES
from minikube_py.apiserver.kinds import _rbac
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Kind

if TYPE_CHECKING:
    from minikube_py.api.types.rbac_v1 import ClusterRole


def validate(obj: ClusterRole) -> Sequence[FieldError]:
    errs = _rbac.validate_rules(obj.rules, namespaced=False)
    if obj.aggregationRule is not None:
        path, selectors = "aggregationRule.clusterRoleSelectors", obj.aggregationRule.clusterRoleSelectors
        if not selectors:
            errs.append(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
        for i, selector in enumerate(selectors):
            before = len(errs)
            validate_label_selector(selector, f"{path}[{i}]", errs)
            if len(errs) > before:
                errs.append(invalid(f"{path}[{i}]", selector.to_dict(), "invalid label selector."))
    return errs


def validate_update(new: ClusterRole, old: ClusterRole) -> Sequence[FieldError]:
    return validate(new)


KIND = Kind(
    resource=CLUSTERROLES,
    singular="clusterrole",
    columns=(NAME, _rbac.CREATED_AT),
    row=_rbac.role_row,
    validate_name=names.path_segment,
    validate=validate,
    validate_update=validate_update,
)
