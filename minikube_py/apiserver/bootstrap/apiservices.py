"""An APIService for every group-version that is served, for as long as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from minikube_py.api import errors
from minikube_py.api.resources import APISERVICES
from minikube_py.apiserver.bootstrap.base import LOOPBACK, Hook, Server
from minikube_py.apiserver.cache import Event
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.options import DeleteOptions
from minikube_py.daemon import logs

log = logs.get("apiserver.apiservices")

AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"
CUSTOM_PRIORITIES = (1000, 100)
"""Of custom resources: below everything of Kubernetes' own."""
BEYOND_KINDS = (("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1"), ("metrics.k8s.io", "v1beta1"))
"""Group-versions that are served although nothing of them is stored."""
RETRY = 5.0

# (groupPriorityMinimum, versionPriority); v2 of autoscaling is preferred to its v1.
PRIORITIES: Mapping[str, tuple[int, int]] = {
    "": (18000, 1),
    "apps": (17800, 15),
    "events.k8s.io": (17750, 15),
    "authentication.k8s.io": (17700, 15),
    "authorization.k8s.io": (17600, 15),
    "autoscaling": (17500, 15),
    "batch": (17400, 15),
    "certificates.k8s.io": (17300, 15),
    "networking.k8s.io": (17200, 15),
    "policy": (17100, 15),
    "rbac.authorization.k8s.io": (17000, 15),
    "storage.k8s.io": (16800, 15),
    "admissionregistration.k8s.io": (16700, 15),
    "apiextensions.k8s.io": (16700, 15),
    "scheduling.k8s.io": (16600, 15),
    "coordination.k8s.io": (16500, 15),
    "node.k8s.io": (16300, 15),
    "discovery.k8s.io": (16200, 15),
    "resource.k8s.io": (16200, 21),
    "flowcontrol.apiserver.k8s.io": (16100, 21),
    "metrics.k8s.io": (100, 100),
}
_VERSION_PRIORITIES = {("autoscaling", "v2"): 30}


def wanted(served: Mapping[tuple[str, str], bool]) -> dict[str, Object]:
    """The objects by name; `served` are the group-versions, True for custom resources.

    The registration's own group has none: whoever asks for an APIService has found it already.
    """
    found = {}
    for (group, version), custom in served.items():
        if group == APISERVICES.group:
            continue
        minimum, priority = CUSTOM_PRIORITIES if custom else PRIORITIES[group]
        name = f"{version}.{group}"
        found[name] = {
            "apiVersion": APISERVICES.api_version,
            "kind": APISERVICES.kind,
            "metadata": {"name": name, "labels": {AUTOMANAGED: "true" if custom else "onstart"}},
            "spec": {
                "group": group,
                "version": version,
                "groupPriorityMinimum": minimum,
                "versionPriority": _VERSION_PRIORITIES.get((group, version), priority),
            },
        }
    return found


def served(server: Server) -> dict[tuple[str, str], bool]:
    """The group-versions of now."""
    found = dict.fromkeys(BEYOND_KINDS, False)
    for kind in server.catalog.kinds:
        found[kind.resource.group, kind.resource.version] = kind.schema is not None
    return found


async def settle(server: Server) -> None:
    """Make what is missing, and remove what the server keeps by itself and serves no more."""
    objects, registry = wanted(served(server)), server.catalog.of(APISERVICES)
    await asyncio.gather(*(server.ensure(APISERVICES, obj) for obj in objects.values()))
    for item in list(registry.cache.items.values()):
        labels = loads(item.data)["metadata"].get("labels") or {}
        if AUTOMANAGED in labels and item.name not in objects:
            try:
                await registry.delete("", item.name, DeleteOptions(None, "", "", "", False), LOOPBACK)
            except errors.NotFound:
                pass  # another API server was faster


async def run(server: Server) -> None:
    """Settle once, and again whenever something else is served or an APIService is gone."""
    changed = asyncio.Event()

    def heard(event: Event | None) -> None:
        if event is None or event.new is None:
            changed.set()

    async def follow() -> None:
        while True:
            await changed.wait()
            changed.clear()
            try:
                await settle(server)
            except errors.StatusError as error:
                log.warning("cannot keep the APIServices", error=error, retry_seconds=RETRY)
                await server.clock.sleep(RETRY)
                changed.set()

    server.catalog.subscribe(changed.set)
    server.catalog.of(APISERVICES).cache.subscribe(heard)
    await settle(server)
    server.start("apiservices", follow)


def missing(server: Server) -> str | None:
    cache = server.catalog.of(APISERVICES).cache
    gone = [name for name in wanted(served(server)) if cache.key("", name) not in cache.items]
    return f"APIServices {', '.join(gone)} are missing" if gone else None


HOOK = Hook("apiservice-registration-controller", run, missing)
