"""The authorizers that --authorization-mode names, in its order."""

from __future__ import annotations

from minikube_py.apiserver.auth.authorization import (
    AlwaysAllow,
    AlwaysAllowPaths,
    Authorization,
    Authorizer,
    check_modes,
)
from minikube_py.apiserver.auth.node import NodeAuthorizer
from minikube_py.apiserver.auth.rbac import KINDS, RBAC
from minikube_py.apiserver.bootstrap.rbac import node_rules
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.storage import Storage


def authorizers(config: Config, storage: Storage) -> tuple[Authorization, RBAC]:
    """Who decides, and the rules of all roles, which writes of roles are checked against in every mode.

    Raises ValueError for a mode or path that cannot be.
    """
    check_modes(config.authorization_mode)
    rbac = RBAC({plural: storage.caches[f"{plural}.rbac.authorization.k8s.io"] for plural in KINDS})
    chosen: list[Authorizer] = []
    if config.authorization_always_allow_paths:
        chosen.append(AlwaysAllowPaths(config.authorization_always_allow_paths))
    for mode in config.authorization_mode:
        if mode == "Node":
            chosen.append(NodeAuthorizer(storage.caches, node_rules()))
        else:
            chosen.append(rbac if mode == "RBAC" else AlwaysAllow())
    return Authorization(chosen), rbac
