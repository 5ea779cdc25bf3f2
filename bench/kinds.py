"""What a Pod costs the API server before it is stored: defaulting, validation, rows; prints a table of microseconds.

python bench/kinds.py
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from minikube_py.api import scheme
from minikube_py.apiserver import table
from minikube_py.apiserver.encoding import Codec
from minikube_py.apiserver.kinds import pod
from minikube_py.apiserver.kinds._objectmeta import validate_object_meta
from minikube_py.apiserver.kinds.base import Context, Object
from minikube_py.daemon.clock import RealClock

NOW = datetime(2030, 1, 1, tzinfo=UTC)
_clock = RealClock()


def sample() -> Object:
    """A Pod as a web application's author writes it: 4 KB once it is stored."""

    def container(name: str, port: int) -> Object:
        probe = {"httpGet": {"path": "/healthz", "port": port}, "initialDelaySeconds": 3}
        return {
            "name": name,
            "image": f"example/{name}:1.2.3",
            "command": ["/bin/server"],
            "args": ["--port", str(port), "--verbose"],
            "ports": [{"name": f"http-{name}", "containerPort": port}],
            "env": [{"name": f"SETTING_{i}", "value": f"value-{i}"} for i in range(8)]
            + [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "100m"}},
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "config", "mountPath": "/etc/config", "readOnly": True},
            ],
            "livenessProbe": probe,
            "readinessProbe": probe,
            "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
        }

    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-7d9c5b6f4-x2x7q",
            "namespace": "default",
            "uid": "3a1b2c3d-0000-4000-8000-1234567890ab",
            "creationTimestamp": "2029-12-31T23:00:00Z",
            "labels": {"app": "web", "tier": "front", "pod-template-hash": "7d9c5b6f4"},
            "annotations": {"example.com/checksum": "d34db33f" * 8},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d9c5b6f4", "uid": "u", "controller": True}
            ],
        },
        "spec": {
            "containers": [container("web", 8080), container("metrics", 9090)],
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
                for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
            ],
            "volumes": [{"name": "data"}, {"name": "config", "configMap": {"name": "web"}}],
        },
    }


def stored() -> Object:
    """The sample with its defaults and server-owned members."""
    obj = json.loads(json.dumps(sample()))
    pod.KIND.default(obj)
    pod.KIND.prepare_create(obj, Context(now=NOW, user="bench"))
    return dict(obj)


def microseconds(work: Callable[[], Any], *, rounds: int = 5, count: int = 400) -> float:
    """The best round's average."""
    best = float("inf")
    for _ in range(rounds):
        start = _clock.monotonic()
        for _ in range(count):
            work()
        best = min(best, _clock.monotonic() - start)
    return best / count * 1e6


def main() -> None:
    obj = stored()
    model = scheme.model("core/v1.Pod")
    typed = model.model_validate(obj)
    fresh = [json.loads(json.dumps(sample())) for _ in range(2400)]
    codec = Codec(pod.KIND.resource)
    data = codec.served(codec.encode(obj), 42)
    obj["metadata"]["resourceVersion"] = "42"
    row = table.Row(pod.KIND, obj)
    rows = [(row, data)] * 10_000
    changed = model.model_validate(copy.deepcopy(obj))
    results = {
        f"Pod of {len(data)} bytes: default, first time": microseconds(lambda: pod.KIND.default(fresh.pop())),
        "default, again": microseconds(lambda: pod.KIND.default(obj)),
        "model of it": microseconds(lambda: model.model_validate(obj)),
        "validate metadata": microseconds(lambda: validate_object_meta(obj["metadata"], True, pod.KIND.validate_name)),
        "validate": microseconds(lambda: pod.KIND.validate(typed)),
        "validate_update, nothing changed": microseconds(lambda: pod.KIND.validate_update(changed, typed)),
        "select_fields": microseconds(lambda: pod.KIND.select_fields(obj)),
        "row, computed": microseconds(lambda: table.Row(pod.KIND, obj)),
        "row, rendered": microseconds(lambda: row.render(NOW.timestamp(), b"{}")),
    }
    milliseconds = microseconds(
        lambda: table.table_from_data(pod.KIND, rows, now=NOW, list_meta={"resourceVersion": "42"}), rounds=3, count=1
    )
    for name, value in results.items():
        print(f"{name:45} {value:10.1f} us")
    print(f"{'Table of 10,000 Pods, rows at hand':45} {milliseconds / 1000:10.1f} ms")


if __name__ == "__main__":
    main()
