"""The ServiceAccount admission plugin: which account a Pod acts as, and what is mounted for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.apiserver.conftest import PODS, Answer, Api, Object, pod

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
MERGE = "application/merge-patch+json"
PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


async def made(api: Api, name: str = "p", **spec: Any) -> Any:
    """The spec of a new Pod as it is stored."""
    return (await api.ok("POST", PODS, pod(name, **spec)))["spec"]


def volume_of(spec: Object) -> Any:
    found = [v for v in spec.get("volumes", []) if v["name"].startswith("kube-api-access-")]
    assert len(found) <= 1
    return found[0] if found else None


async def test_the_default_account(api: Api) -> None:
    spec = await made(api)
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert "volumes" not in spec and "volumeMounts" not in spec["containers"][0], "the account says so"


async def test_no_account_no_pod(api: Api) -> None:
    answer = await api.ask("POST", PODS, pod(serviceAccountName="ghost"))
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert answer.json["message"] == (
        'pods "p" is forbidden: error looking up service account default/ghost: serviceaccount "ghost" not found'
    )
    await api.ok("DELETE", f"{ACCOUNTS}/default")
    generated = {**pod(), "metadata": {"generateName": "web-"}}
    answer = await api.ask("POST", PODS, generated)
    assert answer.status == 403 and "error looking up service account default/default" in answer.json["message"]
    assert answer.json["details"]["kind"] == "pods"
    await api.cluster.add_account("default")
    assert (await api.ask("POST", PODS, generated)).status == 201, "at once, when it is there"


async def test_the_token_s_volume(api: Api) -> None:
    await api.cluster.add_account("robot")
    init = {"name": "i", "image": "web:1"}
    spec = await made(api, serviceAccountName="robot", initContainers=[init])
    volume = volume_of(spec)
    assert re.fullmatch("kube-api-access-[a-z0-9]{5}", volume["name"])
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ],
    }  # fmt: skip
    mount = {"name": volume["name"], "readOnly": True, "mountPath": PATH}
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["volumeMounts"] == [mount]


async def test_a_container_that_has_something_there_keeps_it(api: Api) -> None:
    await api.cluster.add_account("robot")
    own = {"name": "mine", "mountPath": PATH}
    containers = [{"name": "a", "image": "x", "volumeMounts": [own]}, {"name": "b", "image": "x"}]
    volumes = [{"name": "mine", "emptyDir": {}}]
    spec = await made(api, serviceAccountName="robot", containers=containers, volumes=volumes)
    assert [v["name"] for v in spec["volumes"]] == ["mine", volume_of(spec)["name"]]
    assert spec["containers"][0]["volumeMounts"] == [own]
    assert spec["containers"][1]["volumeMounts"][0]["name"] == volume_of(spec)["name"]
    spec = await made(api, "q", serviceAccountName="robot", containers=containers[:1], volumes=volumes)
    assert volume_of(spec) is None, "nobody needs it"


async def test_a_copied_pod_keeps_its_volume(api: Api) -> None:
    await api.cluster.add_account("robot")
    spec = await made(api, serviceAccountName="robot")
    again = await made(api, "q", **spec)
    assert again["volumes"] == spec["volumes"] and again["containers"] == spec["containers"]


@pytest.mark.parametrize(
    ("account", "own", "mounted"),
    [(None, None, True), (False, None, False), (False, True, True), (True, False, False), (None, False, False)],
)
async def test_automount(api: Api, account: bool | None, own: bool | None, mounted: bool) -> None:
    more = {} if account is None else {"automountServiceAccountToken": account}
    await api.cluster.add_account("robot", **more)
    spec = await made(
        api, serviceAccountName="robot", **({} if own is None else {"automountServiceAccountToken": own})
    )  # fmt: skip
    assert (volume_of(spec) is not None) is mounted


async def test_pull_secrets(api: Api) -> None:
    await api.cluster.add_account("robot", imagePullSecrets=[{"name": "one"}, {"name": "two"}])
    assert (await made(api, serviceAccountName="robot"))["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
    own = await made(api, "q", serviceAccountName="robot", imagePullSecrets=[{"name": "mine"}])
    assert own["imagePullSecrets"] == [{"name": "mine"}], "the Pod's own come first"
    await api.ok("PATCH", f"{ACCOUNTS}/robot", {"imagePullSecrets": [{"name": "new"}]}, content_type=MERGE)
    assert (await made(api, "r", serviceAccountName="robot"))["imagePullSecrets"] == [{"name": "new"}]


async def mirror(api: Api, **spec: Any) -> Answer:
    body = pod("m", nodeName="n1", **spec)
    body["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return await api.ask("POST", PODS, body)


async def test_mirror_pods(api: Api) -> None:
    for spec, words in (
        ({"serviceAccountName": "default"}, "may not reference service accounts"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "may not reference secrets"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}, "reference secrets"),
        ({"imagePullSecrets": [{"name": "s"}]}, "may not reference secrets"),
        ({"containers": [{"name": "c", "image": "x", "envFrom": [{"secretRef": {"name": "s"}}]}]}, "reference secrets"),
        ({"containers": [{"name": "c", "image": "x", "env": [
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]}, "may not reference secrets"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
         "may not use ServiceAccountToken volume projections"),
    ):  # fmt: skip
        answer = await mirror(api, **spec)
        assert answer.status == 403 and words in answer.json["message"], (spec, answer)
    await api.ok("DELETE", f"{ACCOUNTS}/default")
    answer = await mirror(api)
    assert answer.status == 201, "a mirror Pod acts as nobody"
    assert "serviceAccountName" not in answer.json["spec"] and "volumes" not in answer.json["spec"]


async def test_accounts_that_name_the_secrets_of_their_pods(api: Api) -> None:
    annotations = {"kubernetes.io/enforce-mountable-secrets": "true"}
    account = {
        "metadata": {"name": "strict", "annotations": annotations}, "secrets": [{"name": "known"}],
        "imagePullSecrets": [{"name": "pull"}],
    }  # fmt: skip
    await api.ok("POST", ACCOUNTS, account)

    async def with_secret(name: str, how: str) -> Answer:
        container: Object = {"name": "c", "image": "x"}
        more: Object = {"containers": [container]}
        if how == "volume":
            more["volumes"] = [{"name": "v", "secret": {"secretName": name}}]
        elif how == "envFrom":
            container["envFrom"] = [{"secretRef": {"name": name}}]
        elif how == "env":
            container["env"] = [{"name": "E", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}]
        else:
            more["imagePullSecrets"] = [{"name": name}]
        return await api.ask("POST", PODS, pod(f"{name}-{how.lower()}", serviceAccountName="strict", **more))

    for how, words in (
        ("volume", 'volume with secret.secretName="other" is not allowed'),
        ("envFrom", 'container c with envFrom referencing secret.secretName="other" is not allowed'),
        ("env", 'container c with envVar E referencing secret.secretName="other" is not allowed'),
        ("pull", 'imagePullSecrets[0].name="other" is not allowed'),
    ):
        assert (await with_secret("pull" if how == "pull" else "known", how)).status == 201, how
        answer = await with_secret("other", how)
        assert answer.status == 403 and words in answer.json["message"], answer
        assert "service account strict does not reference that" in answer.json["message"]
