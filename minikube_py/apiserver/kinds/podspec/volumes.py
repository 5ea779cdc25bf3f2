"""Rules for the volumes of a Pod and for where containers mount them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.kinds.podspec import env

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Container, EphemeralContainer, Volume

_label = lru_cache(maxsize=4096)(names.dns1123_label)

_REQUIRED: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",), "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"), "cephfs": ("monitors",),
    "cinder": ("volumeID",), "csi": ("driver",), "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",), "gitRepo": ("repository",), "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",), "image": ("reference",), "iscsi": ("targetPortal", "iqn"), "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",), "photonPersistentDisk": ("pdID",), "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"), "rbd": ("monitors", "image"), "scaleIO": ("gateway", "system", "volumeName"),
    "secret": ("secretName",), "storageos": ("volumeName",), "vsphereVolume": ("volumePath",), "configMap": ("name",),
}  # fmt: skip
"""The members without which a source says nothing."""

_HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def validate_volumes(volumes: Sequence[Volume], path: str, errs: list[FieldError]) -> dict[str, str]:
    """Append what is wrong with the volumes; the answer is the source (`emptyDir`) of each by name."""
    sources: dict[str, str] = {}
    for i, volume in enumerate(volumes):
        where = f"{path}[{i}]"
        if not volume.name:
            errs.append(required(f"{where}.name"))
        else:
            for sentence in _label(volume.name):
                errs.append(invalid(f"{where}.name", volume.name, sentence))
            if volume.name in sources:
                errs.append(duplicate(f"{where}.name", volume.name))
        # What was set is far less than what could be.
        chosen = [m for m in volume.model_fields_set if m != "name" and getattr(volume, m) is not None]
        if not chosen:
            errs.append(required(where, "must specify a volume type"))
        elif len(chosen) > 1:
            order = list(type(volume).model_fields)
            chosen.sort(key=order.index)
            for extra in chosen[1:]:
                errs.append(forbidden(f"{where}.{extra}", "may not specify more than 1 volume type"))
        if chosen:
            sources[volume.name] = chosen[0]
            validate_source(chosen[0], getattr(volume, chosen[0]), f"{where}.{chosen[0]}", errs)
    return sources


def validate_source(kind: str, source: Any, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with one volume source of a kind (`hostPath`)."""
    for member in _REQUIRED.get(kind, ()):
        if not getattr(source, member):
            errs.append(required(f"{path}.{member}"))
    if check := _CHECKS.get(kind):
        check(source, path, errs)


def _empty_dir(source: Any, path: str, errs: list[FieldError]) -> None:
    if source.sizeLimit is not None and source.sizeLimit < Quantity():
        errs.append(forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity"))
    if source.medium not in ("", "Memory", "HugePages") and not source.medium.startswith("HugePages-"):
        errs.append(not_supported(f"{path}.medium", source.medium, ("", "HugePages", "HugePages-<size>", "Memory")))


def _host_path(source: Any, path: str, errs: list[FieldError]) -> None:
    _no_backsteps(source.path, f"{path}.path", errs)
    if source.type is not None and source.type not in _HOST_PATH_TYPES:
        errs.append(not_supported(f"{path}.type", source.type, _HOST_PATH_TYPES))


def _no_backsteps(value: str, path: str, errs: list[FieldError]) -> None:
    if ".." in value.split("/"):
        errs.append(invalid(path, value, "must not contain '..'"))


def validate_descending(value: str, path: str, errs: list[FieldError]) -> None:
    """Append what keeps a path from staying below where it starts."""
    if value.startswith("/"):
        errs.append(invalid(path, value, "must be a relative path"))
    _no_backsteps(value, path, errs)


def _file_path(value: str, path: str, errs: list[FieldError]) -> None:
    """A relative path that does not start with two dots: the kubelet keeps its own files under such names."""
    if ".." not in value and not value.startswith("/"):
        return
    validate_descending(value, path, errs)
    if value.startswith("..") and ".." not in value.split("/"):
        errs.append(invalid(path, value, "must not start with '..'"))


def _mode(mode: int | None, path: str, errs: list[FieldError]) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errs.append(invalid(path, mode, _MODE))


def _keyed_files(source: Any, path: str, errs: list[FieldError]) -> None:
    if "defaultMode" in source.model_fields_set:  # a part of a projected volume has none of its own
        _mode(source.defaultMode, f"{path}.defaultMode", errs)
    for i, item in enumerate(source.items):
        where = f"{path}.items[{i}]"
        if not item.key:
            errs.append(required(f"{where}.key"))
        if not item.path:
            errs.append(required(f"{where}.path"))
        _file_path(item.path, f"{where}.path", errs)
        _mode(item.mode, f"{where}.mode", errs)


def _downward(source: Any, path: str, errs: list[FieldError]) -> None:
    if "defaultMode" in source.model_fields_set:  # a part of a projected volume has none of its own
        _mode(source.defaultMode, f"{path}.defaultMode", errs)
    for i, item in enumerate(source.items):
        where = f"{path}.items[{i}]"
        if not item.path:
            errs.append(required(f"{where}.path"))
        _file_path(item.path, f"{where}.path", errs)
        if item.fieldRef is not None:
            env.validate_field_ref(item.fieldRef, f"{where}.fieldRef", env.VOLUME_FIELDS, errs)
            if item.resourceFieldRef is not None:
                detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
                errs.append(invalid(where, "resource", detail))
        elif item.resourceFieldRef is not None:
            env.validate_resource_ref(item.resourceFieldRef, f"{where}.resourceFieldRef", errs, container_named=True)
        else:
            errs.append(required(where, "one of fieldRef and resourceFieldRef is required"))
        _mode(item.mode, f"{where}.mode", errs)


_PROJECTIONS = ("secret", "downwardAPI", "configMap", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def _projected(source: Any, path: str, errs: list[FieldError]) -> None:
    _mode(source.defaultMode, f"{path}.defaultMode", errs)
    paths: set[str] = set()
    for i, part in enumerate(source.sources):
        where = f"{path}.sources[{i}]"
        chosen = [name for name in _PROJECTIONS if getattr(part, name) is not None]
        if not chosen:
            errs.append(required(where, "must specify a source"))
            continue
        for extra in chosen[1:]:
            errs.append(forbidden(f"{where}.{extra}", "may not specify more than 1 volume type"))
        kind, body = chosen[0], getattr(part, chosen[0])
        inner = f"{where}.{kind}"
        if kind in ("secret", "configMap"):
            if not body.name:
                errs.append(required(f"{inner}.name"))
            _keyed_files(body, inner, errs)
            targets = [item.path for item in body.items]
        elif kind == "downwardAPI":
            _downward(body, inner, errs)
            targets = [item.path for item in body.items]
        elif kind == "serviceAccountToken":
            _token(body, inner, errs)
            targets = [body.path]
        elif kind == "clusterTrustBundle":
            _trust_bundle(body, inner, errs)
            targets = [body.path]
        else:
            targets = _certificate(body, inner, errs)
        for target in filter(None, targets):
            if target in paths:
                errs.append(invalid(inner, body.to_dict(), f"conflicting duplicate paths {target}"))
            paths.add(target)


def _token(body: Any, path: str, errs: list[FieldError]) -> None:
    seconds = body.expirationSeconds
    if seconds is not None:
        where = f"{path}.expirationSeconds"
        if seconds < 600:
            errs.append(invalid(where, seconds, "may not specify a duration less than 10 minutes"))
        elif seconds > 2**32:
            errs.append(invalid(where, seconds, "may not specify a duration larger than 2^32 seconds"))
    if not body.path:
        errs.append(required(f"{path}.path"))
    else:
        _file_path(body.path, f"{path}.path", errs)


def _trust_bundle(body: Any, path: str, errs: list[FieldError]) -> None:
    if not body.name and not body.signerName:
        errs.append(required(path, "either name or signerName must be specified"))
    elif body.name and body.signerName:
        errs.append(invalid(path, body.to_dict(), "only one of name and signerName may be used"))
    if not body.path:
        errs.append(required(f"{path}.path"))
    else:
        _file_path(body.path, f"{path}.path", errs)


def _certificate(body: Any, path: str, errs: list[FieldError]) -> list[str]:
    if not body.signerName:
        errs.append(required(f"{path}.signerName"))
    types = ("ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")
    if body.keyType not in types:
        errs.append(not_supported(f"{path}.keyType", body.keyType, types))
    targets = [body.credentialBundlePath, body.keyPath, body.certificateChainPath]
    if not any(targets):
        errs.append(required(path, "specify at least one of credentialBundlePath, keyPath and certificateChainPath"))
    for member in ("credentialBundlePath", "keyPath", "certificateChainPath"):
        _file_path(getattr(body, member), f"{path}.{member}", errs)
    return targets


def _nfs(source: Any, path: str, errs: list[FieldError]) -> None:
    if source.path and not source.path.startswith("/"):
        errs.append(invalid(f"{path}.path", source.path, "must be an absolute path"))


def _image(source: Any, path: str, errs: list[FieldError]) -> None:
    if source.pullPolicy and source.pullPolicy not in _PULL_POLICIES:
        errs.append(not_supported(f"{path}.pullPolicy", source.pullPolicy, _PULL_POLICIES))


def _ephemeral(source: Any, path: str, errs: list[FieldError]) -> None:
    if source.volumeClaimTemplate is None:
        errs.append(required(f"{path}.volumeClaimTemplate"))
        return
    from minikube_py.apiserver.kinds.persistentvolumeclaim import validate_claim_spec

    validate_claim_spec(source.volumeClaimTemplate.spec, f"{path}.volumeClaimTemplate.spec", errs)


_CHECKS: dict[str, Callable[[Any, str, list[FieldError]], None]] = {
    "emptyDir": _empty_dir, "hostPath": _host_path, "secret": _keyed_files, "configMap": _keyed_files,
    "downwardAPI": _downward, "projected": _projected, "nfs": _nfs, "image": _image, "ephemeral": _ephemeral,
}  # fmt: skip

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(
    container: Container | EphemeralContainer, path: str, volumes: dict[str, str], errs: list[FieldError]
) -> None:
    """Append what is wrong with `volumeMounts` and `volumeDevices`; each must name one of the Pod's volumes."""
    devices = {device.name for device in container.volumeDevices}
    device_paths = {device.devicePath for device in container.volumeDevices}
    points: set[str] = set()
    for i, mount in enumerate(container.volumeMounts):
        where = f"{path}.volumeMounts[{i}]"
        if not mount.name:
            errs.append(required(f"{where}.name"))
        elif mount.name not in volumes:
            errs.append(FieldError("FieldValueNotFound", f"{where}.name", "", mount.name))
        if not mount.mountPath:
            errs.append(required(f"{where}.mountPath"))
        if mount.mountPath in points:
            errs.append(invalid(f"{where}.mountPath", mount.mountPath, "must be unique"))
        points.add(mount.mountPath)
        if mount.name in devices:
            errs.append(invalid(f"{where}.name", mount.name, "must not already exist in volumeDevices"))
        if mount.mountPath in device_paths:
            detail = "must not already exist as a path in volumeDevices"
            errs.append(invalid(f"{where}.mountPath", mount.mountPath, detail))
        if mount.subPath:
            validate_descending(mount.subPath, f"{where}.subPath", errs)
        if mount.subPathExpr:
            if mount.subPath:
                detail = "subPathExpr and subPath are mutually exclusive"
                errs.append(invalid(f"{where}.subPathExpr", mount.subPathExpr, detail))
            validate_descending(mount.subPathExpr, f"{where}.subPathExpr", errs)
        if mount.mountPropagation is not None:
            _propagation(mount.mountPropagation, container, f"{where}.mountPropagation", errs)
        if mount.recursiveReadOnly is not None:
            _recursive(mount, f"{where}.recursiveReadOnly", errs)
    _devices(container, path, volumes, points, errs)


def _propagation(mode: str, container: Any, path: str, errs: list[FieldError]) -> None:
    if mode not in _PROPAGATIONS:
        errs.append(not_supported(path, mode, _PROPAGATIONS))
    elif mode == "Bidirectional" and not (container.securityContext and container.securityContext.privileged):
        errs.append(forbidden(path, "Bidirectional mount propagation is available only to privileged containers"))


def _recursive(mount: Any, path: str, errs: list[FieldError]) -> None:
    value = mount.recursiveReadOnly
    if value not in _RECURSIVE:
        errs.append(not_supported(path, value, _RECURSIVE))
    elif value != "Disabled":
        if not mount.readOnly:
            errs.append(forbidden(path, "may only be specified when readOnly is true"))
        if mount.mountPropagation not in (None, "None"):
            errs.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))


def _devices(
    container: Any, path: str, volumes: dict[str, str], mount_points: set[str], errs: list[FieldError]
) -> None:
    names_seen: set[str] = set()
    paths_seen: set[str] = set()
    for i, device in enumerate(container.volumeDevices):
        where = f"{path}.volumeDevices[{i}]"
        if not device.name:
            errs.append(required(f"{where}.name"))
        if device.name in names_seen:
            errs.append(invalid(f"{where}.name", device.name, "must be unique"))
        if device.name not in volumes:
            errs.append(FieldError("FieldValueNotFound", f"{where}.name", "", device.name))
        elif volumes[device.name] not in ("persistentVolumeClaim", "ephemeral"):
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errs.append(invalid(f"{where}.name", device.name, detail))
        if not device.devicePath:
            errs.append(required(f"{where}.devicePath"))
        if device.devicePath in paths_seen:
            errs.append(invalid(f"{where}.devicePath", device.devicePath, "must be unique"))
        if device.devicePath in mount_points:
            detail = "must not already exist as a path in volumeMounts"
            errs.append(invalid(f"{where}.devicePath", device.devicePath, detail))
        _no_backsteps(device.devicePath, f"{where}.devicePath", errs)
        names_seen.add(device.name)
        paths_seen.add(device.devicePath)
