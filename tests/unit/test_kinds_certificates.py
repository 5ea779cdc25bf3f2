"""CertificateSigningRequest: what is refused and where, what each write may change, and rows."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from minikube_py.api.errors import FieldError
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds.base import Context, Object
from minikube_py.daemon import certs, csr
from tests.unit.csr_samples import request_pem
from tests.unit.kinds_samples import (
    BY_NAME,
    NOW,
    changed,
    created,
    errors_of_create,
    errors_of_update,
    metadata,
    short,
    typed,
)

KIND = BY_NAME["CertificateSigningRequest"]
PEM = request_pem("jane", ["devs"])
SIGNER = "example.com/signer"


def text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


CSR: Object = {
    "metadata": metadata("jane", ""),
    "spec": {"request": text(PEM), "signerName": SIGNER, "usages": ["client auth"], "username": "someone"},
}
BROKEN = bytearray(base64.b64decode(b"".join(PEM.splitlines()[1:-1])))
BROKEN[-1] ^= 1  # the last byte of the signature
FORGED = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.b64encode(BROKEN) + b"\n-----END CERTIFICATE REQUEST-----\n"
CERTIFICATE = certs.new_ca().cert_pem


def condition(type_: str, status: str = "True", **more: Any) -> Object:
    return {"type": type_, "status": status, **more}


@pytest.mark.parametrize(
    "path, value, wrong",
    [
        ("spec.request", text(b"hello"), [("spec.request", "Invalid")]),
        ("spec.request", None, [("spec.request", "Invalid")]),
        ("spec.request", text(PEM.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE")), [("spec.request", "Invalid")]),
        ("spec.request", text(PEM.replace(b"-----\nM", b"-----\nB")), [("spec.request", "Invalid")]),
        ("spec.request", text(FORGED), [("spec.request", "Invalid")]),
        ("spec.request", text(b"Subject: jane\n" + PEM), []),
        ("spec.usages", [], [("spec.usages", "Required")]),
        ("spec.usages", ["client auth", "dancing"], [("spec.usages[1]", "NotSupported")]),
        ("spec.usages", ["any", "any"], [("spec.usages[1]", "Duplicate")]),
        ("spec.signerName", "", [("spec.signerName", "Required")]),
        ("spec.signerName", "kubernetes.io/legacy-unknown", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "example.com", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "example.com/a/b", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "example/a", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "Example.com/a", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "example.com/A", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "example.com/", [("spec.signerName", "Invalid")]),
        ("spec.signerName", "a." * 127 + "a/b", [("spec.signerName", "TooLong")]),
        ("spec.signerName", "kubernetes.io/a.b-c", []),
        ("spec.expirationSeconds", 599, [("spec.expirationSeconds", "Invalid")]),
        ("spec.expirationSeconds", 600, []),
    ],
)
def test_requests(path: str, value: Any, wrong: list[tuple[str, str]]) -> None:
    assert short(errors_of_create(KIND, changed(CSR, path, value))) == wrong


def test_who_asks_is_the_user_and_the_status_starts_empty() -> None:
    obj = changed(CSR, "spec.username", "root")
    obj["spec"] |= {"uid": "0", "groups": ["system:masters"], "extra": {"a": ["b"]}}
    obj["status"] = {"conditions": [condition("Approved")], "certificate": text(CERTIFICATE)}
    KIND.prepare_create(obj, Context(NOW, User("jane", ("devs",), "7", {"scopes": ("x", "y")})))
    spec = obj["spec"]
    assert (spec["username"], spec["uid"], spec["groups"]) == ("jane", "7", ["devs"])
    assert spec["extra"] == {"scopes": ["x", "y"]}
    assert obj["status"] == {}
    KIND.prepare_create(obj, Context(NOW, User("bob")))
    assert {"uid", "groups", "extra"}.isdisjoint(spec)
    assert spec["username"] == "bob"


def test_a_plain_update_changes_metadata_alone() -> None:
    old = created(KIND, CSR)
    new = changed(old, "spec.usages", ["server auth"])
    new["status"] = {"conditions": [condition("Approved")]}
    new["metadata"]["labels"] = {"a": "b"}
    assert errors_of_update(KIND, new, old) == []
    KIND.prepare_update(new, old, Context(NOW, User("u")))
    assert (new["spec"], new["status"]) == (old["spec"], {})
    assert new["metadata"]["labels"] == {"a": "b"}


def written(part: str, old: Object, status: Object) -> tuple[Object, Sequence[FieldError]]:
    """What a write of a sub-resource stores, and what is wrong with it."""
    new = changed(old, "status", status)
    new["spec"]["usages"] = ["server auth"]
    if part == "status":
        KIND.prepare_status(new, old, Context(NOW, User("u")))
        errors = KIND.validate_status(typed(KIND, new), typed(KIND, old))
    else:
        KIND.parts[part].prepare(new, old, Context(NOW, User("u")))
        errors = KIND.parts[part].validate(typed(KIND, new), typed(KIND, old))
    assert new["spec"] == old["spec"]
    return new["status"], errors


def having(**status: Any) -> Object:
    return changed(created(KIND, CSR), "status", status)


def test_approval_sets_conditions_and_no_certificate() -> None:
    status, errors = written(
        "approval", having(), {"conditions": [condition("Approved")], "certificate": text(CERTIFICATE)}
    )
    assert errors == []
    now = "2030-01-01T00:00:00Z"
    assert status == {"conditions": [condition("Approved", lastUpdateTime=now, lastTransitionTime=now)]}
    status, errors = written("approval", having(certificate=text(CERTIFICATE)), {})
    assert (status["certificate"], errors) == (text(CERTIFICATE), [])


def test_a_condition_that_says_the_same_keeps_its_time() -> None:
    then = "2029-01-01T00:00:00Z"
    old = having(conditions=[condition("Ours", lastTransitionTime=then, lastUpdateTime=then)])
    status, _ = written("approval", old, {"conditions": [condition("Ours", message="again")]})
    assert status["conditions"][0]["lastTransitionTime"] == then
    assert status["conditions"][0]["lastUpdateTime"] == "2030-01-01T00:00:00Z"
    status, _ = written("approval", old, {"conditions": [condition("Ours", "False")]})
    assert status["conditions"][0]["lastTransitionTime"] == "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "conditions, wrong",
    [
        ([condition("")], [("status.conditions[0].type", "Required")]),
        ([condition("Approved", "")], [("status.conditions[0].status", "Required")]),
        ([condition("Approved", "False")], [("status.conditions[0].status", "NotSupported")]),
        ([condition("Failed", "Unknown")], [("status.conditions[0].status", "NotSupported")]),
        ([condition("Ours", "False")], []),
        ([condition("Ours", "Perhaps")], [("status.conditions[0].status", "NotSupported")]),
        ([condition("Approved"), condition("Denied")], [("status.conditions[1].type", "Invalid")]),
        ([condition("Ours"), condition("Ours")], [("status.conditions[1].type", "Duplicate")]),
    ],
)
def test_conditions(conditions: list[Object], wrong: list[tuple[str, str]]) -> None:
    assert short(written("approval", having(), {"conditions": conditions})[1]) == wrong


@pytest.mark.parametrize("part", ["approval", "status"])
@pytest.mark.parametrize("verdict", ["Approved", "Denied", "Failed"])
def test_verdicts_stay(part: str, verdict: str) -> None:
    old = having(conditions=[condition(verdict, reason="why", lastUpdateTime="2029-01-01T00:00:00Z",
                                       lastTransitionTime="2029-01-01T00:00:00Z")])  # fmt: skip
    _, (error,) = written(part, old, {"conditions": []})
    assert (error.field, error.type) == ("status.conditions", "FieldValueForbidden")
    assert error.detail == f'updates may not remove a condition of type "{verdict}"'


def test_status_gives_no_verdict_and_keeps_the_one_there() -> None:
    _, (error,) = written("status", having(), {"conditions": [condition("Approved")]})
    assert error.detail == 'updates may not add a condition of type "Approved"'
    then = {"lastUpdateTime": "2029-01-01T00:00:00Z", "lastTransitionTime": "2029-01-01T00:00:00Z"}
    old = having(conditions=[condition("Approved", reason="because", **then)])
    status, errors = written("status", old, {"conditions": [condition("Approved", reason="other")]})
    assert (status["conditions"], errors) == (old["status"]["conditions"], [])
    status, errors = written("status", old, {"conditions": [*old["status"]["conditions"], condition("Failed")]})
    assert ([c["type"] for c in status["conditions"]], errors) == (["Approved", "Failed"], [])


@pytest.mark.parametrize(
    "certificate, wrong",
    [
        (CERTIFICATE, []),
        (CERTIFICATE * 2, []),
        (b"hello", [("status.certificate", "Invalid")]),
        (PEM, [("status.certificate", "Invalid")]),
        (CERTIFICATE.replace(b"-----\nM", b"-----\nB"), [("status.certificate", "Invalid")]),
    ],
)
def test_certificates(certificate: bytes, wrong: list[tuple[str, str]]) -> None:
    assert short(written("status", having(), {"certificate": text(certificate)})[1]) == wrong


def test_a_certificate_is_issued_once() -> None:
    _, (error,) = written("status", having(certificate=text(CERTIFICATE)), {"certificate": text(CERTIFICATE * 2)})
    assert error.detail == "updates may not modify existing certificate content"


@pytest.mark.parametrize(
    "status, state",
    [
        ({}, "Pending"),
        ({"conditions": [condition("Approved")]}, "Approved"),
        ({"conditions": [condition("Approved")], "certificate": "eA=="}, "Approved,Issued"),
        ({"conditions": [condition("Denied")]}, "Denied"),
        ({"conditions": [condition("Approved"), condition("Failed")]}, "Approved,Failed"),
    ],
)
def test_rows(status: Object, state: str) -> None:
    stamp = CSR["metadata"]["creationTimestamp"]
    obj = changed(CSR, "status", status)
    assert KIND.row(obj) == ["jane", age(stamp), SIGNER, "someone", "<none>", state]
    assert KIND.row(changed(obj, "spec.expirationSeconds", 86400))[4] == "24h"


def test_the_parsed_request() -> None:
    read = csr.parse(request_pem("n", ["a", "b"], dns=["x.y"], ips=["1.2.3.4"], emails=["a@b.c"], uris=["urn:x"]))
    assert (read.common_name, read.organizations) == ("n", ("a", "b"))
    assert (read.dns_names, read.ips, read.emails, read.uris) == (("x.y",), ("1.2.3.4",), ("a@b.c",), ("urn:x",))
