"""Workloads and budgets that are refused, for exactly which fields; and what may change in one that exists."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds_samples import changed, created, errors_of_create, errors_of_update, short, typed
from test_kinds_properties import check, container, some, word
from workload_samples import KINDS, SAMPLES, TEMPLATE, sample

from minikube_py.apiserver.kinds import _rules as rules
from minikube_py.apiserver.kinds.base import Object

Expected = list[tuple[str, str]]
T = "spec.template"

UNLABELLED = changed(TEMPLATE, "metadata", None)
NEVER = changed(TEMPLATE, "spec.restartPolicy", "Never")
ONCE = changed(TEMPLATE, "spec.activeDeadlineSeconds", 5)
NO_SELECTOR: Expected = [("spec.selector", "Required"), (f"{T}.metadata.labels", "Invalid")]
DISK = changed(TEMPLATE, "spec.volumes", [{"name": "d", "gcePersistentDisk": {"pdName": "d"}}])


def rolling(**members: Any) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": members}


CREATES: dict[str, tuple[str, Object, Expected]] = {
    "deployment numbers": (
        "Deployment",
        sample("Deployment", replicas=-1, minReadySeconds=-1, revisionHistoryLimit=-1, progressDeadlineSeconds=-2),
        [
            ("spec.replicas", "Invalid"),
            ("spec.minReadySeconds", "Invalid"),
            ("spec.revisionHistoryLimit", "Invalid"),
            ("spec.progressDeadlineSeconds", "Invalid"),
            ("spec.progressDeadlineSeconds", "Invalid"),
        ],
    ),
    "deployment deadline": (
        "Deployment",
        sample("Deployment", minReadySeconds=600),
        [("spec.progressDeadlineSeconds", "Invalid")],
    ),
    "deployment without selector": ("Deployment", sample("Deployment", selector=None), NO_SELECTOR),
    "deployment with empty selector": ("Deployment", sample("Deployment", selector={}), [("spec.selector", "Invalid")]),
    "deployment of other pods": (
        "Deployment",
        sample("Deployment", template=UNLABELLED),
        [(f"{T}.metadata.labels", "Invalid")],
    ),
    "deployment selector": (
        "Deployment",
        sample("Deployment", selector={"matchExpressions": [{"key": "a", "operator": "Like"}]}),
        [("spec.selector.matchExpressions[0].operator", "Invalid"), ("spec.selector", "Invalid")],
    ),
    "deployment restart": (
        "Deployment",
        sample("Deployment", template=NEVER),
        [(f"{T}.spec.restartPolicy", "NotSupported")],
    ),
    "deployment deadline of pods": (
        "Deployment",
        sample("Deployment", template=ONCE),
        [(f"{T}.spec.activeDeadlineSeconds", "Forbidden")],
    ),
    "deployment disk": (
        "Deployment",
        sample("Deployment", replicas=2, template=DISK),
        [(f"{T}.spec.volumes[0].gcePersistentDisk.readOnly", "Invalid")],
    ),
    "deployment template": (
        "Deployment",
        sample(
            "Deployment",
            template={
                "metadata": {"labels": {"app": "web", "a b": "c"}, "annotations": {"a b": ""}},
                "spec": {
                    "containers": [{"image": "i"}],
                    "ephemeralContainers": [{"name": "e", "image": "i", "terminationMessagePolicy": "File"}],
                },
            },
        ),
        [
            (f"{T}.labels", "Invalid"),
            (f"{T}.annotations", "Invalid"),
            (f"{T}.spec.containers[0].name", "Required"),
            (f"{T}.spec.ephemeralContainers", "Forbidden"),
        ],
    ),
    "deployment strategy": (
        "Deployment",
        sample("Deployment", strategy={"type": "Slow"}),
        [("spec.strategy", "NotSupported")],
    ),
    "deployment recreate": (
        "Deployment",
        sample("Deployment", strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        [("spec.strategy.rollingUpdate", "Forbidden")],
    ),
    "deployment shares": (
        "Deployment",
        sample("Deployment", strategy=rolling(maxUnavailable="101%", maxSurge="5")),
        [
            ("spec.strategy.rollingUpdate.maxUnavailable", "Invalid"),
            ("spec.strategy.rollingUpdate.maxSurge", "Invalid"),
        ],
    ),
    "deployment without room": (
        "Deployment",
        sample("Deployment", strategy=rolling(maxUnavailable=0, maxSurge="0%")),
        [("spec.strategy.rollingUpdate.maxUnavailable", "Invalid")],
    ),
    "replica set": (
        "ReplicaSet",
        sample("ReplicaSet", replicas=-1, minReadySeconds=-1, selector={}, template=NEVER),
        [
            ("spec.replicas", "Invalid"),
            ("spec.minReadySeconds", "Invalid"),
            ("spec.selector", "Invalid"),
            (f"{T}.spec.restartPolicy", "NotSupported"),
        ],
    ),
    "replication controller": (
        "ReplicationController",
        sample("ReplicationController", replicas=-1, selector={"app": "other"}, template=ONCE),
        [
            ("spec.replicas", "Invalid"),
            (f"{T}.metadata.labels", "Invalid"),
            (f"{T}.spec.activeDeadlineSeconds", "Forbidden"),
        ],
    ),
    "replication controller without template": (
        "ReplicationController",
        sample("ReplicationController", template=None),
        [("spec.selector", "Required"), (T, "Required")],
    ),
    "daemon set": (
        "DaemonSet",
        sample("DaemonSet", selector=None, minReadySeconds=-1, revisionHistoryLimit=-1, template=NEVER),
        [
            (f"{T}.metadata.labels", "Invalid"),
            (f"{T}.spec.restartPolicy", "NotSupported"),
            ("spec.minReadySeconds", "Invalid"),
            ("spec.revisionHistoryLimit", "Invalid"),
        ],
    ),
    "daemon set with both": (
        "DaemonSet",
        sample("DaemonSet", updateStrategy=rolling(maxUnavailable=1, maxSurge="10%")),
        [("spec.updateStrategy.rollingUpdate.maxSurge", "Invalid")],
    ),
    "daemon set with neither": (
        "DaemonSet",
        sample("DaemonSet", updateStrategy=rolling(maxUnavailable=0)),
        [("spec.updateStrategy.rollingUpdate.maxUnavailable", "Required")],
    ),
    "daemon set surge": (
        "DaemonSet",
        sample("DaemonSet", updateStrategy=rolling(maxUnavailable=0, maxSurge="101%")),
        [("spec.updateStrategy.rollingUpdate.maxSurge", "Invalid")],
    ),
    "daemon set strategy": (
        "DaemonSet",
        sample("DaemonSet", updateStrategy={"type": "Recreate"}),
        [("spec.updateStrategy", "NotSupported")],
    ),
    "daemon set disk": (
        "DaemonSet",
        sample("DaemonSet", template=DISK),
        [(f"{T}.spec.volumes[0].gcePersistentDisk.readOnly", "Invalid")],
    ),
    "stateful set": (
        "StatefulSet",
        sample(
            "StatefulSet",
            podManagementPolicy="Random",
            updateStrategy=rolling(partition=-1, maxUnavailable="0%"),
            persistentVolumeClaimRetentionPolicy={"whenDeleted": "Keep"},
            replicas=-1,
            minReadySeconds=-1,
            ordinals={"start": -1},
            selector={},
            template=NEVER,
        ),
        [
            ("spec.podManagementPolicy", "Invalid"),
            ("spec.updateStrategy.rollingUpdate.partition", "Invalid"),
            ("spec.updateStrategy.rollingUpdate.maxUnavailable", "Invalid"),
            ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "NotSupported"),
            ("spec.replicas", "Invalid"),
            ("spec.minReadySeconds", "Invalid"),
            ("spec.ordinals.start", "Invalid"),
            ("spec.selector", "Invalid"),
            (f"{T}.spec.restartPolicy", "NotSupported"),
        ],
    ),
    "stateful set on delete": (
        "StatefulSet",
        sample("StatefulSet", updateStrategy={"type": "OnDelete", "rollingUpdate": {}}),
        [("spec.updateStrategy.rollingUpdate", "Invalid")],
    ),
    "stateful set strategy": (
        "StatefulSet",
        sample("StatefulSet", updateStrategy={"type": "x"}),
        [("spec.updateStrategy", "Invalid")],
    ),
    "pod template": (
        "PodTemplate",
        changed(SAMPLES["PodTemplate"], "template.spec.containers", []),
        [("template.spec.containers", "Required")],
    ),
    "revision": (
        "ControllerRevision",
        {"metadata": {"name": "r"}, "revision": -1},
        [("data", "Required"), ("revision", "Invalid")],
    ),
    "budget with both": (
        "PodDisruptionBudget",
        sample("PodDisruptionBudget", maxUnavailable=1),
        [("spec", "Invalid")],
    ),
    "budget": (
        "PodDisruptionBudget",
        sample(
            "PodDisruptionBudget",
            minAvailable="120%",
            selector={"matchLabels": {"a b": ""}},
            unhealthyPodEvictionPolicy="Never",
        ),
        [
            ("spec.minAvailable", "Invalid"),
            ("spec.selector.matchLabels", "Invalid"),
            ("spec.unhealthyPodEvictionPolicy", "NotSupported"),
        ],
    ),
    "budget amount": (
        "PodDisruptionBudget",
        sample("PodDisruptionBudget", minAvailable=None, maxUnavailable=-1),
        [("spec.maxUnavailable", "Invalid")],
    ),
    "budget text": (
        "PodDisruptionBudget",
        sample("PodDisruptionBudget", minAvailable="half"),
        [("spec.minAvailable", "Invalid")],
    ),
}


@pytest.mark.parametrize("name", CREATES)
def test_creates_that_are_refused(name: str) -> None:
    kind, obj, expected = CREATES[name]
    assert short(errors_of_create(KINDS[kind], obj)) == expected


GOOD: dict[str, tuple[str, Object]] = {
    "no surge": ("Deployment", sample("Deployment", strategy=rolling(maxSurge=0))),
    "big surge": ("Deployment", sample("Deployment", strategy=rolling(maxSurge="300%", maxUnavailable=0))),
    "one disk": ("Deployment", sample("Deployment", replicas=1, template=DISK)),
    "surging daemons": ("DaemonSet", sample("DaemonSet", updateStrategy=rolling(maxUnavailable=0, maxSurge=1))),
    "daemons on delete": ("DaemonSet", sample("DaemonSet", updateStrategy={"type": "OnDelete"})),
    "set on delete": ("StatefulSet", sample("StatefulSet", updateStrategy={"type": "OnDelete"})),
    "set with mounts of claims": (
        "StatefulSet",
        sample(
            "StatefulSet",
            template=changed(TEMPLATE, "spec.containers.0.volumeMounts", [{"name": "data", "mountPath": "/d"}]),
            volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        ),
    ),
    "budget of none": ("PodDisruptionBudget", sample("PodDisruptionBudget", selector=None, minAvailable=0)),
    "always": ("PodDisruptionBudget", sample("PodDisruptionBudget", unhealthyPodEvictionPolicy="AlwaysAllow")),
    "paused": ("Deployment", sample("Deployment", paused=True, replicas=0)),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    kind, obj = GOOD[name]
    assert short(errors_of_create(KINDS[kind], obj)) == []


OTHER = {"matchLabels": {"app": "other"}}
CLAIM = [{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
UPDATES: dict[str, tuple[str, Object, str, Any, Expected]] = {
    f"selector of a {name}": (
        name,
        SAMPLES[name],
        "spec",
        {
            **SAMPLES[name]["spec"],
            "selector": OTHER,
            "template": changed(TEMPLATE, "metadata.labels", {"app": "other"}),
        },
        [("spec.selector", "Invalid")],
    )
    for name in ("DaemonSet", "Deployment", "ReplicaSet")
} | {
    "a set's claims": (
        "StatefulSet",
        sample("StatefulSet"),
        "spec.volumeClaimTemplates",
        CLAIM,
        [("spec", "Forbidden")],
    ),
    "a set's service": ("StatefulSet", sample("StatefulSet"), "spec.serviceName", "other", [("spec", "Forbidden")]),
    "a set's order": (
        "StatefulSet",
        sample("StatefulSet"),
        "spec.podManagementPolicy",
        "Parallel",
        [("spec", "Forbidden")],
    ),
    "a set's selector": (
        "StatefulSet",
        sample("StatefulSet"),
        "spec.selector",
        OTHER,
        [(f"{T}.metadata.labels", "Invalid"), ("spec", "Forbidden")],
    ),
    "a set's replicas": ("StatefulSet", sample("StatefulSet"), "spec.replicas", 7, []),
    "a set's ordinals": ("StatefulSet", sample("StatefulSet"), "spec.ordinals", {"start": 3}, []),
    "a set's image": ("StatefulSet", sample("StatefulSet"), "spec.template.spec.containers.0.image", "x:2", []),
    "a set's strategy": ("StatefulSet", sample("StatefulSet"), "spec.updateStrategy", {"type": "OnDelete"}, []),
    "a set's history": ("StatefulSet", sample("StatefulSet"), "spec.revisionHistoryLimit", 3, []),
    "a set's waiting": ("StatefulSet", sample("StatefulSet"), "spec.minReadySeconds", 3, []),
    "a set's leftovers": (
        "StatefulSet",
        sample("StatefulSet"),
        "spec.persistentVolumeClaimRetentionPolicy",
        {"whenDeleted": "Delete"},
        [],
    ),
    "a controller's selector": (
        "ReplicationController",
        sample("ReplicationController"),
        "spec.selector",
        {"a": "b"},
        [(f"{T}.metadata.labels", "Invalid")],
    ),
    "a revision's data": ("ControllerRevision", SAMPLES["ControllerRevision"], "data", {"b": 1}, [("data", "Invalid")]),
    "a revision's number": ("ControllerRevision", SAMPLES["ControllerRevision"], "revision", 9, []),
    "a budget": ("PodDisruptionBudget", SAMPLES["PodDisruptionBudget"], "spec.minAvailable", 3, []),
    "a pod template": ("PodTemplate", SAMPLES["PodTemplate"], "template.spec.containers.0.image", "x", []),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates(name: str) -> None:
    kind, obj, path, value, expected = UPDATES[name]
    old = created(KINDS[kind], obj)
    assert short(errors_of_update(KINDS[kind], changed(old, path, value), old)) == expected


STATUSES: dict[str, tuple[str, Object, Expected]] = {
    "deployment": (
        "Deployment",
        {"replicas": 1, "updatedReplicas": 2, "readyReplicas": 0, "availableReplicas": 1, "unavailableReplicas": -1},
        [
            ("status.unavailableReplicas", "Invalid"),
            ("status.updatedReplicas", "Invalid"),
            ("status.availableReplicas", "Invalid"),
        ],
    ),
    "replica set": (
        "ReplicaSet",
        {"replicas": -1, "fullyLabeledReplicas": 3},
        [
            ("status.replicas", "Invalid"),
            ("status.fullyLabeledReplicas", "Invalid"),
            ("status.readyReplicas", "Invalid"),
            ("status.availableReplicas", "Invalid"),
        ],
    ),
    "replication controller": (
        "ReplicationController",
        {"replicas": 1, "readyReplicas": 2},
        [("status.readyReplicas", "Invalid")],
    ),
    "stateful set": (
        "StatefulSet",
        {"replicas": 1, "currentReplicas": 2, "collisionCount": -1},
        [("status.collisionCount", "Invalid"), ("status.currentReplicas", "Invalid")],
    ),
    "daemon set": ("DaemonSet", {"numberReady": -1}, [("status.numberReady", "Invalid")]),
    "budget": (
        "PodDisruptionBudget",
        {
            "disruptionsAllowed": -1,
            "conditions": [
                {"type": "A", "status": "Maybe", "reason": "9", "lastTransitionTime": "2030-01-01T00:00:00Z"},
                {"type": "A", "status": "True"},
            ],
        },
        [
            ("status.conditions[0].status", "NotSupported"),
            ("status.conditions[0].reason", "Invalid"),
            ("status.conditions[1].type", "Duplicate"),
            ("status.conditions[1].lastTransitionTime", "Required"),
            ("status.conditions[1].reason", "Required"),
            ("status.disruptionsAllowed", "Invalid"),
        ],
    ),
}


@pytest.mark.parametrize("name", STATUSES)
def test_statuses(name: str) -> None:
    kind, status, expected = STATUSES[name]
    old = created(KINDS[kind], SAMPLES[kind])
    new = {**old, "status": {**old["status"], **status}}
    assert short(KINDS[kind].validate_status(typed(KINDS[kind], new), typed(KINDS[kind], old))) == expected


@pytest.mark.parametrize("name", ["DaemonSet", "Deployment", "StatefulSet"])
def test_collisions_are_counted_up(name: str) -> None:
    kind, old = KINDS[name], created(KINDS[name], SAMPLES[name])
    before, after = changed(old, "status.collisionCount", 3), changed(old, "status.collisionCount", 2)
    assert short(kind.validate_status(typed(kind, after), typed(kind, before))) == [
        ("status.collisionCount", "Invalid")
    ]
    assert short(kind.validate_status(typed(kind, old), typed(kind, before))) == [("status.collisionCount", "Invalid")]
    assert short(kind.validate_status(typed(kind, before), typed(kind, after))) == []


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3), (0, 0), ("25%", 25), ("0%", 0), ("7", 7), ("x", 0), ("", 0), ("-5%", 0)]
)
def test_shares(value: int | str, number: int) -> None:
    assert rules.share(value) == number


def test_names() -> None:
    assert KINDS["StatefulSet"].validate_name("a.b") and not KINDS["Deployment"].validate_name("a.b")
    assert not KINDS["PodDisruptionBudget"].validate_name("Web")


amount = st.sampled_from([-1, 0, 1, 5, "0%", "25%", "150%", "x", ""])
selector = some(
    matchLabels=st.dictionaries(word, word, max_size=2), matchExpressions=st.lists(some(key=word), max_size=1)
)
template = some(
    metadata=some(labels=st.dictionaries(word, word, max_size=2)),
    spec=some(
        containers=st.lists(container, max_size=2),
        restartPolicy=st.sampled_from(["Always", "Never", ""]),
        hostNetwork=st.booleans(),
    ),
)
specs = some(
    replicas=st.sampled_from([-1, 0, 3]),
    selector=selector,
    template=template,
    strategy=some(type=word, rollingUpdate=some(maxSurge=amount, maxUnavailable=amount)),
    updateStrategy=some(type=word, rollingUpdate=some(maxUnavailable=amount, partition=st.integers(-1, 3))),
    minAvailable=amount,
    maxUnavailable=amount,
    progressDeadlineSeconds=st.integers(-1, 3),
    volumeClaimTemplates=st.lists(some(spec=some(resources=some(requests=some(storage=st.just("1500u"))))), max_size=1),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(["DaemonSet", "Deployment", "PodDisruptionBudget", "ReplicaSet", "StatefulSet"]), specs)
def test_whatever_is_sent_settles(name: str, spec: Object) -> None:
    check(KINDS[name], {"metadata": {"name": "x", "namespace": "default"}, "spec": spec})
