"""Credentials for images: docker configurations read and matched by Kubernetes' rules."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from minikube_py.kubelet.keyring import BadSecret, keyring, lookup
from minikube_py.kubelet.runtime.base import Credentials, InvalidImageName
from minikube_py.kubelet.runtime.references import full_repository

JSON, OLD = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(kind: str, content: Any, name: str = "s") -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    key = {JSON: ".dockerconfigjson", OLD: ".dockercfg"}.get(kind, "x")
    return {"metadata": {"namespace": "default", "name": name}, "type": kind, "data": {key: b64(text)}}


def config(**users: str) -> dict[str, Any]:
    """`{host: {username: ..., password: ...}}`; the names of hosts are the values."""
    return {place: {"username": user, "password": f"{user}-word"} for user, place in users.items()}


def users(places: dict[str, Any], image: str) -> list[str]:
    return [one.username for one in lookup(keyring([secret(JSON, {"auths": places})]), image)]


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("busybox", "docker.io/library/busybox"),
        ("busybox:1", "docker.io/library/busybox"),
        ("team/tool:1", "docker.io/team/tool"),
        ("docker.io/busybox", "docker.io/library/busybox"),
        ("index.docker.io/team/tool", "docker.io/team/tool"),
        ("localhost/tool", "localhost/tool"),
        ("host:5000/tool:1", "host:5000/tool"),
        ("reg.example/a/b/c@sha256:" + "0" * 64, "reg.example/a/b/c"),
        ("reg.example/a:1@sha256:" + "0" * 64, "reg.example/a"),
    ],
)
def test_full_repositories(name: str, repository: str) -> None:
    assert full_repository(name) == repository


@pytest.mark.parametrize(
    ("place", "image", "matches"),
    [
        ("reg.example", "reg.example/tool", True),
        ("https://reg.example", "reg.example/tool", True),
        ("http://reg.example/", "reg.example/tool:1", True),
        ("https://reg.example/v1/", "reg.example/tool", True),
        ("https://reg.example/v2/", "reg.example/tool", True),
        ("reg.example/v2/team", "reg.example/team/tool", True),
        ("reg.example/team", "reg.example/team/tool", True),
        ("reg.example/team", "reg.example/other/tool", False),
        ("reg.example/te", "reg.example/team/tool", True),  # A path is a prefix of text, as upstream has it.
        ("reg.example", "reg.example:5000/tool", False),
        ("reg.example:5000", "reg.example/tool", False),
        ("reg.example:5000", "reg.example:5000/tool", True),
        ("reg.example", "other.example/tool", False),
        ("reg.example", "sub.reg.example/tool", False),
        ("*.example", "reg.example/tool", True),
        ("*.example", "a.reg.example/tool", False),
        ("reg*.example", "reg-1.example/tool", True),
        ("*", "reg.example/tool", False),
        ("docker.io", "busybox", True),
        ("docker.io", "docker.io/team/tool", True),
        ("docker.io/team", "team/tool", True),
        ("docker.io/team", "busybox", False),
        ("https://index.docker.io/v1/", "busybox", True),
        ("https://index.docker.io/v1/", "team/tool:1", True),
        ("index.docker.io", "docker.io/team/tool", True),
        ("https://index.docker.io/v1/", "reg.example/tool", False),
        ("https://[broken", "reg.example/tool", False),
    ],
)
def test_matches(place: str, image: str, matches: bool) -> None:
    assert users(config(me=place), image) == (["me"] if matches else [])


def test_the_longest_path_comes_first_and_all_that_match_come() -> None:
    places = config(host="reg.example", team="reg.example/team", tool="reg.example/team/tool", glob="*.example")
    assert users(places, "reg.example/team/tool:1") == ["tool", "team", "host", "glob"]
    assert users(places, "reg.example/x") == ["host", "glob"]


def test_several_secrets_for_one_host_keep_their_order_and_repeats_are_dropped() -> None:
    first = secret(JSON, {"auths": config(old="reg.example")})
    second = secret(OLD, config(new="https://reg.example/v1/"))
    again = secret(OLD, config(old="reg.example"))
    assert [c.username for c in lookup(keyring([first, second, again]), "reg.example/x")] == ["old", "new"]


def test_a_match_by_name_comes_before_the_default_registry() -> None:
    places = config(hub="docker.io", index="https://index.docker.io/v1/")
    assert users(places, "busybox") == ["hub"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "u", "password": "p"}, Credentials("u", "p")),
        ({"auth": b64("u:p:q")}, Credentials("u", "p:q")),
        ({"auth": b64("us:pas").rstrip("=")}, Credentials("us", "pas")),
        ({"auth": b64("u:p") + "\n", "username": "other"}, Credentials("u", "p")),
        ({"username": "u"}, Credentials("u", "")),
    ],
)
def test_entries(entry: dict[str, Any], expected: Credentials) -> None:
    assert lookup(keyring([secret(OLD, {"h.example": entry})]), "h.example/x") == [expected]


def test_other_types_hold_no_credentials() -> None:
    assert keyring([secret("Opaque", config(me="reg.example"))]) == {}
    assert keyring([{"metadata": {"name": "s"}, "type": JSON}]) == {}
    assert keyring([secret(JSON, {"HttpHeaders": {}})]) == {}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (JSON, "topsecret"),
        (JSON, '"topsecret"'),
        (JSON, {"auths": ["topsecret"]}),
        (OLD, {"h": "topsecret"}),
        (OLD, {"h": {"auth": b64("topsecret")}}),
        (OLD, {"h": {"auth": "topsecret!"}}),
    ],
)
def test_what_cannot_be_understood_is_said_without_telling_it(kind: str, content: Any) -> None:
    with pytest.raises(BadSecret, match="image pull secret default/mine") as told:
        keyring([secret(kind, content, "mine")])
    assert "topsecret" not in str(told.value) and b64("topsecret") not in str(told.value)
    assert told.value.__cause__ is None


def test_a_password_has_no_repr() -> None:
    assert "word" not in repr(Credentials("u", "word")) and "word" not in str([Credentials("u", "word")])


def test_a_name_that_is_none() -> None:
    with pytest.raises(InvalidImageName):
        lookup({}, "Bad Name")
