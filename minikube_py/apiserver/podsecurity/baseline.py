"""The checks of the level baseline: what opens known ways to the node."""

from __future__ import annotations

from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.podsecurity.pod import (
    Violation,
    containers,
    has_own_users,
    quoted,
    security,
    setters,
    some,
)

_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
        "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    }
)  # fmt: skip
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SELINUX_TYPES_31 = _SELINUX_TYPES | {"container_engine_t"}
_APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
PROFILES = frozenset({"RuntimeDefault", "Localhost"})


def app_armor(metadata: Object, spec: Object) -> Violation | None:
    """No profile but the runtime's own and the node's."""
    values: set[str] = set()
    pod, names = False, []
    if (profile := security(spec).get("appArmorProfile")) and profile.get("type") not in PROFILES:
        pod = True
        values.add(profile.get("type") or "")
    for container in containers(spec):
        if (profile := security(container).get("appArmorProfile")) and profile.get("type") not in PROFILES:
            names.append(container["name"])
            values.add(profile.get("type") or "")
    annotations = sorted(
        f'{key}="{value}"'
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(_APPARMOR_PREFIX)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    if not pod and not names and not annotations:
        return None
    who = [s for s in (setters(pod, names), _plural("annotation", annotations) if annotations else "") if s]
    bad = [*sorted(values), *annotations]
    return Violation(
        _plural("forbidden AppArmor profile", bad),
        f"{' and '.join(who)} must not set AppArmor profile type to {quoted(bad)}",
    )


def capabilities(metadata: Object, spec: Object) -> Violation | None:
    """None beyond those that containers have anyway."""
    names, added = [], set()
    for container in containers(spec):
        wrong = {c for c in (security(container).get("capabilities") or {}).get("add") or () if c not in _CAPABILITIES}
        if wrong:
            names.append(container["name"])
            added |= wrong
    if not names:
        return None
    return Violation(
        "non-default capabilities",
        f"{some('container', names)} must not include {quoted(sorted(added))} in securityContext.capabilities.add",
    )


def host_namespaces(metadata: Object, spec: Object) -> Violation | None:
    found = [f"{member}=true" for member in ("hostNetwork", "hostPID", "hostIPC") if spec.get(member)]
    return Violation("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(metadata: Object, spec: Object) -> Violation | None:
    names = [v["name"] for v in spec.get("volumes") or () if v.get("hostPath") is not None]
    return Violation("hostPath volumes", some("volume", names)) if names else None


def host_ports(metadata: Object, spec: Object) -> Violation | None:
    names, ports = [], set()
    for container in containers(spec):
        taken = {str(p["hostPort"]) for p in container.get("ports") or () if p.get("hostPort")}
        if taken:
            names.append(container["name"])
            ports |= taken
    if not names:
        return None
    return Violation(
        "hostPort",
        f"{some('container', names)} {_verb(names)} {_plural('hostPort', ports)} {', '.join(sorted(ports))}",
    )


def probe_hosts(metadata: Object, spec: Object) -> Violation | None:
    """Probes and lifecycle hooks ask the Pod itself, not other machines in the node's name."""
    names: set[str] = set()
    hosts: set[str] = set()
    for container in containers(spec):
        lifecycle = container.get("lifecycle") or {}
        handlers = [container.get(p) for p in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [lifecycle.get("postStart"), lifecycle.get("preStop")]
        for handler in handlers:
            for action in ("httpGet", "tcpSocket"):
                if host := ((handler or {}).get(action) or {}).get("host"):
                    names.add(container["name"])
                    hosts.add(host)
    if not names:
        return None
    what = _plural("probe or lifecycle host", hosts)
    return Violation(
        "probe or lifecycle host",
        f"{some('container', sorted(names))} {_verb(names)} {what} {quoted(sorted(hosts))}",
    )


def privileged(metadata: Object, spec: Object) -> Violation | None:
    names = [c["name"] for c in containers(spec) if security(c).get("privileged")]
    if not names:
        return None
    return Violation("privileged", f"{some('container', names)} must not set securityContext.privileged=true")


def proc_mount(metadata: Object, spec: Object) -> Violation | None:
    names, types = [], set()
    for container in containers(spec):
        kind = security(container).get("procMount")
        if kind is not None and kind != "Default":
            names.append(container["name"])
            types.add(kind)
    if not names:
        return None
    return Violation(
        "procMount", f"{some('container', names)} must not set securityContext.procMount to {quoted(sorted(types))}"
    )


def proc_mount_35(metadata: Object, spec: Object) -> Violation | None:
    """In a user namespace the whole of /proc is harmless."""
    return None if has_own_users(spec) else proc_mount(metadata, spec)


def _selinux(spec: Object, allowed: frozenset[str]) -> Violation | None:
    types: set[str] = set()
    told: set[str] = set()

    def wrong(holder: Object) -> bool:
        options = security(holder).get("seLinuxOptions") or {}
        bad = options.get("type", "") not in allowed
        if bad:
            types.add(options["type"])
        members = {member for member in ("user", "role") if options.get(member)}
        told.update(members)
        return bad or bool(members)

    pod = wrong(spec)
    names = [c["name"] for c in containers(spec) if wrong(c)]
    if not pod and not names:
        return None
    data = [some("type", sorted(types))] if types else []
    data += [f"{member} may not be set" for member in ("user", "role") if member in told]
    return Violation(
        "seLinuxOptions", f"{setters(pod, names)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
    )


def selinux(metadata: Object, spec: Object) -> Violation | None:
    return _selinux(spec, _SELINUX_TYPES)


def selinux_31(metadata: Object, spec: Object) -> Violation | None:
    return _selinux(spec, _SELINUX_TYPES_31)


def seccomp_annotations(metadata: Object, spec: Object) -> Violation | None:
    """How a profile was chosen before there was a field for it."""
    annotations = metadata.get("annotations") or {}
    keys = {_SECCOMP_POD, *(_SECCOMP_PREFIX + c["name"] for c in containers(spec))}
    bad = sorted(
        f'{key}="{annotations[key]}"'
        for key in keys
        if key in annotations
        and annotations[key] not in ("runtime/default", "docker/default")
        and not annotations[key].startswith("localhost/")
    )
    return Violation("seccompProfile", f"forbidden {_plural('annotation', bad)} {', '.join(bad)}") if bad else None


def seccomp(metadata: Object, spec: Object) -> Violation | None:
    pod, names, values = explicit_seccomp(spec)
    if not values:
        return None
    return Violation(
        "seccompProfile",
        f"{setters(pod, names)} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}",
    )


def explicit_seccomp(spec: Object) -> tuple[bool, list[str], set[str]]:
    """Whether the Pod, and which containers, chose a profile that is not allowed; and which ones."""
    values: set[str] = set()

    def wrong(holder: Object) -> bool:
        profile = security(holder).get("seccompProfile")
        if profile is None or profile.get("type") in PROFILES:
            return False
        values.add(profile.get("type") or "")
        return True

    pod = wrong(spec)
    return pod, [c["name"] for c in containers(spec) if wrong(c)], values


def _sysctls(spec: Object, allowed: frozenset[str]) -> Violation | None:
    names = [s["name"] for s in security(spec).get("sysctls") or () if s["name"] not in allowed]
    return Violation("forbidden sysctls", ", ".join(names)) if names else None


def sysctls(metadata: Object, spec: Object) -> Violation | None:
    return _sysctls(spec, _SYSCTLS)


def sysctls_27(metadata: Object, spec: Object) -> Violation | None:
    return _sysctls(spec, _SYSCTLS_27)


def sysctls_29(metadata: Object, spec: Object) -> Violation | None:
    return _sysctls(spec, _SYSCTLS_29)


def sysctls_32(metadata: Object, spec: Object) -> Violation | None:
    return _sysctls(spec, _SYSCTLS_32)


def host_process(metadata: Object, spec: Object) -> Violation | None:
    """On Windows, processes of the node itself."""

    def wrong(holder: Object) -> bool:
        return bool((security(holder).get("windowsOptions") or {}).get("hostProcess"))

    pod, names = wrong(spec), [c["name"] for c in containers(spec) if wrong(c)]
    if not pod and not names:
        return None
    return Violation(
        "hostProcess", f"{setters(pod, names)} must not set securityContext.windowsOptions.hostProcess=true"
    )


def _plural(word: str, things: list[str] | set[str]) -> str:
    return word if len(things) == 1 else f"{word}s"


def _verb(names: list[str] | set[str]) -> str:
    return "uses" if len(names) == 1 else "use"
