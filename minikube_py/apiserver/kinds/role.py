"""Role: what is allowed within one namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import ROLES
from minikube_py.apiserver.kinds import _rbac
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds.base import Kind

if TYPE_CHECKING:
    from minikube_py.api.types.rbac_v1 import Role


def validate(obj: Role) -> Sequence[FieldError]:
    return _rbac.validate_rules(obj.rules, namespaced=True)


def validate_update(new: Role, old: Role) -> Sequence[FieldError]:
    return validate(new)


KIND = Kind(
    resource=ROLES,
    singular="role",
    columns=(NAME, _rbac.CREATED_AT),
    row=_rbac.role_row,
    validate_name=names.path_segment,
    validate=validate,
    validate_update=validate_update,
)
