"""Who is asking, and may they: tokens, certificates, anonymous users, reviews; and nothing secret in the logs."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from minikube_py.api import resources
from minikube_py.apiserver.auth.authentication import TokenFile
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.main import start
from minikube_py.apiserver.server import peer_identity
from minikube_py.daemon.clock import VirtualClock
from minikube_py.daemon.run import named_group
from minikube_py.store.memory import MemoryStore
from tests.apiserver.conftest import CONFIGMAPS, Answer, Api, Object, RawExchange

SECRETS = "/api/v1/namespaces/default/secrets"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
SELF = f"{AUTHORIZATION}/selfsubjectaccessreviews"


class Door:
    """A server with a token file, asked as the wire would: no identity but what the headers and the peer say."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        authorization: str = "",
        peer: Object | None = None,
        acting: Sequence[tuple[bytes, bytes]] = (),
    ) -> Answer:
        headers = [(b"content-type", b"application/json"), *acting]
        if authorization:
            headers.append((b"authorization", authorization.encode("latin-1")))
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "http_version": "1.1", "root_path": "", "scheme": "https", "headers": headers,
            "state": {"peer": peer} if peer is not None else {},
        }  # fmt: skip
        exchange = RawExchange({"type": "http.request", "body": body, "more_body": False})
        await self._app(scope, exchange.receive, exchange.send)
        head = {name.decode(): value.decode() for name, value in exchange.sent[0]["headers"]}
        return Answer(exchange.statuses[0], head, b"".join(m["body"] for m in exchange.sent[1:]))

    async def name(self, **more: Any) -> tuple[str, list[str]]:
        """The user and the groups that the server sees."""
        answer = await self.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", b"{}", **more)
        assert answer.status == 201, answer
        info = answer.json["status"]["userInfo"]
        return info["username"], info.get("groups", [])


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text(
        's3cret-one,ann,u-1,"dev,ops"\ns3cret-root,root,u-9,"system:masters"\ns3cret-two,bob,u-2\n\n"quo,ted",cy,u-3,""\n'
    )
    clock = VirtualClock()
    config = Config(storage_backend="memory", token_auth_file=str(tokens))
    async with named_group() as tasks, start(config, clock, tasks, MemoryStore(clock)) as server:
        await server.shell.load()
        yield Door(server.app)


async def test_tokens(door: Door) -> None:
    assert await door.name(authorization="Bearer s3cret-one") == ("ann", ["dev", "ops", "system:authenticated"])
    assert await door.name(authorization="bearer   s3cret-two ") == ("bob", ["system:authenticated"])
    assert await door.name(authorization="Bearer quo,ted") == ("cy", ["system:authenticated"])


@pytest.mark.parametrize("token", ["nobody", "s3cret-on", "s3cret-one2", "\xff", "a b"])
async def test_an_unknown_token_is_401_everywhere(door: Door, token: str) -> None:
    for path in ("/version", "/healthz", CONFIGMAPS, "/api", "/nothing"):
        answer = await door.ask("GET", path, authorization=f"Bearer {token}")
        assert (answer.status, answer.reason, answer.json["message"]) == (401, "Unauthorized", "Unauthorized"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("value", ["Basic dTpw", "Bearer", "Bearer ", "Digest x", "s3cret-one", "bear s3cret-one"])
async def test_other_schemes_and_empty_tokens_are_nobody(door: Door, value: str) -> None:
    assert (await door.ask("GET", "/version", authorization=value)).status == 200
    answer = await door.ask("GET", CONFIGMAPS, authorization=value)
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert 'User "system:anonymous"' in answer.json["message"]


async def test_without_a_token_file_every_token_is_unknown(api: Api) -> None:
    assert (await Door(api.cluster.server.app).ask("GET", "/version", authorization="Bearer x")).status == 401


@pytest.mark.parametrize(
    ("text", "line"),
    [("a,b\n", 1), ("a,b,c\nx\n", 2), (",user,uid\n", 1), ("token,,uid\n", 1), ("a,b,c\n\n\n,,\n", 4), ("a\n", 1)],
)
def test_a_malformed_token_file_names_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"tokens.csv, line {line}: expected token,user,uid"):
        TokenFile.load(path)


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.csv"):
        TokenFile.load(tmp_path / "none.csv")


async def test_anonymous_users_see_public_paths_only(door: Door) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/version", "/version/"):
        assert (await door.ask("GET", path)).status == 200, path
    for method, path, message in (
        ("GET", "/livez/ping", 'forbidden: User "system:anonymous" cannot get path "/livez/ping"'),
        ("GET", "/", 'forbidden: User "system:anonymous" cannot get path "/"'),
        ("GET", "/api", 'forbidden: User "system:anonymous" cannot get path "/api"'),
        ("GET", "/metrics", 'forbidden: User "system:anonymous" cannot get path "/metrics"'),
        ("POST", "/version", 'forbidden: User "system:anonymous" cannot post path "/version"'),
        ("GET", "/no/such/path", 'forbidden: User "system:anonymous" cannot get path "/no/such/path"'),
        ("GET", "/openapi/v2", 'forbidden: User "system:anonymous" cannot get path "/openapi/v2"'),
        ("GET", "/api/v1", 'forbidden: User "system:anonymous" cannot get path "/api/v1"'),
        ("GET", CONFIGMAPS, 'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" '
         'in API group "" in the namespace "default"'),
        ("DELETE", CONFIGMAPS, 'configmaps is forbidden: User "system:anonymous" cannot deletecollection resource '
         '"configmaps" in API group "" in the namespace "default"'),
        ("GET", f"{CONFIGMAPS}/none", 'configmaps "none" is forbidden: User "system:anonymous" cannot get resource '
         '"configmaps" in API group "" in the namespace "default"'),
        ("GET", "/api/v1/nodes", 'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API '
         'group "" at the cluster scope'),
        ("PUT", "/api/v1/namespaces/default/pods/p/status", 'pods "p" is forbidden: User "system:anonymous" cannot '
         'update resource "pods/status" in API group "" in the namespace "default"'),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/x/leases", 'leases.coordination.k8s.io is forbidden: User '
         '"system:anonymous" cannot list resource "leases" in API group "coordination.k8s.io" in the namespace "x"'),
        ("POST", SELF, 'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "system:anonymous" cannot '
         'create resource "selfsubjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope'),
    ):  # fmt: skip
        answer = await door.ask(method, path, b"not even looked at")
        assert (answer.status, answer.reason) == (403, "Forbidden"), path
        assert answer.json["message"] == message


async def test_forbidden_comes_before_not_found_and_bad_request(door: Door) -> None:
    for method, path in (
        ("GET", f"{CONFIGMAPS}/none"), ("PATCH", f"{CONFIGMAPS}/none"), ("POST", CONFIGMAPS),
        ("PUT", f"{CONFIGMAPS}/a"),
        ("GET", "/api/v1/namespaces/none/pods/p/log"), ("POST", "/api/v1/namespaces/none/pods/p/binding"),
        ("POST", "/api/v1/namespaces/none/bindings"), ("DELETE", "/api/v1/nodes/none"), ("GET", "/api/v1/unicorns"),
        ("GET", "/apis/no.such/v1/things"), ("GET", "/api/v1/namespaces/default/pods/p/unicorn"),
    ):  # fmt: skip
        assert (await door.ask(method, path, b"{")).status == 403, (method, path)


async def test_a_client_certificate_is_who_the_peer_is(door: Door) -> None:
    peer = {"user": "kubelet", "groups": ("system:nodes",)}
    assert await door.name(peer=dict(peer)) == ("kubelet", ["system:nodes", "system:authenticated"])
    both = await door.name(peer=dict(peer), authorization="Bearer s3cret-one")
    assert both[0] == "kubelet", "the certificate comes first"
    assert (await door.name(peer=dict(peer), authorization="Bearer nobody"))[0] == "kubelet"
    anonymous = {"user": "system:anonymous", "groups": ()}
    assert (await door.ask("GET", CONFIGMAPS, peer=anonymous)).status == 403, "the name alone does not help"


def test_the_subject_of_a_certificate() -> None:
    def subject(*parts: tuple[str, str]) -> dict[str, Any]:
        return {"subject": tuple((part,) for part in parts)}

    assert peer_identity(subject(("organizationName", "a"), ("commonName", "me"), ("organizationName", "b"))) == {
        "user": "me", "groups": ("a", "b")
    }  # fmt: skip
    assert peer_identity(subject(("organizationName", "system:masters"))) is None
    assert peer_identity(subject(("commonName", ""))) is None
    assert peer_identity({}) is None
    in_one = {"subject": ((("commonName", "me"), ("organizationName", "a")),)}
    assert peer_identity(in_one) == {"user": "me", "groups": ("a",)}


async def test_may_i(api: Api) -> None:
    spec = {"resourceAttributes": {"namespace": "default", "verb": "delete", "resource": "pods"}}
    answer = await api.ask("POST", SELF, {"spec": spec})
    assert (answer.status, answer.json["status"]) == (201, {"allowed": True})
    assert (answer.json["kind"], answer.json["apiVersion"]) == ("SelfSubjectAccessReview", "authorization.k8s.io/v1")
    assert answer.json["spec"] == spec
    path = {"nonResourceAttributes": {"verb": "get", "path": "/metrics"}}
    assert (await api.ok("POST", SELF, {"spec": path}))["status"]["allowed"] is True
    for spec, field in (
        ({}, "spec.resourceAttributes"),
        ({"resourceAttributes": {}, "nonResourceAttributes": {}}, "spec.nonResourceAttributes"),
    ):
        answer = await api.ask("POST", SELF, {"spec": spec})
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert [c["field"] for c in answer.json["details"]["causes"]] == [field]
    named = await api.ask("POST", SELF, {"metadata": {"name": "x"}, "spec": path})
    assert (named.status, named.json["details"]["causes"][0]["field"]) == (422, "metadata")


async def test_may_somebody_else(api: Api) -> None:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}
    bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
    await api.ok("POST", bindings, {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [subject]})
    await api.cluster.settle()

    async def asked(plural: str, spec: Object, root: str = AUTHORIZATION) -> Answer:
        return await api.ask("POST", f"{root}/{plural}", {"spec": spec})

    resource = {"resourceAttributes": {"namespace": "default", "verb": "get", "resource": "pods"}}
    assert (await asked("subjectaccessreviews", {**resource, "user": "ann"})).json["status"]["allowed"] is True
    nobody = await asked("subjectaccessreviews", {**resource, "user": "system:anonymous"})
    assert nobody.json["status"]["allowed"] is False
    health = {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}, "user": "system:anonymous"}
    assert (await asked("subjectaccessreviews", health)).json["status"]["allowed"] is True
    without = await asked("subjectaccessreviews", resource)
    assert (without.status, without.json["details"]["causes"][0]["field"]) == (422, "spec.user")
    local = f"{AUTHORIZATION}/namespaces/default"
    assert (await asked("localsubjectaccessreviews", {**resource, "user": "ann"}, local)).status == 201
    other = {"resourceAttributes": {"namespace": "other", "verb": "get", "resource": "pods"}, "user": "ann"}
    refused = await asked("localsubjectaccessreviews", other, local)
    assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (
        422, "spec.resourceAttributes.namespace",
    )  # fmt: skip
    assert (await asked("localsubjectaccessreviews", {**resource, "user": "ann"})).status in (400, 404, 405)


async def test_what_may_i(api: Api) -> None:
    review = {"spec": {"namespace": "default"}}
    rules = (await api.ok("POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", review))["status"]
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in rules["resourceRules"]
    assert {"verbs": ["*"], "nonResourceURLs": ["*"]} in rules["nonResourceRules"]
    assert {r["resources"][0] for r in rules["resourceRules"]} > {"selfsubjectreviews"}, "what all who are known may"
    assert rules["incomplete"] is False
    answer = await api.ask("POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", {"spec": {}})
    assert (answer.status, answer.json["message"]) == (400, "no namespace on request")


async def test_who_am_i(api: Api) -> None:
    review = await api.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {"metadata": {}})
    assert review["status"]["userInfo"] == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
    assert (review["kind"], review["apiVersion"]) == ("SelfSubjectReview", "authentication.k8s.io/v1")


USER, GROUP, UID = b"impersonate-user", b"impersonate-group", b"impersonate-uid"


@pytest.mark.parametrize(
    ("acting", "name", "groups"),
    [
        ([(USER, b"eve")], "eve", ["system:authenticated"]),
        ([(USER, b"eve"), (GROUP, b"a"), (GROUP, b"b")], "eve", ["a", "b", "system:authenticated"]),
        ([(USER, b"eve"), (GROUP, b"system:authenticated")], "eve", ["system:authenticated"]),
        (
            [(USER, b"system:serviceaccount:web:robot")], "system:serviceaccount:web:robot",
            ["system:serviceaccounts", "system:serviceaccounts:web", "system:authenticated"],
        ),
    ],
)  # fmt: skip
async def test_acting_as_somebody_else(
    door: Door, acting: list[tuple[bytes, bytes]], name: str, groups: list[str]
) -> None:
    assert await door.name(authorization="Bearer s3cret-root", acting=acting) == (name, groups)


async def test_acting_with_uid_and_extra(door: Door) -> None:
    acting = [(USER, b"eve"), (UID, b"u-9"), (b"impersonate-extra-scopes%2fx", b"one"), (b"impersonate-extra-b", b"2")]
    answer = await door.ask(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", b"{}",
        authorization="Bearer s3cret-root", acting=acting,
    )  # fmt: skip
    info = answer.json["status"]["userInfo"]
    assert (info["uid"], info["extra"]) == ("u-9", {"scopes/x": ["one"], "b": ["2"]})


async def test_acting_as_nobody_has_nobodys_rights(door: Door) -> None:
    nobody = [(USER, b"system:anonymous")]
    answer = await door.ask("GET", CONFIGMAPS, authorization="Bearer s3cret-root", acting=nobody)
    assert answer.status == 403 and 'User "system:anonymous" cannot list' in answer.json["message"]


async def test_who_may_not_act_as_somebody_else(door: Door) -> None:
    answer = await door.ask("GET", "/healthz", acting=[(USER, b"eve")])
    assert answer.status == 403
    assert answer.json["message"] == (
        'users "eve" is forbidden: User "system:anonymous" cannot impersonate resource "users" in API group "" '
        "at the cluster scope"
    )
    for acting in ([(GROUP, b"a")], [(USER, b"")], [(USER, b"eve"), (b"impersonate-usr", b"x")]):
        answer = await door.ask("GET", CONFIGMAPS, authorization="Bearer s3cret-root", acting=acting)
        assert (answer.status, answer.reason) == (400, "BadRequest"), acting


async def test_reviews_with_bad_bodies(api: Api) -> None:
    for body, code in (
        (b"", 400), (b"[]", 400), ({"kind": "Pod"}, 400), ({"apiVersion": "v1"}, 400), ({"spec": []}, 400),
        ({"spec": {"resourceAttributes": 7}}, 400), ({"spec": {"resourceAttributes": {"verb": ["get"]}}}, 400),
        ({"spec": {"nonResourceAttributes": {"path": 1}}}, 400),
    ):  # fmt: skip
        assert (await api.ask("POST", SELF, body)).status == code, body
    assert (await api.ask("POST", SELF, {"spec": {}}, content_type="text/plain")).status == 415


async def test_no_secret_in_any_log(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    plain = "very-hidden-9f2c"
    hidden = base64.b64encode(plain.encode()).decode()
    secret = {"metadata": {"name": "s"}, "data": {"k": hidden}, "stringData": {"p": plain}}
    await api.ok("POST", SECRETS, secret)
    await api.ask("POST", SECRETS, secret)
    await api.ask("POST", SECRETS, {**secret, "metadata": {"name": "NO"}})
    await api.ask("POST", SECRETS, {**secret, "data": {"k": plain + "%"}})
    await api.ask("POST", f"{SECRETS}?fieldValidation=Strict", {**secret, plain: 1})
    await api.ask("PATCH", f"{SECRETS}/s", {"data": {"a b": hidden}}, content_type="application/merge-patch+json")
    await api.ask("PATCH", f"{SECRETS}/s", {"data": hidden}, content_type="application/merge-patch+json")
    await api.ask("PUT", f"{SECRETS}/s", secret)
    registry = api.cluster.server.catalog.of(resources.SECRETS)

    def broken(*_: object) -> bytes:
        raise RuntimeError("the disk is on fire")

    with monkeypatch.context() as patched:
        patched.setattr(registry.codec, "encode", broken, raising=False)
        answer = await api.ask("POST", SECRETS, {**secret, "metadata": {"name": "t"}})
    assert (answer.status, answer.reason) == (500, "InternalError"), "a bug is told, not shown"
    assert "fire" not in answer.raw.decode()
    assert "a request failed" in caplog.text and "the disk is on fire" in caplog.text
    await api.ok("DELETE", f"{SECRETS}/s")
    for word in (plain, hidden):
        assert word not in caplog.text
