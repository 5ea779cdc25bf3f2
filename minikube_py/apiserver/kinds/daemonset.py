"""DaemonSet: one Pod on every Node, or on those that match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.api.resources import DAEMONSETS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import age, label_text
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object
from minikube_py.apiserver.kinds.podspec.defaults import default_template

if TYPE_CHECKING:
    from minikube_py.api.types.apps_v1 import DaemonSet, DaemonSetUpdateStrategy

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""How often the template changed: once a member of the spec, now an annotation that the server keeps."""

_REQUIRED = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
_STATUS = (
    *_REQUIRED, "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
    "collisionCount",
)  # fmt: skip


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        workloads.number_default(rolling, "maxUnavailable", 1)
        workloads.number_default(rolling, "maxSurge", 0)
    workloads.number_default(spec, "revisionHistoryLimit", 10)
    default_template(spec)
    status = obj.setdefault("status", {})
    for member in _REQUIRED:
        status.setdefault(member, 0)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = dict.fromkeys(_REQUIRED, 0)
    _count_template(obj, max(_template_generation(obj), 1))


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """The count is the server's: what a client sends of it is not looked at."""
    workloads.keep_status(new, old, context)
    changed = (new.get("spec") or {}).get("template") != (old.get("spec") or {}).get("template")
    _count_template(new, _template_generation(old) + changed)


def prepare_status(new: Object, old: Object, context: Context) -> None:
    """The count is a part of the spec upstream, only shown as an annotation."""
    workloads.keep_spec(new, old, context)
    _count_template(new, _template_generation(old))


def _template_generation(obj: Object) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _count_template(obj: Object, count: int) -> None:
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations[TEMPLATE_GENERATION] = str(count)


def validate(obj: DaemonSet) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec import template

    spec, errs = obj.spec, list[FieldError]()
    if spec.selector is not None:
        validate_label_selector(spec.selector, "spec.selector", errs)
        if not spec.selector.matchLabels and not spec.selector.matchExpressions:
            errs.append(invalid("spec.selector", {}, "empty selector is invalid for daemonset"))
    rules.selects_template(spec.selector, spec.template, "spec.template", errs)
    template.validate_template(spec.template, "spec.template", errs)
    template.shared_disks_read_only(spec.template, "spec.template", errs)
    template.always_restarting(spec.template, "spec.template", "DaemonSet", errs)
    rules.non_negative(spec, "spec", ("minReadySeconds",), errs)
    _strategy(spec.updateStrategy, "spec.updateStrategy", errs)
    rules.non_negative(spec, "spec", ("revisionHistoryLimit",), errs)
    return errs


def _strategy(strategy: DaemonSetUpdateStrategy, path: str, errs: list[FieldError]) -> None:
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        errs.append(not_supported(path, strategy.to_dict(), ("RollingUpdate", "OnDelete")))
        return
    rolling, where = strategy.rollingUpdate, f"{path}.rollingUpdate"
    if rolling is None:
        errs.append(required(where))
        return
    unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
    rules.number_or_percent(unavailable, f"{where}.maxUnavailable", errs, most=True)
    rules.number_or_percent(surge, f"{where}.maxSurge", errs, most=True)
    missing, extra = rules.share(unavailable) != 0, rules.share(surge) != 0
    if missing and extra:
        errs.append(invalid(f"{where}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not missing and not extra:
        errs.append(required(f"{where}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def validate_update(new: DaemonSet, old: DaemonSet) -> Sequence[FieldError]:
    errs = list(validate(new))
    rules.immutable(new.spec.selector, old.spec.selector, "spec.selector", errs)
    return errs


def validate_status(new: DaemonSet, old: DaemonSet) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    rules.non_negative(new.status, "status", _STATUS, errs)
    rules.not_decremented(new.status.collisionCount, old.status.collisionCount, "status.collisionCount", errs)
    return errs


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    pod = workloads.pod_spec(spec)
    return [
        metadata["name"],
        status.get("desiredNumberScheduled") or 0,
        status.get("currentNumberScheduled") or 0,
        status.get("numberReady") or 0,
        status.get("updatedNumberScheduled") or 0,
        status.get("numberAvailable") or 0,
        label_text(pod.get("nodeSelector")),
        age(metadata.get("creationTimestamp")),
        *workloads.container_cells(pod),
        workloads.selector_text(spec.get("selector")),
    ]


KIND = Kind(
    resource=DAEMONSETS,
    singular="daemonset",
    short_names=("ds",),
    categories=("all",),
    subresources=(workloads.status_of("DaemonSet", "apps/v1.DaemonSet"),),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("Desired", "integer", description="How many Nodes should run one of its Pods."),
        Column("Current", "integer", description="How many of those do."),
        Column("Ready", "integer", description="How many of the Pods are ready."),
        Column("Up-to-date", "integer", description="How many Pods are of the newest template."),
        Column("Available", "integer", description="How many Pods have been ready for long enough."),
        Column("Node Selector", description="The labels that a Node must have."),
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
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=workloads.spec_warnings,
)
