"""All checks in one table: by level, with the minor versions from which on each form of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.podsecurity import baseline, restricted
from minikube_py.apiserver.podsecurity.pod import Check, Violation
from minikube_py.apiserver.podsecurity.policy import Rule


class _Entry(NamedTuple):
    """A check's forms by the minor version that brought them; `instead_of` names a baseline check that it replaces."""

    forms: Mapping[int, Check]
    instead_of: str = ""


BASELINE: Mapping[str, _Entry] = {
    "appArmorProfile": _Entry({0: baseline.app_armor}),
    "capabilities_baseline": _Entry({0: baseline.capabilities}),
    "hostNamespaces": _Entry({0: baseline.host_namespaces}),
    "hostPathVolumes": _Entry({0: baseline.host_path_volumes}),
    "hostPorts": _Entry({0: baseline.host_ports}),
    "hostProbesAndHostLifecycle": _Entry({34: baseline.probe_hosts}),
    "privileged": _Entry({0: baseline.privileged}),
    "procMount": _Entry({0: baseline.proc_mount, 35: baseline.proc_mount_35}),
    "seLinuxOptions": _Entry({0: baseline.selinux, 31: baseline.selinux_31}),
    "seccompProfile_baseline": _Entry({0: baseline.seccomp_annotations, 19: baseline.seccomp}),
    "sysctls": _Entry({0: baseline.sysctls, 27: baseline.sysctls_27, 29: baseline.sysctls_29, 32: baseline.sysctls_32}),
    "windowsHostProcess": _Entry({0: baseline.host_process}),
}

RESTRICTED: Mapping[str, _Entry] = {
    "allowPrivilegeEscalation": _Entry({8: restricted.privilege_escalation, 25: restricted.privilege_escalation_25}),
    "capabilities_restricted": _Entry(
        {22: restricted.capabilities, 25: restricted.capabilities_25}, "capabilities_baseline"
    ),
    "procMount_restricted": _Entry({35: baseline.proc_mount}, "procMount"),
    "restrictedVolumes": _Entry({0: restricted.volumes}, "hostPathVolumes"),
    "runAsNonRoot": _Entry({0: restricted.run_as_non_root, 35: restricted.run_as_non_root_35}),
    "runAsUser": _Entry({23: restricted.run_as_user, 35: restricted.run_as_user_35}),
    "seccompProfile_restricted": _Entry({19: restricted.seccomp, 25: restricted.seccomp_25}, "seccompProfile_baseline"),
}


@lru_cache(maxsize=256)
def checks(rule: Rule) -> Sequence[Check]:
    """The checks of a level as of a version: the baseline's first, then what restricted adds, each by name."""
    if rule.level == "privileged":
        return ()
    strict = _as_of(RESTRICTED, rule.minor) if rule.level == "restricted" else {}
    replaced = {RESTRICTED[name].instead_of for name in strict}
    lax = {name: check for name, check in _as_of(BASELINE, rule.minor).items() if name not in replaced}
    return tuple(found[name] for found in (lax, strict) for name in sorted(found))


def _as_of(table: Mapping[str, _Entry], minor: int) -> dict[str, Check]:
    found = {}
    for name, entry in table.items():
        since = max((m for m in entry.forms if m <= minor), default=None)
        if since is not None:
            found[name] = entry.forms[since]
    return found


def violations(rule: Rule, metadata: Object, spec: Object) -> list[Violation]:
    """Everything in a Pod or a template that the rule forbids."""
    return [found for check in checks(rule) if (found := check(metadata, spec)) is not None]


def told(found: Sequence[Violation]) -> str:
    """The violations in one line, as clients know it."""
    return ", ".join(map(str, found))
