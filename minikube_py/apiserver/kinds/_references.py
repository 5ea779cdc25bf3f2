"""Rules for references to objects of any kind: `apiGroup`, `kind`, `name` and the like."""

from __future__ import annotations

from typing import Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required


def validate_group(group: str | None, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with an API group, None for one that is not given."""
    if group is not None:
        for sentence in names.dns1123_subdomain(group):
            errs.append(invalid(path, group, sentence))


def validate_segments(reference: Any, members: tuple[str, ...], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with members that must be there and may stand in a URL's path."""
    for member in members:
        value = getattr(reference, member)
        if not value:
            errs.append(required(f"{path}.{member}"))
        else:
            for sentence in names.path_segment(value):
                errs.append(invalid(f"{path}.{member}", value, sentence))
