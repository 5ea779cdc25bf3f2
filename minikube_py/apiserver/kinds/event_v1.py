"""Event of events.k8s.io/v1: the same stored objects as core/v1's, with newer names and stricter rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from minikube_py.api import names, scheme
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import EVENTS, EVENTS_V1
from minikube_py.apiserver.kinds import event
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds.base import Kind, Object, Stored

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Event as CoreEvent
    from minikube_py.api.types.events_v1 import Event

_CORE_NAMES = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_OWN_NAMES = {core: own for own, core in _CORE_NAMES.items()}
_TYPES = ("Normal", "Warning")
_FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def to_stored(obj: Object) -> Object:
    """The event as core/v1 has it; the order of members stays, so that what did not change is not written."""
    stored = {_CORE_NAMES.get(member, member): value for member, value in obj.items()}
    stored["kind"], stored["apiVersion"] = EVENTS.kind, EVENTS.api_version
    event.default(stored)
    return stored


def from_stored(obj: Object) -> Object:
    """The event as events.k8s.io/v1 has it, from core/v1's."""
    served = {_OWN_NAMES.get(member, member): value for member, value in obj.items()}
    served["kind"], served["apiVersion"] = EVENTS_V1.kind, EVENTS_V1.api_version
    for member in ("reportingController", "reportingInstance"):
        # core/v1 always writes them.
        if served.get(member) == "":
            del served[member]
    return served


def default(obj: Object) -> None:
    """The struct members that Kubernetes always writes."""
    obj.setdefault("regarding", {})
    obj.setdefault("deprecatedSource", {})


def _core(obj: Event) -> CoreEvent:
    return cast("CoreEvent", scheme.model(EVENTS.type).model_validate(to_stored(obj.to_dict())))


def validate(obj: Event) -> Sequence[FieldError]:
    """core/v1's rules, and that the event is of the new style; errors name core/v1's members, as upstream's do."""
    core = _core(obj)
    errs = [*event.validate(core)]
    _series(core, errs)
    if core.eventTime is None:
        errs.append(required("eventTime"))
    if core.type not in _TYPES:
        errs.append(invalid("type", "", f"has invalid value: {core.type}"))
    for member, used in (
        ("firstTimestamp", core.firstTimestamp is not None),
        ("lastTimestamp", core.lastTimestamp is not None),
        ("count", core.count != 0),
        ("source", bool(core.source.component or core.source.host)),
    ):
        if used:
            errs.append(invalid(member, "", "needs to be unset"))
    return errs


def _series(core: CoreEvent, errs: list[FieldError]) -> None:
    if core.series is not None:
        if core.series.count < 2:
            errs.append(invalid("series.count", "", "should be at least 2"))
        if core.series.lastObservedTime is None:
            errs.append(required("series.lastObservedTime"))


def validate_update(new: Event, old: Event) -> Sequence[FieldError]:
    """Only metadata and the series may change."""
    after, before = _core(new), _core(old)
    errs = [*event.validate(after)]
    if after.series != before.series:
        _series(after, errs)
    for member in _FIXED:
        value = getattr(after, member)
        if value != getattr(before, member):
            path = "reportingController" if member == "reportingComponent" else member
            errs.append(invalid(path, value.to_dict() if hasattr(value, "to_dict") else value, IMMUTABLE))
    return errs


def select_fields(obj: Object) -> Mapping[str, str]:
    regarding = obj.get("regarding") or {}
    members = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    return {
        "reason": obj.get("reason", ""),
        "type": obj.get("type", ""),
        "reportingController": obj.get("reportingController", ""),
        **{f"regarding.{member}": regarding.get(member, "") for member in members},
    }


def row(obj: Object) -> list[Any]:
    return event.row(to_stored(obj))


KIND = Kind(
    resource=EVENTS_V1,
    singular="event",
    short_names=("ev",),
    columns=event.KIND.columns,
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    select_fields=select_fields,
    ttl=event.ttl,
    stored_as=Stored(EVENTS, to_stored, from_stored),
)
