"""Rules for the environment of a container."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from minikube_py.api import names, quantity
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.apiserver.kinds._data import config_key

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import (
        EnvFromSource,
        EnvVar,
        EnvVarSource,
        ObjectFieldSelector,
        ResourceFieldSelector,
    )

ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
"""What a variable may be filled from."""
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
"""What a file of a downward volume may be filled from."""

_KNOWN_FIELDS = {
    *ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "spec.hostNetwork", "status.phase",
    "status.nominatedNodeName",
}  # fmt: skip
_RESOURCES = tuple(sorted(f"{m}.{r}" for m in ("limits", "requests") for r in ("cpu", "memory", "ephemeral-storage")))
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_MORE_THAN_ONE = "may not have more than one field specified at a time"
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]").fullmatch
_NAME = re.compile(r"[ -<>-~]+").fullmatch
_subdomain = lru_cache(maxsize=1024)(names.dns1123_subdomain)


@lru_cache(maxsize=4096)
def env_name(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a variable."""
    if _NAME(name):
        return ()
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


def validate_env(env: Sequence[EnvVar], path: str, volumes: dict[str, str], errs: list[FieldError]) -> None:
    """Append what is wrong with `env`; `volumes` tells the source of each of the Pod's volumes."""
    for i, variable in enumerate(env):
        if not variable.name:
            errs.append(required(f"{path}[{i}].name"))
        else:
            for sentence in env_name(variable.name):
                errs.append(invalid(f"{path}[{i}].name", variable.name, sentence))
        if variable.valueFrom is not None:
            _source(variable.valueFrom, variable.value, f"{path}[{i}].valueFrom", volumes, errs)


def _source(source: EnvVarSource, value: str, path: str, volumes: dict[str, str], errs: list[FieldError]) -> None:
    chosen = [name for name in _SOURCES if getattr(source, name) is not None]
    if source.fieldRef is not None:
        validate_field_ref(source.fieldRef, f"{path}.fieldRef", ENV_FIELDS, errs)
    if source.resourceFieldRef is not None:
        validate_resource_ref(source.resourceFieldRef, f"{path}.resourceFieldRef", errs)
    for member in ("configMapKeyRef", "secretKeyRef"):
        reference = getattr(source, member)
        if reference is not None:
            where = f"{path}.{member}"
            if reference.name:
                for sentence in _subdomain(reference.name):
                    errs.append(invalid(f"{where}.name", reference.name, sentence))
            _key(reference.key, f"{where}.key", errs)
    if source.fileKeyRef is not None:
        where = f"{path}.fileKeyRef"
        if not source.fileKeyRef.volumeName:
            errs.append(required(f"{where}.volumeName"))
        elif volumes.get(source.fileKeyRef.volumeName) != "emptyDir":
            detail = "must be a volume of the type emptyDir"
            errs.append(invalid(f"{where}.volumeName", source.fileKeyRef.volumeName, detail))
        if not source.fileKeyRef.path:
            errs.append(required(f"{where}.path"))
        _key(source.fileKeyRef.key, f"{where}.key", errs)
    if not chosen:
        wanted = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errs.append(invalid(path, "", f"must specify one of: {wanted}"))
    elif value:
        errs.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(chosen) > 1:
        errs.append(invalid(path, "", _MORE_THAN_ONE))


def _key(key: str, path: str, errs: list[FieldError]) -> None:
    if not key:
        errs.append(required(path))
    else:
        for sentence in config_key(key):
            errs.append(invalid(path, key, sentence))


def validate_field_ref(
    reference: ObjectFieldSelector, path: str, supported: Sequence[str], errs: list[FieldError]
) -> None:
    """Append what is wrong with a reference to one of the Pod's own fields."""
    if not reference.apiVersion:
        errs.append(required(f"{path}.apiVersion"))
        return
    where, field = f"{path}.fieldPath", reference.fieldPath
    if not field:
        errs.append(required(where))
        return
    if reference.apiVersion != "v1":
        detail = f"error converting fieldPath: unsupported pod version: {reference.apiVersion}"
        errs.append(invalid(where, field, detail))
        return
    if match := _SUBSCRIPT(field):
        key = match[2] if match[1] == "metadata.labels" else match[2].lower()
        for sentence in names.qualified_name(key):
            errs.append(invalid(path, match[2], sentence))
    elif "[" in field:
        errs.append(invalid(where, field, "does not support subscript"))
    elif field not in _KNOWN_FIELDS:
        errs.append(invalid(where, field, f"error converting fieldPath: field label not supported: {field}"))
    elif field not in supported:
        errs.append(not_supported(where, field, supported))


def validate_resource_ref(
    reference: ResourceFieldSelector, path: str, errs: list[FieldError], *, container_named: bool = False
) -> None:
    """Append what is wrong with a reference to a container's resources (outside containers it must be named)."""
    if container_named and not reference.containerName:
        errs.append(required(f"{path}.containerName"))
    elif not reference.resource:
        errs.append(required(f"{path}.resource"))
    elif reference.resource not in _RESOURCES and not re.match(r"(limits|requests)\.hugepages-", reference.resource):
        errs.append(not_supported(f"{path}.resource", reference.resource, _RESOURCES))
    elif reference.divisor:
        cpu = reference.resource.endswith(".cpu")
        allowed = _CPU_DIVISORS if cpu else _BYTE_DIVISORS
        if reference.divisor not in {quantity.parse(text) for text in allowed}:
            shown = " and ".join(allowed) if cpu else ", ".join(allowed)
            detail = f"only divisor's values {shown} are supported with the {'cpu' if cpu else 'byte'} resource"
            errs.append(invalid(f"{path}.divisor", str(reference.divisor), detail))


_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_env_from(sources: Sequence[EnvFromSource], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with `envFrom`."""
    for i, source in enumerate(sources):
        where = f"{path}[{i}]"
        if source.prefix:
            for sentence in env_name(source.prefix):
                errs.append(invalid(f"{where}.prefix", source.prefix, sentence))
        chosen = [(n, r) for n, r in (("configMapRef", source.configMapRef), ("secretRef", source.secretRef)) if r]
        for member, reference in chosen:
            if not reference.name:
                errs.append(required(f"{where}.{member}.name"))
            else:
                for sentence in _subdomain(reference.name):
                    errs.append(invalid(f"{where}.{member}.name", reference.name, sentence))
        if not chosen:
            errs.append(invalid(where, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(chosen) > 1:
            errs.append(invalid(where, "", _MORE_THAN_ONE))
