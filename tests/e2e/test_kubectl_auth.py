"""kubectl auth, and kubectl create of roles and bindings: who may what, as users see it."""

from __future__ import annotations

import pytest

from tests.e2e.kubectl import Kubectl, documents

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def test_can_i_follows_roles_and_bindings(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "*", "*").out == "yes\n"
    bob = f"--as=bob-{kubectl.namespace}"
    assert kubectl("auth", "can-i", "get", "pods", bob, code=1).out == "no\n"
    made = kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log,deployments.apps")
    assert made.out == "role.rbac.authorization.k8s.io/reader created\n"
    bound = kubectl("create", "rolebinding", "reader", "--role=reader", f"--user={bob.removeprefix('--as=')}")
    assert bound.out == "rolebinding.rbac.authorization.k8s.io/reader created\n"
    for question in ("get pods", "list pods", "get pods --subresource=log", "get deployments"):
        assert kubectl("auth", "can-i", *question.split(), bob).out == "yes\n", question
    for question in ("delete pods", "get secrets", "get pods -A", "get pods --subresource=exec", "get /metrics"):
        assert kubectl("auth", "can-i", *question.split(), bob, code=1).out == "no\n", question
    refused = kubectl("get", "secrets", bob, code=1)
    assert refused.err.strip() == (
        f'Error from server (Forbidden): secrets is forbidden: User "{bob.removeprefix("--as=")}" cannot list resource '
        f'"secrets" in API group "" in the namespace "{kubectl.namespace}"'
    )
    assert kubectl("get", "pods", bob).err.startswith("No resources found")


def test_can_i_list(kubectl: Kubectl) -> None:
    kubectl("create", "role", "one", "--verb=get", "--resource=configmaps", "--resource-name=mine")
    kubectl("create", "rolebinding", "one", "--role=one", "--group=team")
    table = kubectl("auth", "can-i", "--list", "--as=eve", "--as-group=team")
    rows = {(line.split()[0], " ".join(line.split()[1:])) for line in table.lines}
    assert table.lines[0].split() == ["Resources", "Non-Resource", "URLs", "Resource", "Names", "Verbs"]
    assert ("configmaps", "[] [mine] [get]") in rows
    assert any(row[0] == "[/version]" for row in rows), "what everybody may read"
    assert not any(row[0] == "*.*" for row in rows)


def test_cluster_roles_and_bindings(kubectl: Kubectl) -> None:
    name = f"metrics-{kubectl.namespace}"
    try:
        kubectl("create", "clusterrole", name, "--verb=get", "--non-resource-url=/metrics,/logs/*")
        account = f"{kubectl.namespace}:default"
        kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={account}")
        as_account = f"--as=system:serviceaccount:{account}"
        assert kubectl("auth", "can-i", "get", "/logs/x", as_account).out == "yes\n"
        assert kubectl("get", "--raw", "/metrics", as_account).out.startswith("#")
        assert "Forbidden" in kubectl("get", "--raw", "/metrics", "--as=eve", code=1).err
        rows = kubectl("get", "clusterrolebinding", name, "-o", "wide").rows
        assert rows[1][:2] == [name, f"ClusterRole/{name}"] and f"{kubectl.namespace}/default" in rows[1]
        assert "/metrics" in kubectl("describe", "clusterrole", name).out
        kubectl("create", "clusterrole", f"{name}-all", "--aggregation-rule=here=" + name)
        kubectl("label", "clusterrole", name, f"here={name}")
        kubectl(
            "wait", "clusterrole", f"{name}-all", "--for=jsonpath={.rules[0].verbs[0]}=get", "--timeout=20s"
        )  # fmt: skip
    finally:
        kubectl("delete", "clusterrole,clusterrolebinding", name, f"{name}-all", "--ignore-not-found")


def test_the_edit_role_in_a_namespace(kubectl: Kubectl) -> None:
    kubectl("create", "rolebinding", "edit", "--clusterrole=edit", "--user=dev")
    kubectl("create", "configmap", "made", "--from-literal=a=b", "--as=dev")
    assert kubectl("get", "cm", "made", "--as=dev", "-o", "jsonpath={.data.a}").out == "b"
    refused = kubectl("create", "rolebinding", "more", "--clusterrole=admin", "--user=dev", "--as=dev", code=1)
    assert 'cannot create resource "rolebindings"' in refused.err
    kubectl("create", "rolebinding", "admin", "--clusterrole=admin", "--user=boss")
    kubectl("create", "rolebinding", "more", "--clusterrole=edit", "--user=friend", "--as=boss")
    refused = kubectl(
        "create", "rolebinding", "most", "--clusterrole=cluster-admin", "--user=boss", "--as=boss", code=1
    )
    assert 'user "boss" (groups=["system:authenticated"]) is attempting to grant RBAC permissions' in refused.err
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in refused.err


def test_reconcile(kubectl: Kubectl) -> None:
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    more = {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}
    meta = {"name": "r", "namespace": kubectl.namespace}
    version = "rbac.authorization.k8s.io/v1"
    role = {"apiVersion": version, "kind": "Role", "metadata": meta, "rules": [rule]}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name} for name in ("ann", "bob")]
    binding = {"apiVersion": version, "kind": "RoleBinding", "metadata": meta, "roleRef": ref, "subjects": subjects[:1]}
    made = kubectl("auth", "reconcile", "-f", "-", input=documents(role, binding))
    assert made.out.count("reconciled") == 2, made.out
    kubectl(
        "auth",
        "reconcile",
        "-f",
        "-",
        input=documents({**role, "rules": [more]}, {**binding, "subjects": subjects[1:]}),
    )
    assert kubectl.get("role", "r")["rules"] == [rule, more]
    assert [s["name"] for s in kubectl.get("rolebinding", "r")["subjects"]] == ["ann", "bob"]
    kubectl("auth", "reconcile", "--remove-extra-permissions", "-f", "-", input=documents({**role, "rules": [more]}))
    assert kubectl.get("role", "r")["rules"] == [more]


def test_whoami(kubectl: Kubectl) -> None:
    assert kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").out == "kubernetes-admin"
    shown = kubectl("auth", "whoami", "--as=eve", "--as-group=team", "--as-uid=u-1").rows
    assert ["Username", "eve"] in shown and ["UID", "u-1"] in shown
    assert ["Groups", "[team", "system:authenticated]"] in shown


def test_no_daemon_is_refused_anything(kubectl: Kubectl) -> None:
    """A Pod with a secret and a config map runs and goes, and nobody met a 403 on the way."""
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "c", "image": "minikube-py/pause:1", "imagePullPolicy": "Never",
            "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}],
        }],
    }  # fmt: skip
    kubectl.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    kubectl.ready("p")
    kubectl("delete", "pod", "p")
    for log in sorted((kubectl.cluster.data_dir / "logs").glob("*.log")):
        told = [
            line for line in log.read_text(errors="replace").splitlines() if "cannot" in line and "forbidden" in line
        ]
        assert told == [], log.name


def test_a_kubelets_credentials_open_little(kubectl: Kubectl) -> None:
    conf = f"--kubeconfig={kubectl.cluster.data_dir / 'kubelet.conf'}"
    nodes = kubectl("get", "nodes", conf, code=1)
    assert "only its own Node object" in nodes.err
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert "no relationship found between node" in kubectl("get", "secret", "s", conf, code=1).err
    assert "can only list/watch pods with spec.nodeName field selector" in kubectl("get", "pods", conf, code=1).err
