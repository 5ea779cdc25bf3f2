"""Builders for the tables of the kubelet's pure functions: Pods, sandboxes, containers, views."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from minikube_py.kubelet.podspec import HASH, RESTART_DELAY, spec_hash
from minikube_py.kubelet.runtime.base import Container, PodRef, Sandbox, Snapshot
from minikube_py.kubelet.state import NOTHING, ImageState, Local, View, views

T0 = datetime(2030, 1, 1, tzinfo=UTC)
REF = PodRef("default", "web", "uid-1")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def c(name: str, **more: Any) -> dict[str, Any]:
    """A container's spec."""
    return {"name": name, "image": f"{name}:1", **more}


def pod(
    *containers: dict[str, Any],
    init: tuple[dict[str, Any], ...] = (),
    policy: str = "Always",
    status: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A Pod of these containers (default: one called `a`)."""
    body: dict[str, Any] = {"containers": list(containers) or [c("a")], "restartPolicy": policy, **spec}
    if init:
        body["initContainers"] = list(init)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": "web", "uid": "uid-1", **(meta or {})},
        "spec": body,
        "status": status or {},
    }


def deleting(seconds: float = 0, grace: int = 30) -> dict[str, Any]:
    """The metadata of a Pod whose deletion was asked for."""
    return {"deletionTimestamp": at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ"), "deletionGracePeriodSeconds": grace}


def box(attempt: int = 0, ready: bool = True, ip: str = "10.0.0.5", host: bool = False) -> Sandbox:
    return Sandbox(f"box{attempt}", REF, attempt, ready, at(attempt), "" if host or not ready else ip, host)


def con(
    name: str,
    state: str = "running",
    code: int = 0,
    *,
    attempt: int = 0,
    sandbox: int = 0,
    start: float | None = 0,
    end: float = 5,
    delay: float = 0,
    image: str = "",
    oom: bool = False,
    message: str = "",
) -> Container:
    """A container in the engine; `delay` is the restart delay in its labels, `image` another spec's image."""
    exited = state == "exited"
    spec = c(name) if not image else {**c(name), "image": image}
    return Container(
        f"{name}-{attempt}", REF, name, attempt, f"box{sandbox}",
        state,  # type: ignore[arg-type]
        spec["image"], f"sha256:{name}", at(start or 0),
        at(start) if start is not None and state != "created" else None,
        at(end) if exited else None, code, oom, message,
        {HASH: spec_hash(spec), RESTART_DELAY: f"{delay:g}"},
    )  # fmt: skip


def view(*parts: Sandbox | Container) -> View:
    """The engine with these things in it."""
    boxes = [p for p in parts if isinstance(p, Sandbox)]
    cons = [p for p in parts if isinstance(p, Container)]
    return views(Snapshot(boxes, cons)).get(REF.uid, NOTHING)


def local(*images: tuple[str, int], **more: Any) -> Local:
    """Local memory with volumes mounted and these (container, attempt) images at hand."""
    found = {name: ImageState(f"{name}:1", attempt, f"sha256:{name}") for name, attempt in images}
    return Local(**{"volumes_ready": True, "images": found, **more})
