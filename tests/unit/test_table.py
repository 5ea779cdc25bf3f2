"""Tables and partial metadata: cells of every kind, ages, and the bytes being the same as the dicts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from kinds_samples import BY_NAME, NOW, POD, SAMPLES, changed, created, metadata

from minikube_py.apiserver import table
from minikube_py.apiserver.encoding import Codec
from minikube_py.apiserver.kinds.base import Object

M, H, D = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"), (-1.5, "0s"), (-1, "0s"), (-0.5, "0s"), (0, "0s"), (0.9, "0s"), (119, "119s"), (120, "2m"),
        (125, "2m5s"), (599, "9m59s"), (10 * M, "10m"), (179 * M, "179m"), (180 * M, "3h"), (3 * H + 5 * M, "3h5m"),
        (8 * H, "8h"), (47 * H, "47h"), (48 * H, "2d"), (49 * H, "2d1h"), (8 * D - 1, "7d23h"), (8 * D, "8d"),
        (729 * D, "729d"), (730 * D, "2y"), (731 * D, "2y1d"), (8 * 365 * D, "8y"), (9 * 365 * D + 5 * D, "9y"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert table.human_duration(seconds) == text


def cells(kind: str, obj: Object) -> list[Any]:
    out = table.table(BY_NAME[kind], [obj], now=NOW, list_meta={})
    row: list[Any] = out["rows"][0]["cells"]
    return row


ROWS: dict[str, tuple[str, Object, list[Any]]] = {
    "namespace": ("Namespace", SAMPLES["Namespace"], ["team", "Active", "5m"]),
    "config map": ("ConfigMap", SAMPLES["ConfigMap"], ["c", 2, "5m"]),
    "secret": ("Secret", SAMPLES["Secret"], ["s", "Opaque", 1, "5m"]),
    "service account": ("ServiceAccount", SAMPLES["ServiceAccount"], ["default", "5m"]),
    "lease": ("Lease", SAMPLES["Lease"], ["l", "me", "5m"]),
    "endpoints": ("Endpoints", SAMPLES["Endpoints"], ["web", "10.1.0.1:80", "5m"]),
    "many endpoints": (
        "Endpoints",
        {
            "metadata": metadata("web"),
            "subsets": [
                {"addresses": [{"ip": f"10.1.0.{i}"} for i in (1, 2, 3)], "ports": [{"port": 80}, {"port": 90}]},
                {"notReadyAddresses": [{"ip": "10.1.0.9"}], "ports": [{"port": 70}]},
            ],
        },
        ["web", "10.1.0.1:80,10.1.0.2:80,10.1.0.3:80 + 3 more...", "5m"],
    ),
    "no endpoints": ("Endpoints", {"metadata": metadata("web")}, ["web", "<none>", "5m"]),
    "event": (
        "Event",
        {
            **SAMPLES["Event"],
            "firstTimestamp": "2029-12-31T23:50:00Z",
            "lastTimestamp": "2029-12-31T23:59:30Z",
            "count": 3,
            "source": {"component": "kubelet", "host": "node-1"},
            "message": " Started it\n",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web", "fieldPath": "spec"},
        },
        ["30s", "Normal", "Started", "pod/web", "spec", "kubelet, node-1", "Started it", "10m", 3, "web.1"],
    ),
    "event of a newer recorder": (
        "Event",
        {
            **SAMPLES["Event"],
            "eventTime": "2029-12-31T23:00:00.000000Z",
            "series": {"count": 7, "lastObservedTime": "2029-12-31T23:58:00.000000Z"},
            "reportingComponent": "scheduler",
        },
        ["2m", "Normal", "Started", "pod/web", "", "scheduler", "Started it", "60m", 7, "web.1"],
    ),
    "event without times": (
        "Event",
        {"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"kind": "Node"}},
        ["<unknown>", "", "", "node", "", "", "", "<unknown>", 1, "e"],
    ),
    "node": (
        "Node",
        {
            "metadata": {**metadata("n", ""), "labels": {"node-role.kubernetes.io/b": "", "kubernetes.io/role": "a"}},
            "spec": {"unschedulable": True},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {
                    "kubeletVersion": "v1.36.2",
                    "osImage": "Debian",
                    "kernelVersion": "6.1",
                    "architecture": "amd64",
                    "containerRuntimeVersion": "docker://27",
                },
            },
        },
        ["n", "Ready,SchedulingDisabled", "a,b", "5m", "v1.36.2", "10.0.0.1", "<none>", "Debian", "6.1 (amd64)",
         "docker://27"],
    ),
    "bare node": (
        "Node",
        {"metadata": {"name": "n"}},
        ["n", "Unknown", "<none>", "<unknown>", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"],
    ),
    "service": (
        "Service",
        {
            "metadata": metadata("web"),
            "spec": {
                "type": "NodePort",
                "clusterIP": "10.96.0.7",
                "clusterIPs": ["10.96.0.7"],
                "ports": [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"}],
                "selector": {"b": "2", "a": "1"},
                "externalIPs": ["1.1.1.1", "2.2.2.2"],
            },
        },
        ["web", "NodePort", "10.96.0.7", "1.1.1.1,2.2.2.2", "80:30080/TCP,53/UDP", "5m", "a=1,b=2"],
    ),
    "load balancer, pending": (
        "Service",
        {"metadata": metadata("web"), "spec": {"type": "LoadBalancer"}},
        ["web", "LoadBalancer", "<none>", "<pending>", "<none>", "5m", "<none>"],
    ),
    "external name": (
        "Service",
        {"metadata": metadata("web"), "spec": {"type": "ExternalName", "externalName": "example.com"}},
        ["web", "ExternalName", "<none>", "example.com", "<none>", "5m", "<none>"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    kind, obj, expected = ROWS[name]
    assert cells(kind, created(BY_NAME[kind], obj) if name not in _AS_THEY_ARE else obj) == expected


_AS_THEY_ARE = {"bare node", "node", "event without times"}


def test_a_load_balancer_with_addresses() -> None:
    obj = created(BY_NAME["Service"], changed(SAMPLES["Service"], "spec.type", "LoadBalancer"))
    obj["status"] = {"loadBalancer": {"ingress": [{"hostname": "b"}, {"ip": "1.2.3.4"}]}}
    assert cells("Service", obj)[3] == "1.2.3.4,b"


def state(name: str = "web", **members: Any) -> Object:
    return {"name": name, "restartCount": 0, "ready": False, **members}


RUNNING = {"running": {"startedAt": "2029-12-31T23:00:00Z"}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}
READY = [{"type": "Ready", "status": "True"}]
GATED = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
CRASHED = {"terminated": {"exitCode": 1, "finishedAt": "2029-12-31T23:59:00Z"}}
TWO = [{"name": "web"}, {"name": "b"}]

PODS: dict[str, tuple[Object, Object, list[str]]] = {
    # spec, status, [ready, status, restarts]
    "pending": ({}, {"phase": "Pending"}, ["0/1", "Pending", "0"]),
    "gated": ({}, {"phase": "Pending", "conditions": GATED}, ["0/1", "SchedulingGated", "0"]),
    "evicted": ({}, {"phase": "Failed", "reason": "Evicted"}, ["0/1", "Evicted", "0"]),
    "creating": (
        {},
        {"phase": "Pending", "containerStatuses": [state(state={"waiting": {"reason": "ContainerCreating"}})]},
        ["0/1", "ContainerCreating", "0"],
    ),
    "running": (
        {},
        {"phase": "Running", "containerStatuses": [state(ready=True, state=RUNNING)]},
        ["1/1", "Running", "0"],
    ),
    "restarted": (
        {},
        {
            "phase": "Running",
            "containerStatuses": [state(ready=True, state=RUNNING, restartCount=2, lastState=CRASHED)],
        },
        ["1/1", "Running", "2 (60s ago)"],
    ),
    "crashing": (
        {},
        {
            "phase": "Running",
            "containerStatuses": [state(restartCount=3, state={"waiting": {"reason": "CrashLoopBackOff"}})],
        },
        ["0/1", "CrashLoopBackOff", "3"],
    ),
    "the first container wins": (
        {"containers": TWO},
        {
            "phase": "Running",
            "containerStatuses": [
                state(state={"waiting": {"reason": "A"}}),
                state("b", state={"waiting": {"reason": "B"}}),
            ],
        },
        ["0/2", "A", "0"],
    ),
    "signal": (
        {},
        {"phase": "Failed", "containerStatuses": [state(state={"terminated": {"exitCode": 137, "signal": 9}})]},
        ["0/1", "Signal:9", "0"],
    ),
    "exit code": (
        {},
        {"phase": "Failed", "containerStatuses": [state(state={"terminated": {"exitCode": 3}})]},
        ["0/1", "ExitCode:3", "0"],
    ),
    "completed": ({}, {"phase": "Succeeded", "containerStatuses": [state(state=DONE)]}, ["0/1", "Completed", "0"]),
    "one completed, one running and ready": (
        {"containers": TWO},
        {
            "phase": "Running",
            "conditions": READY,
            "containerStatuses": [state(state=DONE), state("b", ready=True, state=RUNNING)],
        },
        ["1/2", "Running", "0"],
    ),
    "one completed, one running": (
        {"containers": TWO},
        {"phase": "Running", "containerStatuses": [state(state=DONE), state("b", ready=True, state=RUNNING)]},
        ["1/2", "NotReady", "0"],
    ),
    "one completed, one failed": (
        {"containers": TWO},
        {
            "phase": "Failed",
            "containerStatuses": [
                state(state=DONE),
                state("b", state={"terminated": {"exitCode": 2, "reason": "Error"}}),
            ],
        },
        ["0/2", "Error", "0"],
    ),
    "first init container waits": (
        {"initContainers": TWO},
        {"phase": "Pending", "initContainerStatuses": [state(state={"waiting": {"reason": "PodInitializing"}})]},
        ["0/1", "Init:0/2", "0"],
    ),
    "second init container runs": (
        {"initContainers": TWO},
        {"phase": "Pending", "initContainerStatuses": [state(state=DONE), state("b", state=RUNNING, restartCount=1)]},
        ["0/1", "Init:1/2", "1"],
    ),
    "init container's image": (
        {"initContainers": TWO},
        {"phase": "Pending", "initContainerStatuses": [state(state={"waiting": {"reason": "ErrImagePull"}})]},
        ["0/1", "Init:ErrImagePull", "0"],
    ),
    "init container failed": (
        {"initContainers": TWO},
        {"phase": "Pending", "initContainerStatuses": [state(state={"terminated": {"exitCode": 4}})]},
        ["0/1", "Init:ExitCode:4", "0"],
    ),
    "sidecar": (
        {"initContainers": [{"name": "s", "restartPolicy": "Always"}]},
        {
            "phase": "Running",
            "initContainerStatuses": [state("s", started=True, ready=True, state=RUNNING, restartCount=1)],
            "containerStatuses": [state(ready=True, state=RUNNING, restartCount=1)],
        },
        ["2/2", "Running", "2"],
    ),
    "restarts of finished init containers do not count": (
        {"initContainers": [{"name": "i"}]},
        {
            "phase": "Running",
            "initContainerStatuses": [state("i", restartCount=5, state=DONE)],
            "containerStatuses": [state(ready=True, state=RUNNING)],
        },
        ["1/1", "Running", "0"],
    ),
}


@pytest.mark.parametrize("name", PODS)
def test_pods(name: str) -> None:
    spec, status, expected = PODS[name]
    obj = {"metadata": metadata("web"), "spec": {"containers": [{"name": "web"}], **spec}, "status": status}
    assert cells("Pod", obj)[1:4] == expected


@pytest.mark.parametrize(
    ("phase", "reason", "expected"),
    [("Running", "", "Terminating"), ("Succeeded", "", "Succeeded"), ("Running", "NodeLost", "Unknown")],
)
def test_deleted_pods(phase: str, reason: str, expected: str) -> None:
    obj = changed(POD, "status", {"phase": phase, "reason": reason})
    obj["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert cells("Pod", obj)[2] == expected


def test_the_wide_columns_of_a_pod() -> None:
    gates = [{"conditionType": "a"}, {"conditionType": "b"}]
    conditions = [{"type": "a", "status": "True"}, {"type": "b", "status": "False"}]
    obj = {
        "metadata": metadata("web"),
        "spec": {"containers": [], "nodeName": "n", "readinessGates": gates},
        "status": {"podIPs": [{"ip": "10.0.0.1"}], "nominatedNodeName": "m", "conditions": conditions},
    }
    assert cells("Pod", obj)[5:] == ["10.0.0.1", "n", "m", "1/2"]
    assert cells("Pod", POD)[5:] == ["<none>"] * 4


@pytest.mark.parametrize("include", ["", "Metadata", "Object", "None"])
@pytest.mark.parametrize("version", ["meta.k8s.io/v1", "meta.k8s.io/v1beta1"])
@pytest.mark.parametrize("name", SAMPLES)
def test_bytes_and_dicts_are_the_same_table(name: str, include: str, version: str) -> None:
    kind = BY_NAME[name]
    obj = created(kind, SAMPLES[name])
    if name == "Pod":
        obj["status"]["phase"] = "Succeeded"
    codec = Codec(kind.resource)
    data = codec.served(codec.encode(obj), 42)
    obj = orjson.loads(data)
    meta = {"resourceVersion": "43"}
    as_dict = table.table(kind, [obj], now=NOW, list_meta=meta, include_object=include, group_version=version)
    row = table.Row(kind, obj)
    later = NOW + timedelta(days=1)
    row.render(later.timestamp(), b"null")
    quick = table.table_from_data(
        kind, [(row, data)], now=NOW, list_meta=meta, include_object=include, group_version=version
    )
    assert orjson.loads(quick) == as_dict
    alone = table.row_bytes(kind, obj, NOW, include_object=include, group_version=version)
    assert orjson.loads(alone) == as_dict["rows"][0]
    assert row.cells(NOW.timestamp()) == as_dict["rows"][0]["cells"]
    partials = orjson.loads(table.partial_list_bytes([(row, data)], meta, version))
    assert partials == table.partial_list([obj], meta, version)
    assert partials["items"][0]["metadata"]["resourceVersion"] == "42"


def test_a_table_in_full() -> None:
    kind = BY_NAME["Pod"]
    obj = changed(POD, "status", {"phase": "Succeeded"})
    out = table.table(kind, [obj], now=NOW, list_meta={"resourceVersion": "7"}, columns=False)
    assert out == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7"},
        "columnDefinitions": [],
        "rows": [
            {
                "cells": ["web", "0/1", "Succeeded", "0", "5m", "<none>", "<none>", "<none>", "<none>"],
                "conditions": [
                    {
                        "type": "Completed",
                        "status": "True",
                        "reason": "Succeeded",
                        "message": "The pod has completed successfully.",
                    }
                ],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": POD["metadata"],
                },
            }
        ],
    }


def test_an_unknown_include_is_an_error() -> None:
    with pytest.raises(ValueError, match="Everything"):
        table.table(BY_NAME["Pod"], [], now=NOW, list_meta={}, include_object="Everything")
