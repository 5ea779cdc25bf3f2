"""ReplicationController: a number of equal Pods, in the way that came before ReplicaSets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import labels, names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import REPLICATIONCONTROLLERS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds import replicaset
from minikube_py.apiserver.kinds._cells import label_text
from minikube_py.apiserver.kinds.base import Context, Kind, Object, Scale
from minikube_py.apiserver.kinds.podspec.defaults import default_template

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import ReplicationController


def default(obj: Object) -> None:
    """What the author leaves out of selector and labels is what the template says."""
    spec = obj.setdefault("spec", {})
    if spec.get("template") is not None:
        default_template(spec)
        told = spec["template"]["metadata"].get("labels")
        if told:
            if not spec.get("selector"):
                spec["selector"] = dict(told)
            metadata = obj.setdefault("metadata", {})
            if not metadata.get("labels"):
                metadata["labels"] = dict(told)
    workloads.number_default(spec, "replicas", 1)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"replicas": 0}


def validate(obj: ReplicationController) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec import template

    spec, errs = obj.spec, list[FieldError]()
    rules.non_negative(spec, "spec", ("minReadySeconds",), errs)
    if not spec.selector:
        errs.append(required("spec.selector"))
    rules.non_negative(spec, "spec", ("replicas",), errs)
    if spec.template is None:
        errs.append(required("spec.template"))
        return errs
    if spec.selector and not labels.from_set(spec.selector).matches(spec.template.metadata.labels):
        told = dict(spec.template.metadata.labels)
        errs.append(invalid("spec.template.metadata.labels", told, rules.NO_MATCH))
    template.validate_template(spec.template, "spec.template", errs)
    if (spec.replicas or 0) > 1:
        template.shared_disks_read_only(spec.template, "spec.template", errs)
    template.always_restarting(spec.template, "spec.template", "ReplicationController", errs)
    return errs


def validate_update(new: ReplicationController, old: ReplicationController) -> Sequence[FieldError]:
    return validate(new)


def row(obj: Object) -> list[Any]:
    return [*replicaset.numbers(obj), label_text((obj.get("spec") or {}).get("selector"))]


def select_fields(obj: Object) -> Mapping[str, str]:
    return {"status.replicas": str((obj.get("status") or {}).get("replicas") or 0)}


KIND = Kind(
    resource=REPLICATIONCONTROLLERS,
    singular="replicationcontroller",
    short_names=("rc",),
    categories=("all",),
    subresources=(workloads.SCALE, workloads.status_of("ReplicationController", "core/v1.ReplicationController")),
    status=True,
    generation=True,
    orphans=True,
    scale=Scale(),
    columns=replicaset.COLUMNS,
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=workloads.keep_status,
    prepare_status=workloads.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=replicaset.validate_status,
    select_fields=select_fields,
    warnings=replicaset.warnings,
)
