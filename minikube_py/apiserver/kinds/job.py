"""Job: Pods that run until enough of them have succeeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, required
from minikube_py.api.resources import JOBS
from minikube_py.apiserver.kinds import _jobspec as jobspec
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import Age, age, human_duration
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object
from minikube_py.apiserver.kinds.podspec.defaults import default_template

if TYPE_CHECKING:
    from minikube_py.api.types.batch_v1 import Job

CONTROLLER_UID = ("batch.kubernetes.io/controller-uid", "controller-uid")
JOB_NAME = ("batch.kubernetes.io/job-name", "job-name")
"""The labels of a Job's Pods: today's names, and those that were there before names had a domain."""

_ENDS = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")
_MAX_INT32 = 2**31 - 1


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_spec(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    workloads.number_default(spec, "parallelism", 1)
    workloads.number_default(spec, "backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _MAX_INT32)
    told = spec["template"]["metadata"].get("labels")
    metadata = obj.setdefault("metadata", {})
    if told and not metadata.get("labels"):
        # The same map, not a copy: labels that `prepare_create` adds to the template show on the Job too.
        metadata["labels"] = told
    for member in ("completionMode", "podReplacementPolicy"):
        if not spec.get(member):
            policy = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
            spec[member] = "NonIndexed" if member == "completionMode" else policy
    for member in ("suspend", "manualSelector"):
        if spec.get(member) is None:
            spec[member] = False
    obj.setdefault("status", {})


def default_spec(spec: Object) -> None:
    """The defaults that a CronJob's template has as well."""
    default_template(spec)
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def prepare_create(obj: Object, context: Context) -> None:
    """Unless its author takes care of it, a Job selects its Pods by its own uid, and they are labelled with it."""
    obj["status"] = {}
    spec, metadata = obj["spec"], obj["metadata"]
    told = spec["template"]["metadata"].get("labels")
    follows = not metadata.get("labels") or metadata["labels"] is told
    if not spec.get("manualSelector"):
        if told is None:
            told = spec["template"]["metadata"]["labels"] = {}
        for labels, value in ((JOB_NAME, metadata.get("name", "")), (CONTROLLER_UID, metadata.get("uid", ""))):
            for label in labels:
                told.setdefault(label, value)
        selector = spec.get("selector")
        if selector is None:
            selector = spec["selector"] = {}
        selector.setdefault("matchLabels", {}).setdefault(CONTROLLER_UID[0], metadata.get("uid", ""))
    if follows and told:
        metadata["labels"] = dict(told)


def validate(obj: Job) -> Sequence[FieldError]:
    errs = list[FieldError]()
    _generated_selector(obj, errs)
    _spec(obj, errs)
    return errs


def _spec(obj: Job, errs: list[FieldError]) -> None:
    spec = obj.spec
    jobspec.validate_spec(spec, "spec", errs)
    if spec.selector is None:
        errs.append(required("spec.selector"))
    else:
        validate_label_selector(spec.selector, "spec.selector", errs)
    rules.selects_template(spec.selector, spec.template, "spec.template", errs)
    if spec.completionMode == "Indexed" and spec.completions:
        # The Pods' hosts are called after the Job and their index.
        host = f"{obj.metadata.name}-{spec.completions - 1}"
        if names.dns1123_label(host):
            detail = f"will not able to create pod with invalid DNS label: {host}"
            errs.append(invalid("metadata.name", obj.metadata.name, detail))


def _generated_selector(obj: Job, errs: list[FieldError]) -> None:
    spec = obj.spec
    if spec.manualSelector or spec.selector is None:
        return
    metadata = obj.metadata
    expected = dict.fromkeys(CONTROLLER_UID, metadata.uid) | dict.fromkeys(JOB_NAME, metadata.name)
    told, path = spec.template.metadata.labels, "spec.template.metadata.labels"
    for label in (CONTROLLER_UID[1], JOB_NAME[1], CONTROLLER_UID[0], JOB_NAME[0]):
        if label not in told:
            errs.append(required(f"{path}[{label}]", f"must be '{expected[label]}'"))
        elif told[label] != expected[label]:
            errs.append(invalid(f"{path}[{label}]", told[label], f"must be '{expected[label]}'"))
    found = rules.compiled(spec.selector)
    if found is not None and not found.matches(expected):
        errs.append(invalid("spec.selector", spec.selector.to_dict(), "`selector` not auto-generated"))


def validate_update(new: Job, old: Job) -> Sequence[FieldError]:
    errs = list(validate(new))
    jobspec.validate_spec_update(new.spec, old.spec, old.status.startTime is not None, "spec", errs)
    return errs


def validate_status(new: Job, old: Job) -> Sequence[FieldError]:
    """The numbers of a status, and what contradicts itself in it."""
    status, errs = new.status, list[FieldError]()
    rules.non_negative(status, "status", ("active", "succeeded", "failed", "ready", "terminating"), errs)
    if status.uncountedTerminatedPods is not None:
        seen: set[str] = set()
        for member in ("succeeded", "failed"):
            for i, uid in enumerate(getattr(status.uncountedTerminatedPods, member)):
                where = f"status.uncountedTerminatedPods.{member}[{i}]"
                if not uid:
                    errs.append(invalid(where, uid, "must not be empty"))
                elif uid in seen:
                    errs.append(duplicate(where, uid))
                seen.add(uid)
    true = {c.type for c in status.conditions if c.status == "True"}
    before = {c.type for c in old.status.conditions if c.status == "True"}
    for one, other in (
        ("Complete", "Failed"), ("Complete", "FailureTarget"), ("SuccessCriteriaMet", "Failed"),
        ("SuccessCriteriaMet", "FailureTarget"),
    ):  # fmt: skip
        if {one, other} <= true and not {one, other} <= before:
            errs.append(invalid("status.conditions", sorted(true), f"cannot set both {one}=True and {other}=True"))
    for end in sorted(before & {"Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"} - true):
        errs.append(invalid("status.conditions", sorted(true), f"cannot disable the {end}=True condition"))
    _times(new, old, true, errs)
    return errs


def _times(new: Job, old: Job, true: set[str], errs: list[FieldError]) -> None:
    status, path = new.status, "status.completionTime"
    if status.completionTime == old.status.completionTime and status.startTime == old.status.startTime:
        return
    if status.completionTime is not None:
        shown = status.to_dict()["completionTime"]
        if "Complete" not in true:
            errs.append(invalid(path, shown, "cannot set completionTime when there is no Complete=True condition"))
        if status.startTime is not None and status.completionTime < status.startTime:
            errs.append(invalid(path, shown, "must be equal to or after `startTime`"))
        if old.status.completionTime not in (None, status.completionTime):
            errs.append(invalid(path, shown, "field is immutable"))
    elif "Complete" in true:
        errs.append(required(path, "completionTime is required for Complete jobs"))


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    found = workloads.name_warnings(obj)
    many = (spec.get("completions") or 0) > 100_000 and (spec.get("parallelism") or 0) > 10_000
    if many and spec.get("completionMode") == "Indexed":
        found.append(
            "spec: with more than 100000 completions and a parallelism above 10000, the indexes that are done "
            "may not all be remembered when many of them fail"
        )
    return [*found, *workloads.spec_warnings(obj)]


def state(obj: Object) -> str:
    """The word for where a Job is in its life."""
    status = obj.get("status") or {}
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    for end in _ENDS:
        if end == "Suspended" and obj["metadata"].get("deletionTimestamp"):
            return "Terminating"
        if end in true:
            return end
    return "Running"


def _duration(status: Object) -> str | Age:
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    if not end:
        return age(start)
    return human_duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def _completions(spec: Object, status: Object) -> str:
    succeeded = status.get("succeeded") or 0
    if (wanted := spec.get("completions")) is not None:
        return f"{succeeded}/{wanted}"
    parallel = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    return [
        metadata["name"],
        state(obj),
        _completions(spec, status),
        _duration(status),
        age(metadata.get("creationTimestamp")),
        *workloads.container_cells(workloads.pod_spec(spec)),
        workloads.selector_text(spec.get("selector")),
    ]


def select_fields(obj: Object) -> Mapping[str, str]:
    return {"status.successful": str((obj.get("status") or {}).get("succeeded") or 0)}


KIND = Kind(
    resource=JOBS,
    singular="job",
    categories=("all",),
    subresources=(workloads.status_of("Job", "batch/v1.Job"),),
    status=True,
    generation=True,
    orphans=True,
    columns=(
        NAME,
        Column("Status", description="Where the Job is in its life."),
        Column("Completions", description="How many Pods have succeeded, of how many that must."),
        Column("Duration", description="How long it took, or has been running."),
        AGE,
        workloads.CONTAINERS,
        workloads.IMAGES,
        workloads.SELECTOR,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=prepare_create,
    prepare_update=workloads.keep_status,
    prepare_status=workloads.keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    select_fields=select_fields,
    warnings=warnings,
)
