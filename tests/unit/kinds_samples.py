"""Objects and small helpers for the tests of kinds: what the registry does with an object, without the registry."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from minikube_py.api import scheme
from minikube_py.api.errors import FieldError
from minikube_py.api.normalize import normalize
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.kinds import KINDS
from minikube_py.apiserver.kinds.base import Context, Kind, Object

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CONTEXT = Context(now=NOW, user=User("someone"))
BY_NAME = {kind.resource.kind: kind for kind in KINDS if kind.stored_as is None}
"""The kinds of the stored versions."""


def created(kind: Kind, obj: Object) -> Object:
    """The object as it would be stored by a create, whether it is valid or not."""
    obj = copy.deepcopy(obj)
    normalize(obj, scheme.struct(kind.resource.type))
    kind.default(obj)
    kind.prepare_create(obj, CONTEXT)
    return obj


def updated(kind: Kind, new: Object, old: Object) -> Object:
    """The object as it would be stored by a plain update."""
    new = copy.deepcopy(new)
    normalize(new, scheme.struct(kind.resource.type))
    kind.default(new)
    kind.prepare_update(new, old, CONTEXT)
    return new


def typed(kind: Kind, obj: Object) -> Any:
    """The object's model."""
    return scheme.model(kind.resource.type).model_validate(obj)


def errors_of_create(kind: Kind, obj: Object) -> Sequence[FieldError]:
    """What validation says of a new object."""
    return kind.validate(typed(kind, created(kind, obj)))


def errors_of_update(kind: Kind, new: Object, old: Object) -> Sequence[FieldError]:
    """What validation says of an update from a stored object."""
    return kind.validate_update(typed(kind, updated(kind, new, old)), typed(kind, old))


def short(errors: Sequence[FieldError]) -> list[tuple[str, str]]:
    """(field, reason without its prefix) of each error."""
    return [(e.field, e.type.removeprefix("FieldValue")) for e in errors]


def changed(obj: Object, path: str, value: Any) -> Object:
    """A copy with the member at a dotted path set (numbers index lists); the value None removes it."""
    out = copy.deepcopy(obj)
    *parents, last = path.split(".")
    here: Any = out
    for part in parents:
        here = here[int(part)] if part.isdigit() else here.setdefault(part, {})
    key: Any = int(last) if last.isdigit() else last
    if value is None:
        del here[key]
    else:
        here[key] = value
    return out


def metadata(name: str, namespace: str = "default") -> Object:
    out: Object = {"name": name, "creationTimestamp": "2029-12-31T23:55:00Z"}
    if namespace:
        out["namespace"] = namespace
    return out


POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": metadata("web"),
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}
SERVICE: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": metadata("web"),
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
SAMPLES: dict[str, Object] = {
    "Namespace": {"metadata": metadata("team", "")},
    "Node": {"metadata": metadata("node-1", ""), "status": {"capacity": {"cpu": "2", "memory": "4Gi"}}},
    "Pod": POD,
    "ConfigMap": {"metadata": metadata("c"), "data": {"a": "1"}, "binaryData": {"b": "AA=="}},
    "Secret": {"metadata": metadata("s"), "data": {"a": "MQ=="}},
    "Service": SERVICE,
    "Endpoints": {
        "metadata": metadata("web"),
        "subsets": [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}],
    },
    "Event": {
        "metadata": metadata("web.1"),
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
        "reason": "Started",
        "message": "Started it",
        "type": "Normal",
    },
    "ServiceAccount": {"metadata": metadata("default")},
    "Lease": {"metadata": metadata("l"), "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}},
    "PersistentVolume": {
        "metadata": metadata("pv", ""),
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
            "hostPath": {"path": "/data"},
        },
    },
    "PersistentVolumeClaim": {
        "metadata": metadata("claim"),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    "LimitRange": {
        "metadata": metadata("limits"),
        "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]},
    },
    "ResourceQuota": {
        "metadata": metadata("quota"),
        "spec": {"hard": {"pods": "10", "requests.cpu": "4"}, "scopes": ["NotTerminating"]},
    },
    "StorageClass": {"metadata": metadata("fast", ""), "provisioner": "example.com/disk"},
    "VolumeAttributesClass": {
        "metadata": metadata("gold", ""),
        "driverName": "disk.example.com",
        "parameters": {"iops": "9"},
    },
    "CSIDriver": {"metadata": metadata("disk.example.com", "")},
    "CSINode": {
        "metadata": metadata("node-1", ""),
        "spec": {"drivers": [{"name": "disk.example.com", "nodeID": "n1", "topologyKeys": ["example.com/zone"]}]},
    },
    "CSIStorageCapacity": {"metadata": metadata("c"), "storageClassName": "fast", "capacity": "10Gi"},
    "VolumeAttachment": {
        "metadata": metadata("a", ""),
        "spec": {"attacher": "disk.example.com", "nodeName": "n", "source": {"persistentVolumeName": "pv"}},
    },
    "Ingress": {
        "metadata": metadata("web"),
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    },
    "IngressClass": {"metadata": metadata("nginx", ""), "spec": {"controller": "example.com/nginx"}},
    "NetworkPolicy": {
        "metadata": metadata("deny"),
        "spec": {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
    },
    "IPAddress": {
        "metadata": metadata("10.0.0.1", ""),
        "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}},
    },
    "ServiceCIDR": {"metadata": metadata("more", ""), "spec": {"cidrs": ["10.96.0.0/16", "fd00::/112"]}},
    "EndpointSlice": {
        "metadata": metadata("web-1"),
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.1"]}],
        "ports": [{"port": 80}],
    },
    "PriorityClass": {"metadata": metadata("high", ""), "value": 1000},
    "RuntimeClass": {"metadata": metadata("gvisor", ""), "handler": "runsc"},
}
