"""What a ResourceSlice says of its devices: attributes, capacities, counters, taints, where they can be used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, forbidden, invalid, required, too_long
from minikube_py.apiserver.kinds import _resource as rules
from minikube_py.apiserver.kinds.podspec.scheduling import validate_node_selector

if TYPE_CHECKING:
    from minikube_py.api.quantity import Quantity
    from minikube_py.api.types.core_v1 import NodeSelector
    from minikube_py.api.types.resource_v1 import (
        CapacityRequestPolicy,
        CapacityRequestPolicyRange,
        Counter,
        CounterSet,
        Device,
        DeviceAttribute,
        DeviceCapacity,
        DeviceCounterConsumption,
    )

MAX_ATTRIBUTES, MAX_VALUES, MAX_TEXT = 32, 48, 64
MAX_TAINTS, MAX_COUNTERS, MAX_CONSUMED, MAX_OPTIONS = 16, 32, 2, 10
NO_MAPPINGS = "is not supported: devices that account for resources of the Node are not implemented"
_NUMBER = r"(0|[1-9]\d*)"
_is_version = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
).fullmatch
_KINDS = ("bool_", "int_", "string", "version")
_LISTS = ("bools", "ints", "strings", "versions")


def is_advanced(device: Device) -> bool:
    """Whether the device costs more to look at, so that a slice may have fewer of its sort."""
    lists = any(getattr(a, member) for a in device.attributes.values() for member in _LISTS)
    return bool(device.taints or device.consumesCounters or lists)


def validate_device(device: Device, path: str, placed: bool) -> list[FieldError]:
    """What is wrong with a device; `placed` says that each device tells by itself where it can be used."""
    errs = rules.device_name(device.name, f"{path}.name")
    total = len(device.attributes) + len(device.capacity)
    if total > MAX_ATTRIBUTES:
        detail = f"the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}"
        errs.append(invalid(path, total, detail))
    values = sum(max(1, sum(len(getattr(a, m)) for m in _LISTS)) for a in device.attributes.values())
    if values > MAX_VALUES:
        errs.append(invalid(path, values, f"the total number of attribute values must not exceed {MAX_VALUES}"))
    for name, attribute in device.attributes.items():
        errs += rules.attribute_name(name, f"{path}.attributes")
        errs += _attribute(attribute, f"{path}.attributes[{name}]")
    for name, capacity in device.capacity.items():
        errs += rules.attribute_name(name, f"{path}.capacity")
        errs += _capacity(capacity, f"{path}.capacity[{name}]", bool(device.allowMultipleAllocations))
    errs += rules.each(device.taints, MAX_TAINTS, rules.taint, f"{path}.taints")
    where = f"{path}.consumesCounters"
    errs += rules.each(device.consumesCounters, MAX_CONSUMED, _consumption, where, key=lambda c: c.counterSet)
    errs += _device_place(device, path, placed)
    errs += rules.binding_conditions(device.bindingConditions, device.bindingFailureConditions, path)
    if device.nodeAllocatableResourceMappings:
        errs.append(forbidden(f"{path}.nodeAllocatableResourceMappings", NO_MAPPINGS))
    return errs


def _attribute(attribute: DeviceAttribute, path: str) -> list[FieldError]:
    single = [m for m in _KINDS if getattr(attribute, m) is not None]
    lists = [m for m in _LISTS if m in attribute.model_fields_set and getattr(attribute, m) is not None]
    errs = [invalid(f"{path}.{m}", [], "must not be empty if specified") for m in lists if not getattr(attribute, m)]
    if attribute.string is not None:
        errs += _text(attribute.string, f"{path}.string")
    if attribute.version is not None:
        errs += _version(attribute.version, f"{path}.version")
    errs += rules.each(attribute.strings, -1, _text, f"{path}.strings")
    errs += rules.each(attribute.versions, -1, _version, f"{path}.versions")
    if len(single) + len(lists) != 1:
        shown = attribute.to_dict() if single or lists else ""
        errs.append(invalid(path, shown, "exactly one value must be specified"))
    return errs


def _text(text: str, path: str) -> list[FieldError]:
    return [too_long(path, MAX_TEXT)] if len(text.encode()) > MAX_TEXT else []


def _version(text: str, path: str) -> list[FieldError]:
    if _is_version(text):
        return _text(text, path)
    return [invalid(path, text, "must be a string compatible with semver.org spec 2.0.0"), *_text(text, path)]


def _capacity(capacity: DeviceCapacity, path: str, shared: bool) -> list[FieldError]:
    policy, where = capacity.requestPolicy, f"{path}.requestPolicy"
    if policy is None:
        return []
    if not shared:
        return [forbidden(where, "allowMultipleAllocations must be true")]
    if policy.validValues and policy.validRange is not None:
        detail = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        return [forbidden(where, detail)]
    member = "validValues" if policy.validValues else "validRange" if policy.validRange is not None else ""
    if not member:
        return []
    if policy.default is None:
        return [required(f"{where}.default", f"required when {member} is defined")]
    if policy.validRange is not None:
        return _range(policy.default, capacity.value, policy.validRange, f"{where}.validRange")
    return _values(policy, policy.default, capacity.value, f"{where}.validValues")


def _values(policy: CapacityRequestPolicy, default: Quantity, most: Quantity, path: str) -> list[FieldError]:
    values = policy.validValues
    errs = [
        invalid(f"{path}[{i}]", str(later), "values must be sorted in ascending order")
        for i, (earlier, later) in enumerate(pairwise(values), 1)
        if later < earlier
    ]

    def option(value: Quantity, where: str) -> list[FieldError]:
        return [invalid(where, str(value), f"option is larger than capacity value: {most}")] if most < value else []

    errs += rules.each(values, MAX_OPTIONS, option, path, key=str)
    if default not in values:
        errs.append(invalid(path, str(default), "default value is not valid according to the requestPolicy"))
    return errs


def _range(default: Quantity, most: Quantity, allowed: CapacityRequestPolicyRange, path: str) -> list[FieldError]:
    low, high, step = allowed.min, allowed.max, allowed.step
    if low is None:
        return [required(f"{path}.min", "required when validRange is defined")]
    errs: list[FieldError] = []
    if most < low:
        errs.append(invalid(f"{path}.min", str(low), f"min is larger than capacity value: {most}"))
    if default < low:
        errs.append(invalid(f"{path}.default", str(default), f"default is less than min: {low}"))
    if high is not None:
        if high < low:
            errs.append(invalid(f"{path}.max", str(low), f"min is larger than max: {high}"))
        if most < high:
            errs.append(invalid(f"{path}.max", str(high), f"max is larger than capacity value: {most}"))
        if high < default:
            errs.append(invalid(f"{path}.default", str(default), f"default is more than max: {high}"))
    if step is None:
        return errs
    where = f"{path}.step"
    if step.value() <= 0:
        return [*errs, invalid(where, str(step), "must be greater than zero")]
    if most < low + step:
        errs.append(invalid(where, str(step), f"one step {low + step} is larger than capacity value: {most}"))
    for value in (default, high):
        if value is not None and (value.value() - low.value()) % step.value():
            detail = f"value is not a multiple of a given step ({step}) from ({low})"
            errs.append(invalid(where, str(value), detail))
    return errs


def validate_counter_set(counters: CounterSet, path: str) -> list[FieldError]:
    return _name(counters.name, f"{path}.name") + _counters(counters.counters, f"{path}.counters")


def _consumption(consumed: DeviceCounterConsumption, path: str) -> list[FieldError]:
    return _name(consumed.counterSet, f"{path}.counterSet") + _counters(consumed.counters, f"{path}.counters")


def _name(name: str, path: str) -> list[FieldError]:
    return rules.device_name(name, path) if name else [required(path)]


def _counters(counters: Mapping[str, Counter], path: str) -> list[FieldError]:
    if not counters:
        return [required(path)]
    return rules.each(sorted(counters), MAX_COUNTERS, lambda name, _: rules.device_name(name, path), path)


def place(
    node: str | None, selector: NodeSelector | None, everywhere: bool | None, path: str, errs: list[FieldError]
) -> list[str]:
    """Append what is wrong with where something can be used; returns the members that say it."""
    found: list[str] = []
    if node is not None:
        if node:
            found.append("`nodeName`")
            errs += rules.class_name(node, f"{path}.nodeName")
        else:
            detail = "must be either unset or set to a non-empty string"
            errs.append(invalid(f"{path}.nodeName", node, detail))
    if selector is not None:
        found.append("`nodeSelector`")
        validate_node_selector(selector, f"{path}.nodeSelector", errs)
    if everywhere:
        found.append("`allNodes`")
    elif everywhere is not None:
        errs.append(invalid(f"{path}.allNodes", everywhere, "must be either unset or set to true"))
    return found


def one_of(found: Sequence[str], path: str, detail: str, errs: list[FieldError]) -> None:
    """Append an error unless exactly one member is set."""
    if not found:
        errs.append(required(path, detail))
    elif len(found) > 1:
        errs.append(invalid(path, "{" + ", ".join(found) + "}", f"{detail}, but multiple fields are set"))


def _device_place(device: Device, path: str, placed: bool) -> list[FieldError]:
    condition = "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
    if not placed:
        if device.nodeName is None and device.nodeSelector is None and device.allNodes is None:
            return []
        return [invalid(path, None, f"`nodeName`, `nodeSelector` and `allNodes` can only be set if {condition}")]
    errs: list[FieldError] = []
    found = place(device.nodeName, device.nodeSelector, device.allNodes, path, errs)
    detail = f"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when {condition}"
    one_of(found, path, detail, errs)
    return errs
