"""Invalid Pods and the exact fields and reasons that they are refused for; what may change in one that exists."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from kinds_samples import POD, changed, created, errors_of_create, errors_of_update, short, typed

from minikube_py.api.errors import Invalid
from minikube_py.apiserver.kinds.base import Object
from minikube_py.apiserver.kinds.pod import KIND

Expected = list[tuple[str, str]]

C = "spec.containers[0]"


def on_container(**members: Any) -> Object:
    return changed(POD, "spec.containers.0", {"name": "web", "image": "nginx", **members})


def on_spec(**members: Any) -> Object:
    obj = copy.deepcopy(POD)
    obj["spec"] |= members
    return obj


HTTP = {"httpGet": {"port": 80}}
VALID = {
    "full ports": on_container(ports=[{"containerPort": 53, "protocol": "UDP", "name": "dns"}, {"containerPort": 53}]),
    "probe by port name": on_container(readinessProbe={"tcpSocket": {"port": "http"}, "successThreshold": 3}),
    "hooks": on_container(lifecycle={"preStop": {"sleep": {"seconds": 5}}, "postStart": {"exec": {"command": ["a"]}}}),
    "extended resource": on_container(resources={"limits": {"example.com/gpu": "2"}}),
    "huge pages": on_container(resources={"limits": {"hugepages-2Mi": "4Mi", "memory": "1Gi"}}),
    "environment": on_container(
        env=[
            {"name": "a b", "value": "x"},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "c"}}],
    ),
    "sidecar": on_spec(initContainers=[{"name": "i", "image": "i", "restartPolicy": "Always", "startupProbe": HTTP}]),
    "volumes": {
        **POD,
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "nginx",
                    "volumeMounts": [
                        {"name": "p", "mountPath": "/p", "subPath": "a/b"},
                        {"name": "e", "mountPath": "/e", "readOnly": True, "recursiveReadOnly": "Enabled"},
                    ],
                }
            ],
            "volumes": [
                {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                {"name": "h", "hostPath": {"path": "/var/log", "type": "Directory"}},
                {
                    "name": "p",
                    "projected": {
                        "sources": [
                            {"serviceAccountToken": {"path": "token"}},
                            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                        ]
                    },
                },
            ],
        },
    },
    "tolerations": on_spec(tolerations=[{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoSchedule"}]),
    "names": on_spec(hostname="h", subdomain="s", serviceAccountName="a.b", imagePullSecrets=[{"name": "x"}]),
    "dns": on_spec(dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.1"], "searches": ["a.b.", "_x.y"]}),
}


@pytest.mark.parametrize("name", VALID)
def test_valid(name: str) -> None:
    assert short(errors_of_create(KIND, VALID[name])) == []


CONTAINERS: dict[str, tuple[Object, Expected]] = {
    "no containers": (on_spec(containers=[]), [("spec.containers", "Required")]),
    "no name, no image": (on_spec(containers=[{}]), [(f"{C}.name", "Required"), (f"{C}.image", "Required")]),
    "name": (on_container(name="Web"), [(f"{C}.name", "Invalid")]),
    "image": (on_container(image=" nginx"), [(f"{C}.image", "Invalid")]),
    "same name": (
        on_spec(containers=[{"name": "a", "image": "i"}] * 2, initContainers=[{"name": "a", "image": "i"}]),
        [("spec.containers[1].name", "Duplicate"), ("spec.initContainers[0].name", "Duplicate")],
    ),
    "pull policy": (on_container(imagePullPolicy="Often"), [(f"{C}.imagePullPolicy", "NotSupported")]),
    "message policy": (on_container(terminationMessagePolicy="x"), [(f"{C}.terminationMessagePolicy", "NotSupported")]),
    "ports": (
        on_container(
            ports=[
                {"containerPort": 0},
                {"containerPort": 70000, "name": "http_x"},
                {"containerPort": 1, "name": "a", "protocol": "ICMP"},
                {"containerPort": 2, "name": "a", "hostIP": "localhost", "hostPort": -1},
            ]
        ),
        [
            (f"{C}.ports[0].containerPort", "Required"),
            (f"{C}.ports[1].name", "Invalid"),
            (f"{C}.ports[1].containerPort", "Invalid"),
            (f"{C}.ports[2].protocol", "NotSupported"),
            (f"{C}.ports[3].name", "Duplicate"),
            (f"{C}.ports[3].hostPort", "Invalid"),
            (f"{C}.ports[3].hostIP", "Invalid"),
        ],
    ),
    "host port twice": (
        on_container(ports=[{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 80}]),
        [(f"{C}.ports[1].hostPort", "Duplicate")],
    ),
    "host network": (
        {**POD, "spec": {**on_container(ports=[{"containerPort": 1, "hostPort": 2}])["spec"], "hostNetwork": True}},
        [(f"{C}.ports[0].containerPort", "Invalid")],
    ),
    "env": (
        on_container(
            env=[
                {"value": "1"},
                {"name": "a=b"},
                {"name": "A", "valueFrom": {}},
                {"name": "B", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "spec.schedulerName"}}},
                {"name": "E", "valueFrom": {"fieldRef": {}}},
                {"name": "F", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}},
                {"name": "G", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "../x"}}},
                {"name": "H", "valueFrom": {"secretKeyRef": {"name": "c"}, "fieldRef": {"fieldPath": "metadata.uid"}}},
            ]
        ),
        [
            (f"{C}.env[0].name", "Required"),
            (f"{C}.env[1].name", "Invalid"),
            (f"{C}.env[2].valueFrom", "Invalid"),
            (f"{C}.env[3].valueFrom", "Invalid"),
            (f"{C}.env[4].valueFrom.fieldRef.fieldPath", "Invalid"),
            (f"{C}.env[5].valueFrom.fieldRef.fieldPath", "NotSupported"),
            (f"{C}.env[6].valueFrom.fieldRef.fieldPath", "Required"),
            (f"{C}.env[7].valueFrom.resourceFieldRef.resource", "NotSupported"),
            (f"{C}.env[8].valueFrom.configMapKeyRef.key", "Invalid"),
            (f"{C}.env[8].valueFrom.configMapKeyRef.key", "Invalid"),
            (f"{C}.env[9].valueFrom.secretKeyRef.key", "Required"),
            (f"{C}.env[9].valueFrom", "Invalid"),
        ],
    ),
    "envFrom": (
        on_container(envFrom=[{}, {"secretRef": {}}, {"secretRef": {"name": "a"}, "configMapRef": {"name": "_"}}]),
        [
            (f"{C}.envFrom[0]", "Invalid"),
            (f"{C}.envFrom[1].secretRef.name", "Required"),
            (f"{C}.envFrom[2].configMapRef.name", "Invalid"),
            (f"{C}.envFrom[2]", "Invalid"),
        ],
    ),
    "resources": (
        on_container(
            resources={
                "limits": {"cpu": "1", "memory": "-1", "gpu": "1", "example.com/x": "1.5"},
                "requests": {"cpu": "1500m", "memory": "-1", "gpu": "1", "example.com/x": "1", "example.com/y": "1"},
            }
        ),
        [
            (f"{C}.resources.limits[memory]", "Invalid"),
            (f"{C}.resources.limits[gpu]", "Invalid"),
            (f"{C}.resources.limits[example.com/x]", "Invalid"),
            (f"{C}.resources.requests[memory]", "Invalid"),
            (f"{C}.resources.requests[gpu]", "Invalid"),
            (f"{C}.resources.requests", "Invalid"),
            (f"{C}.resources.requests", "Invalid"),
            (f"{C}.resources.limits", "Required"),
        ],
    ),
    "huge pages alone": (
        on_container(resources={"limits": {"hugepages-2Mi": "4Mi"}}),
        [(f"{C}.resources", "Forbidden")],
    ),
    "mounts": (
        on_container(
            volumeMounts=[
                {"name": "nope", "mountPath": "/a"},
                {"mountPath": "/a", "subPath": "../x"},
                {"name": "nope", "subPath": "a", "subPathExpr": "/b"},
            ]
        ),
        [
            (f"{C}.volumeMounts[0].name", "NotFound"),
            (f"{C}.volumeMounts[1].name", "Required"),
            (f"{C}.volumeMounts[1].mountPath", "Invalid"),
            (f"{C}.volumeMounts[1].subPath", "Invalid"),
            (f"{C}.volumeMounts[2].name", "NotFound"),
            (f"{C}.volumeMounts[2].mountPath", "Required"),
            (f"{C}.volumeMounts[2].subPathExpr", "Invalid"),
            (f"{C}.volumeMounts[2].subPathExpr", "Invalid"),
        ],
    ),
    "probes": (
        on_container(
            livenessProbe={"exec": {}, "httpGet": {"port": 80}, "successThreshold": 2, "periodSeconds": -1},
            readinessProbe={"terminationGracePeriodSeconds": 1, "tcpSocket": {"port": "--"}},
            startupProbe={},
        ),
        [
            (f"{C}.livenessProbe.httpGet", "Forbidden"),
            (f"{C}.livenessProbe.exec.command", "Required"),
            (f"{C}.livenessProbe.periodSeconds", "Invalid"),
            (f"{C}.livenessProbe.successThreshold", "Invalid"),
            (f"{C}.readinessProbe.tcpSocket.port", "Invalid"),
            (f"{C}.readinessProbe.tcpSocket.port", "Invalid"),
            (f"{C}.readinessProbe.tcpSocket.port", "Invalid"),
            (f"{C}.readinessProbe.terminationGracePeriodSeconds", "Invalid"),
            (f"{C}.startupProbe", "Required"),
        ],
    ),
    "hooks": (
        on_container(lifecycle={"preStop": {"sleep": {"seconds": 31}}, "postStart": {}, "stopSignal": "SIGTERM"}),
        [
            (f"{C}.lifecycle.postStart", "Required"),
            (f"{C}.lifecycle.preStop.sleep.seconds", "Invalid"),
            (f"{C}.lifecycle.stopSignal", "Forbidden"),
        ],
    ),
    "init container": (
        on_spec(initContainers=[{"name": "i", "image": "i", "livenessProbe": HTTP, "lifecycle": {}}]),
        [("spec.initContainers[0].lifecycle", "Forbidden"), ("spec.initContainers[0].livenessProbe", "Forbidden")],
    ),
    "security": (
        on_container(
            securityContext={
                "privileged": True,
                "allowPrivilegeEscalation": False,
                "runAsUser": -1,
                "seccompProfile": {"type": "Localhost"},
            }
        ),
        [
            (f"{C}.securityContext.runAsUser", "Invalid"),
            (f"{C}.securityContext.seccompProfile.localhostProfile", "Required"),
            (f"{C}.securityContext", "Invalid"),
        ],
    ),
}

SPECS: dict[str, tuple[Object, Expected]] = {
    "enums": (
        on_spec(restartPolicy="Sometimes", dnsPolicy="Best", preemptionPolicy="Maybe", os={"name": "plan9"}),
        [
            ("spec.restartPolicy", "NotSupported"),
            ("spec.dnsPolicy", "NotSupported"),
            ("spec.os", "NotSupported"),
            ("spec.preemptionPolicy", "NotSupported"),
        ],
    ),
    "names": (
        on_spec(nodeName="_", serviceAccountName="A", priorityClassName="a_b", hostname="a.b", subdomain="-"),
        [
            ("spec.serviceAccountName", "Invalid"),
            ("spec.nodeName", "Invalid"),
            ("spec.priorityClassName", "Invalid"),
            ("spec.hostname", "Invalid"),
            ("spec.subdomain", "Invalid"),
        ],
    ),
    "ephemeral containers": (
        on_spec(ephemeralContainers=[{"name": "e", "image": "i"}]),
        [("spec.ephemeralContainers", "Forbidden")],
    ),
    "deadline": (on_spec(activeDeadlineSeconds=0), [("spec.activeDeadlineSeconds", "Invalid")]),
    "node selector": (on_spec(nodeSelector={"a/b/c": "x", "k": "-"}), [("spec.nodeSelector", "Invalid")] * 2),
    "tolerations": (
        on_spec(
            tolerations=[
                {"operator": "Equal"},
                {"key": "a", "operator": "Exists", "value": "b", "effect": "No", "tolerationSeconds": 1},
                {"key": "/", "operator": "Like"},
            ]
        ),
        [
            ("spec.tolerations[0].operator", "Invalid"),
            ("spec.tolerations[1].effect", "Invalid"),
            ("spec.tolerations[1].operator", "Invalid"),
            ("spec.tolerations[1].effect", "NotSupported"),
            ("spec.tolerations[2].key", "Invalid"),
            ("spec.tolerations[2].key", "Invalid"),
            ("spec.tolerations[2].key", "Invalid"),
            ("spec.tolerations[2].operator", "NotSupported"),
        ],
    ),
    "host aliases": (
        on_spec(hostAliases=[{"ip": "1.2.3", "hostnames": ["a_b"]}]),
        [("spec.hostAliases[0].ip", "Invalid"), ("spec.hostAliases[0].hostnames[0]", "Invalid")],
    ),
    "gates": (
        on_spec(nodeName="n", schedulingGates=[{"name": "a"}, {"name": "a"}], readinessGates=[{"conditionType": "/"}]),
        [
            ("spec.readinessGates[0].conditionType", "Invalid"),
            ("spec.readinessGates[0].conditionType", "Invalid"),
            ("spec.readinessGates[0].conditionType", "Invalid"),
            ("spec.nodeName", "Forbidden"),
            ("spec.schedulingGates[1]", "Duplicate"),
        ],
    ),
    "dns": (on_spec(dnsPolicy="None"), [("spec.dnsConfig", "Required")]),
    "dns config": (
        on_spec(dnsPolicy="None", dnsConfig={"searches": ["-"], "options": [{}]}),
        [
            ("spec.dnsConfig.nameservers", "Required"),
            ("spec.dnsConfig.searches[0]", "Invalid"),
            ("spec.dnsConfig.options[0]", "Required"),
        ],
    ),
    "affinity": (
        on_spec(
            affinity={
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]
                    },
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 0, "preference": {"matchFields": [{"key": "x", "operator": "In", "values": ["a"]}]}}
                    ],
                },
                "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["A"]}]},
            }
        ),
        [
            (
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]"
                ".matchExpressions[0].values",
                "Required",
            ),
            ("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight", "Invalid"),
            (
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference"
                ".matchFields[0].key",
                "Invalid",
            ),
            ("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespace", "Invalid"),
            ("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey", "Required"),
            ("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey", "Invalid"),
            ("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey", "Invalid"),
        ],
    ),
    "spread": (
        on_spec(
            topologySpreadConstraints=[
                {"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"},
                {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a"]},
                {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 1},
            ]
        ),
        [
            ("spec.topologySpreadConstraints[0].maxSkew", "Invalid"),
            ("spec.topologySpreadConstraints[1].matchLabelKeys", "Forbidden"),
            ("spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}", "Duplicate"),
            ("spec.topologySpreadConstraints[2].minDomains", "Invalid"),
        ],
    ),
    "security": (
        on_spec(securityContext={"fsGroup": -1, "sysctls": [{"name": "a b"}], "fsGroupChangePolicy": "x"}),
        [
            ("spec.securityContext.fsGroup", "Invalid"),
            ("spec.securityContext.sysctls[0].name", "Invalid"),
            ("spec.securityContext.fsGroupChangePolicy", "NotSupported"),
        ],
    ),
    "shared processes": (
        on_spec(hostPID=True, shareProcessNamespace=True),
        [("spec.shareProcessNamespace", "Forbidden")],
    ),
    "volumes": (
        on_spec(
            volumes=[
                {"name": "A_", "emptyDir": {}},
                {"emptyDir": {}},
                {"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}},
                {"name": "a", "hostPath": {"type": "Dir"}},
                {"name": "b", "secret": {"defaultMode": 512, "items": [{"path": "../x"}]}},
                {"name": "c", "configMap": {}},
                {"name": "d", "projected": {"sources": [{}, {"serviceAccountToken": {"expirationSeconds": 1}}]}},
                {"name": "e", "downwardAPI": {"items": [{"path": "/x", "fieldRef": {"fieldPath": "status.podIP"}}]}},
                {"name": "f", "nfs": {"server": "s", "path": "x"}},
                {"name": "g", "persistentVolumeClaim": {}},
            ]
        ),
        [
            ("spec.volumes[0].name", "Invalid"),
            ("spec.volumes[1].name", "Required"),
            ("spec.volumes[2].emptyDir", "Forbidden"),
            ("spec.volumes[3].name", "Duplicate"),
            ("spec.volumes[3].hostPath.path", "Required"),
            ("spec.volumes[3].hostPath.type", "NotSupported"),
            ("spec.volumes[4].secret.secretName", "Required"),
            ("spec.volumes[4].secret.defaultMode", "Invalid"),
            ("spec.volumes[4].secret.items[0].key", "Required"),
            ("spec.volumes[4].secret.items[0].path", "Invalid"),
            ("spec.volumes[5].configMap.name", "Required"),
            ("spec.volumes[6].projected.sources[0]", "Required"),
            ("spec.volumes[6].projected.sources[1].serviceAccountToken.expirationSeconds", "Invalid"),
            ("spec.volumes[6].projected.sources[1].serviceAccountToken.path", "Required"),
            ("spec.volumes[7].downwardAPI.items[0].path", "Invalid"),
            ("spec.volumes[7].downwardAPI.items[0].fieldRef.fieldPath", "NotSupported"),
            ("spec.volumes[8].nfs.path", "Invalid"),
            ("spec.volumes[9].persistentVolumeClaim.claimName", "Required"),
        ],
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name: str) -> None:
    obj, expected = CONTAINERS[name]
    assert short(errors_of_create(KIND, obj)) == expected


@pytest.mark.parametrize("name", SPECS)
def test_specs(name: str) -> None:
    obj, expected = SPECS[name]
    assert short(errors_of_create(KIND, obj)) == expected


def test_messages_read_as_those_of_kubernetes() -> None:
    obj = on_container(resources={"limits": {"cpu": "100m"}, "requests": {"cpu": "200m"}}, image="")
    answer = Invalid.of("", "Pod", "web", errors_of_create(KIND, obj))
    assert answer.message == (
        'Pod "web" is invalid: [spec.containers[0].image: Required value, '
        'spec.containers[0].resources.requests: Invalid value: "200m": must be less than or equal to cpu limit of 100m]'
    )


BASE = created(KIND, on_spec(tolerations=[{"key": "a", "operator": "Exists"}], activeDeadlineSeconds=100))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels", {"a": "b"}),
        ("spec.containers.0.image", "nginx:2"),
        ("spec.activeDeadlineSeconds", 50),
        ("spec.tolerations", [{"key": "b", "operator": "Exists"}, {"key": "a", "operator": "Exists"}]),
    ],
)
def test_what_may_change(path: str, value: Any) -> None:
    assert short(errors_of_update(KIND, changed(BASE, path, value), BASE)) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.nodeName", "n", [("spec", "Forbidden")]),
        ("spec.containers.0.command", ["x"], [("spec", "Forbidden")]),
        ("spec.containers.0.image", "", [("spec.containers[0].image", "Required")]),
        ("spec.tolerations", [], [("spec.tolerations", "Forbidden")]),
        ("spec.activeDeadlineSeconds", 101, [("spec.activeDeadlineSeconds", "Invalid")]),
        ("spec.activeDeadlineSeconds", None, [("spec.activeDeadlineSeconds", "Invalid")]),
        ("spec.schedulingGates", [{"name": "g"}], [("spec.schedulingGates[0]", "Forbidden")]),
        ("spec.nodeSelector", {"a": "b"}, [("spec", "Forbidden")]),
        ("spec.terminationGracePeriodSeconds", 5, [("spec", "Forbidden")]),
        ("spec.containers", [{"name": "a", "image": "i"}] * 2,
         [("spec.containers[1].name", "Duplicate"), ("spec.containers", "Forbidden")]),
    ],
)  # fmt: skip
def test_what_may_not_change(path: str, value: Any, expected: Expected) -> None:
    assert short(errors_of_update(KIND, changed(BASE, path, value), BASE)) == expected


def test_the_answer_to_a_forbidden_change_names_it() -> None:
    (error,) = errors_of_update(KIND, changed(BASE, "spec.nodeName", "n"), BASE)
    assert error.detail.startswith("pod updates may not change fields other than `spec.containers[*].image`,")
    assert error.detail.endswith('spec.nodeName: null -> "n"')


def test_a_gated_pod_may_be_narrowed_and_released() -> None:
    gated = created(KIND, on_spec(schedulingGates=[{"name": "example.com/g"}], nodeSelector={"a": "b"}))
    assert short(errors_of_update(KIND, changed(gated, "spec.schedulingGates", []), gated)) == []
    assert short(errors_of_update(KIND, changed(gated, "spec.nodeSelector.c", "d"), gated)) == []
    elsewhere = changed(gated, "spec.nodeSelector", {"a": "c"})
    assert short(errors_of_update(KIND, elsewhere, gated)) == [("spec", "Forbidden")]
    must = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": must}}
    narrowed = changed(gated, "spec.affinity", affinity)
    assert short(errors_of_update(KIND, narrowed, gated)) == []
    assert short(errors_of_update(KIND, gated, narrowed)) == [("spec", "Forbidden")]


def test_a_negative_grace_period_may_become_one() -> None:
    old = created(KIND, on_spec(terminationGracePeriodSeconds=-5))
    path = "spec.terminationGracePeriodSeconds"
    assert short(errors_of_update(KIND, changed(old, "metadata.labels", {"a": "b"}), old)) == []
    assert short(errors_of_update(KIND, changed(old, path, 1), old)) == []
    assert short(errors_of_update(KIND, changed(old, path, 2), old)) == [("spec", "Forbidden")]


ENDED = {"name": "web", "state": {"terminated": {"exitCode": 0}}}
RUNNING = {"name": "web", "state": {"running": {}}}


@pytest.mark.parametrize(
    ("restart", "code", "expected"),
    [
        ("Always", 0, []),
        ("OnFailure", 1, []),
        ("OnFailure", 0, [("status.containerStatuses[0].state", "Forbidden")]),
        ("Never", 1, [("status.containerStatuses[0].state", "Forbidden")]),
    ],
)
def test_what_has_ended_does_not_run_again(restart: str, code: int, expected: Expected) -> None:
    old = created(KIND, on_spec(restartPolicy=restart))
    old["status"]["containerStatuses"] = [changed(ENDED, "state.terminated.exitCode", code)]
    new = copy.deepcopy(old)
    new["status"]["containerStatuses"] = [RUNNING]
    assert short(KIND.validate_status(typed(KIND, new), typed(KIND, old))) == expected


def test_status_members() -> None:
    old = created(KIND, POD)
    new = changed(old, "status.podIPs", [{"ip": "x"}, {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}])
    new["status"] |= {"qosClass": "Guaranteed", "nominatedNodeName": "_", "conditions": [{"type": "a b"}]}
    assert short(KIND.validate_status(typed(KIND, new), typed(KIND, old))) == [
        ("status.nominatedNodeName", "Invalid"),
        ("status.qosClass", "Invalid"),
        ("status.conditions[0].type", "Invalid"),
        ("status.podIPs[0]", "Invalid"),
        ("status.podIPs", "Invalid"),
    ]
