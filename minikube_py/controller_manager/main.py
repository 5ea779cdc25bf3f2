"""The controller manager daemon: the selected controllers over shared informers, and who may run them."""

from __future__ import annotations

import uuid

from minikube_py.client.controller import run_all
from minikube_py.client.events import EventRecorder
from minikube_py.client.leader import LeaderElector
from minikube_py.client.rest import Client
from minikube_py.client.transport import Transport
from minikube_py.controller_manager.config import ControllerManagerConfig, selected
from minikube_py.controller_manager.context import Context
from minikube_py.controller_manager.controllers import CONTROLLERS
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock

log = logs.get("controller-manager")

COMPONENT = "kube-controller-manager"


async def run(config: ControllerManagerConfig, clock: Clock, transport: Transport) -> None:
    """Run the controllers until cancelled. Raises ValueError for an unknown name, LeadershipLost."""
    names = selected([c.name for c in CONTROLLERS], config.controllers)
    client = Client(transport, clock=clock, user_agent=f"{COMPONENT}/minikube-py")

    async def lead() -> None:
        # Made anew when the lease is won, so that nothing remembered from an earlier time is acted upon.
        context = build(client, clock, config, names)
        log.info("starting controllers", controllers=",".join(names))
        await run_all(context.informers, context.controllers, (context.recorder, *context.tasks))

    if not config.leader_elect:
        await lead()
        return
    elector = LeaderElector(
        client,
        config.leader_elect_resource_name,
        config.identity or f"{COMPONENT}_{uuid.uuid4()}",
        clock=clock,
        namespace=config.leader_elect_resource_namespace,
        lease_duration=config.leader_elect_lease_duration,
        renew_deadline=config.leader_elect_renew_deadline,
        retry_period=config.leader_elect_retry_period,
    )
    await elector.run(lead)


def build(client: Client, clock: Clock, config: ControllerManagerConfig, names: list[str]) -> Context:
    """The named controllers over one context, ready to run."""
    context = Context(client, EventRecorder(client, COMPONENT, clock=clock), clock=clock, config=config)
    for controller in CONTROLLERS:
        if controller.name in names:
            controller(context)
    return context
