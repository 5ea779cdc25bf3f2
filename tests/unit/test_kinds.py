"""The list of kinds, and what their hooks do to new and changed objects."""

from __future__ import annotations

import copy
import pkgutil

import pytest
from kinds_samples import BY_NAME, CONTEXT, POD, SAMPLES, SERVICE, changed, created, metadata, typed, updated

from minikube_py.apiserver import kinds
from minikube_py.apiserver.kinds import KINDS, endpoints, namespace, pod, service
from minikube_py.apiserver.kinds.base import Object
from minikube_py.apiserver.kinds.podspec import defaults


def test_every_file_of_the_folder_is_in_the_list() -> None:
    files = {m.name for m in pkgutil.iter_modules(kinds.__path__) if not m.ispkg and not m.name.startswith("_")}
    names = {k.resource.kind.lower() + (f"_{k.resource.version}" if k.stored_as is not None else "") for k in KINDS}
    assert files - {"base"} == names
    assert len({kind.resource for kind in KINDS}) == len(KINDS) == len(names)


@pytest.mark.parametrize("name", SAMPLES)
def test_defaulting_twice_changes_nothing_and_the_result_is_valid(name: str) -> None:
    kind = BY_NAME[name]
    obj = created(kind, SAMPLES[name])
    again = copy.deepcopy(obj)
    kind.default(again)
    assert again == obj
    assert list(kind.validate(typed(kind, obj))) == []
    assert list(kind.validate_update(typed(kind, updated(kind, obj, obj)), typed(kind, obj))) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_have_a_cell_per_column_and_fields_are_always_the_same(name: str) -> None:
    kind = BY_NAME[name]
    bare = {"metadata": {"name": "x"}}
    full = created(kind, SAMPLES[name])
    assert len(kind.row(bare)) == len(kind.row(full)) == len(kind.columns)
    assert kind.select_fields(bare).keys() == kind.select_fields(full).keys()
    assert all(isinstance(v, str) for v in kind.select_fields(full).values())


def test_pod_defaults() -> None:
    obj = created(
        pod.KIND,
        {
            "metadata": metadata("web"),
            "spec": {
                "hostNetwork": True,
                "serviceAccount": "robot",
                "containers": [
                    {
                        "name": "a",
                        "image": "nginx:1.27",
                        "ports": [{"containerPort": 80}],
                        "resources": {"limits": {"cpu": "0.1", "memory": "64Mi"}, "requests": {"cpu": "50m"}},
                        "livenessProbe": {"httpGet": {"port": 80}},
                        "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    }
                ],
                "volumes": [
                    {"name": "v"},
                    {"name": "c", "configMap": {"name": "c"}},
                    {"name": "h", "hostPath": {"path": "/"}},
                ],
            },
            "status": {"phase": "Running", "podIP": "1.2.3.4"},
        },
    )  # fmt: skip
    assert obj["status"] == {"phase": "Pending", "qosClass": "Burstable"}
    spec = obj["spec"]
    container = spec.pop("containers")[0]
    assert spec == {
        "hostNetwork": True,
        "serviceAccount": "robot",
        "serviceAccountName": "robot",
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
        "volumes": [
            {"name": "v", "emptyDir": {}},
            {"name": "c", "configMap": {"name": "c", "defaultMode": 420}},
            {"name": "h", "hostPath": {"path": "/", "type": ""}},
        ],
    }
    assert container == {
        "name": "a",
        "image": "nginx:1.27",
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}},
        "livenessProbe": {
            "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        },
        "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}],
    }


@pytest.mark.parametrize(
    ("image", "latest"),
    [
        ("nginx", True),
        ("nginx:latest", True),
        ("nginx:1", False),
        ("example:5000/nginx", True),
        ("example:5000/nginx:1", False),
        ("nginx@sha256:0123", False),
        ("nginx:latest@sha256:0123", True),
    ],
)
def test_which_images_mean_the_newest(image: str, latest: bool) -> None:
    assert defaults.is_latest(image) is latest


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"example.com/gpu": "1"}}], "BestEffort"),
    ],
)
def test_quality_of_service(resources: list[dict[str, object]], expected: str) -> None:
    containers = [{"name": f"c{i}", "image": "i", "resources": r} for i, r in enumerate(resources)]
    obj = created(pod.KIND, changed(POD, "spec.containers", containers))
    assert obj["status"]["qosClass"] == expected


def test_sub_milli_amounts_are_rounded_up() -> None:
    obj = created(pod.KIND, changed(POD, "spec.containers.0.resources", {"requests": {"cpu": "100500u"}}))
    assert obj["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "101m"}


def test_scheduling_gates_show_in_the_status_of_a_new_pod() -> None:
    obj = created(pod.KIND, changed(POD, "spec.schedulingGates", [{"name": "example.com/wait"}]))
    (condition,) = obj["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")


def test_match_label_keys_become_terms_of_the_selector_once() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["hash", "absent"]}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    obj = changed(changed(POD, "spec.affinity", affinity), "metadata.labels", {"hash": "123"})
    stored = created(pod.KIND, obj)
    pod.KIND.prepare_create(stored, CONTEXT)
    required = stored["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required[0]["labelSelector"]["matchExpressions"] == [{"key": "hash", "operator": "In", "values": ["123"]}]


def test_status_and_spec_of_a_pod_are_written_apart() -> None:
    old = created(pod.KIND, POD)
    old["metadata"]["ownerReferences"] = [{"uid": "1"}]
    new = changed(changed(old, "status", {"phase": "Running"}), "metadata.ownerReferences", [])
    assert updated(pod.KIND, new, old)["status"] == old["status"]
    pod.KIND.prepare_status(new, old, CONTEXT)
    assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}
    assert new["metadata"]["ownerReferences"] == [{"uid": "1"}]


def test_both_forms_of_a_pods_address_agree() -> None:
    older = {**created(pod.KIND, POD), "status": {"podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.1"}]}}
    newer = {**created(pod.KIND, POD), "status": {"podIPs": [{"ip": "10.0.0.1"}]}}
    for obj, expected in ((older, "10.0.0.2"), (newer, "10.0.0.1")):
        pod.KIND.default(obj)
        assert obj["status"]["podIP"] == obj["status"]["podIPs"][0]["ip"] == expected


@pytest.mark.parametrize(
    ("spec", "status", "asked", "expected"),
    [
        ({}, {}, None, 0),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, {}, None, 30),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, {}, 5, 5),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, {}, 0, 0),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 30}, {"phase": "Succeeded"}, None, 0),
        ({"nodeName": "n", "terminationGracePeriodSeconds": -3}, {}, None, 1),
    ],
)
def test_grace_period(spec: dict[str, object], status: dict[str, object], asked: int | None, expected: int) -> None:
    assert pod.grace_period({"spec": spec, "status": status}, asked) == expected


def test_namespace_keeps_its_finalizers_and_label() -> None:
    obj = created(namespace.KIND, {"metadata": {"name": "team", "labels": {"a": "b"}}, "status": {"phase": "Odd"}})
    assert obj["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "team"}
    assert (obj["spec"], obj["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    new = {"metadata": {"name": "team"}, "spec": {"finalizers": []}, "status": {"phase": "Terminating"}}
    after = updated(namespace.KIND, new, obj)
    assert (after["spec"], after["status"]) == (obj["spec"], obj["status"])
    namespace.prepare_finalize(new, obj, CONTEXT)
    assert new["spec"] == {"finalizers": []}


def test_secret_text_is_folded_into_data_and_wins() -> None:
    kind = BY_NAME["Secret"]
    obj = created(kind, {"metadata": metadata("s"), "data": {"a": "MQ==", "b": "Mg=="}, "stringData": {"a": "é"}})
    assert obj["data"] == {"a": "w6k=", "b": "Mg=="}
    assert obj["type"] == "Opaque" and "stringData" not in obj


def test_endpoints_are_kept_in_one_form() -> None:
    subsets: list[Object] = [
        {"addresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 2}, {"port": 1}]},
        {"notReadyAddresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"port": 1}, {"port": 2}]},
        {"addresses": [{"ip": "10.0.0.9"}]},
    ]
    expected = [
        {"addresses": [{"ip": "10.0.0.9"}]},
        {
            "addresses": [{"ip": "10.0.0.2"}],
            "notReadyAddresses": [{"ip": "10.0.0.1"}],
            "ports": [{"port": 1}, {"port": 2}],
        },
    ]
    assert endpoints.repack(subsets) == expected == endpoints.repack(endpoints.repack(subsets))


def test_a_service_sent_back_without_what_the_server_gave_keeps_it() -> None:
    old = created(service.KIND, changed(SERVICE, "spec.type", "NodePort"))
    old["spec"] |= {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"]}
    old["spec"]["ports"][0]["nodePort"] = 30080
    new = updated(service.KIND, changed(SERVICE, "spec.type", "NodePort"), old)
    assert new["spec"]["clusterIP"] == "10.96.0.9" and new["spec"]["clusterIPs"] == ["10.96.0.9"]
    assert new["spec"]["ports"][0]["nodePort"] == 30080


def test_changing_a_services_type_drops_what_no_longer_fits() -> None:
    old = created(service.KIND, changed(SERVICE, "spec.type", "LoadBalancer"))
    old["spec"] |= {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"]}
    old["spec"]["ports"][0]["nodePort"] = 30080
    plain = updated(service.KIND, changed(old, "spec.type", "ClusterIP"), old)["spec"]
    assert "allocateLoadBalancerNodePorts" not in plain and "externalTrafficPolicy" not in plain
    assert "nodePort" not in plain["ports"][0] and plain["clusterIP"] == "10.96.0.9"
    external = changed(changed(old, "spec.type", "ExternalName"), "spec.externalName", "example.com")
    named = updated(service.KIND, external, old)["spec"]
    assert {"clusterIP", "clusterIPs", "ipFamilies"}.isdisjoint(named)


def test_node_defaults() -> None:
    kind = BY_NAME["Node"]
    status = {"capacity": {"cpu": "4"}, "nodeInfo": {"osImage": "o"}}
    obj = created(kind, {"metadata": metadata("n", ""), "status": status})
    assert obj["status"]["allocatable"] == {"cpu": "4"} and obj["status"]["nodeInfo"]["kernelVersion"] == ""
    new = changed(obj, "status", {})
    assert updated(kind, new, obj)["status"] == obj["status"]


@pytest.mark.parametrize(
    ("name", "obj", "expected"),
    [
        ("Pod", changed(POD, "spec.nodeSelector", {"beta.kubernetes.io/os": "linux"}), "spec.nodeSelector[beta."),
        ("Pod", changed(POD, "metadata.name", "a.b"), "metadata.name: this is used"),
        ("Pod", changed(POD, "spec.containers.0.env", [{"name": "A"}] * 2), "spec.containers[0].env[1]: hides"),
        ("Pod", changed(POD, "spec.imagePullSecrets", [{"name": ""}]), "spec.imagePullSecrets[0].name: invalid empty"),
        ("Pod", changed(POD, "spec.terminationGracePeriodSeconds", -1), "spec.terminationGracePeriodSeconds: must be"),
        ("Pod", changed(POD, "spec.hostAliases", [{"ip": "::1"}] * 2), "spec.hostAliases[1].ip: duplicate"),
        ("Node", {"metadata": metadata("n", ""), "spec": {"externalID": "x"}}, "spec.externalID"),
    ],
)  # fmt: skip
def test_warnings(name: str, obj: dict[str, object], expected: str) -> None:
    warn = BY_NAME[name].warnings
    assert warn is not None
    (warning,) = warn(obj)
    assert warning.startswith(expected)


def test_a_plain_pod_warns_of_nothing() -> None:
    assert pod.KIND.warnings is not None and list(pod.KIND.warnings(created(pod.KIND, POD))) == []
