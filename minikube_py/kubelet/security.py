"""From securityContext and resources to what the runtime can set, pure; what it cannot set is named, never dropped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from minikube_py.api import quantity
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Resources, Security

CPU_PERIOD = 100_000


class ConfigError(Exception):
    """The container cannot be made from what is known now; the message is what its waiting state shows."""


def security(pod: Object, spec: Object) -> Security:
    """The container's securityContext over the Pod's."""
    of_pod = pod["spec"].get("securityContext") or {}
    mine = spec.get("securityContext") or {}
    groups = list(of_pod.get("supplementalGroups") or ())
    if of_pod.get("fsGroup") is not None and of_pod["fsGroup"] not in groups:
        groups.append(of_pod["fsGroup"])
    capabilities = mine.get("capabilities") or {}
    return Security(
        run_as_user=_first(mine, of_pod, "runAsUser"),
        run_as_group=_first(mine, of_pod, "runAsGroup"),
        supplemental_groups=tuple(groups),
        privileged=bool(mine.get("privileged")),
        read_only_root_filesystem=bool(mine.get("readOnlyRootFilesystem")),
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        no_new_privileges=mine.get("allowPrivilegeEscalation") is False,
    )


def verify_non_root(pod: Object, spec: Object, image_user: str) -> None:
    """Raises ConfigError where runAsNonRoot is asked and the user is, or cannot be shown not to be, root."""
    of_pod = pod["spec"].get("securityContext") or {}
    mine = spec.get("securityContext") or {}
    if not _first(mine, of_pod, "runAsNonRoot"):
        return
    where = f'(pod: "{podspec.full_name(pod)}", container: {spec["name"]})'
    user = _first(mine, of_pod, "runAsUser")
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if name in ("", "0"):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if not name.isdigit():
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({name}), "
            f"cannot verify user is non-root {where}"
        )


def resources(spec: Object, oom_score_adj: int = 0) -> Resources:
    """Requests and limits in cgroup values, converted as Kubernetes does (1,024 shares and 100 ms of quota a cpu)."""
    asked = spec.get("resources") or {}
    limits: Mapping[str, Any] = asked.get("limits") or {}
    requests: Mapping[str, Any] = asked.get("requests") or {}
    cpu_limit = quantity.parse(limits["cpu"]).milli_value() if "cpu" in limits else 0
    # Without a request the limit is the request; with neither the container gets the smallest share.
    cpu_request = quantity.parse(requests["cpu"]).milli_value() if "cpu" in requests else cpu_limit
    memory = quantity.parse(limits["memory"]).value() if "memory" in limits else 0
    return Resources(
        cpu_shares=max(2, min(262_144, cpu_request * 1024 // 1000)),
        cpu_quota=max(1000, cpu_limit * CPU_PERIOD // 1000) if cpu_limit else 0,
        cpu_period=CPU_PERIOD if cpu_limit else 0,
        memory_bytes=memory,
        oom_score_adj=oom_score_adj,
    )


def _first(mine: Mapping[str, Any], of_pod: Mapping[str, Any], name: str) -> Any:
    value = mine.get(name)
    return of_pod.get(name) if value is None else value


def unsupported(pod: Object) -> list[str]:
    """The paths of everything the Pod asks for that this node cannot do, each with its value where that matters."""
    return list(_unsupported(pod))


def _unsupported(pod: Object) -> Iterator[str]:
    spec = pod["spec"]
    for name in ("runtimeClassName", "overhead", "resourceClaims", "resources"):
        if spec.get(name):
            yield f"spec.{name}"
    if spec.get("hostUsers") is False:
        yield "spec.hostUsers=false"
    if (spec.get("os") or {}).get("name") == "windows":
        yield "spec.os.name=windows"
    context = spec.get("securityContext") or {}
    for name in ("seLinuxOptions", "windowsOptions", "seLinuxChangePolicy"):
        if context.get(name):
            yield f"spec.securityContext.{name}"
    if context.get("supplementalGroupsPolicy") == "Strict":
        yield "spec.securityContext.supplementalGroupsPolicy=Strict"
    if context.get("fsGroupChangePolicy") == "OnRootMismatch" and context.get("fsGroup") is None:
        yield "spec.securityContext.fsGroupChangePolicy without fsGroup"
    yield from _profiles(context, "spec.securityContext")
    for kind in ("initContainers", "containers"):
        for index, one in enumerate(spec.get(kind) or ()):
            yield from _container(one, f"spec.{kind}[{index}]")


def refused(spec: Object) -> list[str]:
    """What one container asks for that this node cannot do: for those added to a Pod that was admitted before."""
    return list(_container(spec, spec["name"]))


def _container(one: Object, at: str) -> Iterator[str]:
    context = one.get("securityContext") or {}
    for name in ("seLinuxOptions", "windowsOptions"):
        if context.get(name):
            yield f"{at}.securityContext.{name}"
    if context.get("procMount") not in (None, "Default"):
        yield f"{at}.securityContext.procMount={context['procMount']}"
    if not context.get("privileged"):
        yield from _profiles(context, f"{at}.securityContext")
    for name in ("volumeDevices",):
        if one.get(name):
            yield f"{at}.{name}"
    if (one.get("resources") or {}).get("claims"):
        yield f"{at}.resources.claims"
    if (one.get("lifecycle") or {}).get("stopSignal"):
        yield f"{at}.lifecycle.stopSignal"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (one.get(probe) or {}).get("grpc"):
            yield f"{at}.{probe}.grpc"
    for rule in one.get("restartPolicyRules") or ():
        if rule.get("action") != "Restart":
            yield f"{at}.restartPolicyRules.action={rule.get('action')}"
    for index, mount in enumerate(one.get("volumeMounts") or ()):
        if mount.get("recursiveReadOnly") == "Enabled":
            yield f"{at}.volumeMounts[{index}].recursiveReadOnly=Enabled"
    for index, source in enumerate(one.get("env") or ()):
        if (source.get("valueFrom") or {}).get("fileKeyRef"):
            yield f"{at}.env[{index}].valueFrom.fileKeyRef"


def _profiles(context: Mapping[str, Any], at: str) -> Iterator[str]:
    seccomp = (context.get("seccompProfile") or {}).get("type")
    if seccomp not in (None, "RuntimeDefault"):
        yield f"{at}.seccompProfile.type={seccomp}"
    apparmor = (context.get("appArmorProfile") or {}).get("type")
    if apparmor not in (None, "RuntimeDefault"):
        yield f"{at}.appArmorProfile.type={apparmor}"
