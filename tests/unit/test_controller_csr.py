"""The controllers of CertificateSigningRequests: what they decide as tables, and what they do to a real API server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from minikube_py.api.meta import Object
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS as CSRS
from minikube_py.cli.prepare import signing_files
from minikube_py.controller_manager.certificates import CLIENT, KUBELET_CLIENT, KUBELET_SERVING
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.controller_manager.controllers import csr_approving, csr_cleaner, csr_signing
from minikube_py.controller_manager.main import run
from minikube_py.daemon import certs, csr
from minikube_py.daemon.clock import VirtualClock
from tests.fakes.cluster import Cluster, cluster
from tests.unit.csr_samples import request_pem

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NODE = {"common_name": "system:node:n", "organizations": ["system:nodes"]}
CLIENT_USAGES, SERVER_USAGES = ["digital signature", "client auth"], ["digital signature", "server auth"]


def request(pem: bytes, signer: str, usages: list[str], *conditions: str, **spec: Any) -> Object:
    text = base64.b64encode(pem).decode()
    return {
        "metadata": {"name": "r", "creationTimestamp": "2029-12-31T12:00:00Z"},
        "spec": {"request": text, "signerName": signer, "usages": usages, **spec},
        "status": {"conditions": [
            {"type": t, "status": "True", "lastUpdateTime": "2029-12-31T23:30:00Z"} for t in conditions
        ]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "signer, conditions, wanted",
    [
        (CLIENT, ["Approved"], True), (KUBELET_CLIENT, ["Approved"], True), (KUBELET_SERVING, ["Approved"], True),
        ("example.com/other", ["Approved"], False), (CLIENT, [], False), (CLIENT, ["Denied"], False),
        (CLIENT, ["Approved", "Failed"], False),
    ],
)  # fmt: skip
def test_what_is_signed(signer: str, conditions: list[str], wanted: bool) -> None:
    asked = request(request_pem("jane"), signer, CLIENT_USAGES, *conditions)
    assert csr_signing.wanted(asked) == wanted
    asked["status"]["certificate"] = "eA=="
    assert not csr_signing.wanted(asked)


@pytest.mark.parametrize(
    "signer, pem, usages, why",
    [
        (CLIENT, {"common_name": "jane"}, ["client auth"], ""),
        (CLIENT, {"common_name": "jane"}, ["client auth", "server auth"],
         "invalid usage for client certificate: server auth"),
        (CLIENT, {"common_name": "jane"}, ["digital signature"],
         "missing required usage for client certificate: client auth"),
        (KUBELET_CLIENT, NODE, CLIENT_USAGES, ""),
        (KUBELET_CLIENT, NODE, ["key encipherment", *CLIENT_USAGES], ""),
        (KUBELET_CLIENT, NODE, SERVER_USAGES, "usages did not match [client auth digital signature key encipherment]"),
        (KUBELET_CLIENT, {"common_name": "system:node:n"}, CLIENT_USAGES, "subject organization is not system:nodes"),
        (KUBELET_CLIENT, {**NODE, "common_name": "n"}, CLIENT_USAGES,
         "subject common name does not begin with system:node:"),
        (KUBELET_CLIENT, {**NODE, "dns": ["n"]}, CLIENT_USAGES, "DNS subjectAltNames are not allowed"),
        (KUBELET_CLIENT, {**NODE, "ips": ["1.2.3.4"]}, CLIENT_USAGES, "IP subjectAltNames are not allowed"),
        (KUBELET_SERVING, {**NODE, "dns": ["n"]}, SERVER_USAGES, ""),
        (KUBELET_SERVING, {**NODE, "ips": ["1.2.3.4"]}, SERVER_USAGES, ""),
        (KUBELET_SERVING, NODE, SERVER_USAGES, "DNS or IP subjectAltName is required"),
        (KUBELET_SERVING, {**NODE, "dns": ["n"], "emails": ["a@b.c"]}, SERVER_USAGES,
         "Email subjectAltNames are not allowed"),
        (KUBELET_SERVING, {**NODE, "dns": ["n"]}, CLIENT_USAGES,
         "usages did not match [digital signature key encipherment server auth]"),
        (KUBELET_SERVING, {"common_name": "system:node:n", "dns": ["n"]}, SERVER_USAGES,
         "subject organization is not system:nodes"),
        (KUBELET_SERVING, {**NODE, "common_name": "n", "dns": ["n"]}, SERVER_USAGES,
         "subject common name does not begin with system:node:"),
    ],
)  # fmt: skip
def test_what_a_signer_refuses(signer: str, pem: Object, usages: list[str], why: str) -> None:
    made = request_pem(**pem)
    assert csr_signing.refusal(request(made, signer, usages), csr.parse(made)) == why


@pytest.mark.parametrize(
    "seconds, ends",
    [
        (None, timedelta(days=365) - timedelta(minutes=5)),
        (86400 * 1000, timedelta(days=365) - timedelta(minutes=5)),
        (600, timedelta(minutes=10)),
        (60, timedelta(minutes=10)),
        (3600, timedelta(hours=1)),
        (8 * 3600, timedelta(hours=8) - timedelta(minutes=5)),
    ],
)
def test_lifetimes(seconds: int | None, ends: timedelta) -> None:
    assert csr_signing.lifetime(seconds, timedelta(days=365), NOW) == (NOW - timedelta(minutes=5), NOW + ends)


def test_an_authority_issues_what_was_asked_for_and_no_longer_than_it_lives() -> None:
    clock = VirtualClock()
    ca = certs.new_ca(days=30, clock=clock)
    asked = csr.parse(request_pem("jane", ["devs"], dns=["a.b"], ips=["1.2.3.4"]))
    authority = csr.Authority(ca.cert_pem, ca.key_pem)
    now = clock.now()
    pem = authority.issue(asked, ["client auth", "server auth", "digital signature"], now, now + timedelta(days=365))
    made = x509.load_pem_x509_certificate(pem)
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.cert_pem))
    assert made.not_valid_after_utc == authority.ends < now + timedelta(days=31)
    assert made.subject == asked.raw.subject
    assert certs.public_pem(made.public_key()) == certs.public_pem(asked.raw.public_key())
    assert certs.sans_of(made) == certs.Sans.of(["a.b"], ["1.2.3.4"])
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    bits = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (bits.digital_signature, bits.key_encipherment, bits.key_cert_sign) == (True, False, False)
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(ValueError, match="the signer has expired"):
        authority.issue(asked, ["client auth"], authority.ends, authority.ends + timedelta(days=1))
    with pytest.raises(ValueError, match="unrecognized usage values: dancing"):
        authority.issue(asked, ["dancing"], now, now + timedelta(days=1))


@pytest.mark.parametrize(
    "signer, pem, username, tried",
    [
        (KUBELET_CLIENT, NODE, "system:node:n", ["selfnodeclient", "nodeclient"]),
        (KUBELET_CLIENT, NODE, "bootstrap", ["nodeclient"]),
        (KUBELET_CLIENT, {"common_name": "jane"}, "jane", []),
        (CLIENT, NODE, "system:node:n", []),
        (KUBELET_SERVING, {**NODE, "dns": ["n"]}, "system:node:n", []),
    ],
)
def test_which_permission_approves(signer: str, pem: Object, username: str, tried: list[str]) -> None:
    made = request_pem(**pem)
    asked = request(made, signer, CLIENT_USAGES, username=username)
    assert csr_approving.permissions(asked, csr.parse(made)) == tried


def test_the_review_is_about_who_made_the_request() -> None:
    asked = request(b"", KUBELET_CLIENT, [], username="u", uid="7", groups=["g"], extra={"a": ["b"]})
    assert csr_approving.review(asked, "nodeclient")["spec"] == {
        "user": "u", "uid": "7", "groups": ["g"], "extra": {"a": ["b"]},
        "resourceAttributes": {
            "group": "certificates.k8s.io", "version": "*", "resource": "certificatesigningrequests",
            "verb": "create", "subresource": "nodeclient",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "conditions, after, old",
    [
        ([], timedelta(hours=23), ""), ([], timedelta(hours=25), "nobody decided"),
        (["Approved"], timedelta(minutes=29), ""), (["Approved"], timedelta(minutes=31), "it was Approved"),
        (["Denied"], timedelta(minutes=31), "it was Denied"), (["Failed"], timedelta(minutes=31), "it was Failed"),
        (["Ours"], timedelta(days=9), ""),
    ],
)  # fmt: skip
def test_what_is_cleaned_up(conditions: list[str], after: timedelta, old: str) -> None:
    asked = request(request_pem("jane"), CLIENT, CLIENT_USAGES, *conditions)
    since = NOW if conditions else datetime(2029, 12, 31, 12, tzinfo=UTC)
    assert csr_cleaner.why_old(asked, since + after) == old


def test_an_ended_certificate_is_cleaned_up() -> None:
    clock = VirtualClock()
    asked = request(request_pem("jane"), CLIENT, CLIENT_USAGES, "Approved")
    asked["status"]["conditions"][0]["lastUpdateTime"] = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    asked["status"]["certificate"] = base64.b64encode(certs.new_ca(days=0, clock=clock).cert_pem).decode()
    assert csr_cleaner.why_old(asked, clock.now() + timedelta(minutes=1)) == "the certificate has ended"
    asked["status"]["certificate"] = base64.b64encode(certs.new_ca(days=1, clock=clock).cert_pem).decode()
    assert csr_cleaner.why_old(asked, clock.now() + timedelta(minutes=1)) == ""


def test_which_files_sign(tmp_path: Path) -> None:
    assert signing_files(tmp_path) == ("", "")
    assert signing_files(tmp_path, "a", "b") == ("a", "b")
    with pytest.raises(ValueError, match="go together"):
        signing_files(tmp_path, "a", "")
    (tmp_path / "ca.crt").touch()
    assert signing_files(tmp_path) == ("", "")
    (tmp_path / "ca.key").touch()
    assert signing_files(tmp_path) == (str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))


# over a server


@pytest.fixture
async def world() -> AsyncIterator[Cluster]:
    async with cluster() as made:
        yield made


def begin(world: Cluster, directory: Path) -> asyncio.Task[Any]:
    ca = certs.new_ca(clock=world.clock)
    (directory / "ca.crt").write_bytes(ca.cert_pem)
    (directory / "ca.key").write_bytes(ca.key_pem)
    config = ControllerManagerConfig(
        controllers=(csr_signing.CSRSigning.name, csr_approving.CSRApproving.name, csr_cleaner.CSRCleaner.name),
        cluster_signing_cert_file=str(directory / "ca.crt"),
        cluster_signing_key_file=str(directory / "ca.key"),
    )
    return world.run(lambda: run(config, world.clock, world.transport("system:kube-controller-manager")))


async def ask(world: Cluster, pem: bytes, signer: str, usages: list[str]) -> Object:
    text = base64.b64encode(pem).decode()
    spec = {"request": text, "signerName": signer, "usages": usages}
    return await world.client.create(CSRS, {
        "apiVersion": CSRS.api_version, "kind": CSRS.kind, "metadata": {"name": "r"}, "spec": spec,
    })  # fmt: skip


async def approve(world: Cluster, asked: Object) -> None:
    status = {"conditions": [{"type": "Approved", "status": "True", "reason": "ByTest"}]}
    await world.client.update(CSRS, {**asked, "status": status}, subresource="approval")
    await world.settle()


async def test_an_approved_request_gets_its_certificate_once(world: Cluster, tmp_path: Path) -> None:
    begin(world, tmp_path)
    asked = await ask(world, request_pem("jane", ["devs"]), CLIENT, ["client auth"])
    await world.settle()
    assert (await world.client.get(CSRS, "r"))["status"] == {}
    await approve(world, asked)
    found = await world.client.get(CSRS, "r")
    made = x509.load_pem_x509_certificate(base64.b64decode(found["status"]["certificate"]))
    made.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))
    assert [c["type"] for c in found["status"]["conditions"]] == ["Approved"]
    writes = world.writes()
    await world.advance(60)
    assert world.writes() == writes


async def test_what_the_signer_does_not_issue_has_failed(world: Cluster, tmp_path: Path) -> None:
    begin(world, tmp_path)
    await approve(world, await ask(world, request_pem("jane"), CLIENT, ["server auth"]))
    status = (await world.client.get(CSRS, "r"))["status"]
    failed = status["conditions"][1]
    assert (failed["type"], failed["reason"]) == ("Failed", "SignerValidationFailure")
    assert failed["message"] == "invalid usage for client certificate: server auth"
    assert "certificate" not in status


async def test_a_kubelet_is_approved_by_itself(world: Cluster, tmp_path: Path) -> None:
    begin(world, tmp_path)
    await ask(world, request_pem("system:node:n", ["system:nodes"]), KUBELET_CLIENT, CLIENT_USAGES)
    await world.settle()
    status = (await world.client.get(CSRS, "r"))["status"]
    assert [(c["type"], c["reason"]) for c in status["conditions"]] == [("Approved", "AutoApproved")]
    assert status["conditions"][0]["message"] == csr_approving.MESSAGES["nodeclient"]
    assert status["certificate"]


async def test_old_requests_go(world: Cluster, tmp_path: Path) -> None:
    begin(world, tmp_path)
    await approve(world, await ask(world, request_pem("jane"), CLIENT, ["client auth"]))
    await world.advance(3599)
    assert await world.get(CSRS, "r") is not None
    await world.advance(3602)
    assert await world.get(CSRS, "r") is None
