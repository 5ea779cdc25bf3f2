"""Definitions that the tests of custom resources work with."""

from __future__ import annotations

from typing import Any

from tests.apiserver.conftest import Api

Object = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRONTABS = "/apis/stable.example.com/v1/namespaces/default/crontabs"

SCHEMA: Object = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
                "image": {"type": "string"},
                "replicas": {"type": "integer", "minimum": 1, "maximum": 10},
                "policy": {"type": "string", "enum": ["Allow", "Forbid"], "default": "Allow"},
                "port": {"x-kubernetes-int-or-string": True},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "note": {"type": "string", "nullable": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "steps": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "seconds": {"type": "integer", "default": 30},
                        },
                    },
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
                "phase": {"type": "string"},
                "conditions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                    },
                },
            },
        },
    },
}

COLUMNS: list[Object] = [
    {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec", "description": "The schedule."},
    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Image", "type": "string", "jsonPath": ".spec.image", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def version(name: str = "v1", schema: Object | None = None, **more: Any) -> Object:
    return {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA if schema is None else schema},
        **more,
    }


def crd(
    *versions: Object, plural: str = "crontabs", kind: str = "CronTab", group: str = "stable.example.com",
    scope: str = "Namespaced", **names: Any,
) -> Object:  # fmt: skip
    """A definition; without versions it has v1 with the schema above."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind, **names},
            "versions": list(versions) or [version()],
        },
    }


def full() -> Object:
    """One with everything: status, scale, columns, selectable fields, short names, a category."""
    return crd(
        version(
            subresources={
                "status": {},
                "scale": {
                    "specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas",
                    "labelSelectorPath": ".status.selector",
                },
            },
            additionalPrinterColumns=COLUMNS,
            selectableFields=[{"jsonPath": ".spec.image"}, {"jsonPath": ".spec.replicas"}],
        ),
        shortNames=["ct"],
        categories=["all"],
    )


def crontab(name: str = "c", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"cronSpec": "* * * * */5", **spec}}


async def install(api: Api, definition: Object) -> Object:
    """Create a definition and wait until it is established; the definition then."""
    from minikube_py.daemon.clock import settle

    name = definition["metadata"]["name"]
    await api.ok("POST", CRDS, definition)
    await settle()
    found: Object = await api.ok("GET", f"{CRDS}/{name}")
    return found


def conditions(found: Object) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in found["status"]["conditions"]}
