"""Bootstrap tokens, and requests without credentials where those are not served."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minikube_py.apiserver.config import Config
from tests.apiserver.conftest import Api
from tests.apiserver.test_token_request import Nobody, good, who
from tests.fakes.cluster import cluster

SECRETS = "/api/v1/namespaces/kube-system/secrets"
MERGE = "application/merge-patch+json"
TOKEN = "abcdef.0123456789abcdef"


@pytest.fixture
async def boot() -> AsyncIterator[Api]:
    config = Config(storage_backend="memory", enable_bootstrap_token_auth=True, anonymous_auth=False)
    async with cluster(config) as made:
        yield Api(made)


def encoded(data: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}


async def secret(api: Api, **data: str) -> None:
    content = {
        "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
        **{name.replace("_", "-"): text for name, text in data.items()},
    }  # fmt: skip
    body = {
        "metadata": {"name": "bootstrap-token-abcdef"}, "type": "bootstrap.kubernetes.io/token",
        "data": encoded(content),
    }  # fmt: skip
    await api.ok("POST", SECRETS, body)


async def test_who_a_bootstrap_token_is(boot: Api) -> None:
    await secret(boot, auth_extra_groups="system:bootstrappers:kubeadm:default-node-token,system:bootstrappers:a")
    assert (await who(boot, TOKEN)).json["status"]["userInfo"] == {
        "username": "system:bootstrap:abcdef",
        "groups": [
            "system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:kubeadm:default-node-token",
            "system:authenticated",
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        {"token-secret": "0123456789abcdee"}, {"token-secret": ""}, {"token-id": "abcdeg"},
        {"usage-bootstrap-authentication": "false"}, {"usage-bootstrap-authentication": ""},
        {"expiration": "2029-12-31T23:59:59Z"}, {"expiration": "soon"},
        {"auth-extra-groups": "system:masters"}, {"auth-extra-groups": "system:bootstrappers:"},
        {"auth-extra-groups": "system:bootstrappers:a,system:nodes"},
    ],
)  # fmt: skip
async def test_what_makes_it_bad(boot: Api, data: dict[str, str]) -> None:
    await secret(boot)
    assert await good(boot, TOKEN)
    await boot.ok("PATCH", f"{SECRETS}/bootstrap-token-abcdef", {"data": encoded(data)}, content_type=MERGE)
    assert not await good(boot, TOKEN), "at once"


async def test_it_ends(boot: Api) -> None:
    await secret(boot, expiration="2030-01-01T00:01:00Z")
    assert await good(boot, TOKEN)
    await boot.cluster.advance(59)
    assert await good(boot, TOKEN)
    await boot.cluster.advance(1)
    assert not await good(boot, TOKEN)


async def test_other_tokens_and_other_secrets(boot: Api) -> None:
    for text in (TOKEN, "abcdef", "abcdef.0123456789ABCDEF", f"{TOKEN}0", "abcdef.", "../../.0123456789abcdef"):
        assert not await good(boot, text), text
    await secret(boot)
    await boot.ok("DELETE", f"{SECRETS}/bootstrap-token-abcdef")
    assert not await good(boot, TOKEN)
    plain = {"metadata": {"name": "bootstrap-token-abcdef"}, "data": encoded({
        "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
    })}  # fmt: skip
    await boot.ok("POST", SECRETS, plain)
    assert not await good(boot, TOKEN), "only Secrets of the type"


async def test_off_by_default(api: Api) -> None:
    await secret(api)
    assert not await good(api, TOKEN)


async def test_a_review_of_a_bootstrap_token(boot: Api) -> None:
    await secret(boot)

    async def review(*audiences: str) -> Any:
        spec = {"token": TOKEN, "audiences": list(audiences)}
        return (await boot.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": spec}))["status"]

    own = "https://kubernetes.default.svc.cluster.local"
    assert (await review(own, "x"))["audiences"] == [own], "it says nothing of audiences: good for the server's own"
    assert "authenticated" not in await review("x")


async def test_nobody_is_served(boot: Api) -> None:
    for path in ("/healthz", "/version", "/api/v1/pods", "/api"):
        answer = await boot.ask("GET", path, transport=Nobody(boot))
        assert (answer.status, answer.reason) == (401, "Unauthorized"), path
    basic = {"authorization": "Basic dTpw"}
    assert (await boot.ask("GET", "/healthz", headers=basic, transport=Nobody(boot))).status == 401
    assert (await boot.ask("GET", "/healthz")).status == 200


async def test_no_secret_is_said(boot: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await secret(boot, expiration="2029-12-31T23:59:59Z")
    answer = await who(boot, TOKEN)
    assert answer.status == 401 and "a bearer token was refused" in caplog.text
    assert "0123456789abcdef" not in caplog.text + answer.raw.decode()
