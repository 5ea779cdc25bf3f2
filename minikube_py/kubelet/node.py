"""The kubelet's own Node: registered, described, and kept alive by a Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from minikube_py import KUBERNETES_VERSION
from minikube_py.api import errors
from minikube_py.api.resources import LEASES, NODES
from minikube_py.api.times import format_micro, format_time
from minikube_py.client.events import EventRecorder
from minikube_py.client.rest import Client
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import named_group
from minikube_py.kubelet import machine
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import EngineUnavailable, Runtime, RuntimeFault

log = logs.get("node")

LEASE_NAMESPACE = "kube-node-lease"
FIRST_RETRY, MAX_RETRY = 0.2, 7.0


class NodeManager:
    """Registers the Node, reports its status when it changed or every 5 minutes, renews its Lease.

    What others set on the Node (labels, taints, unschedulable, annotations) is never touched; of the labels only
    the kubelet's own are put right. A Node that somebody deleted is registered again at the next look.
    """

    name = "node"

    def __init__(
        self, config: KubeletConfig, client: Client, runtime: Runtime, recorder: EventRecorder, *, clock: Clock
    ) -> None:
        self._config = config
        self._client = client
        self._runtime = runtime
        self._recorder = recorder
        self._clock = clock
        self._wake = asyncio.Event()
        self._reported_at: float | None = None
        self._node: Object | None = None
        self._was_ready: bool | None = None
        self._runtime_version = ""
        self._lease: Object | None = None
        self.node_name = config.node_name()
        self.ip = config.node_ip or machine.default_ip()
        self.port = config.port
        self.capacity: Mapping[str, str] = machine.capacity(config.root_dir, config.max_pods)
        self.allocatable: dict[str, str] = machine.allocatable(self.capacity, config.system_reserved)
        self.registered = asyncio.Event()

    @property
    def labels(self) -> Mapping[str, str]:
        """The Node's labels as last seen on the API server."""
        found: Mapping[str, str] = (self._node or {}).get("metadata", {}).get("labels") or self._own_labels()
        return found

    def look_again(self) -> None:
        """The engine came or went: report it now."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with named_group() as group:
            group.start("node status", self._keep_status)
            group.start("node lease", self._keep_lease)

    async def refresh(self) -> None:
        """Read the Node anew, for its labels. Raises StatusError."""
        self._node = await self._client.get(NODES, self.node_name)

    # -- status

    async def _keep_status(self) -> None:
        delay = FIRST_RETRY
        while True:
            self._wake.clear()
            try:
                await self._report()
                delay = FIRST_RETRY
                wait = self._config.node_status_update_frequency
            except errors.StatusError as e:
                log.warning("the node could not be reported", node=self.node_name, error=e, retry_seconds=delay)
                wait, delay = delay, min(delay * 2, MAX_RETRY)
            try:
                await self._clock.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                pass

    async def _report(self) -> None:
        ready, why, images = await self._ask_engine()
        try:
            if self._node is None:
                await self._register(ready, why)
            else:
                await self.refresh()
        except errors.NotFound:
            self._node = None
            await self._register(ready, why)
        assert self._node is not None
        status = self._status(ready, why, images, self._node.get("status") or {})
        changed = _essence(status) != _essence(self._node.get("status") or {})
        now = self._clock.monotonic()
        due = self._reported_at is None or now - self._reported_at >= self._config.node_status_report_frequency
        if changed or due:
            patch = {"metadata": {"uid": self._node["metadata"]["uid"]}, "status": status}
            self._node = await self._client.patch(
                NODES, self.node_name, "", patch, type="strategic", subresource="status"
            )
            self._reported_at = now
        if ready is not self._was_ready:
            self._was_ready = ready
            reason = "NodeReady" if ready else "NodeNotReady"
            self._recorder.event(self._node, "Normal", reason, f"Node {self.node_name} status is now: {reason}")
        self.registered.set()

    async def _ask_engine(self) -> tuple[bool, str, list[dict[str, Any]]]:
        try:
            self._runtime_version = await self._runtime.version()
            images = sorted(await self._runtime.images(), key=lambda i: i.size, reverse=True)
        except EngineUnavailable as e:
            return False, f"container runtime is down: {e}", []
        except RuntimeFault as e:
            return False, f"container runtime is in trouble: {e}", []
        listed = [{"names": [*i.digests, *i.tags][:5], "sizeBytes": i.size} for i in images if i.tags or i.digests]
        return True, "", listed[: self._config.node_status_max_images]

    async def _register(self, ready: bool, why: str) -> None:
        if not self._config.register_node:
            await self.refresh()
            return
        try:
            self._node = await self._client.get(NODES, self.node_name)
        except errors.NotFound:
            spec: Object = {}
            if self._config.register_with_taints:
                spec["taints"] = [dict(t) for t in self._config.register_with_taints]
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": self.node_name, "labels": {**self._own_labels(), **self._config.node_labels}},
                "spec": spec,
                "status": self._status(ready, why, [], {}),
            }
            try:
                self._node = await self._client.create(NODES, node)
                log.info("registered the node", node=self.node_name)
                return
            except errors.AlreadyExists:
                self._node = await self._client.get(NODES, self.node_name)
        known = self._node["metadata"].get("labels") or {}
        wrong = {k: v for k, v in self._own_labels().items() if known.get(k) != v}
        if wrong:
            self._node = await self._client.patch(NODES, self.node_name, "", {"metadata": {"labels": wrong}})
        log.info("the node was registered already", node=self.node_name)

    def _own_labels(self) -> dict[str, str]:
        arch = machine.architecture()
        return {
            "beta.kubernetes.io/arch": arch,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": arch,
            "kubernetes.io/hostname": self.node_name,
            "kubernetes.io/os": "linux",
        }

    def _status(self, ready: bool, why: str, images: list[dict[str, Any]], before: Mapping[str, Any]) -> dict[str, Any]:
        wanted = machine.pressures(self._config.root_dir)
        conditions = [self._condition(kind, *wanted[kind], before) for kind in wanted]
        reason = "KubeletReady" if ready else "KubeletNotReady"
        conditions.append(self._condition("Ready", ready, reason, why or "kubelet is posting ready status", before))
        out: dict[str, Any] = {
            "addresses": [
                {"type": "InternalIP", "address": self.ip},
                {"type": "Hostname", "address": self.node_name},
            ],
            "allocatable": self.allocatable,
            "capacity": dict(self.capacity),
            "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            "nodeInfo": machine.node_info(
                self._runtime_version or f"{self._config.container_runtime}://Unknown", KUBERNETES_VERSION
            ),
        }
        if images:
            out["images"] = images
        return out

    def _condition(self, kind: str, true: bool, reason: str, message: str, before: Mapping[str, Any]) -> dict[str, Any]:
        now = format_time(self._clock.now())
        status = "True" if true else "False"
        known = next((c for c in before.get("conditions") or () if c["type"] == kind), None)
        same = known is not None and known.get("status") == status
        return {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": known["lastTransitionTime"] if same and known is not None else now,
        }

    # -- lease

    async def _keep_lease(self) -> None:
        await self.registered.wait()
        delay = FIRST_RETRY
        while True:
            try:
                await self._renew()
                delay = FIRST_RETRY
                # A quarter of its life, so that a few may fail.
                wait = self._config.node_lease_duration_seconds / 4
            except errors.StatusError as e:
                self._lease = None
                log.warning("the node's lease was not renewed", node=self.node_name, error=e, retry_seconds=delay)
                wait, delay = delay, min(delay * 2, MAX_RETRY)
            await self._clock.sleep(wait)

    async def _renew(self) -> None:
        if self._lease is None:
            try:
                self._lease = await self._client.get(LEASES, self.node_name, LEASE_NAMESPACE)
            except errors.NotFound:
                self._lease = await self._client.create(LEASES, self._lease_object({}))
                return
        try:
            self._lease = await self._client.update(LEASES, self._lease_object(self._lease))
        except (errors.Conflict, errors.NotFound):
            # Somebody else wrote or removed it: once more from what is.
            self._lease = None
            await self._renew_anew()

    async def _renew_anew(self) -> None:
        try:
            found = await self._client.get(LEASES, self.node_name, LEASE_NAMESPACE)
        except errors.NotFound:
            self._lease = await self._client.create(LEASES, self._lease_object({}))
        else:
            self._lease = await self._client.update(LEASES, self._lease_object(found))

    def _lease_object(self, before: Object) -> Object:
        metadata: Object = {**(before.get("metadata") or {}), "name": self.node_name, "namespace": LEASE_NAMESPACE}
        if self._node is not None:
            metadata["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "Node", "name": self.node_name, "uid": self._node["metadata"]["uid"]}
            ]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                **(before.get("spec") or {}),
                "holderIdentity": self.node_name,
                "leaseDurationSeconds": self._config.node_lease_duration_seconds,
                "renewTime": format_micro(self._clock.now()),
            },
        }


def _essence(status: Mapping[str, Any]) -> Any:
    """A status without heartbeat times: what must be reported at once when it differs."""
    out = {k: v for k, v in status.items() if k in ("addresses", "allocatable", "capacity", "nodeInfo", "images")}
    ports = status.get("daemonEndpoints") or {}
    conditions = {
        c["type"]: (c.get("status"), c.get("reason"), c.get("message"))
        for c in status.get("conditions") or ()
        if c["type"] in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    }
    return out, (ports.get("kubeletEndpoint") or {}).get("Port"), conditions
