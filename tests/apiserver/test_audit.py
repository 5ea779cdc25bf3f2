"""The audit log of a running server: which requests, at which stages, how much of them; and the file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from minikube_py.apiserver.audit import AuditLog, Policy
from minikube_py.apiserver.audit.policy import Attributes
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.config import Config
from minikube_py.daemon.clock import VirtualClock, settle
from tests.apiserver.conftest import CONFIGMAPS, Api, Watching
from tests.fakes.cluster import cluster

SECRETS = "/api/v1/namespaces/default/secrets"
HIDDEN = "aGlkZGVuIHZhbHVl"


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": list(rules), **more}


@asynccontextmanager
async def audited(directory: Path, *rules: dict[str, Any], **more: Any) -> AsyncIterator[tuple[Api, Path]]:
    """An API whose requests are written down by these rules, and the log."""
    (directory / "policy.yaml").write_text(yaml.safe_dump(policy(*rules, **more)))
    log = directory / "logs" / "audit.log"
    config = Config(storage_backend="memory", audit_policy_file=str(directory / "policy.yaml"), audit_log_path=str(log))
    async with cluster(config) as made:
        yield Api(made), log


def events(log: Path, stage: str = "ResponseComplete", resource: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [
        e for e in found
        if e["stage"] == stage and (not resource or e.get("objectRef", {}).get("resource") == resource)
    ]  # fmt: skip


async def test_metadata_says_who_did_what_and_never_what_was_in_it(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata"}) as (api, log):
        secret = {"metadata": {"name": "s"}, "data": {"k": HIDDEN}}
        headers = {"user-agent": "test/1", "audit-id": "mine"}
        await api.ok("POST", f"{SECRETS}?fieldManager=t", secret, headers=headers)
        await api.ok("GET", f"{SECRETS}/s")
        await api.ask("POST", SECRETS, {"metadata": {"name": "t"}, "data": {HIDDEN + "%": HIDDEN, "k": HIDDEN + "%"}})
        await api.ask("POST", SECRETS, b'{"data": {"k": "' + HIDDEN.encode() + b'"')
        await api.ask("PATCH", f"{SECRETS}/s", {"data": {"k": 1}}, content_type="application/merge-patch+json")
    assert HIDDEN not in log.read_text()
    received = events(log, "RequestReceived", "secrets")
    done = events(log, resource="secrets")
    assert [e["verb"] for e in received] == [e["verb"] for e in done] == ["create", "get", "create", "create", "patch"]
    assert [e["responseStatus"]["code"] for e in done] == [201, 200, 400, 400, 422]
    first = done[0]
    assert first["auditID"] == "mine" and received[0]["auditID"] == "mine" and first["level"] == "Metadata"
    assert first["kind"] == "Event" and first["apiVersion"] == "audit.k8s.io/v1"
    assert first["requestURI"] == f"{SECRETS}?fieldManager=t" and first["userAgent"] == "test/1"
    assert first["user"]["username"] == "admin" and "system:masters" in first["user"]["groups"]
    assert first["objectRef"] == {"resource": "secrets", "namespace": "default", "apiVersion": "v1"}
    assert done[1]["objectRef"]["name"] == "s"
    assert first["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert first["requestReceivedTimestamp"] <= first["stageTimestamp"]
    assert done[2]["responseStatus"]["reason"] == "BadRequest"


async def test_bodies_as_far_as_the_level_says(tmp_path: Path) -> None:
    rules = (
        {"level": "RequestResponse", "resources": [{"group": "", "resources": ["configmaps"]}], "verbs": ["create"]},
        {"level": "Request", "resources": [{"group": "", "resources": ["configmaps"]}]},
        {"level": "None"},
    )
    async with audited(tmp_path, *rules, omitStages=["RequestReceived"], omitManagedFields=True) as (api, log):
        yaml_body = b"metadata: {name: a}\ndata: {k: v}\n"
        await api.ok("POST", CONFIGMAPS, yaml_body, content_type="application/yaml")
        await api.ok("PATCH", f"{CONFIGMAPS}/a", {"data": {"k": "w"}}, content_type="application/merge-patch+json")
        await api.ok("GET", f"{CONFIGMAPS}/a")
        await api.ok("GET", "/api/v1/namespaces/default/services")
        await api.ok("GET", "/version")
    assert not events(log, "RequestReceived")
    created, patched, got = events(log)
    assert created["requestObject"]["data"] == {"k": "v"}
    assert created["responseObject"]["metadata"]["uid"] and "managedFields" not in created["responseObject"]["metadata"]
    assert patched["requestObject"] == {"data": {"k": "w"}} and "responseObject" not in patched
    assert "requestObject" not in got and "responseObject" not in got


async def test_watches_tell_of_their_start(tmp_path: Path) -> None:
    rule = {"level": "Metadata", "resources": [{"group": "", "resources": ["configmaps"]}]}
    async with audited(tmp_path, rule) as (api, log):
        async with Watching(api, CONFIGMAPS):
            await settle()
            (started,) = events(log, "ResponseStarted")
            assert started["verb"] == "watch" and started["responseStatus"]["code"] == 200
            assert not events(log)
        await settle()
        assert [e["verb"] for e in events(log)] == ["watch"]


async def test_lists_at_the_highest_level(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "RequestResponse"}) as (api, log):
        await api.config_map("a")
        await api.ok("GET", CONFIGMAPS)
    (listed,) = [e for e in events(log, resource="configmaps") if e["verb"] == "list"]
    assert [item["metadata"]["name"] for item in listed["responseObject"]["items"]] == ["a"]


async def test_errors_and_other_urls(tmp_path: Path) -> None:
    rules = (
        {"level": "Metadata", "nonResourceURLs": ["/version", "/apis*"]},
        {"level": "Metadata", "resources": [{"resources": ["secrets"]}]},
    )
    async with audited(tmp_path, *rules) as (api, log):
        for path in ("/version", "/apis/none", "/readyz"):
            await api.ask("GET", path)
        assert (await api.ask("GET", f"{SECRETS}/none")).status == 404
        assert (await api.ask("GET", f"{CONFIGMAPS}/none")).status == 404
        stranger = api.cluster.transport("", ())
        assert (await api.ask("DELETE", SECRETS, transport=stranger)).status == 403
    found = [(e["verb"], e["requestURI"], e["responseStatus"]["code"]) for e in events(log)]
    assert found == [
        ("get", "/apis", 200), ("get", "/version", 200), ("get", "/apis/none", 404), ("get", f"{SECRETS}/none", 404),
        ("deletecollection", SECRETS, 403),
    ]  # fmt: skip
    *_, missing, forbidden = events(log)
    assert missing["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert forbidden["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert forbidden["responseStatus"]["reason"] == "Forbidden"


async def test_acting_as_another_names_both(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata", "users": ["admin"], "verbs": ["list"]}) as (api, log):
        headers = {"impersonate-user": "jane", "impersonate-group": "system:masters"}
        await api.ok("GET", CONFIGMAPS, headers=headers)
    (event,) = events(log)
    assert event["user"]["username"] == "admin" and event["impersonatedUser"]["username"] == "jane"


ALICE = User("alice", ("devs", "system:authenticated"))


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({}, True),
        ({"users": ["alice"]}, True),
        ({"users": ["bob"]}, False),
        ({"userGroups": ["devs", "ops"]}, True),
        ({"userGroups": ["ops"]}, False),
        ({"verbs": ["get", "list"]}, True),
        ({"verbs": ["create"]}, False),
        ({"namespaces": ["a"]}, True),
        ({"namespaces": ["b"]}, False),
        ({"namespaces": [""]}, False),
        ({"resources": [{"group": ""}]}, True),
        ({"resources": [{"group": "apps"}]}, False),
        ({"resources": [{"resources": ["pods"]}]}, False),
        ({"resources": [{"resources": ["pods/log"]}]}, True),
        ({"resources": [{"resources": ["pods/*"]}]}, True),
        ({"resources": [{"resources": ["*/log"]}]}, True),
        ({"resources": [{"resources": ["*"]}]}, True),
        ({"resources": [{"resources": ["pods/log"], "resourceNames": ["p"]}]}, True),
        ({"resources": [{"resources": ["pods/log"], "resourceNames": ["q"]}]}, False),
        ({"nonResourceURLs": ["/api*"]}, False),
    ],
)
def test_which_rule_fits(rule: dict[str, Any], fits: bool) -> None:
    asked = Attributes(ALICE, "get", "/api/v1/namespaces/a/pods/p/log", "", "pods", "log", "a", "p")
    decision = Policy.parse(policy({"level": "Metadata", **rule})).decide(asked)
    assert (decision is not None) is fits


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"kind": "Pod"}, "expected kind Policy"),
        (policy(), "rules: at least one rule"),
        (policy({"level": "All"}), r"rules\[0\].level: 'All' is none of None, Metadata, Request, RequestResponse"),
        (policy({"level": "Metadata", "extra": 1}), r"rules\[0\].extra: unknown field"),
        (policy({"level": "Metadata", "omitStages": ["Now"]}), "'Now' is none of RequestReceived"),
        (policy({"level": "Metadata", "nonResourceURLs": ["a*b"]}), "no path"),
        (policy({"level": "Metadata", "nonResourceURLs": ["/a"], "namespaces": ["b"]}), "not about both"),
        (policy({"level": "Metadata", "resources": [{"resourceNames": ["b"]}]}), "resourceNames: needs resources"),
        (policy({"level": "Metadata", "users": "alice"}), r"rules\[0\].users: a list of strings"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Policy.parse(said)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_the_file_is_moved_aside_and_old_ones_go(tmp_path: Path) -> None:
    clock = VirtualClock()
    log = AuditLog(str(tmp_path / "audit.log"), clock, max_size=1, max_backups=2, max_age=1)
    line = b"x" * 400_000 + b"\n"
    for _ in range(9):  # two fit into a file
        log.write(line)
        await clock.advance("1s")
    assert files(tmp_path) == [
        "audit-2030-01-01T00-00-06.000.log", "audit-2030-01-01T00-00-08.000.log", "audit.log"
    ]  # fmt: skip
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
    await clock.advance("2d")
    for _ in range(2):
        log.write(line)
    assert files(tmp_path) == ["audit-2030-01-03T00-00-09.000.log", "audit.log"]
    log.close()


async def test_pod_security_has_its_say(tmp_path: Path) -> None:
    async with audited(tmp_path, {"level": "Metadata", "verbs": ["create"]}) as (api, log):
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in
                  (("enforce", "baseline"), ("audit", "restricted"))}  # fmt: skip
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "safe", "labels": labels}})
        await api.cluster.add_account("default", "safe")
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
        await api.ok("POST", "/api/v1/namespaces/safe/pods", body)
        template = {"metadata": {"labels": {"a": "b"}}, "spec": body["spec"]}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        await api.ok("POST", "/apis/apps/v1/namespaces/safe/deployments", {"metadata": {"name": "d"}, "spec": spec})
    (pod,), (deployment,) = events(log, resource="pods"), events(log, resource="deployments")
    assert pod["annotations"]["pod-security.kubernetes.io/enforce-policy"] == "baseline:latest"
    for event in (pod, deployment):
        said = event["annotations"]["pod-security.kubernetes.io/audit-violations"]
        assert said.startswith('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false')
