"""CronJob: makes a Job at given times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import cron, names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.api.resources import CRONJOBS
from minikube_py.apiserver.kinds import _jobspec as jobspec
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds import job
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object
from minikube_py.apiserver.kinds.podspec.warnings import template_warnings

if TYPE_CHECKING:
    from minikube_py.api.types.batch_v1 import CronJob, CronJobSpec

_POLICIES = ("Allow", "Forbid", "Replace")
_LONGEST_NAME = 63 - 11
"""A Job's name is its CronJob's with a number of ten digits and a dash before it."""


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    if spec.get("suspend") is None:
        spec["suspend"] = False
    workloads.number_default(spec, "successfulJobsHistoryLimit", 3)
    workloads.number_default(spec, "failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    job.default_spec(template.setdefault("spec", {}))
    obj.setdefault("status", {})


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def validate(obj: CronJob) -> Sequence[FieldError]:
    errs = list[FieldError]()
    _spec(obj.spec, None, errs)
    if len(obj.metadata.name) > _LONGEST_NAME:
        errs.append(invalid("metadata.name", obj.metadata.name, f"must be no more than {_LONGEST_NAME} bytes"))
    return errs


def validate_update(new: CronJob, old: CronJob) -> Sequence[FieldError]:
    errs = list[FieldError]()
    _spec(new.spec, old.spec, errs)
    return errs


def _spec(spec: CronJobSpec, old: CronJobSpec | None, errs: list[FieldError]) -> None:
    _schedule(spec, old, "spec.schedule", errs)
    rules.non_negative(spec, "spec", ("startingDeadlineSeconds",), errs)
    if spec.timeZone is not None and (old is None or old.timeZone != spec.timeZone):
        _time_zone(spec.timeZone, "spec.timeZone", errs)
    if not spec.concurrencyPolicy:
        errs.append(required("spec.concurrencyPolicy"))
    elif spec.concurrencyPolicy not in _POLICIES:
        errs.append(not_supported("spec.concurrencyPolicy", spec.concurrencyPolicy, _POLICIES))
    template, path = spec.jobTemplate.spec, "spec.jobTemplate.spec"
    jobspec.validate_spec(template, path, errs)
    if template.selector is not None:
        errs.append(invalid(f"{path}.selector", template.selector.to_dict(), "`selector` will be auto-generated"))
    if template.manualSelector:
        errs.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    rules.non_negative(spec, "spec", ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"), errs)


def _schedule(spec: CronJobSpec, old: CronJobSpec | None, path: str, errs: list[FieldError]) -> None:
    """A zone belongs into `timeZone`; schedules that had one before that was said may keep it."""
    schedule = spec.schedule
    if not schedule:
        errs.append(required(path))
        return
    try:
        cron.parse(schedule)
    except ValueError as error:
        errs.append(invalid(path, schedule, str(error)))
    if "TZ" not in schedule:
        return
    if old is None or "TZ" not in old.schedule:
        errs.append(invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
    elif spec.timeZone is not None:
        errs.append(invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"))


def _time_zone(zone: str, path: str, errs: list[FieldError]) -> None:
    if not zone:
        errs.append(invalid(path, zone, "timeZone must be nil or non-empty string"))
    elif zone.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errs.append(invalid(path, zone, detail))
    else:
        try:
            cron.load_zone(zone)
        except ValueError as error:
            errs.append(invalid(path, zone, str(error)))


def warnings(obj: Object) -> Sequence[str]:
    spec = obj.get("spec") or {}
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    found = workloads.name_warnings(obj)
    found += template_warnings(workloads.pod_spec(template), "spec.jobTemplate.spec.template.spec")
    if "TZ" in (spec.get("schedule") or ""):
        found.append("CRON_TZ or TZ used in spec.schedule is not officially supported: use spec.timeZone")
    return found


def row(obj: Object) -> list[Any]:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    last, suspend = status.get("lastScheduleTime"), spec.get("suspend")
    return [
        metadata["name"],
        spec.get("schedule") or "",
        spec.get("timeZone") or NONE,
        "<unset>" if suspend is None else str(suspend),
        len(status.get("active") or ()),
        age(last) if last else NONE,
        age(metadata.get("creationTimestamp")),
        *workloads.container_cells(workloads.pod_spec(template)),
        workloads.selector_text(template.get("selector")),
    ]


KIND = Kind(
    resource=CRONJOBS,
    singular="cronjob",
    short_names=("cj",),
    categories=("all",),
    subresources=(workloads.status_of("CronJob", "batch/v1.CronJob"),),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("Schedule", description="When, in cron's form."),
        Column("Timezone", description="The time zone of the schedule."),
        Column("Suspend", "boolean", description="Whether no further Jobs are started."),
        Column("Active", "integer", description="How many of its Jobs are running."),
        Column("Last Schedule", description="How long ago the last Job was started."),
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
    warnings=warnings,
)
