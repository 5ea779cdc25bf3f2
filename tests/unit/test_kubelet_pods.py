"""The kubelet over the fake engine and a real API server: Pods from binding to the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minikube_py.api.resources import PODS
from tests.fakes.kubelet_world import World, shell, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        await made.start()
        yield made


async def test_a_pod_runs_without_any_time_passing(w: World) -> None:
    await w.pod("p", shell("a"), shell("b"))
    status = await w.status()
    assert status["phase"] == "Running"
    assert status["podIP"].startswith("172.30.")
    assert status["hostIP"] == "192.0.2.1"
    assert [c["ready"] for c in status["containerStatuses"]] == [True, True]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "PodReadyToStartContainers": "True", "Initialized": "True", "Ready": "True", "ContainersReady": "True",
        "PodScheduled": "True",
    }  # fmt: skip
    assert w.running() == ["a", "b"]
    assert sorted(w.calls("run_sandbox", "create_container", "start_container")) == [
        "create_container", "create_container", "run_sandbox", "start_container", "start_container",
    ]  # fmt: skip


async def test_events_of_a_start(w: World) -> None:
    await w.pod("p", shell("a", imagePullPolicy="Always"))
    reasons = [e.partition(":")[0] for e in await w.events()]
    assert [r for r in reasons if r != "MissingClusterDNS"] == ["Pulling", "Pulled", "Created", "Started"]


async def test_init_containers_one_after_another(w: World) -> None:
    await w.pod("p", shell("a"), initContainers=[shell("i", "sleep 5"), shell("j", "sleep 7")], restartPolicy="Never")
    assert (w.running(), await w.phase(), await w.words("j")) == (["i"], "Pending", "PodInitializing 0")
    await w.advance(5)
    assert (w.running(), await w.words("i"), await w.phase()) == (["j"], "Completed 0", "Pending")
    await w.advance(7)
    assert (w.running(), await w.words("j"), await w.phase()) == (["a"], "Completed 0", "Running")


async def test_a_failing_init_container_is_tried_again_with_backoff(w: World) -> None:
    await w.pod("p", shell("a"), initContainers=[shell("i", "exit 3")])
    assert await w.words("i") == "Error 1"
    await w.advance(2)
    assert await w.words("i") == "CrashLoopBackOff 1"
    await w.advance(7.9)
    assert await w.words("i") == "CrashLoopBackOff 1"
    await w.advance(0.2)
    assert (await w.container("i"))["restartCount"] == 2
    assert w.running() == []


async def test_a_failing_init_container_ends_a_pod_that_never_restarts(w: World) -> None:
    await w.pod("p", shell("a"), initContainers=[shell("i", "exit 3")], restartPolicy="Never")
    assert (await w.phase(), await w.words("i"), await w.words("a")) == ("Failed", "Error 0", "PodInitializing 0")
    assert w.calls("start_container") == ["start_container"]


async def test_sidecars_start_in_turn_and_end_last(w: World) -> None:
    sidecar = shell("s", restartPolicy="Always", startupProbe={"exec": {"command": ["true"]}, "periodSeconds": 1})
    await w.pod("p", shell("a", "sleep 60"), initContainers=[sidecar, shell("i", "sleep 1")], restartPolicy="Never")
    await w.advance(1)
    assert w.running() == ["a", "s"]
    assert (await w.container("s"))["started"] is True
    await w.advance(60)
    assert w.running() == []
    assert (await w.phase(), await w.words("s")) == ("Succeeded", "Completed 0")
    stops = [call for call in w.engine.calls if call[0] in ("stop_container", "stop_sandbox")]
    assert [s[0] for s in stops] == ["stop_container", "stop_sandbox"]


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [
        ("Always", 0, "Running", 1),
        ("Always", 1, "Running", 1),
        ("OnFailure", 0, "Succeeded", 0),
        ("OnFailure", 1, "Running", 1),
        ("Never", 0, "Succeeded", 0),
        ("Never", 1, "Failed", 0),
    ],
)
async def test_restart_policies(w: World, policy: str, code: int, phase: str, restarts: int) -> None:
    await w.pod("p", shell("a", f"sleep 5; exit {code}"), restartPolicy=policy)
    await w.advance(6)
    assert (await w.phase(), (await w.container())["restartCount"]) == (phase, restarts)


async def test_crash_loop_times_are_exact(w: World) -> None:
    """The container runs for a second each time: starts are 1 s plus the back-off apart."""
    await w.pod("p", shell("a", "sleep 1; exit 1"))
    starts = []
    for _ in range(1500):
        await w.clock.advance(1)
        starts = list(w.engine.containers.values())
        if (await w.container())["restartCount"] >= 8:
            break
    one = await w.container()
    assert one["restartCount"] == 8
    began = 1 + 10 + 1 + 20 + 1 + 40 + 1 + 80 + 1 + 160 + 1 + 300 + 1 + 300 + 1
    assert abs(w.clock.monotonic() - began) <= 1.5
    # The dead are kept to one beside the newest.
    assert len(starts) == 2
    assert sorted(p.name for p in w.root.glob("pods/*/containers/a/*")) == ["7", "8"]
    assert "BackOff: Back-off restarting failed container a in pod" in "\n".join(await w.events())


async def test_ten_good_minutes_reset_the_backoff(w: World) -> None:
    await w.pod("p", shell("a", "sleep 601; exit 1"))
    for restarts in range(1, 4):
        await w.advance(601)
        assert await w.words() == f"running {restarts}"


async def test_the_previous_attempt_is_kept(w: World) -> None:
    await w.pod("p", shell("a", "sleep 30; exit 4"))
    await w.advance(31)
    one = await w.container()
    assert one["lastState"]["terminated"]["exitCode"] == 4
    assert one["lastState"]["terminated"]["reason"] == "Error"
    assert sorted(c.config.attempt for c in w.engine.containers.values()) == [0, 1]


async def test_termination_messages(w: World) -> None:
    say = "echo -n because > /dev/termination-log; exit 1"
    await w.pod("p", shell("a", say), restartPolicy="Never")
    assert (await w.container())["state"]["terminated"]["message"] == "because"
    last = shell("a", "echo one; echo two; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    await w.pod("q", last, restartPolicy="Never")
    assert (await w.container("a", "q"))["state"]["terminated"]["message"] == "one\ntwo\n"


async def test_a_command_that_cannot_start(w: World) -> None:
    w.engine.start_faults["a"] = 'exec: "nope": executable file not found in $PATH'
    await w.pod("p")
    one = await w.container()
    assert one["state"]["waiting"]["reason"] in ("RunContainerError", "CrashLoopBackOff")
    assert one["lastState"]["terminated"]["reason"] == "StartError"
    await w.advance(2)
    assert await w.words() == "CrashLoopBackOff 1"
    w.engine.start_faults.clear()
    await w.advance(10)
    assert await w.words() == "running 2"


async def test_a_container_that_cannot_be_made(w: World) -> None:
    w.engine.create_faults["a"] = "no space left on device"
    await w.pod("p")
    assert await w.words() == "CreateContainerError 0"
    w.engine.create_faults.clear()
    await w.advance(10)
    assert await w.words() == "running 0"


async def test_a_sandbox_that_cannot_be_made(w: World) -> None:
    w.engine.sandbox_fault = "no address left"
    await w.pod("p")
    assert await w.words() == "ContainerCreating 0"
    assert "FailedCreatePodSandBox: Failed to create pod sandbox: no address left" in await w.events()
    w.engine.sandbox_fault = ""
    await w.advance(1)
    assert await w.words() == "running 0"


async def test_the_image_of_a_running_container_is_changed(w: World) -> None:
    await w.pod("p")
    await w.api.client.patch(
        PODS, "p", "default",
        {"spec": {"containers": [{"name": "a", "image": "web:1"}]}}, type="strategic",
    )  # fmt: skip
    await w.api.settle()
    one = await w.container()
    assert (one["image"], one["restartCount"]) == ("web:1", 1)
    assert "Killing: Container a definition changed, will be restarted" in await w.events()


async def test_active_deadline(w: World) -> None:
    await w.pod("p", activeDeadlineSeconds=20)
    await w.advance(19)
    assert await w.phase() == "Running"
    await w.advance(1.5)
    status = await w.status()
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert w.running() == []
    said = "DeadlineExceeded: Pod was active on the node longer than the specified deadline"
    assert (await w.events()).count(said) == 1


async def test_post_start_and_its_failure(w: World) -> None:
    good = {"postStart": {"exec": {"command": ["sh", "-c", "sleep 5"]}}}
    await w.pod("p", shell("a", lifecycle=good))
    assert (await w.words(), w.running()) == ("ContainerCreating 0", ["a"])
    await w.advance(5)
    assert await w.words() == "running 0"
    bad = {"postStart": {"exec": {"command": ["false"]}}}
    await w.pod("q", shell("a", lifecycle=bad), restartPolicy="Never")
    assert await w.phase("q") in ("Failed", "Succeeded")
    assert any(e.startswith("FailedPostStartHook") for e in await w.events("q"))


async def test_rejections(w: World) -> None:
    await w.pod("big", shell("a", resources={"requests": {"cpu": "100k"}}))
    await w.pod("grpc", shell("a", livenessProbe={"grpc": {"port": 1}}))
    await w.pod("where", shell("a"), nodeSelector={"disk": "ssd"})
    found = {name: (await w.status(name)) for name in ("big", "grpc", "where")}
    assert {n: (s["phase"], s["reason"]) for n, s in found.items()} == {
        "big": ("Failed", "OutOfcpu"), "grpc": ("Failed", "Unsupported"), "where": ("Failed", "NodeAffinity"),
    }  # fmt: skip
    assert "spec.containers[0].livenessProbe.grpc" in found["grpc"]["message"]
    assert w.calls("run_sandbox") == []
    await w.delete("big")
    assert await w.get("big") is None


async def test_readiness_gates_and_foreign_conditions(w: World) -> None:
    await w.pod("p", readinessGates=[{"conditionType": "x/y"}])
    ready = {c["type"]: c["status"] for c in (await w.status())["conditions"]}
    assert (ready["ContainersReady"], ready["Ready"]) == ("True", "False")
    gate = {"status": {"conditions": [{"type": "x/y", "status": "True"}]}}
    await w.api.client.patch(PODS, "p", "default", gate, type="strategic", subresource="status")
    await w.api.settle()
    ready = {c["type"]: c["status"] for c in (await w.status())["conditions"]}
    assert (ready["x/y"], ready["Ready"]) == ("True", "True")


async def test_an_idle_pod_costs_nothing(w: World) -> None:
    await w.pod("p")
    before = len(w.api.requests)
    await w.advance(50)
    mine = [r for r in w.api.requests[before:] if "/pods" in r[1]]
    assert mine == []
