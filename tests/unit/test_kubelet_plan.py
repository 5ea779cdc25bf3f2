"""Tables for the kubelet's decisions: what is, and the steps that follow from it."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.kubelet import backoff
from minikube_py.kubelet.actions import (
    Action,
    DeletePod,
    EnsureImage,
    MountVolumes,
    PostStart,
    RemoveContainer,
    RemoveSandbox,
    RemoveVolumes,
    RunSandbox,
    StartContainer,
    StopContainer,
    StopSandbox,
)
from minikube_py.kubelet.plan import plan
from minikube_py.kubelet.state import NOTHING, Failure, Health, ImageState, View
from tests.fakes.engine_views import at, box, c, con, deleting, local, pod, view

SIDECAR = {"restartPolicy": "Always"}
FAILED = Failure("ErrImagePull", "no such image", at(0), at(20))


def short(action: Action) -> str:
    """A step in a word or two, for the tables."""
    match action:
        case StartContainer(name=name, attempt=attempt, existing=existing, restart_delay=delay):
            return f"start {name} {attempt} delay {delay:g}" + (" again" if existing else "")
        case StopContainer(id=id, grace=grace):
            return f"stop {id} {grace:g}"
        case EnsureImage(name=name, attempt=attempt):
            return f"image {name} {attempt}"
        case RunSandbox(attempt=attempt):
            return f"sandbox {attempt}"
        case PostStart(id=id):
            return f"hook {id}"
        case RemoveContainer(id=id) | RemoveSandbox(id=id):
            return f"remove {id}"
        case StopSandbox(id=id):
            return f"stop {id}"
        case MountVolumes():
            return "mount"
        case RemoveVolumes():
            return "unmount"
        case DeletePod():
            return "delete"


def steps(a_pod: Any, a_view: View, memory: Any, now: float = 10) -> list[str]:
    return [short(a) for a in plan(a_pod, a_view, memory, at(now)).actions]


STARTING = [
    ("nothing yet", pod(), NOTHING, local(volumes_ready=False), ["image a 0", "mount"]),
    ("volumes there", pod(), NOTHING, local(), ["image a 0", "sandbox 0"]),
    ("volumes and image there", pod(), NOTHING, local(("a", 0)), ["sandbox 0"]),
    ("both images wanted", pod(c("a"), c("b")), NOTHING, local(), ["image a 0", "image b 0", "sandbox 0"]),
    ("the sandbox is being made", pod(), NOTHING, local(("a", 0), busy=frozenset({"sandbox"})), []),
    ("a sandbox, no image", pod(), view(box()), local(), ["image a 0"]),
    ("a sandbox and the image", pod(), view(box()), local(("a", 0)), ["start a 0 delay 0"]),
    ("host network needs no address", pod(), view(box(host=True)), local(("a", 0)), ["start a 0 delay 0"]),
    ("two in parallel", pod(c("a"), c("b")), view(box()), local(("a", 0), ("b", 0)),
     ["start a 0 delay 0", "start b 0 delay 0"]),
    ("one waits for its image", pod(c("a"), c("b")), view(box()), local(("b", 0)),
     ["image a 0", "start b 0 delay 0"]),
    ("being started", pod(), view(box()), local(("a", 0), busy=frozenset({"container/a"})), []),
    ("created by a kubelet that died", pod(), view(box(), con("a", "created")), local(),
     ["start a 0 delay 0 again"]),
    ("running", pod(), view(box(), con("a")), local(), []),
    ("running, after a restart of the kubelet", pod(), view(box(), con("a")), local(volumes_ready=False), ["mount"]),
    ("the status remembers what the engine forgot",
     pod(status={"containerStatuses": [{"name": "a", "restartCount": 3, "containerID": "docker://x"}]}),
     view(box()), local(("a", 4)), ["start a 4 delay 0"]),
    ("an image that could not be pulled", pod(), view(box()),
     local(images={"a": ImageState("a:1", 0, failure=FAILED)}), []),
    ("another image is another matter", pod(c("a", image="b:2")), view(box()),
     local(images={"a": ImageState("a:1", 0, failure=FAILED)}), ["image a 0"]),
    ("a step that failed waits", pod(), NOTHING,
     local(("a", 0), retries={"sandbox": Failure("x", "y", at(9), at(11))}), []),
    ("a step that failed is due", pod(), NOTHING,
     local(("a", 0), retries={"sandbox": Failure("x", "y", at(9), at(10))}), ["sandbox 0"]),
]  # fmt: skip

INIT = [
    ("only the first init container", pod(init=(c("i"), c("j"))), NOTHING, local(), ["image i 0", "sandbox 0"]),
    ("it starts", pod(init=(c("i"), c("j"))), view(box()), local(("i", 0)), ["start i 0 delay 0"]),
    ("it runs", pod(init=(c("i"), c("j"))), view(box(), con("i")), local(), []),
    ("the second", pod(init=(c("i"), c("j"))), view(box(), con("i", "exited")), local(("j", 0)),
     ["start j 0 delay 0"]),
    ("the application", pod(init=(c("i"),)), view(box(), con("i", "exited")), local(("a", 0)), ["start a 0 delay 0"]),
    ("it failed and is tried again", pod(init=(c("i"),)), view(box(), con("i", "exited", 1)), local(("i", 1)),
     ["start i 1 delay 10"]),
    ("it failed twice", pod(init=(c("i"),)), view(box(), con("i", "exited", 1, attempt=1, delay=10)), local(), []),
    ("it failed for good", pod(init=(c("i"),), policy="Never"), view(box(), con("i", "exited", 1)), local(),
     ["stop box0"]),
    ("a cleaned-away init container had succeeded", pod(init=(c("i"), c("j"))), view(box(), con("j", "exited")),
     local(("a", 0)), ["start a 0 delay 0"]),
    ("no init container runs again while the application does", pod(init=(c("i"),)), view(box(), con("a")),
     local(), []),
    ("a sidecar starts in its turn", pod(init=(c("s", **SIDECAR), c("i"))), view(box()), local(("s", 0)),
     ["start s 0 delay 0"]),
    ("then the next", pod(init=(c("s", **SIDECAR), c("i"))), view(box(), con("s")), local(("i", 0)),
     ["start i 0 delay 0"]),
    ("not before its startup probe", pod(init=(c("s", **SIDECAR, startupProbe={"exec": {}}),)), view(box(), con("s")),
     local(("a", 0), health={"s-0": Health(started=False)}), []),
    ("after its startup probe", pod(init=(c("s", **SIDECAR, startupProbe={"exec": {}}),)), view(box(), con("s")),
     local(("a", 0), health={"s-0": Health(started=True)}), ["start a 0 delay 0"]),
    ("a sidecar is restarted, whatever the policy", pod(init=(c("s", **SIDECAR),), policy="Never"),
     view(box(), con("s", "exited"), con("a")), local(("s", 1)), ["start s 1 delay 10"]),
]  # fmt: skip

ENDING = [
    ("always again", pod(), view(box(), con("a", "exited")), local(("a", 1)), ["start a 1 delay 10"]),
    ("the image is looked at again", pod(), view(box(), con("a", "exited")), local(("a", 0)), ["image a 1"]),
    ("not before its delay", pod(), view(box(), con("a", "exited", attempt=1, end=5, delay=10)), local(("a", 2)), []),
    ("after its delay", pod(), view(box(), con("a", "exited", attempt=1, end=0, delay=10)), local(("a", 2)),
     ["start a 2 delay 20"]),
    ("the delay is bounded", pod(), view(box(), con("a", "exited", attempt=9, end=-300, delay=300)), local(("a", 10)),
     ["start a 10 delay 300"]),
    ("ten minutes forgive", pod(), view(box(), con("a", "exited", attempt=5, start=-700, end=0, delay=160)),
     local(("a", 6)), ["start a 6 delay 10"]),
    ("OnFailure: it failed", pod(policy="OnFailure"), view(box(), con("a", "exited", 1)), local(("a", 1)),
     ["start a 1 delay 10"]),
    ("OnFailure: it succeeded", pod(policy="OnFailure"), view(box(), con("a", "exited")), local(), ["stop box0"]),
    ("Never", pod(policy="Never"), view(box(), con("a", "exited", 1)), local(), ["stop box0"]),
    ("Never, the other still runs", pod(c("a"), c("b"), policy="Never"), view(box(), con("a", "exited"), con("b")),
     local(), []),
    ("Never, it was never started", pod(policy="Never"), view(box()), local(("a", 0)), ["start a 0 delay 0"]),
    ("a rule of its own", pod(c("a", restartPolicy="Never", restartPolicyRules=[
        {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}])),
     view(box(), con("a", "exited", 42)), local(("a", 1)), ["start a 1 delay 10"]),
    ("a policy of its own", pod(c("a", restartPolicy="Never"), c("b")), view(box(), con("a", "exited", 1), con("b")),
     local(), []),
    ("sidecars end with the application", pod(init=(c("s", **SIDECAR),), policy="Never"),
     view(box(), con("s"), con("a", "exited")), local(), ["stop s-0 30"]),
    ("two old ones are one too many", pod(), view(box(), con("a", attempt=2), con("a", "exited", attempt=1),
     con("a", "exited")), local(), ["remove a-0"]),
    ("the image was changed", pod(c("a", image="b:2")), view(box(), con("a")), local(), ["stop a-0 30"]),
    ("changed and stopped: at once", pod(c("a", image="b:2"), policy="Never"), view(box(), con("a", "exited", attempt=3,
     delay=300)), local(images={"a": ImageState("b:2", 4, "sha256:b")}), ["start a 4 delay 0"]),
    ("condemned by its probe", pod(), view(box(), con("a")), local(health={"a-0": Health(failed="liveness")}),
     ["stop a-0 30"]),
    ("condemned with a grace of its own", pod(), view(box(), con("a")),
     local(health={"a-0": Health(failed="liveness", grace=3)}), ["stop a-0 3"]),
    ("a hook is due", pod(), view(box(), con("a")), local(hooks_due=frozenset({"a-0"})), ["hook a-0"]),
    ("a hook failed", pod(), view(box(), con("a")),
     local(hooks_due=frozenset({"a-0"}), hooks_failed=frozenset({"a-0"})), ["stop a-0 30"]),
    ("two of one container", pod(), view(box(), con("a"), con("a", attempt=1)), local(), ["stop a-0 30"]),
    ("a container that the spec does not name", pod(), view(box(), con("a"), con("x")), local(), ["stop x-0 30"]),
]  # fmt: skip

SANDBOX = [
    ("it died, the containers too", pod(), view(box(ready=False), con("a", "exited", 137)), local(("a", 1)),
     ["sandbox 1"]),
    ("it died, a container lives", pod(), view(box(ready=False), con("a")), local(), ["stop a-0 30"]),
    ("it lost its network", pod(), view(box(ip=""), con("a")), local(), ["stop a-0 30"]),
    ("it lost its network, nothing runs", pod(), view(box(ip=""), con("a", "exited")), local(), ["stop box0"]),
    ("in the new one all start anew at once", pod(), view(box(1), box(0, ready=False),
     con("a", "exited", 137, attempt=4, delay=80)), local(("a", 5)), ["start a 5 delay 160"]),
    ("init containers run again", pod(init=(c("i"),)), view(box(1), box(0, ready=False), con("i", "exited"),
     con("a", "exited", 137)), local(("i", 1)), ["start i 1 delay 10"]),
    ("Never: it is over", pod(policy="Never"), view(box(ready=False), con("a", "exited", 137)), local(), []),
    ("OnFailure: what succeeded stays", pod(c("a"), c("b"), policy="OnFailure"), view(box(1), box(0, ready=False),
     con("a", "exited"), con("b", "exited", 137)), local(("b", 1)), ["start b 1 delay 10"]),
    ("never started in the dead one", pod(), view(box(ready=False), con("a", "created")), local(("a", 0)),
     ["remove a-0"]),
    ("two live ones", pod(), view(box(1), box(0), con("a", sandbox=1)), local(), ["stop box0"]),
    ("an empty dead one goes", pod(), view(box(2), box(1, ready=False), con("a", sandbox=2)), local(),
     ["remove box1"]),
    ("a dead one with the last attempt stays", pod(), view(box(2), box(1, ready=False), con("a", sandbox=2, attempt=1),
     con("a", "exited", sandbox=1)), local(), []),
]  # fmt: skip

GONE = [
    ("running", pod(meta=deleting()), view(box(), con("a")), local(stop_began=at(0)), ["stop a-0 20"]),
    ("a short grace", pod(meta=deleting(grace=0)), view(box(), con("a")), local(stop_began=at(10)), ["stop a-0 0"]),
    ("late, but not without a word", pod(meta=deleting()), view(box(), con("a")), local(stop_began=at(-60)),
     ["stop a-0 2"]),
    ("all together", pod(c("a"), c("b"), meta=deleting()), view(box(), con("a"), con("b")), local(stop_began=at(10)),
     ["stop a-0 30", "stop b-0 30"]),
    ("sidecars later, the last first", pod(init=(c("r", **SIDECAR), c("s", **SIDECAR)), meta=deleting()),
     view(box(), con("r"), con("s"), con("a", "exited")), local(stop_began=at(10)), ["stop s-0 30"]),
    ("everything stopped", pod(meta=deleting()), view(box(), con("a", "exited")), local(), ["remove box0"]),
    ("a container without its sandbox", pod(meta=deleting()), view(con("a", "exited")), local(), ["remove a-0"]),
    ("the engine is empty", pod(meta=deleting()), NOTHING, local(), ["unmount"]),
    ("the disk too", pod(meta=deleting()), NOTHING, local(volumes_left=False), ["delete"]),
    ("a sandbox is being made", pod(meta=deleting()), NOTHING, local(busy=frozenset({"sandbox"})), []),
    ("a container is being started", pod(meta=deleting()), view(box()), local(busy=frozenset({"container/a"})), []),
    ("an orphan that runs", None, view(box(), con("a")), local(gone=True, stop_began=at(10)), ["stop a-0 30"]),
    ("an orphan that is dead", None, view(box(), con("a", "exited")), local(gone=True), ["remove box0"]),
    ("an orphan's volumes", None, NOTHING, local(gone=True), ["unmount"]),
    ("nothing left of an orphan", None, NOTHING, local(gone=True, volumes_left=False), []),
    ("deleted from the API by force", pod(), view(box(), con("a")), local(gone=True, stop_began=at(10)),
     ["stop a-0 30"]),
    ("terminal: what runs is stopped", pod(status={"phase": "Failed"}), view(box(), con("a")),
     local(stop_began=at(10)), ["stop a-0 30"]),
    ("terminal: the sandbox stops", pod(status={"phase": "Succeeded"}), view(box(), con("a", "exited")), local(),
     ["stop box0"]),
    ("terminal: volumes go, dead containers stay", pod(status={"phase": "Succeeded"}),
     view(box(ready=False), con("a", "exited")), local(), ["unmount"]),
    ("terminal: nothing more", pod(status={"phase": "Succeeded"}), view(box(ready=False), con("a", "exited")),
     local(volumes_left=False), []),
    ("terminal: never started again", pod(status={"phase": "Failed"}), NOTHING, local(volumes_left=False), []),
    ("rejected", pod(), NOTHING, local(rejected=("OutOfcpu", "no")), []),
    ("past its deadline", pod(activeDeadlineSeconds=5, status={"startTime": "2030-01-01T00:00:00Z"}),
     view(box(), con("a")), local(stop_began=at(10)), ["stop a-0 30"]),
    ("within its deadline", pod(activeDeadlineSeconds=50, status={"startTime": "2030-01-01T00:00:00Z"}),
     view(box(), con("a")), local(), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("a_pod", "a_view", "memory", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in (*STARTING, *INIT, *ENDING, *SANDBOX, *GONE)],
)
def test_steps(a_pod: Any, a_view: View, memory: Any, expected: list[str]) -> None:
    assert steps(a_pod, a_view, memory) == expected


def test_backoff_wakes_at_the_exact_moment() -> None:
    found = plan(pod(), view(box(), con("a", "exited", attempt=1, end=5, delay=10)), local(("a", 2)), at(10))
    assert (found.actions, found.wake, found.backing_off) == ([], at(15), ["a"])


def test_a_failed_pull_wakes_when_its_word_changes_and_when_it_is_due() -> None:
    memory = local(images={"a": ImageState("a:1", 0, failure=FAILED)})
    assert plan(pod(), view(box()), memory, at(0.5)).wake == at(1)
    assert plan(pod(), view(box()), memory, at(1)).wake == at(20)
    assert steps(pod(), view(box()), memory, 20) == ["image a 0"]


def test_the_deadline_wakes() -> None:
    a_pod = pod(activeDeadlineSeconds=50, status={"startTime": "2030-01-01T00:00:00Z"})
    assert plan(a_pod, view(box(), con("a")), local(), at(10)).wake == at(50)


def test_delays_of_one_attempt_after_another() -> None:
    spec = c("a")
    delays, last = [], None
    for attempt in range(8):
        delay = backoff.next_delay(spec, last, 300)
        delays.append(delay)
        last = con("a", "exited", 1, attempt=attempt, delay=delay)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]


def test_planning_changes_nothing() -> None:
    a_pod, a_view, memory = pod(), view(box()), local(("a", 0))
    before = repr((a_pod, a_view, memory))
    plan(a_pod, a_view, memory, at(0))
    assert repr((a_pod, a_view, memory)) == before
