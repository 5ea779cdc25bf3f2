"""Probes and hooks of the kubelet: thresholds and times, over the fake engine."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from minikube_py.daemon.clock import RealClock
from minikube_py.kubelet.handlers import Handlers, Target, port_number
from minikube_py.kubelet.net import RealNet
from minikube_py.kubelet.probes import Counter, Timing
from minikube_py.kubelet.runtime.fake import FakeRuntime
from tests.fakes.kubelet_world import World, shell, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        await made.start()
        yield made


def http(path: str, **more: Any) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": 8080}, "periodSeconds": 5, **more}


@pytest.mark.parametrize(
    ("success", "failure", "results", "verdicts"),
    [
        (1, 3, "+", "+"),
        (1, 3, "---", "..-"),
        (1, 3, "--+---", "..+..-"),
        (2, 1, "+-++", ".-.+"),
        (1, 1, "-+-", "-+-"),
    ],
)
def test_thresholds(success: int, failure: int, results: str, verdicts: str) -> None:
    counter = Counter(Timing(0, 10, 1, success, failure))
    found = [counter.add(r == "+") for r in results]
    assert "".join({True: "+", False: "-", None: "."}[v] for v in found) == verdicts


@pytest.mark.parametrize(("port", "expected"), [(80, 80), ("80", 80), ("web", 8080)])
def test_ports_by_number_and_name(port: Any, expected: int) -> None:
    assert port_number(port, {"name": "a", "ports": [{"name": "web", "containerPort": 8080}]}) == expected


def test_unknown_ports() -> None:
    with pytest.raises(ValueError, match="couldn't find port named x"):
        port_number("x", {"name": "a"})


async def test_readiness_follows_the_probe(w: World) -> None:
    await w.pod("p", shell("a", readinessProbe=http("/ready", failureThreshold=2, successThreshold=2)))
    assert (await w.words(), (await w.container())["ready"]) == ("running 0", False)
    w.net.http["/ready"] = 200
    await w.advance(5)
    assert (await w.container())["ready"] is False
    await w.advance(5)
    assert (await w.container())["ready"] is True
    w.net.http["/ready"] = 503
    await w.advance(5)
    assert (await w.container())["ready"] is True
    await w.advance(5)
    assert (await w.container())["ready"] is False
    assert (await w.container())["restartCount"] == 0
    assert "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503" in await w.events()


async def test_liveness_restarts(w: World) -> None:
    w.net.http["/live"] = 200
    await w.pod("p", shell("a", livenessProbe=http("/live", failureThreshold=3)))
    await w.advance(20)
    assert await w.words() == "running 0"
    del w.net.http["/live"]
    await w.advance(14)
    assert await w.words() == "running 0"
    await w.advance(1)
    assert await w.words() == "running 1"
    assert "Killing: Container a failed liveness probe, will be restarted" in await w.events()


async def test_initial_delay_is_exact(w: World) -> None:
    await w.pod("p", shell("a", livenessProbe=http("/live", initialDelaySeconds=7)))
    await w.advance(6.9)
    assert w.net.asked == []
    await w.advance(0.2)
    assert len(w.net.asked) == 1
    assert w.net.asked[0].endswith(":8080/live")


async def test_startup_holds_the_others_back(w: World) -> None:
    probes: dict[str, Any] = {"startupProbe": http("/start", failureThreshold=10), "livenessProbe": http("/live")}
    w.net.http["/live"] = 200
    await w.pod("p", shell("a", **probes, readinessProbe=http("/ready")))
    await w.advance(12)
    assert {u.rpartition("/")[2] for u in w.net.asked} == {"start"}
    assert (await w.container())["started"] is False
    w.net.http |= {"/start": 200, "/ready": 200}
    await w.advance(5)
    one = await w.container()
    assert (one["started"], one["ready"]) == (True, True)
    asked = len([u for u in w.net.asked if u.endswith("start")])
    await w.advance(20)
    assert len([u for u in w.net.asked if u.endswith("start")]) == asked


async def test_startup_failure_restarts(w: World) -> None:
    await w.pod("p", shell("a", startupProbe=http("/start", failureThreshold=2)))
    await w.advance(5)
    assert await w.words() == "running 1"


async def test_a_probe_has_its_own_grace(w: World) -> None:
    stubborn = "trap '' TERM; sleep infinity"
    probe = http("/live", failureThreshold=1, terminationGracePeriodSeconds=3)
    await w.pod("p", shell("a", stubborn, livenessProbe=probe))
    stop = next(c for c in w.engine.calls if c[0] == "stop_container")
    assert (await w.words(), stop[2]) == ("running 0", "3")
    await w.advance(3)
    assert (await w.container())["lastState"]["terminated"]["exitCode"] == 137


async def test_exec_and_tcp(w: World) -> None:
    good = {"exec": {"command": ["sh", "-c", "exit 0"]}}
    await w.pod("p", shell("a", readinessProbe=good))
    assert (await w.container())["ready"] is True
    slow = {"exec": {"command": ["sh", "-c", "sleep 5"]}, "timeoutSeconds": 2}
    await w.pod("q", shell("a", readinessProbe=slow))
    await w.advance(3)
    assert (await w.container("a", "q"))["ready"] is False
    assert any("command timed out" in e for e in await w.events("q"))
    w.net.open.add(5432)
    await w.pod("r", shell("a", readinessProbe={"tcpSocket": {"port": 5432}}))
    assert (await w.container("a", "r"))["ready"] is True


async def test_nobody_listens() -> None:
    net, closed = RealNet(), socket.socket()
    closed.bind(("127.0.0.1", 0))
    host, port = closed.getsockname()
    clock = RealClock()
    handlers = Handlers(FakeRuntime(clock), net, clock)
    target = Target({"name": "a"}, "id", host)
    refused = f"dial tcp {host}:{port}: connect: connection refused"
    try:
        get = await handlers.run({"httpGet": {"port": port}}, target, 5)
        connect = await handlers.run({"tcpSocket": {"port": port}}, target, 5)
    finally:
        await net.close()
        closed.close()
    assert (get, connect) == ((False, f'Get "http://{host}:{port}/": {refused}'), (False, refused))


async def test_readiness_survives_a_restart_of_the_kubelet(w: World) -> None:
    w.net.http["/ready"] = 200
    await w.pod("p", shell("a", readinessProbe=http("/ready"), startupProbe=http("/ready")))
    assert (await w.container())["ready"] is True
    writes = len([r for r in w.api.writes() if "/pods/p" in r[1]])
    await w.restart()
    await w.advance(1)
    assert (await w.container())["ready"] is True
    assert len([r for r in w.api.writes() if "/pods/p" in r[1]]) == writes


async def test_liveness_rests_during_deletion_readiness_does_not(w: World) -> None:
    w.net.http |= {"/ready": 200, "/live": 200}
    stubborn = "trap '' TERM; sleep infinity"
    await w.pod("p", shell("a", stubborn, readinessProbe=http("/ready"), livenessProbe=http("/live")))
    await w.delete()
    w.net.asked.clear()
    await w.advance(11)
    assert {u.rpartition("/")[2] for u in w.net.asked} == {"ready"}
