"""Rules that the kinds of resource.k8s.io share: names of drivers, pools and devices; lists, tolerations, taints."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required, too_long
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.kinds._objectmeta import qualified

if TYPE_CHECKING:
    from minikube_py.api.types.resource_v1 import DeviceConfiguration, DeviceSelector, DeviceTaint, DeviceToleration

MAX_REQUESTS = MAX_CONSTRAINTS = MAX_CONFIGS = MAX_SELECTORS = MAX_RESULTS = 32
MAX_BINDING_CONDITIONS = 4
MAX_EXPRESSION = MAX_PARAMETERS = 10 * 1024
EFFECTS = ("NoExecute", "NoSchedule", "None")
_OPERATORS = ("Equal", "Exists")
_MAX_DOMAIN, _MAX_ID = 63, 32
_is_identifier = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_NO_IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
)
T = TypeVar("T")
Check = Callable[[T, str], list[FieldError]]


def each(
    items: Sequence[T], most: int, check: Check[T], path: str, *, key: Callable[[T], Hashable] | None = None
) -> list[FieldError]:
    """Check every item of a list that is not too long; with `key`, no two may have the same one."""
    if 0 <= most < len(items):
        # The items of a list that is too long are not looked at.
        return [FieldError("FieldValueTooMany", path, f"must have at most {most} items", len(items))]
    errs: list[FieldError] = []
    for i, item in enumerate(items):
        errs += check(item, f"{path}[{i}]")
    if key is not None:
        seen: set[Hashable] = set()
        for i, item in enumerate(items):
            found = key(item)
            if found in seen:
                errs.append(duplicate(f"{path}[{i}]", found))
            seen.add(found)
    return errs


def by_rule(value: str, path: str, rule: Callable[[str], list[str]]) -> list[FieldError]:
    """The sentences of a name's rule as errors."""
    return [invalid(path, value, sentence) for sentence in rule(value)]


def device_name(name: str, path: str) -> list[FieldError]:
    """Also of requests, counters and counter sets."""
    return by_rule(name, path, names.dns1123_label)


def class_name(name: str, path: str) -> list[FieldError]:
    return by_rule(name, path, names.dns1123_subdomain) if name else [required(path)]


def driver_name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    errs = [too_long(path, _MAX_DOMAIN)] if len(name) > _MAX_DOMAIN else []
    return errs + [invalid(path, name, sentence) for sentence in names.dns1123_subdomain(name.lower())]


def pool_name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    errs = [too_long(path, 253)] if len(name) > 253 else []
    for part in name.split("/"):
        errs += by_rule(part, path, names.dns1123_subdomain)
    return errs


def label_name(name: str, path: str) -> list[FieldError]:
    return by_rule(name, path, qualified)


def attribute_name(name: str, path: str) -> list[FieldError]:
    """Of an attribute or capacity: an identifier, with or without a domain."""
    domain, slash, last = name.rpartition("/")
    if "/" in domain:
        return [invalid(path, name, "must not contain more than one slash")]
    errs: list[FieldError] = []
    if slash:
        errs += driver_name(domain, path) if domain else [invalid(path, "", "the domain must not be empty")]
        if not last:
            return [*errs, invalid(path, "", "the name must not be empty")]
    if len(last) > _MAX_ID:
        errs.append(too_long(path, _MAX_ID))
    if not _is_identifier(last):
        errs.append(invalid(path, last, _NO_IDENTIFIER))
    return errs


def full_attribute_name(name: str, path: str) -> list[FieldError]:
    errs = attribute_name(name, path)
    if "/" not in name:
        errs.append(invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash"))
    return errs


def selector(one: DeviceSelector, path: str) -> list[FieldError]:
    """Its expression is measured, not compiled."""
    if one.cel is None:
        return [required(f"{path}.cel")]
    where, text = f"{path}.cel.expression", one.cel.expression
    if not text.strip():
        return [required(where)]
    return [too_long(where, MAX_EXPRESSION)] if len(text.encode()) > MAX_EXPRESSION else []


def configuration(config: DeviceConfiguration, path: str) -> list[FieldError]:
    if config.opaque is None:
        return [required(f"{path}.opaque")]
    errs = driver_name(config.opaque.driver, f"{path}.opaque.driver")
    return errs + raw_object(config.opaque.parameters, f"{path}.opaque.parameters")


def raw_object(value: dict[str, Any] | None, path: str) -> list[FieldError]:
    """A driver's own data: an object that is not too large."""
    if value is None:
        return [required(path)]
    return [too_long(path, MAX_PARAMETERS)] if len(dumps(value)) > MAX_PARAMETERS else []


def toleration(one: DeviceToleration, path: str) -> list[FieldError]:
    errs = label_name(one.key, f"{path}.key") if one.key else []
    if one.operator == "Exists":
        if one.value:
            errs.append(invalid(f"{path}.value", one.value, "must be empty for operator `Exists`"))
    elif one.operator == "Equal":
        errs += by_rule(one.value, f"{path}.value", names.label_value)
    elif not one.operator:
        errs.append(required(f"{path}.operator"))
    else:
        errs.append(not_supported(f"{path}.operator", one.operator, _OPERATORS))
    if one.effect and one.effect not in EFFECTS:
        errs.append(not_supported(f"{path}.effect", one.effect, EFFECTS))
    return errs


def taint(one: DeviceTaint, path: str) -> list[FieldError]:
    errs = label_name(one.key, f"{path}.key")
    errs += by_rule(one.value, f"{path}.value", names.label_value)
    if not one.effect:
        errs.append(required(f"{path}.effect"))
    elif one.effect not in EFFECTS:
        errs.append(not_supported(f"{path}.effect", one.effect, EFFECTS))
    return errs


def binding_conditions(conditions: Sequence[str], failures: Sequence[str], path: str) -> list[FieldError]:
    """What must be true, or must not become true, of a device before its Pod is bound: both or neither."""
    good, bad = f"{path}.bindingConditions", f"{path}.bindingFailureConditions"
    errs = each(conditions, MAX_BINDING_CONDITIONS, label_name, good, key=lambda c: c)
    errs += each(failures, MAX_BINDING_CONDITIONS, label_name, bad, key=lambda c: c)
    for i, condition in enumerate(failures):
        if condition in conditions:
            detail = "bindingFailureConditions must not overlap with bindingConditions"
            errs.append(invalid(f"{bad}[{i}]", condition, detail))
    if failures and not conditions:
        errs.append(invalid(good, [], "bindingConditions are required to use bindingFailureConditions"))
    if conditions and not failures:
        errs.append(invalid(bad, [], "bindingFailureConditions are required to use bindingConditions"))
    return errs
