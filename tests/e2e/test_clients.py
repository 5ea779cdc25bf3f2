"""The official Python client, lightkube and kr8s, from the admin kubeconfig."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import ROOT, Cluster, until
from tests.e2e.objects import STAY, config_map, container, pod, shell

pytestmark = [
    pytest.mark.docker,
    # The libraries leave connections to the garbage collector; kr8s warns of a Kubernetes newer than itself.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a library left open goes here, and not as a warning in a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


# -- the official client


@pytest.fixture
def official(cluster: Cluster) -> Iterator[Any]:
    from kubernetes import client, config

    with client.ApiClient(_configuration(config, client, cluster)) as connected:
        yield client.CoreV1Api(connected)


def _configuration(config: Any, client: Any, cluster: Cluster) -> Any:
    found = client.Configuration()
    config.load_kube_config(str(cluster.kubeconfig), client_configuration=found)
    return found


def test_official_client_on_config_maps(official: Any, namespace: str) -> None:
    from kubernetes import client, watch
    from kubernetes.client.exceptions import ApiException

    meta = client.V1ObjectMeta(name="one", labels={"app": "x"})
    made = official.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=meta, data={"a": "1"}))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo is not None
    listed = official.list_namespaced_config_map(namespace, label_selector="app=x")
    assert [item.metadata.name for item in listed.items] == ["one"]
    assert official.list_config_map_for_all_namespaces(field_selector="metadata.name=one").items
    patched = official.patch_namespaced_config_map("one", namespace, {"data": {"b": "2"}})
    assert patched.data == {"a": "1", "b": "2"}
    steps = [{"op": "replace", "path": "/data/a", "value": "3"}]
    assert official.patch_namespaced_config_map("one", namespace, steps).data["a"] == "3"
    patched.data = {"c": "4"}
    with pytest.raises(ApiException) as conflict:
        official.replace_namespaced_config_map("one", namespace, patched)
    assert (conflict.value.status, json.loads(conflict.value.body)["reason"]) == (409, "Conflict")
    patched.metadata.resource_version = None
    assert official.replace_namespaced_config_map("one", namespace, patched).data == {"c": "4"}
    official.delete_namespaced_config_map("one", namespace)
    with pytest.raises(ApiException) as missing:
        official.read_namespaced_config_map("one", namespace)
    assert missing.value.status == 404
    stream = watch.Watch().stream(
        official.list_namespaced_config_map, namespace, resource_version=listed.metadata.resource_version,
        label_selector="app=x", timeout_seconds=1,
    )  # fmt: skip
    assert [event["type"] for event in stream] == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]


def test_official_client_on_pods(official: Any, namespace: str) -> None:
    from kubernetes import watch
    from kubernetes.stream import stream

    official.create_namespaced_pod(namespace, pod("web", container(command=shell(f"echo hello; {STAY[-1]}"))))
    phases = []
    follow = watch.Watch()
    for event in follow.stream(official.list_namespaced_pod, namespace, timeout_seconds=30):
        phases.append(event["object"].status.phase)
        if any(c.type == "Ready" and c.status == "True" for c in event["object"].status.conditions or ()):
            follow.stop()
    assert phases[0] == "Pending" and phases[-1] == "Running"
    found = official.read_namespaced_pod("web", namespace)
    assert found.status.container_statuses[0].state.running.started_at and found.spec.node_name
    until(lambda: official.read_namespaced_pod_log("web", namespace) == "hello\n")
    command = ["sh", "-c", "read line; echo out $line; echo err >&2; exit 3"]
    opened = stream(
        official.connect_get_namespaced_pod_exec, "web", namespace, command=command, stdin=True, stdout=True,
        stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    opened.write_stdin("typed\n")
    opened.run_forever(timeout=15)
    assert (opened.read_stdout(), opened.read_stderr(), opened.returncode) == ("out typed\n", "err\n", 3)
    opened.close()
    labelled = official.patch_namespaced_pod("web", namespace, {"metadata": {"labels": {"a": "b"}}})
    assert labelled.metadata.labels == {"a": "b"}
    status = official.read_namespaced_pod_status("web", namespace).status
    assert status.qos_class == "BestEffort" and official.list_node().items[0].status.node_info.kubelet_version
    official.delete_namespaced_pod("web", namespace, grace_period_seconds=1)
    until(lambda: not official.list_namespaced_pod(namespace).items)


def test_official_client_on_deployments(cluster: Cluster, official: Any, namespace: str) -> None:
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

    apps = client.AppsV1Api(official.api_client)
    labels = {"app": "web"}
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels),
        spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="a:1")]),
    )
    spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template)
    body = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    made = apps.create_namespaced_deployment(namespace, body)
    assert made.spec.strategy.rolling_update.max_surge == "25%" and made.metadata.generation == 1
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    assert (scale.spec.replicas, scale.status.selector) == (2, "app=web")
    scale.spec.replicas = 5
    assert apps.replace_namespaced_deployment_scale("web", namespace, scale).spec.replicas == 5
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "a:2"}]}}}}
    patched = apps.patch_namespaced_deployment("web", namespace, change)
    assert (patched.spec.replicas, patched.spec.template.spec.containers[0].image) == (5, "a:2")
    patched.status.replicas = patched.status.ready_replicas = 1
    patched.status.conditions = [client.V1DeploymentCondition(type="Available", status="True")]
    stored = apps.replace_namespaced_deployment_status("web", namespace, patched).status
    assert stored.ready_replicas == 1 and stored.conditions[0].type == "Available"
    body.metadata.name, body.spec.replicas, template.spec.containers = "wrong", -1, []
    with pytest.raises(ApiException) as invalid:
        apps.create_namespaced_deployment(
            namespace, json.loads(json.dumps(official.api_client.sanitize_for_serialization(body)))
        )
    causes = json.loads(invalid.value.body)["details"]["causes"]
    assert {cause["field"] for cause in causes} == {"spec.replicas", "spec.template.spec.containers"}
    apps.delete_collection_namespaced_deployment(namespace, label_selector="app=other")
    assert len(apps.list_namespaced_deployment(namespace).items) == 1
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    until(lambda: not apps.list_namespaced_deployment(namespace).items)


# -- lightkube


def test_lightkube(cluster: Cluster, namespace: str) -> None:
    from lightkube import ApiError, Client, KubeConfig
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap, Pod
    from lightkube.types import PatchType

    client = Client(config=KubeConfig.from_file(str(cluster.kubeconfig)), namespace=namespace, field_manager="e2e")
    seen: list[tuple[str, Any]] = []
    made = client.create(ConfigMap(metadata=ObjectMeta(name="one"), data={"a": "1"}))
    assert made.metadata and made.metadata.resourceVersion
    assert "one" in [item.metadata.name for item in client.list(ConfigMap) if item.metadata]

    def watch() -> None:
        for event, found in client.watch(
            ConfigMap, fields={"metadata.name": "one"}, resource_version=made.metadata.resourceVersion
        ):
            seen.append((event, found.data))
            if event == "DELETED":
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    client.patch(ConfigMap, "one", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
    client.patch(ConfigMap, "one", {"data": {"c": "3"}}, patch_type=PatchType.STRATEGIC)
    client.patch(ConfigMap, "one", [{"op": "remove", "path": "/data/a"}], patch_type=PatchType.JSON)
    applied = client.apply(ConfigMap(metadata=ObjectMeta(name="one"), data={"d": "4"}))
    assert applied.data == {"b": "2", "c": "3", "d": "4"}
    client.delete(ConfigMap, "one")
    watching.join(15)
    assert [event for event, _ in seen] == ["MODIFIED"] * 4 + ["DELETED"] and seen[2][1] == {"b": "2", "c": "3"}
    with pytest.raises(ApiError) as missing:
        client.get(ConfigMap, "one")
    assert missing.value.status.code == 404
    client.create(Pod.from_dict(pod("web", container(command=shell(f"echo hello; {STAY[-1]}")))))
    ready = client.wait(Pod, "web", for_conditions=["Ready"])
    assert ready.status and ready.status.phase == "Running"
    until(lambda: list(client.log("web")) == ["hello\n"])
    patched = client.patch(Pod, "web", {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata and patched.metadata.labels == {"a": "b"}
    assert [p.metadata.name for p in client.list(Pod, labels={"a": "b"}) if p.metadata] == ["web"]
    client.delete(Pod, "web")
    until(lambda: not list(client.list(Pod)))


# -- kr8s


# Its streams end in the garbage collector too, with "Exception ignored in" instead of a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_kr8s(cluster: Cluster, namespace: str) -> None:
    import kr8s
    from kr8s.asyncio.objects import ConfigMap, Pod

    api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig), namespace=namespace)
    one = await ConfigMap(config_map("one", {"app": "x"}, a="1"), namespace=namespace, api=api)
    await one.create()
    events = []
    open_ = asyncio.Event()

    async def watch() -> None:
        async with contextlib.aclosing(
            api.watch("configmaps", namespace=namespace, label_selector={"app": "x"})
        ) as stream:
            async for event, found in stream:
                events.append((event, dict(found.data)))
                open_.set()
                if event == "DELETED":
                    return

    watching = asyncio.create_task(watch())
    await asyncio.wait_for(open_.wait(), 15)
    await one.patch({"data": {"b": "2"}})
    assert one.data == {"a": "1", "b": "2"}
    await one.patch([{"op": "remove", "path": "/data/a"}], type="json")
    await one.label(more="yes")
    assert [found.name async for found in api.get("configmaps", namespace=namespace, label_selector="more=yes")] == [
        "one"
    ]
    await one.delete()
    await asyncio.wait_for(watching, 15)
    assert [event for event, _ in events] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    assert not await one.exists()
    web = await Pod(pod("web", container(command=shell(f"echo hello; {STAY[-1]}"))), namespace=namespace, api=api)
    await web.create()
    await web.wait("condition=Ready", timeout=30)
    assert await web.ready() and web.status.phase == "Running"
    assert [line async for line in web.logs()] == ["hello"]
    done = await web.exec(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)
    await web.annotate({"note": "text"})
    assert web.annotations["note"] == "text"
    await web.delete()
    await web.wait("delete", timeout=15)
    await api._session.aclose()  # there is no public way, and the library keeps the object for good


@pytest.fixture(scope="module")
def shelves(cluster: Cluster) -> Iterator[str]:
    """A namespaced custom kind with status and scale: `Shelf` of lib.example.com/v1."""
    whole = {"type": "integer", "minimum": 0}
    properties = {
        "spec": {"type": "object", "properties": {"size": whole, "color": {"type": "string", "default": "white"}}},
        "status": {"type": "object", "properties": {"books": whole}},
    }
    subresources = {
        "status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.books"},
    }  # fmt: skip
    version = {"name": "v1", "served": True, "storage": True, "subresources": subresources,
               "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}  # fmt: skip
    names = {"plural": "shelves", "singular": "shelf", "kind": "Shelf"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shelves.lib.example.com"},
        "spec": {"group": "lib.example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }  # fmt: skip
    made = cluster.kubectl("1.36", "create", "-f", "-", input=json.dumps(crd))
    assert made.code == 0, str(made)
    ready = cluster.kubectl("1.36", "wait", "--for=condition=Established", "crd/shelves.lib.example.com")
    assert ready.code == 0, str(ready)
    yield "shelves"
    cluster.kubectl("1.36", "delete", "crd", "shelves.lib.example.com")


def shelf(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "lib.example.com/v1", "kind": "Shelf", "metadata": {"name": name}, "spec": spec}


def test_official_client_on_custom_objects(official: Any, namespace: str, shelves: str) -> None:
    from kubernetes import client, watch
    from kubernetes.client.exceptions import ApiException

    custom = client.CustomObjectsApi(official.api_client)
    where = ("lib.example.com", "v1", namespace, shelves)
    made = custom.create_namespaced_custom_object(*where, shelf("one", size=3, nonsense=True))
    assert made["spec"] == {"size": 3, "color": "white"}
    assert custom.patch_namespaced_custom_object(*where, "one", {"spec": {"size": 4}})["spec"]["size"] == 4
    told = custom.patch_namespaced_custom_object_status(*where, "one", {"status": {"books": 9}, "spec": {"size": 0}})
    assert (told["spec"]["size"], told["status"], told["metadata"]["generation"]) == (4, {"books": 9}, 2)
    assert custom.get_namespaced_custom_object_scale(*where, "one")["status"]["replicas"] == 9
    custom.patch_namespaced_custom_object_scale(*where, "one", {"spec": {"replicas": 7}})
    with pytest.raises(ApiException) as invalid:
        custom.create_namespaced_custom_object(*where, shelf("bad", size=-1))
    assert {c["field"] for c in json.loads(invalid.value.body)["details"]["causes"]} == {"spec.size"}
    since = made["metadata"]["resourceVersion"]
    events = watch.Watch().stream(
        custom.list_namespaced_custom_object, *where, resource_version=since, timeout_seconds=1
    )
    assert [(e["type"], e["object"]["spec"]["size"]) for e in events] == [
        ("MODIFIED", 4), ("MODIFIED", 4), ("MODIFIED", 7),
    ]  # fmt: skip
    custom.delete_namespaced_custom_object(*where, "one")
    assert custom.list_namespaced_custom_object(*where)["items"] == []


def test_lightkube_on_deployments_and_custom_resources(cluster: Cluster, namespace: str, shelves: str) -> None:
    from lightkube import ApiError, Client, KubeConfig
    from lightkube.codecs import load_all_yaml
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.types import CascadeType, PatchType

    client = Client(config=KubeConfig.from_file(str(cluster.kubeconfig)), namespace=namespace, field_manager="e2e")
    text = (ROOT / "tests/e2e/data/deployment.yaml").read_text()
    for found in load_all_yaml(text):
        client.apply(found)
    made = client.get(Deployment, "web")
    assert made.spec and made.spec.replicas == 2 and made.spec.progressDeadlineSeconds == 600
    client.patch(Deployment.Scale, "web", {"spec": {"replicas": 4}})
    assert client.get(Deployment.Scale, "web").spec.replicas == 4
    with pytest.raises(ApiError) as conflict:
        client.apply(next(iter(load_all_yaml(text))), field_manager="another")
    assert [cause.field for cause in conflict.value.status.details.causes] == [".spec.replicas"]
    client.delete(Deployment, "web", cascade=CascadeType.FOREGROUND)
    until(lambda: not list(client.list(Deployment)))

    Shelf = create_namespaced_resource("lib.example.com", "v1", "Shelf", "shelves", verbs=None)
    client.create(Shelf.from_dict(shelf("one", size=3)))
    applied = client.apply(Shelf.from_dict(shelf("one", color="red")), force=True)
    assert applied.spec == {"size": 3, "color": "red"}
    client.patch(Shelf.Status, "one", {"status": {"books": 2}}, patch_type=PatchType.MERGE)
    assert [(s.metadata.name, s.status) for s in client.list(Shelf) if s.metadata] == [("one", {"books": 2})]
    client.delete(Shelf, "one")


# -- kr8s


# Its streams end in the garbage collector too, with "Exception ignored in" instead of a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_kr8s_on_deployments_and_custom_resources(cluster: Cluster, namespace: str, shelves: str) -> None:
    import kr8s
    from kr8s.asyncio.objects import Deployment, new_class

    api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig), namespace=namespace)
    web = await Deployment(yaml.safe_load((ROOT / "tests/e2e/data/deployment.yaml").read_text()), namespace, api=api)
    await web.create()
    await web.scale(5)
    assert web.replicas == 5
    await web.patch({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "a:2"}]}}}})
    await web.annotate({"note": "text"})
    await web.refresh()
    assert web.spec.template.spec.containers[0].image == "a:2" and not await web.ready()
    assert [found.name async for found in api.get("deployments.apps", namespace=namespace)] == ["web"]
    await web.delete(propagation_policy="Background")
    await web.wait("delete", timeout=15)

    Shelf = new_class("Shelf", "lib.example.com/v1", namespaced=True, plural="shelves")
    one = await Shelf(shelf("one", size=3), namespace, api=api)
    await one.create()
    await one.refresh()
    assert dict(one.spec) == {"size": 3, "color": "white"}
    await one.patch({"status": {"books": 1}}, subresource="status")
    assert one.status.books == 1
    assert [found.name async for found in api.get("shelves.lib.example.com", namespace=namespace)] == ["one"]
    await one.delete()
    await api._session.aclose()  # as above
