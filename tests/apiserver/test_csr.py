"""CertificateSigningRequests over the wire: who asks, the three ways to write one, and who may."""

from __future__ import annotations

import base64

import pytest

from minikube_py.daemon import certs
from tests.apiserver.conftest import Api, Object
from tests.unit.csr_samples import request_pem

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"


def request(*organizations: str, signer: str = CLIENT, **more: object) -> Object:
    text = base64.b64encode(request_pem("jane", organizations)).decode()
    return {"metadata": {"name": "jane"}, "spec": {"request": text, "signerName": signer, "usages": ["client auth"]},
            **more}  # fmt: skip


def verdict(obj: Object, type_: str = "Approved") -> Object:
    conditions = [{"type": type_, "status": "True", "reason": "Test", "message": "by a test"}]
    return {**obj, "status": {"conditions": conditions}}


async def grant(api: Api, user: str, *rules: Object) -> None:
    """Let the user do what the rules say, in the whole cluster."""
    group = "rbac.authorization.k8s.io"
    root = f"/apis/{group}/v1"
    await api.ok("POST", f"{root}/clusterroles", {"metadata": {"name": user}, "rules": list(rules)})
    await api.ok("POST", f"{root}/clusterrolebindings", {
        "metadata": {"name": user}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
        "subjects": [{"kind": "User", "name": user}],
    })  # fmt: skip


def may(verbs: list[str], resources: list[str], *names: str) -> Object:
    rule: Object = {"verbs": verbs, "apiGroups": ["certificates.k8s.io"], "resources": resources}
    return {**rule, "resourceNames": list(names)} if names else rule


async def test_the_request_says_who_sent_it(api: Api) -> None:
    await grant(api, "jane", may(["create"], ["certificatesigningrequests"]))
    transport = api.cluster.transport("jane", ("devs",))
    sent = request()
    sent["spec"] |= {"username": "root", "groups": ["system:masters"]}
    made = await api.ok("POST", CSRS, sent, transport=transport)
    assert made["spec"]["username"] == "jane"
    assert made["spec"]["groups"] == ["devs", "system:authenticated"]
    assert made["status"] == {}


async def test_approval_and_status_change_their_parts_only(api: Api) -> None:
    made = await api.ok("POST", CSRS, request())
    plain = await api.ok(
        "PUT", f"{CSRS}/jane", verdict({**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
    )
    assert (plain["status"], plain["metadata"]["labels"]) == ({}, {"a": "b"})
    pem = base64.b64encode(certs.new_ca().cert_pem).decode()
    sent = verdict(plain)
    sent["status"]["certificate"] = pem
    approved = await api.ok("PUT", f"{CSRS}/jane/approval", sent)
    assert [c["type"] for c in approved["status"]["conditions"]] == ["Approved"]
    assert "certificate" not in approved["status"]
    issued = await api.ok(
        "PUT", f"{CSRS}/jane/status", {**approved, "status": {**approved["status"], "certificate": pem}}
    )
    assert issued["status"]["certificate"] == pem
    assert (await api.ok("GET", f"{CSRS}/jane/approval"))["status"] == issued["status"]


async def test_managers_own_what_their_endpoint_writes(api: Api) -> None:
    made = await api.ok("POST", f"{CSRS}?fieldManager=me", request())
    approved = await api.ok("PUT", f"{CSRS}/jane/approval?fieldManager=judge", verdict(made))
    entry = next(e for e in approved["metadata"]["managedFields"] if e["manager"] == "judge")
    assert entry["subresource"] == "approval"
    assert set(entry["fieldsV1"]) == {"f:status"}


async def test_a_verdict_is_final(api: Api) -> None:
    made = await api.ok("POST", CSRS, request())
    denied = await api.ok("PUT", f"{CSRS}/jane/approval", verdict(made, "Denied"))
    answer = await api.ask("PUT", f"{CSRS}/jane/approval", verdict(denied, "Approved"))
    assert (answer.status, [c["field"] for c in answer.json["details"]["causes"]]) == (422, ["status.conditions"])
    patch = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    answer = await api.ask(
        "PATCH", f"{CSRS}/jane/status", patch, content_type="application/merge-patch+json"
    )  # fmt: skip
    assert answer.status == 422


async def test_a_field_selector_finds_a_signers_requests(api: Api) -> None:
    await api.ok("POST", CSRS, request())
    found = await api.ok("GET", f"{CSRS}?fieldSelector=spec.signerName%3D{CLIENT}")
    assert len(found["items"]) == 1
    found = await api.ok("GET", f"{CSRS}?fieldSelector=spec.signerName%3Dexample.com/x")
    assert found["items"] == []


async def test_nobody_becomes_a_master_by_a_certificate(api: Api) -> None:
    answer = await api.ask("POST", CSRS, request("system:masters"))
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert answer.json["message"] == (
        'certificatesigningrequests.certificates.k8s.io "jane" is forbidden: '
        f"use of {CLIENT} signer with system:masters group is not allowed"
    )
    await api.ok("POST", CSRS, request("system:masters", signer="example.com/mine"))


@pytest.mark.parametrize("name, allowed", [(CLIENT, True), ("kubernetes.io/*", True), ("example.com/*", False)])
@pytest.mark.parametrize("verb, part", [("approve", "approval"), ("sign", "status")])
async def test_acting_for_a_signer_needs_a_permission(api: Api, verb: str, part: str, name: str, allowed: bool) -> None:
    await grant(
        api, "u", may(["update"], [f"certificatesigningrequests/{part}"]), may([verb], ["signers"], name)
    )  # fmt: skip
    made = await api.ok("POST", CSRS, request())
    sent = verdict(made, "Approved" if part == "approval" else "Failed")
    answer = await api.ask("PUT", f"{CSRS}/jane/{part}", sent, transport=api.cluster.transport("u", ()))
    assert answer.status == (200 if allowed else 403)
    if not allowed:
        assert f'user not permitted to {verb} requests with signerName "{CLIENT}"' in answer.json["message"]


async def test_a_status_that_says_nothing_new_needs_no_permission(api: Api) -> None:
    await grant(api, "u", may(["update"], ["certificatesigningrequests/status"]))
    made = await api.ok("POST", CSRS, request())
    labelled = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    await api.ok("PUT", f"{CSRS}/jane/status", labelled, transport=api.cluster.transport("u", ()))
