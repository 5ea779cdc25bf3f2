"""Invalid objects of every kind but Pod, and the exact fields and reasons that they are refused for."""

from __future__ import annotations

import copy
from base64 import b64encode
from typing import Any

import pytest
from kinds_samples import (
    BY_NAME,
    SAMPLES,
    SERVICE,
    changed,
    created,
    errors_of_create,
    errors_of_update,
    metadata,
    short,
    typed,
)

from minikube_py.apiserver.kinds import namespace, service
from minikube_py.apiserver.kinds._objectmeta import validate_object_meta, validate_object_meta_update
from minikube_py.apiserver.kinds.base import Object

Expected = list[tuple[str, str]]


def with_spec(**members: Any) -> Object:
    obj = copy.deepcopy(SERVICE)
    obj["spec"] |= members
    return obj


CREATES: dict[str, tuple[str, Object, Expected]] = {
    "config map": (
        "ConfigMap",
        {"metadata": metadata("c"), "data": {"a/b": "1", "..": "2", "x": "3"}, "binaryData": {"x": "", "é": ""}},
        [
            ("data[a/b]", "Invalid"),
            ("data[..]", "Invalid"),
            ("data[x]", "Invalid"),
            ("binaryData[é]", "Invalid"),
        ],
    ),
    "config map size": (
        "ConfigMap",
        {"metadata": metadata("c"), "data": {"a": "x" * 1048575, "b": "é"}},
        [("[]", "TooLong")],
    ),
    "secret size": (
        "Secret",
        {"metadata": metadata("s"), "data": {"a": b64encode(b"x" * 1048577).decode()}},
        [("data", "TooLong")],
    ),
    "secret key": ("Secret", {"metadata": metadata("s"), "stringData": {"a b": "1"}}, [("data[a b]", "Invalid")]),
    "tls": (
        "Secret",
        {"metadata": metadata("s"), "type": "kubernetes.io/tls", "data": {"tls.crt": "AA=="}},
        [("data[tls.key]", "Required")],
    ),
    "docker config": (
        "Secret",
        {"metadata": metadata("s"), "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{"}},
        [("data[.dockerconfigjson]", "Invalid")],
    ),
    "basic auth": (
        "Secret",
        {"metadata": metadata("s"), "type": "kubernetes.io/basic-auth"},
        [("data[username]", "Required"), ("data[password]", "Required")],
    ),
    "token": (
        "Secret",
        {"metadata": metadata("s"), "type": "kubernetes.io/service-account-token"},
        [("metadata.annotations[kubernetes.io/service-account.name]", "Required")],
    ),
    "endpoints": (
        "Endpoints",
        {
            "metadata": metadata("e"),
            "subsets": [
                {"addresses": [{"ip": "127.0.0.1"}, {"ip": "10.0.0.1", "hostname": "A"}], "ports": [{"port": 0}]},
                {"notReadyAddresses": [{"ip": "x"}], "ports": [{"port": 1}, {"port": 2, "name": "a", "protocol": "X"}]},
            ],
        },
        [
            ("subsets[0].addresses[0].hostname", "Invalid"),
            ("subsets[0].addresses[1].ip", "Invalid"),
            ("subsets[0].ports[0].port", "Invalid"),
            ("subsets[1].notReadyAddresses[0].ip", "Invalid"),
            ("subsets[1].ports[0].name", "Required"),
            ("subsets[1].ports[1].protocol", "NotSupported"),
        ],
    ),
    "event elsewhere": (
        "Event",
        changed(SAMPLES["Event"], "involvedObject.namespace", "other"),
        [("involvedObject.namespace", "Invalid")],
    ),
    "event of a newer recorder": (
        "Event",
        changed(SAMPLES["Event"], "eventTime", "2030-01-01T00:00:00.000000Z"),
        [
            ("reportingController", "Required"),
            ("reportingController", "Invalid"),
            ("reportingController", "Invalid"),
            ("reportingInstance", "Required"),
            ("action", "Required"),
        ],
    ),
    "lease": (
        "Lease",
        {
            "metadata": metadata("l"),
            "spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1, "preferredHolder": "x"},
        },
        [
            ("spec.leaseDurationSeconds", "Invalid"),
            ("spec.leaseTransitions", "Invalid"),
            ("spec.strategy", "Required"),
        ],
    ),
    "namespace": (
        "Namespace",
        {"metadata": metadata("n", ""), "spec": {"finalizers": ["mine", "example.com/mine", "kubernetes"]}},
        [("spec.finalizers[0]", "Invalid")],
    ),
    "node": (
        "Node",
        {
            "metadata": metadata("n", ""),
            "spec": {
                "taints": [
                    {"key": "a", "effect": "No"},
                    {"key": "b/", "value": "-", "effect": "NoExecute"},
                    {"key": "a"},
                ],
                "podCIDRs": ["10.0.0.0/24", "10.0.1.0/24", "x"],
            },
            "status": {"capacity": {"cpu": "-1"}, "addresses": [{"type": "Hostname", "address": "n"}] * 2},
        },
        [
            ("spec.taints[0].effect", "NotSupported"),
            ("spec.taints[1].key", "Invalid"),
            ("spec.taints[1].key", "Invalid"),
            ("spec.taints[1].value", "Invalid"),
            ("spec.taints[2].effect", "Required"),
            ("spec.podCIDRs[2]", "Invalid"),
            ("spec.podCIDRs", "Invalid"),
            ("status.addresses[1]", "Duplicate"),
            ("status.capacity[cpu]", "Invalid"),
            ("status.allocatable[cpu]", "Invalid"),
        ],
    ),
    "no ports": ("Service", with_spec(ports=[]), [("spec.ports", "Required")]),
    "headless without ports": ("Service", with_spec(ports=[], clusterIP="None"), []),
    "service type": ("Service", with_spec(type="Magic"), [("spec.type", "NotSupported")]),
    "ports": (
        "Service",
        with_spec(
            ports=[
                {"port": 0, "name": "a"},
                {"port": 80, "protocol": "ICMP", "targetPort": "A b"},
                {"port": 81, "name": "a", "nodePort": 30000},
                {"port": 81, "name": "c"},
            ]
        ),
        [
            ("spec.ports[0].port", "Invalid"),
            ("spec.ports[0].targetPort", "Invalid"),
            ("spec.ports[1].name", "Required"),
            ("spec.ports[1].protocol", "NotSupported"),
            ("spec.ports[1].targetPort", "Invalid"),
            ("spec.ports[2].name", "Duplicate"),
            ("spec.ports[2].nodePort", "Forbidden"),
            ("spec.ports[3]", "Duplicate"),
        ],
    ),
    "node ports twice": (
        "Service",
        with_spec(type="NodePort", ports=[{"port": p, "name": f"p{p}", "nodePort": 30000} for p in (1, 2)]),
        [("spec.ports[1].nodePort", "Duplicate")],
    ),
    "headless node port": (
        "Service",
        with_spec(type="NodePort", clusterIP="None"),
        [("spec.clusterIPs[0]", "Invalid")],
    ),
    "external name": (
        "Service",
        with_spec(type="ExternalName", externalName="a_b", clusterIP="10.96.0.1"),
        [("spec.clusterIPs", "Forbidden"), ("spec.externalName", "Invalid")],
    ),
    "external name missing": ("Service", with_spec(type="ExternalName"), [("spec.externalName", "Required")]),
    "cluster IPs": (
        "Service",
        with_spec(clusterIP="10.96.0.1", clusterIPs=["10.96.0.2", "x"], ipFamilies=["IPv4", "IPv4", "IPX"]),
        [
            ("spec.ipFamilies[1]", "Duplicate"),
            ("spec.ipFamilies[2]", "NotSupported"),
            ("spec.clusterIPs", "Invalid"),
            ("spec.clusterIPs[1]", "Invalid"),
        ],
    ),
    "wrong family": (
        "Service",
        with_spec(clusterIP="10.96.0.1", ipFamilies=["IPv6"]),
        [("spec.clusterIPs[0]", "Invalid")],
    ),
    "affinity": ("Service", with_spec(sessionAffinity="Sticky"), [("spec.sessionAffinity", "NotSupported")]),
    "affinity seconds": (
        "Service",
        with_spec(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 86401}}),
        [("spec.sessionAffinityConfig.clientIP.timeoutSeconds", "Invalid")],
    ),
    "load balancer's members": (
        "Service",
        with_spec(
            loadBalancerSourceRanges=["10.0.0.0"],
            allocateLoadBalancerNodePorts=True,
            loadBalancerClass="a/b/c",
            healthCheckNodePort=30000,
            externalTrafficPolicy="Local",
            internalTrafficPolicy="x",
            trafficDistribution="y",
        ),
        [
            ("spec.loadBalancerSourceRanges", "Forbidden"),
            ("spec.loadBalancerSourceRanges[0]", "Invalid"),
            ("spec.allocateLoadBalancerNodePorts", "Forbidden"),
            ("spec.loadBalancerClass", "Forbidden"),
            ("spec.loadBalancerClass", "Invalid"),
            ("spec.externalTrafficPolicy", "Invalid"),
            ("spec.healthCheckNodePort", "Invalid"),
            ("spec.internalTrafficPolicy", "NotSupported"),
            ("spec.trafficDistribution", "NotSupported"),
        ],
    ),
    "kubelet's port": (
        "Service",
        with_spec(type="LoadBalancer", ports=[{"port": 10250}]),
        [("spec.ports[0]", "Invalid")],
    ),
    "external IPs": (
        "Service",
        with_spec(externalIPs=["127.0.0.1", "x"]),
        [("spec.externalIPs[0]", "Invalid"), ("spec.externalIPs[1]", "Invalid")],
    ),
    "selector": ("Service", with_spec(selector={"a": "-"}), [("spec.selector", "Invalid")]),
}


@pytest.mark.parametrize("name", CREATES)
def test_create(name: str) -> None:
    kind, obj, expected = CREATES[name]
    assert short(errors_of_create(BY_NAME[kind], obj)) == expected


ALLOCATED: Object = with_spec(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"], ipFamilies=["IPv4"])

UPDATES: dict[str, tuple[str, Object, str, Any, Expected]] = {
    "immutable config map": (
        "ConfigMap",
        {"metadata": metadata("c"), "data": {"a": "1"}, "immutable": True},
        "data",
        {"a": "2"},
        [("data", "Forbidden")],
    ),
    "immutable for good": (
        "ConfigMap",
        {"metadata": metadata("c"), "immutable": True},
        "immutable",
        False,
        [("immutable", "Forbidden")],
    ),
    "immutable secret": (
        "Secret",
        {"metadata": metadata("c"), "data": {"a": "MQ=="}, "immutable": True},
        "stringData",
        {"a": "2"},
        [("data", "Forbidden")],
    ),
    "same data": (
        "Secret",
        {"metadata": metadata("c"), "data": {"a": "MQ=="}, "immutable": True},
        "stringData",
        {"a": "1"},
        [],
    ),
    "secret type": ("Secret", {"metadata": metadata("c")}, "type", "example.com/x", [("type", "Invalid")]),
    "cluster IP": (
        "Service",
        ALLOCATED,
        "spec.clusterIP",
        "10.96.0.8",
        [("spec.clusterIPs[0]", "Invalid")],
    ),
    "to headless": ("Service", ALLOCATED, "spec.clusterIP", "None", [("spec.clusterIPs[0]", "Invalid")]),
    "cluster IP left out": ("Service", ALLOCATED, "spec.clusterIP", "", []),
    "to external name": ("Service", ALLOCATED, "spec.type", "ExternalName", [("spec.externalName", "Required")]),
    "pod CIDR": (
        "Node",
        {"metadata": metadata("n", ""), "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}},
        "spec",
        {"podCIDR": "10.2.0.0/24", "podCIDRs": ["10.2.0.0/24"]},
        [("spec.podCIDRs", "Forbidden")],
    ),
    "provider": (
        "Node",
        {"metadata": metadata("n", ""), "spec": {"providerID": "a"}},
        "spec.providerID",
        "b",
        [("spec.providerID", "Forbidden")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UPDATES)
def test_update(name: str) -> None:
    kind, old, path, value, expected = UPDATES[name]
    stored = created(BY_NAME[kind], old)
    assert short(errors_of_update(BY_NAME[kind], changed(stored, path, value), stored)) == expected


def test_a_namespaces_phase_goes_with_its_deletion() -> None:
    obj = created(namespace.KIND, {"metadata": metadata("n", "")})
    gone = changed(obj, "metadata.deletionTimestamp", "2030-01-01T00:00:00Z")
    for candidate, phase, expected in (
        (obj, "Active", []),
        (obj, "Terminating", [("status.Phase", "Invalid")]),
        (gone, "Terminating", []),
        (gone, "Active", [("status.Phase", "Invalid")]),
    ):
        new = changed(candidate, "status.phase", phase)
        assert short(namespace.KIND.validate_status(typed(namespace.KIND, new), typed(namespace.KIND, obj))) == expected


def test_a_load_balancers_status() -> None:
    old = created(service.KIND, SERVICE)
    ingress = [{"ip": "x", "ipMode": "Odd"}, {"hostname": "10.0.0.1", "ipMode": "VIP"}]
    new = changed(old, "status.loadBalancer.ingress", ingress)
    assert short(service.KIND.validate_status(typed(service.KIND, new), typed(service.KIND, old))) == [
        ("status.loadBalancer.ingress[0].ip", "Invalid"),
        ("status.loadBalancer.ingress[0].ipMode", "NotSupported"),
        ("status.loadBalancer.ingress[1].ipMode", "Forbidden"),
        ("status.loadBalancer.ingress[1].hostname", "Invalid"),
    ]


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}

METAS: dict[str, tuple[Object, bool, Expected]] = {
    "good": ({"name": "a", "namespace": "b", "labels": {"x.y/z": ""}, "annotations": {"X.y/Z": "v"}}, True, []),
    "no name": ({"namespace": "b"}, True, [("metadata.name", "Required")]),
    "bad name": ({"name": "A", "namespace": "b"}, True, [("metadata.name", "Invalid")]),
    "generateName": ({"name": "a-x", "generateName": "a-", "namespace": "b"}, True, []),
    "bad generateName": ({"name": "a", "generateName": "A-", "namespace": "b"}, True,
                         [("metadata.generateName", "Invalid")]),
    "no namespace": ({"name": "a"}, True, [("metadata.namespace", "Required")]),
    "bad namespace": ({"name": "a", "namespace": "a.b"}, True, [("metadata.namespace", "Invalid")]),
    "cluster-wide": ({"name": "a", "namespace": "b"}, False, [("metadata.namespace", "Forbidden")]),
    "labels": ({"name": "a", "labels": {"-": "a b"}}, False, [("metadata.labels", "Invalid")] * 2),
    "annotations": ({"name": "a", "annotations": {"a b": "", "x": "é" * 131072}}, False,
                    [("metadata.annotations", "Invalid"), ("metadata.annotations", "TooLong")]),
    "annotations at the limit": ({"name": "a", "annotations": {"x": "y" * 262143}}, False, []),
    "owners": ({"name": "a", "ownerReferences": [{**OWNER, "controller": True}, {**OWNER, "controller": True}]}, False,
               [("metadata.ownerReferences", "Invalid")]),
    "empty owner": ({"name": "a", "ownerReferences": [{}]}, False,
                    [(f"metadata.ownerReferences.{m}", "Invalid") for m in ("apiVersion", "kind", "name", "uid")]),
    "event as owner": ({"name": "a", "ownerReferences": [{**OWNER, "kind": "Event"}]}, False,
                       [("metadata.ownerReferences", "Invalid")]),
    "finalizers": ({"name": "a", "finalizers": ["x", "example.com/x", "orphan", "foregroundDeletion"]}, False,
                   [("metadata.finalizers", "Invalid"), ("metadata.finalizers[0]", "Invalid")]),
    "generation": ({"name": "a", "generation": -1}, False, [("metadata.generation", "Invalid")]),
    "managed fields": ({"name": "a", "managedFields": [{"operation": "Add", "manager": "x" * 129}]}, False,
                       [("metadata.managedFields[0].operation", "Invalid"),
                        ("metadata.managedFields[0].fieldManager", "TooLong")]),
}  # fmt: skip


@pytest.mark.parametrize("name", METAS)
def test_object_meta(name: str) -> None:
    meta, namespaced, expected = METAS[name]
    assert short(validate_object_meta(meta, namespaced, BY_NAME["Pod"].validate_name)) == expected


STORED = {"name": "a", "namespace": "b", "uid": "u", "creationTimestamp": "2030-01-01T00:00:00Z", "generation": 2}


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ({**STORED, "resourceVersion": "1"}, STORED, []),
        (STORED, STORED, [("metadata.resourceVersion", "Invalid")]),
        ({**STORED, "resourceVersion": "1", "uid": "v", "name": "c", "generation": 1}, STORED,
         [("metadata.generation", "Invalid"), ("metadata.name", "Invalid"), ("metadata.uid", "Invalid")]),
        ({**STORED, "resourceVersion": "1", "finalizers": ["a.b/c"], "deletionTimestamp": "t"},
         {**STORED, "deletionTimestamp": "t"}, [("metadata.finalizers", "Forbidden")]),
        ({**STORED, "resourceVersion": "1", "deletionTimestamp": "t"}, STORED,
         [("metadata.deletionTimestamp", "Invalid")]),
        ({**STORED, "resourceVersion": "1", "labels": {"": ""}}, STORED, [("metadata.labels", "Invalid")] * 2),
    ],
)  # fmt: skip
def test_object_meta_update(new: Object, old: Object, expected: Expected) -> None:
    assert short(validate_object_meta_update(new, old)) == expected
