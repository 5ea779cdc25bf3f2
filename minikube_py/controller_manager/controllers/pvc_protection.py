"""A PersistentVolumeClaim that is deleted stays until no Pod on any Node uses it."""

from __future__ import annotations

from collections.abc import Iterable

from minikube_py.api import errors
from minikube_py.api.meta import Object, has_finalizer, is_deleting, split_key
from minikube_py.api.resources import PERSISTENTVOLUMECLAIMS, PODS
from minikube_py.controller_manager.context import Context, node_name
from minikube_py.daemon import logs

log = logs.get("pvc-protection")

FINALIZER = "kubernetes.io/pvc-protection"


def claims(pod: Object) -> list[str]:
    """The names of the claims that a Pod uses, those that are made for it alone included."""
    found = []
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            found.append(claim["claimName"])
        elif volume.get("ephemeral") is not None:
            found.append(f"{pod['metadata']['name']}-{volume['name']}")
    return found


def in_use(claim: Object, pods: Iterable[Object]) -> bool:
    """Whether a Pod that has a Node uses the claim; no kubelet starts one whose claim is being deleted."""
    name = claim["metadata"]["name"]
    return any(node_name(pod) and name in claims(pod) for pod in pods)


def plan(claim: Object, pods: Iterable[Object]) -> list[str] | None:
    """The finalizers that the claim should have, or None when it has them."""
    has = list(claim["metadata"].get("finalizers") or ())
    if not is_deleting(claim):
        return None if FINALIZER in has else [*has, FINALIZER]
    if not has_finalizer(claim, FINALIZER) or in_use(claim, pods):
        return None
    return [f for f in has if f != FINALIZER]


class PersistentVolumeClaimProtection:
    name = "persistentvolumeclaim-protection-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self.pods = context.informer(PODS)
        self._users: dict[str, set[str]] = {}
        self.pods.on_change(self._index)
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.claims)
        controller.watch(self.pods, _left)

    def _index(self, old: Object | None, new: Object | None) -> None:
        for key in _keys(old):
            self._users.get(key, set()).discard(_key(old))
            if not self._users.get(key):
                self._users.pop(key, None)
        for key in _keys(new):
            self._users.setdefault(key, set()).add(_key(new))

    async def reconcile(self, key: str) -> float | None:
        """`key` is a claim."""
        claim = self.claims.get(key)
        if claim is None:
            return None
        users = [pod for user in self._users.get(key, ()) if (pod := self.pods.get(user)) is not None]
        wanted = plan(claim, users)
        if wanted is None:
            return None
        namespace, name = split_key(key)
        if FINALIZER not in wanted and in_use(claim, (await self.client.list(PODS, namespace))["items"]):
            log.info("a claim is used by a pod that was not heard of yet", claim=key)
            return 1.0
        metadata = claim["metadata"]
        patch = {
            "metadata": {
                "finalizers": wanted or None,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            }
        }
        try:
            await self.client.patch(PERSISTENTVOLUMECLAIMS, name, namespace, patch, type="merge")
        except errors.NotFound:
            pass  # gone already; it will be heard
        return None


def _key(pod: Object | None) -> str:
    assert pod is not None
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _keys(pod: Object | None) -> list[str]:
    """The claims of a Pod as keys."""
    return [f"{pod['metadata']['namespace']}/{name}" for name in claims(pod)] if pod is not None else []


def _left(old: Object | None, new: Object | None) -> list[str]:
    """The claims of a Pod that is gone."""
    return _keys(old) if new is None else []
