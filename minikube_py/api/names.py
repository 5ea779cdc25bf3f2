"""Which names, label keys and label values are well-formed, and the sentences that say why one is not."""

from __future__ import annotations

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_label_1035 = re.compile(_LABEL_1035).fullmatch
_is_key = re.compile(_KEY).fullmatch
_is_value = re.compile(_VALUE).fullmatch

_ENDS = "and must start and end with an alphanumeric character"


def _pattern(sentence: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{e}', " for e in examples)
    return f"{sentence} (e.g. {shown}regex used for validation is '{pattern}')"


_NOT_LABEL = _pattern(
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}",
    _LABEL, "my-name", "123-abc",
)  # fmt: skip
_NOT_SUBDOMAIN = _pattern(
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}",
    _SUBDOMAIN, "example.com",
)  # fmt: skip
_NOT_LABEL_1035 = _pattern(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    _LABEL_1035, "my-name", "abc-123",
)  # fmt: skip
_NOT_KEY = _pattern(
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}", _KEY, "MyName", "my.name", "123-abc"
)
_NOT_VALUE = _pattern(
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    _VALUE, "MyValue", "my_value", "12345",
)  # fmt: skip


def _longer(name: str, limit: int) -> list[str]:
    """Lengths count bytes of UTF-8, as upstream's do."""
    if len(name) > limit or (not name.isascii() and len(name.encode("utf-8", "surrogatepass")) > limit):
        return [f"must be no more than {limit} bytes"]
    return []


def dns1123_label(name: str) -> list[str]:
    """What is wrong with `name` as a lower-case DNS label of at most 63 bytes; empty when nothing is."""
    wrong = _longer(name, 63)
    if not _is_label(name):
        wrong.append("must not contain dots" if _is_subdomain(name) else _NOT_LABEL)
    return wrong


def dns1123_subdomain(name: str) -> list[str]:
    """What is wrong with `name` as DNS labels joined by dots, at most 253 bytes (the rule for most object names)."""
    wrong = _longer(name, 253)
    if not _is_subdomain(name):
        wrong.append(_NOT_SUBDOMAIN)
    return wrong


def dns1035_label(name: str) -> list[str]:
    """What is wrong with `name` as a DNS label that starts with a letter (the rule for Services)."""
    wrong = _longer(name, 63)
    if not _is_label_1035(name):
        wrong.append(_NOT_LABEL_1035)
    return wrong


def qualified_name(name: str) -> list[str]:
    """What is wrong with `name` as a label or annotation key: `name` or `dns.prefix/name`."""
    parts = name.split("/")
    if len(parts) > 2:
        prefixed = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_NOT_KEY} {prefixed}"]
    wrong: list[str] = []
    if len(parts) == 2:
        if not parts[0]:
            wrong.append("prefix part must be non-empty")
        else:
            wrong += ["prefix part " + w for w in dns1123_subdomain(parts[0])]
    last = parts[-1]
    if not last:
        wrong.append("name part must be non-empty")
    wrong += ["name part " + w for w in _longer(last, 63)]
    if not _is_key(last):
        wrong.append("name part " + _NOT_KEY)
    return wrong


def label_value(value: str) -> list[str]:
    """What is wrong with `value` as the value of a label."""
    wrong = _longer(value, 63)
    if not _is_value(value):
        wrong.append(_NOT_VALUE)
    return wrong


def path_segment(name: str) -> list[str]:
    """What keeps `name` from being one segment of a URL path (the loosest rule for object names).

    Upstream would take a NUL, which not every store can keep.
    """
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    if "\0" in name:
        return ["may not contain a NUL character"]
    return [f"may not contain '{c}'" for c in "/%" if c in name]
