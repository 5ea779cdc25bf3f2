"""RoleBinding: gives the permissions of a Role or ClusterRole to subjects within one namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import ROLEBINDINGS
from minikube_py.apiserver.kinds import _rbac
from minikube_py.apiserver.kinds.base import Kind

if TYPE_CHECKING:
    from minikube_py.api.types.rbac_v1 import RoleBinding


def validate(obj: RoleBinding) -> Sequence[FieldError]:
    return _rbac.validate_binding(obj, namespaced=True)


def validate_update(new: RoleBinding, old: RoleBinding) -> Sequence[FieldError]:
    return _rbac.validate_binding_update(new, old, namespaced=True)


KIND = Kind(
    resource=ROLEBINDINGS,
    singular="rolebinding",
    columns=_rbac.BINDING_COLUMNS,
    row=_rbac.binding_row,
    validate_name=names.path_segment,
    default=_rbac.default_binding,
    validate=validate,
    validate_update=validate_update,
)
