"""Random requests: any path, query, headers and body; the answer is one, and never the server's own fault."""

from __future__ import annotations

import random
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import scheme
from tests.apiserver.fuzz_values import Rng, anything, fitting, mutated, text
from tests.apiserver.fuzzing import LABELS, PATCHES, PROTOBUF, TABLE, Object, Server, bounded, labels, seeds, several

SEGMENTS = (
    "api", "apis", "v1", "namespaces", "default", "pods", "configmaps", "nodes", "sample", "status", "log", "binding",
    "exec", "coordination.k8s.io", "leases", "authorization.k8s.io", "selfsubjectaccessreviews", "watch", "finalize",
    "selfsubjectreviews", "selfsubjectrulesreviews", "subjectaccessreviews", "authentication.k8s.io", "tokenreviews",
    "openapi", "v2", "v3", "healthz", "livez", "readyz", "version", "metrics", "bindings", "attach", "services", "",
    ".well-known", "openid-configuration", "openid", "jwks", "componentstatuses", "stable.example.com", "crontabs",
    "proxy", "https:sample:443", "scale", "localsubjectaccessreviews", "etcd", "ping", "logs", "..", "%2e%2e",
)  # fmt: skip
PARAMETERS = (
    "watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector",
    "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents", "dryRun", "fieldManager", "force", "follow", "pretty",
    "fieldValidation", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "includeObject", "limitBytes",
    "tailLines", "container", "command", "stdin", "tty", "verbose", "exclude", "sinceSeconds", "sinceTime", "path",
    "ports", "timestamps", "previous", "stream", "ignoreStoreReadErrorWithClusterBreakingPotential", "timeout",
)  # fmt: skip
VALUES = (
    "1", "true", "0", "-1", "a=b", "a in (b,c)", "!a", "metadata.name=sample", "All", "Exact", "NotOlderThan", "Orphan",
    "Strict", "None", "Object", "999999999", "a notin (b),c!=d", "spec.nodeName=", "status.phase!=Running", "10", "",
    "metadata.namespace=default,metadata.name!=x", "Foreground", "Background", "2030-01-01T00:00:00Z", "8080", "5s",
    "9223372036854775808", "a in ()", "a,,b", "=", "a==b", "a>1", "a<x", "spec.replicas=1", "involvedObject.name=p",
)  # fmt: skip
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "get", "TRACE")
ACCEPTS = (
    "", "*/*", TABLE, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "text/html", "application/yaml",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", PROTOBUF, f"{PROTOBUF},application/json",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "application/json;q=0,*/*;q=x",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/json;stream=watch", ";;;,,,=", "*",
    "application/yaml;as=Table;v=v1;g=meta.k8s.io", "application/json;as=Table;v=v2;g=meta.k8s.io",
)  # fmt: skip
MEDIAS = (
    *PATCHES, "application/json", "application/json; charset=utf-8", "application/yaml", PROTOBUF, "", "text/plain",
    "application/apply-patch+cbor", "application/cbor", "multipart/form-data; boundary=x", "APPLICATION/JSON",
)  # fmt: skip
HEADERS: dict[str, tuple[str, ...]] = {
    "accept-encoding": ("gzip", "gzip;q=0", "deflate, br", "*", "identity", "gzip, gzip", "x"),
    "user-agent": ("kubectl/v1.36 (linux/amd64)", "", "/", "x" * 300),
    "impersonate-user": ("jane", "", "system:serviceaccount:default:default", "system:serviceaccount:a"),
    "impersonate-group": ("system:masters", "", "a"), "impersonate-uid": ("1", ""),
    "impersonate-extra-scopes": ("a", ""), "impersonate-extra-%zz": ("a",), "impersonate-x": ("a",),
    "audit-id": ("x", "", "x" * 300), "x-forwarded-for": ("1.2.3.4, x", ","), "x-remote-user": ("root",),
    "content-length": ("0", "-1", "x", "99999999999", "3"), "content-encoding": ("gzip",), "range": ("bytes=0-1",),
    "if-none-match": ('"x"', "*"), "connection": ("upgrade",), "upgrade": ("websocket", "SPDY/3.1", "x"),
    "kubectl-command": ("x",), "transfer-encoding": ("chunked",), "cookie": ("a=b",), "origin": ("null",),
    "sec-websocket-protocol": ("v4.channel.k8s.io", "base64url.bearer.authorization.k8s.io.x"), "host": ("", "a:b"),
    "authorization": ("Basic YTpi", "Bearer", "bearer x", "Bearer a.b.c", "Negotiate", "Bearer ä"), "expect": ("x",),
}  # fmt: skip
BODIES = {
    "eviction": "policy/v1.Eviction", "scale": "autoscaling/v1.Scale", "binding": "core/v1.Binding",
    "token": "authentication/v1.TokenRequest", "tokenreviews": "authentication/v1.TokenReview",
    "selfsubjectreviews": "authentication/v1.SelfSubjectReview",
    "selfsubjectaccessreviews": "authorization/v1.SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "authorization/v1.SelfSubjectRulesReview",
    "subjectaccessreviews": "authorization/v1.SubjectAccessReview",
    "localsubjectaccessreviews": "authorization/v1.LocalSubjectAccessReview",
}  # fmt: skip
GOOD: dict[str, Object] = {
    "eviction": {"metadata": {"name": "sample"}, "deleteOptions": {"gracePeriodSeconds": 1}},
    "scale": {"metadata": {"name": "sample"}, "spec": {"replicas": 2}},
    "binding": {"metadata": {"name": "sample"}, "target": {"kind": "Node", "name": "sample"}},
    "token": {"spec": {"audiences": ["a"], "expirationSeconds": 3600}},
    "tokenreviews": {"spec": {"token": "a.b.c", "audiences": ["a"]}}, "selfsubjectreviews": {},
    "selfsubjectaccessreviews": {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
    "selfsubjectrulesreviews": {"spec": {"namespace": "default"}},
    "subjectaccessreviews": {"spec": {"user": "a", "groups": ["b"], "nonResourceAttributes": {"path": "/"}}},
    "localsubjectaccessreviews": {"spec": {"user": "a", "resourceAttributes": {"namespace": "default", "verb": "get"}}},
}  # fmt: skip


def path(rng: Rng) -> str:
    return "/" + "/".join(rng.choice(SEGMENTS) if rng.random() < 0.9 else text(rng) for _ in range(rng.randrange(8)))


def query(rng: Rng) -> str:
    pairs = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        odd = "".join(rng.choices("ab=!,() <>\\.-/%", k=rng.randrange(12)))
        value = rng.choice(VALUES) if rng.random() < 0.8 else odd
        pairs.append(f"{rng.choice(PARAMETERS)}={value if rng.random() < 0.05 else quote(value)}")
    return "&".join(pairs)


def headers(rng: Rng) -> list[tuple[str, str]]:
    found = [("accept", rng.choice(ACCEPTS))] if rng.random() < 0.5 else []
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        name = rng.choice(tuple(HEADERS))
        found.append((name, rng.choice(HEADERS[name]) if rng.random() < 0.8 else text(rng)))
    return found


def any_body(rng: Rng) -> object:
    match rng.randrange(5):
        case 0:
            return rng.randbytes(rng.randrange(30))
        case 1:
            return "".join(rng.choices("{}[]:,&*!|>-?\"'#%@\n a1", k=rng.randrange(40))).encode()
        case 2:
            return {rng.choice(("spec", "metadata", "target", "kind", "items")): anything(rng)}
        case 3:
            return b""
    return anything(rng)


@bounded(2000)
@given(seeds)
def test_any_request(fuzzed: Server, seed: int) -> None:
    rng = random.Random(seed)
    asked = rng.choice(METHODS), path(rng), query(rng), any_body(rng), rng.choice(MEDIAS)
    fuzzed.ask(*asked, headers=headers(rng))


@bounded(2000)
@given(labels, seeds)
def test_requests_of_a_kind(fuzzed: Server, label: str, seed: int) -> None:
    """Collections, objects and sub-resources that there are, with any query, headers and body."""
    served = fuzzed.all[label]
    rng = random.Random(seed)
    name = rng.choice(("", f"/{served.name}", f"/{served.name}", "/none", f"/{quote(text(rng))}"))
    if name == f"/{served.name}" and fuzzed.ask("GET", served.path + name).status == 404:
        fuzzed.create(served)
    names = [s.name for s in served.kind.subresources]
    url = served.path + name + (f"/{rng.choice(names)}" if name and names and rng.random() < 0.4 else "")
    if rng.random() < 0.05:
        url = url.replace("/v1/", "/v1/watch/", 1)
    body = any_body(rng) if rng.random() < 0.5 else mutated(served.obj, served.struct, [rng.getrandbits(32)])
    media = rng.choice(MEDIAS) if rng.random() < 0.6 else "application/json"
    fuzzed.ask(rng.choice(METHODS), url, query(rng), body, media, headers=headers(rng))


POSTED = (
    *(("/api/v1/namespaces/default/pods/sample", sub) for sub in ("eviction", "binding")),
    ("/api/v1/namespaces/default/serviceaccounts/sample", "token"),
    *(("/apis/authentication.k8s.io/v1", review) for review in ("tokenreviews", "selfsubjectreviews")),
    *(("/apis/authorization.k8s.io/v1", f"{review}s") for review in (
        "selfsubjectaccessreview", "selfsubjectrulesreview", "subjectaccessreview")),
    ("/apis/authorization.k8s.io/v1/namespaces/default", "localsubjectaccessreviews"),
    *((f"/apis/apps/v1/namespaces/default/{p}s/sample", "scale") for p in ("deployment", "replicaset", "statefulset")),
    ("/api/v1/namespaces/default/replicationcontrollers/sample", "scale"),
    ("/apis/stable.example.com/v1/namespaces/default/crontabs/sample", "scale"),
)  # fmt: skip


@bounded(1200)
@given(st.sampled_from(POSTED), several(3))
def test_what_is_no_stored_object(fuzzed: Server, where: tuple[str, str], changes: list[int]) -> None:
    """Evictions, bindings, tokens, reviews and scales."""
    parent, what = where
    rng = random.Random(changes[0])
    if parent.endswith("/sample") and fuzzed.ask("GET", parent).status == 404:
        made = next(s for label in LABELS if (s := fuzzed.all[label]).path == parent.removesuffix("/sample"))
        fuzzed.create(made)
    struct = scheme.struct(BODIES[what])
    good = GOOD[what]
    body = mutated(good, struct, changes) if rng.random() < 0.9 else fitting(rng, struct)
    method = rng.choice(("PUT", "PATCH")) if what == "scale" else "POST"
    media = rng.choice(PATCHES) if method == "PATCH" else "application/json"
    answer = fuzzed.ask(method, f"{parent}/{what}", query(rng) if rng.random() < 0.2 else "", body, media)
    if answer.status in (200, 201) and what in BODIES and what != "eviction":
        assert answer.json.get("kind") in (BODIES[what].rpartition(".")[2], "Status"), (body, media, answer)
