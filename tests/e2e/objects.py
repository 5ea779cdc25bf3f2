"""The objects that end-to-end tests create."""

from __future__ import annotations

from typing import Any

from tests.images import BUSYBOX, WEB

Object = dict[str, Any]

STAY = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"]
"""Stays until asked to end; a bare `sleep` as the first process would be deaf to SIGTERM."""


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def container(name: str = "main", command: list[str] | None = None, **fields: Any) -> Object:
    return {"name": name, "image": BUSYBOX, "imagePullPolicy": "Never", "command": command or STAY, **fields}


def web(name: str = "web", **fields: Any) -> Object:
    """A container that serves a page on port 80."""
    return {"name": name, "image": WEB, "imagePullPolicy": "Never", **fields}


def pod(name: str, *containers: Object, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A Pod that ends within a second when it is deleted."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": list(containers) or [container()], **spec},
    }  # fmt: skip


def waiting_pod(name: str, **options: Any) -> Object:
    """A Pod that no scheduler takes: nothing changes it but the test."""
    return pod(name, schedulerName="nobody", **options)


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Object:
    meta = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
