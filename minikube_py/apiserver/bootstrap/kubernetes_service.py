"""The Service `kubernetes` in the namespace default, and behind it every API server that is alive.

Each API server keeps a record of its address in the store that lapses unless it is renewed. Each of them writes the
addresses of all records into the Service's Endpoints and EndpointSlice, so that a dead one leaves them soon.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address

from minikube_py.api import errors
from minikube_py.api.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES, Resource
from minikube_py.apiserver.bootstrap.base import Hook, Server, own_request
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.encoding import Object, dumps, loads
from minikube_py.apiserver.storage import ROOT
from minikube_py.daemon import logs
from minikube_py.store.base import Conflict, Exists, NotFound, Unavailable

log = logs.get("apiserver.kubernetes-service")

NAME, NAMESPACE, PORT = "kubernetes", "default", 443
LEASES = f"{ROOT}masterleases/"
LEASE_SECONDS = 15
"""How long an API server is listed that does not renew its record, as upstream."""
RENEW_SECONDS = 10.0


def advertised(config: Config) -> str:
    """The address at which others reach this API server; empty where it listens for its own machine only.

    Listening on all addresses, that is the address of the interface with the default route; nothing is sent to find it.
    """
    said = config.advertise_address or config.bind_address
    address = ip_address(said)
    if address.is_unspecified:
        family, probe = (socket.AF_INET, "192.0.2.1") if address.version == 4 else (socket.AF_INET6, "2001:db8::1")
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((probe, 9))
            except OSError:
                return ""
            said = str(sock.getsockname()[0])
            address = ip_address(said)
    return "" if address.is_loopback else said


class Reconciler:
    """Makes and repairs the objects, once now and then every ten seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._store = server.storage.store
        self._address = advertised(server.config)
        self._stopped = False

    async def once(self) -> None:
        """One pass. What fails is tried again by the next."""
        try:
            await self._service()
            if self._address:
                await self._renew()
                await self._publish(await self._alive())
        except (errors.StatusError, Unavailable, Conflict, Exists, NotFound) as error:
            log.warning("the kubernetes Service cannot be brought up to date, trying again", error=str(error))

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._server.clock.sleep(RENEW_SECONDS)
            if not self._stopped:
                await self.once()

    async def stop(self) -> None:
        """Take this API server off the list, unless it is the last: whoever comes next may have its address."""
        self._stopped = True
        if not self._address:
            return
        try:
            await self._store.delete(LEASES + self._address)
            if left := await self._alive():
                await self._publish(left)
        except (errors.StatusError, Unavailable, NotFound) as error:
            log.warning("this API server stays listed until its record lapses", error=str(error))

    async def _service(self) -> None:
        allocators = self._server.catalog.of(SERVICES).allocators
        ports = [{"name": "https", "port": PORT, "protocol": "TCP", "targetPort": self._server.config.secure_port}]
        spec: Object = {
            "clusterIP": allocators.first_ip,
            "ports": ports,
            "sessionAffinity": "None",
            "type": "ClusterIP",
        }
        labels = {"component": "apiserver", "provider": "kubernetes"}

        def correct(found: Object) -> Object:
            found["spec"] |= {"ports": ports, "type": "ClusterIP"}
            return found

        def is_right(found: Object) -> bool:
            return bool(found["spec"].get("ports") == ports and found["spec"].get("type") == "ClusterIP")

        await self._bring(SERVICES, {"metadata": {"name": NAME, "labels": labels}, "spec": spec}, is_right, correct)

    async def _renew(self) -> None:
        """Write this API server's record anew."""
        key, value = LEASES + self._address, dumps({"ip": self._address, "port": self._server.config.secure_port})
        try:
            found = await self._store.get(key)
        except NotFound:
            await self._store.create(key, value, ttl=LEASE_SECONDS)
        else:
            await self._store.update(key, value, at=found.rev, ttl=LEASE_SECONDS)

    async def _alive(self) -> list[str]:
        page = await self._store.list(LEASES)
        return sorted(loads(entry.value)["ip"] for entry in page.entries)

    async def _publish(self, addresses: list[str]) -> None:
        port = {"name": "https", "port": self._server.config.secure_port, "protocol": "TCP"}
        subsets = [{"addresses": [{"ip": ip} for ip in addresses], "ports": [port]}]
        endpoints: Object = {
            "metadata": {"name": NAME, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
            "subsets": subsets,
        }
        await self._bring(
            ENDPOINTS, endpoints, lambda found: bool(found.get("subsets") == subsets),
            lambda found: {**found, "subsets": subsets},
        )  # fmt: skip
        listed = [{"addresses": [ip], "conditions": {"ready": True}} for ip in addresses]
        parts = {"endpoints": listed, "ports": [port]}
        piece: Object = {
            "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
            "addressType": f"IPv{ip_address(self._address).version}",
            **parts,
        }
        await self._bring(
            ENDPOINTSLICES, piece, lambda found: all(found.get(name) == value for name, value in parts.items()),
            lambda found: {**found, **parts},
        )  # fmt: skip

    async def _bring(
        self, resource: Resource, wanted: Object, is_right: Callable[[Object], bool],
        correct: Callable[[Object], Object],
    ) -> None:  # fmt: skip
        """Create what is missing, correct what is wrong, leave alone what is right."""
        registry = self._server.catalog.of(resource)
        item = registry.cache.items.get(registry.cache.key(NAMESPACE, NAME))
        if item is None:
            await self._server.ensure(
                resource, {"kind": resource.kind, "apiVersion": resource.api_version, **wanted}, NAMESPACE
            )
        elif not is_right(loads(item.data)):
            await registry.modify(correct, own_request(NAMESPACE, NAME))


async def run(server: Server) -> None:
    """Make the Service, list this API server, and go on doing so until it stops."""
    reconciler = Reconciler(server)
    await reconciler.once()
    await server.storage.fresh()
    server.at_stop.append(reconciler.stop)
    server.start("kubernetes service", reconciler.run)


def missing(server: Server) -> str | None:
    cache = server.catalog.of(SERVICES).cache
    return None if cache.key(NAMESPACE, NAME) in cache.items else "the Service default/kubernetes is missing"


HOOK = Hook("bootstrap-controller", run, missing)
