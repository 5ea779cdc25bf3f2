"""Sets up, refreshes and removes the volumes of Pods, and the files that the kubelet itself mounts into containers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from minikube_py.api import quantity
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import dns, podspec
from minikube_py.kubelet.expand import Facts, expand
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Mount
from minikube_py.kubelet.volumes import KINDS
from minikube_py.kubelet.volumes.base import MountFailed, Volume, VolumeKind, VolumeObjects
from minikube_py.kubelet.volumes.emptydir import usage
from minikube_py.kubelet.volumes.mounts import Mounter, remove_tree
from minikube_py.kubelet.volumes.subpath import expose

MESSAGE_LIMIT = 4096
ALL_MESSAGES_LIMIT = 12 * 1024

Offload = Callable[..., Awaitable[Any]]
"""Runs a blocking function elsewhere: `asyncio.to_thread`, or in tests the function itself."""

_PROPAGATION: Mapping[str, Literal["", "rslave", "rshared"]] = {
    "": "",
    "None": "",
    "HostToContainer": "rslave",
    "Bidirectional": "rshared",
}


class VolumeManager:
    """Everything below `root_dir/pods`: one directory per Pod uid."""

    def __init__(
        self,
        root_dir: str,
        mounter: Mounter,
        objects: VolumeObjects,
        *,
        clock: Clock,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        # The kernel's mount table knows real paths only.
        self._pods = os.path.join(os.path.realpath(root_dir), "pods")
        self._mounter = mounter
        self._objects = objects
        self._clock = clock
        self._offload = offload
        self._paths: dict[str, dict[str, str]] = {}

    def pod_dir(self, uid: str) -> str:
        return os.path.join(self._pods, uid)

    def pod_dirs(self) -> set[str]:
        """The uids of which something lies on the disk."""
        try:
            return set(os.listdir(self._pods))
        except FileNotFoundError:
            return set()

    async def mount(self, pod: Object, facts: Facts) -> None:
        """Set up all volumes of the Pod; what is there already stays. Raises MountFailed."""
        uid = podspec.uid(pod)
        os.makedirs(self.pod_dir(uid), mode=0o750, exist_ok=True)
        paths = {}
        for one in pod["spec"].get("volumes") or ():
            kind = _kind(one)
            try:
                paths[one["name"]] = await kind.set_up(self._volume(pod, one, kind, facts))
            except MountFailed as e:
                raise MountFailed(f'MountVolume.SetUp failed for volume "{one["name"]}" : {e}') from e
        self._paths[uid] = paths

    async def refresh(self, pod: Object, facts: Facts) -> None:
        """Bring the content of those that follow an object up to date. Raises MountFailed."""
        for one in pod["spec"].get("volumes") or ():
            kind = _kind(one)
            if kind.updates:
                await kind.set_up(self._volume(pod, one, kind, facts))

    async def over_limit(self, pod: Object) -> str:
        """The message of an eviction where an emptyDir holds more than its sizeLimit, else ""."""
        paths = self._paths.get(podspec.uid(pod), {})
        for one in pod["spec"].get("volumes") or ():
            limit = (one.get("emptyDir") or {}).get("sizeLimit")
            if not limit or one["name"] not in paths:
                continue
            used: int = await self._offload(usage, paths[one["name"]])
            if used > quantity.parse(limit).value() > 0:
                return f'Usage of EmptyDir volume "{one["name"]}" exceeds the limit "{limit}". '
        return ""

    def mounts(self, pod: Object, spec: Object, attempt: int, env: Mapping[str, str]) -> Sequence[Mount]:
        """What is mounted into one container: its volumeMounts, the termination log, the managed hosts file.

        Raises MountFailed. The volumes must have been set up by this process.
        """
        uid = podspec.uid(pod)
        paths = self._paths.get(uid, {})
        out = []
        for index, one in enumerate(spec.get("volumeMounts") or ()):
            if one["name"] not in paths:
                raise MountFailed(f"volume {one['name']} is not mounted")
            host = paths[one["name"]]
            sub = one.get("subPath") or ""
            if one.get("subPathExpr"):
                sub = expand(one["subPathExpr"], env)
            if sub:
                place = ("volume-subpaths", one["name"], spec["name"], str(index))
                host = expose(host, sub, os.path.join(self.pod_dir(uid), *place), self._mounter)
            propagation = _PROPAGATION[one.get("mountPropagation") or ""]
            out.append(Mount(host, one["mountPath"], bool(one.get("readOnly")), propagation))
        taken = {m.container_path.rstrip("/") for m in out}
        if "/etc/hosts" not in taken:
            out.append(Mount(self._hosts(uid), "/etc/hosts"))
        message_path = spec.get("terminationMessagePath") or "/dev/termination-log"
        if message_path not in taken:
            out.append(Mount(self._message_file(uid, spec["name"], attempt), message_path))
        return out

    def write_hosts(self, pod: Object, ip: str, cluster_domain: str) -> None:
        """The Pod's /etc/hosts, rewritten in place: containers that run see the new text too."""
        host_text = ""
        if pod["spec"].get("hostNetwork"):
            try:
                with open("/etc/hosts", encoding="utf-8", errors="replace") as source:
                    host_text = source.read()
            except FileNotFoundError:
                host_text = ""
        path = self._hosts(podspec.uid(pod))
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        text = dns.hosts_file(pod, ip, cluster_domain, host_text)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, 0o644)

    def prepare_message(self, pod: Object, name: str, attempt: int) -> None:
        """An empty file for the container to leave its termination message in."""
        path = self._message_file(podspec.uid(pod), name, attempt)
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        with open(path, "ab"):
            pass
        os.chmod(path, 0o666)

    def read_message(self, pod: Object, name: str, attempt: int) -> str:
        """What the container left, at most 4 KiB and 12 KiB over all containers of the Pod."""
        count = sum(1 for _ in podspec.all_containers(pod))
        limit = min(MESSAGE_LIMIT, ALL_MESSAGES_LIMIT // max(1, count))
        path = self._message_file(podspec.uid(pod), name, attempt)
        try:
            # Not through a symlink: the container may have put one there.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        with open(descriptor, "rb") as stored:
            return stored.read(limit).decode("utf-8", "replace")

    def forget_container(self, uid: str, name: str, attempt: int, mark: str) -> None:
        """Remove the files of a container that was removed."""
        for path in (self._message_file(uid, name, attempt), os.path.join(self._own_dir(uid, name), mark)):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue

    def mark(self, uid: str, name: str, what: str) -> None:
        """Note on disk that something was done for a container (a hook), for the process after this one."""
        directory = self._own_dir(uid, name)
        os.makedirs(directory, mode=0o750, exist_ok=True)
        with open(os.path.join(directory, what), "ab"):
            pass

    def marked(self, uid: str, name: str, what: str) -> bool:
        return os.path.exists(os.path.join(self._own_dir(uid, name), what))

    async def remove(self, uid: str) -> None:
        """Unmount and remove everything of a Pod. Raises OSError; done twice it changes nothing."""
        self._paths.pop(uid, None)
        self._objects.tokens.forget(uid)
        if uid in self.pod_dirs():
            await self._offload(remove_tree, self.pod_dir(uid), self._mounter)

    def _hosts(self, uid: str) -> str:
        return os.path.join(self.pod_dir(uid), "etc-hosts")

    def _message_file(self, uid: str, name: str, attempt: int) -> str:
        return os.path.join(self._own_dir(uid, name), str(attempt))

    def _own_dir(self, uid: str, name: str) -> str:
        return os.path.join(self.pod_dir(uid), "containers", name)

    def _volume(self, pod: Object, one: Object, kind: VolumeKind, facts: Facts) -> Volume:
        path = os.path.join(self.pod_dir(podspec.uid(pod)), "volumes", kind.directory, one["name"])
        source = one.get(kind.member) or {}
        return Volume(pod, one["name"], source, path, self._objects, facts, self._mounter, self._clock.now())


def _kind(volume: Object) -> VolumeKind:
    """The kind of a volume. Raises MountFailed for one that this kubelet does not know."""
    for kind in KINDS:
        if volume.get(kind.member) is not None:
            return kind
    members = [m for m in volume if m != "name"]
    if not members:
        return KINDS[0]  # A volume without a source is an emptyDir.
    raise MountFailed(
        f'volume "{volume["name"]}": kind {", ".join(members)} is not supported on this node '
        f"(supported: {', '.join(k.member for k in KINDS)})"
    )
