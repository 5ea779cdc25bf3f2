"""What claims ask for and what they got: the rules of ResourceClaims and their templates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required, too_long
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds import _resource as rules
from minikube_py.apiserver.kinds.base import Object

if TYPE_CHECKING:
    from minikube_py.api.types.resource_v1 import (
        AllocatedDeviceStatus,
        AllocationResult,
        DeviceAllocationConfiguration,
        DeviceClaim,
        DeviceConstraint,
        DeviceRequest,
        DeviceRequestAllocationResult,
        DeviceSubRequest,
        ExactDeviceRequest,
        NetworkDeviceData,
        ResourceClaimConsumerReference,
        ResourceClaimStatus,
    )

MAX_SUBREQUESTS, MAX_RESERVED, MAX_CONDITIONS = 8, 256, 8
NO_ADMIN = "is not supported yet: this server does not check that the namespace allows it"
_MODES = ("All", "ExactCount")
_SOURCES = ("FromClaim", "FromClass")
_REFERENCE = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_is_uid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
Names = Mapping[str, frozenset[str]]
"""The requests of a claim, each with its sub-requests."""


def default_claim(spec: Object) -> None:
    """One device of a class unless more are asked for; tolerations compare for equality."""
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is None:
                continue
            if not one.get("allocationMode"):
                one["allocationMode"] = "ExactCount"
            if one["allocationMode"] == "ExactCount" and not one.get("count"):
                one["count"] = 1
            for toleration in one.get("tolerations") or ():
                toleration.setdefault("operator", "Equal")


def names_of(claim: DeviceClaim) -> Names:
    return {r.name: frozenset(s.name for s in r.firstAvailable) for r in claim.requests}


def validate_claim(claim: DeviceClaim, path: str) -> list[FieldError]:
    """What is wrong with spec.devices of a claim."""
    known = names_of(claim)

    def constraint(one: DeviceConstraint, where: str) -> list[FieldError]:
        errs = references(one.requests, f"{where}.requests", known)
        if one.matchAttribute is not None and one.distinctAttribute is not None:
            detail = "exactly one of `matchAttribute` or `distinctAttribute` is required, but multiple fields are set"
            errs.append(invalid(where, "", detail))
        if one.matchAttribute is not None:
            errs += rules.full_attribute_name(one.matchAttribute, f"{where}.matchAttribute")
        elif one.distinctAttribute is not None:
            errs += rules.full_attribute_name(one.distinctAttribute, f"{where}.distinctAttribute")
        else:
            errs.append(required(where, "exactly one of `matchAttribute` or `distinctAttribute` is required"))
        return errs

    errs = rules.each(claim.requests, rules.MAX_REQUESTS, _request, f"{path}.requests", key=lambda r: r.name)
    errs += rules.each(claim.constraints, rules.MAX_CONSTRAINTS, constraint, f"{path}.constraints")
    return errs + rules.each(
        claim.config,
        rules.MAX_CONFIGS,
        lambda one, where: references(one.requests, f"{where}.requests", known) + rules.configuration(one, where),
        f"{path}.config",
    )


def _request(request: DeviceRequest, path: str) -> list[FieldError]:
    errs = rules.device_name(request.name, f"{path}.name")
    one_of = "exactly one of `exactly` or `firstAvailable` is required"
    if request.exactly is not None and request.firstAvailable:
        errs.append(invalid(path, None, f"{one_of}, but multiple fields are set"))
    elif request.exactly is not None:
        errs += _devices(request.exactly, f"{path}.exactly")
        if request.exactly.adminAccess:
            errs.append(forbidden(f"{path}.exactly.adminAccess", NO_ADMIN))
    elif request.firstAvailable:
        where = f"{path}.firstAvailable"
        errs += rules.each(request.firstAvailable, MAX_SUBREQUESTS, _subrequest, where, key=lambda r: r.name)
    else:
        errs.append(required(path, one_of))
    return errs


def _subrequest(request: DeviceSubRequest, path: str) -> list[FieldError]:
    return rules.device_name(request.name, f"{path}.name") + _devices(request, path)


def _devices(request: ExactDeviceRequest | DeviceSubRequest, path: str) -> list[FieldError]:
    errs = rules.class_name(request.deviceClassName, f"{path}.deviceClassName")
    errs += rules.each(request.selectors, rules.MAX_SELECTORS, rules.selector, f"{path}.selectors")
    if request.allocationMode == "All":
        if request.count:
            detail = "must not be specified when allocationMode is 'All'"
            errs.append(invalid(f"{path}.count", request.count, detail))
    elif request.allocationMode == "ExactCount":
        if request.count <= 0:
            errs.append(invalid(f"{path}.count", request.count, "must be greater than zero"))
    else:
        errs.append(not_supported(f"{path}.allocationMode", request.allocationMode, _MODES))
    errs += rules.each(request.tolerations, -1, rules.toleration, f"{path}.tolerations")
    if request.capacity is not None:
        for name in request.capacity.requests:
            errs += rules.attribute_name(name, f"{path}.capacity.requests")
    return errs


def references(requests: Sequence[str], path: str, known: Names) -> list[FieldError]:
    """What is wrong with the requests that something is about."""
    return rules.each(requests, rules.MAX_REQUESTS, lambda n, where: _reference(n, where, known), path, key=lambda n: n)


def _reference(name: str, path: str, known: Names) -> list[FieldError]:
    parts = name.split("/")
    if len(parts) > 2:
        return [invalid(path, name, _REFERENCE)]
    errs = [error for part in parts for error in rules.device_name(part, path)]
    if parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        errs.append(invalid(path, name, _REFERENCE))
    return errs


def validate_status(
    new: ResourceClaimStatus, old: ResourceClaimStatus, claim: DeviceClaim, deleted: bool
) -> list[FieldError]:
    """What is wrong with a changed status: what was allocated stays, and only what is allocated is reserved."""
    known = names_of(claim)
    errs = rules.each(new.reservedFor, MAX_RESERVED, _consumer, "status.reservedFor", key=lambda c: c.uid)
    results = new.allocation.devices.results if new.allocation is not None else ()
    allocated = {(r.driver, r.pool, r.device, r.shareID) for r in results}
    errs += rules.each(
        new.devices,
        -1,
        lambda d, where: _device(d, where, (d.driver, d.pool, d.device, d.shareID) in allocated),
        "status.devices",
        key=lambda d: (d.driver, d.pool, d.device, d.shareID),
    )
    if new.reservedFor and new.allocation is None:
        errs.append(forbidden("status.reservedFor", "may not be specified when `allocated` is not set"))
    elif deleted and any(c not in old.reservedFor for c in new.reservedFor):
        detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        errs.append(forbidden("status.reservedFor", detail))
    if new.allocation is not None:
        if old.allocation is None:
            errs += _allocation(new.allocation, "status.allocation", known)
        elif new.allocation != old.allocation:
            errs.append(invalid("status.allocation", new.allocation.to_dict(), "field is immutable"))
    return errs


def _consumer(consumer: ResourceClaimConsumerReference, path: str) -> list[FieldError]:
    return [required(f"{path}.{m}") for m in ("resource", "name", "uid") if not getattr(consumer, m)]


def _place(one: DeviceRequestAllocationResult | AllocatedDeviceStatus, path: str) -> list[FieldError]:
    errs = rules.driver_name(one.driver, f"{path}.driver") + rules.pool_name(one.pool, f"{path}.pool")
    errs += rules.device_name(one.device, f"{path}.device")
    if one.shareID is not None and not _is_uid(one.shareID):
        detail = "uid must be in RFC 4122 normalized form, with lowercase hexadecimal characters"
        errs.append(invalid(f"{path}.shareID", one.shareID, detail))
    return errs


def _device(device: AllocatedDeviceStatus, path: str, allocated: bool) -> list[FieldError]:
    errs = _place(device, path)
    if not allocated:
        shown = "/".join((device.driver, device.pool, device.device))
        errs.append(invalid(path, shown, "must be an allocated device in the claim"))
    errs += rules.each(
        device.conditions,
        MAX_CONDITIONS,
        lambda c, where: [required(f"{where}.{m}") for m in ("type", "status", "reason") if not getattr(c, m)],
        f"{path}.conditions",
        key=lambda c: c.type,
    )
    if device.data:
        errs += rules.raw_object(device.data, f"{path}.data")
    if device.networkData is not None:
        errs += _network(device.networkData, f"{path}.networkData")
    return errs


def _network(data: NetworkDeviceData, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    for member, value, most in (
        ("interfaceName", data.interfaceName, 256),
        ("hardwareAddress", data.hardwareAddress, 128),
    ):
        if len(value.encode()) > most:
            errs.append(too_long(f"{path}.{member}", most))
    return errs + rules.each(
        data.ips, 16, lambda ip, where: rules.by_rule(ip, where, _net.cidr), f"{path}.ips", key=lambda ip: ip
    )


def _allocation(allocation: AllocationResult, path: str, known: Names) -> list[FieldError]:
    def result(one: DeviceRequestAllocationResult, where: str) -> list[FieldError]:
        errs = _reference(one.request, f"{where}.request", known) + _place(one, where)
        errs += rules.binding_conditions(one.bindingConditions, one.bindingFailureConditions, where)
        if one.adminAccess:
            errs.append(forbidden(f"{where}.adminAccess", NO_ADMIN))
        return errs + rules.each(one.tolerations, -1, rules.toleration, f"{where}.tolerations")

    def config(one: DeviceAllocationConfiguration, where: str) -> list[FieldError]:
        errs: list[FieldError] = []
        if not one.source:
            errs.append(required(f"{where}.source"))
        elif one.source not in _SOURCES:
            errs.append(not_supported(f"{where}.source", one.source, _SOURCES))
        return errs + references(one.requests, f"{where}.requests", known) + rules.configuration(one, where)

    devices = allocation.devices
    errs = rules.each(devices.results, rules.MAX_RESULTS, result, f"{path}.devices.results")
    errs += rules.each(devices.config, 2 * rules.MAX_CONFIGS, config, f"{path}.devices.config")
    if allocation.nodeSelector is not None:
        from minikube_py.apiserver.kinds.podspec.scheduling import validate_node_selector

        validate_node_selector(allocation.nodeSelector, f"{path}.nodeSelector", errs)
    return errs
