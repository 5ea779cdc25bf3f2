"""Rules for a JobSpec: those of a Job and, nearly the same, of the template in a CronJob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required, too_long, too_many
from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds._objectmeta import qualified

if TYPE_CHECKING:
    from minikube_py.api.types.batch_v1 import JobSpec, PodFailurePolicyRule, SuccessPolicyRule

_MOST_PARALLEL = _MOST_FAILED = 100_000
_MANY_COMPLETIONS = 100_000
_FEW = 10_000
"""What parallelism and maxFailedIndexes may be at most beside many completions."""

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")


def validate_spec(spec: JobSpec, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a JobSpec at `path`, but for its selector."""
    from minikube_py.apiserver.kinds.podspec import template

    counts = (
        "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
        "backoffLimitPerIndex", "maxFailedIndexes",
    )  # fmt: skip
    rules.non_negative(spec, path, counts, errs)
    if spec.maxFailedIndexes is not None and spec.backoffLimitPerIndex is None:
        errs.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.managedBy is not None:
        _managed_by(spec.managedBy, f"{path}.managedBy", errs)
    if spec.completionMode not in (None, "NonIndexed", "Indexed"):
        errs.append(not_supported(f"{path}.completionMode", spec.completionMode, ("NonIndexed", "Indexed")))
    if spec.completionMode == "Indexed":
        _indexed(spec, path, errs)
    elif spec.completionMode in (None, "NonIndexed"):
        for member in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if (value := getattr(spec, member)) is not None:
                errs.append(invalid(f"{path}.{member}", value, "requires indexed completion mode"))
    if spec.podFailurePolicy is not None:
        _failure_policy(spec, f"{path}.podFailurePolicy.rules", errs)
    if spec.successPolicy is not None:
        where = f"{path}.successPolicy"
        if spec.completionMode == "Indexed":
            _success_policy(spec, f"{where}.rules", errs)
        else:
            errs.append(invalid(where, spec.successPolicy.to_dict(), "requires indexed completion mode"))
    if spec.podReplacementPolicy is not None:
        supported = ("Failed",) if spec.podFailurePolicy is not None else _REPLACEMENTS
        if spec.podReplacementPolicy not in supported:
            errs.append(not_supported(f"{path}.podReplacementPolicy", spec.podReplacementPolicy, supported))
    template.validate_template(spec.template, f"{path}.template", errs)
    _restart_policy(spec, f"{path}.template.spec.restartPolicy", errs)


def _restart_policy(spec: JobSpec, path: str, errs: list[FieldError]) -> None:
    policy = spec.template.spec.restartPolicy
    if policy in ("", "Always"):
        # Always is what defaulting made of an author's silence.
        errs.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errs.append(not_supported(path, policy, ("OnFailure", "Never")))
    elif spec.podFailurePolicy is not None and policy != "Never":
        errs.append(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))


def _managed_by(name: str, path: str, errs: list[FieldError]) -> None:
    domain, _, rest = name.partition("/")
    if not name:
        errs.append(required(path))
    elif not domain or not rest:
        errs.append(invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    else:
        for sentence in names.dns1123_subdomain(domain):
            errs.append(invalid(path, domain, sentence))
        if not all(c.isascii() and (c.isalnum() or c in "/-._~%!$&'()*+,;=:") for c in rest):
            errs.append(invalid(path, rest, "Invalid path: letters, digits and /-._~%!$&'()*+,;=: are allowed"))
    if len(name) > 63:
        errs.append(too_long(path, 63))


def _indexed(spec: JobSpec, path: str, errs: list[FieldError]) -> None:
    mode = "when completion mode is Indexed"
    parallel, failed, completions = spec.parallelism or 0, spec.maxFailedIndexes, spec.completions
    if completions is None:
        errs.append(required(f"{path}.completions", mode))
    if parallel > _MOST_PARALLEL:
        detail = f"must be less than or equal to {_MOST_PARALLEL} {mode}"
        errs.append(invalid(f"{path}.parallelism", parallel, detail))
    if failed is not None:
        if completions is not None and failed > completions:
            errs.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
        if failed > _MOST_FAILED:
            errs.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MOST_FAILED}"))
    if completions is not None and completions > _MANY_COMPLETIONS and spec.backoffLimitPerIndex is not None:
        detail = (
            f"must be less than or equal to {_FEW} when completions are above {_MANY_COMPLETIONS} "
            "and used with backoff limit per index"
        )
        if failed is None:
            why = f"must be specified when completions is above {_MANY_COMPLETIONS}"
            errs.append(required(f"{path}.maxFailedIndexes", why))
        elif failed > _FEW:
            errs.append(invalid(f"{path}.maxFailedIndexes", failed, detail))
        if parallel > _FEW:
            errs.append(invalid(f"{path}.parallelism", parallel, detail))


def _failure_policy(spec: JobSpec, path: str, errs: list[FieldError]) -> None:
    assert spec.podFailurePolicy is not None
    found = spec.podFailurePolicy.rules
    if len(found) > 20:
        errs.append(too_many(path, 20))
    pod = spec.template.spec
    containers = {c.name for c in (*pod.containers, *pod.initContainers)}
    for i, rule in enumerate(found):
        where = f"{path}[{i}]"
        if not rule.action:
            errs.append(required(f"{where}.action", f"valid values: {', '.join(_ACTIONS)}"))
        elif rule.action not in _ACTIONS:
            errs.append(not_supported(f"{where}.action", rule.action, _ACTIONS))
        elif rule.action == "FailIndex" and spec.backoffLimitPerIndex is None:
            errs.append(invalid(f"{where}.action", rule.action, "requires the backoffLimitPerIndex to be set"))
        if rule.onExitCodes is not None:
            _exit_codes(rule, f"{where}.onExitCodes", containers, errs)
        if rule.onPodConditions:
            _pod_conditions(rule, f"{where}.onPodConditions", errs)
        if rule.onExitCodes is not None and rule.onPodConditions:
            detail = "specifying both OnExitCodes and OnPodConditions is not supported"
            errs.append(invalid(where, rule.to_dict(), detail))
        elif rule.onExitCodes is None and not rule.onPodConditions:
            detail = "specifying one of OnExitCodes and OnPodConditions is required"
            errs.append(invalid(where, rule.to_dict(), detail))


def _exit_codes(rule: PodFailurePolicyRule, path: str, containers: set[str], errs: list[FieldError]) -> None:
    codes = rule.onExitCodes
    assert codes is not None
    if not codes.operator:
        errs.append(required(f"{path}.operator", "valid values: In, NotIn"))
    elif codes.operator not in ("In", "NotIn"):
        errs.append(not_supported(f"{path}.operator", codes.operator, ("In", "NotIn")))
    if codes.containerName is not None and codes.containerName not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        errs.append(invalid(f"{path}.containerName", codes.containerName, detail))
    values = list(codes.values)
    if not values:
        errs.append(invalid(f"{path}.values", [], "at least one value is required"))
    elif len(values) > 255:
        errs.append(too_many(f"{path}.values", 255))
    seen: set[int] = set()
    for i, value in enumerate(values):
        if value == 0 and codes.operator == "In":
            errs.append(invalid(f"{path}.values[{i}]", value, "must not be 0 for the In operator"))
        if value in seen:
            errs.append(duplicate(f"{path}.values[{i}]", value))
        seen.add(value)
    if values != sorted(values):
        errs.append(invalid(f"{path}.values", values, "must be ordered"))


def _pod_conditions(rule: PodFailurePolicyRule, path: str, errs: list[FieldError]) -> None:
    if len(rule.onPodConditions) > 20:
        errs.append(too_many(path, 20))
    for i, pattern in enumerate(rule.onPodConditions):
        for sentence in qualified(pattern.type):
            errs.append(invalid(f"{path}[{i}].type", pattern.type, sentence))
        if pattern.status not in _STATUSES:
            errs.append(not_supported(f"{path}[{i}].status", pattern.status, _STATUSES))


def _success_policy(spec: JobSpec, path: str, errs: list[FieldError]) -> None:
    assert spec.successPolicy is not None
    found = spec.successPolicy.rules
    if not found:
        errs.append(required(path, "at least one rules must be specified when the successPolicy is specified"))
    if len(found) > 20:
        errs.append(too_many(path, 20))
    for i, rule in enumerate(found):
        _success_rule(rule, spec.completions or 0, f"{path}[{i}]", errs)


def _success_rule(rule: SuccessPolicyRule, completions: int, path: str, errs: list[FieldError]) -> None:
    if rule.succeededCount is None and rule.succeededIndexes is None:
        errs.append(required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    total = 0
    if rule.succeededIndexes is not None:
        where = f"{path}.succeededIndexes"
        if len(rule.succeededIndexes) > 64 * 1024:
            errs.append(too_long(where, 64 * 1024))
        try:
            total = sum(last - first + 1 for first, last in parse_indexes(rule.succeededIndexes, completions))
        except ValueError as error:
            errs.append(invalid(where, rule.succeededIndexes, f"error parsing succeededIndexes: {error}"))
    if rule.succeededCount is not None:
        where = f"{path}.succeededCount"
        rules.non_negative(rule, path, ("succeededCount",), errs)
        bounds = [(completions, "the number of specified completions")]
        if rule.succeededIndexes is not None:
            bounds.append((total, "the number of indexes in the specified succeededIndexes field"))
        for bound, what in bounds:
            if rule.succeededCount > bound:
                errs.append(invalid(where, rule.succeededCount, f"must be less than or equal to {bound} ({what})"))


def parse_indexes(text: str, completions: int) -> Sequence[tuple[int, int]]:
    """The intervals of a list of indexes such as `1,3-5`, which must rise and be below `completions`. ValueError."""
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        ends = part.split("-")
        if len(ends) > 2:
            raise ValueError(f'the fragment "{part}" has more than two parts separated by "-"')
        first, last = _index(ends[0], completions), _index(ends[-1], completions)
        if len(ends) == 2 and first >= last:
            raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
        if found and found[-1][1] >= first:
            raise ValueError(f"non-increasing order, previous: {found[-1][1]}, current: {first}")
        found.append((first, last))
    return found


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)


def validate_spec_update(new: JobSpec, old: JobSpec, started: bool, path: str, errs: list[FieldError]) -> None:
    """Append what must not change in a Job that exists; `started` says that it has had Pods."""
    if new.completionMode != "Indexed":
        rules.immutable(new.completions, old.completions, f"{path}.completions", errs)
    elif new.completions != old.completions and new.completions is not None and new.completions != new.parallelism:
        detail = f"can only be modified in tandem with {path}.parallelism"
        errs.append(invalid(f"{path}.completions", new.completions, detail))
    rules.immutable(new.selector, old.selector, f"{path}.selector", errs)
    before, after = old.template.to_dict(), new.template.to_dict()
    if old.suspend and not started:
        _leave_out_scheduling(before)
        _leave_out_scheduling(after)
    if after != before:
        errs.append(invalid(f"{path}.template", new.template.to_dict(), "field is immutable"))
    for member in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        rules.immutable(getattr(new, member), getattr(old, member), f"{path}.{member}", errs)


def _leave_out_scheduling(template: dict[str, Any]) -> None:
    """Where its Pods may run can be changed by a queue until the first of them starts."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    for member in ("annotations", "labels"):
        metadata.pop(member, None)
    for member in ("nodeSelector", "tolerations", "schedulingGates"):
        spec.pop(member, None)
    if (affinity := spec.get("affinity")) is not None:
        affinity.pop("nodeAffinity", None)
        if not affinity:
            del spec["affinity"]
