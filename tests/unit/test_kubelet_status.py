"""Tables for the Pod status that the kubelet computes: phases, container states, conditions."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.kubelet.state import NOTHING, Failure, Health, ImageState, Local, View
from minikube_py.kubelet.status import NodeFacts, qos_class, status
from minikube_py.kubelet.statuspatch import status_patch
from tests.fakes.engine_views import T0, at, box, c, con, deleting, local, pod, view

NODE = NodeFacts("192.0.2.1")
SIDECAR = {"restartPolicy": "Always"}
PULL = {"a": ImageState("a:1", 0, failure=Failure("ErrImagePull", "no such image", at(0), at(10)))}


def of(a_pod: Any, a_view: View, memory: Local | None = None, before: Any = None, now: float = 10) -> dict[str, Any]:
    return status(a_pod, a_view, memory or local(), before or a_pod.get("status") or {}, NODE, at(now))


def words(one: dict[str, Any]) -> str:
    """A container's status as `kubectl get` would tell it."""
    state = one["state"]
    if "running" in state:
        text = "running"
    elif "waiting" in state:
        text = state["waiting"]["reason"]
    else:
        text = f"{state['terminated']['reason']} {state['terminated']['exitCode']}"
    last = (one["lastState"].get("terminated") or {}).get("reason")
    flags = ("ready " if one["ready"] else "") + ("started " if one["started"] else "")
    return f"{text}{f' after {last}' if last else ''} {flags}x{one['restartCount']}"


def condition(found: dict[str, Any], kind: str) -> str:
    one = next(x for x in found["conditions"] if x["type"] == kind)
    return str(one["status"]) + (f" {one['reason']}" if one.get("reason") else "")


PHASES = [
    ("nothing", pod(), NOTHING, None, "Pending", ["ContainerCreating x0"]),
    ("a sandbox", pod(), view(box()), None, "Pending", ["ContainerCreating x0"]),
    ("pull failed just now", pod(), view(box()), (local(images=PULL), 0.5), "Pending", ["ErrImagePull x0"]),
    ("pull failed a while ago", pod(), view(box()), (local(images=PULL), 2), "Pending", ["ImagePullBackOff x0"]),
    ("config error", pod(), view(box()),
     (local(retries={"container/a": Failure("CreateContainerConfigError", 'secret "s" not found', at(0), at(9))}), 10),
     "Pending", ["CreateContainerConfigError x0"]),
    ("running", pod(), view(box(), con("a")), None, "Running", ["running ready started x0"]),
    ("one of two", pod(c("a"), c("b")), view(box(), con("a")), None, "Pending",
     ["running ready started x0", "ContainerCreating x0"]),
    ("readiness not known", pod(c("a", readinessProbe={"exec": {}})), view(box(), con("a")), None, "Running",
     ["running started x0"]),
    ("ready by its probe", pod(c("a", readinessProbe={"exec": {}})), view(box(), con("a")),
     (local(health={"a-0": Health(True, True)}), 10), "Running", ["running ready started x0"]),
    ("not started", pod(c("a", startupProbe={"exec": {}})), view(box(), con("a")),
     (local(health={"a-0": Health(False, True)}), 10), "Running", ["running x0"]),
    ("postStart under way", pod(), view(box(), con("a")), (local(hooks_due=frozenset({"a-0"})), 10), "Pending",
     ["ContainerCreating x0"]),
    ("init runs", pod(init=(c("i"),)), view(box(), con("i")), None, "Pending",
     ["running started x0", "PodInitializing x0"]),
    ("init done", pod(init=(c("i"),)), view(box(), con("i", "exited")), None, "Pending",
     ["Completed 0 ready x0", "PodInitializing x0"]),
    ("init failed, again", pod(init=(c("i"),)), view(box(), con("i", "exited", 1, attempt=1, delay=10)), None,
     "Pending", ["CrashLoopBackOff after Error x1", "PodInitializing x0"]),
    ("init failed for good", pod(init=(c("i"),), policy="Never"), view(box(), con("i", "exited", 1)), None, "Failed",
     ["Error 1 x0", "PodInitializing x0"]),
    ("sidecar beside", pod(init=(c("s", **SIDECAR),)), view(box(), con("s"), con("a")), None, "Running",
     ["running ready started x0", "running ready started x0"]),
    ("sidecar outlives", pod(init=(c("s", **SIDECAR),), policy="Never"), view(box(), con("s"), con("a", "exited")),
     None, "Running", ["running ready started x0", "Completed 0 x0"]),
    ("just ended, to be restarted", pod(), view(box(), con("a", "exited", 1)), None, "Running", ["Error 1 x0"]),
    ("in back-off", pod(), view(box(), con("a", "exited", 1, attempt=3, delay=40)), None, "Running",
     ["CrashLoopBackOff after Error x3"]),
    ("running again", pod(), view(box(), con("a", attempt=1), con("a", "exited", 1)), None, "Running",
     ["running after Error ready started x1"]),
    ("the next attempt is only created", pod(), view(box(), con("a", "created", attempt=1), con("a", "exited", 1)),
     None, "Running", ["Error 1 x0"]),
    ("out of memory", pod(policy="Never"), view(box(), con("a", "exited", 137, oom=True)), None, "Failed",
     ["OOMKilled 137 x0"]),
    ("would not start", pod(policy="Never"), view(box(), con("a", "exited", 127, start=None)), None, "Failed",
     ["StartError 127 x0"]),
    ("all succeeded", pod(c("a"), c("b"), policy="Never"), view(box(), con("a", "exited"), con("b", "exited")), None,
     "Succeeded", ["Completed 0 x0", "Completed 0 x0"]),
    ("one failed", pod(c("a"), c("b"), policy="Never"), view(box(), con("a", "exited", 3), con("b", "exited")), None,
     "Failed", ["Error 3 x0", "Completed 0 x0"]),
    ("OnFailure, all succeeded", pod(policy="OnFailure"), view(box(), con("a", "exited")), None, "Succeeded",
     ["Completed 0 x0"]),
    ("OnFailure, one to be restarted", pod(c("a"), c("b"), policy="OnFailure"),
     view(box(), con("a", "exited", 3), con("b", "exited")), None, "Running", ["Error 3 x0", "Completed 0 x0"]),
    ("being deleted, running", pod(meta=deleting()), view(box(), con("a")), None, "Running",
     ["running ready started x0"]),
    ("being deleted, killed", pod(meta=deleting()), view(box(), con("a", "exited", 137)), None, "Failed",
     ["Error 137 x0"]),
    ("being deleted, ended well", pod(meta=deleting()), view(box(), con("a", "exited")), None, "Succeeded",
     ["Completed 0 x0"]),
    ("past its deadline", pod(activeDeadlineSeconds=5, status={"startTime": "2030-01-01T00:00:00Z"}),
     view(box(), con("a", "exited", 137)), None, "Failed", ["Error 137 x0"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("a_pod", "a_view", "memory", "phase", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PHASES]
)
def test_phase_and_containers(a_pod: Any, a_view: View, memory: Any, phase: str, expected: list[str]) -> None:
    memory, now = memory or (None, 10)
    found = of(a_pod, a_view, memory, now=now)
    shown = [words(x) for x in (*found.get("initContainerStatuses", ()), *found["containerStatuses"])]
    assert (found["phase"], shown) == (phase, expected)


CONDITIONS = [
    ("nothing", pod(), NOTHING, "False", "True", "False ContainersNotReady", "False ContainersNotReady"),
    ("sandbox", pod(), view(box()), "True", "True", "False ContainersNotReady", "False ContainersNotReady"),
    ("running", pod(), view(box(), con("a")), "True", "True", "True", "True"),
    ("init", pod(init=(c("i"),)), view(box(), con("i")), "True", "False ContainersNotInitialized",
     "False ContainersNotReady", "False ContainersNotReady"),
    ("succeeded", pod(policy="Never"), view(box(ready=False), con("a", "exited")), "False", "True PodCompleted",
     "False PodCompleted", "False PodCompleted"),
    ("failed", pod(policy="Never"), view(box(ready=False), con("a", "exited", 1)), "False", "True", "False PodFailed",
     "False PodFailed"),
    ("a gate is missing", pod(readinessGates=[{"conditionType": "x/y"}]), view(box(), con("a")), "True", "True",
     "True", "False ReadinessGatesNotReady"),
    ("a gate is open", pod(readinessGates=[{"conditionType": "x/y"}],
     status={"conditions": [{"type": "x/y", "status": "True"}]}), view(box(), con("a")), "True", "True", "True",
     "True"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("a_pod", "a_view", "start", "initialized", "containers", "ready"),
    [pytest.param(*case[1:], id=case[0]) for case in CONDITIONS],
)
def test_conditions(a_pod: Any, a_view: View, start: str, initialized: str, containers: str, ready: str) -> None:
    found = of(a_pod, a_view)
    kinds = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    assert [condition(found, k) for k in kinds] == [start, initialized, containers, ready]


def test_messages_that_kubectl_users_know() -> None:
    found = of(pod(c("a"), c("b")), view(box(), con("b", "exited", 1, attempt=5, delay=160)))
    ready = next(x for x in found["conditions"] if x["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [a b]"
    waiting = found["containerStatuses"][1]["state"]["waiting"]
    assert waiting["message"] == "back-off 2m40s restarting failed container=b pod=web_default(uid-1)"
    found = of(pod(), view(box()), local(images=PULL), now=2)
    waiting = found["containerStatuses"][0]["state"]["waiting"]
    assert waiting["message"] == 'Back-off pulling image "a:1": ErrImagePull: no such image'


def test_addresses_ids_and_times() -> None:
    found = of(pod(), view(box(), con("a", start=3)))
    assert (found["podIP"], found["podIPs"], found["hostIP"], found["hostIPs"]) == (
        "10.0.0.5", [{"ip": "10.0.0.5"}], "192.0.2.1", [{"ip": "192.0.2.1"}],
    )  # fmt: skip
    one = found["containerStatuses"][0]
    assert (one["containerID"], one["imageID"]) == ("docker://a-0", "docker://sha256:a")
    assert one["state"]["running"]["startedAt"] == "2030-01-01T00:00:03Z"
    assert found["startTime"] == "2030-01-01T00:00:10Z"
    assert of(pod(), view(box(host=True), con("a")))["podIP"] == "192.0.2.1"


def test_a_terminal_phase_never_changes() -> None:
    stored = {"phase": "Failed", "reason": "Evicted", "message": "no room"}
    found = of(pod(status=stored), view(box(), con("a")))
    assert (found["phase"], found["reason"], found["message"]) == ("Failed", "Evicted", "no room")
    found = of(pod(), view(box(), con("a")), before={"phase": "Succeeded"})
    assert found["phase"] == "Succeeded"


def test_transition_times_stay_where_nothing_changed() -> None:
    first = of(pod(), view(box()), now=10)
    second = of(pod(), view(box(), con("a")), before=first, now=20)
    times = {x["type"]: x["lastTransitionTime"][-3:-1] for x in second["conditions"]}
    assert times == {
        "PodReadyToStartContainers": "10", "Initialized": "10", "Ready": "20", "ContainersReady": "20",
        "PodScheduled": "10",
    }  # fmt: skip
    assert status_patch(second, of(pod(), view(box(), con("a")), before=second, now=30)) == {}


def test_conditions_of_others_stay() -> None:
    others = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "x"}, {"type": "x/y", "status": "True"}]
    found = of(pod(status={"conditions": others}), view(box(), con("a")))
    assert [x for x in found["conditions"] if x["type"] in ("PodScheduled", "x/y")] == others
    change = status_patch({"conditions": others}, found)
    assert {x["type"] for x in change["conditions"]} == {
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
    }  # fmt: skip


def test_what_the_engine_forgot_is_carried_over() -> None:
    ended = {"exitCode": 0, "reason": "Completed", "containerID": "docker://i-0"}
    before = {
        "initContainerStatuses": [
            {"name": "i", "state": {"terminated": ended}, "ready": True, "restartCount": 2, "containerID": "docker://i"}
        ],
        "containerStatuses": [
            {"name": "a", "state": {"running": {}}, "ready": True, "restartCount": 4, "containerID": "docker://a-4"}
        ],
    }
    found = of(pod(init=(c("i"),)), view(box(ready=False)), before=before)
    assert words(found["initContainerStatuses"][0]) == "Completed 0 ready x2"
    assert words(found["containerStatuses"][0]) == "PodInitializing after ContainerStatusUnknown x4"
    gone = of(pod(meta=deleting()), NOTHING, before=before)
    assert words(gone["containerStatuses"][0]) == "ContainerStatusUnknown 137 x4"
    assert gone["phase"] == "Failed"


def test_readiness_outlives_a_restart_of_the_kubelet() -> None:
    a_pod = pod(c("a", readinessProbe={"exec": {}}, startupProbe={"exec": {}}))
    same = {"containerStatuses": [{"name": "a", "containerID": "docker://a-0", "ready": True, "started": True}]}
    other = {"containerStatuses": [{"name": "a", "containerID": "docker://b-0", "ready": True, "started": True}]}
    assert words(of(a_pod, view(box(), con("a")), before=same)["containerStatuses"][0]) == "running ready started x0"
    assert words(of(a_pod, view(box(), con("a")), before=other)["containerStatuses"][0]) == "running x0"


def test_termination_messages_are_kept_when_their_file_is_gone() -> None:
    known = {"exitCode": 1, "message": "because", "containerID": "docker://a-0"}
    before = {"containerStatuses": [{"name": "a", "state": {"terminated": known}, "containerID": "docker://a-0"}]}
    found = of(pod(policy="Never"), view(box(), con("a", "exited", 1)), before=before)
    assert found["containerStatuses"][0]["state"]["terminated"]["message"] == "because"
    fresh = of(pod(policy="Never"), view(box(), con("a", "exited", 1)), local(messages={"a-0": "why"}))
    assert fresh["containerStatuses"][0]["state"]["terminated"]["message"] == "why"


def test_rejected() -> None:
    found = of(pod(), NOTHING, local(rejected=("OutOfcpu", "too much")))
    assert (found["phase"], found["reason"], found["message"]) == ("Failed", "OutOfcpu", "too much")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
    ],
)
def test_qos_class(resources: list[dict[str, Any]], expected: str) -> None:
    assert qos_class(pod(*(c(f"c{i}", resources=r) for i, r in enumerate(resources)))) == expected


PATCHES = [
    ({}, {"phase": "Running"}, {"phase": "Running"}),
    ({"phase": "Running"}, {"phase": "Running"}, {}),
    ({"reason": "x"}, {}, {"reason": None}),
    ({"podIPs": [{"ip": "1"}]}, {"podIPs": [{"ip": "2"}]}, {"podIPs": [{"ip": "2"}, {"$patch": "delete", "ip": "1"}]}),
    ({"containerStatuses": [{"name": "a"}]}, {"containerStatuses": [{"name": "a", "lastState": {}, "image": ""}]}, {}),
    ({"nominatedNodeName": "n"}, {"phase": "Pending"}, {"phase": "Pending"}),
    ({"qosClass": "Burstable"}, {"qosClass": "BestEffort"}, {}),
    (
        {"conditions": [{"type": "Ready", "status": "False", "reason": "x", "lastProbeTime": None}]},
        {"conditions": [{"type": "Ready", "status": "True"}]},
        {"conditions": [{"type": "Ready", "status": "True", "reason": None, "lastProbeTime": None}]},
    ),
    (
        {"conditions": [{"type": "PodScheduled", "status": "False"}]},
        {"conditions": [{"type": "PodScheduled", "status": "True"}]},
        {},
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), PATCHES)
def test_status_patch(old: dict[str, Any], new: dict[str, Any], expected: dict[str, Any]) -> None:
    assert status_patch(old, new) == expected


def test_start_of_time_is_what_the_tables_think() -> None:
    assert at(0) == T0
