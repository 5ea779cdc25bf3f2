"""ReplicaSet: a number of equal Pods; usually made by a Deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import REPLICASETS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Scale
from minikube_py.apiserver.kinds.podspec.defaults import default_template

if TYPE_CHECKING:
    from minikube_py.api.types.apps_v1 import ReplicaSet
    from minikube_py.api.types.core_v1 import ReplicationController

COLUMNS = (
    NAME,
    Column("Desired", "integer", description="How many Pods are wanted."),
    Column("Current", "integer", description="How many Pods there are."),
    Column("Ready", "integer", description="How many of them are ready."),
    AGE,
    workloads.CONTAINERS,
    workloads.IMAGES,
    workloads.SELECTOR,
)
_COUNTED = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    workloads.number_default(spec, "replicas", 1)
    default_template(spec)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"replicas": 0}


def validate(obj: ReplicaSet) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec import template

    spec, errs = obj.spec, list[FieldError]()
    rules.non_negative(spec, "spec", ("replicas", "minReadySeconds"), errs)
    rules.required_selector(spec.selector, "spec.selector", "replicaset", errs)
    rules.selects_template(spec.selector, spec.template, "spec.template", errs)
    template.validate_template(spec.template, "spec.template", errs)
    if (spec.replicas or 0) > 1:
        template.shared_disks_read_only(spec.template, "spec.template", errs)
    template.always_restarting(spec.template, "spec.template", "ReplicaSet", errs)
    return errs


def validate_update(new: ReplicaSet, old: ReplicaSet) -> Sequence[FieldError]:
    errs = list(validate(new))
    rules.immutable(new.spec.selector, old.spec.selector, "spec.selector", errs)
    return errs


def validate_status(
    new: ReplicaSet | ReplicationController, old: ReplicaSet | ReplicationController
) -> Sequence[FieldError]:
    """The numbers of a status; those of a ReplicationController are the same."""
    status, errs = new.status, list[FieldError]()
    rules.non_negative(status, "status", ("replicas", *_COUNTED, "observedGeneration"), errs)
    rules.not_above(status, "status", _COUNTED, "replicas", "cannot be greater than status.replicas", errs)
    ready = "cannot be greater than readyReplicas"
    rules.not_above(status, "status", ("availableReplicas",), "readyReplicas", ready, errs)
    return errs


def warnings(obj: Object) -> Sequence[str]:
    return [*workloads.name_warnings(obj), *workloads.spec_warnings(obj)]


def numbers(obj: Object) -> list[Any]:
    """The cells of a row up to the images."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    return [
        metadata["name"],
        spec.get("replicas") or 0,
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        age(metadata.get("creationTimestamp")),
        *workloads.container_cells(workloads.pod_spec(spec)),
    ]


def row(obj: Object) -> list[Any]:
    return [*numbers(obj), workloads.selector_text((obj.get("spec") or {}).get("selector"))]


KIND = Kind(
    resource=REPLICASETS,
    singular="replicaset",
    short_names=("rs",),
    categories=("all",),
    subresources=(workloads.SCALE, workloads.status_of("ReplicaSet", "apps/v1.ReplicaSet")),
    status=True,
    generation=True,
    scale=Scale(),
    columns=COLUMNS,
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=workloads.keep_status,
    prepare_status=workloads.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
)
