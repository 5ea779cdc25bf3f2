"""The volumes of Pods: the one list of kinds that this kubelet can set up."""

from __future__ import annotations

from minikube_py.kubelet.volumes.base import MountFailed, VolumeKind
from minikube_py.kubelet.volumes.configmap import CONFIG_MAP
from minikube_py.kubelet.volumes.downward import DOWNWARD_API
from minikube_py.kubelet.volumes.emptydir import EMPTY_DIR
from minikube_py.kubelet.volumes.hostpath import HOST_PATH
from minikube_py.kubelet.volumes.projected import PROJECTED
from minikube_py.kubelet.volumes.secret import SECRET

KINDS: tuple[VolumeKind, ...] = (EMPTY_DIR, HOST_PATH, CONFIG_MAP, SECRET, DOWNWARD_API, PROJECTED)

__all__ = ["KINDS", "MountFailed", "VolumeKind"]
