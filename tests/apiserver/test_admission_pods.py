"""What admission makes of Pods and Nodes: priorities, tolerations, limits, runtime classes, security, by requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minikube_py.api.resources import NAMESPACES
from minikube_py.apiserver.admission import Attributes
from minikube_py.apiserver.admission.pod_security import PodSecurity
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.config import Config
from minikube_py.cli.parser import build_parser
from tests.apiserver.conftest import PODS, Api, pod

Object = dict[str, Any]
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"
LIMITS = "/api/v1/namespaces/default/limitranges"


def with_resources(name: str, requests: Object | None = None, limits: Object | None = None, **spec: Any) -> Object:
    made = pod(name, **spec)
    resources = {"requests": requests, "limits": limits}
    made["spec"]["containers"][0]["resources"] = {k: v for k, v in resources.items() if v}
    return made


async def refused(api: Api, path: str, body: Object, why: str, status: int = 403) -> None:
    answer = await api.ask("POST", path, body)
    assert (answer.status, why in answer.json["message"]) == (status, True), answer.json


# -- Priority


async def test_the_systems_priority_classes_are_there(api: Api) -> None:
    values = {c["metadata"]["name"]: c["value"] for c in (await api.ok("GET", CLASSES))["items"]}
    assert values == {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
    made = await api.ok("POST", PODS, pod("p", priorityClassName="system-node-critical"))
    assert made["spec"]["priority"] == 2000001000


async def test_priority_of_a_pod(api: Api) -> None:
    plain = await api.ok("POST", PODS, pod("plain"))
    assert (plain["spec"]["priority"], plain["spec"]["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    low = {"metadata": {"name": "low"}, "value": 5, "preemptionPolicy": "Never"}
    await api.ok("POST", CLASSES, low)
    await api.ok("POST", CLASSES, {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True})
    made = await api.ok("POST", PODS, pod("a", priorityClassName="low"))
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (5, "Never")
    made = await api.ok("POST", PODS, pod("b"))
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 7)
    assert (await api.ok("POST", PODS, pod("same", priorityClassName="low", priority=5)))["spec"]["priority"] == 5
    await refused(api, PODS, pod("c", priorityClassName="none"), "no PriorityClass with name none was found")
    await refused(api, PODS, pod("d", priority=9), "the integer value of priority (9) must not be provided in pod spec")
    await refused(api, PODS, pod("e", preemptionPolicy="Never"), "the string value of PreemptionPolicy (Never)")
    other = {"metadata": {"name": "second"}, "value": 8, "globalDefault": True}
    await refused(api, CLASSES, other, "PriorityClass usual is already marked as default")
    answer = await api.ask("PATCH", f"{CLASSES}/low", {"globalDefault": True},
                           content_type="application/merge-patch+json")  # fmt: skip
    assert answer.status == 403
    again = await api.ok("GET", f"{CLASSES}/usual")
    again["description"] = "still the default"
    assert (await api.ok("PUT", f"{CLASSES}/usual", again))["globalDefault"] is True


async def test_an_update_that_leaves_out_the_priority_keeps_it(api: Api) -> None:
    made = await api.ok("POST", PODS, pod("p"))
    del made["spec"]["priority"], made["spec"]["preemptionPolicy"]
    made["metadata"]["labels"] = {"a": "b"}
    assert (await api.ok("PUT", f"{PODS}/p", made))["spec"]["priority"] == 0


# -- tolerations, taints


async def test_how_long_pods_stay_on_lost_nodes(api: Api) -> None:
    made = await api.ok("POST", PODS, pod("p"))
    usual = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ]
    assert made["spec"]["tolerations"] == usual
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    made = await api.ok("POST", PODS, pod("q", tolerations=[own]))
    assert made["spec"]["tolerations"] == [own, usual[1]]
    everything = {"operator": "Exists"}
    assert (await api.ok("POST", PODS, pod("r", tolerations=[everything])))["spec"]["tolerations"] == [everything]
    scheduling = {"operator": "Exists", "effect": "NoSchedule"}
    made = await api.ok("POST", PODS, pod("s", tolerations=[scheduling]))
    assert made["spec"]["tolerations"] == [scheduling, *usual]


async def test_a_new_node_is_not_ready(api: Api) -> None:
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    other = {"key": "mine", "effect": "NoExecute"}
    made = await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n"}, "spec": {"taints": [other]}})
    assert made["spec"]["taints"] == [other, taint]
    made["spec"]["taints"] = [other]
    assert (await api.ok("PUT", "/api/v1/nodes/n", made))["spec"]["taints"] == [other]
    made = await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "m"}, "spec": {"taints": [taint]}})
    assert made["spec"]["taints"] == [taint]


# -- RuntimeClass


async def test_runtime_classes(api: Api) -> None:
    await api.ok("POST", RUNTIMES, {
        "metadata": {"name": "sandboxed"}, "handler": "box", "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"box": "yes"}, "tolerations": [{"key": "box", "operator": "Exists"}]},
    })  # fmt: skip
    await api.ok("POST", RUNTIMES, {"metadata": {"name": "plain"}, "handler": "runc"})
    made = await api.ok("POST", PODS, pod("p", runtimeClassName="sandboxed", nodeSelector={"a": "b"}))
    assert made["spec"]["overhead"] == {"cpu": "250m"}
    assert made["spec"]["nodeSelector"] == {"a": "b", "box": "yes"}
    assert {"key": "box", "operator": "Exists"} in made["spec"]["tolerations"]
    assert "overhead" not in (await api.ok("POST", PODS, pod("q", runtimeClassName="plain")))["spec"]
    same = pod("r", runtimeClassName="sandboxed", overhead={"cpu": "0.25"})
    assert (await api.ok("POST", PODS, same))["spec"]["overhead"] == {"cpu": "250m"}
    await refused(api, PODS, pod("s", runtimeClassName="none"), 'pod rejected: RuntimeClass "none" not found')
    await refused(api, PODS, pod("t", overhead={"cpu": "1"}), "Pod Overhead set without corresponding RuntimeClass")
    wrong = pod("u", runtimeClassName="sandboxed", overhead={"cpu": "1"})
    await refused(api, PODS, wrong, "Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    against = pod("v", runtimeClassName="sandboxed", nodeSelector={"box": "no"})
    await refused(api, PODS, against, "conflict: runtimeClass.scheduling.nodeSelector[box] = yes")


# -- LimitRanger


async def limit(api: Api, name: str, *limits: Object) -> None:
    await api.ok("POST", LIMITS, {"metadata": {"name": name}, "spec": {"limits": list(limits)}})


async def test_limit_ranges_fill_in_what_is_left_out(api: Api) -> None:
    await limit(api, "usual", {
        "type": "Container", "default": {"cpu": "500m", "memory": "512Mi"}, "defaultRequest": {"cpu": "100m"},
    })  # fmt: skip
    given = pod("p", initContainers=[{"name": "i", "image": "web:1"}])
    made = await api.ok("POST", PODS, given)
    resources = {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "512Mi"}}
    assert made["spec"]["containers"][0]["resources"] == resources
    assert made["spec"]["initContainers"][0]["resources"] == resources
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"
    own = await api.ok(
        "POST", PODS, with_resources("own", {"cpu": "1m", "memory": "1Mi"}, {"cpu": "2m", "memory": "2Mi"})
    )
    assert "annotations" not in own["metadata"]
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "free"}})
    await api.cluster.add_account("default", "free")
    free = await api.ok("POST", "/api/v1/namespaces/free/pods", pod("p"))
    assert free["spec"]["containers"][0]["resources"] == {} and free["status"]["qosClass"] == "BestEffort"
    await api.ok("DELETE", f"{LIMITS}/usual")
    assert (await api.ok("POST", PODS, pod("later")))["spec"]["containers"][0]["resources"] == {}


async def test_limit_ranges_bound_containers(api: Api) -> None:
    await limit(api, "bounds", {
        "type": "Container", "min": {"cpu": "50m"}, "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"},
        "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "100m"},
    })  # fmt: skip
    await api.ok("POST", PODS, with_resources("good", {"cpu": "250m"}, {"cpu": "1"}))
    for number, (requests, limits, why) in enumerate((
        ({"cpu": "10m"}, {"cpu": "20m"}, "minimum cpu usage per Container is 50m, but request is 10m"),
        ({"cpu": "2"}, {"cpu": "2"}, "maximum cpu usage per Container is 1, but limit is 2"),
        ({"cpu": "100m"}, {"cpu": "500m"},
         "cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000"),
    )):  # fmt: skip
        await refused(api, PODS, with_resources(f"bad{number}", requests, limits), f"is forbidden: {why}")
    await refused(api, PODS, with_resources("both", {"cpu": "10m"}, {"cpu": "2"}), "[minimum cpu usage per Container")


async def test_limit_ranges_bound_pods(api: Api) -> None:
    await limit(api, "bounds", {"type": "Pod", "max": {"memory": "1Gi"}, "min": {"cpu": "100m"}})
    await api.ok("POST", PODS, with_resources("good", {"cpu": "100m"}, {"memory": "1Gi"}))
    await refused(api, PODS, pod("silent"), "minimum cpu usage per Pod is 100m.  No request is specified")
    await refused(api, PODS, pod("silent"), "maximum memory usage per Pod is 1Gi.  No limit is specified")
    two = with_resources("two", {"cpu": "100m"}, {"memory": "600Mi"})
    two["spec"]["containers"].append({**two["spec"]["containers"][0], "name": "d"})
    await refused(api, PODS, two, "maximum memory usage per Pod is 1Gi, but limit is 1200Mi")


# -- PodSecurity

P = "pod-security.kubernetes.io/"


async def secured(api: Api, **labels: str) -> str:
    metadata = {"name": "safe", "labels": {P + key.replace("_", "-"): value for key, value in labels.items()}}
    await api.ok("POST", "/api/v1/namespaces", {"metadata": metadata})
    await api.cluster.add_account("default", "safe")
    return "/api/v1/namespaces/safe/pods"


async def test_pods_of_a_secured_namespace(api: Api) -> None:
    path = await secured(api, enforce="baseline", warn="restricted", warn_version="v1.24")
    bad = pod("bad", hostNetwork=True)
    answer = await api.ask("POST", path, bad)
    assert answer.status == 403 and answer.reason == "Forbidden"
    assert answer.json["message"] == (
        'pods "bad" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    )
    answer = await api.ask("POST", path, pod("good"))
    assert answer.status == 201
    assert answer.headers["warning"].startswith(
        '299 - "would violate PodSecurity \\"restricted:v1.24\\": allowPrivilegeEscalation != false (container \\"c\\"'
    )
    found = await api.ok("GET", f"{path}/good")
    found["metadata"]["labels"] = {"a": "b"}
    assert "warning" not in (await api.ask("PUT", f"{path}/good", found)).headers, "nothing of account has changed"
    found = await api.ok("GET", f"{path}/good")
    found["spec"]["containers"][0]["image"] = "web:2"
    assert "would violate" in (await api.ask("PUT", f"{path}/good", found)).headers["warning"]
    assert (await api.ask("POST", PODS, bad)).status == 201


async def test_workloads_are_only_warned_of(api: Api) -> None:
    await secured(api, enforce="restricted")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod()["spec"]}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    answer = await api.ask("POST", "/apis/apps/v1/namespaces/safe/deployments", deployment)
    assert answer.status == 201
    assert 'would violate PodSecurity \\"restricted:latest\\": allowPriv' in answer.headers["warning"]
    job = {"spec": {"template": {"spec": {**pod()["spec"], "restartPolicy": "Never"}}}}
    cron = {"metadata": {"name": "c"}, "spec": {"schedule": "0 0 * * *", "jobTemplate": job}}
    answer = await api.ask("POST", "/apis/batch/v1/namespaces/safe/cronjobs", cron)
    assert answer.status == 201 and "would violate PodSecurity" in answer.headers["warning"]


async def test_labels_of_namespaces_are_checked(api: Api) -> None:
    answer = await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "x", "labels": {P + "enforce": "much"}}})
    assert answer.status == 422
    assert [c["field"] for c in answer.json["details"]["causes"]] == [f"metadata.labels[{P}enforce]"]
    await secured(api)
    patch = {"metadata": {"labels": {P + "warn-version": "1.2"}}}
    answer = await api.ask("PATCH", "/api/v1/namespaces/safe", patch, content_type="application/merge-patch+json")
    assert answer.status == 422


async def test_a_namespace_that_gets_stricter_tells_of_its_pods(api: Api) -> None:
    path = await secured(api)
    for name in ("a", "b", "c"):
        await api.ok("POST", path, pod(name, hostNetwork=True))
    await api.ok("POST", path, pod("d", hostPID=True, hostNetwork=True))
    await api.ok("POST", path, pod("good"))
    patch = {"metadata": {"labels": {P + "enforce": "baseline"}}}
    answer = await api.ask("PATCH", "/api/v1/namespaces/safe", patch, content_type="application/merge-patch+json")
    assert answer.status == 200
    assert "a (and 3 other pods): host namespaces" in answer.headers["warning"]
    old = {"metadata": {"name": "safe"}}
    new = {"metadata": {"name": "safe", "labels": {P + "enforce": "restricted"}}}
    kind = api.cluster.server.catalog.of(NAMESPACES).kind
    write = Attributes("UPDATE", kind, "safe", "safe", "", User("u", ()), new, old, False)
    await PodSecurity(api.cluster.server.storage).validate(write)
    assert write.warnings[0] == (
        'existing pods in namespace "safe" violate the new PodSecurity enforce level "restricted:latest"'
    )
    assert [w.partition(":")[0] for w in write.warnings[1:]] == ["a (and 3 other pods)", "good"]
    again = await api.ask("PATCH", "/api/v1/namespaces/safe", {"metadata": {"labels": {"x": "y"}}},
                          content_type="application/merge-patch+json")  # fmt: skip
    assert "warning" not in again.headers


# -- which plugins there are


@pytest.mark.parametrize(
    ("flag", "value", "why"),
    [
        ("--enable-admission-plugins", "Nonsense", 'the admission plugin "Nonsense" is unknown; there are: Namespace'),
        ("--enable-admission-plugins", "LimitRanger,AlwaysPullImages", '"AlwaysPullImages" is not supported here'),
        ("--disable-admission-plugins", "limitranger", 'the admission plugin "limitranger" is unknown'),
    ],
)
@pytest.mark.parametrize("command", ["apiserver", "up"])
def test_flags(command: str, flag: str, value: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    with pytest.raises(SystemExit):
        parser.parse_args([command, flag, value])
    assert why in capsys.readouterr().err
    good = parser.parse_args([command, flag, "Priority,PodSecurity", flag, "LimitRanger"])
    assert getattr(good, flag[2:].replace("-", "_")) == ["Priority", "PodSecurity", "LimitRanger"]


async def test_plugins_in_upstreams_order_without_those_disabled(api: Api) -> None:
    from minikube_py.apiserver.admission import names

    def of(*disabled: str, enabled: tuple[str, ...] = ()) -> list[str]:
        config = Config(disable_admission_plugins=disabled, enable_admission_plugins=enabled)
        return [plugin.name for plugin in listed(api, config)]

    assert [name for name in of() if name in names.HERE] == list(names.HERE)
    assert of()[-1] == "ResourceQuota" and not names.ABSENT & set(names.HERE)
    assert "Priority" not in of("Priority") and len(of("Priority")) == len(of()) - 1
    with pytest.raises(ValueError, match="both enabled and disabled: Priority"):
        of("Priority", enabled=("Priority",))


async def test_the_list_has_every_plugin_of_the_folder(api: Api) -> None:
    from minikube_py.apiserver import admission

    files = {p.stem for p in Path(admission.__file__).parent.glob("[a-z]*.py")} - {"base", "names"}
    assert {type(p).__module__.rpartition(".")[2] for p in listed(api, Config())} == files


def listed(api: Api, config: Config) -> Any:
    from minikube_py.apiserver.admission import plugins

    server = api.cluster.server
    nobody: Any = None
    return plugins(config, server.storage, server.catalog, api.clock, nobody, nobody)


async def test_what_admission_adds_belongs_to_nobody(api: Api) -> None:
    made = await api.ok("POST", f"{PODS}?fieldManager=me", pod())
    assert made["spec"]["tolerations"] and made["spec"]["priority"] == 0 and made["spec"]["serviceAccountName"]
    (entry,) = made["metadata"]["managedFields"]
    assert entry["manager"] == "me"
    owned = entry["fieldsV1"]["f:spec"]
    assert "f:containers" in owned and "f:restartPolicy" in owned
    assert not {"f:tolerations", "f:priority", "f:volumes", "f:serviceAccountName"} & owned.keys()
