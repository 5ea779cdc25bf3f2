"""Kubeconfig files: what is read, what is refused and how clearly, and what is written."""

from __future__ import annotations

import base64
import os
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from minikube_py.client import kubeconfig
from minikube_py.client.kubeconfig import KubeConfigError
from minikube_py.daemon import pki
from tests.fakes import wire
from tests.fakes.apiserver import FakeApiServer


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def config(cluster: dict[str, Any], user: dict[str, Any], **context: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "other", "cluster": {"server": "http://other"}}, {"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", **context}},
            {"name": "plain", "context": {"cluster": "other", "user": ""}},
        ],
        "current-context": "x",
    }


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def write(data: Any) -> Path:
        path = tmp_path / "config"
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
        return path

    return write


def test_inline_data_and_context(save: Any) -> None:
    ca, pair = wire.certificates()
    cluster = {"server": "https://h:6443/", "certificate-authority-data": b64(ca.cert_pem), "tls-server-name": "k"}
    user = {"client-certificate-data": b64(pair.cert_pem), "client-key-data": b64(pair.key_pem)}
    found = kubeconfig.load(save(config(cluster, user, namespace="ns")))
    assert (found.context, found.server, found.namespace, found.server_name) == ("x", "https://h:6443", "ns", "k")
    assert (found.ca_pem, found.cert_pem, found.key_pem) == (ca.cert_pem, pair.cert_pem, pair.key_pem)
    context = found.ssl_context()
    assert context is not None and context.verify_mode == ssl.CERT_REQUIRED and len(context.get_ca_certs()) == 1
    assert "PRIVATE" not in repr(found)


def test_files_are_relative_to_the_config(save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, pair = wire.certificates()
    (tmp_path / "pki").mkdir()
    for name, data in (("ca.crt", ca.cert_pem), ("u.crt", pair.cert_pem), ("u.key", pair.key_pem)):
        (tmp_path / "pki" / name).write_bytes(data)
    monkeypatch.chdir("/")
    cluster = {"server": "https://h", "certificate-authority": "pki/ca.crt"}
    user = {"client-certificate": str(tmp_path / "pki/u.crt"), "client-key": "pki/u.key"}
    found = kubeconfig.load(save(config(cluster, user)))
    assert (found.ca_pem, found.key_pem, found.namespace) == (ca.cert_pem, pair.key_pem, "default")
    assert found.ssl_context() is not None


def test_another_context_and_plain_http(save: Any) -> None:
    found = kubeconfig.load(save(config({"server": "https://h"}, {"token": "t"})), context="plain")
    assert (found.server, found.token, found.ssl_context()) == ("http://other", "", None)


def test_no_verification_is_possible_but_said(save: Any) -> None:
    found = kubeconfig.load(save(config({"server": "https://h", "insecure-skip-tls-verify": True}, {"token": "t"})))
    context = found.ssl_context()
    assert context is not None and context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("cluster", "user", "text"),
    [
        ({}, {}, "the server '' of context 'x' is not an http"),
        ({"server": "h:6443"}, {}, "is not an http"),
        ({"server": "https://h", "proxy-url": "http://p"}, {}, "proxy-url of the cluster in context 'x' is not supp"),
        ({"server": "https://h"}, {"exec": {"command": "x"}}, "exec of the user in context 'x' is not supported"),
        ({"server": "https://h"}, {"username": "a", "password": "b"}, "username of the user"),
        ({"server": "https://h"}, {"as": "root"}, "as of the user"),
        ({"server": "https://h"}, {"auth-provider": {"name": "x"}}, "auth-provider of the user"),
        ({"server": "https://h"}, {"client-certificate-data": b64(b"x")}, "has no client-key"),
        ({"server": "https://h"}, {"client-key-data": b64(b"x")}, "has no client-certificate"),
        ({"server": "https://h"}, {"client-certificate": "nowhere.crt"}, "nowhere.crt: No such file"),
        ({"server": "https://h", "certificate-authority-data": "?"}, {}, "certificate-authority-data is not base64"),
        ({"server": "https://h", "certificate-authority-data": b64(b"x"), "insecure-skip-tls-verify": True}, {},
         "exclude each other"),
        ({"server": 5}, {}, "server of the cluster of context 'x' is not text"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_unsupported_is_said(save: Any, cluster: Any, user: Any, text: str) -> None:
    with pytest.raises(KubeConfigError, match=text.replace("(", r"\(")):
        kubeconfig.load(save(config(cluster, user)))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("a: [", "not YAML at line"),
        ("- 1", "not a kubeconfig"),
        ("kind: Pod", "not a kubeconfig"),
        ("{}", "no current-context"),
        ({"current-context": "x"}, "there is no context 'x'"),
        ({"current-context": "x", "contexts": {"x": 1}}, "contexts is malformed"),
        ({"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c"}}]}, "there is no cluster 'c'"),
    ],
)
def test_broken_files_are_said_to_be(save: Any, data: Any, text: str) -> None:
    with pytest.raises(KubeConfigError, match=text):
        kubeconfig.load(save(data))


def test_a_missing_file_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match="nope: No such file"):
        kubeconfig.load(tmp_path / "nope")


def test_certificates_that_openssl_cannot_read(save: Any) -> None:
    found = kubeconfig.load(save(config({"server": "https://h", "certificate-authority-data": b64(b"x")}, {})))
    with pytest.raises(KubeConfigError, match="the certificates of context 'x'"):
        found.ssl_context()


def test_what_is_written_is_read_back_and_belongs_to_its_owner(tmp_path: Path) -> None:
    ca, pair = wire.certificates()
    path = tmp_path / "deep" / "admin.conf"
    for namespace in ("", "ns"):
        kubeconfig.write(
            path, server="https://127.0.0.1:6443", ca_pem=ca.cert_pem, cert_pem=pair.cert_pem, key_pem=pair.key_pem,
            user="kubernetes-admin", cluster="minikube-py", namespace=namespace,
        )  # fmt: skip
        found = kubeconfig.load(path)
        assert found.context == "kubernetes-admin@minikube-py" and found.namespace == (namespace or "default")
        assert (found.ca_pem, found.cert_pem, found.key_pem) == (ca.cert_pem, pair.cert_pem, pair.key_pem)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["admin.conf"], "no temporary files stay behind"


def test_written_with_a_token_and_a_ca_file(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"pem")
    kubeconfig.write(tmp_path / "k", server="https://h", ca_file="ca.crt", token="t", user="u", cluster="c")
    found = kubeconfig.load(tmp_path / "k")
    assert (found.token, found.ca_pem) == ("t", b"pem")


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"token": "t", "cert_pem": b"c", "key_pem": b"k"},
        {"cert_pem": b"c"},
        {"token": "t", "ca_pem": b"a", "ca_file": "f"},
    ],
)
def test_writing_half_a_credential_is_refused(tmp_path: Path, credentials: Any) -> None:
    with pytest.raises(ValueError):
        kubeconfig.write(tmp_path / "k", server="https://h", user="u", cluster="c", **credentials)
    assert os.listdir(tmp_path) == []


async def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    server = FakeApiServer()
    ca, _ = wire.certificates()
    async with wire.serve(server, tmp_path) as (url, _context):
        (tmp_path / "token").write_text("one\n")
        data = config({"server": url, "certificate-authority-data": b64(ca.cert_pem)}, {"tokenFile": "token"})
        (tmp_path / "k").write_text(yaml.safe_dump(data))
        transport = kubeconfig.load(tmp_path / "k").transport()
        await transport.request("GET", "/version")
        (tmp_path / "next").write_text("two")
        os.replace(tmp_path / "next", tmp_path / "token")
        await transport.request("GET", "/version")
        os.unlink(tmp_path / "token")
        await transport.request("GET", "/version")
        assert [h["authorization"] for h in server.headers] == ["Bearer one", "Bearer two", "Bearer two"]
        await transport.close()


async def test_a_client_certificate_is_shown_to_the_server(tmp_path: Path) -> None:
    ca, _ = wire.certificates()
    client = pki.issue(ca, "someone", ["group"], client=True)
    (tmp_path / "ca.crt").write_bytes(ca.cert_pem)
    server = FakeApiServer()
    options: Any = {"ssl_ca_certs": str(tmp_path / "ca.crt"), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    async with wire.serve(server, tmp_path, **options) as (url, _context):
        kubeconfig.write(
            tmp_path / "k", server=url, ca_pem=ca.cert_pem, cert_pem=client.cert_pem, key_pem=client.key_pem,
            user="u", cluster="c",
        )  # fmt: skip
        transport = kubeconfig.load(tmp_path / "k").transport()
        assert (await transport.request("GET", "/version")).status == 200
        await transport.close()


def test_what_is_written_is_yaml_whatever_the_names(tmp_path: Path) -> None:
    path = tmp_path / "config"
    user, cluster = 'a: "b" # c\n', "- é\U0001f600\\"
    kubeconfig.write(path, server="https://h:1", user=user, cluster=cluster, token="no", namespace="true")
    assert yaml.safe_load(path.read_text()) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": "https://h:1"}}],
        "users": [{"name": user, "user": {"token": "no"}}],
        "contexts": [{"name": f"{user}@{cluster}", "context": {"cluster": cluster, "user": user, "namespace": "true"}}],
        "current-context": f"{user}@{cluster}",
        "preferences": {},
    }
