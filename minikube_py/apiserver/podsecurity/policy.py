"""What a namespace's labels ask for: a level and a version of the standards for enforce, audit and warn each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minikube_py.api.errors import FieldError, invalid

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
"""From lax to strict."""
LATEST = 10**6
"""The minor version that `latest` stands for: newer than all."""

_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,5})")


class Rule(NamedTuple):
    """A level of the standards as of a minor version of Kubernetes."""

    level: str
    minor: int

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"


PRIVILEGED = Rule("privileged", LATEST)


class Policy(NamedTuple):
    """What a namespace asks for, and what is wrong with its labels."""

    enforce: Rule
    audit: Rule
    warn: Rule
    problems: Sequence[FieldError]

    @property
    def lax(self) -> bool:
        """Whether nothing is ever looked at."""
        return not self.problems and self.enforce.level == self.audit.level == self.warn.level == "privileged"


NOTHING = Policy(PRIVILEGED, PRIVILEGED, PRIVILEGED, ())


def policy(labels: Mapping[str, str] | None) -> Policy:
    """The policy of a namespace with these labels.

    Without labels everything is allowed. A level to enforce that does not exist is restricted, one to warn of or to
    audit is privileged, and a version that does not exist is the latest. Who enforces a level is warned by it too.
    """
    if not labels or not any(key.startswith(PREFIX) for key in labels):
        return NOTHING
    problems: list[FieldError] = []
    enforce = _rule(labels, "enforce", "restricted", problems)
    audit = _rule(labels, "audit", "privileged", problems)
    warn = _rule(labels, "warn", "privileged", problems)
    if labels.get(f"{PREFIX}enforce") in LEVELS and f"{PREFIX}warn" not in labels:
        warn = Rule(enforce.level, warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor)
    return Policy(enforce, audit, warn, tuple(problems))


def _rule(labels: Mapping[str, str], mode: str, wrong: str, problems: list[FieldError]) -> Rule:
    level = labels.get(f"{PREFIX}{mode}")
    if level is None:
        level = "privileged"
    elif level not in LEVELS:
        problems.append(invalid(f"metadata.labels[{PREFIX}{mode}]", level, f"must be one of {', '.join(LEVELS)}"))
        level = wrong
    text, minor = labels.get(f"{PREFIX}{mode}-version", "latest"), LATEST
    if text != "latest":
        if found := _VERSION.fullmatch(text):
            minor = int(found[1])
        else:
            problems.append(invalid(f"metadata.labels[{PREFIX}{mode}-version]", text, 'must be "latest" or "v1.x"'))
    return Rule(level, minor)
