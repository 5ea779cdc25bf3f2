"""Rules for numbers, percentages, selectors and conditions that several kinds share, on typed objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import errors, labels
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE, qualified, validate_label_selector

if TYPE_CHECKING:
    from minikube_py.api.types.meta_v1 import Condition, LabelSelector

NEGATIVE = "must be greater than or equal to 0"
NO_MATCH = "`selector` does not match template `labels`"

_is_percent = re.compile(r"[0-9]+%", re.ASCII).fullmatch
_is_integer = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
_is_reason = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", re.ASCII).fullmatch
_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%', or '93%', regex used for validation is '[0-9]+%')"
)


def non_negative(obj: Any, path: str, members: Sequence[str], errs: list[FieldError]) -> None:
    """Append the members that are below zero; None is none."""
    for member in members:
        value = getattr(obj, member)
        if value is not None and value < 0:
            errs.append(invalid(f"{path}.{member}", value, NEGATIVE))


def not_above(obj: Any, path: str, members: Sequence[str], bound: str, detail: str, errs: list[FieldError]) -> None:
    """Append the members that are above the member `bound`."""
    limit = getattr(obj, bound)
    for member in members:
        if getattr(obj, member) > limit:
            errs.append(invalid(f"{path}.{member}", getattr(obj, member), detail))


def not_decremented(new: int | None, old: int | None, path: str, errs: list[FieldError]) -> None:
    """Append a number that got smaller or was taken away."""
    if old is not None and (new is None or new < old):
        errs.append(invalid(path, new or 0, "cannot be decremented"))


def share(value: int | str) -> int:
    """The number in a number or percentage; 0 for a text that is neither."""
    if isinstance(value, int):
        return value
    text = value.removesuffix("%") if _is_percent(value) else value
    return int(text) if _is_integer(text) else 0


def number_or_percent(value: int | str, path: str, errs: list[FieldError], *, most: bool = False) -> None:
    """Append what is wrong with a number or percentage: not below zero, and with `most` not above 100%."""
    if isinstance(value, int):
        if value < 0:
            errs.append(invalid(path, value, NEGATIVE))
    elif not _is_percent(value):
        errs.append(invalid(path, value, _PERCENT))
    elif most and int(value[:-1]) > 100:
        errs.append(invalid(path, value, "must not be greater than 100%"))


def immutable(new: Any, old: Any, path: str, errs: list[FieldError]) -> None:
    """Append a value that differs from the old one."""
    if new != old:
        errs.append(invalid(path, shown(new), IMMUTABLE))


def shown(value: Any) -> Any:
    """A value as an error message may show it."""
    return value.to_dict() if hasattr(value, "to_dict") else value


def required_selector(selector: LabelSelector | None, path: str, kind: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the selector of a workload, which must be there and select something."""
    if selector is None:
        errs.append(required(path))
        return
    validate_label_selector(selector, path, errs)
    if not selector.matchLabels and not selector.matchExpressions:
        errs.append(invalid(path, {}, f"empty selector is invalid for {kind}"))
    if compiled(selector) is None:
        errs.append(invalid(path, selector.to_dict(), "invalid label selector"))


def compiled(selector: LabelSelector | None) -> labels.Selector | None:
    """The selector for matching; None for one that says nothing, or nothing that can be understood."""
    if selector is None:
        return None
    try:
        return labels.from_label_selector(selector.to_dict())
    except errors.BadRequest:
        return None


def selects_template(selector: LabelSelector | None, template: Any, path: str, errs: list[FieldError]) -> None:
    """Append the labels of the template at `path` if the selector does not match them; none at all matches nothing."""
    found = compiled(selector)
    if selector is None or (found is not None and not found.empty and not found.matches(template.metadata.labels)):
        errs.append(invalid(f"{path}.metadata.labels", dict(template.metadata.labels), NO_MATCH))


def validate_conditions(conditions: Sequence[Condition], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a list of meta/v1 Conditions."""
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        where = f"{path}[{i}]"
        if not condition.type:
            errs.append(required(f"{where}.type", "must be set"))
        else:
            for sentence in qualified(condition.type):
                errs.append(invalid(f"{where}.type", condition.type, sentence))
            if condition.type in seen:
                errs.append(duplicate(f"{where}.type", condition.type))
            seen.add(condition.type)
        if condition.status not in ("True", "False", "Unknown"):
            errs.append(not_supported(f"{where}.status", condition.status, ("False", "True", "Unknown")))
        if condition.observedGeneration < 0:
            errs.append(invalid(f"{where}.observedGeneration", condition.observedGeneration, NEGATIVE))
        if condition.lastTransitionTime is None:
            errs.append(required(f"{where}.lastTransitionTime", "must be set"))
        if not condition.reason:
            errs.append(required(f"{where}.reason", "must be set"))
        elif len(condition.reason) > 1024:
            errs.append(FieldError("FieldValueTooLong", f"{where}.reason", "may not be more than 1024 bytes"))
        elif not _is_reason(condition.reason):
            detail = (
                "must begin with a letter and have letters, digits, '_', ',' and ':' only, the last two not at the end"
            )
            errs.append(invalid(f"{where}.reason", condition.reason, detail))
        if len(condition.message) > 32768:
            errs.append(FieldError("FieldValueTooLong", f"{where}.message", "may not be more than 32768 bytes"))
