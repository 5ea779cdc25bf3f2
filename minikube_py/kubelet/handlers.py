"""Carries out the action of a probe or a lifecycle hook: exec, httpGet, tcpSocket, sleep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minikube_py.daemon.clock import Clock
from minikube_py.kubelet.net import Net, why_not
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Runtime

NO_LIMIT = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Target:
    """The running container that an action is about."""

    spec: Object
    container_id: str
    pod_ip: str


class Handlers:
    """`run` answers whether the action succeeded and what it said."""

    def __init__(self, runtime: Runtime, net: Net, clock: Clock) -> None:
        self._runtime = runtime
        self._net = net
        self._clock = clock

    async def run(self, action: Object, target: Target, timeout: float | None) -> tuple[bool, str]:
        """Do what `action` (a probe or a hook's handler) says, within `timeout` seconds.

        Raises RuntimeFault where the engine could not even try (NotFound: the container does not run).
        """
        if action.get("exec"):
            return await self._exec(action["exec"].get("command") or (), target, timeout)
        if action.get("httpGet"):
            return await self._http(action["httpGet"], target, timeout)
        if action.get("tcpSocket"):
            return await self._tcp(action["tcpSocket"], target, timeout)
        if action.get("sleep"):
            await self._clock.sleep(float(action["sleep"].get("seconds") or 0))
            return True, ""
        return False, "no action that this node supports"

    async def _exec(self, command: Sequence[str], target: Target, timeout: float | None) -> tuple[bool, str]:
        limit = NO_LIMIT if timeout is None else timeout
        try:
            result = await self._runtime.exec_sync(target.container_id, command, limit)
        except TimeoutError:
            return False, f"command timed out: {' '.join(command)!r} timed out after {limit:g}s"
        said = (result.stdout + result.stderr)[:10_240].decode("utf-8", "replace")
        return result.exit_code == 0, said

    async def _http(self, get: Object, target: Target, timeout: float | None) -> tuple[bool, str]:
        try:
            port = port_number(get.get("port"), target.spec)
        except ValueError as e:
            return False, str(e)
        host = get.get("host") or target.pod_ip
        scheme = str(get.get("scheme") or "HTTP").lower()
        path = str(get.get("path") or "/")
        shown = f"[{host}]" if ":" in host else host
        url = f"{scheme}://{shown}:{port}{path if path.startswith('/') else '/' + path}"
        headers = [(h["name"], h.get("value", "")) for h in get.get("httpHeaders") or ()]
        given = {name.lower() for name, _ in headers}
        if "user-agent" not in given:
            headers.append(("User-Agent", "kube-probe/1.36"))
        if "accept" not in given:
            headers.append(("Accept", "*/*"))
        try:
            status, body = await self._clock.wait_for(self._net.http_get(url, headers), timeout)
        except TimeoutError:
            return False, (f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
        except OSError as e:
            return False, f'Get "{url}": {e}'
        if 200 <= status < 400:
            return True, body
        return False, f"HTTP probe failed with statuscode: {status}"

    async def _tcp(self, socket: Object, target: Target, timeout: float | None) -> tuple[bool, str]:
        try:
            port = port_number(socket.get("port"), target.spec)
        except ValueError as e:
            return False, str(e)
        host = socket.get("host") or target.pod_ip
        try:
            await self._clock.wait_for(self._net.connect(host, port), timeout)
        except TimeoutError:
            return False, f"dial tcp {host}:{port}: i/o timeout"
        except OSError as e:
            return False, f"dial tcp {host}:{port}: {why_not(e)}"
        return True, ""


def port_number(port: object, spec: Object) -> int:
    """A port given by number or by the name of one of the container's ports. Raises ValueError."""
    if isinstance(port, int):
        number = port
    elif isinstance(port, str) and port.isdigit():
        number = int(port)
    else:
        found = [p["containerPort"] for p in spec.get("ports") or () if p.get("name") == port]
        if not found:
            raise ValueError(f"couldn't find port named {port} in container {spec['name']}")
        number = found[0]
    if not 0 < number < 65536:
        raise ValueError(f"invalid port number: {number}")
    return number
