"""The files of configMap, secret, downwardAPI and serviceAccountToken sources: what is written, with which mode."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from minikube_py.api import errors
from minikube_py.kubelet import podspec
from minikube_py.kubelet.expand import Facts, field_value, resource_value
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.volumes.base import MountFailed, Volume
from minikube_py.kubelet.volumes.writer import File, check_path, write

DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600


async def configmap_files(volume: Volume, source: Object, mode: int) -> dict[str, File]:
    """The keys of a ConfigMap as files. Raises MountFailed where it, or a named key, is missing and not optional."""
    namespace, name = volume.pod["metadata"]["namespace"], str(source.get("name") or "")
    found = await volume.objects.configmap(namespace, name)
    if found is None:
        if source.get("optional"):
            return {}
        raise MountFailed(f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    data |= {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}
    return _choose(data, source, mode, "configmap")


async def secret_files(volume: Volume, source: Object, mode: int) -> dict[str, File]:
    """The keys of a Secret as files, as for ConfigMaps."""
    namespace = volume.pod["metadata"]["namespace"]
    name = str(source.get("secretName") or source.get("name") or "")
    found = await volume.objects.secret(namespace, name)
    if found is None:
        if source.get("optional"):
            return {}
        raise MountFailed(f'secret "{name}" not found')
    data = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
    return _choose(data, source, mode, "secret")


async def token_files(volume: Volume, source: Object, mode: int) -> dict[str, File]:
    """A token of the Pod's ServiceAccount, for its owner alone where that can be the one who reads it.

    That is where all containers run as one user, or where the Pod's group gets it. Raises MountFailed.
    """
    seconds = int(source.get("expirationSeconds") or TOKEN_SECONDS)
    try:
        text = await volume.objects.tokens.get(volume.pod, str(source.get("audience") or ""), seconds)
    except errors.StatusError as error:
        raise MountFailed(f"failed to fetch token: {error}") from error
    user = one_user(volume.pod)
    if user is not None or volume.fs_group is not None:
        mode = 0o600
    return {source["path"]: File(text.encode(), mode, user)}


def one_user(pod: Object) -> int | None:
    """The user that all containers run as, where each says which and all say the same."""
    spec = pod["spec"]
    own = (spec.get("securityContext") or {}).get("runAsUser")
    users = set()
    for member in ("initContainers", "containers"):
        for container in spec.get(member) or ():
            said = (container.get("securityContext") or {}).get("runAsUser")
            users.add(own if said is None else said)
    found = users.pop() if len(users) == 1 else None
    return None if found is None else int(found)


def downward_files(pod: Object, items: Sequence[Object], facts: Facts, mode: int) -> dict[str, File]:
    """The items of a downwardAPI source. Raises MountFailed for a field that Kubernetes does not offer."""
    out = {}
    for item in items:
        try:
            if item.get("fieldRef"):
                text = field_value(pod, item["fieldRef"]["fieldPath"], facts)
            else:
                reference = item["resourceFieldRef"]
                own = podspec.container(pod, reference.get("containerName", "")) or {}
                text = resource_value(pod, own, reference, facts)
        except ValueError as e:
            raise MountFailed(str(e)) from e
        out[item["path"]] = File(text.encode(), _mode(item, mode))
    return out


def _choose(data: Mapping[str, bytes], source: Object, mode: int, word: str) -> dict[str, File]:
    items = source.get("items")
    if not items:
        return {key: File(content, mode) for key, content in data.items()}
    out = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise MountFailed(f"{word} references non-existent config key: {item['key']}")
        out[item["path"]] = File(data[item["key"]], _mode(item, mode))
    return out


def _mode(item: Mapping[str, Any], default: int) -> int:
    given = item.get("mode")
    return default if given is None else int(given)


def default_mode(source: Object) -> int:
    given = source.get("defaultMode")
    return DEFAULT_MODE if given is None else int(given)


def publish(volume: Volume, files: Mapping[str, File]) -> str:
    """Write the files into the volume's directory; its path. Raises MountFailed."""
    try:
        for path in files:
            check_path(path)
        write(volume.path, files, volume.now, volume.fs_group)
    except (OSError, ValueError) as e:
        raise MountFailed(f"writing the files failed: {e}") from e
    return volume.path
