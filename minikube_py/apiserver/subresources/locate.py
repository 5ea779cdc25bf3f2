"""Where a proxied request goes: the address behind `scheme:name:port` of a Pod, a Service or a Node."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from minikube_py.api import errors, labels
from minikube_py.api.resources import ENDPOINTS, ENDPOINTSLICES
from minikube_py.apiserver.cache import Filter
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.subresources.kubelets import Kubelets


@dataclass(frozen=True, slots=True)
class Location:
    """`root` is scheme, host and port without a slash at the end; `kubelet` says that it is a kubelet's server."""

    root: str
    kubelet: bool = False


def split(text: str, what: str) -> tuple[str, str, str]:
    """(scheme, name, port) of `name`, `name:port` or `scheme:name:port`. Raises BadRequest."""
    parts = text.split(":")
    scheme, name, port = "", parts[0], ""
    if len(parts) == 2:
        name, port = parts
    elif len(parts) == 3:
        scheme, name, port = parts
    if len(parts) > 3 or not name or scheme not in ("", "http", "https"):
        raise errors.BadRequest(f'invalid {what} request "{text}"')
    return scheme or "http", name, port


def proxyable(address: str) -> bool:
    """Whether an address may be proxied to: never the API server's own machine, its link or a group."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return not (
        mapped.is_loopback
        or mapped.is_link_local
        or mapped.is_multicast
        or mapped.is_unspecified
        or str(mapped) == "255.255.255.255"
    )


def _host_port(host: str, port: str | int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


async def pod(pods: Registry, target: Target) -> Location:
    """A Pod's address; without a port the first that its containers name. Raises NotFound, BadRequest."""
    scheme, name, port = split(target.name, "pod")
    found = await pods.read(target.namespace, name)
    if not port:
        ports = [p["containerPort"] for c in found["spec"]["containers"] for p in (c.get("ports") or ())[:1]]
        port = str(ports[0]) if ports else ""
    status = found.get("status") or {}
    ips = status.get("podIPs")
    address = (ips[0].get("ip") if ips else status.get("podIP")) or ""
    if not proxyable(address):
        raise errors.BadRequest("address not allowed")
    return Location(f"{scheme}://{_host_port(address, port)}")


async def node(kubelets: Kubelets, nodes: Registry, target: Target) -> Location:
    """A Node's kubelet, or another port of the Node. Raises NotFound, BadRequest, InternalError (no address)."""
    scheme, name, port = split(target.name, "node")
    found = await nodes.read("", name)
    root = kubelets.url(found).rstrip("/")
    if not port or root.endswith(f":{port}"):
        return Location(root, kubelet=True)
    host = root.partition("://")[2].rpartition(":")[0]
    if not proxyable(host.strip("[]")):
        raise errors.BadRequest("address not allowed")
    return Location(f"{scheme}://{host}:{port}")


async def service(catalog: Catalog, services: Registry, target: Target) -> Location:
    """One of the Service's ready endpoints, by chance. Raises NotFound, BadRequest, ServiceUnavailable without any."""
    scheme, name, port = split(target.name, "service")
    found = await services.read(target.namespace, name)
    if port.isascii() and port.isdigit():
        named = [p.get("name", "") for p in found["spec"].get("ports") or () if p.get("port") == int(port)]
        if not named:
            raise errors.ServiceUnavailable(f'no service port {port} found for service "{name}"')
        port = named[0]
    choices = [
        (address, number) for address, number in _endpoints(catalog, target.namespace, name, port) if proxyable(address)
    ]
    if not choices:
        raise errors.ServiceUnavailable(f'no endpoints available for service "{target.name}"')
    address, number = random.choice(choices)
    return Location(f"{scheme}://{_host_port(address, number)}")


def _endpoints(catalog: Catalog, namespace: str, service: str, port: str) -> Iterator[tuple[str, int]]:
    """(address, port) of what is ready behind the named port: from the slices, or Endpoints where there are none."""
    slices = catalog.get(ENDPOINTSLICES.group, ENDPOINTSLICES.version, ENDPOINTSLICES.plural)
    seen = False
    if slices is not None:
        mine = labels.from_set({"kubernetes.io/service-name": service})
        for item in slices.cache.list(Filter(namespace, "", mine, None), 0).items:
            seen = True
            yield from _of_slice(loads(item.data), port)
    if seen:
        return
    cache = catalog.of(ENDPOINTS).cache
    found = cache.items.get(cache.key(namespace, service))
    for subset in (loads(found.data).get("subsets") or ()) if found is not None else ():
        for named in subset.get("ports") or ():
            if named.get("name", "") == port:
                yield from ((a["ip"], named["port"]) for a in subset.get("addresses") or ())


def _of_slice(found: Object, port: str) -> Iterator[tuple[str, int]]:
    for named in found.get("ports") or ():
        if (named.get("name") or "") == port and named.get("port"):
            for endpoint in found.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("addresses"):
                    yield endpoint["addresses"][0], named["port"]
