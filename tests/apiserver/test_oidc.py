"""OpenID Connect: users of another issuer, which here is a small one of the test's own, on loopback with TLS."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from minikube_py.apiserver.auth.oidc import OIDCTokens
from minikube_py.apiserver.config import Config
from minikube_py.daemon import certs, jwt
from minikube_py.daemon.clock import VirtualClock
from tests.apiserver.conftest import Api
from tests.apiserver.test_token_request import good, who
from tests.etcd import free_port
from tests.fakes.cluster import cluster

FIRST = jwt.SigningKey(rsa.generate_private_key(65537, 2048))
SECOND = jwt.SigningKey(rsa.generate_private_key(65537, 2048))
CURVE = jwt.SigningKey(ec.generate_private_key(ec.SECP256R1()))


class Issuer:
    """Serves discovery and keys; counts how often it is asked for keys."""

    def __init__(self, port: int, ca_file: str, clock_time: float) -> None:
        self.url = f"https://localhost:{port}/realm"
        self.port = port
        self.ca_file = ca_file
        self.keys = [FIRST.public.jwk(), {"kty": "OKP", "kid": "strange"}]
        self.document: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"https://localhost:{port}/keys"}
        self.asked = 0
        self.now = int(clock_time)
        self.down = False

    async def discovery(self, request: web.Request) -> web.Response:
        return web.json_response(self.document, status=500 if self.down else 200)

    async def jwks(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"keys": self.keys})

    def token(self, key: jwt.SigningKey = FIRST, **changes: Any) -> str:
        """An ID token; a claim that is None is left out."""
        claims = {
            "iss": self.url, "aud": "cli", "sub": "u-1", "exp": self.now + 3600, "iat": self.now,
            "email": "ann@example.com", "groups": ["dev", "ops"], "jti": "id-1", **changes,
        }  # fmt: skip
        return key.sign({name: value for name, value in claims.items() if value is not None})

    def config(self, **more: Any) -> Config:
        return Config(
            storage_backend="memory", oidc_issuer_url=self.url, oidc_client_id="cli", oidc_ca_file=self.ca_file, **more
        )


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    ca = certs.new_ca("the issuer's")
    pair = certs.issue(ca, "localhost", sans=certs.Sans.of(["localhost"], ["127.0.0.1"]), server=True)
    (tmp_path / "ca.crt").write_bytes(ca.cert_pem)
    (tmp_path / "tls.pem").write_bytes(pair.cert_pem + pair.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.pem")
    made = Issuer(free_port(), str(tmp_path / "ca.crt"), VirtualClock().time())
    app = web.Application()
    app.router.add_get("/realm/.well-known/openid-configuration", made.discovery)
    app.router.add_get("/keys", made.jwks)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", made.port, ssl_context=tls).start()
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def server(config: Config) -> AsyncIterator[Api]:
    async with cluster(config) as made:
        yield Api(made)


async def info(api: Api, token: str) -> Any:
    answer = await who(api, token)
    assert answer.status == 201, answer
    return answer.json["status"]["userInfo"]


async def test_who_it_is(issuer: Issuer) -> None:
    async with server(issuer.config()) as api:
        assert await info(api, issuer.token()) == {
            "username": f"{issuer.url}#u-1", "groups": ["system:authenticated"],
            "extra": {"authentication.kubernetes.io/credential-id": ["JTI=id-1"]},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"oidc_username_claim": "email"}, "ann@example.com"),
        ({"oidc_username_claim": "email", "oidc_username_prefix": "corp:"}, "corp:ann@example.com"),
        ({"oidc_username_prefix": "-"}, "u-1"),
        ({"oidc_username_prefix": "corp:"}, "corp:u-1"),
    ],
)
async def test_names_and_groups(issuer: Issuer, flags: dict[str, str], name: str) -> None:
    more: dict[str, Any] = {**flags, "oidc_groups_claim": "groups", "oidc_groups_prefix": "corp:"}
    async with server(issuer.config(**more)) as api:
        found = await info(api, issuer.token())
        assert (found["username"], found["groups"]) == (name, ["corp:dev", "corp:ops", "system:authenticated"])
        assert (await info(api, issuer.token(groups="dev")))["groups"] == ["corp:dev", "system:authenticated"]
        for none in (None, []):
            assert (await info(api, issuer.token(groups=none)))["groups"] == ["system:authenticated"]
        for wrong in (7, {"a": 1}, ["a", 1]):
            assert not await good(api, issuer.token(groups=wrong)), wrong


async def test_what_is_refused(issuer: Issuer) -> None:
    required = ("tenant=one", "level=2")
    async with server(issuer.config(oidc_required_claim=required, oidc_username_claim="email")) as api:
        fine = {"tenant": "one", "level": "2"}
        assert await good(api, issuer.token(**fine))
        now = issuer.now
        for wrong in (
            {"aud": "other"}, {"aud": ["a", "b"]}, {"aud": None}, {"iss": f"{issuer.url}/"}, {"exp": now},
            {"exp": None}, {"exp": "never"}, {"nbf": now + 301}, {"email": None}, {"email": 7}, {"email": ""},
            {"email_verified": False}, {"email_verified": "true"}, {"tenant": "two"}, {"tenant": None}, {"level": 2},
        ):  # fmt: skip
            assert not await good(api, issuer.token(**{**fine, **wrong})), wrong
        for right in ({"aud": ["x", "cli"]}, {"nbf": now + 300}, {"email_verified": True}, {"exp": now + 1}):
            assert await good(api, issuer.token(**{**fine, **right})), right
        assert not await good(api, issuer.token(SECOND, **fine)), "a key that the issuer does not have"
        head, body, tail = issuer.token(**fine).split(".")
        none = jwt.pack(b'{"alg":"none"}')
        for forged in (f"{none}.{body}.AA", f"{head}.{body}.AA", f"{head}.{jwt.pack(b'{}')}.{tail}"):
            assert not await good(api, forged)


async def test_algorithms(issuer: Issuer) -> None:
    issuer.keys.append(CURVE.public.jwk())
    async with server(issuer.config()) as api:
        assert not await good(api, issuer.token(CURVE)), "RS256 alone by default"
    async with server(issuer.config(oidc_signing_algs=("RS256", "ES256"))) as api:
        assert await good(api, issuer.token(CURVE)) and await good(api, issuer.token())


async def test_new_keys_are_found_and_the_issuer_is_not_asked_all_the_time(issuer: Issuer) -> None:
    async with server(issuer.config()) as api:
        assert issuer.asked == 0, "nobody is asked before there is a token"
        for number in range(3):
            assert await good(api, issuer.token(jti=str(number)))
        assert issuer.asked == 1
        issuer.keys = [SECOND.public.jwk()]
        await api.cluster.advance(10)
        assert await good(api, issuer.token(SECOND))
        assert issuer.asked == 2
        for number in range(5):
            assert not await good(api, issuer.token(FIRST, jti=f"again-{number}"))
        assert issuer.asked == 2, "tokens of unknown keys must not make us ask again and again"
        await api.cluster.advance(10)
        assert not await good(api, issuer.token(FIRST)) and issuer.asked == 3


async def test_an_issuer_that_is_away(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    async with server(issuer.config()) as api:
        issuer.down = True
        assert not await good(api, issuer.token())
        assert "the OIDC issuer's keys could not be had" in caplog.text
        issuer.down = False
        assert not await good(api, issuer.token()), "not asked again at once"
        await api.cluster.advance(10)
        assert await good(api, issuer.token())
        issuer.down = True
        await api.cluster.advance(20)
        assert not await good(api, issuer.token(SECOND))
        assert await good(api, issuer.token()), "the known keys stay"


@pytest.mark.parametrize(
    "change",
    [{"issuer": "https://elsewhere"}, {"issuer": None}, {"jwks_uri": "http://localhost/keys"}, {"jwks_uri": None}],
)
async def test_documents_that_are_not_believed(issuer: Issuer, change: dict[str, Any]) -> None:
    issuer.document |= change
    async with server(issuer.config()) as api:
        assert not await good(api, issuer.token())
        assert issuer.asked == 0


async def test_an_issuer_whose_certificate_is_not_known(issuer: Issuer, tmp_path: Path) -> None:
    (tmp_path / "other.crt").write_bytes(certs.new_ca("another").cert_pem)
    issuer.ca_file = str(tmp_path / "other.crt")
    async with server(issuer.config()) as api:
        assert not await good(api, issuer.token())


async def test_the_answer_is_remembered_for_a_moment(issuer: Issuer) -> None:
    async with server(issuer.config()) as api:
        token = issuer.token(exp=issuer.now + 5)
        assert await good(api, token)
        await api.cluster.advance(5)
        assert not await good(api, token), "never longer than the token is good"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"oidc_issuer_url": "http://issuer"}, "must be an https URL"),
        ({"oidc_issuer_url": "https://issuer?a=b"}, "must be an https URL"),
        ({"oidc_client_id": ""}, "--oidc-client-id must be set"),
        ({"oidc_signing_algs": ("HS256",)}, "HS256 is none of"),
        ({"oidc_signing_algs": ("none",)}, "none is none of"),
        ({"oidc_required_claim": ("a",)}, "must be CLAIM=VALUE"),
    ],
)
def test_configurations_that_cannot_work(more: dict[str, Any], words: str) -> None:
    base: dict[str, Any] = {"oidc_issuer_url": "https://issuer", "oidc_client_id": "cli"}
    with pytest.raises(ValueError, match=words):
        OIDCTokens(Config(**{**base, **more}), VirtualClock())


async def test_no_token_in_any_log(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with server(issuer.config()) as api:
        tokens = [issuer.token(), issuer.token(aud="x"), issuer.token(SECOND), issuer.token(exp=1)]
        answers = [await who(api, token) for token in tokens]
    assert [a.status for a in answers] == [201, 401, 401, 401]
    for token in tokens:
        for part in token.split(".")[1:]:
            assert part not in caplog.text
            assert all(part not in a.raw.decode() for a in answers)
