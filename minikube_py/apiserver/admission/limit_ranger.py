"""LimitRanger: the LimitRanges of a namespace fill in what containers leave out and bound what they may ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from minikube_py.api import podresources
from minikube_py.api.podresources import Amounts
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin, forbidden
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.kinds.podspec.qos import qos_class
from minikube_py.apiserver.storage import Storage

ANNOTATION = "kubernetes.io/limit-ranger"


@dataclass(frozen=True, slots=True)
class _Limit:
    """One entry of spec.limits."""

    type: str
    min: Amounts
    max: Amounts
    ratio: Amounts
    default: Mapping[str, str]
    default_request: Mapping[str, str]

    @classmethod
    def all_of(cls, obj: Object) -> tuple[_Limit, ...]:
        return tuple(
            cls(
                raw.get("type", ""),
                podresources.amounts(raw.get("min")),
                podresources.amounts(raw.get("max")),
                podresources.amounts(raw.get("maxLimitRequestRatio")),
                raw.get("default") or {},
                raw.get("defaultRequest") or {},
            )
            for raw in (obj.get("spec") or {}).get("limits") or ()
        )


class LimitRanger(Plugin):
    """As the admission plugin of that name: for new Pods and their `resize`, and for claims."""

    name = "LimitRanger"

    def __init__(self, storage: Storage) -> None:
        self._limits = Followed(storage, "limitranges", _Limit.all_of)

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        resource = kind.resource.qualified
        if resource == "pods":
            return (operation, subresource) in (("CREATE", ""), ("UPDATE", "resize"))
        return resource == "persistentvolumeclaims" and operation in ("CREATE", "UPDATE") and not subresource

    async def admit(self, attributes: Attributes) -> None:
        ranges = self._limits.of(attributes.namespace)
        if not ranges or attributes.kind.resource.qualified != "pods" or _leaving(attributes):
            return
        assert attributes.new is not None
        told = [sentence for name in sorted(ranges) for sentence in _fill(attributes.new, ranges[name])]
        if not told:
            return
        annotations = attributes.new["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(told)
        if attributes.old is None:
            attributes.new["status"]["qosClass"] = qos_class(attributes.new["spec"])

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden with everything that is out of bounds."""
        ranges = self._limits.of(attributes.namespace)
        if not ranges or _leaving(attributes):
            return
        assert attributes.new is not None
        check = _pod_problems if attributes.kind.resource.qualified == "pods" else _claim_problems
        for name in sorted(ranges):
            problems = list(dict.fromkeys(check(attributes.new, ranges[name])))
            if problems:
                raise forbidden(attributes, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def _leaving(attributes: Attributes) -> bool:
    return attributes.old is not None and "deletionTimestamp" in attributes.old["metadata"]


def _fill(pod: Object, limits: tuple[_Limit, ...]) -> Iterator[str]:
    """Give each container the defaults that it lacks; what was set, as the annotation says it."""
    wanted: Mapping[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for limit in limits:
        if limit.type == "Container":
            wanted["requests"].update(limit.default_request)
            wanted["limits"].update(limit.default)
    for member, title in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(member) or ():
            resources = container.setdefault("resources", {})
            for which, word in (("requests", "request"), ("limits", "limit")):
                has = resources.get(which) or {}
                lacking = {name: text for name, text in wanted[which].items() if name not in has}
                if lacking:
                    resources[which] = {**has, **lacking}
                    yield f"{', '.join(sorted(lacking))} {word} for {title} {container['name']}"


def _pod_problems(pod: Object, limits: tuple[_Limit, ...]) -> Iterator[str]:
    for limit in limits:
        if limit.type == "Container":
            for member in ("containers", "initContainers"):
                for container in pod["spec"].get(member) or ():
                    resources = container.get("resources") or {}
                    yield from _bounds(
                        limit,
                        podresources.amounts(resources.get("requests")),
                        podresources.amounts(resources.get("limits")),
                    )
        elif limit.type == "Pod":
            yield from _bounds(limit, podresources.requests(pod), podresources.limits(pod))


def _bounds(limit: _Limit, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, bound in sorted(limit.min.items()):
        start = f"minimum {name} usage per {limit.type} is {bound}"
        if name not in requests:
            yield f"{start}.  No request is specified"
        elif requests[name] < bound:
            yield f"{start}, but request is {requests[name]}"
        elif name in limits and limits[name] < bound:
            yield f"{start}, but limit is {limits[name]}"
    for name, bound in sorted(limit.max.items()):
        start = f"maximum {name} usage per {limit.type} is {bound}"
        if name not in limits:
            yield f"{start}.  No limit is specified"
        elif limits[name] > bound:
            yield f"{start}, but limit is {limits[name]}"
        elif name in requests and requests[name] > bound:
            yield f"{start}, but request is {requests[name]}"
    for name, bound in sorted(limit.ratio.items()):
        yield from _ratio(limit, name, bound, requests.get(name), limits.get(name))


def _ratio(limit: _Limit, name: str, bound: Quantity, request: Quantity | None, top: Quantity | None) -> Iterator[str]:
    start = f"{name} max limit to request ratio per {limit.type} is {bound}"
    if not request:
        yield f"{start}, but no request is specified or request is 0"
    elif not top:
        yield f"{start}, but no limit is specified or limit is 0"
    elif top.nano * 10**9 > bound.nano * request.nano:
        yield f"{start}, but provided ratio is {top.nano / request.nano:f}"


def _claim_problems(claim: Object, limits: tuple[_Limit, ...]) -> Iterator[str]:
    requests = podresources.amounts((claim["spec"].get("resources") or {}).get("requests"))
    for limit in limits:
        if limit.type != "PersistentVolumeClaim":
            continue
        for word, bounds in (("minimum", limit.min), ("maximum", limit.max)):
            for name, bound in sorted(bounds.items()):
                start = f"{word} {name} usage per {limit.type} is {bound}"
                if name not in requests:
                    yield f"{start}.  No request is specified"
                elif requests[name] < bound if word == "minimum" else requests[name] > bound:
                    yield f"{start}, but request is {requests[name]}"
