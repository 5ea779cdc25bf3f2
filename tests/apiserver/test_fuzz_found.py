"""What random requests have found, an example each."""

from __future__ import annotations

import base64
import json

import pytest

from tests.apiserver.conftest import PODS, Api, Object, pod
from tests.apiserver.crd_samples import CRDS, crd, install, version
from tests.samples import sample

ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
MERGE = "application/merge-patch+json"


def part(value: Object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("issuer", [["a"], {"a": 1}, None, 1, True])
async def test_a_token_whose_issuer_is_no_text(api: Api, issuer: object) -> None:
    token = f"{part({'alg': 'RS256', 'kid': 'x'})}.{part({'iss': issuer})}.AAAA"
    review = {"spec": {"token": token}}
    told = await api.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert not told["status"].get("authenticated")


@pytest.mark.parametrize("name", ["ümläut", "\u4e2d\u6587", "a\x7fb", "\U0001f600", "with blank"])
async def test_names_beyond_ascii(api: Api, name: str) -> None:
    """Roles may be called anything that fits between two slashes."""
    made = await api.ok("POST", ROLES, {"metadata": {"name": name}})
    listed = await api.ok("GET", f"{ROLES}?limit=1")
    assert made in listed["items"]
    assert await api.ok("GET", f"{ROLES}/{name}") == made
    await api.ok("DELETE", f"{ROLES}/{name}")


async def test_a_name_with_a_nul(api: Api) -> None:
    answer = await api.ask("POST", ROLES, {"metadata": {"name": "a\0b"}})
    assert answer.status == 422 and answer.json["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_kind_that_is_empty_is_the_urls(api: Api) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    told = await api.ok("POST", path, {"kind": "", "apiVersion": None, "spec": {"namespace": "default"}})
    assert (told["kind"], told["apiVersion"]) == ("SelfSubjectRulesReview", "authorization.k8s.io/v1")
    assert (await api.ask("POST", path, {"kind": 0, "spec": {"namespace": "default"}})).status == 400


async def test_the_status_of_a_daemon_set_leaves_its_template_generation(api: Api) -> None:
    path = "/apis/apps/v1/namespaces/default/daemonsets"
    made = await api.ok("POST", path, sample("apps", "v1", "daemonsets")[0])
    annotations = {"deprecated.daemonset.template.generation": "7"}
    patch = {"metadata": {"annotations": annotations}, "status": {"numberReady": 1}}
    done = await api.ok("PATCH", f"{path}/sample/status", patch, content_type=MERGE)
    assert done["metadata"]["annotations"] == made["metadata"]["annotations"] and done["status"]["numberReady"] == 1


@pytest.mark.parametrize("stored", [[], ["v2"], ["v1", "v2"]])
async def test_stored_versions_that_a_definition_does_not_have(api: Api, stored: list[str]) -> None:
    await install(api, crd(version("v1")))
    path = f"{CRDS}/crontabs.stable.example.com/status"
    found = await api.ok("GET", path)
    patch = [{"op": "replace", "path": "/status/storedVersions", "value": stored}]
    answer = await api.ask("PATCH", path, patch, content_type="application/json-patch+json")
    if stored:
        assert answer.status == 422 and "status.storedVersions" in answer.json["details"]["causes"][0]["field"]
    else:
        assert answer.json["status"] == found["status"], "nothing said is the storage version"


@pytest.mark.parametrize("how", ["query", "body", "spec", "eviction"])
async def test_a_grace_period_beyond_all_time(api: Api, how: str) -> None:
    forever = 2**63 - 1
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": forever if how == "spec" else 30}
    await api.ok("POST", PODS, pod(**spec))
    options = {"gracePeriodSeconds": forever}
    if how == "eviction":
        await api.ok("POST", f"{PODS}/p/eviction", {"metadata": {"name": "p"}, "deleteOptions": options})
    else:
        query = f"?gracePeriodSeconds={forever}" if how == "query" else ""
        await api.ok("DELETE", f"{PODS}/p{query}", options if how == "body" else None)
    found = await api.ok("GET", f"{PODS}/p")
    assert found["metadata"]["deletionTimestamp"].startswith("2098-")
    assert (await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=5"))["metadata"]["deletionGracePeriodSeconds"] == 5


async def test_every_address_type_is_in_the_document(api: Api) -> None:
    document = await api.ok("GET", "/openapi/v3/apis/discovery.k8s.io/v1")
    slices = document["components"]["schemas"]["io.k8s.api.discovery.v1.EndpointSlice"]
    assert slices["properties"]["addressType"]["enum"] == ["FQDN", "IPv4", "IPv6"]
