"""The kubelet's decisions, pure: from a Pod, the engine's view of it and local memory to the next steps.

Every pass plans from what is. A step appears when its conditions hold and disappears when its effect shows, so a
kubelet that was killed at any point goes on with the same steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from minikube_py.kubelet import backoff, podspec, resize
from minikube_py.kubelet.actions import (
    Action,
    DeletePod,
    EnsureImage,
    MountVolumes,
    PostStart,
    RemoveContainer,
    RemoveSandbox,
    RemoveVolumes,
    ResizeContainer,
    RunSandbox,
    StartContainer,
    StopContainer,
    StopSandbox,
)
from minikube_py.kubelet.ends import deadline, done, ended, past_deadline
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Container, Sandbox
from minikube_py.kubelet.state import Local, View, current_sandbox

CONTAINER_BACKOFF_MAX = 300.0


@dataclass(slots=True)
class Plan:
    """Steps that may all be taken now, side by side; `wake` is when to look again though nothing happened."""

    actions: list[Action] = field(default_factory=list)
    wake: datetime | None = None
    backing_off: list[str] = field(default_factory=list)
    """Names of containers that wait for their restart."""

    def wake_at(self, moment: datetime) -> None:
        if self.wake is None or moment < self.wake:
            self.wake = moment


def plan(
    pod: Object | None, view: View, local: Local, now: datetime, *, backoff_max: float = CONTAINER_BACKOFF_MAX
) -> Plan:
    """The next steps. `pod` None is a Pod that only the engine remembers (an orphan): it is taken down."""
    out = Plan()
    if pod is None or local.gone or podspec.is_deleting(pod):
        _tear_down(out, pod, view, local, now, remove=True)
    elif local.rejected or podspec.is_terminal(pod) or past_deadline(pod, now):
        _tear_down(out, pod, view, local, now, remove=False)
    elif current_sandbox(view) is None:
        _without_sandbox(out, pod, view, local, now)
        _wake_at_deadline(out, pod)
    else:
        _with_sandbox(out, pod, view, local, now, backoff_max)
        _wake_at_deadline(out, pod)
    return _not_too_early(out, local, now)


def _wake_at_deadline(out: Plan, pod: Object) -> None:
    due = deadline(pod)
    if due is not None:
        out.wake_at(due)


def _not_too_early(out: Plan, local: Local, now: datetime) -> Plan:
    kept = []
    for action in out.actions:
        failed = local.retries.get(action.key)
        if failed is not None and failed.retry_at > now:
            out.wake_at(failed.retry_at)
        else:
            kept.append(action)
    out.actions = kept
    return out


# --- taking down ------------------------------------------------------------------------------------------------


def _tear_down(out: Plan, pod: Object | None, view: View, local: Local, now: datetime, *, remove: bool) -> None:
    """Stop everything; with `remove`, leave nothing behind and have the API server forget the Pod."""
    if any(key.startswith(("container/", "sandbox", "volumes")) for key in local.busy):
        # Something is being made: its result must be seen before anything is called gone.
        _stop_running(out, pod, view, local, now)
        return
    if _stop_running(out, pod, view, local, now):
        return
    if not remove:
        for one in view.all():
            if one.state == "created":
                out.actions.append(RemoveContainer(one.id))
        out.actions += [StopSandbox(s.id) for s in view.sandboxes if s.ready]
        _collect_garbage(out, view, local, current=None)
        acknowledged = pod is not None and podspec.is_terminal(pod)
        # Termination messages lie below the Pod's directory: it goes once the API server has the final status.
        if acknowledged and local.volumes_left and not any(s.ready for s in view.sandboxes):
            out.actions.append(RemoveVolumes())
        return
    if not view.empty:
        boxes = {s.id for s in view.sandboxes}
        out.actions += [RemoveSandbox(s.id) for s in view.sandboxes]
        # Containers joined to a sandbox go with it.
        out.actions += [RemoveContainer(c.id) for c in view.all() if c.sandbox_id not in boxes]
    elif local.volumes_left:
        out.actions.append(RemoveVolumes())
    elif pod is not None and not local.gone:
        out.actions.append(DeletePod())


def _stop_running(out: Plan, pod: Object | None, view: View, local: Local, now: datetime) -> bool:
    """Stop what runs, sidecars last and in reverse order; whether anything still runs."""
    running = [c for c in view.all() if c.state == "running"]
    if not running:
        return False
    began = local.stop_began or now
    if pod is not None:
        grace = podspec.grace_period(pod)
    else:
        grace = max(_grace_label(c) for c in running)
    end = began + timedelta(seconds=grace)
    order = [s["name"] for s in podspec.init_containers(pod) if podspec.is_sidecar(s)] if pod is not None else []
    main = [c for c in running if c.name not in order]
    if main:
        chosen = main
    else:
        last = max(order.index(c.name) for c in running)
        chosen = [c for c in running if c.name == order[last]]
    for one in chosen:
        left = max(0.0, (end - now).total_seconds())
        # A sidecar whose turn comes late still gets a moment, unless the whole grace period was shorter.
        left = max(left, min(2.0, grace))
        out.actions.append(
            StopContainer(one.name, one.id, left, now + timedelta(seconds=left), f"Stopping container {one.name}")
        )
    return True


def _grace_label(one: Container) -> float:
    try:
        return float(one.annotations.get(podspec.GRACE, "") or podspec.DEFAULT_GRACE)
    except ValueError:
        return float(podspec.DEFAULT_GRACE)


# --- starting ---------------------------------------------------------------------------------------------------


def _without_sandbox(out: Plan, pod: Object, view: View, local: Local, now: datetime) -> None:
    running = [c for c in view.all() if c.state == "running"]
    for one in running:
        out.actions.append(_kill(pod, one, now, "Pod sandbox changed, it will be killed and re-created."))
    if running or "sandbox" in local.busy:
        return
    broken = [s for s in view.sandboxes if s.ready]
    if broken:
        out.actions += [StopSandbox(s.id) for s in broken]
        return
    if any(key.startswith("container/") for key in local.busy):
        return
    never_started = [c for c in view.all() if c.state == "created"]
    if never_started:
        # They belong to a sandbox that is no more; gone, their attempt number is free again.
        out.actions += [RemoveContainer(c.id) for c in never_started]
        return
    if ended(pod, view):
        _tear_down(out, pod, view, local, now, remove=False)
        return
    for spec in _first_to_start(pod):
        _image_for(out, spec, _next_attempt(pod, spec, view), local, now)
    if not local.volumes_ready:
        out.actions.append(MountVolumes())
        return
    attempt = view.sandboxes[0].attempt + 1 if view.sandboxes else 0
    out.actions.append(RunSandbox(attempt, replaces=bool(view.sandboxes)))


def _first_to_start(pod: Object) -> Sequence[Object]:
    """The containers whose images are wanted first, while the sandbox is being made."""
    return podspec.init_containers(pod)[:1] or podspec.containers(pod)


def _with_sandbox(out: Plan, pod: Object, view: View, local: Local, now: datetime, backoff_max: float) -> None:
    sandbox = current_sandbox(view)
    assert sandbox is not None
    if ended(pod, view):
        _tear_down(out, pod, view, local, now, remove=False)
        return
    strays = _strays(pod, view, sandbox)
    for one in strays:
        out.actions.append(_kill(pod, one, now, "Pod sandbox changed, it will be killed and re-created."))
    out.actions += [StopSandbox(s.id) for s in view.sandboxes if s.ready and s.id != sandbox.id and not strays]
    if not local.volumes_ready:
        # After a restart of the kubelet: mounting again finds what is there and changes nothing.
        out.actions.append(MountVolumes())
    chooser = _Chooser(out, pod, view, local, now, sandbox, backoff_max)
    if chooser.initialize():
        for spec in podspec.containers(pod):
            chooser.keep_running(spec)
    for spec in podspec.ephemeral_containers(pod):
        if view.latest(spec["name"]) is not None or not _has_run(pod, spec["name"]):
            chooser.keep_running(spec)
    _collect_garbage(out, view, local, current=sandbox)


def _strays(pod: Object, view: View, sandbox: Sandbox) -> list[Container]:
    """Running containers of another sandbox, doubles, and ones that the spec does not name."""
    known = {c["name"] for c in podspec.every_container(pod)}
    found = []
    for name, group in view.containers.items():
        running = [c for c in group if c.state == "running"]
        keep = next((c for c in running if c.sandbox_id == sandbox.id), None) if name in known else None
        found += [c for c in running if c is not keep]
    return found


@dataclass(slots=True)
class _Chooser:
    """Decides container by container within a usable sandbox."""

    out: Plan
    pod: Object
    view: View
    local: Local
    now: datetime
    sandbox: Sandbox
    backoff_max: float

    def in_sandbox(self, name: str) -> Container | None:
        return next((c for c in self.view.containers.get(name, ()) if c.sandbox_id == self.sandbox.id), None)

    def initialize(self) -> bool:
        """Bring the init containers forward, one after another; True when the application may run."""
        specs = podspec.init_containers(self.pod)
        begun = any(self.in_sandbox(c["name"]) for c in podspec.containers(self.pod))
        reached = max((i for i, s in enumerate(specs) if self.in_sandbox(s["name"])), default=-1)
        blocked = False
        for index, spec in enumerate(specs):
            mine = self.in_sandbox(spec["name"])
            if podspec.is_sidecar(spec):
                if blocked and mine is None:
                    break
                self.keep_running(spec, init=True)
                if not begun and not blocked and not self._sidecar_started(spec, mine):
                    blocked = True
            elif begun or blocked:
                continue
            elif mine is None:
                if index < reached:
                    continue  # Its dead container was cleaned away; a later one shows that it had succeeded.
                self.keep_running(spec, init=True)
                blocked = True
            elif mine.state != "exited" or mine.exit_code != 0:
                self.keep_running(spec, init=True)
                blocked = True
        return begun or not blocked

    def _sidecar_started(self, spec: Object, mine: Container | None) -> bool:
        if mine is None or mine.state != "running" or mine.id in self.local.hooks_due:
            return False
        health = self.local.health.get(mine.id)
        return not spec.get("startupProbe") or (health is not None and health.started is True)

    def keep_running(self, spec: Object, *, init: bool = False) -> None:
        """At most one step that brings this container nearer to running (or to its end)."""
        name = spec["name"]
        mine = self.in_sandbox(name)
        if f"container/{name}" in self.local.busy:
            return
        if mine is not None and f"stop/{mine.id}" in self.local.busy:
            return
        if mine is not None and mine.state == "running":
            self._tend(spec, mine)
            return
        last = self.view.latest(name)
        if mine is not None and mine.state == "created":
            self._start(spec, last, mine.attempt, existing=mine.id)
            return
        if mine is not None and mine.state == "exited":
            changed = mine.annotations.get(podspec.HASH, podspec.spec_hash(spec)) != podspec.spec_hash(spec)
            if not changed and not podspec.restarts_after(self.pod, spec, mine.exit_code, init=init):
                return
        elif mine is None and last is not None and last.state == "exited" and not init and done(self.pod, spec, last):
            return  # It ended for good in an earlier sandbox.
        if last is not None and last.state == "exited":
            due = backoff.restart_at(spec, last)
            if due is not None and due > self.now and last.sandbox_id == self.sandbox.id:
                self.out.wake_at(due)
                if last.finished_at is not None and self.now < last.finished_at + FRESH < due:
                    self.out.wake_at(last.finished_at + FRESH)  # What is shown changes then.
                self.out.backing_off.append(name)
                return
        self._start(spec, last, _next_attempt(self.pod, spec, self.view))

    def _tend(self, spec: Object, mine: Container) -> None:
        name = spec["name"]
        if mine.annotations.get(podspec.HASH, podspec.spec_hash(spec)) != podspec.spec_hash(spec):
            message = f"Container {name} definition changed, will be restarted"
            self.out.actions.append(_kill(self.pod, mine, self.now, message))
            return
        health = self.local.health.get(mine.id)
        if health is not None and health.failed:
            message = f"Container {name} failed {health.failed} probe, will be restarted"
            self.out.actions.append(_kill(self.pod, mine, self.now, message, health.grace))
        elif mine.id in self.local.hooks_failed:
            self.out.actions.append(_kill(self.pod, mine, self.now, "FailedPostStartHook"))
        elif mine.id in self.local.hooks_due:
            self.out.actions.append(PostStart(name, mine.id))
        elif (step := resize.how(spec, mine)) == "restart":
            message = f"Container {name} resize requires restart"
            self.out.actions.append(replace(_kill(self.pod, mine, self.now, message), resizes=True))
        elif step == "update":
            self.out.actions.append(ResizeContainer(name, mine.id))

    def _start(self, spec: Object, last: Container | None, attempt: int, existing: str = "") -> None:
        if not self.local.volumes_ready:
            return
        image_id = _image_for(self.out, spec, attempt, self.local, self.now) if not existing else "present"
        if image_id:
            before = None if existing else last
            delay = backoff.next_delay(spec, before, self.backoff_max)
            self.out.actions.append(
                StartContainer(spec["name"], attempt, self.sandbox.id, image_id, delay, existing=existing)
            )


def _image_for(out: Plan, spec: Object, attempt: int, local: Local, now: datetime) -> str:
    """The id of the image for this attempt, or "" with the step that gets it planned."""
    state = local.images.get(spec["name"])
    if state is not None and state.image == spec.get("image", ""):
        if state.image_id and state.attempt == attempt:
            return state.image_id
        if state.failure is not None and state.failure.retry_at > now:
            if state.failure.at + FRESH > now:
                out.wake_at(state.failure.at + FRESH)  # The reason shown changes to ImagePullBackOff then.
            out.wake_at(state.failure.retry_at)
            return ""
    out.actions.append(EnsureImage(spec["name"], attempt))
    return ""


FRESH = timedelta(seconds=1)
"""For so long a failed pull shows its own reason before it shows ImagePullBackOff."""


def _next_attempt(pod: Object, spec: Object, view: View) -> int:
    """One more than the newest attempt in the engine; without any, what the API server's status counts on from."""
    last = view.latest(spec["name"])
    if last is not None:
        return last.attempt if last.state == "created" else last.attempt + 1
    status = pod.get("status") or {}
    for known in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if known.get("name") == spec["name"] and known.get("containerID"):
            return int(known.get("restartCount") or 0) + 1
    return 0


def _has_run(pod: Object, name: str) -> bool:
    """Whether the API server's status knows of a container of this ephemeral name: there is never a second one."""
    known = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    return any(one.get("name") == name and one.get("containerID") for one in known)


def _kill(pod: Object, one: Container, now: datetime, message: str, grace: float | None = None) -> StopContainer:
    given = pod["spec"].get("terminationGracePeriodSeconds")
    seconds = float(podspec.DEFAULT_GRACE if given is None else given) if grace is None else grace
    return StopContainer(one.name, one.id, seconds, now + timedelta(seconds=seconds), message)


def _collect_garbage(out: Plan, view: View, local: Local, current: Sandbox | None) -> None:
    """Keep, per container, the newest and one before it (for `logs --previous`); drop sandboxes nothing joins."""
    kept_boxes = {current.id} if current is not None else set()
    for group in view.containers.values():
        for place, one in enumerate(group):
            if place >= 2 and one.state == "exited":
                out.actions.append(RemoveContainer(one.id))
            else:
                kept_boxes.add(one.sandbox_id)
    if "sandbox" in local.busy:
        return
    newest = view.sandboxes[0].id if view.sandboxes else ""
    for box in view.sandboxes:
        if not box.ready and box.id not in kept_boxes and box.id != newest:
            out.actions.append(RemoveSandbox(box.id))
