"""The API server's flags about who clients are, as they reach its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minikube_py.apiserver.config import Config
from minikube_py.cli.daemons import api_config
from minikube_py.cli.layout import Layout
from minikube_py.cli.parser import build_parser
from minikube_py.cli.prepare import with_own_certificates
from minikube_py.daemon.pki import ClusterPki

LOCAL = "https://kubernetes.default.svc.cluster.local"


def configured(*flags: str) -> Config:
    return api_config(build_parser().parse_args(["apiserver", *flags]), Layout(Path("/nowhere")))


def test_without_flags_the_configuration_is_the_default() -> None:
    found, default = configured(), Config()
    for name in (
        "anonymous_auth", "enable_bootstrap_token_auth", "api_audiences", "service_account_issuer",
        "service_account_key_file", "oidc_issuer_url", "oidc_signing_algs", "oidc_username_claim",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(default, name), name


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--anonymous-auth=false"], "anonymous_auth", False),
        (["--enable-bootstrap-token-auth"], "enable_bootstrap_token_auth", True),
        (["--service-account-issuer=https://a", "--service-account-issuer=https://b"], "service_account_issuer",
         ("https://a", "https://b")),
        (["--service-account-key-file=/a", "--service-account-key-file=/b"], "service_account_key_file", ("/a", "/b")),
        (["--service-account-signing-key-file=/k"], "service_account_signing_key_file", "/k"),
        (["--service-account-max-token-expiration=2h"], "service_account_max_token_expiration", 7200.0),
        (["--service-account-extend-token-expiration=false"], "service_account_extend_token_expiration", False),
        (["--service-account-jwks-uri=https://k"], "service_account_jwks_uri", "https://k"),
        (["--api-audiences=a,b"], "api_audiences", ("a", "b")),
        (["--oidc-issuer-url=https://i"], "oidc_issuer_url", "https://i"),
        (["--oidc-required-claim=a=b,c", "--oidc-required-claim=d=e"], "oidc_required_claim", ("a=b,c", "d=e")),
        (["--oidc-signing-algs=RS256,ES256"], "oidc_signing_algs", ("RS256", "ES256")),
        (["--oidc-groups-claim=g"], "oidc_groups_claim", "g"),
    ],
)  # fmt: skip
def test_flags(flags: list[str], name: str, value: Any) -> None:
    assert getattr(configured(*flags), name) == value


def test_the_cluster_s_own_key_signs_unless_another_is_named() -> None:
    made = ClusterPki(Path("/pki"))
    own = with_own_certificates(configured(), made)
    assert (own.service_account_signing_key_file, own.service_account_key_file) == ("/pki/sa.key", ("/pki/sa.pub",))
    named = configured("--service-account-signing-key-file=/k", "--service-account-key-file=/p")
    other = with_own_certificates(named, made)
    assert (other.service_account_signing_key_file, other.service_account_key_file) == ("/k", ("/p",))
    assert own.service_account_issuer == (LOCAL,)
