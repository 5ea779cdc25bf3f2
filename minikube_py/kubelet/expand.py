"""`$(NAME)` expansion as Kubernetes does it, and the values of fieldRef and resourceFieldRef; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minikube_py.api import quantity
from minikube_py.kubelet import podspec
from minikube_py.kubelet.podspec import Object

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


@dataclass(frozen=True, slots=True)
class Facts:
    """What field references may ask beyond the Pod itself."""

    node_name: str = ""
    host_ip: str = ""
    pod_ip: str = ""
    allocatable: Mapping[str, str] = field(default_factory=dict)


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the value, `$$(NAME)` the text `$(NAME)`; an unknown name stays as it is written."""

    def one(found: re.Match[str]) -> str:
        if found.group(1) == "$":
            return "$"
        name = found.group(2)
        return values.get(name, found.group(0))

    return _REFERENCE.sub(one, text)


def field_value(pod: Object, path: str, facts: Facts) -> str:
    """The value of a fieldRef. Raises ValueError for a path that Kubernetes does not offer."""
    meta = pod["metadata"]
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        return str((meta.get(subscript.group(1)) or {}).get(subscript.group(2), ""))
    match path:
        case "metadata.name":
            return str(meta["name"])
        case "metadata.namespace":
            return str(meta.get("namespace", ""))
        case "metadata.uid":
            return str(meta["uid"])
        case "metadata.labels" | "metadata.annotations":
            pairs = meta.get(path.partition(".")[2]) or {}
            return "\n".join(f"{key}={_go_quote(value)}" for key, value in sorted(pairs.items()))
        case "spec.nodeName":
            return str(pod["spec"].get("nodeName") or facts.node_name)
        case "spec.serviceAccountName":
            return str(pod["spec"].get("serviceAccountName") or "")
        case "status.hostIP" | "status.hostIPs":
            return facts.host_ip
        case "status.podIP" | "status.podIPs":
            return facts.pod_ip
    raise ValueError(f'field label not supported: "{path}"')


def resource_value(pod: Object, own: Object, reference: Mapping[str, Any], facts: Facts) -> str:
    """The value of a resourceFieldRef in units of its divisor, rounded up; a missing limit is the node's allocatable.

    Raises ValueError for an unknown container or resource.
    """
    spec = own
    if reference.get("containerName"):
        found = podspec.container(pod, reference["containerName"])
        if found is None:
            raise ValueError(f"container {reference['containerName']} not found")
        spec = found
    side, _, name = str(reference["resource"]).partition(".")
    known = name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-")
    if side not in ("limits", "requests") or not known:
        raise ValueError(f"unsupported container resource : {reference['resource']}")
    asked = (spec.get("resources") or {}).get(side) or {}
    text = asked.get(name)
    if text is None:
        text = facts.allocatable.get(name, "0") if side == "limits" else "0"
    value = quantity.parse(text).milli_value()
    divisor_text = str(reference.get("divisor") or "0")
    divisor = quantity.parse("1" if divisor_text in ("0", "") else divisor_text).milli_value()
    return str(-(-value // divisor))


def _go_quote(value: str) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
