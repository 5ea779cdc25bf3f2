"""The authorizer Node: what a kubelet may do, which is little beyond its own Node and what its Pods need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minikube_py.api import rbac
from minikube_py.api.rbac import Rule
from minikube_py.apiserver.auth.authorization import Asked, Rules
from minikube_py.apiserver.auth.node_graph import Graph
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.cache import KindCache
from minikube_py.apiserver.encoding import loads

PREFIX = "system:node:"
NODES_GROUP = "system:nodes"
LEASE_NAMESPACE = "kube-node-lease"
OWN_VERBS = ("get", "create", "update", "patch", "delete")

Answer = tuple[bool, str]
_YES: Answer = (True, "")
_NO: Answer = (False, "")


def node_of(user: User) -> str | None:
    """The Node whose kubelet the user is; None for anybody else."""
    if not user.name.startswith(PREFIX) or NODES_GROUP not in user.groups:
        return None
    return user.name[len(PREFIX) :]


class NodeAuthorizer:
    """`rules` are those of the role system:node, for what is not told apart by object."""

    def __init__(self, caches: Mapping[str, KindCache], rules: Sequence[Rule]) -> None:
        self._graph = Graph(caches["pods"], caches.get("persistentvolumes"))
        self._caches = caches
        self._rules = rules

    def authorize(self, user: User, asked: Asked) -> Answer:
        """(allowed, reason), as upstream's node authorizer with field selectors."""
        node = node_of(user)
        if node is None:
            return _NO
        if not node:
            return False, f'unknown node for user "{user.name}"'
        if asked.path:
            return any(rbac.allows_path(rule, asked.verb, asked.path) for rule in self._rules), ""
        match (asked.group, asked.resource):
            case ("", "secrets" | "configmaps"):
                return self._read_namespaced(node, asked)
            case ("", "persistentvolumeclaims"):
                return self._claim(node, asked)
            case ("", "persistentvolumes") | ("resource.k8s.io", "resourceclaims"):
                return self._get(node, asked)
            case ("storage.k8s.io", "volumeattachments"):
                return self._get(node, asked, self._names_node("volumeattachments.storage.k8s.io", asked, node))
            case ("", "serviceaccounts"):
                return self._service_account(node, asked)
            case ("coordination.k8s.io", "leases"):
                return _lease(node, asked)
            case ("storage.k8s.io", "csinodes"):
                return _csi_node(node, asked)
            case ("resource.k8s.io", "resourceslices"):
                return self._slice(node, asked)
            case ("", "nodes"):
                return _node(node, asked)
            case ("", "pods"):
                return self._pod(node, asked)
        allowed = any(
            rbac.allows_resource(rule, asked.verb, asked.group, asked.resource, asked.subresource)
            and (not rbac.part(rule, "resourceNames") or asked.name in rbac.part(rule, "resourceNames"))
            for rule in self._rules
        )
        return allowed, ""

    def rules(self, user: User, namespace: str) -> Rules:
        """A kubelet's rights depend on its Pods, and are not listed."""
        if node_of(user) is None:
            return Rules()
        return Rules(incomplete=True, error="node authorizer does not support user rule resolution")

    # -- by resource

    def _related(self, node: str, asked: Asked, also: bool = False) -> Answer:
        if not asked.name:
            return False, "No Object name found"
        if also or self._graph.leads(asked.resource, asked.namespace, asked.name, node):
            return _YES
        return False, f"no relationship found between node '{node}' and this object"

    def _get(self, node: str, asked: Asked, also: bool = False) -> Answer:
        if asked.verb != "get":
            return False, "can only get individual resources of this type"
        if asked.subresource:
            return False, "cannot get subresource"
        return self._related(node, asked, also)

    def _read_namespaced(self, node: str, asked: Asked) -> Answer:
        if asked.verb not in ("get", "list", "watch"):
            return False, "can only read resources of this type"
        if asked.subresource:
            return False, "cannot read subresource"
        if not asked.namespace:
            return False, "can only read namespaced object of this type"
        return self._related(node, asked)

    def _claim(self, node: str, asked: Asked) -> Answer:
        if asked.subresource != "status":
            return self._get(node, asked)
        if asked.verb not in ("update", "patch"):
            return False, "can only get/update/patch this type"
        return self._related(node, asked)

    def _service_account(self, node: str, asked: Asked) -> Answer:
        if asked.verb == "get" and not asked.subresource:
            return self._get(node, asked)
        if asked.verb != "create" or not asked.name:
            return False, "can only create tokens for individual service accounts"
        if asked.subresource != "token":
            return False, "can only create token subresource of serviceaccount"
        return self._related(node, asked)

    def _slice(self, node: str, asked: Asked) -> Answer:
        if asked.subresource:
            return False, "cannot authorize ResourceSlice subresources"
        match asked.verb:
            case "create":
                return _YES  # admission looks whose it is
            case "get" | "update" | "patch" | "delete":
                return self._related(node, asked, self._names_node("resourceslices.resource.k8s.io", asked, node))
            case "list" | "watch" | "deletecollection":
                if ("nodeName", "=", node) in asked.fields or ("spec.nodeName", "=", node) in asked.fields:
                    return _YES
                return False, "can only list/watch/deletecollection resourceslices with nodeName field selector"
        return False, f"{asked.verb} is not allowed for a ResourceSlice"

    def _pod(self, node: str, asked: Asked) -> Answer:
        match asked.subresource, asked.verb:
            case "", "get":
                return self._related(node, asked)
            case "", "list" | "watch":
                if ("spec.nodeName", "=", node) in asked.fields:
                    return _YES
                if asked.name:
                    return self._related(node, asked)
                return False, "can only list/watch pods with spec.nodeName field selector"
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return _YES  # admission looks whose it is
        return _NO

    def _names_node(self, qualified: str, asked: Asked, node: str) -> bool:
        """Whether the asked object names the Node in its spec."""
        cache = self._caches.get(qualified)
        item = cache.items.get(cache.key("", asked.name)) if cache is not None else None
        return item is not None and (loads(item.data).get("spec") or {}).get("nodeName") == node


def _lease(node: str, asked: Asked) -> Answer:
    if asked.verb not in OWN_VERBS:
        return False, "can only get, create, update, patch, or delete a node lease"
    if asked.namespace != LEASE_NAMESPACE:
        return False, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if asked.verb != "create" and asked.name != node:
        return False, "can only access node lease with the same name as the requesting node"
    return _YES


def _csi_node(node: str, asked: Asked) -> Answer:
    if asked.verb not in OWN_VERBS:
        return False, "can only get, create, update, patch, or delete a CSINode"
    if asked.subresource:
        return False, "cannot authorize CSINode subresources"
    if asked.verb != "create" and asked.name != node:
        return False, "can only access CSINode with the same name as the requesting node"
    return _YES


def _node(node: str, asked: Asked) -> Answer:
    match asked.subresource, asked.verb:
        case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
            return _YES  # admission looks whose it is
        case "", "get" | "list" | "watch":
            if asked.name == node:
                return _YES
            if not asked.name:
                return False, f"node '{node}' cannot read all nodes, only its own Node object"
            return False, f"node '{node}' cannot read '{asked.name}', only its own Node object"
    return _NO
