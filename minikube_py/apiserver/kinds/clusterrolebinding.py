"""ClusterRoleBinding: gives the permissions of a ClusterRole to subjects in the whole cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import CLUSTERROLEBINDINGS
from minikube_py.apiserver.kinds import _rbac
from minikube_py.apiserver.kinds.base import Kind

if TYPE_CHECKING:
    from minikube_py.api.types.rbac_v1 import ClusterRoleBinding


def validate(obj: ClusterRoleBinding) -> Sequence[FieldError]:
    return _rbac.validate_binding(obj, namespaced=False)


def validate_update(new: ClusterRoleBinding, old: ClusterRoleBinding) -> Sequence[FieldError]:
    return _rbac.validate_binding_update(new, old, namespaced=False)


KIND = Kind(
    resource=CLUSTERROLEBINDINGS,
    singular="clusterrolebinding",
    columns=_rbac.BINDING_COLUMNS,
    row=_rbac.binding_row,
    validate_name=names.path_segment,
    default=_rbac.default_binding,
    validate=validate,
    validate_update=validate_update,
)
