"""Which labels a kubelet may set on its own Node: those of others could steer Pods to it."""

from __future__ import annotations

from collections.abc import Mapping

NODE_RESTRICTION = "node-restriction.kubernetes.io"
KUBELET_LABELS = frozenset({
    "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "kubernetes.io/os", "kubernetes.io/arch",
    "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
})  # fmt: skip
KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")


def forbidden_labels(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """The keys of changed labels that are Kubernetes' own and not a kubelet's, in order."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    return sorted(key for key in changed if _forbidden(key))


def _forbidden(key: str) -> bool:
    namespace, slash, _ = key.partition("/")
    if not slash:
        return False
    if _below(namespace, NODE_RESTRICTION):
        return True
    if not (_below(namespace, "kubernetes.io") or _below(namespace, "k8s.io")):
        return False
    return key not in KUBELET_LABELS and not any(_below(namespace, own) for own in KUBELET_NAMESPACES)


def _below(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith(f".{domain}")
