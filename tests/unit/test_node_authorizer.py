"""What a kubelet may do: by what its Pods refer to, by its own name, by the role system:node."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.resources import PERSISTENTVOLUMES
from minikube_py.apiserver.admission._node_labels import forbidden_labels
from minikube_py.apiserver.auth.authorization import Asked
from minikube_py.apiserver.auth.node import NodeAuthorizer, node_of
from minikube_py.apiserver.auth.node_graph import MIRROR, named
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.bootstrap.rbac import node_rules
from minikube_py.apiserver.cache import KindCache
from minikube_py.apiserver.encoding import Codec
from minikube_py.apiserver.kinds import pod
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.storage import prefix_for
from minikube_py.store.base import Change, Entry

Object = dict[str, Any]
ONE, TWO = (User(f"system:node:{name}", ("system:nodes", "system:authenticated")) for name in ("one", "two"))
VOLUMES = Kind(
    resource=PERSISTENTVOLUMES,
    singular="persistentvolume",
    columns=(),
    row=lambda obj: [],
    validate_name=lambda name: [],
)


class World:
    """Caches of Pods and PersistentVolumes, written as the store's watch does."""

    def __init__(self) -> None:
        self.caches = {
            k.resource.qualified: KindCache(k, prefix_for(k.resource), Codec(k.resource)) for k in (pod.KIND, VOLUMES)
        }
        self.authorizer = NodeAuthorizer(self.caches, node_rules())
        self.rev = 0

    def put(self, qualified: str, name: str, namespace: str = "", **members: Any) -> None:
        cache = self.caches[qualified]
        metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **members.pop("metadata", {})}
        self._apply(qualified, cache.key(namespace, name), cache.codec.encode({"metadata": metadata, **members}))

    def pod(
        self,
        name: str,
        node: str = "one",
        namespace: str = "web",
        status: Object | None = None,
        metadata: Object | None = None,
        **spec: Any,
    ) -> None:
        bound = {"nodeName": node} if node else {}
        self.put("pods", name, namespace, metadata=metadata or {}, spec={**spec, **bound}, status=status or {})

    def remove(self, name: str, namespace: str = "web") -> None:
        self._apply("pods", self.caches["pods"].key(namespace, name), None)

    def _apply(self, qualified: str, key: str, value: bytes | None) -> None:
        self.rev += 1
        old = self.caches[qualified].items.get(key)
        before = Entry(key, old.value, old.rev) if old is not None else None
        self.caches[qualified].apply(Change(self.rev, key, Entry(key, value, self.rev) if value else None, before))

    def may(self, user: User, verb: str, resource: str, name: str = "", namespace: str = "web", **more: Any) -> bool:
        return self.ask(user, verb, resource, name, namespace, **more)[0]

    def ask(
        self, user: User, verb: str, resource: str, name: str = "", namespace: str = "web", **more: Any
    ) -> tuple[bool, str]:
        plural, _, subresource = resource.partition("/")
        asked = Asked(verb, resource=plural, subresource=subresource, name=name, namespace=namespace, **more)
        return self.authorizer.authorize(user, asked)


@pytest.fixture
def world() -> World:
    return World()


def volume(**source: Any) -> list[Object]:
    return [{"name": "v", **source}]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"serviceAccountName": "robot"}, ("serviceaccounts", "robot")),
        ({"imagePullSecrets": [{"name": "pull"}]}, ("secrets", "pull")),
        ({"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}, ("secrets", "s")),
        ({"initContainers": [{"envFrom": [{"configMapRef": {"name": "c"}}]}]}, ("configmaps", "c")),
        ({"ephemeralContainers": [{"env": [{"name": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]},
         ("secrets", "s")),
        ({"containers": [{"env": [{"name": "x", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}]},
         ("configmaps", "c")),
        ({"volumes": volume(secret={"secretName": "s"})}, ("secrets", "s")),
        ({"volumes": volume(configMap={"name": "c"})}, ("configmaps", "c")),
        ({"volumes": volume(projected={"sources": [{"secret": {"name": "s"}}]})}, ("secrets", "s")),
        ({"volumes": volume(projected={"sources": [{"configMap": {"name": "c"}}]})}, ("configmaps", "c")),
        ({"volumes": volume(persistentVolumeClaim={"claimName": "p"})}, ("persistentvolumeclaims", "p")),
        ({"volumes": volume(ephemeral={"volumeClaimTemplate": {}})}, ("persistentvolumeclaims", "it-v")),
        ({"volumes": volume(csi={"driver": "d", "nodePublishSecretRef": {"name": "s"}})}, ("secrets", "s")),
        ({"volumes": volume(iscsi={"secretRef": {"name": "s"}})}, ("secrets", "s")),
        ({"volumes": volume(azureFile={"secretName": "s"})}, ("secrets", "s")),
        ({"resourceClaims": [{"name": "g", "resourceClaimName": "gpu"}]}, ("resourceclaims", "gpu")),
    ],
)  # fmt: skip
def test_what_a_pod_refers_to(world: World, spec: Object, found: tuple[str, str]) -> None:
    assert list(named({"metadata": {"name": "it"}, "spec": spec})) == [found]
    plural, name = found
    group = "resource.k8s.io" if plural == "resourceclaims" else ""
    verb, resource = ("create", "serviceaccounts/token") if plural == "serviceaccounts" else ("get", plural)
    world.pod("it", **spec)
    assert world.may(ONE, verb, resource, name, group=group)
    assert not world.may(TWO, verb, resource, name, group=group)
    assert not world.may(ONE, verb, resource, "other", group=group)
    assert not world.may(ONE, verb, resource, name, namespace="other", group=group)
    world.remove("it")
    assert not world.may(ONE, verb, resource, name, group=group)


def test_the_graph_follows_its_pods(world: World) -> None:
    secret = {"volumes": volume(secret={"secretName": "s"})}
    assert not world.may(ONE, "get", "secrets", "s")
    world.pod("a", "", **secret)
    assert not world.may(ONE, "get", "secrets", "s"), "a Pod without a Node gives nobody anything"
    world.pod("a", "one", **secret)
    world.pod("b", "one", **secret)
    world.pod("c", "two", **secret)
    assert world.may(ONE, "get", "secrets", "s") and world.may(TWO, "get", "secrets", "s")
    world.remove("a")
    assert world.may(ONE, "get", "secrets", "s"), "there is another one"
    world.remove("b")
    assert not world.may(ONE, "get", "secrets", "s") and world.may(TWO, "get", "secrets", "s")
    world.pod("d", "one", status={"phase": "Running"})
    world.pod(
        "d", "one", status={"phase": "Running"}, ephemeralContainers=[{"envFrom": [{"secretRef": {"name": "s"}}]}]
    )
    assert world.may(ONE, "get", "secrets", "s"), "a debugging container came later"
    world.pod("e", "one", resourceClaims=[{"name": "g", "resourceClaimTemplateName": "t"}])
    assert not world.may(ONE, "get", "resourceclaims", "made", group="resource.k8s.io")
    statuses = {"resourceClaimStatuses": [{"name": "g", "resourceClaimName": "made"}]}
    world.pod("e", "one", status=statuses, resourceClaims=[{"name": "g", "resourceClaimTemplateName": "t"}])
    assert world.may(ONE, "get", "resourceclaims", "made", group="resource.k8s.io")
    world.caches["pods"].replace((), 99)
    assert not world.may(ONE, "get", "secrets", "s") and not world.may(TWO, "get", "secrets", "s")


def test_a_mirror_pod_gives_nothing(world: World) -> None:
    world.pod("m", metadata={"annotations": {MIRROR: "x"}}, volumes=volume(secret={"secretName": "s"}))
    assert not world.may(ONE, "get", "secrets", "s") and world.may(ONE, "get", "pods", "m")


def test_volumes_behind_claims(world: World) -> None:
    world.pod("p", volumes=volume(persistentVolumeClaim={"claimName": "c"}))
    assert not world.may(ONE, "get", "persistentvolumes", "v", "")
    key, root = {"namespace": "sys", "name": "key"}, {"namespace": "sys", "name": "root"}
    csi = {"nodePublishSecretRef": key, "controllerExpandSecretRef": root}
    spec = {"claimRef": {"namespace": "web", "name": "c"}, "csi": csi}
    world.put("persistentvolumes", "v", spec=spec)
    assert world.may(ONE, "get", "persistentvolumes", "v", "") and not world.may(
        TWO, "get", "persistentvolumes", "v", ""
    )
    assert world.may(ONE, "get", "secrets", "key", "sys") and not world.may(TWO, "get", "secrets", "key", "sys")
    assert not world.may(ONE, "get", "secrets", "root", "sys"), "the controller's, not the kubelet's"
    world.put("persistentvolumes", "v", spec={**spec, "claimRef": {"namespace": "web", "name": "other"}})
    assert not world.may(ONE, "get", "persistentvolumes", "v", "") and not world.may(
        ONE, "get", "secrets", "key", "sys"
    )
    assert world.may(ONE, "patch", "persistentvolumeclaims/status", "c")
    assert not world.may(TWO, "patch", "persistentvolumeclaims/status", "c")
    assert not world.may(ONE, "update", "persistentvolumeclaims", "c")


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more", "why"),
    [
        ("list", "secrets", "", {}, "No Object name found"),
        ("list", "secrets", "", {"namespace": ""}, "can only read namespaced object of this type"),
        ("watch", "configmaps", "x", {}, "no relationship found between node 'one' and this object"),
        ("update", "secrets", "x", {}, "can only read resources of this type"),
        ("get", "secrets/x", "x", {}, "cannot read subresource"),
        ("list", "persistentvolumes", "", {"namespace": ""}, "can only get individual resources of this type"),
        ("list", "pods", "", {}, "can only list/watch pods with spec.nodeName field selector"),
        ("list", "pods", "", {"fields": (("spec.nodeName", "=", "two"),)},
         "can only list/watch pods with spec.nodeName field selector"),
        ("list", "pods", "", {"fields": (("spec.nodeName", "!=", "one"),)},
         "can only list/watch pods with spec.nodeName field selector"),
        ("list", "nodes", "", {"namespace": ""}, "node 'one' cannot read all nodes, only its own Node object"),
        ("get", "nodes", "two", {"namespace": ""}, "node 'one' cannot read 'two', only its own Node object"),
        ("create", "serviceaccounts/token", "", {}, "can only create tokens for individual service accounts"),
        ("create", "serviceaccounts", "x", {}, "can only create token subresource of serviceaccount"),
        ("get", "leases", "one", {"group": "coordination.k8s.io"},
         'can only access leases in the "kube-node-lease" system namespace'),
        ("get", "leases", "two", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"},
         "can only access node lease with the same name as the requesting node"),
        ("list", "leases", "", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"},
         "can only get, create, update, patch, or delete a node lease"),
        ("update", "csinodes", "two", {"group": "storage.k8s.io", "namespace": ""},
         "can only access CSINode with the same name as the requesting node"),
        ("delete", "nodes", "one", {"namespace": ""}, ""),
        ("create", "pods/exec", "x", {}, ""),
        ("create", "pods/binding", "x", {}, ""),
        ("create", "deployments", "", {"group": "apps"}, ""),
        ("get", "services", "x", {"group": "other"}, ""),
    ],
)  # fmt: skip
def test_what_a_kubelet_may_not_do(world: World, verb: str, resource: str, name: str, more: Object, why: str) -> None:
    assert world.ask(ONE, verb, resource, name, **more) == (False, why)


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more"),
    [
        ("get", "nodes", "one", {"namespace": ""}), ("watch", "nodes", "one", {"namespace": ""}),
        ("create", "nodes", "", {"namespace": ""}), ("patch", "nodes/status", "one", {"namespace": ""}),
        ("list", "pods", "", {"fields": (("spec.nodeName", "=", "one"),)}),
        ("watch", "pods", "", {"namespace": "", "fields": (("spec.nodeName", "=", "one"),)}),
        ("patch", "pods/status", "p", {}), ("delete", "pods", "p", {}), ("create", "pods", "", {}),
        ("create", "pods/eviction", "p", {}), ("watch", "services", "", {}), ("create", "events", "", {}),
        ("create", "events", "", {"group": "events.k8s.io"}),
        ("create", "leases", "", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}),
        ("update", "leases", "one", {"group": "coordination.k8s.io", "namespace": "kube-node-lease"}),
        ("patch", "csinodes", "one", {"group": "storage.k8s.io", "namespace": ""}),
        ("list", "runtimeclasses", "", {"group": "node.k8s.io", "namespace": ""}),
        ("create", "certificatesigningrequests", "", {"group": "certificates.k8s.io", "namespace": ""}),
        ("create", "tokenreviews", "", {"group": "authentication.k8s.io", "namespace": ""}),
    ],
)  # fmt: skip
def test_what_every_kubelet_may_do(world: World, verb: str, resource: str, name: str, more: Object) -> None:
    assert world.ask(ONE, verb, resource, name, **more) == (True, "")
    for who in (
        User("ann"),
        User("system:node:one"),
        User("one", ("system:nodes",)),
        User("system:nodes:one", ("system:nodes",)),
    ):
        assert world.ask(who, verb, resource, name, **more) == (False, ""), "no node, no opinion"


def test_a_pod_is_read_by_its_node(world: World) -> None:
    world.pod("p")
    for verb in ("get", "list", "watch"):
        assert world.may(ONE, verb, "pods", "p") and not world.may(TWO, verb, "pods", "p")


def test_who_is_a_node() -> None:
    assert node_of(ONE) == "one"
    assert node_of(User("system:node:", ("system:nodes",))) == ""
    assert node_of(User("system:node:one", ("system:masters",))) is None


def test_a_node_without_a_name_and_its_rules(world: World) -> None:
    assert world.ask(User("system:node:", ("system:nodes",)), "get", "nodes", "x") == (
        False, 'unknown node for user "system:node:"',
    )  # fmt: skip
    found = world.authorizer.rules(ONE, "web")
    assert (found.incomplete, bool(found.error), found.resources) == (True, True, [])
    assert not world.authorizer.rules(User("ann"), "web").incomplete
    assert world.authorizer.authorize(ONE, Asked("get", "/metrics")) == (False, "")


@pytest.mark.parametrize(
    ("key", "forbidden"),
    [
        ("mine", False), ("example.com/x", False), ("kubernetes.io/hostname", False), ("kubernetes.io/os", False),
        ("topology.kubernetes.io/zone", False), ("node.kubernetes.io/any", False), ("x.kubelet.kubernetes.io/a", False),
        ("node-role.kubernetes.io/control-plane", True), ("node-restriction.kubernetes.io/x", True),
        ("a.node-restriction.kubernetes.io/x", True), ("kubernetes.io/other", True), ("foo.k8s.io/x", True),
        ("notkubernetes.io/x", False),
    ],
)  # fmt: skip
def test_labels_of_a_kubelets_own(key: str, forbidden: bool) -> None:
    assert forbidden_labels({key: "1"}, {}) == ([key] if forbidden else [])
    assert forbidden_labels({key: "1"}, {key: "1"}) == []
    assert forbidden_labels({}, {key: "1"}) == ([key] if forbidden else [])
