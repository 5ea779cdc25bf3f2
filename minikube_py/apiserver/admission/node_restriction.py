"""NodeRestriction: a kubelet writes its own Node, Lease and CSINode, and of Pods only those bound to its Node."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from minikube_py.api import errors
from minikube_py.apiserver.admission._node_labels import forbidden_labels
from minikube_py.apiserver.admission._node_tokens import TokenRules
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.auth.authorization import Authorization
from minikube_py.apiserver.auth.node import LEASE_NAMESPACE, PREFIX, node_of
from minikube_py.apiserver.auth.node_graph import MIRROR, named
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon import csr

OPERATIONS = ("CREATE", "UPDATE", "DELETE")
NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_MAY_UPDATE = ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses")
"""What a kubelet writes of a claim's status: it resizes the volume."""

Check = Callable[[str, Attributes], str]
"""From the Node and the write: why not, empty when it may."""


class NodeRestriction(Plugin):
    """As the admission plugin of that name."""

    name = "NodeRestriction"

    def __init__(self, storage: Storage, authorization: Authorization) -> None:
        self._storage = storage
        self._tokens = TokenRules(storage, authorization)
        self._checks: Mapping[str, Check] = {
            "pods": self._pod,
            "nodes": _node,
            "persistentvolumeclaims": _claim,
            "serviceaccounts": self._service_account,
            "leases.coordination.k8s.io": _lease,
            "csinodes.storage.k8s.io": _csi_node,
            "resourceslices.resource.k8s.io": _slice,
            "certificatesigningrequests.certificates.k8s.io": _certificate,
        }

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        return operation in OPERATIONS and kind.resource.qualified in self._checks

    async def admit(self, attributes: Attributes) -> None:
        """Raises Forbidden for what a kubelet must not do; NotFound for a Pod or Node that is not there."""
        node = node_of(attributes.user)
        if node is None:
            return
        resource = attributes.kind.resource
        if not node:
            why = f'could not determine node from user "{attributes.user.name}"'
        else:
            why = self._checks[resource.qualified](node, attributes)
        if why:
            details = {"name": attributes.name, "kind": resource.plural}
            if resource.group:
                details["group"] = resource.group
            raise errors.Forbidden(f'{resource.qualified} "{attributes.name}" is forbidden: {why}', details=details)

    # -- Pods

    def _pod(self, node: str, attributes: Attributes) -> str:
        old, new = attributes.old, attributes.new
        match attributes.subresource, attributes.operation:
            case "", "CREATE" if new is not None:
                return self._mirror(node, new)
            case "", "DELETE" if old is not None:
                if _bound(old) != node:
                    return f'node "{node}" can only delete pods with spec.nodeName set to itself'
                return ""
            case "", operation:
                return f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'
            case "status", "UPDATE" if old is not None and new is not None:
                return _pod_status(node, new, old)
            case "eviction", _:
                pod = old or self._read("pods", attributes.namespace, attributes.name)
                if _bound(pod) != node:
                    return f"node {node} can only evict pods with spec.nodeName set to itself"
                return ""
            case "status", operation:
                return f'unexpected operation "{operation}"'
        return f"unexpected pod subresource \"{attributes.subresource}\", only 'status' and 'eviction' are allowed"

    def _mirror(self, node: str, pod: Object) -> str:
        metadata = pod["metadata"]
        if MIRROR not in (metadata.get("annotations") or {}):
            return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        if _bound(pod) != node:
            return f'node "{node}" can only create pods with spec.nodeName set to itself'
        owners = metadata.get("ownerReferences") or []
        if len(owners) > 1:
            return f'node "{node}" can only create pods with a single owner reference set to itself'
        owner = owners[0] if owners else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            return f'node "{node}" can only create pods with an owner reference set to itself'
        if not owner.get("controller"):
            return f'node "{node}" can only create pods with a controller owner reference set to itself'
        if owner.get("blockOwnerDeletion"):
            return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
        uid = self._read("nodes", "", node)["metadata"]["uid"]
        if owner.get("uid") != uid:
            return f"node {node} UID mismatch: expected {owner.get('uid', '')} got {uid}"
        reference = next(named(pod), None)
        if reference is not None:
            return f'node "{node}" can not create pods that reference {reference[0]}'
        return ""

    def _service_account(self, node: str, attributes: Attributes) -> str:
        if attributes.operation != "CREATE" or attributes.subresource != "token" or attributes.new is None:
            return ""
        ref = (attributes.new.get("spec") or {}).get("boundObjectRef") or {}
        if ref.get("apiVersion") != "v1" or ref.get("kind") != "Pod" or not ref.get("name"):
            return "node requested token not bound to a pod"
        if not ref.get("uid"):
            return "node requested token with a pod binding without a uid"
        pod = self._read("pods", attributes.namespace, ref["name"])
        if pod["metadata"]["uid"] != ref["uid"]:
            return (
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
        if _bound(pod) != node:
            return "node requested token bound to a pod scheduled on a different node"
        return self._tokens.refusal(attributes, pod)

    def _read(self, plural: str, namespace: str, name: str) -> Object:
        """An object of the cache. Raises NotFound."""
        cache = self._storage.caches[plural]
        item = cache.items.get(cache.key(namespace, name))
        if item is None:
            raise errors.not_found("", plural, name)
        found: Object = loads(item.data)
        return found


def _bound(pod: Object) -> str:
    name: str = (pod.get("spec") or {}).get("nodeName") or ""
    return name


def _pod_status(node: str, new: Object, old: Object) -> str:
    if _bound(old) != node:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if (new["metadata"].get("labels") or {}) != (old["metadata"].get("labels") or {}):
        return f'node "{node}" cannot update labels through pod status'
    after, before = new.get("status") or {}, old.get("status") or {}
    if (after.get("resourceClaimStatuses") or []) != (before.get("resourceClaimStatuses") or []):
        return f'node "{node}" cannot update resource claim statuses'
    if after.get("extendedResourceClaimStatus") != before.get("extendedResourceClaimStatus"):
        return f'node "{node}" cannot update extended resource claim status'
    return ""


def _node(node: str, attributes: Attributes) -> str:
    if attributes.name != node:
        return f'node "{node}" is not allowed to modify node "{attributes.name}"'
    new, old = attributes.new, attributes.old
    if new is None:
        return ""
    labels = new["metadata"].get("labels") or {}
    spec = new.get("spec") or {}
    if old is None:
        if spec.get("configSource") is not None:
            return f'node "{node}" is not allowed to create a Node with a configSource'
        if wrong := forbidden_labels(labels, {}):
            return f'node "{node}" is not allowed to set the following labels: {", ".join(wrong)}'
        return ""
    before = old.get("spec") or {}
    if spec.get("configSource") is not None and spec["configSource"] != before.get("configSource"):
        return f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
    if (spec.get("taints") or []) != (before.get("taints") or []):
        return f'node "{node}" is not allowed to modify taints'
    if wrong := forbidden_labels(labels, old["metadata"].get("labels") or {}):
        return f"is not allowed to modify labels: {', '.join(wrong)}"
    if (new["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
        return f'node "{node}" is not allowed to modify ownerReferences'  # the collector would delete the Node
    return ""


def _claim(node: str, attributes: Attributes) -> str:
    if attributes.subresource != "status":
        return "may only update PVC status"
    if attributes.operation != "UPDATE" or attributes.new is None or attributes.old is None:
        return f'unexpected operation "{attributes.operation}"'
    if _rest(attributes.new) != _rest(attributes.old):
        return f'node "{node}" is not allowed to update fields other than status.capacity and status.conditions'
    return ""


def _rest(claim: Object) -> dict[str, Any]:
    """A claim without what a kubelet may change."""
    metadata = {k: v for k, v in claim["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in _MAY_UPDATE}
    return {**claim, "metadata": metadata, "status": status}


def _lease(node: str, attributes: Attributes) -> str:
    if attributes.namespace != LEASE_NAMESPACE:
        return f'can only access leases in the "{LEASE_NAMESPACE}" system namespace'
    if attributes.name != node:
        return "can only access node lease with the same name as the requesting node"
    return ""


def _csi_node(node: str, attributes: Attributes) -> str:
    return "" if attributes.name == node else "can only access CSINode with the same name as the requesting node"


def _slice(node: str, attributes: Attributes) -> str:
    changed = attributes.new if attributes.operation == "CREATE" else attributes.old
    if attributes.operation == "UPDATE" or ((changed or {}).get("spec") or {}).get("nodeName") == node:
        return ""
    verb = attributes.operation.lower()
    return f"can only {verb} ResourceSlice with the same NodeName as the requesting node"


def _certificate(node: str, attributes: Attributes) -> str:
    """A kubelet asks for certificates of its own name only."""
    if attributes.operation != "CREATE" or attributes.subresource or attributes.new is None:
        return ""
    spec = attributes.new.get("spec") or {}
    if spec.get("signerName") not in NODE_SIGNERS:
        return ""
    try:
        name = csr.parse(base64.b64decode(spec.get("request") or "")).common_name
    except ValueError as error:
        return f"unable to parse csr: {error}"
    return "" if name == f"{PREFIX}{node}" else f"can only create a node CSR with CN={PREFIX}{node}"
