"""Carries out the steps of a plan, one method per kind of step; what goes wrong is raised as `StepFailed`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from minikube_py.api import errors
from minikube_py.api.resources import PODS
from minikube_py.client.events import EventRecorder
from minikube_py.client.rest import Client
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.kubelet import dns, oom, podspec, resize
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
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.env import Objects, environment, service_variables
from minikube_py.kubelet.expand import Facts
from minikube_py.kubelet.handlers import Handlers, Target
from minikube_py.kubelet.images import ImagePuller
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.reporter import StatusReporter
from minikube_py.kubelet.resize import Allocation
from minikube_py.kubelet.runtime.base import (
    CreateContainerError,
    EngineUnavailable,
    RunContainerError,
    Runtime,
    RuntimeFault,
    SandboxFailed,
)
from minikube_py.kubelet.security import ConfigError, refused, verify_non_root
from minikube_py.kubelet.spec import container_config, sandbox_config
from minikube_py.kubelet.state import NOTHING, Local, View, current_sandbox
from minikube_py.kubelet.volumes.base import MountFailed
from minikube_py.kubelet.volumes.manager import VolumeManager

log = logs.get("kubelet")

HOOK_MARK = "post-start-done"
LEFT_AFTER_HOOK = 2.0
"""Seconds that SIGTERM gets even when a preStop hook has used up the grace period, as in Kubernetes."""


class StepFailed(Exception):
    """A step did not work; `delay` is the first wait before it is tried again, doubling up to `longest`."""

    def __init__(self, reason: str, message: str, *, delay: float = 1.0, longest: float = 60.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.delay = delay
        self.longest = longest


@dataclass(slots=True)
class Entry:
    """A Pod in this kubelet's care. `pod` None: only the engine or the disk still has something of it."""

    uid: str
    pod: Object | None = None
    local: Local = field(default_factory=Local)
    view: View = NOTHING
    admitted: bool = False
    hooks_done: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    """Events that must be heard once only."""
    asked: Object | None = None
    """The Pod as the API server has it; `pod` has the resources that it was granted."""
    allocation: Allocation | None = None
    """What it was granted; None until it was looked at."""
    resizing: bool = False
    """Whether more or less was granted and not everything runs with it."""
    stopped_for_resize: dict[str, str] = field(default_factory=dict)
    """Ids of the containers that were stopped to start anew with other resources, by name."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """What steps need to know of the node."""

    name: str
    ip: str
    allocatable: dict[str, str]
    memory: int
    """The machine's, in bytes."""


class Steps:
    """Each method may be cancelled at any await; running it again after that goes on from what the engine shows."""

    def __init__(
        self,
        config: KubeletConfig,
        runtime: Runtime,
        client: Client,
        *,
        clock: Clock,
        recorder: EventRecorder,
        handlers: Handlers,
        images: ImagePuller,
        volumes: VolumeManager,
        objects: Objects,
        reporter: StatusReporter,
        services: Callable[[], Awaitable[Iterable[Object]]],
        node: Callable[[], NodeView],
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._handlers = handlers
        self._images = images
        self._volumes = volumes
        self._objects = objects
        self._reporter = reporter
        self._services = services
        self._node = node

    async def take(self, entry: Entry, action: Action) -> None:
        """Do one step. Raises StepFailed, EngineUnavailable, StatusError."""
        match action:
            case MountVolumes():
                await self._mount_volumes(entry)
            case RunSandbox():
                await self._run_sandbox(entry, action)
            case EnsureImage():
                await self._ensure_image(entry, action)
            case StartContainer():
                await self._start_container(entry, action)
            case PostStart():
                await self._post_start(entry, action)
            case StopContainer():
                await self._stop_container(entry, action)
            case ResizeContainer():
                await self._resize_container(entry, action)
            case RemoveContainer():
                await self._remove_container(entry, action)
            case StopSandbox():
                await self._runtime.stop_sandbox(action.id)
            case RemoveSandbox():
                await self._runtime.remove_sandbox(action.id)
            case RemoveVolumes():
                await self._remove_volumes(entry)
            case DeletePod():
                await self._delete_pod(entry)

    def facts(self, entry: Entry) -> Facts:
        """What field references may ask about this Pod now."""
        node = self._node()
        return Facts(node.name, node.ip, self.pod_ip(entry.view), node.allocatable)

    def pod_ip(self, view: View) -> str:
        sandbox = current_sandbox(view)
        if sandbox is None:
            return ""
        return self._node().ip if sandbox.host_network else sandbox.ip

    def event(self, entry: Entry, kind: str, reason: str, message: str, container: str = "") -> None:
        """An event about the Pod (or one of its containers); nothing for Pods that are known by their remains only."""
        if entry.pod is not None:
            where = podspec.field_path(entry.pod, container) if container else ""
            level = "Warning" if kind == "Warning" else "Normal"
            self._recorder.event(entry.pod, level, reason, message, field_path=where)  # type: ignore[arg-type]

    async def _mount_volumes(self, entry: Entry) -> None:
        pod = _pod(entry)
        try:
            await self._volumes.mount(pod, self.facts(entry))
        except (MountFailed, OSError) as e:
            self.event(entry, "Warning", "FailedMount", str(e))
            raise StepFailed("ContainerCreating", str(e), delay=0.5, longest=122.0) from e
        entry.local.volumes_ready = True
        entry.local.volumes_left = True

    async def _remove_volumes(self, entry: Entry) -> None:
        try:
            await self._volumes.remove(entry.uid)
        except OSError as e:
            raise StepFailed("FailedUnmount", str(e)) from e
        entry.local.volumes_left = False
        entry.local.volumes_ready = False

    async def _run_sandbox(self, entry: Entry, action: RunSandbox) -> None:
        pod = _pod(entry)
        if action.replaces:
            self.event(entry, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        host = _host_resolver(self._config.resolv_conf)
        resolver, warning = dns.resolver(pod, self._config.cluster_dns, self._config.cluster_domain, host)
        if warning and "MissingClusterDNS" not in entry.said:
            entry.said.add("MissingClusterDNS")
            self.event(entry, "Warning", "MissingClusterDNS", f'pod: "{podspec.full_name(pod)}". {warning}')
        try:
            await self._runtime.run_sandbox(sandbox_config(pod, action.attempt, self._config, resolver))
        except (SandboxFailed, ValueError) as e:
            self.event(entry, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {e}")
            raise StepFailed(SandboxFailed.reason, str(e), delay=1.0, longest=30.0) from e

    async def _ensure_image(self, entry: Entry, action: EnsureImage) -> None:
        pod = _pod(entry)
        spec = podspec.container(pod, action.name)
        if spec is not None:
            entry.local.images[action.name] = await self._images.ensure(pod, spec, action.attempt)

    async def _start_container(self, entry: Entry, action: StartContainer) -> None:
        pod, name = _pod(entry), action.name
        spec = podspec.container(pod, name)
        assert spec is not None
        container_id = action.existing
        if not container_id:
            container_id = await self._create(entry, pod, spec, action)
            self.event(entry, "Normal", "Created", f"Created container: {name}", name)
        try:
            await self._runtime.start_container(container_id)
        except RunContainerError as e:
            self.event(entry, "Warning", "Failed", f"Error: {e}", name)
            # The engine shows how it ended, and with that the back-off: nothing else holds the next attempt.
            raise StepFailed(RunContainerError.reason, str(e), delay=0.0) from e
        self.event(entry, "Normal", "Started", f"Started container {name}", name)

    async def _create(self, entry: Entry, pod: Object, spec: Object, action: StartContainer) -> str:
        name = action.name
        try:
            image = entry.local.images.get(name)
            verify_non_root(pod, spec, image.user if image is not None else "")
            if wanted := refused(spec):
                raise ConfigError("this node does not support " + ", ".join(wanted))
            target = self._target(entry, spec)
            links = pod["spec"].get("enableServiceLinks") is not False
            services = service_variables(await self._services(), pod["metadata"]["namespace"], links)
            env = await environment(pod, spec, self._objects, self.facts(entry), services)
            self._volumes.write_hosts(pod, self.pod_ip(entry.view), self._config.cluster_domain)
            self._volumes.prepare_message(pod, name, action.attempt)
            mounts = self._volumes.mounts(pod, spec, action.attempt, dict(env))
            score = oom.attainable(oom.oom_score_adj(pod, spec, self._node().memory))
            config = container_config(
                pod, spec, action.attempt, spec["image"], env, mounts, action.restart_delay, score, target
            )
        except (ConfigError, MountFailed, OSError, ValueError) as e:
            self.event(entry, "Warning", "Failed", f"Error: {e}", name)
            raise StepFailed("CreateContainerConfigError", str(e), delay=2.0, longest=30.0) from e
        try:
            return await self._runtime.create_container(action.sandbox_id, config)
        except CreateContainerError as e:
            self.event(entry, "Warning", "Failed", f"Error: {e}", name)
            raise StepFailed(
                CreateContainerError.reason, str(e), delay=10.0, longest=self._config.container_backoff_max
            ) from e
        except EngineUnavailable:
            raise
        except RuntimeFault as e:
            # Its sandbox or image went away in between: look again from the beginning.
            entry.local.images.pop(name, None)
            raise StepFailed(CreateContainerError.reason, str(e), delay=0.5, longest=30.0) from e

    @staticmethod
    def _target(entry: Entry, spec: Object) -> str:
        """The id of the container that an ephemeral one looks into. Raises ConfigError while that does not run."""
        name = spec.get("targetContainerName")
        if not name:
            return ""
        one = entry.view.latest(name)
        if one is None or one.state != "running":
            raise ConfigError(f"unable to find target container {name}")
        return one.id

    async def _post_start(self, entry: Entry, action: PostStart) -> None:
        pod = _pod(entry)
        spec = podspec.container(pod, action.name)
        assert spec is not None
        hook = (spec.get("lifecycle") or {}).get("postStart") or {}
        target = Target(spec, action.id, self.pod_ip(entry.view))
        try:
            worked, said = await self._handlers.run(hook, target, None)
        except EngineUnavailable:
            raise
        except RuntimeFault as e:
            worked, said = False, str(e)
        if not worked:
            self.event(entry, "Warning", "FailedPostStartHook", f"PostStartHook failed: {said}", action.name)
            entry.local.hooks_failed |= {action.id}
            return
        self._volumes.mark(entry.uid, action.name, f"{action.id}.{HOOK_MARK}")
        entry.hooks_done.add(action.id)

    def hook_done(self, entry: Entry, name: str, container_id: str) -> bool:
        """Whether the postStart hook of this container has been completed, by this process or one before it."""
        if container_id in entry.hooks_done:
            return True
        done = self._volumes.marked(entry.uid, name, f"{container_id}.{HOOK_MARK}")
        if done:
            entry.hooks_done.add(container_id)
        return done

    async def _stop_container(self, entry: Entry, action: StopContainer) -> None:
        began = self._clock.monotonic()
        if f"Killing {action.id}" not in entry.said:
            entry.said.add(f"Killing {action.id}")
            self.event(entry, "Normal", "Killing", action.message or f"Stopping container {action.name}", action.name)
        left = action.grace
        if action.hook and action.grace > 0 and await self._pre_stop(entry, action):
            used = self._clock.monotonic() - began
            left = max(action.grace - used, min(LEFT_AFTER_HOOK, action.grace))
        await self._runtime.stop_container(action.id, left)

    async def _pre_stop(self, entry: Entry, action: StopContainer) -> bool:
        """Run the hook within the grace period; whether there is one."""
        spec = podspec.container(entry.pod, action.name) if entry.pod is not None else None
        hook = ((spec or {}).get("lifecycle") or {}).get("preStop")
        if spec is None or not hook:
            return False
        target = Target(spec, action.id, self.pod_ip(entry.view))
        try:
            worked, said = await self._clock.wait_for(self._handlers.run(hook, target, action.grace), action.grace)
        except TimeoutError:
            worked, said = False, f"preStop hook did not complete within {action.grace:g} seconds"
        except EngineUnavailable:
            raise
        except RuntimeFault as e:
            worked, said = False, str(e)
        if not worked:
            self.event(entry, "Warning", "FailedPreStopHook", f"PreStopHook failed: {said}", action.name)
        return True

    async def _resize_container(self, entry: Entry, action: ResizeContainer) -> None:
        spec = podspec.container(_pod(entry), action.name)
        one = next((c for c in entry.view.all() if c.id == action.id), None)
        if spec is None or one is None or one.resources is None:
            return
        goal, limit = resize.target(spec), one.resources.memory_bytes
        if goal.memory_bytes and (not limit or goal.memory_bytes < limit):
            used = (await self._runtime.container_stats([one.id])).get(one.id)
            if used is not None and used.memory > goal.memory_bytes:
                # The kernel would kill the container for it.
                why = f"cannot decrease memory limit of {action.name} to {goal.memory_bytes}: it uses {used.memory}"
                raise StepFailed("ResizeError", why, delay=5.0, longest=60.0)
        await self._runtime.update_container(one.id, goal)
        now = await self._runtime.inspect_container(one.id)
        if now.state == "running" and not resize.reached(goal, now.resources):
            raise StepFailed("ResizeError", f"the engine did not resize container {action.name}", delay=5.0)

    async def _remove_container(self, entry: Entry, action: RemoveContainer) -> None:
        await self._runtime.remove_container(action.id)
        one = next((c for c in entry.view.all() if c.id == action.id), None)
        if one is not None:
            self._volumes.forget_container(entry.uid, one.name, one.attempt, f"{one.id}.{HOOK_MARK}")

    async def _delete_pod(self, entry: Entry) -> None:
        pod = _pod(entry)
        meta = pod["metadata"]
        await self._reporter.flush(entry.uid)
        try:
            await self._client.delete(PODS, meta["name"], meta["namespace"], grace_period_seconds=0, uid=entry.uid)
        except (errors.NotFound, errors.Conflict) as e:
            log.debug("the pod was gone already", pod=podspec.full_name(pod), error=e)


def _host_resolver(path: str) -> dns.Resolver:
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            return dns.parse_resolv_conf(text.read())
    except OSError as e:
        log.debug("no resolver configuration of the host", path=path, error=e)
        return dns.Resolver()


def _pod(entry: Entry) -> Object:
    assert entry.pod is not None, "only takedown steps are planned for a Pod that is not known"
    return entry.pod
