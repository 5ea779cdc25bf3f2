"""StatefulSet: Pods with lasting names and storage, started and ended in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import STATEFULSETS
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Scale
from minikube_py.apiserver.kinds.podspec.defaults import default_template, round_amounts
from minikube_py.apiserver.kinds.podspec.warnings import claim_warnings

if TYPE_CHECKING:
    from minikube_py.api.types.apps_v1 import RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec

_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_ONLY = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_COUNTED = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "RollingUpdate" and rolling is not None and rolling.get("partition") is None:
        rolling["partition"] = 0
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for member in ("whenDeleted", "whenScaled"):
        if not retention.get(member):
            retention[member] = "Retain"
    workloads.number_default(spec, "replicas", 1)
    workloads.number_default(spec, "revisionHistoryLimit", 10)
    default_template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        _default_claim(claim)
    status = obj.setdefault("status", {})
    status.setdefault("replicas", 0)
    status.setdefault("availableReplicas", 0)


def _default_claim(claim: Object) -> None:
    """A claim in a template says of what kind it is, and has the defaults of one."""
    claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    claim.setdefault("metadata", {})
    spec = claim.setdefault("spec", {})
    if not spec.get("volumeMode"):
        spec["volumeMode"] = "Filesystem"
    resources = spec.setdefault("resources", {})
    for member in ("limits", "requests"):
        if amounts := resources.get(member):
            round_amounts(amounts)
    status = claim.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


def validate(obj: StatefulSet) -> Sequence[FieldError]:
    """The rules for a new set. As upstream, what the template's Pods run is checked when they are made."""
    from minikube_py.apiserver.kinds.podspec import template

    spec, errs = obj.spec, list[FieldError]()
    if spec.podManagementPolicy not in ("OrderedReady", "Parallel"):
        detail = "must be 'OrderedReady' or 'Parallel'"
        errs.append(invalid("spec.podManagementPolicy", spec.podManagementPolicy, detail))
    _strategy(spec, "spec.updateStrategy", errs)
    if spec.persistentVolumeClaimRetentionPolicy is not None:
        for member in ("whenDeleted", "whenScaled"):
            value = getattr(spec.persistentVolumeClaimRetentionPolicy, member)
            if value not in ("Retain", "Delete"):
                where = f"spec.persistentVolumeClaimRetentionPolicy.{member}"
                errs.append(not_supported(where, value, ("Retain", "Delete")))
    rules.non_negative(spec, "spec", ("replicas", "minReadySeconds"), errs)
    if spec.ordinals is not None:
        rules.non_negative(spec.ordinals, "spec.ordinals", ("start",), errs)
    rules.required_selector(spec.selector, "spec.selector", "statefulset", errs)
    rules.selects_template(spec.selector, spec.template, "spec.template", errs)
    template.validate_metadata(spec.template, "spec.template", errs)
    template.always_restarting(spec.template, "spec.template", "StatefulSet", errs)
    return errs


def _strategy(spec: StatefulSetSpec, path: str, errs: list[FieldError]) -> None:
    strategy = spec.updateStrategy
    if not strategy.type:
        errs.append(required(path))
    elif strategy.type == "OnDelete":
        if strategy.rollingUpdate is not None:
            detail = "only allowed for updateStrategy 'RollingUpdate'"
            errs.append(invalid(f"{path}.rollingUpdate", strategy.rollingUpdate.to_dict(), detail))
    elif strategy.type != "RollingUpdate":
        errs.append(invalid(path, strategy.to_dict(), "must be 'RollingUpdate' or 'OnDelete'"))
    elif strategy.rollingUpdate is not None:
        _rolling(strategy.rollingUpdate, f"{path}.rollingUpdate", errs)


def _rolling(rolling: RollingUpdateStatefulSetStrategy, path: str, errs: list[FieldError]) -> None:
    rules.non_negative(rolling, path, ("partition",), errs)
    if rolling.maxUnavailable is not None:
        rules.number_or_percent(rolling.maxUnavailable, f"{path}.maxUnavailable", errs, most=True)
        if rules.share(rolling.maxUnavailable) == 0:
            errs.append(invalid(f"{path}.maxUnavailable", rolling.maxUnavailable, "cannot be 0"))


def validate_update(new: StatefulSet, old: StatefulSet) -> Sequence[FieldError]:
    errs = list(validate(new))
    members = type(new.spec).model_fields
    if any(getattr(new.spec, m) != getattr(old.spec, m) for m in members if m not in _MUTABLE):
        errs.append(forbidden("spec", _ONLY))
    return errs


def validate_status(new: StatefulSet, old: StatefulSet) -> Sequence[FieldError]:
    status, errs = new.status, list[FieldError]()
    rules.non_negative(status, "status", ("replicas", *_COUNTED, "observedGeneration", "collisionCount"), errs)
    rules.not_above(status, "status", _COUNTED, "replicas", "cannot be greater than status.replicas", errs)
    ready = "cannot be greater than status.readyReplicas"
    rules.not_above(status, "status", ("availableReplicas",), "readyReplicas", ready, errs)
    rules.not_decremented(status.collisionCount, old.status.collisionCount, "status.collisionCount", errs)
    return errs


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    found = workloads.spec_warnings(obj)
    for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        found += claim_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{i}].spec")
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        found.append(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )
    return found


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    return [
        metadata["name"],
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        age(metadata.get("creationTimestamp")),
        *workloads.container_cells(workloads.pod_spec(spec)),
    ]


KIND = Kind(
    resource=STATEFULSETS,
    singular="statefulset",
    short_names=("sts",),
    categories=("all",),
    subresources=(workloads.SCALE, workloads.status_of("StatefulSet", "apps/v1.StatefulSet")),
    status=True,
    generation=True,
    scale=Scale(),
    columns=(
        NAME,
        Column("Ready", description="How many Pods are ready, of how many that are wanted."),
        AGE,
        workloads.CONTAINERS,
        workloads.IMAGES,
    ),
    row=row,
    validate_name=names.dns1123_label,
    default=default,
    prepare_create=prepare_create,
    prepare_update=workloads.keep_status,
    prepare_status=workloads.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
)
