"""Rules for the security contexts of Pods and containers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext

_ID = "must be between 0 and 2147483647, inclusive"
_MAX_ID = 2**31 - 1
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9][-_.a-z0-9]*").fullmatch


def _id(value: int | None, path: str, errs: list[FieldError]) -> None:
    if value is not None and not 0 <= value <= _MAX_ID:
        errs.append(invalid(path, value, _ID))


def _profile(profile: SeccompProfile | AppArmorProfile, path: str, what: str, errs: list[FieldError]) -> None:
    if not profile.type:
        errs.append(required(f"{path}.type", f"type is required when {what} is set"))
    elif profile.type not in _PROFILES:
        errs.append(not_supported(f"{path}.type", profile.type, _PROFILES))
    local = profile.localhostProfile
    word = "seccomp" if what == "seccompProfile" else "AppArmor"
    if profile.type == "Localhost":
        if not local:
            errs.append(required(f"{path}.localhostProfile", f"must be set when {word} type is Localhost"))
        elif word == "seccomp" and (local.startswith("/") or ".." in local.split("/")):
            errs.append(invalid(f"{path}.localhostProfile", local, "must be a relative path without '..'"))
    elif local is not None:
        errs.append(invalid(f"{path}.localhostProfile", local, f"can only be set when {word} type is Localhost"))


def validate_pod(context: PodSecurityContext, path: str, host_network: bool, errs: list[FieldError]) -> None:
    """Append what is wrong with `spec.securityContext`."""
    for member in ("fsGroup", "runAsUser", "runAsGroup"):
        _id(getattr(context, member), f"{path}.{member}", errs)
    for i, group in enumerate(context.supplementalGroups):
        _id(group, f"{path}.supplementalGroups[{i}]", errs)
    seen: set[str] = set()
    for i, sysctl in enumerate(context.sysctls):
        where = f"{path}.sysctls[{i}].name"
        if not sysctl.name:
            errs.append(required(where))
        elif len(sysctl.name) > 253 or not _SYSCTL(sysctl.name):
            errs.append(invalid(where, sysctl.name, "must have at most 253 characters and be the name of a sysctl"))
        elif sysctl.name in seen:
            errs.append(duplicate(where, sysctl.name))
        elif host_network and sysctl.name.replace("/", ".").startswith("net."):
            errs.append(invalid(where, sysctl.name, "may not be specified when 'hostNetwork' is true"))
        seen.add(sysctl.name)
    for member, allowed in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("MountOption", "Recursive")),
    ):
        value = getattr(context, member)
        if value is not None and value not in allowed:
            errs.append(not_supported(f"{path}.{member}", value, allowed))
    if context.seccompProfile is not None:
        _profile(context.seccompProfile, f"{path}.seccompProfile", "seccompProfile", errs)
    if context.appArmorProfile is not None:
        _profile(context.appArmorProfile, f"{path}.appArmorProfile", "appArmorProfile", errs)


def validate_container(context: SecurityContext, path: str, host_users: bool | None, errs: list[FieldError]) -> None:
    """Append what is wrong with a container's `securityContext`."""
    _id(context.runAsUser, f"{path}.runAsUser", errs)
    _id(context.runAsGroup, f"{path}.runAsGroup", errs)
    if context.procMount is not None:
        if context.procMount not in ("Default", "Unmasked"):
            errs.append(not_supported(f"{path}.procMount", context.procMount, ("Default", "Unmasked")))
        elif context.procMount == "Unmasked" and host_users is not False:
            detail = "`hostUsers` must be false to use `Unmasked`"
            errs.append(invalid(f"{path}.procMount", context.procMount, detail))
    if context.seccompProfile is not None:
        _profile(context.seccompProfile, f"{path}.seccompProfile", "seccompProfile", errs)
    if context.appArmorProfile is not None:
        _profile(context.appArmorProfile, f"{path}.appArmorProfile", "appArmorProfile", errs)
    if context.allowPrivilegeEscalation is False:
        if context.privileged:
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errs.append(invalid(path, context.to_dict(), detail))
        if context.capabilities and "CAP_SYS_ADMIN" in context.capabilities.add:
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            errs.append(invalid(path, context.to_dict(), detail))


def validate_host(host_pid: bool, share: bool | None, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with sharing process namespaces."""
    if host_pid and share:
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        errs.append(forbidden(f"{path}.shareProcessNamespace", detail))
