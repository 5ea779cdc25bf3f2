"""Names and label syntax, with the sentences that say what is wrong."""

from __future__ import annotations

import pytest

from minikube_py.api import names

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize("name", ["a", "a-b", "1", "a.b", "0-0.x", "a" * 253])
def test_good_subdomains(name: str) -> None:
    assert names.dns1123_subdomain(name) == []


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a..b", "a_b", ".a", "a\n", "ä"])
def test_bad_subdomains(name: str) -> None:
    assert names.dns1123_subdomain(name) == [SUBDOMAIN]


def test_labels() -> None:
    assert names.dns1123_label("a-1") == []
    assert names.dns1123_label("A") == [LABEL]
    assert names.dns1123_label("a.b") == ["must not contain dots"]
    assert names.dns1123_label("a" * 64) == ["must be no more than 63 bytes"]
    assert names.dns1123_label("A" * 64) == ["must be no more than 63 bytes", LABEL]
    assert names.dns1035_label("a-1") == []
    assert names.dns1035_label("1a")[0].startswith("a DNS-1035 label must consist of")


def test_lengths_count_bytes() -> None:
    assert "must be no more than 63 bytes" in names.label_value("ä" * 32)


@pytest.mark.parametrize("key", ["a", "A_b.c-D", "example.com/a", "x/1"])
def test_good_keys(key: str) -> None:
    assert names.qualified_name(key) == []


@pytest.mark.parametrize(
    ("key", "starts"),
    [
        ("", ["name part must be non-empty", "name part must consist of"]),
        ("/a", ["prefix part must be non-empty"]),
        ("a/", ["name part must be non-empty", "name part must consist of"]),
        ("A/b", ["prefix part a lowercase RFC 1123 subdomain"]),
        ("a/b/c", ["a valid label key must consist of"]),
        ("-", ["name part must consist of"]),
        ("a" * 64, ["name part must be no more than 63 bytes"]),
    ],
)
def test_bad_keys(key: str, starts: list[str]) -> None:
    found = names.qualified_name(key)
    assert len(found) == len(starts)
    assert all(f.startswith(s) for f, s in zip(found, starts, strict=True)), found


def test_label_values() -> None:
    assert names.label_value("") == []
    assert names.label_value("a_B.1") == []
    assert names.label_value("a b")[0].startswith("a valid label must be an empty string or consist of")


def test_path_segments() -> None:
    assert names.path_segment("system:node:a") == []
    assert names.path_segment(".") == ["may not be '.'"]
    assert names.path_segment("..") == ["may not be '..'"]
    assert names.path_segment("a/b%c") == ["may not contain '/'", "may not contain '%'"]
