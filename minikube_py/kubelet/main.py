"""The kubelet: puts its parts together and runs them until it is cancelled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

from minikube_py.api import quantity
from minikube_py.api.resources import PODS, SERVICES
from minikube_py.client.events import EventRecorder
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.client.transport import Transport
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import named_group
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.handlers import Handlers
from minikube_py.kubelet.images import ImagePuller
from minikube_py.kubelet.lookup import PodLookup
from minikube_py.kubelet.net import Net, RealNet
from minikube_py.kubelet.node import NodeManager
from minikube_py.kubelet.objects import ApiObjects
from minikube_py.kubelet.observe import Observer
from minikube_py.kubelet.pods import PodManager
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.probes import ProbeManager
from minikube_py.kubelet.pullsecrets import PullSecrets
from minikube_py.kubelet.reporter import StatusReporter
from minikube_py.kubelet.runtime.base import Runtime
from minikube_py.kubelet.stats import Sampler
from minikube_py.kubelet.steps import NodeView, Steps
from minikube_py.kubelet.summary import NodeStats
from minikube_py.kubelet.volumes.manager import Offload, VolumeManager
from minikube_py.kubelet.volumes.mounts import KernelMounter, Mounter, PlainMounter

log = logs.get("kubelet")


async def run(config: KubeletConfig, clock: Clock, transport: Transport) -> None:
    """Run the kubelet until cancelled. Its containers live on: the next one takes them over."""
    runtime = make_runtime(config, clock)
    try:
        await Kubelet(config, clock, transport, runtime).run()
    finally:
        await runtime.close()


def make_runtime(config: KubeletConfig, clock: Clock) -> Runtime:
    """The container engine that the configuration names."""
    if config.container_runtime == "fake":
        from minikube_py.kubelet.runtime.fake import FakeRuntime

        return FakeRuntime(clock, instance=config.instance_id or config.node_name())
    from minikube_py.kubelet.runtime import docker

    settings = {"pause_image": config.pod_infra_container_image} if config.pod_infra_container_image else {}
    return docker.DockerRuntime(
        clock,
        instance=config.instance_id or config.node_name(),
        base_url=config.container_runtime_endpoint or None,
        **settings,
    )


class Kubelet:
    """The parts, wired. What touches the machine may be handed in: `mounter`, `net`, `offload`."""

    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        transport: Transport,
        runtime: Runtime,
        *,
        mounter: Mounter | None = None,
        net: Net | None = None,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self.config = config
        self.clock = clock
        self.runtime = runtime
        name = config.node_name()
        if mounter is None:
            mounter = PlainMounter() if config.container_runtime == "fake" else KernelMounter()
        self.client = Client(transport, clock=clock, user_agent="minikube-py-kubelet")
        self.recorder = EventRecorder(self.client, "kubelet", clock=clock, host=name)
        self.net = net or RealNet()
        self.node = NodeManager(config, self.client, runtime, self.recorder, clock=clock)
        self.informer: Informer[Object] = Informer(
            self.client, PODS, clock=clock, field_selector=f"spec.nodeName={name}"
        )
        self.services: Informer[Object] = Informer(self.client, SERVICES, clock=clock, transform=_service_facts)
        self.observer = Observer(runtime)
        self.reporter = StatusReporter(self.client, clock=clock)
        objects = ApiObjects(self.client)
        self.volumes = VolumeManager(config.root_dir, mounter, objects, clock=clock, offload=offload)
        self.pods = PodManager(
            config, runtime, clock=clock, pods=self.informer, observer=self.observer, reporter=self.reporter,
            volumes=self.volumes, node=self.node,
        )  # fmt: skip
        self.sampler = Sampler(runtime, self.observer, clock=clock)
        memory = quantity.parse(self.node.capacity["memory"]).value()
        self.stats = NodeStats(self.sampler, name, memory)
        handlers = Handlers(runtime, self.net, clock)
        self.pods.images = ImagePuller(
            runtime, self.recorder, PullSecrets(objects, self.recorder), clock=clock, spawn=self.pods.spawn,
            serialize=config.serialize_image_pulls, backoff_max=config.image_pull_backoff_max,
        )  # fmt: skip
        self.pods.probes = ProbeManager(
            handlers, self.recorder, clock=clock, spawn=self.pods.spawn, changed=self.pods.look_again
        )
        self.pods.steps = Steps(
            config, runtime, self.client, clock=clock, recorder=self.recorder, handlers=handlers,
            images=self.pods.images, volumes=self.volumes, objects=objects, reporter=self.reporter,
            services=self._services, node=lambda: NodeView(name, self.node.ip, self.node.allocatable, memory),
        )  # fmt: skip

    async def run(self) -> None:
        """Until cancelled."""
        os.makedirs(self.config.root_dir, mode=0o700, exist_ok=True)
        log.info("the kubelet starts", node=self.node.node_name, runtime=self.config.container_runtime)
        try:
            async with named_group() as group:
                group.start("pod informer", self.informer.run)
                group.start("service informer", self.services.run)
                group.start("events", self.recorder.run)
                group.start("pod status", self.reporter.run)
                group.start("pods", self.pods.run)
                if self.config.tls_cert_file:
                    listening = asyncio.Event()
                    group.start("server", lambda: self._serve(listening))
                    group.start("stats", self.sampler.run)
                    # The Node names the port, which may be one that the system chose.
                    await listening.wait()
                else:
                    log.warning("no server without a certificate: logs and exec are not to be had")
                group.start("node", self.node.run)
        finally:
            await self.net.close()

    async def _serve(self, listening: asyncio.Event) -> None:
        from minikube_py.daemon.metrics import REGISTRY
        from minikube_py.kubelet import server

        def started(port: int) -> None:
            self.node.port = port
            listening.set()

        lookup = PodLookup(self.pods, self.reporter)
        await server.serve(
            self.config, lookup, self.runtime, self.clock, metrics=REGISTRY, stats=self.stats, started=started
        )  # fmt: skip

    async def _services(self) -> Iterable[Object]:
        await self.services.wait_synced()
        return list(self.services.items().values())


def _service_facts(service: Object) -> Object:
    """What the environment of containers needs of a Service."""
    meta, spec = service["metadata"], service.get("spec") or {}
    return {
        "metadata": {"namespace": meta["namespace"], "name": meta["name"]},
        "spec": {"clusterIP": spec.get("clusterIP"), "ports": spec.get("ports")},
    }
