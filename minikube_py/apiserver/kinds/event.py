"""Event: something worth telling happened to an object; the server forgets it after an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import EVENTS
from minikube_py.apiserver.kinds._cells import Age, age
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import Event

TTL = 3600
"""Seconds that an event is kept, as Kubernetes' --event-ttl."""


def default(obj: Object) -> None:
    """The struct members that Kubernetes always writes."""
    obj.setdefault("involvedObject", {})
    obj.setdefault("source", {})
    obj.setdefault("reportingComponent", "")
    obj.setdefault("reportingInstance", "")


def validate(obj: Event) -> Sequence[FieldError]:
    """The rules of core/v1, which events.k8s.io/v1 sharpens; an event with `eventTime` comes from a newer recorder."""
    errs: list[FieldError] = []
    namespace = obj.metadata.namespace
    involved = obj.involvedObject.namespace
    if obj.eventTime is None:
        agree = namespace in (involved, "" if involved else "default")
    else:
        agree = bool(involved) or namespace in ("default", "kube-system")
    if not agree:
        errs.append(invalid("involvedObject.namespace", involved, "does not match event.namespace"))
    if obj.eventTime is not None:
        _recorder_errors(obj, errs)
    return errs


def validate_update(new: Event, old: Event) -> Sequence[FieldError]:
    return validate(new)


def _recorder_errors(obj: Event, errs: list[FieldError]) -> None:
    component = obj.reportingComponent
    if not component:
        errs.append(required("reportingController"))
    for sentence in names.qualified_name(component):
        errs.append(invalid("reportingController", component, sentence))
    for field, text, needed, limit in (
        ("reportingInstance", obj.reportingInstance, True, 128),
        ("action", obj.action, True, 128),
        ("reason", obj.reason, True, 128),
        ("message", obj.message, False, 1024),
    ):
        if needed and not text:
            errs.append(required(field))
        elif text and len(text.encode()) > limit:
            errs.append(invalid(field, "", f"can have at most {limit} characters"))


def select_fields(obj: Object) -> Mapping[str, str]:
    involved = obj.get("involvedObject") or {}
    component = obj.get("reportingComponent") or ""
    return {
        "involvedObject.kind": involved.get("kind", ""),
        "involvedObject.namespace": involved.get("namespace", ""),
        "involvedObject.name": involved.get("name", ""),
        "involvedObject.uid": involved.get("uid", ""),
        "involvedObject.apiVersion": involved.get("apiVersion", ""),
        "involvedObject.resourceVersion": involved.get("resourceVersion", ""),
        "involvedObject.fieldPath": involved.get("fieldPath", ""),
        "reason": obj.get("reason", ""),
        "reportingComponent": component,
        "source": (obj.get("source") or {}).get("component") or component,
        "type": obj.get("type", ""),
    }


def row(obj: Object) -> list[Any]:
    involved = obj.get("involvedObject") or {}
    source = obj.get("source") or {}
    series = obj.get("series")
    first: Age = age(obj.get("firstTimestamp") or obj.get("eventTime"))
    if series:
        last = age(series.get("lastObservedTime"))
        count = series.get("count") or 0
    else:
        last = age(obj["lastTimestamp"]) if obj.get("lastTimestamp") else first
        count = obj.get("count") or 1
    who = source.get("component") or obj.get("reportingComponent") or ""
    where = source.get("host") or obj.get("reportingInstance")
    kind, name = involved.get("kind", "").lower(), involved.get("name")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        involved.get("fieldPath", ""),
        f"{who}, {where}" if where else who,
        obj.get("message", "").strip(),
        first,
        count,
        obj["metadata"]["name"],
    ]


def ttl(obj: Object) -> int:
    return TTL


KIND = Kind(
    resource=EVENTS,
    singular="event",
    short_names=("ev",),
    columns=(
        Column("Last Seen", description="How long ago it happened the last time."),
        Column("Type", description="Normal or Warning."),
        Column("Reason", description="What happened, in one word that programs can look for."),
        Column("Object", description="The object that it happened to."),
        Column("Subobject", priority=1, description="The part of the object, as a field path."),
        Column("Source", priority=1, description="Who reported it, and from which machine."),
        Column("Message", description="What happened, as a sentence."),
        Column("First Seen", priority=1, description="How long ago it happened for the first time."),
        Column("Count", priority=1, description="How often it happened."),
        Column("Name", format="name", priority=1, description="The event's own name."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    select_fields=select_fields,
    ttl=ttl,
)
