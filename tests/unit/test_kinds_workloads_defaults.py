"""What the server fills into workloads, what it keeps to itself, and how their rows read."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from kinds_samples import CONTEXT, changed, created, typed, updated
from test_kinds_properties import check
from workload_samples import KINDS, SAMPLES, TEMPLATE, named, sample

from minikube_py.apiserver import table
from minikube_py.apiserver.kinds._cells import Age
from minikube_py.apiserver.kinds.base import Object

WORKLOADS = ("DaemonSet", "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")
POD_DEFAULTS = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_valid_settles_at_once_and_stays(name: str) -> None:
    kind = KINDS[name]
    check(kind, SAMPLES[name])
    stored = created(kind, SAMPLES[name])
    assert list(kind.validate(typed(kind, stored))) == []
    assert list(kind.validate_update(typed(kind, stored), typed(kind, stored))) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_hooks_bear_an_empty_object(name: str) -> None:
    kind = KINDS[name]
    bare: Object = {"metadata": {"name": "x"}}
    assert len(kind.row(bare)) == len(kind.columns)
    stored = created(kind, bare)
    assert bool(list(kind.validate(typed(kind, stored)))) is (name != "PodDisruptionBudget")
    assert len(kind.row(stored)) == len(kind.columns)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_status_is_nobodys_but_the_status_writers(name: str) -> None:
    kind = KINDS[name]
    if not kind.status:
        return
    old = created(kind, SAMPLES[name])
    assert created(kind, {**SAMPLES[name], "status": {"observedGeneration": 7}})["status"] == old["status"]
    new = updated(kind, {**copy.deepcopy(old), "status": {"observedGeneration": 7}}, old)
    assert new["status"] == old["status"]
    told = changed(changed(old, "status.observedGeneration", 7), "spec", {"odd": True})
    kind.prepare_status(told, old, CONTEXT)
    assert told["spec"] == old["spec"] and told["status"]["observedGeneration"] == 7


@pytest.mark.parametrize("name", WORKLOADS)
def test_templates_get_the_defaults_of_a_pod_that_are_not_the_pods_alone(name: str) -> None:
    pod = created(KINDS[name], SAMPLES[name])["spec"]["template"]["spec"]
    assert {k: v for k, v in pod.items() if k != "containers"} == POD_DEFAULTS
    assert [c["imagePullPolicy"] for c in pod["containers"]] == ["Always", "IfNotPresent"]
    assert pod["containers"][0]["terminationMessagePath"] == "/dev/termination-log"


def test_host_ports_are_left_to_the_pods() -> None:
    on_host = changed(TEMPLATE, "spec.hostNetwork", True)
    on_host["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    kind = KINDS["Deployment"]
    stored = created(kind, sample("Deployment", template=on_host))
    assert stored["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert list(kind.validate(typed(kind, stored))) == []
    stored["spec"]["template"]["spec"]["containers"][0]["ports"][0]["hostPort"] = 81
    assert [e.field for e in kind.validate(typed(kind, stored))] == [
        "spec.template.spec.containers[0].ports[0].containerPort"
    ]


def of_spec(name: str, obj: Object | None = None) -> Object:
    """The spec as stored, without what the author gave."""
    spec = created(KINDS[name], obj or SAMPLES[name])["spec"]
    return {k: v for k, v in spec.items() if k not in ("selector", "template", "scaleTargetRef", "jobTemplate")}


def test_defaults_of_the_specs() -> None:
    quarter = {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert of_spec("Deployment") == {
        "replicas": 1, "strategy": {"type": "RollingUpdate", "rollingUpdate": quarter}, "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }  # fmt: skip
    assert of_spec("Deployment", sample("Deployment", replicas=0, strategy={"type": "Recreate"})) == {
        "replicas": 0, "strategy": {"type": "Recreate"}, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
    }  # fmt: skip
    surge = {"rollingUpdate": {"maxSurge": 2}}
    assert of_spec("Deployment", sample("Deployment", strategy=surge))["strategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "25%"},
    }  # fmt: skip
    assert of_spec("ReplicaSet") == of_spec("ReplicationController") == {"replicas": 1}
    assert of_spec("DaemonSet") == {
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "revisionHistoryLimit": 10,
    }
    assert of_spec("StatefulSet") == {
        "serviceName": "web", "podManagementPolicy": "OrderedReady", "replicas": 1, "revisionHistoryLimit": 10,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    }  # fmt: skip
    on_delete = {"type": "OnDelete"}
    assert of_spec("StatefulSet", sample("StatefulSet", updateStrategy=on_delete))["updateStrategy"] == on_delete
    assert of_spec("CronJob") == {
        "schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }  # fmt: skip
    assert of_spec("PodDisruptionBudget") == {"minAvailable": "50%"}


def test_defaults_of_a_job() -> None:
    assert of_spec("Job") == {
        "parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "podReplacementPolicy": "TerminatingOrFailed", "manualSelector": False,
    }  # fmt: skip
    queue = of_spec("Job", sample("Job", parallelism=3))
    assert queue["parallelism"] == 3 and "completions" not in queue
    assert of_spec("Job", sample("Job", completions=3))["parallelism"] == 1
    indexed = sample("Job", completions=3, completionMode="Indexed", backoffLimitPerIndex=1)
    assert of_spec("Job", indexed)["backoffLimit"] == 2**31 - 1
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    told = of_spec("Job", sample("Job", podFailurePolicy=policy))
    assert told["podReplacementPolicy"] == "Failed"
    assert told["podFailurePolicy"]["rules"][0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_the_template_of_a_cron_job_is_no_job_yet() -> None:
    template = created(KINDS["CronJob"], SAMPLES["CronJob"])["spec"]["jobTemplate"]["spec"]
    assert set(template) == {"template"}
    assert template["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


UID = SAMPLES["Job"]["metadata"]["uid"]
GENERATED = {
    "batch.kubernetes.io/controller-uid": UID, "controller-uid": UID, "batch.kubernetes.io/job-name": "web",
    "job-name": "web",
}  # fmt: skip


def test_a_job_selects_its_pods_by_its_own_uid() -> None:
    stored = created(KINDS["Job"], SAMPLES["Job"])
    assert stored["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    assert stored["spec"]["template"]["metadata"]["labels"] == GENERATED == stored["metadata"]["labels"]
    labelled = changed(SAMPLES["Job"], "spec.template.metadata", {"labels": {"a": "b"}})
    stored = created(KINDS["Job"], labelled)
    assert stored["spec"]["template"]["metadata"]["labels"] == {"a": "b", **GENERATED} == stored["metadata"]["labels"]
    stored = created(KINDS["Job"], changed(labelled, "metadata.labels", {"a": "b"}))
    assert stored["metadata"]["labels"] == {"a": "b"}


def test_a_manual_selector_is_left_alone() -> None:
    obj = sample("Job", manualSelector=True, selector={"matchLabels": {"a": "b"}})
    obj["spec"]["template"]["metadata"] = {"labels": {"a": "b"}}
    stored = created(KINDS["Job"], obj)
    assert stored["spec"]["selector"] == {"matchLabels": {"a": "b"}}
    assert stored["spec"]["template"]["metadata"]["labels"] == {"a": "b"}
    assert list(KINDS["Job"].validate(typed(KINDS["Job"], stored))) == []


def test_a_replication_controller_takes_selector_and_labels_from_its_template() -> None:
    stored = created(KINDS["ReplicationController"], SAMPLES["ReplicationController"])
    assert stored["spec"]["selector"] == stored["metadata"]["labels"] == {"app": "web"}


def test_claims_of_a_stateful_set_are_whole_claims() -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    stored = created(KINDS["StatefulSet"], sample("StatefulSet", volumeClaimTemplates=[claim]))
    assert stored["spec"]["volumeClaimTemplates"] == [
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
            "spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": "Filesystem"},
            "status": {"phase": "Pending"},
        }
    ]  # fmt: skip
    check(KINDS["StatefulSet"], sample("StatefulSet", volumeClaimTemplates=[claim]))


def test_annotations_of_a_deployment_count_as_a_change() -> None:
    kind = KINDS["Deployment"]
    old = created(kind, SAMPLES["Deployment"])
    old["metadata"]["generation"] = 4
    assert updated(kind, changed(old, "metadata.labels", {"a": "b"}), old)["metadata"]["generation"] == 4
    assert updated(kind, changed(old, "metadata.annotations", {"a": "b"}), old)["metadata"]["generation"] == 5


def test_the_server_counts_the_templates_of_a_daemon_set() -> None:
    kind, name = KINDS["DaemonSet"], "deprecated.daemonset.template.generation"

    def count(obj: Object) -> str:
        return str(obj["metadata"]["annotations"][name])

    old = created(kind, SAMPLES["DaemonSet"])
    assert count(old) == "1"
    assert count(updated(kind, changed(old, "metadata.annotations", {name: "9"}), old)) == "1"
    assert count(updated(kind, changed(old, "spec.template.spec.containers.0.image", "x:2"), old)) == "2"
    assert count(updated(kind, changed(old, "spec.minReadySeconds", 3), old)) == "1"


def cells(name: str, obj: Object) -> list[Any]:
    """A row as sent, its ages as of five minutes after the samples were made."""
    shown = table.table(KINDS[name], [obj], now=CONTEXT.now, include_object="None", list_meta={})
    row: list[Any] = shown["rows"][0]["cells"]
    return row


WIDE = ["web,log", "nginx,busybox:1"]
ROWS: dict[str, tuple[str, Object, list[Any]]] = {
    "deployment": (
        "Deployment",
        {**sample("Deployment", replicas=3), "status": {"readyReplicas": 1, "updatedReplicas": 2}},
        ["web", "1/3", 2, 0, "5m", *WIDE, "app=web"],
    ),
    "replica set": (
        "ReplicaSet",
        {**sample("ReplicaSet", replicas=3), "status": {"replicas": 2, "readyReplicas": 1}},
        ["web", 3, 2, 1, "5m", *WIDE, "app=web"],
    ),
    "selector of terms": (
        "ReplicaSet",
        sample("ReplicaSet", selector={"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b", "c"]}]}),
        ["web", 0, 0, 0, "5m", *WIDE, "a notin (b,c)"],
    ),
    "replication controller": (
        "ReplicationController",
        {**sample("ReplicationController", replicas=3, selector={"b": "c", "a": "b"}), "status": {"replicas": 2}},
        ["web", 3, 2, 0, "5m", *WIDE, "a=b,b=c"],
    ),
    "stateful set": (
        "StatefulSet",
        {**sample("StatefulSet", replicas=3), "status": {"replicas": 3, "readyReplicas": 2}},
        ["web", "2/3", "5m", *WIDE],
    ),
    "daemon set": (
        "DaemonSet",
        {
            **sample("DaemonSet"),
            "status": {
                "desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3,
                "updatedNumberScheduled": 2, "numberAvailable": 1,
            },
        },
        ["web", 5, 4, 3, 2, 1, "<none>", "5m", *WIDE, "app=web"],
    ),
    "controller revision": ("ControllerRevision", SAMPLES["ControllerRevision"], ["web", "<none>", 3, "5m"]),
    "owned revision": (
        "ControllerRevision",
        changed(
            SAMPLES["ControllerRevision"],
            "metadata.ownerReferences",
            [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "1", "controller": True}],
        ),
        ["web", "daemonset.apps/d", 3, "5m"],
    ),
    "pod template": ("PodTemplate", SAMPLES["PodTemplate"], ["web", *WIDE, "app=web"]),
    "budget": (
        "PodDisruptionBudget",
        {**SAMPLES["PodDisruptionBudget"], "status": {"disruptionsAllowed": 2}},
        ["web", "50%", "N/A", 2, "5m"],
    ),
    "other budget": (
        "PodDisruptionBudget",
        sample("PodDisruptionBudget", minAvailable=None, maxUnavailable=0),
        ["web", "N/A", "0", 0, "5m"],
    ),
    "cron job": (
        "CronJob",
        {
            **sample("CronJob", timeZone="Europe/Berlin", suspend=False),
            "status": {"active": [{}, {}], "lastScheduleTime": "2029-12-31T23:59:00Z"},
        },
        ["web", "*/5 * * * *", "Europe/Berlin", "False", 2, "60s", "5m", "c", "busybox:1", "<none>"],
    ),
    "idle cron job": (
        "CronJob",
        SAMPLES["CronJob"],
        ["web", "*/5 * * * *", "<none>", "<unset>", 0, "<none>", "5m", "c", "busybox:1", "<none>"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    kind, obj, expected = ROWS[name]
    assert cells(kind, obj) == expected


def conditions(*true: str) -> list[Object]:
    return [{"type": t, "status": "True"} for t in true]


JOB_ROWS: dict[str, tuple[Object, Object, list[Any]]] = {
    "new": ({"completions": 2}, {}, ["Running", "0/2", ""]),
    "queue": ({"parallelism": 3}, {"succeeded": 1}, ["Running", "1/1 of 3", ""]),
    "one": ({"parallelism": 1}, {}, ["Running", "0/1", ""]),
    "running": ({}, {"startTime": "2029-12-31T23:59:15Z"}, ["Running", "0/1", "45s"]),
    "complete": (
        {"completions": 1},
        {
            "succeeded": 1, "startTime": "2029-12-31T23:56:00Z", "completionTime": "2029-12-31T23:58:30Z",
            "conditions": conditions("SuccessCriteriaMet", "Complete"),
        },
        ["Complete", "1/1", "2m30s"],
    ),
    "failed": ({}, {"conditions": conditions("FailureTarget", "Failed")}, ["Failed", "0/1", ""]),
    "failing": ({}, {"conditions": conditions("FailureTarget")}, ["FailureTarget", "0/1", ""]),
    "suspended": ({}, {"conditions": conditions("Suspended")}, ["Suspended", "0/1", ""]),
}  # fmt: skip


@pytest.mark.parametrize("name", JOB_ROWS)
def test_rows_of_jobs(name: str) -> None:
    spec, status, expected = JOB_ROWS[name]
    assert cells("Job", {**sample("Job", **spec), "status": status})[1:4] == expected


def test_a_job_that_is_going_away() -> None:
    going = changed(SAMPLES["Job"], "metadata.deletionTimestamp", "2030-01-01T00:00:00Z")
    assert cells("Job", {**going, "status": {"conditions": conditions("Suspended")}})[1] == "Terminating"
    assert cells("Job", {**going, "status": {"conditions": conditions("Failed")}})[1] == "Failed"


def test_the_duration_of_a_running_job_grows() -> None:
    running = {**SAMPLES["Job"], "status": {"startTime": "2029-12-31T23:59:15Z"}}
    assert isinstance(KINDS["Job"].row(running)[3], Age)


def test_selectable_fields() -> None:
    assert KINDS["Job"].select_fields(named({}, status={"succeeded": 2})) == {"status.successful": "2"}
    assert KINDS["ReplicationController"].select_fields(named({}, status={})) == {"status.replicas": "0"}


@pytest.mark.parametrize(
    ("name", "obj", "expected"),
    [
        ("Deployment", changed(SAMPLES["Deployment"], "metadata.name", "a.b"), "metadata.name: "),
        ("DaemonSet", sample("DaemonSet", template=changed(TEMPLATE, "spec.nodeSelector",
         {"beta.kubernetes.io/os": "linux"})), "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: "),
        ("PodTemplate", named(template=changed(TEMPLATE, "spec.containers.0.resources", {"limits": {"memory": "1m"}})),
         "template.spec.containers[0].resources.limits[memory]: "),
        ("CronJob", sample("CronJob", schedule="TZ=UTC * * * * *"), "CRON_TZ or TZ used in spec.schedule"),
        ("StatefulSet", sample("StatefulSet", revisionHistoryLimit=-1), "spec.revisionHistoryLimit: "),
        ("StatefulSet", sample("StatefulSet", volumeClaimTemplates=[
            {"spec": {"resources": {"requests": {"storage": "1m"}}}}]),
         "spec.volumeClaimTemplates[0].spec.resources.requests[storage]: "),
        ("Job", sample("Job", completionMode="Indexed", completions=200_000, parallelism=20_000), "spec: "),
    ],
)  # fmt: skip
def test_warnings(name: str, obj: Object, expected: str) -> None:
    warnings = KINDS[name].warnings
    assert warnings is not None
    (found,) = warnings(obj)
    assert found.startswith(expected)
    assert list(warnings(SAMPLES[name])) == []
