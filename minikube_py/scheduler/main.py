"""The scheduler daemon: informers, the cycle, and who may run it."""

from __future__ import annotations

import uuid
from typing import Any

from minikube_py.api.resources import NAMESPACES, NODES, PODS
from minikube_py.client.events import EventRecorder
from minikube_py.client.informer import Informer
from minikube_py.client.leader import LeaderElector
from minikube_py.client.rest import Client
from minikube_py.client.transport import Transport
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import named_group
from minikube_py.scheduler.config import SchedulerConfig
from minikube_py.scheduler.cycle import Scheduler
from minikube_py.scheduler.node import NodeFacts
from minikube_py.scheduler.pod import PodInfo

Named = tuple[str, dict[str, str]]

EVENT_QUEUE = 10_000
"""Unsent events: every Pod of a burst should get its own."""


async def run(config: SchedulerConfig, clock: Clock, transport: Transport) -> None:
    """Schedule Pods until cancelled. Raises LeadershipLost (in a group) when the lease is lost: start anew then."""
    client = Client(transport, clock=clock, user_agent="kube-scheduler/minikube-py")
    recorder = EventRecorder(client, config.scheduler_name, clock=clock, queue_length=EVENT_QUEUE)
    scheduler = Scheduler(client, recorder, clock=clock, config=config)
    nodes = Informer(client, NODES, clock=clock, transform=NodeFacts.of)
    namespaces = Informer(client, NAMESPACES, clock=clock, transform=_named)
    pods = Informer(
        client,
        PODS,
        clock=clock,
        field_selector="status.phase!=Succeeded,status.phase!=Failed",
        transform=PodInfo.of,
    )
    nodes.on_change(scheduler.node_changed)
    pods.on_change(scheduler.pod_changed)

    def namespace_changed(old: Named | None, new: Named | None) -> None:
        name = (new or old or ("", {}))[0]
        scheduler.namespace_changed(name, new[1] if new is not None else None)

    namespaces.on_change(namespace_changed)
    informers: tuple[Informer[Any], ...] = (nodes, namespaces, pods)

    async def lead() -> None:
        for informer in informers:
            await informer.wait_synced()
        await scheduler.run()

    async def elected() -> None:
        elector = LeaderElector(
            client,
            config.leader_elect_resource_name,
            config.identity or f"{config.scheduler_name}_{uuid.uuid4()}",
            clock=clock,
            namespace=config.leader_elect_resource_namespace,
            lease_duration=config.leader_elect_lease_duration,
            renew_deadline=config.leader_elect_renew_deadline,
            retry_period=config.leader_elect_retry_period,
        )
        await elector.run(lead)

    async with named_group() as group:
        for informer in informers:
            group.start(f"informer {informer.name}", informer.run)
        group.start("events", recorder.run)
        group.start("scheduler", elected if config.leader_elect else lead)


def _named(namespace: dict[str, Any]) -> Named:
    metadata = namespace["metadata"]
    return metadata["name"], metadata.get("labels") or {}
