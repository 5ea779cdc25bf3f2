"""Deployment: equal Pods, replaced step by step when their template changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import DEPLOYMENTS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Scale
from minikube_py.apiserver.kinds.podspec.defaults import default_template

if TYPE_CHECKING:
    from minikube_py.api.types.apps_v1 import Deployment, DeploymentStrategy

_STATUS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    workloads.number_default(spec, "replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        for member in ("maxUnavailable", "maxSurge"):
            if rolling.get(member) is None:
                rolling[member] = "25%"
    workloads.number_default(spec, "revisionHistoryLimit", 10)
    workloads.number_default(spec, "progressDeadlineSeconds", 600)
    default_template(spec)
    obj.setdefault("status", {})


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """Annotations count as a change too: `kubectl rollout` and controllers speak through them."""
    workloads.keep_status(new, old, context)
    metadata, before = new["metadata"], old["metadata"]
    if (metadata.get("annotations") or {}) != (before.get("annotations") or {}):
        metadata["generation"] = before.get("generation", 0) + 1


def validate(obj: Deployment) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec import template

    spec, errs = obj.spec, list[FieldError]()
    rules.non_negative(spec, "spec", ("replicas",), errs)
    rules.required_selector(spec.selector, "spec.selector", "deployment", errs)
    rules.selects_template(spec.selector, spec.template, "spec.template", errs)
    template.validate_template(spec.template, "spec.template", errs)
    if (spec.replicas or 0) > 1:
        template.shared_disks_read_only(spec.template, "spec.template", errs)
    template.always_restarting(spec.template, "spec.template", "ReplicaSet", errs)
    _strategy(spec.strategy, "spec.strategy", errs)
    rules.non_negative(spec, "spec", ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"), errs)
    deadline = spec.progressDeadlineSeconds
    if deadline is not None and deadline <= spec.minReadySeconds:
        errs.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errs


def _strategy(strategy: DeploymentStrategy, path: str, errs: list[FieldError]) -> None:
    rolling = strategy.rollingUpdate
    if strategy.type == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            errs.append(forbidden(f"{path}.rollingUpdate", detail))
    elif strategy.type != "RollingUpdate":
        errs.append(not_supported(path, strategy.to_dict(), ("Recreate", "RollingUpdate")))
    elif rolling is None:
        errs.append(required(f"{path}.rollingUpdate"))
    else:
        unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
        where = f"{path}.rollingUpdate"
        rules.number_or_percent(unavailable, f"{where}.maxUnavailable", errs, most=True)
        rules.number_or_percent(surge, f"{where}.maxSurge", errs)
        if rules.share(unavailable) == 0 and rules.share(surge) == 0:
            detail = "may not be 0 when `maxSurge` is 0"
            errs.append(invalid(f"{where}.maxUnavailable", unavailable, detail))


def validate_update(new: Deployment, old: Deployment) -> Sequence[FieldError]:
    errs = list(validate(new))
    rules.immutable(new.spec.selector, old.spec.selector, "spec.selector", errs)
    return errs


def validate_status(new: Deployment, old: Deployment) -> Sequence[FieldError]:
    status, errs = new.status, list[FieldError]()
    rules.non_negative(
        status, "status", ("observedGeneration", *_STATUS, "terminatingReplicas", "collisionCount"), errs
    )
    counted = ("updatedReplicas", "readyReplicas", "availableReplicas")
    rules.not_above(status, "status", counted, "replicas", "cannot be greater than status.replicas", errs)
    ready = "cannot be greater than readyReplicas"
    rules.not_above(status, "status", ("availableReplicas",), "readyReplicas", ready, errs)
    rules.not_decremented(status.collisionCount, old.status.collisionCount, "status.collisionCount", errs)
    return errs


def warnings(obj: Object) -> Sequence[str]:
    return [*workloads.name_warnings(obj), *workloads.spec_warnings(obj)]


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    return [
        metadata["name"],
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        age(metadata.get("creationTimestamp")),
        *workloads.container_cells(workloads.pod_spec(spec)),
        workloads.selector_text(spec.get("selector")),
    ]


KIND = Kind(
    resource=DEPLOYMENTS,
    singular="deployment",
    short_names=("deploy",),
    categories=("all",),
    subresources=(workloads.SCALE, workloads.status_of("Deployment", "apps/v1.Deployment")),
    status=True,
    generation=True,
    scale=Scale(),
    columns=(
        NAME,
        Column("Ready", description="How many Pods are ready, of how many that are wanted."),
        Column("Up-to-date", description="How many Pods are of the newest template."),
        Column("Available", description="How many Pods have been ready for long enough."),
        AGE,
        workloads.CONTAINERS,
        workloads.IMAGES,
        workloads.SELECTOR,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=workloads.keep_spec_and_labels,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
)
