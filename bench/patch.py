"""How long selectors, patches and managed fields take on a Pod of about 4 KB: `python bench/patch.py`."""

from __future__ import annotations

import copy
import json
import timeit
from collections.abc import Callable
from typing import Any

from minikube_py.api import fields, labels, scheme
from minikube_py.api.patch import apply, fieldset, merge, strategic
from minikube_py.api.patch import json as json_patch

POD_TYPE = "core/v1.Pod"
T0, T1 = "2024-05-01T10:00:00Z", "2024-05-01T10:00:07Z"


def pod(name: str = "web-5d4f8c7b9-x2x7k") -> dict[str, Any]:
    """A Pod as a Deployment's replica set makes it, with defaults and status: 4 KB of JSON."""
    probe = {
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
        "initialDelaySeconds": 3, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1,
        "failureThreshold": 3,
    }  # fmt: skip

    def container(name: str, port: int) -> dict[str, Any]:
        return {
            "name": name,
            "image": f"images.example/{name}:1.27",
            "command": ["/bin/server", "--listen", f":{port}"],
            "env": [
                {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
                {"name": "LOG_LEVEL", "value": "info"},
            ],
            "ports": [{"containerPort": port, "name": "http", "protocol": "TCP"}],
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "livenessProbe": copy.deepcopy(probe),
            "readinessProbe": copy.deepcopy(probe),
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
            ],
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }

    def condition(kind: str) -> dict[str, Any]:
        return {"type": kind, "status": "True", "lastTransitionTime": T0}

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": "web-5d4f8c7b9-",
            "namespace": "default",
            "uid": "5d2f8c2e-5a55-4c43-9a4b-2f9f9b8a8d11",
            "creationTimestamp": T0,
            "labels": {"app": "web", "pod-template-hash": "5d4f8c7b9", "tier": "frontend"},
            "annotations": {"example.com/build": "1234", "example.com/owner": "team-a"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8c7b9",
                    "uid": "0c9d2a2e-8a5b-4f0e-8f55-1d0f3b1c2a77", "controller": True, "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {
                    "name": "token",
                    "projected": {
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                        ],
                        "defaultMode": 420,
                    },
                },
            ],
            "containers": [container("web", 8080), container("sidecar", 9090)],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "nodeName": "node-1",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
            ],
            "priority": 0,
            "enableServiceLinks": True,
        },
        "status": {
            "phase": "Running",
            "conditions": [condition(c) for c in ("Ready", "PodScheduled", "Initialized")],
            "hostIP": "10.0.0.5",
            "podIP": "10.244.0.7",
            "podIPs": [{"ip": "10.244.0.7"}],
            "startTime": T0,
        },
    }  # fmt: skip


def per_call(fn: Callable[[], object]) -> float:
    """Microseconds of one call: the best of five rounds."""
    fn()
    rounds = 1
    while (took := timeit.timeit(fn, number=rounds)) < 0.02:
        rounds *= 4
    best = min([took, *timeit.repeat(fn, number=rounds, repeat=4)])
    return best / rounds * 1e6


def cases() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    struct = scheme.struct(POD_TYPE)
    fresh = pod()
    main: Any = {"manager": "kubectl-create", "api_version": "v1", "ignore": (("status",),)}
    stored = copy.deepcopy(fresh)
    stored["metadata"]["managedFields"] = apply.track(fresh, None, struct, time=T0, **main)

    status: Any = copy.deepcopy(stored["status"])
    status["conditions"][0] = {**status["conditions"][0], "status": "False", "lastTransitionTime": T1}
    ready = {**stored, "status": status}
    kubelet: Any = {
        "manager": "kubelet", "api_version": "v1", "time": T1, "subresource": "status", "ignore": (("spec",),)
    }  # fmt: skip
    labelled = {**stored, "metadata": {**stored["metadata"], "labels": {**stored["metadata"]["labels"], "x": "y"}}}

    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": fresh["metadata"]["name"], "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "images.example/web:1.28"}]},
    }
    apply_as: Any = {"manager": "ci", "force": True, "api_version": "v1", "time": T1, "ignore": (("status",),)}
    applied = apply.server_side_apply(stored, config, struct, **apply_as)
    again = copy.deepcopy(config)
    again["spec"]["containers"][0]["image"] = "images.example/web:1.29"

    image = {"spec": {"containers": [{"name": "web", "image": "images.example/web:1.29"}]}}
    conditions = {"status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": T1}]}}
    ops = [
        {"op": "test", "path": "/spec/containers/0/name", "value": "web"},
        {"op": "replace", "path": "/spec/containers/0/image", "value": "images.example/web:1.29"},
        {"op": "add", "path": "/metadata/labels/x", "value": "y"},
    ]
    exact = labels.parse("app=web,tier=frontend")
    mixed = labels.parse("app=web,tier in (frontend,backend),!canary")
    field = fields.parse("spec.nodeName=node-1")
    has = fresh["metadata"]["labels"]
    values = {"metadata.name": "x", "spec.nodeName": "node-1"}
    entry = stored["metadata"]["managedFields"][0]["fieldsV1"]
    return {
        "labels: parse": lambda: labels.parse.__wrapped__("app=web,tier in (frontend,backend),!canary"),
        "labels: match, equalities": lambda: exact.matches(has),
        "labels: match, mixed": lambda: mixed.matches(has),
        "fields: match": lambda: field.matches(values),
        "managed fields: create": lambda: apply.track(fresh, None, struct, time=T0, **main),
        "managed fields: status update": lambda: apply.track(ready, stored, struct, **kubelet),
        "managed fields: label added": lambda: apply.track(labelled, stored, struct, time=T1, **main),
        "managed fields: nothing changed": lambda: apply.track(stored, stored, struct, time=T1, **main),
        "managed fields: read from a client": lambda: fieldset.decode(entry),
        "JSON patch, 3 operations": lambda: json_patch.apply(fresh, ops),
        "merge patch": lambda: merge.apply(fresh, {"metadata": {"labels": {"x": "y"}}}),
        "strategic: image": lambda: strategic.apply(fresh, image, struct),
        "strategic: condition": lambda: strategic.apply(fresh, conditions, struct),
        "server-side apply: create": lambda: apply.server_side_apply(None, config, struct, **apply_as),
        "server-side apply: image": lambda: apply.server_side_apply(applied, again, struct, **apply_as),
        "server-side apply: nothing new": lambda: apply.server_side_apply(applied, config, struct, **apply_as),
    }


def main() -> None:
    """Print the table."""
    print(f"Pod: {len(json.dumps(pod(), separators=(',', ':')))} bytes of JSON\n")
    print(f"{'what':<38}{'us':>8}")
    for name, fn in cases().items():
        print(f"{name:<38}{per_call(fn):>8.1f}")


if __name__ == "__main__":
    main()
