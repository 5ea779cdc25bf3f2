"""The rules for where the bytes of a PersistentVolume are: one source each."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.apiserver.kinds import _storage
from minikube_py.apiserver.kinds.podspec.volumes import validate_source

SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
"""The members of a PersistentVolumeSpec that are sources, in the order in which Kubernetes looks at them."""

_AS_IN_PODS = frozenset(
    {
        "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "nfs", "rbd", "quobyte", "cephfs",
        "iscsi", "cinder", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
        "azureDisk", "scaleIO", "storageos",
    }
)  # fmt: skip
"""Those whose required members are the same in a Pod; `_CHECKS` has what comes on top."""

_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)\Z", re.ASCII)
_EUI = re.compile(r"eui.[A-Za-z0-9]{16}\Z")
_NAA = re.compile(r"naa.[A-Za-z0-9]{32}\Z")
_PARTITION = "must be between 1 and 255, inclusive"
_LUN = "must be between 0 and 255, inclusive"
_MAX_PORTAL = 64


def validate_persistent_source(kind: str, source: Any, name: str, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the source `kind` of the PersistentVolume called `name`."""
    if kind in _AS_IN_PODS:
        validate_source(kind, source, path, errs)
    if check := _CHECKS.get(kind):
        check(source, path, errs)
    if kind == "iscsi" and source.initiatorName is not None and len(f"{name}:{source.targetPortal}") > _MAX_PORTAL:
        detail = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        errs.append(invalid("metadata.name", name, detail))


def _partition(source: Any, path: str, errs: list[FieldError]) -> None:
    if not 0 <= source.partition <= 255:
        errs.append(invalid(f"{path}.partition", source.partition, _PARTITION))


def _secret_named(source: Any, path: str, errs: list[FieldError]) -> None:
    """A reference to a Secret, where there is one, names it and its namespace."""
    reference = source.secretRef
    if reference is not None:
        for member in ("name", "namespace"):
            if not getattr(reference, member):
                errs.append(required(f"{path}.secretRef.{member}"))


def _storageos(source: Any, path: str, errs: list[FieldError]) -> None:
    for member in ("volumeName", "volumeNamespace"):
        if value := getattr(source, member):
            for sentence in names.dns1123_label(value):
                errs.append(invalid(f"{path}.{member}", value, sentence))
    _secret_named(source, path, errs)


def _flocker(source: Any, path: str, errs: list[FieldError]) -> None:
    if not source.datasetName and not source.datasetUUID:
        errs.append(required(path, "one of datasetName and datasetUUID is required"))
    if source.datasetName and source.datasetUUID:
        detail = "resource and datasetUUID can not be specified simultaneously"
        errs.append(invalid(path, "resource", detail))
    if "/" in source.datasetName:
        errs.append(invalid(f"{path}.datasetName", source.datasetName, "must not contain '/'"))


def _glusterfs(source: Any, path: str, errs: list[FieldError]) -> None:
    if source.endpointsNamespace is not None:
        for sentence in names.dns1123_label(source.endpointsNamespace):
            detail = f"if the endpointnamespace is set, it must be a valid namespace name: {sentence}"
            errs.append(invalid(f"{path}.endpointsNamespace", source.endpointsNamespace, detail))


def _iscsi(source: Any, path: str, errs: list[FieldError]) -> None:
    for member, value in (("iqn", source.iqn), ("initiatorname", source.initiatorName)):
        if value and not any(pattern.match(value) for pattern in (_IQN, _EUI, _NAA)):
            errs.append(invalid(f"{path}.{member}", value, "must be valid format"))
    if not 0 <= source.lun <= 255:
        errs.append(invalid(f"{path}.lun", source.lun, _LUN))
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        errs.append(required(f"{path}.secretRef"))
    if source.secretRef is not None and not source.secretRef.name:
        errs.append(required(f"{path}.secretRef.name"))


def _fc(source: Any, path: str, errs: list[FieldError]) -> None:
    if not source.targetWWNs and not source.wwids:
        errs.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if source.targetWWNs and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        errs.append(invalid(f"{path}.targetWWNs", list(source.targetWWNs), detail))
    if source.targetWWNs:
        if source.lun is None:
            errs.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        elif not 0 <= source.lun <= 255:
            errs.append(invalid(f"{path}.lun", source.lun, _LUN))


def _flex_volume(source: Any, path: str, errs: list[FieldError]) -> None:
    for key in source.options:
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            detail = "kubernetes.io and k8s.io namespaces are reserved"
            errs.append(invalid(f"{path}.options[{key}]", key, detail))


def _azure_file(source: Any, path: str, errs: list[FieldError]) -> None:
    if source.secretNamespace == "":
        errs.append(required(f"{path}.secretNamespace"))


def _azure_disk(source: Any, path: str, errs: list[FieldError]) -> None:
    caching, kinds = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
    if source.cachingMode is not None and source.cachingMode not in caching:
        errs.append(not_supported(f"{path}.cachingMode", source.cachingMode, caching))
    if source.kind is not None and source.kind not in kinds:
        errs.append(not_supported(f"{path}.kind", source.kind, kinds))
    managed = source.kind == "Managed"
    if source.kind is not None and source.diskURI and source.diskURI.startswith("/subscriptions/") != managed:
        if managed:
            form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
        else:
            form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
        errs.append(not_supported(f"{path}.diskURI", source.diskURI, (form,)))


def _local(source: Any, path: str, errs: list[FieldError]) -> None:
    if not source.path:
        errs.append(required(f"{path}.path"))
    elif ".." in source.path.split("/"):
        errs.append(invalid(f"{path}.path", source.path, "must not contain '..'"))


def _csi(source: Any, path: str, errs: list[FieldError]) -> None:
    _storage.validate_driver_name(source.driver, f"{path}.driver", errs)
    if not source.volumeHandle:
        errs.append(required(f"{path}.volumeHandle"))
    for member in (
        "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef",
        "nodeStageSecretRef",
    ):  # fmt: skip
        if (reference := getattr(source, member)) is not None:
            _secret(reference, f"{path}.{member}", errs)


def _secret(reference: Any, path: str, errs: list[FieldError]) -> None:
    for member, rule in (("name", names.dns1123_subdomain), ("namespace", names.dns1123_label)):
        value = getattr(reference, member)
        if not value:
            errs.append(required(f"{path}.{member}"))
        else:
            for sentence in rule(value):
                errs.append(invalid(f"{path}.{member}", value, sentence))


_CHECKS: dict[str, Callable[[Any, str, list[FieldError]], None]] = {
    "gcePersistentDisk": _partition, "awsElasticBlockStore": _partition, "cinder": _secret_named,
    "storageos": _storageos, "flocker": _flocker, "glusterfs": _glusterfs, "iscsi": _iscsi, "fc": _fc,
    "flexVolume": _flex_volume, "azureFile": _azure_file, "azureDisk": _azure_disk, "local": _local, "csi": _csi,
}  # fmt: skip
