"""What decoding costs: a 4 KB Pod through JSON, normalisation, model and protobuf. `python bench/decode.py`."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import orjson

from minikube_py.api import protobuf, scheme
from minikube_py.api.decode import decode_json
from minikube_py.api.normalize import normalize


def pod() -> dict[str, Any]:
    """A Pod as kubectl and a mutating admission leave it, about 4 KB of JSON."""

    def container(name: str, port: int) -> dict[str, Any]:
        probe = {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10}
        return {
            "name": name,
            "image": f"example.test/team/{name}:1.2.3",
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/server"],
            "args": ["--listen", f":{port}", "--verbose", "--config=/etc/config/server.yaml"],
            "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
            "env": [{"name": f"VARIABLE_{i}", "value": f"value-{i}"} for i in range(8)]
            + [{"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
            "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "250m", "memory": "64Mi"}},
            "volumeMounts": [
                {"name": "config", "mountPath": "/etc/config", "readOnly": True},
                {"name": "data", "mountPath": "/data"},
                {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
            ],
            "livenessProbe": probe,
            "readinessProbe": {**probe, "initialDelaySeconds": 5},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
        }

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-5d8f7c9b6d-x2k4q",
            "namespace": "default",
            "labels": {"app": "web", "tier": "front", "pod-template-hash": "5d8f7c9b6d"},
            "annotations": {f"example.test/annotation-{i}": f"some longer text number {i}" for i in range(5)},
            "creationTimestamp": "2030-01-01T00:00:00Z",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f", "uid": "u", "controller": True}
            ],
        },
        "spec": {
            "containers": [container("server", 8080), container("side", 9090)],
            "volumes": [
                {"name": "config", "configMap": {"name": "web", "defaultMode": 420}},
                {"name": "data", "emptyDir": {}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "nodeName": "node-1",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "example.test/slow", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            ],
            "priority": 0,
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": t, "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z"}
                for t in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "podIP": "10.0.0.7",
            "startTime": "2030-01-01T00:00:00Z",
        },
    }


def micros(work: Callable[[], object], rounds: int = 2000) -> float:
    """The best of five averages, in microseconds."""
    best = float("inf")
    for _ in range(5):
        gc.collect()
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        best = min(best, (time.perf_counter() - start) / rounds * 1e6)
    return best


def main() -> None:
    struct = scheme.struct("core/v1.Pod")
    model = scheme.model("core/v1.Pod")
    obj = pod()
    normalize(obj, struct)
    body = orjson.dumps(obj)
    enveloped = protobuf.encode(obj, struct)
    rows: list[tuple[str, float]] = [
        ("JSON to dict", micros(lambda: orjson.loads(body))),
        ("JSON to dict, duplicates looked for", micros(lambda: decode_json(body))),
        ("protobuf to dict", micros(lambda: protobuf.decode(enveloped), 200)),
        ("normalise (already normal)", micros(lambda: normalize(obj, struct))),
        ("dict to model", micros(lambda: model.model_validate(obj), 500)),
    ]
    print(f"a Pod of {len(body)} bytes")
    for name, cost in rows:
        print(f"{name:38} {cost:8.1f} us")


if __name__ == "__main__":
    main()
