"""ResourceSlice: devices that a driver offers, on a Node or in the whole cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.resources import RESOURCESLICES
from minikube_py.api.times import format_time
from minikube_py.apiserver.kinds import _resource as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.resource_v1 import ResourceSlice

MAX_DEVICES, MAX_ADVANCED_DEVICES, MAX_COUNTER_SETS = 128, 64, 8


def prepare_create(obj: Object, context: Context) -> None:
    """A taint's time is when it was added."""
    for device in (obj.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            taint.setdefault("timeAdded", format_time(context.now))


def prepare_update(new: Object, old: Object, context: Context) -> None:
    prepare_create(new, context)


def validate(obj: ResourceSlice) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds import _resource_devices as devices

    spec = obj.spec
    errs = rules.driver_name(spec.driver, "spec.driver") + rules.pool_name(spec.pool.name, "spec.pool.name")
    if spec.pool.resourceSliceCount <= 0:
        detail = "must be greater than zero"
        errs.append(invalid("spec.pool.resourceSliceCount", spec.pool.resourceSliceCount, detail))
    if spec.pool.generation < 0:
        detail = "must be greater than or equal to zero"
        errs.append(invalid("spec.pool.generation", spec.pool.generation, detail))
    found = devices.place(spec.nodeName, spec.nodeSelector, spec.allNodes, "spec", errs)
    if spec.nodeSelector is not None and len(terms := spec.nodeSelector.nodeSelectorTerms) != 1:
        detail = "must have exactly one node selector term"
        errs.append(invalid("spec.nodeSelector.nodeSelectorTerms", [t.to_dict() for t in terms], detail))
    if spec.perDeviceNodeSelection:
        found.append("`perDeviceNodeSelection`")
    elif spec.perDeviceNodeSelection is not None:
        errs.append(invalid("spec.perDeviceNodeSelection", False, "must be either unset or set to true"))
    members = "`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`"
    devices.one_of(found, "spec", f"exactly one of {members} is required", errs)
    if spec.sharedCounters and spec.devices:
        errs.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    most = MAX_ADVANCED_DEVICES if any(devices.is_advanced(d) for d in spec.devices) else MAX_DEVICES
    placed = bool(spec.perDeviceNodeSelection)
    errs += rules.each(
        spec.devices,
        most,
        lambda device, path: devices.validate_device(device, path, placed),
        "spec.devices",
        key=lambda device: device.name,
    )
    where = "spec.sharedCounters"
    return errs + rules.each(
        spec.sharedCounters, MAX_COUNTER_SETS, devices.validate_counter_set, where, key=lambda c: c.name
    )


def validate_update(new: ResourceSlice, old: ResourceSlice) -> Sequence[FieldError]:
    errs = [*validate(new)]
    for path, after, before in (
        ("spec.pool.name", new.spec.pool.name, old.spec.pool.name),
        ("spec.driver", new.spec.driver, old.spec.driver),
        ("spec.nodeName", new.spec.nodeName, old.spec.nodeName),
    ):
        if after != before:
            errs.append(invalid(path, after, "field is immutable"))
    return errs


def select_fields(obj: Object) -> Mapping[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.nodeName": spec.get("nodeName") or "", "spec.driver": spec.get("driver") or ""}


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    return [
        metadata["name"],
        spec.get("nodeName") or "",
        spec.get("driver", ""),
        (spec.get("pool") or {}).get("name", ""),
        age(metadata.get("creationTimestamp")),
    ]


KIND = Kind(
    resource=RESOURCESLICES,
    singular="resourceslice",
    generation=True,
    columns=(
        NAME,
        Column("Node", description="The Node that the devices are on; empty when they are on none or many."),
        Column("Driver", description="The driver that offers them."),
        Column("Pool", description="The pool that they are part of."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    select_fields=select_fields,
)
