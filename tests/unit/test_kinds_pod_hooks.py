"""The Pod's hooks that spare a model of the whole object: they must see all that the rules look at."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from minikube_py.api import scheme
from minikube_py.apiserver.kinds import pod
from tests.unit.kinds_samples import created, errors_of_update, short, typed, updated

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "d"},
    "spec": {
        "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}],
        "initContainers": [
            {"name": "first", "image": "i"}, {"name": "sidecar", "image": "i", "restartPolicy": "Always"}
        ],
    },
}  # fmt: skip
ENDED = {"terminated": {"exitCode": 0}}


def test_labels_leave_a_pod_unchanged_and_its_spec_does_not() -> None:
    old = created(pod.KIND, POD)
    labelled = copy.deepcopy(old)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert pod.unchanged(updated(pod.KIND, labelled, old), old)
    other = copy.deepcopy(old)
    other["spec"]["containers"][0]["name"] = "other"
    assert not pod.unchanged(updated(pod.KIND, other, old), old)
    assert short(errors_of_update(pod.KIND, other, old)) == [("spec", "Forbidden")]


def test_an_amount_in_other_words_is_no_change_of_the_spec() -> None:
    old = created(pod.KIND, POD)
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1000m"
    assert errors_of_update(pod.KIND, new, old) == []


@pytest.mark.parametrize("restart", ["Always", "OnFailure", "Never"])
@pytest.mark.parametrize("member", ["containerStatuses", "initContainerStatuses"])
@pytest.mark.parametrize("name", ["c", "first", "sidecar"])
def test_the_rules_for_a_status_say_the_same_of_its_part(restart: str, member: str, name: str) -> None:
    old = created(pod.KIND, {**POD, "spec": {**POD["spec"], "restartPolicy": restart}})
    old["status"] |= {member: [{"name": name, "state": ENDED}]}
    new = copy.deepcopy(old)
    new["status"] |= {
        member: [{"name": name, "state": {"running": {}}}], "qosClass": "BestEffort", "nominatedNodeName": "not a name",
        "podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}, {"ip": "x"}], "hostIPs": [{"ip": "y"}],
        "conditions": [{"type": "not a type", "status": "True"}],
    }  # fmt: skip
    whole = short(pod.validate_status(typed(pod.KIND, new), typed(pod.KIND, old)))
    part = [scheme.model("core/v1.Pod").model_validate(pod.status_part(obj)) for obj in (new, old)]
    assert short(pod.validate_status(part[0], part[1])) == whole
    assert len(whole) >= 5
