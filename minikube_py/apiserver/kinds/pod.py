"""Pod: containers that run together on one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names, times
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import PODS
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Part, Subresource
from minikube_py.apiserver.kinds.podspec import defaults, ephemeral, resize, rows
from minikube_py.apiserver.kinds.podspec.qos import qos_class

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Pod


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    defaults.default_spec(spec)
    defaults.default_pod(spec)
    status = obj.get("status")
    if status:
        _default_status(status)
    elif status is None:
        obj["status"] = {}


def _default_status(status: Object) -> None:
    """Both forms of the address agree, and container statuses have all the members that clients insist on."""
    first, many = status.get("podIP"), status.get("podIPs")
    if first and (not many or many[0].get("ip") != first):
        # The older member is what an older kubelet writes: it is right when they differ.
        status["podIPs"] = [{"ip": first}]
    elif many and not first:
        status["podIP"] = many[0].get("ip", "")
    for member in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for container in status.get(member) or ():
            for name, value in (("name", ""), ("image", ""), ("imageID", ""), ("ready", False), ("restartCount", 0)):
                container.setdefault(name, value)
            container.setdefault("state", {})
            container.setdefault("lastState", {})


def prepare_create(obj: Object, context: Context) -> None:
    """A new Pod is Pending whatever its author says of its status."""
    spec = obj["spec"]
    status: Object = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastTransitionTime": times.format_time(context.now),
            }
        ]
    obj["status"] = status
    labels = (obj.get("metadata") or {}).get("labels") or {}
    _merge_match_label_keys(spec, labels)


def _merge_match_label_keys(spec: Object, labels: Mapping[str, str]) -> None:
    """`matchLabelKeys` and `mismatchLabelKeys` become terms of the selector next to them, with this Pod's values."""
    for constraint in spec.get("topologySpreadConstraints") or ():
        _merge_keys(constraint, "matchLabelKeys", "In", labels)
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        block = affinity.get(kind) or {}
        terms = list(block.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        for weighted in block.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            terms.append(weighted.get("podAffinityTerm") or {})
        for term in terms:
            _merge_keys(term, "matchLabelKeys", "In", labels)
            _merge_keys(term, "mismatchLabelKeys", "NotIn", labels)


def _merge_keys(holder: Object, member: str, operator: str, labels: Mapping[str, str]) -> None:
    selector = holder.get("labelSelector")
    if selector is None:
        return
    for key in holder.get(member) or ():
        if key in labels:
            term = {"key": key, "operator": operator, "values": [labels[key]]}
            terms = selector.setdefault("matchExpressions", [])
            if term not in terms:
                terms.append(term)


def prepare_update(new: Object, old: Object, context: Context) -> None:
    new["status"] = old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    """The spec and who owns the Pod are not the status writer's business; the QoS class never changes."""
    new["spec"] = old["spec"]
    metadata, before = new["metadata"], old["metadata"]
    if "ownerReferences" in before:
        metadata["ownerReferences"] = before["ownerReferences"]
    else:
        metadata.pop("ownerReferences", None)
    status = new.setdefault("status", {})
    if qos := (old.get("status") or {}).get("qosClass"):
        status["qosClass"] = qos


def validate(obj: Pod) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec.validate import validate_pod

    return validate_pod(obj)


def validate_update(new: Pod, old: Pod) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec.update import validate_pod_update

    return validate_pod_update(new, old)


def validate_status(new: Pod, old: Pod) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec.update import validate_pod_status

    return validate_pod_status(new, old)


def unchanged(new: Object, old: Object) -> bool:
    """Labels and annotations are what is changed most."""
    return bool(new["spec"] == old["spec"])


def status_part(obj: Object) -> Object:
    spec = {name: obj["spec"][name] for name in ("restartPolicy", "initContainers") if name in obj["spec"]}
    return {"spec": spec, "status": obj.get("status") or {}}


def warnings(obj: Object) -> Sequence[str]:
    from minikube_py.apiserver.kinds.podspec.warnings import pod_warnings

    return pod_warnings(obj)


def grace_period(obj: Object, asked: int | None) -> int:
    """Seconds for the kubelet to end the Pod's processes; 0 where no kubelet has or will have any."""
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    period: int | None = spec.get("terminationGracePeriodSeconds") if asked is None else asked
    if period is None:
        return 0
    return period if period >= 0 else 1


def select_fields(obj: Object) -> Mapping[str, str]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ips = status.get("podIPs")
    return {
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.restartPolicy": spec.get("restartPolicy") or "",
        "spec.schedulerName": spec.get("schedulerName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase") or "",
        "status.podIP": (ips[0].get("ip") if ips else status.get("podIP")) or "",
        # Kubernetes accepts the label and finds nothing by it.
        "status.podIPs": "",
        "status.nominatedNodeName": status.get("nominatedNodeName") or "",
    }


KIND = Kind(
    resource=PODS,
    singular="pod",
    short_names=("po",),
    categories=("all",),
    subresources=(
        Subresource("attach", "PodAttachOptions", ("create", "get"), "core/v1.PodAttachOptions"),
        Subresource("binding", "Binding", ("create",), "core/v1.Binding"),
        Subresource("ephemeralcontainers", "Pod", ("get", "patch", "update"), "core/v1.Pod"),
        Subresource("eviction", "Eviction", ("create",), "policy/v1.Eviction", "policy", "v1"),
        Subresource("exec", "PodExecOptions", ("create", "get"), "core/v1.PodExecOptions"),
        Subresource("log", "Pod", ("get",), "core/v1.Pod"),
        Subresource("portforward", "PodPortForwardOptions", ("create", "get"), "core/v1.PodPortForwardOptions"),
        Subresource(
            "proxy", "PodProxyOptions", ("create", "delete", "get", "patch", "update"), "core/v1.PodProxyOptions"
        ),
        Subresource("resize", "Pod", ("get", "patch", "update"), "core/v1.Pod"),
        Subresource("status", "Pod", ("get", "patch", "update"), "core/v1.Pod"),
    ),
    status=True,
    parts={
        "ephemeralcontainers": Part(ephemeral.prepare, ephemeral.validate, ephemeral.unwritten),
        "resize": Part(resize.prepare, resize.validate, resize.unwritten),
    },
    generation=True,
    columns=(
        NAME,
        Column("Ready", description="How many of the containers are ready, of how many."),
        Column("Status", description="Where the Pod is in its life, or what keeps it from going on."),
        Column("Restarts", description="How often containers were started again, and how long ago the last time."),
        AGE,
        Column("IP", priority=1, description="The Pod's address."),
        Column("Node", priority=1, description="The node that the Pod is bound to."),
        Column("Nominated Node", priority=1, description="The node where others are removed to make room for it."),
        Column("Readiness Gates", priority=1, description="How many of the extra conditions for readiness are true."),
    ),
    row=rows.row,
    row_conditions=rows.row_conditions,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    unchanged=unchanged,
    status_part=status_part,
    select_fields=select_fields,
    field_aliases={"spec.host": "spec.nodeName"},
    grace_period=grace_period,
    warnings=warnings,
)
