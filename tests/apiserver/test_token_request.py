"""ServiceAccount tokens, issued and verified: TokenRequest, TokenReview, what ends a token, the issuer's documents."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from minikube_py.apiserver.auth import service_account
from minikube_py.apiserver.config import Config
from minikube_py.client.transport import AppTransport
from minikube_py.daemon import jwt
from tests.apiserver.conftest import PODS, Answer, Api, pod
from tests.fakes.cluster import cluster, signing_key

ISSUER = "https://kubernetes.default.svc.cluster.local"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
SECRETS = "/api/v1/namespaces/default/secrets"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
EXTRA = "authentication.kubernetes.io/"


class Nobody(AppTransport):
    """Requests as the wire brings them: no client certificate."""

    def __init__(self, api: Api) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await api.cluster.server.app({**scope, "state": {}}, receive, send)

        super().__init__(app, user="", groups=())


async def who(api: Api, token: str) -> Answer:
    return await api.ask("POST", WHO, {}, headers={"authorization": f"Bearer {token}"}, transport=Nobody(api))


async def good(api: Api, token: str) -> bool:
    answer = await who(api, token)
    assert answer.status in (201, 401), answer
    return answer.status == 201


async def asked(api: Api, account: str = "robot", metadata: Any = None, **spec: Any) -> Answer:
    body = {"spec": spec} if metadata is None else {"metadata": metadata, "spec": spec}
    return await api.ask("POST", f"{ACCOUNTS}/{account}/token", body)


async def token(api: Api, account: str = "robot", **spec: Any) -> str:
    answer = await asked(api, account, **spec)
    assert answer.status == 201, answer
    return str(answer.json["status"]["token"])


def claims(text: str) -> Any:
    return jwt.parse(text).claims


@pytest.fixture
async def robot(api: Api) -> Api:
    await api.cluster.add_account("robot")
    return api


@pytest.fixture
async def capped() -> AsyncIterator[Api]:
    config = Config(storage_backend="memory", service_account_max_token_expiration=7200.0, api_audiences=("a", "b"))
    async with cluster(config) as made:
        await made.add_account("robot")
        yield Api(made)


async def test_a_token_is_issued(robot: Api) -> None:
    account = await robot.ok("GET", f"{ACCOUNTS}/robot")
    answer = await asked(robot)
    assert answer.status == 201
    assert answer.headers["cache-control"] == "no-cache, private"
    made = answer.json
    assert (made["kind"], made["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    assert made["metadata"] == {
        "name": "robot", "namespace": "default", "creationTimestamp": "2030-01-01T00:00:00Z",
    }  # fmt: skip
    assert made["spec"] == {"audiences": [ISSUER], "expirationSeconds": 3600, "boundObjectRef": None}
    assert made["status"]["expirationTimestamp"] == "2030-01-01T01:00:00Z"
    now = int(robot.clock.time())
    found = dict(claims(made["status"]["token"]))
    assert len(found.pop("jti")) == 36
    assert found == {
        "aud": [ISSUER], "exp": now + 3600, "iat": now, "nbf": now, "iss": ISSUER,
        "sub": "system:serviceaccount:default:robot",
        "kubernetes.io": {
            "namespace": "default", "serviceaccount": {"name": "robot", "uid": account["metadata"]["uid"]},
        },
    }  # fmt: skip
    assert jwt.load_signing_key(signing_key()).public.verifies(jwt.parse(made["status"]["token"]))


async def test_who_the_token_is(robot: Api) -> None:
    account = await robot.ok("GET", f"{ACCOUNTS}/robot")
    text = await token(robot)
    answer = await who(robot, text)
    assert answer.json["status"]["userInfo"] == {
        "username": "system:serviceaccount:default:robot", "uid": account["metadata"]["uid"],
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        "extra": {f"{EXTRA}credential-id": [f"JTI={claims(text)['jti']}"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(599, "less than 10 minutes"), (2**32 + 1, "larger than 2^32 seconds"), (-1, "less than"), (0, "less than")],
)
async def test_how_long_a_token_may_live(robot: Api, seconds: int, words: str) -> None:
    answer = await asked(robot, expirationSeconds=seconds)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.json["details"]["causes"][0]["field"] == "spec.expirationSeconds"
    assert (
        words in answer.json["message"] and 'TokenRequest.authentication.k8s.io "" is invalid' in answer.json["message"]
    )
    for fine in (600, 2**32):
        assert (await asked(robot, expirationSeconds=fine)).status == 201


async def test_a_token_ends(robot: Api) -> None:
    text = await token(robot, expirationSeconds=600)
    assert await good(robot, text)
    await robot.cluster.advance(599)
    assert await good(robot, text)
    await robot.cluster.advance(1)
    assert not await good(robot, text), "an answer from memory ends with the token"
    assert not await good(robot, text)


async def test_a_token_of_the_future_is_not_good_yet(robot: Api) -> None:
    key = jwt.load_signing_key(signing_key())
    found = dict(claims(await token(robot)))
    assert await good(robot, key.sign(found))
    assert not await good(robot, key.sign({**found, "nbf": found["nbf"] + 1}))
    for name in ("exp", "iss", "aud", "sub", "kubernetes.io"):
        assert await good(robot, key.sign({k: v for k, v in found.items() if k != name})) is (name == "aud"), name
    for wrong in (
        {"exp": "soon"}, {"nbf": True}, {"aud": ["other"]}, {"aud": "other"},
        {"sub": "system:serviceaccount:default:x"},
        {"iss": "https://elsewhere"}, {"kubernetes.io": {"namespace": "default"}}, {"kubernetes.io": []},
    ):  # fmt: skip
        assert not await good(robot, key.sign({**found, **wrong})), wrong


async def test_only_the_cluster_s_own_key_counts(robot: Api) -> None:
    text = await token(robot)
    other = jwt.SigningKey(rsa.generate_private_key(65537, 2048))
    assert not await good(robot, other.sign(claims(text)))
    head, body, _ = text.split(".")
    none = jwt.pack(orjson.dumps({"alg": "none"}))
    for forged in (
        f"{none}.{body}.",
        f"{none}.{body}.AA",
        f"{head}.{body}.AA",
        f"{head}.{body}",
        text + "A",
        text[:-4],
    ):
        assert not await good(robot, forged)


async def test_audiences(robot: Api) -> None:
    vault = await token(robot, audiences=["vault"])
    assert claims(vault)["aud"] == ["vault"]
    assert not await good(robot, vault), "a token for others is none for the API server"
    both = await token(robot, audiences=["vault", ISSUER])
    assert await good(robot, both)

    async def review(text: str, *audiences: str) -> Any:
        spec = {"token": text, **({"audiences": list(audiences)} if audiences else {})}
        return (await robot.ok("POST", REVIEWS, {"spec": spec}))["status"]

    status = await review(vault, "vault", "bank")
    assert status["authenticated"] is True and status["audiences"] == ["vault"]
    assert status["user"]["username"] == "system:serviceaccount:default:robot"
    assert (await review(both))["audiences"] == [ISSUER]
    for text, wanted in ((vault, ()), (vault, ("bank",)), ("nonsense", ()), ("a.b.c", ("vault",)), ("\u00e4", ())):
        status = await review(text, *wanted)
        assert "authenticated" not in status and status["error"] and status["user"] == {}, (text, wanted)
    answer = await robot.ask("POST", REVIEWS, {"spec": {"audiences": ["x"]}})
    assert (answer.status, answer.json["message"]) == (400, "token is required for TokenReview in authentication")


async def test_the_cap_and_other_audiences(capped: Api) -> None:
    answer = await asked(capped, expirationSeconds=7201)
    assert answer.json["spec"] == {"audiences": ["a", "b"], "expirationSeconds": 7200, "boundObjectRef": None}
    assert answer.headers["warning"] == '299 - "requested expiration of 7201 seconds shortened to 7200 seconds"'
    assert await good(capped, answer.json["status"]["token"])
    assert await good(capped, await token(capped, audiences=["b"]))
    assert not await good(capped, await token(capped, audiences=[ISSUER]))


async def bound(api: Api, kind: str, name: str, account: str = "robot", **more: Any) -> Answer:
    return await asked(api, account, boundObjectRef={"kind": kind, "apiVersion": "v1", "name": name, **more})


async def test_a_token_bound_to_a_pod(robot: Api) -> None:
    await robot.cluster.add_node("n1")
    node = (await robot.ok("GET", "/api/v1/nodes/n1"))["metadata"]["uid"]
    made = await robot.ok("POST", PODS, pod("p", serviceAccountName="robot", nodeName="n1"))
    uid = made["metadata"]["uid"]
    text = (await bound(robot, "Pod", "p", uid=uid)).json["status"]["token"]
    private = claims(text)["kubernetes.io"]
    assert private["pod"] == {"name": "p", "uid": uid} and private["node"] == {"name": "n1", "uid": node}
    extra = (await who(robot, text)).json["status"]["userInfo"]["extra"]
    assert {k.removeprefix(EXTRA): v for k, v in extra.items() if "credential" not in k} == {
        "pod-name": ["p"], "pod-uid": [uid], "node-name": ["n1"], "node-uid": [node],
    }  # fmt: skip
    await robot.ok("DELETE", "/api/v1/nodes/n1")
    assert await good(robot, text), "the Pod counts, not its Node"
    await robot.ok(
        "PATCH", f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}}, content_type="application/merge-patch+json"
    )
    assert await good(robot, text), "another state of the same Pod"
    await robot.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    assert not await good(robot, text), "gone at once, whatever was remembered"
    await robot.ok("POST", PODS, pod("p", serviceAccountName="robot"))
    assert not await good(robot, text), "one of the same name is another"


async def test_a_pod_that_goes_keeps_its_token_for_a_minute(robot: Api) -> None:
    await robot.cluster.add_node("n1")
    await robot.ok("POST", PODS, pod("p", serviceAccountName="robot", nodeName="n1"))
    text = (await bound(robot, "Pod", "p")).json["status"]["token"]
    await robot.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=10")
    await robot.cluster.advance(70)
    assert await good(robot, text)
    await robot.cluster.advance(1)
    assert not await good(robot, text)


async def test_bound_to_a_secret_or_a_node(robot: Api) -> None:
    await robot.ok("POST", SECRETS, {"metadata": {"name": "s"}})
    secret = (await bound(robot, "Secret", "s")).json["status"]["token"]
    await robot.cluster.add_node("n1")
    node = (await bound(robot, "Node", "n1")).json["status"]["token"]
    assert await good(robot, secret) and await good(robot, node)
    info = (await who(robot, node)).json["status"]["userInfo"]
    assert info["extra"][f"{EXTRA}node-name"] == ["n1"]
    await robot.ok("DELETE", f"{SECRETS}/s")
    assert not await good(robot, secret) and await good(robot, node)
    await robot.ok("DELETE", "/api/v1/nodes/n1")
    await robot.cluster.add_node("n1")
    assert not await good(robot, node)


async def test_what_a_token_cannot_be_bound_to(robot: Api) -> None:
    await robot.ok("POST", PODS, pod("p"))
    answer = await bound(robot, "Pod", "p")
    assert answer.status == 400 and "different serviceaccount name" in answer.json["message"]
    assert (await bound(robot, "Pod", "p", "default", uid="other")).status == 409
    assert (await bound(robot, "Pod", "none")).status == 404
    answer = await bound(robot, "ConfigMap", "p")
    assert answer.status == 400 and answer.json["message"] == "cannot bind token to object of type /v1, Kind=ConfigMap"
    assert (await asked(robot, boundObjectRef={"kind": "Pod", "apiVersion": "apps/v1", "name": "p"})).status == 400


async def test_bad_requests(robot: Api) -> None:
    assert (await asked(robot, "nobody")).status == 404
    assert (await asked(robot, metadata={"name": "other"})).status == 400
    assert (await asked(robot, metadata={"namespace": "other"})).status == 400
    assert (await asked(robot, expirationSeconds="long")).status == 400
    assert (await robot.ask("POST", f"{ACCOUNTS}/robot/token", {"kind": "Pod"})).status == 400
    assert (await robot.ask("GET", f"{ACCOUNTS}/robot/token")).status == 405
    assert (await robot.ask("PUT", f"{ACCOUNTS}/robot/token", {})).status == 405


async def test_the_account_s_end_is_the_token_s(robot: Api) -> None:
    text = await token(robot)
    assert await good(robot, text)
    await robot.ok("DELETE", f"{ACCOUNTS}/robot")
    assert not await good(robot, text)
    await robot.cluster.add_account("robot")
    assert not await good(robot, text), "an account of the same name is another"


async def test_the_token_of_a_pod_lives_on_for_clients_that_never_read_it_again(robot: Api) -> None:
    await robot.ok("POST", PODS, pod("p", serviceAccountName="robot"))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    answer = (await asked(robot, boundObjectRef=reference, expirationSeconds=3607)).json
    assert answer["status"]["expirationTimestamp"] == "2030-01-01T01:00:07Z"
    found, now = claims(answer["status"]["token"]), int(robot.clock.time())
    assert (found["exp"], found["kubernetes.io"]["warnafter"]) == (now + 365 * 24 * 3600, now + 3607)
    vault = claims(await token(robot, boundObjectRef=reference, expirationSeconds=3607, audiences=["vault"]))
    assert vault["exp"] == now + 3607 and "warnafter" not in vault["kubernetes.io"]
    assert claims(await token(robot, expirationSeconds=3607))["exp"] == now + 3607


async def test_known_tokens_cost_no_second_verification(robot: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [await token(robot) for _ in range(2)]
    calls: list[str] = []
    real = service_account.parse

    def counted(text: str) -> jwt.Parsed:
        calls.append(text)
        return real(text)

    monkeypatch.setattr(service_account, "parse", counted)
    for _ in range(3):
        for text in texts:
            assert await good(robot, text)
    assert calls == texts


async def legacy(api: Api, name: str = "old") -> str:
    account = await api.ok("GET", f"{ACCOUNTS}/robot")
    text = jwt.load_signing_key(signing_key()).sign({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:robot",
        "kubernetes.io/serviceaccount/namespace": "default", "kubernetes.io/serviceaccount/secret.name": name,
        "kubernetes.io/serviceaccount/service-account.name": "robot",
        "kubernetes.io/serviceaccount/service-account.uid": account["metadata"]["uid"],
    })  # fmt: skip
    secret = {
        "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "type": "kubernetes.io/service-account-token", "data": {"token": base64.b64encode(text.encode()).decode()},
    }  # fmt: skip
    await api.ok("POST", SECRETS, secret)
    return text


async def test_tokens_of_secrets(robot: Api) -> None:
    text = await legacy(robot)
    info = (await who(robot, text)).json["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:default:robot" and "extra" not in info
    other = await legacy(robot, "other")
    await robot.ok(
        "PATCH", f"{SECRETS}/other", {"data": {"token": "eA=="}}, content_type="application/merge-patch+json"
    )
    assert not await good(robot, other), "not what the Secret holds"
    await robot.ok("DELETE", f"{SECRETS}/old")
    assert not await good(robot, text)
    text = await legacy(robot)
    mark = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2030-01-01"}}}
    assert await good(robot, text)
    await robot.ok("PATCH", f"{SECRETS}/old", mark, content_type="application/merge-patch+json")
    assert not await good(robot, text)


async def test_the_issuer_s_documents(robot: Api) -> None:
    document = await robot.ok("GET", "/.well-known/openid-configuration")
    assert document == {
        "issuer": ISSUER, "jwks_uri": "https://127.0.0.1:6443/openid/v1/jwks", "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"], "id_token_signing_alg_values_supported": ["ES256"],
    }  # fmt: skip
    answer = await robot.ask("GET", "/openid/v1/jwks")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    parsed = jwt.parse(await token(robot))
    keys = {key["kid"]: key for key in answer.json["keys"]}
    assert jwt.from_jwk(keys[parsed.header["kid"]]).verifies(parsed)
    assert "d" not in answer.json["keys"][0], "the private number stays"
    assert (await robot.ask("GET", "/openid/v1/jwks", transport=Nobody(robot))).status == 403


async def test_keys_may_be_replaced(tmp_path: Path, robot: Api) -> None:
    """Tokens of the old key are good while it is given for verifying; the new key may be of another sort."""
    old = await token(robot)
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (tmp_path / "new.key").write_bytes(pem)
    config = Config(
        storage_backend="memory", service_account_signing_key_file=str(tmp_path / "new.key"),
        service_account_key_file=(signing_key(),), service_account_issuer=("https://new", ISSUER),
    )  # fmt: skip
    async with cluster(config) as made:
        await made.add_account("robot")
        api = Api(made)
        text = await token(api)
        assert jwt.parse(text).header["alg"] == "RS256" and claims(text)["iss"] == "https://new"
        assert await good(api, text)
        account = await api.ok("GET", f"{ACCOUNTS}/robot")
        private = {"namespace": "default", "serviceaccount": {"name": "robot", "uid": account["metadata"]["uid"]}}
        elder = jwt.load_signing_key(signing_key()).sign({**claims(old), "aud": [ISSUER], "kubernetes.io": private})
        assert await good(api, elder)
        algorithms = (await api.ok("GET", "/.well-known/openid-configuration"))["id_token_signing_alg_values_supported"]
        assert algorithms == ["ES256", "RS256"]


async def test_no_token_in_any_log_or_refusal(robot: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = await token(robot)
    seen = [await who(robot, text)]
    await robot.ok("DELETE", f"{ACCOUNTS}/robot")
    seen += [await who(robot, text), await who(robot, text + "x"), await who(robot, "s3cret-word")]
    seen.append(await robot.ask("POST", REVIEWS, {"spec": {"token": text}, "status": 7}))
    assert [a.status for a in seen[1:]] == [401, 401, 401, 400]
    assert "a bearer token was refused" in caplog.text
    for said in (caplog.text, *(a.raw.decode() for a in seen)):
        for part in (*text.split("."), "s3cret-word"):
            assert part not in said


async def test_without_a_key_there_are_no_tokens() -> None:
    from minikube_py.apiserver.main import start
    from minikube_py.daemon.clock import VirtualClock
    from minikube_py.daemon.run import named_group
    from minikube_py.store.memory import MemoryStore

    clock = VirtualClock()
    config = Config(storage_backend="memory")
    async with named_group() as tasks, start(config, clock, tasks, MemoryStore(clock)) as server:
        line = AppTransport(server.app, user="admin", groups=("system:masters",))
        answer = await line.request("POST", f"{ACCOUNTS}/default/token", body=b"{}")
        assert answer.status == 404
        assert (await line.request("GET", "/openid/v1/jwks")).status == 404
