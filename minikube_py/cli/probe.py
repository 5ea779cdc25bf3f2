"""Questions to a cluster and to the machine: are the API server and the node ready, does the engine answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from minikube_py.api import errors
from minikube_py.api.meta import condition
from minikube_py.api.resources import LEASES, NODES, PODS, SERVICEACCOUNTS
from minikube_py.api.taints import NOT_READY
from minikube_py.api.times import parse_time
from minikube_py.cli.failures import Failed
from minikube_py.cli.layout import Layout
from minikube_py.client import kubeconfig
from minikube_py.client.rest import Client
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.config import KubeletConfig

POLL_SECONDS = 0.05
Alive = Callable[[], bool]


class Cluster:
    """An admin's connection to a cluster; use it as an async context manager."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._clock = clock
        self._config = kubeconfig.load(layout.admin_conf)
        self.server = self._config.server

    async def __aenter__(self) -> Cluster:
        self._transport = self._config.transport(clock=self._clock)
        self._client = Client(self._transport, clock=self._clock, user_agent="minikube-py")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def ready(self) -> bool:
        """Whether /readyz answers ok; False when nothing answers."""
        try:
            answer = await self._transport.request("GET", "/readyz", timeout=2.0)
        except (errors.StatusError, TimeoutError):
            return False
        return answer.status == 200

    async def nodes(self) -> dict[str, str]:
        """The nodes' names and what their Ready condition says. Raises StatusError."""
        found = await self._client.list(NODES)
        return {n["metadata"]["name"]: (condition(n, "Ready") or {}).get("status", "Unknown") for n in found["items"]}

    async def pods(self) -> int:
        """How many Pods there are in all namespaces. Raises StatusError."""
        return len((await self._client.list(PODS))["items"])

    async def wait_ready(self, seconds: float, alive: Alive = lambda: True) -> bool:
        """Wait for the API server; False when the time is up or it is not `alive`."""
        return await self._poll(self.ready, seconds, alive)

    async def wait_node(
        self, node: str, seconds: float, alive: Alive = lambda: True, *, since: datetime | None = None
    ) -> bool:
        """Wait for the node to be Ready and for Pods to be taken; False when the time is up or not all is `alive`.

        With `since`, a kubelet must have been heard of after that time. Pods are taken once the controller manager has
        made the account that they run as, and has seen the node ready.
        """

        async def there() -> bool:
            try:
                found = await self._client.get(NODES, node)
                if (condition(found, "Ready") or {}).get("status") != "True":
                    return False
                if any(taint["key"] == NOT_READY for taint in found["spec"].get("taints") or ()):
                    return False
                await self._client.get(SERVICEACCOUNTS, "default", "default")
                return since is None or await self._heard(node) >= since
            except errors.StatusError:
                return False

        return await self._poll(there, seconds, alive)

    async def _heard(self, node: str) -> datetime:
        """When the node's kubelet last renewed its Lease."""
        lease = await self._client.get(LEASES, node, "kube-node-lease")
        return parse_time(lease["spec"]["renewTime"])

    async def _poll(self, check: Callable[[], Awaitable[bool]], seconds: float, alive: Alive) -> bool:
        end = self._clock.monotonic() + seconds
        while self._clock.monotonic() < end and alive():
            if await check():
                return True
            await self._clock.sleep(POLL_SECONDS)
        return False


def check_port(address: str, port: int) -> None:
    """Raises Failed when somebody listens there already, or the address is none of this machine."""
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            # Binding alone succeeds beside a listener on the other kind of wildcard address.
            probe.listen(1)
        except OSError as error:
            raise Failed(
                f"cannot listen on {address}:{port} ({error.strerror}): choose another --secure-port or --bind-address"
            ) from None


async def check_engine(kubelet: KubeletConfig, clock: Clock) -> None:
    """Raises Failed with what to do when the container engine or the pause image is not there."""
    if kubelet.container_runtime != "docker":
        return
    from minikube_py.kubelet.main import make_runtime
    from minikube_py.kubelet.runtime import base

    runtime = make_runtime(kubelet, clock)
    try:
        await runtime.version()
        pause = await runtime.image(kubelet.pod_infra_container_image)
    except base.EngineUnavailable as error:
        raise Failed(f"no Docker Engine answers ({error}): start it, or use --container-runtime fake") from None
    except base.RuntimeFault as error:
        raise Failed(f"the pause image {kubelet.pod_infra_container_image}: {error}") from None
    finally:
        await runtime.close()
    if pause is None:
        raise Failed(
            f"the engine has no pause image {kubelet.pod_infra_container_image}: build it with "
            "deploy/images/build.sh, or name another with --pod-infra-container-image"
        )
