"""Jobs and CronJobs that are refused, for exactly which fields; and what may change in one that exists."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds_samples import changed, created, errors_of_create, errors_of_update, short, typed
from test_kinds_properties import check, container, some, word
from workload_samples import ENDING, KINDS, SAMPLES, sample

from minikube_py.apiserver.kinds import _jobspec as jobspec
from minikube_py.apiserver.kinds.base import Object

Expected = list[tuple[str, str]]
JOB, CRON = KINDS["Job"], KINDS["CronJob"]
T = "spec.template"
RULES = "spec.podFailurePolicy.rules"


def indexed(**members: Any) -> Object:
    return sample("Job", **{"completionMode": "Indexed", "completions": 3, **members})


def restarting(policy: str | None) -> Object:
    return changed(ENDING, "spec.restartPolicy", policy)


def failing(*rules: Object, **members: Any) -> Object:
    return sample("Job", podFailurePolicy={"rules": list(rules)}, **members)


def codes(**members: Any) -> Object:
    return {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1], **members}}


SPECS: dict[str, tuple[Object, Expected]] = {
    "numbers": (
        sample(
            "Job", parallelism=-1, completions=-1, activeDeadlineSeconds=-1, backoffLimit=-1, ttlSecondsAfterFinished=-1
        ),
        [
            ("spec.parallelism", "Invalid"),
            ("spec.completions", "Invalid"),
            ("spec.activeDeadlineSeconds", "Invalid"),
            ("spec.backoffLimit", "Invalid"),
            ("spec.ttlSecondsAfterFinished", "Invalid"),
        ],
    ),
    "restart policy by default": (
        sample("Job", template=restarting(None)),
        [(f"{T}.spec.restartPolicy", "Required")],
    ),
    "restart policy": (
        sample("Job", template=restarting("Sometimes")),
        [(f"{T}.spec.restartPolicy", "NotSupported"), (f"{T}.spec.restartPolicy", "NotSupported")],
    ),
    "template": (
        sample("Job", template={"spec": {"restartPolicy": "Never"}}),
        [(f"{T}.spec.containers", "Required")],
    ),
    "completion mode": (sample("Job", completionMode="Odd"), [("spec.completionMode", "NotSupported")]),
    "managed by nobody": (sample("Job", managedBy=""), [("spec.managedBy", "Required")]),
    "managed by a word": (sample("Job", managedBy="me"), [("spec.managedBy", "Invalid")]),
    "managed by": (
        sample("Job", managedBy="Me_/a b" + "c" * 60),
        [("spec.managedBy", "Invalid"), ("spec.managedBy", "Invalid"), ("spec.managedBy", "TooLong")],
    ),
    "not indexed": (
        sample("Job", backoffLimitPerIndex=1, maxFailedIndexes=1, successPolicy={"rules": [{"succeededCount": 1}]}),
        [
            ("spec.backoffLimitPerIndex", "Invalid"),
            ("spec.maxFailedIndexes", "Invalid"),
            ("spec.successPolicy", "Invalid"),
        ],
    ),
    "indexed without completions": (
        sample("Job", completionMode="Indexed", parallelism=2),
        [("spec.completions", "Required")],
    ),
    "indexed bounds": (
        indexed(parallelism=100_001, maxFailedIndexes=4),
        [
            ("spec.backoffLimitPerIndex", "Required"),
            ("spec.parallelism", "Invalid"),
            ("spec.maxFailedIndexes", "Invalid"),
        ],
    ),
    "many completions": (
        indexed(completions=100_001, parallelism=10_001, backoffLimitPerIndex=1),
        [("spec.maxFailedIndexes", "Required"), ("spec.parallelism", "Invalid")],
    ),
    "many failures": (
        indexed(completions=100_001, maxFailedIndexes=10_001, backoffLimitPerIndex=1),
        [("spec.maxFailedIndexes", "Invalid")],
    ),
    "failure policy actions": (
        failing(
            {"onPodConditions": [{"type": "a"}]},
            {"action": "Odd", "onPodConditions": [{"type": "a b", "status": "Maybe"}]},
            {"action": "FailIndex", "onPodConditions": [{"type": "a"}]},
            {"action": "Count"},
            {**codes(), "onPodConditions": [{"type": "a"}]},
        ),
        [
            (f"{RULES}[0].action", "Required"),
            (f"{RULES}[1].action", "NotSupported"),
            (f"{RULES}[1].onPodConditions[0].type", "Invalid"),
            (f"{RULES}[1].onPodConditions[0].status", "NotSupported"),
            (f"{RULES}[2].action", "Invalid"),
            (f"{RULES}[3]", "Invalid"),
            (f"{RULES}[4]", "Invalid"),
        ],
    ),
    "failure policy codes": (
        failing(
            codes(operator=""),
            codes(operator="Like"),
            codes(containerName="other"),
            codes(values=[]),
            codes(values=[0, 2, 1, 2]),
            codes(values=list(range(1, 300))),
        ),
        [
            (f"{RULES}[0].onExitCodes.operator", "Required"),
            (f"{RULES}[1].onExitCodes.operator", "NotSupported"),
            (f"{RULES}[2].onExitCodes.containerName", "Invalid"),
            (f"{RULES}[3].onExitCodes.values", "Invalid"),
            (f"{RULES}[4].onExitCodes.values[0]", "Invalid"),
            (f"{RULES}[4].onExitCodes.values[3]", "Duplicate"),
            (f"{RULES}[4].onExitCodes.values", "Invalid"),
            (f"{RULES}[5].onExitCodes.values", "TooMany"),
        ],
    ),
    "failure policy and the rest": (
        failing(codes(), template=restarting("OnFailure"), podReplacementPolicy="TerminatingOrFailed"),
        [("spec.podReplacementPolicy", "NotSupported"), (f"{T}.spec.restartPolicy", "Invalid")],
    ),
    "too many rules": (failing(*[codes()] * 21), [(RULES, "TooMany")]),
    "replacement policy": (
        sample("Job", podReplacementPolicy="Never"),
        [("spec.podReplacementPolicy", "NotSupported")],
    ),
    "success policy": (
        indexed(
            successPolicy={
                "rules": [
                    {},
                    {"succeededIndexes": "0-5"},
                    {"succeededIndexes": "2,1"},
                    {"succeededCount": 4},
                    {"succeededIndexes": "0-1", "succeededCount": 3},
                    {"succeededCount": -1},
                ]
            }
        ),
        [
            ("spec.successPolicy.rules[0]", "Required"),
            ("spec.successPolicy.rules[1].succeededIndexes", "Invalid"),
            ("spec.successPolicy.rules[2].succeededIndexes", "Invalid"),
            ("spec.successPolicy.rules[3].succeededCount", "Invalid"),
            ("spec.successPolicy.rules[4].succeededCount", "Invalid"),
            ("spec.successPolicy.rules[5].succeededCount", "Invalid"),
        ],
    ),
    "no success rules": (indexed(successPolicy={"rules": []}), [("spec.successPolicy.rules", "Required")]),
}


@pytest.mark.parametrize("name", SPECS)
def test_specs_that_are_refused(name: str) -> None:
    """The same in a Job and, one level deeper, in a CronJob's template."""
    obj, expected = SPECS[name]
    assert short(errors_of_create(JOB, obj)) == expected
    nested = {**copy.deepcopy(SAMPLES["CronJob"])}
    nested["spec"]["jobTemplate"] = {"spec": obj["spec"]}
    inner = [(f"spec.jobTemplate.{path}", reason) for path, reason in expected]
    assert short(errors_of_create(CRON, nested)) == inner


JOBS: dict[str, tuple[Object, Expected]] = {
    "foreign labels": (
        sample("Job", template={**ENDING, "metadata": {"labels": {"job-name": "other"}}}),
        [(f"{T}.metadata.labels[job-name]", "Invalid")],
    ),
    "foreign selector": (
        sample("Job", selector={"matchLabels": {"a": "b"}}),
        [("spec.selector", "Invalid"), (f"{T}.metadata.labels", "Invalid")],
    ),
    "manual without selector": (
        sample("Job", manualSelector=True),
        [("spec.selector", "Required"), (f"{T}.metadata.labels", "Invalid")],
    ),
    "manual selector of other pods": (
        sample("Job", manualSelector=True, selector={"matchLabels": {"a": "b"}}),
        [(f"{T}.metadata.labels", "Invalid")],
    ),
    "a name too long for hosts": (changed(indexed(), "metadata.name", "x" * 62), [("metadata.name", "Invalid")]),
}


@pytest.mark.parametrize("name", JOBS)
def test_jobs_that_are_refused(name: str) -> None:
    obj, expected = JOBS[name]
    assert short(errors_of_create(JOB, obj)) == expected


def test_good_jobs() -> None:
    for obj in (
        indexed(backoffLimitPerIndex=1, maxFailedIndexes=2, parallelism=0),
        indexed(successPolicy={"rules": [{"succeededIndexes": "0,2", "succeededCount": 2}]}),
        failing(codes(operator="NotIn", values=[0, 1], containerName="c")),
        sample("Job", managedBy="acme.io/queue", template=restarting("OnFailure"), suspend=True),
    ):
        assert short(errors_of_create(JOB, obj)) == []
    assert short(errors_of_create(CRON, sample("CronJob", timeZone="Etc/UTC", concurrencyPolicy="Replace"))) == []


def test_a_job_without_its_generated_labels() -> None:
    stored = created(JOB, SAMPLES["Job"])
    del stored["spec"]["template"]["metadata"]["labels"]["controller-uid"]
    assert short(JOB.validate(typed(JOB, stored))) == [(f"{T}.metadata.labels[controller-uid]", "Required")]


CRONS: dict[str, tuple[Object, Expected]] = {
    "no schedule": (sample("CronJob", schedule=None), [("spec.schedule", "Required")]),
    "schedule": (sample("CronJob", schedule="61 * * * *"), [("spec.schedule", "Invalid")]),
    "zone in the schedule": (sample("CronJob", schedule="TZ=UTC 0 0 * * *"), [("spec.schedule", "Invalid")]),
    "bad zone in the schedule": (
        sample("CronJob", schedule="CRON_TZ=Mars 0 0 * * *"),
        [("spec.schedule", "Invalid"), ("spec.schedule", "Invalid")],
    ),
    "empty zone": (sample("CronJob", timeZone=""), [("spec.timeZone", "Invalid")]),
    "unknown zone": (sample("CronJob", timeZone="Mars/Olympus"), [("spec.timeZone", "Invalid")]),
    "local zone": (sample("CronJob", timeZone="local"), [("spec.timeZone", "Invalid")]),
    "path as a zone": (sample("CronJob", timeZone="../../etc/passwd"), [("spec.timeZone", "Invalid")]),
    "rest": (
        sample(
            "CronJob",
            startingDeadlineSeconds=-1,
            concurrencyPolicy="Queue",
            successfulJobsHistoryLimit=-1,
            failedJobsHistoryLimit=-1,
        ),
        [
            ("spec.startingDeadlineSeconds", "Invalid"),
            ("spec.concurrencyPolicy", "NotSupported"),
            ("spec.successfulJobsHistoryLimit", "Invalid"),
            ("spec.failedJobsHistoryLimit", "Invalid"),
        ],
    ),
    "selector": (
        changed(
            changed(SAMPLES["CronJob"], "spec.jobTemplate.spec.selector", {"matchLabels": {"a": "b"}}),
            "spec.jobTemplate.spec.manualSelector",
            True,
        ),
        [("spec.jobTemplate.spec.selector", "Invalid"), ("spec.jobTemplate.spec.manualSelector", "NotSupported")],
    ),
    "name": (changed(SAMPLES["CronJob"], "metadata.name", "x" * 53), [("metadata.name", "Invalid")]),
}


@pytest.mark.parametrize("name", CRONS)
def test_cron_jobs_that_are_refused(name: str) -> None:
    obj, expected = CRONS[name]
    assert short(errors_of_create(CRON, obj)) == expected


def test_schedules_that_had_a_zone_may_keep_it() -> None:
    old = created(CRON, sample("CronJob", schedule="TZ=UTC 0 0 * * *"))
    assert short(errors_of_update(CRON, changed(old, "spec.schedule", "TZ=UTC 1 0 * * *"), old)) == []
    assert short(errors_of_update(CRON, changed(old, "spec.timeZone", "Etc/UTC"), old)) == [
        ("spec.schedule", "Invalid")
    ]
    long = changed(created(CRON, SAMPLES["CronJob"]), "metadata.name", "x" * 60)
    assert short(errors_of_update(CRON, long, long)) == []


UPDATES: dict[str, tuple[Object, str, Any, Expected]] = {
    "completions": (sample("Job"), "spec.completions", 3, [("spec.completions", "Invalid")]),
    "indexes alone": (indexed(), "spec.completions", 2, [("spec.completions", "Invalid")]),
    "indexes with parallelism": (indexed(parallelism=2), "spec.completions", 2, []),
    "parallelism": (sample("Job"), "spec.parallelism", 4, []),
    "suspend": (sample("Job"), "spec.suspend", True, []),
    "backoff": (sample("Job"), "spec.backoffLimit", 9, []),
    "mode": (
        indexed(completions=1, parallelism=1),
        "spec.completionMode",
        "NonIndexed",
        [("spec.completionMode", "Invalid")],
    ),
    "manager": (sample("Job"), "spec.managedBy", "acme.io/x", [("spec.managedBy", "Invalid")]),
    "failure policy": (
        sample("Job"),
        "spec.podFailurePolicy",
        {"rules": [codes()]},
        [("spec.podReplacementPolicy", "NotSupported"), ("spec.podFailurePolicy", "Invalid")],
    ),
    "backoff per index": (indexed(), "spec.backoffLimitPerIndex", 1, [("spec.backoffLimitPerIndex", "Invalid")]),
    "success policy": (
        indexed(),
        "spec.successPolicy",
        {"rules": [{"succeededCount": 1}]},
        [("spec.successPolicy", "Invalid")],
    ),
    "image": (sample("Job"), "spec.template.spec.containers.0.image", "x:2", [(T, "Invalid")]),
    "node selector": (sample("Job"), "spec.template.spec.nodeSelector", {"a": "b"}, [(T, "Invalid")]),
    "image of a suspended one": (
        sample("Job", suspend=True),
        "spec.template.spec.containers.0.image",
        "x:2",
        [(T, "Invalid")],
    ),
    "places of a suspended one": (sample("Job", suspend=True), "spec.template.spec.nodeSelector", {"a": "b"}, []),
    "gates of a suspended one": (
        sample("Job", suspend=True),
        "spec.template.spec.schedulingGates",
        [{"name": "a.b/c"}],
        [],
    ),
    "node affinity of a suspended one": (
        sample("Job", suspend=True),
        "spec.template.spec.affinity",
        {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}
                ]
            }
        },
        [],
    ),
    "other affinity of a suspended one": (
        sample("Job", suspend=True),
        "spec.template.spec.affinity",
        {
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a", "labelSelector": {}}]
            }
        },
        [(T, "Invalid")],
    ),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_of_a_job(name: str) -> None:
    obj, path, value, expected = UPDATES[name]
    old = created(JOB, obj)
    assert short(errors_of_update(JOB, changed(old, path, value), old)) == expected


def test_a_suspended_job_that_has_started_stays_where_it_is() -> None:
    old = created(JOB, sample("Job", suspend=True))
    old["status"]["startTime"] = "2030-01-01T00:00:00Z"
    moved = changed(old, "spec.template.spec.nodeSelector", {"a": "b"})
    assert short(errors_of_update(JOB, moved, old)) == [(T, "Invalid")]


def conditions(*true: str) -> list[Object]:
    return [{"type": t, "status": "True"} for t in true]


START, END = "2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"
DONE = {"startTime": START, "completionTime": END, "conditions": conditions("SuccessCriteriaMet", "Complete")}
STATUSES: dict[str, tuple[Object, Object, Expected]] = {
    "good": ({}, {"active": 1, "ready": 0, "startTime": START}, []),
    "done": ({"startTime": START}, DONE, []),
    "numbers": (
        {},
        {"active": -1, "succeeded": -1, "failed": -1, "ready": -1, "terminating": -1},
        [(f"status.{m}", "Invalid") for m in ("active", "succeeded", "failed", "ready", "terminating")],
    ),
    "uncounted": (
        {},
        {"uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}},
        [
            ("status.uncountedTerminatedPods.succeeded[1]", "Invalid"),
            ("status.uncountedTerminatedPods.failed[0]", "Duplicate"),
        ],
    ),
    "both ends": ({}, {"conditions": conditions("Complete", "Failed")}, [("status.conditions", "Invalid")]),
    "undone": (DONE, {**DONE, "conditions": conditions("SuccessCriteriaMet")}, [("status.conditions", "Invalid")]),
    "early": (
        {"startTime": END},
        {**DONE, "startTime": END, "completionTime": START},
        [("status.completionTime", "Invalid")],
    ),
    "ended without saying so": ({}, {"completionTime": END}, [("status.completionTime", "Invalid")]),
    "ended at no time": (
        {},
        {"startTime": START, "conditions": conditions("Complete")},
        [("status.completionTime", "Required")],
    ),
}


@pytest.mark.parametrize("name", STATUSES)
def test_statuses(name: str) -> None:
    before, after, expected = STATUSES[name]
    old = {**created(JOB, SAMPLES["Job"]), "status": before}
    assert short(JOB.validate_status(typed(JOB, {**old, "status": after}), typed(JOB, old))) == expected


@pytest.mark.parametrize(
    ("text", "found"), [("", []), ("0", [(0, 0)]), ("1,3-5,7", [(1, 1), (3, 5), (7, 7)]), ("0-9", [(0, 9)])]
)
def test_indexes(text: str, found: list[tuple[int, int]]) -> None:
    assert list(jobspec.parse_indexes(text, 10)) == found


@pytest.mark.parametrize("text", ["10", "a", "1-2-3", "3-3", "5-3", "1,1", "3-5,4", "-1", "1,", "9-10"])
def test_bad_indexes(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        jobspec.parse_indexes(text, 10)


number = st.sampled_from([-1, 0, 1, 3])
rule = some(
    action=st.sampled_from(["FailJob", "FailIndex", "x"]),
    onExitCodes=some(operator=st.sampled_from(["In", "NotIn", ""]), values=st.lists(number, max_size=2)),
    onPodConditions=st.lists(some(type=word, status=word), max_size=1),
)
specs = some(
    parallelism=number,
    completions=number,
    completionMode=st.sampled_from(["Indexed", "NonIndexed", "x"]),
    backoffLimitPerIndex=number,
    maxFailedIndexes=number,
    manualSelector=st.booleans(),
    selector=some(matchLabels=st.dictionaries(word, word, max_size=1)),
    suspend=st.booleans(),
    podFailurePolicy=some(rules=st.lists(rule, max_size=2)),
    successPolicy=some(rules=st.lists(some(succeededIndexes=word, succeededCount=number), max_size=2)),
    template=some(
        metadata=some(labels=st.dictionaries(word, word, max_size=2)),
        spec=some(containers=st.lists(container, max_size=1), restartPolicy=st.sampled_from(["Never", "Always"])),
    ),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(specs, word, word)
def test_whatever_is_sent_settles(spec: Object, schedule: str, zone: str) -> None:
    metadata = {"name": "x", "namespace": "default", "uid": "1"}
    check(JOB, {"metadata": dict(metadata), "spec": copy.deepcopy(spec)})
    cron = {"schedule": schedule, "timeZone": zone, "jobTemplate": {"spec": spec}}
    check(CRON, {"metadata": metadata, "spec": cron})
