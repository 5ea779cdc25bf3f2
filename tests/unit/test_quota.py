"""How much of a quota objects use, as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from minikube_py.api import podresources, quota

Object = dict[str, Any]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def shown(amounts: podresources.Amounts) -> dict[str, str]:
    return {name: str(amount) for name, amount in amounts.items()}


def container(name: str = "c", requests: Object | None = None, limits: Object | None = None, **more: Any) -> Object:
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def pod(*containers: Object, **spec: Any) -> Object:
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers) or [container()], **spec}}


def test_pod_requests_at_their_peak() -> None:
    given = pod(
        container("a", {"cpu": "100m", "memory": "1Gi"}),
        container("b", {"cpu": "200m"}),
        initContainers=[
            container("first", {"cpu": "1"}),
            container("side", {"cpu": "50m"}, restartPolicy="Always"),
            container("last", {"cpu": "2"}),
        ],
        overhead={"cpu": "10m", "memory": "1Mi"},
    )
    # The last init container runs beside the sidecar: 2.05, and the overhead is added.
    assert shown(podresources.requests(given)) == {"cpu": "2060m", "memory": "1025Mi"}


def test_requests_of_the_whole_pod_replace_the_sum() -> None:
    given = pod(container("a", {"cpu": "1"}), resources={"requests": {"cpu": "3"}, "limits": {"memory": "1Gi"}})
    assert shown(podresources.requests(given)) == {"cpu": "3"}
    assert shown(podresources.limits(given)) == {"memory": "1Gi"}


def test_a_pod_that_shrinks_holds_what_it_has() -> None:
    given = pod(container("a", {"cpu": "1"}))
    given["status"] = {"containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "2"}}]}
    assert shown(podresources.requests(given)) == {"cpu": "2"}
    given["status"]["containerStatuses"][0]["allocatedResources"] = {"cpu": "500m"}
    assert shown(podresources.requests(given)) == {"cpu": "1"}
    given["status"]["conditions"] = [{"type": "PodResizePending", "reason": "Deferred"}]
    assert shown(podresources.requests(given)) == {"cpu": "1"}
    given["status"]["conditions"][0]["reason"] = "Infeasible"
    assert shown(podresources.requests(given)) == {"cpu": "500m"}


def test_usage_of_a_pod() -> None:
    given = pod(
        container(
            "a", {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Mi", "hugepages-2Mi": "2Mi", "e.com/gpu": "2"},
            {"cpu": "2", "e.com/gpu": "2"},
        )
    )  # fmt: skip
    assert shown(quota.usage("pods", given, NOW)) == {
        "count/pods": "1", "pods": "1", "cpu": "1", "requests.cpu": "1", "memory": "1Gi", "requests.memory": "1Gi",
        "ephemeral-storage": "1Mi", "requests.ephemeral-storage": "1Mi", "hugepages-2Mi": "2Mi",
        "requests.hugepages-2Mi": "2Mi", "requests.e.com/gpu": "2", "limits.cpu": "2",
    }  # fmt: skip


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_is_only_an_object(phase: str) -> None:
    given = {**pod(container("a", {"cpu": "1"})), "status": {"phase": phase}}
    assert shown(quota.usage("pods", given, NOW)) == {"count/pods": "1"}


def test_a_pod_that_should_be_gone_holds_nothing() -> None:
    given = pod(container("a", {"cpu": "1"}))
    given["metadata"] |= {"deletionTimestamp": "2029-12-31T23:59:00Z", "deletionGracePeriodSeconds": 30}
    assert shown(quota.usage("pods", given, NOW)) == {"count/pods": "1"}
    given["metadata"]["deletionGracePeriodSeconds"] = 90
    assert quota.usage("pods", given, NOW)["pods"] == quota.ONE


@pytest.mark.parametrize(
    ("spec", "nodeports", "balancers"),
    [
        ({"type": "ClusterIP", "ports": [{}, {}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "2", "0"),
        ({"type": "LoadBalancer", "ports": [{}, {}]}, "2", "1"),
        (
            {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"nodePort": 30000}, {}]},
            "1", "1",
        ),
    ],
)  # fmt: skip
def test_usage_of_a_service(spec: Object, nodeports: str, balancers: str) -> None:
    assert shown(quota.usage("services", {"spec": spec}, NOW)) == {
        "count/services": "1", "services": "1", "services.nodeports": nodeports, "services.loadbalancers": balancers,
    }  # fmt: skip


def test_usage_of_a_claim() -> None:
    claim = {"metadata": {"name": "c"}, "spec": {"storageClassName": "gold",
                                                 "resources": {"requests": {"storage": "2Gi"}}}}  # fmt: skip
    assert shown(quota.usage("persistentvolumeclaims", claim, NOW)) == {
        "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "2Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "2Gi",
    }  # fmt: skip


def test_other_kinds_are_counted() -> None:
    assert shown(quota.usage("secrets", {}, NOW)) == {"count/secrets": "1", "secrets": "1"}
    assert shown(quota.usage("deployments.apps", {}, NOW)) == {"count/deployments.apps": "1"}


def test_which_kinds_use_what() -> None:
    names = [
        "pods", "requests.cpu", "requests.e.com/gpu", "count/jobs.batch", "secrets", "services.nodeports",
        "requests.storage", "gold.storageclass.storage.k8s.io/requests.storage", "requests.hugepages-2Mi",
    ]  # fmt: skip
    assert quota.kinds(names) == {"pods", "jobs.batch", "secrets", "services", "persistentvolumeclaims"}
    assert quota.concerned("pods", names) == ["pods", "requests.cpu", "requests.e.com/gpu", "requests.hugepages-2Mi"]
    assert quota.concerned("persistentvolumeclaims", names) == [
        "requests.storage", "gold.storageclass.storage.k8s.io/requests.storage",
    ]  # fmt: skip
    assert quota.concerned("secrets", names) == ["secrets"]


def test_what_containers_must_say() -> None:
    given = pod(container("app", {"cpu": "1"}), container("other", {"cpu": "1"}, {"cpu": "1"}))
    assert quota.missing(given, ["limits.cpu", "pods"]) == "limits.cpu for: app"
    assert quota.missing(given, ["limits.memory", "limits.cpu"]) == "limits.cpu for: app; limits.memory for: app,other"
    assert quota.missing(given, ["requests.ephemeral-storage", "cpu"]) == ""
    given["spec"]["resources"] = {"limits": {"cpu": "2"}}
    assert quota.missing(given, ["limits.cpu"]) == ""


BEST, CLASSED = pod(), pod(priorityClassName="high")
SPREAD = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
    {"weight": 1, "podAffinityTerm": {"topologyKey": "k", "namespaceSelector": {}}}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "given", "chosen"),
    [
        ({"scopeName": "BestEffort"}, BEST, True),
        ({"scopeName": "BestEffort"}, pod(container("a", {"cpu": "1"})), False),
        ({"scopeName": "NotBestEffort"}, pod(container("a", {"cpu": "1"})), True),
        ({"scopeName": "NotBestEffort"}, {**BEST, "status": {"qosClass": "BestEffort"}}, False),
        ({"scopeName": "Terminating"}, pod(activeDeadlineSeconds=5), True),
        ({"scopeName": "Terminating"}, BEST, False),
        ({"scopeName": "NotTerminating"}, BEST, True),
        ({"scopeName": "NotTerminating"}, pod(activeDeadlineSeconds=0), False),
        ({"scopeName": "PriorityClass", "operator": "Exists"}, CLASSED, True),
        ({"scopeName": "PriorityClass", "operator": "Exists"}, BEST, False),
        ({"scopeName": "PriorityClass", "operator": "DoesNotExist"}, BEST, True),
        ({"scopeName": "PriorityClass", "operator": "In", "values": ["low", "high"]}, CLASSED, True),
        ({"scopeName": "PriorityClass", "operator": "In", "values": ["low"]}, CLASSED, False),
        ({"scopeName": "PriorityClass", "operator": "NotIn", "values": ["low"]}, CLASSED, True),
        ({"scopeName": "CrossNamespacePodAffinity"}, pod(affinity=SPREAD), True),
        ({"scopeName": "CrossNamespacePodAffinity"}, BEST, False),
    ],
)
def test_scopes(scope: Object, given: Object, chosen: bool) -> None:
    assert quota.matches("pods", given, [scope]) is chosen
    assert not quota.matches("secrets", given, [scope])


def test_scopes_of_both_forms_hold_together() -> None:
    found = {"spec": {"scopes": ["NotTerminating"], "scopeSelector": {"matchExpressions": [
        {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}}  # fmt: skip
    assert quota.matches("pods", CLASSED, quota.scopes(found))
    assert not quota.matches("pods", BEST, quota.scopes(found))


def test_claims_by_their_attributes_class() -> None:
    scope = {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}
    claim: Object = {"metadata": {"name": "c"}, "spec": {"volumeAttributesClassName": "slow"}}
    assert not quota.matches("persistentvolumeclaims", claim, [scope])
    claim["status"] = {"currentVolumeAttributesClassName": "fast"}
    assert quota.matches("persistentvolumeclaims", claim, [scope])
