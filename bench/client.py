"""How fast the daemons' client is: the wire transport, the in-process one, and httpx doing the same work.

    python bench/client.py [--seconds 3] [--in-flight 16]

A bare ASGI app runs under uvicorn with TLS in a process of its own and answers every request with 4 KB of JSON. CPU is
that of the client's process alone. Numbers of one run compare; numbers of two machines do not.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from minikube_py.api.resources import PODS
from minikube_py.client.rest import Client
from minikube_py.client.transport import AppTransport, Transport, WireTransport
from minikube_py.daemon import pki
from minikube_py.daemon.clock import RealClock

ANSWER = orjson.dumps({"kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "data": {"x": "y" * 4000}})
PATCH = {"metadata": {"labels": {"step": "1"}}, "status": {"phase": "Running", "message": "m" * 200}}
Work = Callable[[], Awaitable[object]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers anything."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def serve(directory: str, port: Any) -> None:
    """The server's process; `port` receives where it listens."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            port.send(self.servers[0].sockets[0].getsockname()[1])

    Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=0, lifespan="off", ws="none", log_level="critical", access_log=False,
            ssl_certfile=f"{directory}/s.crt", ssl_keyfile=f"{directory}/s.key",
        )
    ).run()  # fmt: skip


async def measure(name: str, work: Work, seconds: float, in_flight: int) -> None:
    """Print requests per second, CPU microseconds per request and latencies of `work` done by so many tasks."""
    for _ in range(in_flight):
        await work()
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        while (start := time.perf_counter()) < end:
            await work()
            times.append(time.perf_counter() - start)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(in_flight)))
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    times.sort()
    p50, p99 = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
    print(f"{name:<34}{len(times) / took:>10,.0f}{cpu / len(times) * 1e6:>10,.0f}{p50:>10.2f}{p99:>10.2f}", flush=True)


async def compare(url: str, context: ssl.SSLContext, seconds: float, in_flight: int) -> None:
    """The table."""
    import httpx

    clock = RealClock()
    wire, inside = WireTransport(url, context), AppTransport(app, user="bench")
    path = PODS.path("default", "p")
    body = orjson.dumps(PATCH)
    headers = {"Content-Type": "application/merge-patch+json", "Accept": "application/json"}
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(base_url=url, verify=context, limits=limits) as other:
        print(f"{'':<34}{'req/s':>10}{'CPU us':>10}{'p50 ms':>10}{'p99 ms':>10}")
        rows: list[tuple[str, Work]] = []
        transports: list[tuple[str, Transport]] = [("aiohttp", wire), ("in process", inside)]
        for name, transport in transports:
            client = Client(transport, clock=clock)
            rows += [
                (f"{name}: transport PATCH", partial(transport.request, "PATCH", path, headers=headers, body=body)),
                (f"{name}: Client.patch", partial(client.patch, PODS, "p", "default", PATCH)),
                (f"{name}: Client.get", partial(client.get, PODS, "p", "default")),
            ]
        rows += [
            ("httpx: PATCH", partial(other.patch, path, content=body, headers=headers)),
            ("httpx: GET", partial(other.get, path)),
        ]
        for name, work in rows:
            await measure(name, work, seconds, in_flight)
    await wire.close()
    await inside.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each row")
    parser.add_argument("--in-flight", type=int, default=16, help="requests at once")
    options = parser.parse_args()
    ca = pki.new_ca("bench")
    pair = pki.issue(ca, "bench", sans=pki.Sans(ips=("127.0.0.1",)), server=True)
    import uvloop

    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "s.crt").write_bytes(pair.cert_pem)
        (Path(directory) / "s.key").write_bytes(pair.key_pem)
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(directory, there), daemon=True)
        server.start()
        try:
            url = f"https://127.0.0.1:{here.recv()}"
            context = ssl.create_default_context(cadata=ca.cert_pem.decode())
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(compare(url, context, options.seconds, options.in_flight))
        finally:
            server.terminate()
            server.join()


if __name__ == "__main__":
    main()
