"""How much of a ResourceQuota an object uses: pure functions that the API server and the controller share.

`usage` measures one object, `matches` says whether a quota's scopes choose it, `concerned` which of a quota's resources
an object of some kind can use at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from minikube_py.api import podresources, times
from minikube_py.api.claims import storage_class
from minikube_py.api.podresources import Amounts
from minikube_py.api.quantity import Quantity

Object = Mapping[str, Any]

ONE: Final = Quantity(10**9)
ZERO: Final = Quantity()
OLD_NAMES: Final = frozenset(
    {
        "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets",
        "services",
    }
)  # fmt: skip
"""The kinds that are counted under their plain name too, beside `count/<resource>.<group>`."""

_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_POD: Final = frozenset(
    {"pods", "count/pods", *_COMPUTE, *(f"{p}.{n}" for p in ("requests", "limits") for n in _COMPUTE)}
)
_REQUIRED: Final = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
"""What every container must say once a quota bounds it; upstream's rule for these alone."""

_SERVICE: Final = frozenset({"services", "count/services", "services.loadbalancers", "services.nodeports"})
_CLASS: Final = ".storageclass.storage.k8s.io/"

_SCOPED: Final = frozenset({"pods", "persistentvolumeclaims"})


def concerned(qualified: str, names: Iterable[str]) -> list[str]:
    """Those of a quota's resource names that an object of the kind `plural.group` can use."""
    if qualified == "pods":
        return [n for n in names if n in _POD or n.startswith("hugepages-") or _is_extended_request(n)]
    if qualified == "services":
        return [n for n in names if n in _SERVICE]
    own = {f"count/{qualified}"}
    if qualified in OLD_NAMES:
        own.add(qualified)
    if qualified == "persistentvolumeclaims":
        own.add("requests.storage")
        tails = (f"{_CLASS}requests.storage", f"{_CLASS}persistentvolumeclaims")
        return [n for n in names if n in own or n.endswith(tails)]
    return [n for n in names if n in own]


def kinds(names: Iterable[str]) -> set[str]:
    """The kinds (`plural.group`) whose objects use some of the resource names."""
    found = set()
    for name in names:
        if name.startswith("count/"):
            found.add(name.removeprefix("count/"))
        elif name in OLD_NAMES:
            found.add(name)
        elif name == "requests.storage" or _CLASS in name:
            found.add("persistentvolumeclaims")
        elif name in _SERVICE:
            found.add("services")
        elif concerned("pods", (name,)):
            found.add("pods")
    return found


def _is_extended_request(name: str) -> bool:
    if not name.startswith("requests."):
        return False
    rest = name.removeprefix("requests.")
    return rest.startswith("hugepages-") or ("/" in rest and not _native(rest) and _CLASS not in rest)


def _native(name: str) -> bool:
    """Whether a resource is Kubernetes' own rather than a vendor's."""
    domain, slash, _ = name.rpartition("/")
    return not slash or domain == "kubernetes.io" or domain.endswith(".kubernetes.io")


# -- what an object uses


def usage(qualified: str, obj: Object, now: datetime) -> Amounts:
    """What an object of the kind uses, by the resource names of quotas. Raises ValueError for an amount that is none.

    A Pod that has ended, or that should have been gone by now, is only an object: it holds no compute resources.
    """
    if qualified == "pods":
        return _pod_usage(obj, now)
    found: Amounts = {f"count/{qualified}": ONE}
    if qualified in OLD_NAMES:
        found[qualified] = ONE
    if qualified == "services":
        _service_usage(obj.get("spec") or {}, found)
    elif qualified == "persistentvolumeclaims":
        _claim_usage(obj, found)
    return found


def _pod_usage(pod: Object, now: datetime) -> Amounts:
    found: Amounts = {"count/pods": ONE}
    if has_ended(pod, now):
        return found
    found["pods"] = ONE
    compute(podresources.requests(pod), podresources.limits(pod), found)
    return found


def has_ended(pod: Object, now: datetime) -> bool:
    """Whether the Pod holds nothing any more: it ran to its end, or its grace period is over."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    gone = leaves_at(pod)
    return gone is not None and now > gone


def leaves_at(pod: Object) -> datetime | None:
    """When a Pod that is being deleted counts as gone: a grace period after the stamp, as upstream has it."""
    metadata = pod["metadata"]
    stamp, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if not stamp or grace is None:
        return None
    return times.parse_time(stamp) + timedelta(seconds=grace)


def compute(requests: Mapping[str, Quantity], limits: Mapping[str, Quantity], found: Amounts) -> None:
    """Put requests and limits into `found` under the names that quotas have for them."""
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = found[f"requests.{name}"] = amount
        elif not _native(name):
            found[f"requests.{name}"] = amount
    for name, amount in limits.items():
        if name in _COMPUTE:
            found[f"limits.{name}"] = amount


def _service_usage(spec: Object, found: Amounts) -> None:
    ports = spec.get("ports") or ()
    kind, nodeports = spec.get("type"), 0
    if kind == "NodePort":
        nodeports = len(ports)
    elif kind == "LoadBalancer":
        if spec.get("allocateLoadBalancerNodePorts") is False:
            nodeports = sum(1 for p in ports if p.get("nodePort"))
        else:
            nodeports = len(ports)
    found["services.nodeports"] = Quantity(nodeports * 10**9)
    found["services.loadbalancers"] = ONE if kind == "LoadBalancer" else ZERO


def _claim_usage(claim: Object, found: Amounts) -> None:
    spec = claim.get("spec") or {}
    name = storage_class(claim)
    storage = podresources.amounts((spec.get("resources") or {}).get("requests")).get("storage")
    if storage is not None:
        held = podresources.amounts((claim.get("status") or {}).get("allocatedResources")).get("storage")
        if held is not None and storage < held:
            storage = held
        found["requests.storage"] = storage
    if name:
        found[f"{name}{_CLASS}persistentvolumeclaims"] = ONE
        if storage is not None:
            found[f"{name}{_CLASS}requests.storage"] = storage


def missing(pod: Object, names: Iterable[str]) -> str:
    """What containers must say because a quota bounds `names`, as `cpu for: a,b; limits.memory for: a`; or nothing."""
    required = sorted(_REQUIRED.intersection(names))
    if not required:
        return ""
    spec = pod.get("spec") or {}
    whole = _said(spec)
    lacking: dict[str, set[str]] = {}
    for member in ("containers", "initContainers"):
        for container in spec.get(member) or ():
            said = _said(container)
            for name in required:
                if name not in said and name not in whole:
                    lacking.setdefault(name, set()).add(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(lacking[name]))}" for name in sorted(lacking))


def _said(holder: Object) -> Amounts:
    """The requests and limits of a container or of a whole Pod, under the names that quotas have for them."""
    found: Amounts = {}
    resources = holder.get("resources") or {}
    compute(podresources.amounts(resources.get("requests")), podresources.amounts(resources.get("limits")), found)
    return found


# -- scopes


def scopes(quota: Object) -> list[Object]:
    """A quota's scopes, of both forms, as requirements with scopeName, operator and values."""
    spec = quota.get("spec") or {}
    found: list[Object] = [{"scopeName": s, "operator": "Exists"} for s in spec.get("scopes") or ()]
    found.extend((spec.get("scopeSelector") or {}).get("matchExpressions") or ())
    return found


def matches(qualified: str, obj: Object, wanted: Sequence[Object]) -> bool:
    """Whether all the scopes choose the object; only Pods and claims know scopes at all."""
    if not wanted:
        return True
    return qualified in _SCOPED and all(_in_scope(qualified, obj, one) for one in wanted)


def _in_scope(qualified: str, obj: Object, wanted: Object) -> bool:
    scope, spec = wanted["scopeName"], obj.get("spec") or {}
    if qualified == "persistentvolumeclaims":
        return bool(scope == "VolumeAttributesClass") and _chosen(_attributes_classes(obj), wanted)
    if scope in ("Terminating", "NotTerminating"):
        return (spec.get("activeDeadlineSeconds") is not None) is bool(scope == "Terminating")
    if scope in ("BestEffort", "NotBestEffort"):
        return _best_effort(obj) is bool(scope == "BestEffort")
    if scope == "PriorityClass":
        name = spec.get("priorityClassName")
        return _chosen({name} if name else set(), wanted)
    return bool(scope == "CrossNamespacePodAffinity") and _crosses_namespaces(spec.get("affinity") or {})


def _chosen(has: set[str], wanted: Object) -> bool:
    operator, values = wanted.get("operator") or "Exists", wanted.get("values") or ()
    if operator == "Exists":
        return bool(has)
    if operator == "DoesNotExist":
        return not has
    inside = any(value in has for value in values)
    return inside if operator == "In" else not inside


def _attributes_classes(claim: Object) -> set[str]:
    status = claim.get("status") or {}
    found = {
        (claim.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    }
    return {name for name in found if name}


def _best_effort(pod: Object) -> bool:
    known = (pod.get("status") or {}).get("qosClass")
    if known:
        return bool(known == "BestEffort")
    spec = pod.get("spec") or {}
    parts = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for holder in [spec] if spec.get("resources") else parts:
        for member in ("requests", "limits"):
            said = podresources.amounts((holder.get("resources") or {}).get(member))
            if any(said.get(name) for name in ("cpu", "memory")):
                return False
    return True


def _crosses_namespaces(affinity: Object) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        block = affinity.get(kind) or {}
        terms = list(block.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        for weighted in block.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(weighted.get("podAffinityTerm") or {})
        if any(t.get("namespaces") or t.get("namespaceSelector") is not None for t in terms):
            return True
    return False
