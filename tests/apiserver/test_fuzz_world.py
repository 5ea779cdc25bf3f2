"""Odd quotas, limits, classes, budgets, roles and tokens stay in place while odd requests of many users come in."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import scheme
from minikube_py.api.resources import RESOURCEQUOTAS
from minikube_py.apiserver.admission.resource_quota import ResourceQuota
from tests.apiserver.fuzz_values import mutated, text
from tests.apiserver.fuzzing import ADMIN, APPLY, MERGE, STRATEGIC, Object, Server, bounded, labels, seeds, several

STEERING = st.sampled_from([
    "limitranges./v1", "resourcequotas./v1", "priorityclasses.scheduling.k8s.io/v1", "runtimeclasses.node.k8s.io/v1",
    "storageclasses.storage.k8s.io/v1", "serviceaccounts./v1", "persistentvolumes./v1", "persistentvolumeclaims./v1",
    "poddisruptionbudgets.policy/v1", "roles.rbac.authorization.k8s.io/v1", "rolebindings.rbac.authorization.k8s.io/v1",
    "clusterroles.rbac.authorization.k8s.io/v1", "clusterrolebindings.rbac.authorization.k8s.io/v1", "nodes./v1",
    "pods./v1", "secrets./v1", "configmaps./v1", "csinodes.storage.k8s.io/v1", "ingressclasses.networking.k8s.io/v1",
    "resourceclaims.resource.k8s.io/v1", "volumeattachments.storage.k8s.io/v1", "leases.coordination.k8s.io/v1",
    "servicecidrs.networking.k8s.io/v1", "endpoints./v1", "services./v1", "csidrivers.storage.k8s.io/v1",
])  # fmt: skip
JANE = {"user": "jane", "groups": ()}
USERS: tuple[Object, ...] = (
    ADMIN, ADMIN, JANE, {"user": "system:node:sample", "groups": ("system:nodes",)},
    {"user": "system:node:", "groups": ("system:nodes",)}, {"user": "x", "groups": ("system:nodes",)},
    {"user": "system:serviceaccount:default:sample", "groups": ("system:serviceaccounts",)},
    {"user": "system:kube-scheduler", "groups": ()}, {"user": "system:kube-controller-manager", "groups": ()},
)  # fmt: skip
LEVELS = ("privileged", "baseline", "restricted", "x", "")
POD = {
    "nodeName": "sample", "serviceAccountName": "sample", "priorityClassName": "sample", "runtimeClassName": "sample",
    "tolerations": [{"operator": "Exists"}], "schedulingGates": [{"name": "a.example.com/b"}], "priority": 10,
    "volumes": [
        {"name": "a", "persistentVolumeClaim": {"claimName": "sample"}}, {"name": "b", "secret": {"secretName": "s"}},
        {"name": "c", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}},
    ],
    "initContainers": [{"name": "i", "image": "a", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}],
    "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}, "overhead": {"cpu": "1"},
    "resourceClaims": [{"name": "r", "resourceClaimName": "sample"}], "automountServiceAccountToken": True,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "sysctls": []},
}  # fmt: skip
LIMITS: Object = {
    "limits": [{
        "type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "10m"}, "default": {"cpu": "1", "memory": "1Gi"},
        "defaultRequest": {"cpu": "500m"}, "maxLimitRequestRatio": {"cpu": "10"},
    }, {"type": "Pod", "max": {"cpu": "20"}}, {"type": "PersistentVolumeClaim", "min": {"storage": "1Mi"}}]
}  # fmt: skip
QUOTA: Object = {
    "hard": {"pods": "20", "requests.cpu": "20", "limits.memory": "90Gi", "count/deployments.apps": "5",
             "requests.storage": "90Gi", "services.nodeports": "3", "count/crontabs.stable.example.com": "3"},
    "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]},
}  # fmt: skip
SPECS: dict[str, Object] = {"limitranges./v1": LIMITS, "resourcequotas./v1": QUOTA, "pods./v1": POD}


def richer(rng: random.Random, label: str, obj: Object) -> Object:
    """The good object with some of the members that steer what becomes of others."""
    more = {name: value for name, value in SPECS.get(label, {}).items() if rng.random() < 0.4}
    return {**obj, "spec": {**obj["spec"], **more}} if more else obj


@bounded(1200)
@given(STEERING, labels, several(3), seeds)
def test_a_world_of_odd_objects(fuzzed: Server, steering: str, label: str, changes: list[int], seed: int) -> None:
    rng = random.Random(seed)
    first = fuzzed.all[steering]
    odd = mutated(richer(rng, steering, first.obj), first.struct, changes if rng.random() < 0.7 else ())
    url = f"{first.path}/{first.name}"
    if fuzzed.ask("POST", first.path, body=odd).status == 409:
        if rng.random() < 0.3:
            fuzzed.ask("DELETE", url, "gracePeriodSeconds=0")
            fuzzed.ask("PATCH", url, body={"metadata": {"finalizers": None}}, media=MERGE)
        elif first.status is not None and rng.random() < 0.4:
            status = mutated({"status": first.status}, first.struct, changes)
            fuzzed.ask("PATCH", f"{url}/status", body=status, media=MERGE)
        else:
            fuzzed.ask("PATCH", url, body=odd, media=rng.choice((MERGE, STRATEGIC)))
    if rng.random() < 0.1:
        levels: dict[str, Any] = {
            f"pod-security.kubernetes.io/{mode}": rng.choice((*LEVELS, None)) for mode in ("enforce", "warn", "audit")
        }
        levels["pod-security.kubernetes.io/enforce-version"] = rng.choice(("latest", "v1.20", "v9.9", "x", None))
        fuzzed.ask("PATCH", "/api/v1/namespaces/default", body={"metadata": {"labels": levels}}, media=MERGE)
    label = rng.choice((label, "pods./v1", "persistentvolumeclaims./v1", "services./v1"))
    act(fuzzed, rng, label, rng.choice(USERS))
    assert nothing_reserved(fuzzed)


def nothing_reserved(fuzzed: Server) -> bool:
    """Whether no quota counts a write that is over: the stored is in the caches, the refused was given back."""
    registry = fuzzed.api.cluster.server.catalog.of(RESOURCEQUOTAS)
    (quotas,) = (p for p in registry._admission.plugins if isinstance(p, ResourceQuota))
    return not any(tally.pending for tally in quotas._ledger.of("default").values())


def act(fuzzed: Server, rng: random.Random, label: str, user: Object) -> None:
    """Something that a user does with an object of a kind."""
    second = fuzzed.all[label]
    name = rng.choice((second.name, second.name, "other", text(rng)))
    body = mutated(richer(rng, label, second.typed), second.struct, [rng.getrandbits(32)] * (rng.random() < 0.5))
    url = f"{second.path}/{second.name}"
    query = rng.choice(("", "", "dryRun=All", "fieldValidation=Strict"))
    match rng.randrange(8):
        case 0 | 1 | 2:
            fuzzed.ask("POST", second.path, query, body, peer=user)
        case 3:
            fuzzed.ask("PATCH", url, f"fieldManager=f&force=true&{query}", body, APPLY, peer=user)
        case 4:
            fuzzed.ask("PUT", url, query, body, peer=user)
        case 5:
            fuzzed.ask("GET", rng.choice((url, second.path)), rng.choice(("", f"fieldSelector=metadata.name={name}")),
                       peer=user)  # fmt: skip
        case 6:
            fuzzed.ask("DELETE", rng.choice((url, url, second.path)), query, peer=user)
        case _:
            what, type_ = rng.choice((
                ("eviction", "policy/v1.Eviction"), ("resize", "core/v1.Pod"), ("ephemeralcontainers", "core/v1.Pod"),
                ("binding", "core/v1.Binding"),
            ))  # fmt: skip
            pod = fuzzed.all["pods./v1"]
            sent = {"metadata": {"name": pod.name}, "target": {"kind": "Node", "name": "sample"}}
            if type_ == "core/v1.Pod":
                found = fuzzed.ask("GET", f"{pod.path}/{pod.name}")
                sent = found.json if found.status == 200 else pod.obj
            sent = mutated(sent, scheme.struct(type_), [rng.getrandbits(32)] * (rng.random() < 0.7))
            method = "POST" if type_ != "core/v1.Pod" else "PUT"
            fuzzed.ask(method, f"{pod.path}/{pod.name}/{what}", query, sent, peer=user)


def test_what_is_left_holds_up(fuzzed: Server) -> None:
    """After all that, everything that is stored is served, good by its schema and can be shown as a table."""
    fuzzed.install()
    for served in fuzzed.all.values():
        everywhere = served.path.replace("/namespaces/default", "")
        for item in fuzzed.ask("GET", everywhere).json["items"]:
            assert item["metadata"]["uid"]
        rows = fuzzed.ask("GET", everywhere, headers=[("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")]).json
        assert all(len(row["cells"]) == len(served.kind.columns) for row in rows["rows"])
