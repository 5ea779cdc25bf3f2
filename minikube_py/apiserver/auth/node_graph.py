"""Which objects belong to which Node: what the Pods bound to it refer to, and the volumes behind their claims.

    node <- pod <- secret, configmap, persistentvolumeclaim <- persistentvolume <- secret
                <- serviceaccount, resourceclaim

Kept beside the caches of Pods and PersistentVolumes; nothing is read before somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from minikube_py.apiserver.cache import Event, Item, KindCache
from minikube_py.apiserver.encoding import Object, loads

Reference = tuple[str, str, str]
"""(plural, namespace, name)."""

MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a Pod that a kubelet made of a file."""

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_SECRET_REFS = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
_PV_SECRETS = (
    ("azureFile", "secretName", "secretNamespace"), ("cephfs", "secretRef", ""), ("cinder", "secretRef", ""),
    ("flexVolume", "secretRef", ""), ("rbd", "secretRef", ""), ("scaleIO", "secretRef", ""),
    ("iscsi", "secretRef", ""), ("storageos", "secretRef", ""), ("csi", "nodePublishSecretRef", ""),
    ("csi", "nodeStageSecretRef", ""), ("csi", "nodeExpandSecretRef", ""),
)  # fmt: skip
"""Where a PersistentVolume names secrets that kubelets read; the controllers' are none of theirs."""
_MAY_CHANGE = (b'"ephemeralContainers"', b"ResourceClaimStatus", b'"resourceClaimStatuses"')
"""Members by which a Pod that is bound already comes to refer to more."""


class Graph:
    """The references, by what they lead to. `volumes` is None where PersistentVolumes are not served."""

    def __init__(self, pods: KindCache, volumes: KindCache | None) -> None:
        self._pods, self._volumes = pods, volumes
        self._of_pod: dict[str, tuple[str, frozenset[Reference]]] = {}
        """By the Pod's key: its Node and what it refers to, itself too."""
        self._nodes: dict[Reference, dict[str, int]] = {}
        """How many Pods of which Node refer to it."""
        self._claims: dict[str, tuple[Reference, frozenset[Reference]]] = {}
        """By PersistentVolume: its claim, and the secrets that it takes to mount it."""
        self._volumes_of: dict[Reference, set[str]] = {}
        """The PersistentVolumes that a secret is for."""
        self._built = False
        pods.subscribe(self._pod_changed)
        if volumes is not None:
            volumes.subscribe(self._volume_changed)

    def leads(self, plural: str, namespace: str, name: str, node: str) -> bool:
        """Whether an object belongs to a Node."""
        self._build()
        reference = (plural, namespace, name)
        if node in self._nodes.get(reference, ()):
            return True
        if plural == "persistentvolumes":
            return self._volume_leads(name, node)
        return plural == "secrets" and any(self._volume_leads(v, node) for v in self._volumes_of.get(reference, ()))

    def _volume_leads(self, volume: str, node: str) -> bool:
        found = self._claims.get(volume)
        return found is not None and node in self._nodes.get(found[0], ())

    def _build(self) -> None:
        if self._built:
            return
        self._built = True
        for table in (self._of_pod, self._nodes, self._claims, self._volumes_of):
            table.clear()
        for item in self._pods.items.values():
            self._add_pod(item)
        if self._volumes is not None:
            for item in self._volumes.items.values():
                self._add_volume(item)

    def _pod_changed(self, event: Event | None) -> None:
        if event is None or not self._built:
            self._built = False
            return
        old, new = event.old, event.new
        if new is None:
            self._remove_pod(event.old.key if event.old is not None else "")
            return
        node = new.fields.get("spec.nodeName")
        if not node:
            return
        if old is not None and old.fields.get("spec.nodeName") == node and not any(m in new.data for m in _MAY_CHANGE):
            return  # what a bound Pod refers to does not change otherwise
        self._remove_pod(new.key)
        self._add_pod(new)

    def _add_pod(self, item: Item) -> None:
        node = item.fields.get("spec.nodeName")
        if not node:
            return
        found = frozenset(of_pod(loads(item.data)))
        self._of_pod[item.key] = (node, found)
        for reference in found:
            counts = self._nodes.setdefault(reference, {})
            counts[node] = counts.get(node, 0) + 1

    def _remove_pod(self, key: str) -> None:
        known = self._of_pod.pop(key, None)
        if known is None:
            return
        node, found = known
        for reference in found:
            counts = self._nodes[reference]
            counts[node] -= 1
            if not counts[node]:
                del counts[node]
            if not counts:
                del self._nodes[reference]

    def _volume_changed(self, event: Event | None) -> None:
        if event is None or not self._built:
            self._built = False
            return
        if event.old is not None:
            for secret in self._claims.pop(event.old.name, (None, frozenset()))[1]:
                self._volumes_of[secret].discard(event.old.name)
                if not self._volumes_of[secret]:
                    del self._volumes_of[secret]
        if event.new is not None:
            self._add_volume(event.new)

    def _add_volume(self, item: Item) -> None:
        spec = loads(item.data).get("spec") or {}
        claim = spec.get("claimRef")
        if not claim or not claim.get("name"):
            return
        secrets = frozenset(_of_volume(spec, claim.get("namespace", "")))
        self._claims[item.name] = ("persistentvolumeclaims", claim.get("namespace", ""), claim["name"]), secrets
        for secret in secrets:
            self._volumes_of.setdefault(secret, set()).add(item.name)


def of_pod(pod: Object) -> Iterator[Reference]:
    """What a Pod's kubelet may see for it: the Pod itself, and what it refers to unless it is a mirror Pod."""
    metadata = pod["metadata"]
    namespace: str = metadata.get("namespace", "")
    yield "pods", namespace, metadata["name"]
    if MIRROR not in (metadata.get("annotations") or ()):
        for plural, name in named(pod):
            yield plural, namespace, name


def named(pod: Object) -> Iterator[tuple[str, str]]:
    """(plural, name) of every object that a Pod's spec and status refer to, as podutil's visitors find them."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    pod_name = pod["metadata"].get("name", "")
    if account := spec.get("serviceAccountName"):
        yield "serviceaccounts", account
    for secret in spec.get("imagePullSecrets") or ():
        yield from _one("secrets", secret.get("name"))
    for list_ in _CONTAINERS:
        for container in spec.get(list_) or ():
            yield from _of_container(container)
    for volume in spec.get("volumes") or ():
        yield from _of_source(volume, pod_name)
    claims = {s.get("name"): s.get("resourceClaimName") for s in status.get("resourceClaimStatuses") or ()}
    for claim in spec.get("resourceClaims") or ():
        yield from _one("resourceclaims", claim.get("resourceClaimName") or claims.get(claim.get("name")))
    extended = status.get("extendedResourceClaimStatus") or {}
    yield from _one("resourceclaims", extended.get("resourceClaimName"))


def _one(plural: str, name: str | None) -> Iterator[tuple[str, str]]:
    if name:
        yield plural, name


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield from _one("secrets", (source.get("secretRef") or {}).get("name"))
        yield from _one("configmaps", (source.get("configMapRef") or {}).get("name"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield from _one("secrets", (source.get("secretKeyRef") or {}).get("name"))
        yield from _one("configmaps", (source.get("configMapKeyRef") or {}).get("name"))


def _of_source(volume: Mapping[str, Any], pod_name: str) -> Iterator[tuple[str, str]]:
    yield from _one("secrets", (volume.get("secret") or {}).get("secretName"))
    yield from _one("secrets", (volume.get("azureFile") or {}).get("secretName"))
    yield from _one("secrets", ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name"))
    for source in _SECRET_REFS:
        yield from _one("secrets", ((volume.get(source) or {}).get("secretRef") or {}).get("name"))
    yield from _one("configmaps", (volume.get("configMap") or {}).get("name"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from _one("secrets", (source.get("secret") or {}).get("name"))
        yield from _one("configmaps", (source.get("configMap") or {}).get("name"))
    yield from _one("persistentvolumeclaims", (volume.get("persistentVolumeClaim") or {}).get("claimName"))
    if volume.get("ephemeral") is not None:
        yield "persistentvolumeclaims", f"{pod_name}-{volume['name']}"


def _of_volume(spec: Mapping[str, Any], claim_namespace: str) -> Iterator[Reference]:
    for source, member, of in _PV_SECRETS:
        found = (spec.get(source) or {}).get(member)
        if isinstance(found, str):
            namespace = spec[source].get(of)
            yield "secrets", namespace or claim_namespace, found
        elif found and found.get("name"):
            yield "secrets", found.get("namespace") or claim_namespace, found["name"]
