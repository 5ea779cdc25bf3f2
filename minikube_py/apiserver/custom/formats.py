"""The string formats that a schema may ask for, as upstream's validator knows them; others are not checked."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from minikube_py.api import names
from minikube_py.api.times import parse_duration, parse_time


def known(name: str) -> bool:
    """Whether values are checked for the format."""
    return _plain(name) in _CHECKS


def matches(name: str, text: str) -> bool:
    """Whether the text has the format; true for one that is not known."""
    check = _CHECKS.get(_plain(name))
    return check is None or check(text)


def _plain(name: str) -> str:
    """Upstream compares names without dashes."""
    return name.replace("-", "")


def _pattern(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return lambda text: found.fullmatch(text) is not None


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, OverflowError, binascii.Error):
            return False
        return True

    return check


_HOST = re.compile(
    r"(?=.{1,255}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?", re.I
)
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")


def _email(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(at) and _LOCAL.fullmatch(local) is not None and _dots(local) and _HOST.fullmatch(host) is not None


def _dots(local: str) -> bool:
    return not local.startswith(".") and not local.endswith(".") and ".." not in local


def _uri(text: str) -> bool:
    """Go's ParseRequestURI: an absolute URL or a path that starts at the root."""
    if any(ord(c) < 0x21 or ord(c) == 0x7F for c in text) or re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return False
    try:
        _ = urlsplit(text).port
    except ValueError:
        return False
    return re.match(r"/|[A-Za-z][A-Za-z0-9+.-]*:.", text) is not None


def _luhn(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    if re.fullmatch(r"\d{13,19}", digits, re.ASCII) is None:
        return False
    total = 0
    for i, c in enumerate(reversed(digits)):
        n = int(c) * (1 + i % 2)
        total += n - 9 if n > 9 else n
    return total % 10 == 0


def _isbn10(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    if re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII) is None:
        return False
    return sum((10 - i) * (10 if c == "X" else int(c)) for i, c in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    if re.fullmatch(r"\d{13}", digits, re.ASCII) is None:
        return False
    return sum((3 if i % 2 else 1) * int(c) for i, c in enumerate(digits)) % 10 == 0


def _date(text: str) -> object:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is None:
        raise ValueError(text)
    return date.fromisoformat(text)


def _date_time(text: str) -> object:
    return parse_time(text.upper())


def _ipv4(text: str) -> object:
    return ipaddress.IPv4Address(text)


def _ipv6(text: str) -> object:
    if "%" in text:
        raise ValueError(text)
    return ipaddress.IPv6Address(text)


def _cidr(text: str) -> object:
    if "/" not in text or "%" in text or not text.rpartition("/")[2].isdigit():
        raise ValueError(text)
    return ipaddress.ip_interface(text)


def _byte(text: str) -> object:
    return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)


def _uuid(version: str, variant: str) -> Callable[[str], bool]:
    return _pattern(rf"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{version}-?{variant}-?[0-9a-f]{{12}}")


_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _pattern("[0-9a-f]{24}"),
    "byte": _parses(_byte),
    "cidr": _parses(_cidr),
    "creditcard": _luhn,
    "date": _parses(_date),
    "datetime": _parses(_date_time),
    "duration": _parses(parse_duration),
    "email": _email,
    "hexcolor": _pattern("#?([0-9a-f]{3}|[0-9a-f]{6})"),
    "hostname": lambda text: _HOST.fullmatch(text) is not None,
    "ipv4": _parses(_ipv4),
    "ipv6": _parses(_ipv6),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "k8slongname": lambda text: not names.dns1123_subdomain(text),
    "k8sshortname": lambda text: not names.dns1123_label(text),
    "mac": _pattern("([0-9a-f]{2}([:-])([0-9a-f]{2}\\2){4}[0-9a-f]{2})|([0-9a-f]{4}\\.){2}[0-9a-f]{4}"),
    "password": lambda text: True,
    "rgbcolor": _pattern(r"rgb\(\s*((25[0-5]|2[0-4]\d|1?\d?\d)\s*,\s*){2}(25[0-5]|2[0-4]\d|1?\d?\d)\s*\)"),
    "ssn": _pattern(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    "uuid": _uuid("[0-9a-f]{4}", "[0-9a-f]{4}"),
    "uuid3": _uuid("3[0-9a-f]{3}", "[0-9a-f]{4}"),
    "uuid4": _uuid("4[0-9a-f]{3}", "[89ab][0-9a-f]{3}"),
    "uuid5": _uuid("5[0-9a-f]{3}", "[89ab][0-9a-f]{3}"),
}
