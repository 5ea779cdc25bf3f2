"""An operator as kopf's users write it: an Order becomes a ConfigMap, reports in its status, and leaves a receipt."""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client

PLURAL = "orders.shop.example.com"


def items(name: str, spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-items"},
        "data": {item["name"]: str(item["count"]) for item in spec["items"]},
    }  # fmt: skip


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "shop.example.com/receipt"
    settings.posting.loggers = True


@kopf.on.create(PLURAL)
def create(name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, patch: kopf.Patch, **_: Any) -> dict[str, Any]:
    if spec.get("refuse"):
        raise kopf.PermanentError("the shop is closed")
    made = items(name, spec)
    kopf.adopt(made)
    stored = client.CoreV1Api().create_namespaced_config_map(namespace, made)
    patch.status["phase"] = "Packed"
    kopf.event(body, type="Normal", reason="Packed", message=f"packed {len(spec['items'])} items")
    return {"configMap": stored.metadata.name}


@kopf.on.update(PLURAL, field="spec.items")
def change(name: str, namespace: str, spec: kopf.Spec, diff: Any, patch: kopf.Patch, **_: Any) -> None:
    client.CoreV1Api().patch_namespaced_config_map(f"{name}-items", namespace, {"data": items(name, spec)["data"]})
    patch.status["phase"] = "Changed"


@kopf.on.delete(PLURAL)
def receipt(name: str, namespace: str, **_: Any) -> None:
    meta = client.V1ObjectMeta(name=f"{name}-receipt")
    client.CoreV1Api().create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=meta))


@kopf.timer(PLURAL, labels={"counted": "yes"}, interval=0.2)
def tick(patch: kopf.Patch, status: kopf.Status, **_: Any) -> None:
    if status.get("ticks", 0) < 3:
        patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon(PLURAL, labels={"watched": "yes"})
async def guard(name: str, namespace: str, stopped: kopf.DaemonStopped, logger: Any, **_: Any) -> None:
    logger.info("the guard comes")
    await stopped.wait()
    logger.info(f"the guard leaves: {stopped.reason}")


@kopf.on.event("configmaps", labels={"counted": kopf.PRESENT})
async def seen(event: Any, name: str, logger: Any, **_: Any) -> None:
    logger.info(f"saw {event['type']} of {name}")
