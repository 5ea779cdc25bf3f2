"""The Pod Security Standards: each check, the versions that change them, and what labels ask for."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.apiserver.podsecurity.checks import BASELINE, RESTRICTED, told, violations
from minikube_py.apiserver.podsecurity.policy import LATEST, NOTHING, Rule, policy

Object = dict[str, Any]

GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec(security: Object | None = None, **more: Any) -> Object:
    container: Object = {"name": "c", "image": "web:1", **more.pop("container", {})}
    if security is not None:
        container["securityContext"] = security
    return {"containers": [container], **more}


def found(rule: str, given: Object, annotations: dict[str, str] | None = None) -> str:
    level, _, version = rule.partition(":")
    minor = int(version.removeprefix("v1.")) if version else LATEST
    return told(violations(Rule(level, minor), {"annotations": annotations or {}}, given))


def pod_security(**more: Any) -> Object:
    return spec(securityContext=more)


BAD_BASELINE = [
    ("hostProcess", spec({"windowsOptions": {"hostProcess": True}}),
     'hostProcess (container "c" must not set securityContext.windowsOptions.hostProcess=true)'),
    ("hostProcess of the pod", pod_security(windowsOptions={"hostProcess": True}),
     "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"),
    ("namespaces", spec(hostNetwork=True, hostPID=True, hostIPC=True),
     "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"),
    ("privileged", spec({"privileged": True}),
     'privileged (container "c" must not set securityContext.privileged=true)'),
    ("capabilities", spec({"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}}),
     'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in '
     "securityContext.capabilities.add)"),
    ("hostPath", spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "hostPath": {"path": "/"}}]),
     'hostPath volumes (volumes "v", "w")'),
    ("hostPort", spec(container={"ports": [{"containerPort": 80, "hostPort": 81}]}),
     'hostPort (container "c" uses hostPort 81)'),
    ("AppArmor", spec({"appArmorProfile": {"type": "Unconfined"}}),
     'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")'),
    ("SELinux", spec({"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
     'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)'),
    ("SELinux role", pod_security(seLinuxOptions={"role": "r"}),
     "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: role may not be set)"),
    ("procMount", spec({"procMount": "Unmasked"}),
     'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
    ("seccomp", spec({"seccompProfile": {"type": "Unconfined"}}, securityContext={"seccompProfile": {"type": "Odd"}}),
     'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Odd", "Unconfined")'),
    ("sysctls", pod_security(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), "forbidden sysctls (kernel.msgmax)"),
    ("probe host", spec(container={"livenessProbe": {"httpGet": {"host": "10.0.0.1"}}}),
     'probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")'),
    ("hook host", spec(container={"lifecycle": {"preStop": {"tcpSocket": {"host": "a"}},
                                                "postStart": {"httpGet": {"host": "b"}}}}),
     'probe or lifecycle host (container "c" uses probe or lifecycle hosts "a", "b")'),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), [row[1:] for row in BAD_BASELINE], ids=[row[0] for row in BAD_BASELINE])
def test_baseline(given: Object, said: str) -> None:
    assert found("baseline", given) == said
    assert found("privileged", given) == ""


@pytest.mark.parametrize(
    "given",
    [
        spec(),
        spec({"capabilities": {"add": ["NET_BIND_SERVICE"]}, "procMount": "Default"}),
        spec({"seLinuxOptions": {"type": "container_t", "level": "s0"}}),
        spec({"appArmorProfile": {"type": "Localhost", "localhostProfile": "p"}}),
        pod_security(seccompProfile={"type": "Localhost", "localhostProfile": "p"}),
        spec(container={"ports": [{"containerPort": 80}], "livenessProbe": {"httpGet": {"port": 80}}}),
        spec(hostNetwork=False, volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}]),
    ],
)
def test_baseline_lets_through(given: Object) -> None:
    assert found("baseline", given) == ""


def test_init_and_ephemeral_containers_count_too() -> None:
    bad = {"name": "i", "securityContext": {"privileged": True}}
    given = spec(initContainers=[bad], ephemeralContainers=[{**bad, "name": "e"}])
    assert found("baseline", given) == 'privileged (containers "i", "e" must not set securityContext.privileged=true)'


def test_annotations_of_old() -> None:
    armor = {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}
    assert "annotation must not set AppArmor profile type" in found("baseline", spec(), armor)
    assert not found("baseline", spec(), {"container.apparmor.security.beta.kubernetes.io/c": "runtime/default"})
    seccomp = {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}
    said = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    assert found("baseline:v1.18", spec(), seccomp) == said
    assert found("baseline:v1.19", spec(), seccomp) == ""


def test_restricted_says_it_all() -> None:
    assert found("restricted", spec()) == (
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )
    assert found("restricted", spec(GOOD)) == ""


BAD_RESTRICTED = [
    (spec(GOOD, volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {}}]),
     'restricted volume types (volumes "v", "n" use restricted volume types "hostPath", "nfs")'),
    (spec({**GOOD, "runAsNonRoot": False}),
     'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)'),
    (spec(GOOD, securityContext={"runAsUser": 0}), "runAsUser=0 (pod must not set runAsUser=0)"),
    (spec({**GOOD, "runAsUser": 0}), 'runAsUser=0 (container "c" must not set runAsUser=0)'),
    (spec({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}),
     'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)'),
    (spec({**GOOD, "seccompProfile": {"type": "Unconfined"}}),
     'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")'),
    (spec({**GOOD, "procMount": "Unmasked"}, hostUsers=False),
     'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
    (spec({**GOOD, "privileged": True}, hostPID=True),
     'host namespaces (hostPID=true), privileged (container "c" must not set securityContext.privileged=true)'),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), BAD_RESTRICTED)
def test_restricted(given: Object, said: str) -> None:
    assert found("restricted", given) == said


def test_the_pods_own_context_covers_its_containers() -> None:
    own = {k: GOOD[k] for k in ("allowPrivilegeEscalation", "capabilities")}
    whole = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert found("restricted", spec(own, securityContext=whole)) == ""


@pytest.mark.parametrize("volume", ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
                                    "persistentVolumeClaim", "projected", "secret"])  # fmt: skip
def test_restricted_volumes_that_are_fine(volume: str) -> None:
    assert found("restricted", spec(GOOD, volumes=[{"name": "v", volume: {}}])) == ""


def test_windows_pods_have_no_such_things() -> None:
    given = spec({"runAsNonRoot": True}, os={"name": "windows"})
    assert found("restricted", given) == ""
    assert "allowPrivilegeEscalation" in found("restricted:v1.24", given)
    assert "runAsNonRoot" in found("restricted", spec(os={"name": "windows"}))


def test_user_namespaces_make_root_harmless_since_1_35() -> None:
    given = spec({**GOOD, "runAsNonRoot": False, "runAsUser": 0}, hostUsers=False)
    assert found("restricted", given) == ""
    assert "runAsNonRoot" in found("restricted:v1.34", given) and "runAsUser=0" in found("restricted:v1.34", given)
    unmasked = spec({"procMount": "Unmasked"}, hostUsers=False)
    assert found("baseline", unmasked) == "" and "procMount" in found("baseline:v1.34", unmasked)


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("net.ipv4.tcp_syncookies", 0),
        ("net.ipv4.ip_local_reserved_ports", 27),
        ("net.ipv4.tcp_keepalive_time", 29),
        ("net.ipv4.tcp_rmem", 32),
    ],
)
def test_sysctls_by_version(name: str, since: int) -> None:
    given = pod_security(sysctls=[{"name": name, "value": "1"}])
    assert found(f"baseline:v1.{since}", given) == ""
    if since:
        assert found(f"baseline:v1.{since - 1}", given) == f"forbidden sysctls ({name})"


def test_other_checks_by_version() -> None:
    engine = spec({"seLinuxOptions": {"type": "container_engine_t"}})
    assert found("baseline:v1.31", engine) == "" and found("baseline:v1.30", engine)
    host = spec(container={"livenessProbe": {"tcpSocket": {"host": "a"}}})
    assert found("baseline:v1.34", host) and found("baseline:v1.33", host) == ""
    bare = found("restricted:v1.7", spec())
    assert bare == 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
    # Before restricted had rules of its own for them, the baseline's hold.
    assert "non-default capabilities" in found("restricted:v1.21", spec({"capabilities": {"add": ["SYS_ADMIN"]}}))


def test_no_check_is_left_out() -> None:
    assert len(BASELINE) == 12 and len(RESTRICTED) == 7


P = "pod-security.kubernetes.io/"


def test_labels() -> None:
    assert policy(None) is NOTHING and policy({"a": "b"}) is NOTHING and NOTHING.lax
    got = policy({f"{P}enforce": "restricted", f"{P}enforce-version": "v1.25", f"{P}audit": "baseline"})
    assert got.enforce == got.warn == Rule("restricted", 25) and got.audit == Rule("baseline", LATEST)
    assert (str(got.enforce), str(got.audit), got.problems) == ("restricted:v1.25", "baseline:latest", ())
    both = policy({f"{P}enforce": "restricted", f"{P}warn": "privileged"})
    assert both.warn.level == "privileged" and not both.lax
    assert policy({f"{P}warn": "baseline"}).enforce.level == "privileged"


def test_wrong_labels_are_strict_where_it_is_enforced() -> None:
    got = policy({f"{P}enforce": "strict", f"{P}warn": "loud", f"{P}audit-version": "1.2"})
    assert [str(p) for p in got.problems] == [
        f'metadata.labels[{P}enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
        f'metadata.labels[{P}audit-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
        f'metadata.labels[{P}warn]: Invalid value: "loud": must be one of privileged, baseline, restricted',
    ]
    assert (got.enforce.level, got.warn.level, got.audit) == ("restricted", "privileged", Rule("privileged", LATEST))
