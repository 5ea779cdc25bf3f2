"""The checks that the level restricted adds: what hardened Pods say of themselves."""

from __future__ import annotations

from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.podsecurity.baseline import PROFILES, explicit_seccomp
from minikube_py.apiserver.podsecurity.pod import (
    Violation,
    containers,
    has_own_users,
    is_windows,
    quoted,
    security,
    setters,
    some,
)

_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
        "secret",
    }
)  # fmt: skip


def privilege_escalation(metadata: Object, spec: Object) -> Violation | None:
    names = [c["name"] for c in containers(spec) if security(c).get("allowPrivilegeEscalation") is not False]
    if not names:
        return None
    return Violation(
        "allowPrivilegeEscalation != false",
        f"{some('container', names)} must set securityContext.allowPrivilegeEscalation=false",
    )


def privilege_escalation_25(metadata: Object, spec: Object) -> Violation | None:
    return None if is_windows(spec) else privilege_escalation(metadata, spec)


def capabilities(metadata: Object, spec: Object) -> Violation | None:
    """All dropped, and none added but the one for low ports."""
    keeping, adding, added = [], [], set()
    for container in containers(spec):
        said = security(container).get("capabilities") or {}
        if "ALL" not in (said.get("drop") or ()):
            keeping.append(container["name"])
        wrong = {c for c in said.get("add") or () if c != "NET_BIND_SERVICE"}
        if wrong:
            adding.append(container["name"])
            added |= wrong
    details = []
    if keeping:
        details.append(f'{some("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(
            f"{some('container', adding)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def capabilities_25(metadata: Object, spec: Object) -> Violation | None:
    return None if is_windows(spec) else capabilities(metadata, spec)


def volumes(metadata: Object, spec: Object) -> Violation | None:
    """Only those kinds of volumes that carry no way to the node or to its storage."""
    names, types = [], set()
    for volume in spec.get("volumes") or ():
        has = {member for member, value in volume.items() if member != "name" and value is not None}
        if not has & _VOLUMES:
            names.append(volume["name"])
            types |= has or {"unknown"}
    if not names:
        return None
    verb = "uses" if len(names) == 1 else "use"
    return Violation(
        "restricted volume types", f"{some('volume', names)} {verb} {some('restricted volume type', sorted(types))}"
    )


def run_as_non_root(metadata: Object, spec: Object) -> Violation | None:
    whole = security(spec).get("runAsNonRoot")
    against, silent = [], []
    for container in containers(spec):
        own = security(container).get("runAsNonRoot")
        if own is False:
            against.append(container["name"])
        elif own is None and not whole:
            silent.append(container["name"])
    if whole is False or against:
        detail = f"{setters(whole is False, against)} must not set securityContext.runAsNonRoot=false"
    elif silent:
        detail = f"pod or {some('container', silent)} must set securityContext.runAsNonRoot=true"
    else:
        return None
    return Violation("runAsNonRoot != true", detail)


def run_as_non_root_35(metadata: Object, spec: Object) -> Violation | None:
    return None if has_own_users(spec) else run_as_non_root(metadata, spec)


def run_as_user(metadata: Object, spec: Object) -> Violation | None:
    pod = security(spec).get("runAsUser") == 0
    names = [c["name"] for c in containers(spec) if security(c).get("runAsUser") == 0]
    return Violation("runAsUser=0", f"{setters(pod, names)} must not set runAsUser=0") if pod or names else None


def run_as_user_35(metadata: Object, spec: Object) -> Violation | None:
    return None if has_own_users(spec) else run_as_user(metadata, spec)


def seccomp(metadata: Object, spec: Object) -> Violation | None:
    """A profile, chosen for the Pod or for each of its containers."""
    pod, names, values = explicit_seccomp(spec)
    if values:
        detail = f"{setters(pod, names)} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
        return Violation("seccompProfile", detail)
    if (security(spec).get("seccompProfile") or {}).get("type") in PROFILES:
        return None
    silent = [c["name"] for c in containers(spec) if security(c).get("seccompProfile") is None]
    if not silent:
        return None
    return Violation(
        "seccompProfile",
        f'pod or {some("container", silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost"',
    )


def seccomp_25(metadata: Object, spec: Object) -> Violation | None:
    return None if is_windows(spec) else seccomp(metadata, spec)
