"""A PersistentVolume that is deleted stays until it is bound to no claim."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.api.meta import Object, has_finalizer, is_deleting
from minikube_py.api.resources import PERSISTENTVOLUMES
from minikube_py.controller_manager.context import Context

FINALIZER = "kubernetes.io/pv-protection"


def plan(volume: Object) -> list[str] | None:
    """The finalizers that the volume should have, or None when it has them."""
    has = list(volume["metadata"].get("finalizers") or ())
    if not is_deleting(volume):
        return None if FINALIZER in has else [*has, FINALIZER]
    if not has_finalizer(volume, FINALIZER) or (volume.get("status") or {}).get("phase") == "Bound":
        return None
    return [f for f in has if f != FINALIZER]


class PersistentVolumeProtection:
    name = "persistentvolume-protection-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.volumes = context.informer(PERSISTENTVOLUMES)
        context.controller(self.name, self.reconcile).watch(self.volumes)

    async def reconcile(self, key: str) -> float | None:
        """`key` is a volume."""
        volume = self.volumes.get(key)
        wanted = plan(volume) if volume is not None else None
        if volume is None or wanted is None:
            return None
        metadata = volume["metadata"]
        patch = {
            "metadata": {
                "finalizers": wanted or None,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            }
        }
        try:
            await self.client.patch(PERSISTENTVOLUMES, key, "", patch, type="merge")
        except errors.NotFound:
            pass  # gone already; it will be heard
        return None
