"""Rules that ConfigMaps and Secrets share: their keys and their size."""

from __future__ import annotations

import re

from minikube_py.api.errors import FieldError, too_long

MAX_BYTES = 1024 * 1024
"""All values of one ConfigMap or Secret together, decoded."""

_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z").match
_KEY_SENTENCE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def config_key(key: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or Secret, which becomes a file name."""
    errs: list[str] = []
    if len(key) > 253:
        errs.append("must be no more than 253 characters")
    if not _KEY(key):
        errs.append(_KEY_SENTENCE)
    if key == ".":
        errs.append("must not be '.'")
    elif key == "..":
        errs.append("must not be '..'")
    elif key.startswith(".."):
        errs.append("must not start with '..'")
    return errs


def size_error(field: str) -> FieldError:
    return too_long(field, MAX_BYTES)
