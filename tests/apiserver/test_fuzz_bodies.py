"""Damaged bodies in every format, damaged tokens, and what somebody without rights can find out."""

from __future__ import annotations

import base64
import json
import random
import re

import yaml
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.api import protobuf
from minikube_py.apiserver.kinds import KINDS
from tests.apiserver.fuzz_values import anything, damaged, mutated, text
from tests.apiserver.fuzzing import APPLY, MERGE, PATCHES, PROTOBUF, TABLE, Server, bounded, labels, seeds, several

JSON, YAML = "application/json", "application/yaml"
BUILT_IN = st.sampled_from(sorted(f"{k.resource.plural}.{k.resource.group}/{k.resource.version}" for k in KINDS))


def stored(fuzzed: Server, label: str, body: bytes, media: str) -> None:
    """Create with that body; whatever is stored of it must hold up."""
    served = fuzzed.all[label]
    answer = fuzzed.ask("POST", served.path, "fieldValidation=Warn", body, media)
    if answer.status != 201:
        return
    url = f"{served.path}/{answer.json['metadata']['name']}"
    try:
        fuzzed.holds_up(served, url, fuzzed.ask("GET", url).json)
    finally:
        fuzzed.remove(url)


@bounded(1500)
@given(BUILT_IN, several(4), st.booleans())
def test_protobuf(fuzzed: Server, label: str, changes: list[int], whole: bool) -> None:
    """Objects as Go clients send them, changed before they are encoded, or damaged after."""
    served = fuzzed.all[label]
    obj = served.typed
    if served.kind.custom is None and not whole:
        made = fuzzed.create(served)
        fuzzed.remove(f"{served.path}/{served.name}")
        obj = {**made, "metadata": {k: v for k, v in made["metadata"].items() if k != "resourceVersion"}}
    raw = protobuf.encode(obj, served.struct)
    if not whole:
        raw = damaged(raw, changes)
    stored(fuzzed, label, raw, PROTOBUF)
    fuzzed.ask("DELETE", f"{served.path}/{served.name}", body=damaged(raw, changes), media=PROTOBUF)


@bounded(1000)
@given(labels, several(4), st.sampled_from([JSON, YAML, YAML]))
def test_text(fuzzed: Server, label: str, changes: list[int], media: str) -> None:
    served = fuzzed.all[label]
    obj = mutated(served.typed, served.struct, changes[1:])
    as_json = json.dumps(obj, ensure_ascii=changes[0] % 2 == 0)
    if media == YAML and changes[0] % 4:
        raw = yaml.safe_dump(obj, default_flow_style=changes[0] % 3 == 0, allow_unicode=True).encode("utf-8", "replace")
    else:
        raw = as_json.encode("utf-8", "replace")
    stored(fuzzed, label, damaged(raw, changes[:2]), media)


@bounded(500)
@given(labels, several(4), st.sampled_from(PATCHES))
def test_damaged_patches(fuzzed: Server, label: str, changes: list[int], media: str) -> None:
    served = fuzzed.all[label]
    made = fuzzed.create(served)
    url = f"{served.path}/{served.name}"
    body = served.typed if media == APPLY else {"metadata": {"labels": {"x": "y"}}, "spec": served.obj.get("spec")}
    raw = damaged(json.dumps(body).encode(), changes)
    answer = fuzzed.ask("PATCH", url, "fieldManager=fuzz", raw, media)
    found = fuzzed.ask("GET", url)
    if answer.status >= 400:
        assert found.json == made
    elif found.status == 200:
        fuzzed.holds_up(served, url, found.json)
    fuzzed.remove(url)


def decoded(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]


@bounded(700)
@given(several(3))
def test_tokens(fuzzed: Server, changes: list[int]) -> None:
    """A damaged token identifies nobody; nothing of it is in the answer."""
    url = "/api/v1/namespaces/default/serviceaccounts/default/token"
    good = fuzzed.ask("POST", url, body={"spec": {"audiences": [], "expirationSeconds": 3600}}).json["status"]["token"]
    rng = random.Random(changes[0])
    parts = good.split(".")
    match rng.randrange(5):
        case 0:
            at = rng.randrange(2)
            member = json.loads(decoded(good)[at])
            changed = json.dumps(mutated(member, None, changes)).encode("utf-8", "replace")
            parts[at] = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
            token = ".".join(parts).encode()
        case 1:
            rng.shuffle(parts)
            token = ".".join(parts[: rng.randrange(4)]).encode()
        case 2:
            token = text(rng).encode("utf-8", "replace")
        case _:
            token = damaged(good.encode(), changes)
    said = token.decode("latin-1")
    answer = fuzzed.ask("GET", "/api", headers=[("authorization", f"Bearer {said}")], peer=None)
    if answer.status != 401 and said.strip():
        same = re.fullmatch(r"[\w.-]+", said) and decoded(said) == decoded(good)
        assert same, (answer, said, good)
    review = {"spec": {"token": said}}
    told = fuzzed.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=review)
    if told.status == 201:
        assert bool(told.json["status"].get("authenticated")) == (answer.status != 401 and bool(said.strip()))


NOBODY = {"user": "nobody", "groups": ("system:authenticated",)}


@bounded(1200)
@given(labels, seeds, st.sampled_from(["GET", "GET", "PUT", "PATCH", "DELETE", "POST"]))
def test_somebody_without_rights_learns_nothing(fuzzed: Server, label: str, seed: int, method: str) -> None:
    """What there is and what there is not gets the same 403: objects, sub-resources, namespaces, whole kinds."""
    served = fuzzed.all[label]
    rng = random.Random(seed)
    missing = "x" * len(served.name)
    url = f"{served.path}/{served.name}"
    if fuzzed.ask("GET", url).status == 404:
        fuzzed.create(served)
    names = [s.name for s in served.kind.subresources] + ["status", "none"]
    sub = f"/{rng.choice(names)}" if rng.random() < 0.5 else ""
    headers = [("accept", rng.choice((TABLE, "text/html", "*/*")))]
    body = rng.choice((b"", b"{", anything(rng), served.obj))
    media = rng.choice((JSON, MERGE, APPLY, YAML, PROTOBUF, "x"))
    kind = served.kind.resource
    if rng.random() < 0.3 and kind.plural != "namespaces":  # not the object, but its namespace or kind is missing
        swap = ("/default/", "/nowhere/") if kind.namespaced else (f"/{kind.plural}", f"/{'x' * len(kind.plural)}")
    else:
        swap = (f"/{served.name}", f"/{missing}")
    start, end = url + sub, ("" if method != "GET" or rng.random() < 0.5 else "watch=1")
    one = fuzzed.ask(method, start, end, body, media, headers=headers, peer=NOBODY)
    other = fuzzed.ask(method, start.replace(*swap), end, body, media, headers=headers, peer=NOBODY)
    assert (one.status, other.status) == (403, 403), (method, start, one, other)
    was, becomes = (part.strip("/") for part in swap)
    same = [answer.raw.replace(was.encode(), becomes.encode()) for answer in (one, other)]
    assert same[0] == same[1], (swap, start)
    assert set(one.headers) == set(other.headers)
