"""APIService: which server answers for a group-version. All are this server's own: none is passed on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, required
from minikube_py.api.resources import APISERVICES
from minikube_py.api.times import format_time
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.apiregistration_v1 import APIService

MAX_GROUP_PRIORITY, MAX_VERSION_PRIORITY = 20000, 1000
NOT_AGGREGATED = "aggregated APIs are not supported yet: this server passes no requests on to others"


def available(now: datetime) -> Object:
    """The condition of what the server serves itself."""
    return {
        "type": "Available", "status": "True", "lastTransitionTime": format_time(now), "reason": "Local",
        "message": "Local APIServices are always available",
    }  # fmt: skip


def prepare_create(obj: Object, context: Context) -> None:
    local = (obj.get("spec") or {}).get("service") is None
    obj["status"] = {"conditions": [available(context.now)]} if local else {}


def prepare_update(new: Object, old: Object, context: Context) -> None:
    new["status"] = old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    new["spec"] = old.get("spec", {})


def validate(obj: APIService) -> Sequence[FieldError]:
    spec, name = obj.spec, obj.metadata.name
    errs: list[FieldError] = []
    if name != (wanted := f"{spec.version}.{spec.group}"):
        errs.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
    if not spec.group and spec.version != "v1":
        errs.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    if spec.group:
        errs += [invalid("spec.group", spec.group, sentence) for sentence in names.dns1123_subdomain(spec.group)]
    errs += [invalid("spec.version", spec.version, sentence) for sentence in names.dns1035_label(spec.version)]
    for member, value, most in (
        ("groupPriorityMinimum", spec.groupPriorityMinimum, MAX_GROUP_PRIORITY),
        ("versionPriority", spec.versionPriority, MAX_VERSION_PRIORITY),
    ):
        if not 0 < value <= most:
            errs.append(invalid(f"spec.{member}", value, f"must be positive and less than {most}"))
    if spec.service is not None:
        return [*errs, forbidden("spec.service", NOT_AGGREGATED)]
    if spec.caBundle:
        detail = "local APIServices may not have a caBundle"
        errs.append(invalid("spec.caBundle", f"{len(spec.caBundle)} bytes", detail))
    if spec.insecureSkipTLSVerify:
        detail = "local APIServices may not have insecureSkipTLSVerify"
        errs.append(invalid("spec.insecureSkipTLSVerify", True, detail))
    return errs


def validate_update(new: APIService, old: APIService) -> Sequence[FieldError]:
    return validate(new)


def validate_status(new: APIService, old: APIService) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    for i, condition in enumerate(new.status.conditions):
        if condition.status not in ("True", "False", "Unknown"):
            path = f"status.conditions[{i}].status"
            errs.append(invalid(path, condition.status, "must be one of True, False and Unknown"))
    return errs


def row(obj: Object) -> list[Any]:
    metadata, service = obj["metadata"], (obj.get("spec") or {}).get("service")
    where = "Local" if service is None else f"{service.get('namespace', '')}/{service.get('name', '')}"
    return [metadata["name"], where, _state(obj.get("status") or {}), age(metadata.get("creationTimestamp"))]


def _state(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Available":
            said = str(condition.get("status", ""))
            return said if said == "True" else f"{said} ({condition.get('reason', '')})"
    return "Unknown"


KIND = Kind(
    resource=APISERVICES,
    singular="apiservice",
    categories=("api-extensions",),
    subresources=(Subresource("status", "APIService", ("get", "patch", "update"), "apiregistration/v1.APIService"),),
    status=True,
    columns=(
        NAME,
        Column("Service", description="The Service that answers, or Local for this server itself."),
        Column("Available", description="Whether requests are answered, and why not."),
        AGE,
    ),
    row=row,
    validate_name=names.path_segment,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
)
