"""projected: several configMap, secret, downwardAPI and serviceAccountToken sources in one directory."""

from __future__ import annotations

from minikube_py.kubelet.volumes.base import MountFailed, Volume, VolumeKind
from minikube_py.kubelet.volumes.content import (
    configmap_files,
    default_mode,
    downward_files,
    publish,
    secret_files,
    token_files,
)
from minikube_py.kubelet.volumes.secret import in_memory
from minikube_py.kubelet.volumes.writer import File


async def set_up(volume: Volume) -> str:
    """Later sources win where two write one path. Sources that need trust bundles or certificates are refused."""
    mode = default_mode(volume.source)
    files: dict[str, File] = {}
    for source in volume.source.get("sources") or ():
        if source.get("configMap"):
            files |= await configmap_files(volume, source["configMap"], mode)
        elif source.get("secret"):
            files |= await secret_files(volume, source["secret"], mode)
        elif source.get("downwardAPI"):
            items = source["downwardAPI"].get("items") or ()
            files |= downward_files(volume.pod, items, volume.facts, mode)
        elif source.get("serviceAccountToken"):
            files |= await token_files(volume, source["serviceAccountToken"], mode)
        else:
            raise MountFailed(f"projected source {', '.join(source)} is not supported on this node")
    if any(source.get("secret") or source.get("serviceAccountToken") for source in volume.source.get("sources") or ()):
        in_memory(volume)
    return publish(volume, files)


PROJECTED = VolumeKind("projected", "kubernetes.io~projected", set_up, updates=True)
