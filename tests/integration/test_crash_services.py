"""kill -9 of the API server while Services are made: no address or port is given out twice, and none is lost."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

from minikube_py.api import errors
from minikube_py.api.resources import SERVICES
from minikube_py.client import kubeconfig
from minikube_py.client.rest import Client
from minikube_py.daemon.clock import RealClock
from tests.integration.clusters import ended, free_port, start, until

PORTS = 60
"""As many node ports as there are: a leak would be seen."""


def service(number: int) -> dict[str, Any]:
    spec = {"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}
    metadata = {"name": f"s{number}", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def test_services_survive_a_kill_without_duplicates_or_leaks(tmp_path: Path) -> None:
    rng = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    flags = ("apiserver", "--data-dir", str(tmp_path), "--secure-port", str(free_port()),
             "--service-node-port-range", f"30000-{30000 + PORTS - 1}")  # fmt: skip
    acknowledged: dict[str, dict[str, Any]] = {}

    async def create(client: Client, number: int) -> None:
        try:
            made = await client.create(SERVICES, service(number))
        except (errors.StatusError, OSError, TimeoutError):
            return
        acknowledged[made["metadata"]["name"]] = made["spec"]

    for attempt in range(4):
        with ended(start(*flags)) as process:
            until((tmp_path / "admin.conf").exists, what="the kubeconfig")
            transport = kubeconfig.load(tmp_path / "admin.conf").transport(clock=RealClock())
            client = Client(transport, clock=RealClock())
            async with asyncio.timeout(20):
                while True:
                    try:
                        await client.raw("GET", "/readyz")
                        break
                    except (errors.StatusError, OSError):
                        await asyncio.sleep(0.05)
            found = {s["metadata"]["name"]: s["spec"] for s in (await client.list(SERVICES))["items"]}
            assert acknowledged.items() <= found.items(), "what was acknowledged is there, with its address and port"
            del found["kubernetes"]
            if attempt == 3:
                # All that is left over can be had, and then nothing more.
                await asyncio.gather(*(create(client, 1000 + n) for n in range(PORTS - len(found))))
                every = [
                    s["spec"] for s in (await client.list(SERVICES))["items"] if s["metadata"]["name"] != "kubernetes"
                ]
                assert len(every) == len({s["clusterIP"] for s in every}) == PORTS
                assert len({s["ports"][0]["nodePort"] for s in every}) == PORTS
                try:
                    await client.create(SERVICES, service(2000))
                except errors.StatusError as error:
                    assert "provided port is already allocated" in error.message or "range is full" in error.message
                else:
                    raise AssertionError("more node ports than there are")
                await client.delete(SERVICES, "s1000", "default")
                await client.create(SERVICES, service(2001))
            else:
                creating = [asyncio.create_task(create(client, attempt * 100 + n)) for n in range(15)]
                await asyncio.sleep(rng.uniform(0.0, 0.02))
                process.send_signal(signal.SIGKILL)
                await asyncio.gather(*creating)
            await transport.close()
