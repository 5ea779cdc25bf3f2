"""An operator as kopf's users write it: a custom resource becomes a ConfigMap and reports in its status."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf
from kubernetes import client, config

GROUP, VERSION, PLURAL = "shop.example.com", "v1", "orders"


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    config.load_kube_config()
    settings.persistence.finalizer = "shop.example.com/cleanup"
    settings.posting.level = 20
    settings.peering.priority = 10


def config_map(name: str, spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-items"},
        "data": {item["name"]: str(item["count"]) for item in spec["items"]},
    }  # fmt: skip


@kopf.on.create(PLURAL)
def create(name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, patch: kopf.Patch, **_: Any) -> dict[str, Any]:
    if spec.get("refuse"):
        raise kopf.PermanentError("the shop is closed")
    made = config_map(name, spec)
    kopf.adopt(made)
    stored = client.CoreV1Api().create_namespaced_config_map(namespace, made)
    patch.status["phase"] = "Ready"
    kopf.event(body, type="Normal", reason="Packed", message=f"packed {len(spec['items'])} items")
    return {"configMap": stored.metadata.name}


@kopf.on.field(PLURAL, field="spec.items")
def change(name: str, namespace: str, spec: kopf.Spec, old: Any, patch: kopf.Patch, **_: Any) -> None:
    if old is not None:
        changed = {"data": config_map(name, spec)["data"]}
        client.CoreV1Api().patch_namespaced_config_map(f"{name}-items", namespace, changed)
        patch.status["changes"] = len(spec["items"])


@kopf.on.delete(PLURAL)
def delete(name: str, namespace: str, **_: Any) -> None:
    meta = client.V1ObjectMeta(name=f"{name}-receipt")
    receipt = client.V1ConfigMap(metadata=meta, data={"name": name})
    client.CoreV1Api().create_namespaced_config_map(namespace, receipt)


@kopf.timer(PLURAL, interval=0.3)
def tick(patch: kopf.Patch, status: kopf.Status, **_: Any) -> None:
    if status.get("ticks", 0) < 3:
        patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon(PLURAL, labels={"watched": "yes"})
async def watch_over(stopped: kopf.DaemonStopped, patch: kopf.Patch, **_: Any) -> None:
    patch.status["watched"] = True
    while not stopped:
        await asyncio.sleep(0.1)


@kopf.on.event("configmaps", labels={"shop.example.com/counted": kopf.PRESENT})
async def count(event: Any, memo: kopf.Memo, logger: Any, **_: Any) -> None:
    logger.info("counted %s", event["object"]["metadata"]["name"])
