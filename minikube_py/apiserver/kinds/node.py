"""Node: a machine that runs Pods, as its kubelet reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.api.resources import NODES
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import NONE, UNKNOWN, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import qualified
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Node, Taint

_INFO = (
    "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
    "kubeProxyVersion", "operatingSystem", "architecture",
)  # fmt: skip
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def default(obj: Object) -> None:
    """Allocatable is the whole capacity unless the kubelet says otherwise; a nodeInfo has all its members."""
    spec = obj.setdefault("spec", {})
    if one := spec.get("podCIDR"):
        # The older member is what an older client writes: it is right when they differ.
        if (spec.get("podCIDRs") or [""])[0] != one:
            spec["podCIDRs"] = [one]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status = obj.setdefault("status", {})
    if not status.get("allocatable") and status.get("capacity"):
        status["allocatable"] = dict(status["capacity"])
    if (info := status.get("nodeInfo")) is not None:
        for member in _INFO:
            info.setdefault(member, "")


def prepare_update(new: Object, old: Object, context: Context) -> None:
    new["status"] = old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old.get("spec", {})


def validate(obj: Node) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    spec = obj.spec
    _taints(spec.taints, errs)
    _pod_cidrs(spec.podCIDRs, errs)
    return [*errs, *_status_errors(obj)]


def _taints(taints: Sequence[Taint], errs: list[FieldError]) -> None:
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(taints):
        path = f"spec.taints[{i}]"
        for sentence in qualified(taint.key):
            errs.append(invalid(f"{path}.key", taint.key, sentence))
        for sentence in names.label_value(taint.value):
            errs.append(invalid(f"{path}.value", taint.value, sentence))
        if not taint.effect:
            errs.append(required(f"{path}.effect"))
        elif taint.effect not in _EFFECTS:
            errs.append(not_supported(f"{path}.effect", taint.effect, _EFFECTS))
        if (taint.key, taint.effect) in seen:
            error = duplicate(path, taint.to_dict())
            errs.append(FieldError(error.type, path, "taints must be unique by key and effect pair", error.value))
        seen.add((taint.key, taint.effect))


def _pod_cidrs(cidrs: Sequence[str], errs: list[FieldError]) -> None:
    for i, text in enumerate(cidrs):
        for sentence in _net.cidr(text):
            errs.append(invalid(f"spec.podCIDRs[{i}]", text, sentence))
    if len(cidrs) > 1 and (len(cidrs) != 2 or (":" in cidrs[0]) == (":" in cidrs[1])):
        detail = "may specify no more than one CIDR for each IP family"
        errs.append(invalid("spec.podCIDRs", list(cidrs), detail))


def _status_errors(obj: Node) -> list[FieldError]:
    status = obj.status
    errs: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for i, address in enumerate(status.addresses):
        if (address.type, address.address) in seen:
            errs.append(duplicate(f"status.addresses[{i}]", address.to_dict()))
        seen.add((address.type, address.address))
    from minikube_py.apiserver.kinds.podspec.resources import validate_amount

    for field in ("capacity", "allocatable"):
        for name, amount in getattr(status, field).items():
            validate_amount(name, amount, f"status.{field}[{name}]", errs)
    return errs


def validate_update(new: Node, old: Node) -> Sequence[FieldError]:
    """Beside metadata only labels, taints, unschedulable, and what was empty before may change in the spec."""
    errs = [*validate(new)]
    before, after = old.spec, new.spec
    if before.podCIDRs and after.podCIDRs != before.podCIDRs:
        errs.append(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'))
    if before.providerID and before.providerID != after.providerID:
        errs.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
    if after.externalID and after.externalID != before.externalID:
        errs.append(forbidden("spec.externalID", "may not be updated"))
    return errs


def validate_status(new: Node, old: Node) -> Sequence[FieldError]:
    return _status_errors(new)


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    found = []
    if spec.get("configSource") is not None:
        found.append("spec.configSource: the feature is removed in v1.24")
    if spec.get("externalID"):
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return found


def select_fields(obj: Object) -> Mapping[str, str]:
    return {"spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"}


def row(obj: Object) -> list[Any]:
    metadata, status = obj["metadata"], obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    addresses = status.get("addresses") or ()
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        metadata["name"],
        _state(obj),
        _roles(metadata.get("labels") or {}),
        age(metadata.get("creationTimestamp")),
        info.get("kubeletVersion", ""),
        _address(addresses, "InternalIP"),
        _address(addresses, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _state(obj: Object) -> str:
    state = "Unknown"
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            state = "Ready" if condition.get("status") == "True" else "NotReady"
    return f"{state},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else state


def _roles(labels: Mapping[str, str]) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = {key[len(prefix) :] for key in labels if key.startswith(prefix)} | {labels.get("kubernetes.io/role", "")}
    return ",".join(sorted(roles - {""})) or NONE


def _address(addresses: Sequence[Object], kind: str) -> str:
    for entry in addresses:
        if entry.get("type") == kind:
            return str(entry.get("address", ""))
    return NONE


KIND = Kind(
    resource=NODES,
    singular="node",
    short_names=("no",),
    subresources=(
        Subresource(
            "proxy", "NodeProxyOptions", ("create", "delete", "get", "patch", "update"), "core/v1.NodeProxyOptions"
        ),
        Subresource("status", "Node", ("get", "patch", "update"), "core/v1.Node"),
    ),
    status=True,
    columns=(
        NAME,
        Column("Status", description="Ready, NotReady or Unknown, and whether new Pods are kept away."),
        Column("Roles", description="What the machine is for, from its labels."),
        AGE,
        Column("Version", description="The version of the kubelet."),
        Column("Internal-IP", priority=1, description="The address within the cluster."),
        Column("External-IP", priority=1, description="The address seen from outside."),
        Column("OS-Image", priority=1, description="The operating system."),
        Column("Kernel-Version", priority=1, description="The kernel and the machine's architecture."),
        Column("Container-Runtime", priority=1, description="The container engine and its version."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    select_fields=select_fields,
    warnings=warnings,
)
