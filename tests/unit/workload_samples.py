"""A good object of every kind that makes Pods, or watches over those that do."""

from __future__ import annotations

import copy
from typing import Any

from kinds_samples import metadata

from minikube_py.apiserver.kinds import (
    controllerrevision,
    cronjob,
    daemonset,
    deployment,
    horizontalpodautoscaler,
    horizontalpodautoscaler_v1,
    job,
    poddisruptionbudget,
    podtemplate,
    replicaset,
    replicationcontroller,
    statefulset,
)
from minikube_py.apiserver.kinds.base import Kind, Object

SELECTOR: Object = {"matchLabels": {"app": "web"}}
TEMPLATE: Object = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}, {"name": "log", "image": "busybox:1"}]},
}
ENDING: Object = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1"}]}}

KINDS: dict[str, Kind] = {
    "ControllerRevision": controllerrevision.KIND,
    "CronJob": cronjob.KIND,
    "DaemonSet": daemonset.KIND,
    "Deployment": deployment.KIND,
    "HorizontalPodAutoscaler": horizontalpodautoscaler.KIND,
    "HorizontalPodAutoscaler v1": horizontalpodautoscaler_v1.KIND,
    "Job": job.KIND,
    "PodDisruptionBudget": poddisruptionbudget.KIND,
    "PodTemplate": podtemplate.KIND,
    "ReplicaSet": replicaset.KIND,
    "ReplicationController": replicationcontroller.KIND,
    "StatefulSet": statefulset.KIND,
}


def named(spec: Object | None = None, **more: Any) -> Object:
    """An object called `web`, of a uid, with this spec."""
    out: Object = {"metadata": {**metadata("web"), "uid": "11111111-1111-4111-8111-111111111111"}, **more}
    if spec is not None:
        out["spec"] = copy.deepcopy(spec)
    return out


SAMPLES: dict[str, Object] = {
    "ControllerRevision": named(data={"spec": {"a": 1}}, revision=3),
    "CronJob": named({"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": ENDING}}}),
    "DaemonSet": named({"selector": SELECTOR, "template": TEMPLATE}),
    "Deployment": named({"selector": SELECTOR, "template": TEMPLATE}),
    "HorizontalPodAutoscaler": named({"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}),
    "HorizontalPodAutoscaler v1": named({"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5}),
    "Job": named({"template": ENDING}),
    "PodDisruptionBudget": named({"minAvailable": "50%", "selector": SELECTOR}),
    "PodTemplate": named(template=TEMPLATE),
    "ReplicaSet": named({"selector": SELECTOR, "template": TEMPLATE}),
    "ReplicationController": named({"template": TEMPLATE}),
    "StatefulSet": named({"selector": SELECTOR, "template": TEMPLATE, "serviceName": "web"}),
}


def sample(name: str, **spec: Any) -> Object:
    """A sample with these members of its spec changed; None takes one away."""
    out = copy.deepcopy(SAMPLES[name])
    for member, value in spec.items():
        if value is None:
            out["spec"].pop(member, None)
        else:
            out["spec"][member] = value
    return out
