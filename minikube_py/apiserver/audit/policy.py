"""--audit-policy-file: audit.k8s.io/v1 Policy. The first rule that fits a request says how much of it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minikube_py.apiserver import configfile
from minikube_py.apiserver.auth.user import User

API_VERSION = "audit.k8s.io/v1"
LEVELS = ("None", "Metadata", "Request", "RequestResponse")
"""From nothing at all to both bodies."""
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What rules look at. `resource` is "" for a URL that is none; `subresource` as in `pods/log`."""

    user: User
    verb: str
    path: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """How much is written of a request, at which stages not, and whether managedFields are left out."""

    level: str
    omit_stages: frozenset[str]
    omit_managed_fields: bool


@dataclass(frozen=True, slots=True)
class _Resources:
    group: str
    resources: frozenset[str]
    names: frozenset[str]

    def fit(self, asked: Attributes) -> bool:
        if self.group != asked.group:
            return False
        if not self.resources:
            return True
        full = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        wanted = {full, "*", f"*/{asked.subresource}" if asked.subresource else "", f"{asked.resource}/*"}
        return bool(wanted & self.resources) and (not self.names or asked.name in self.names)


@dataclass(frozen=True, slots=True)
class _Rule:
    decision: Decision
    users: frozenset[str]
    groups: frozenset[str]
    verbs: frozenset[str]
    namespaces: frozenset[str]
    resources: Sequence[_Resources]
    paths: Sequence[str]

    def fits(self, asked: Attributes) -> bool:
        if self.users and asked.user.name not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(asked.user.groups):
            return False
        if self.verbs and asked.verb not in self.verbs:
            return False
        if not (self.namespaces or self.resources or self.paths):
            return True
        if not asked.resource:
            return any(_path_fits(path, asked.path) for path in self.paths)
        if not (self.namespaces or self.resources):
            return False  # the rule is about URLs that are no resources
        if self.namespaces and asked.namespace not in self.namespaces:
            return False
        return not self.resources or any(one.fit(asked) for one in self.resources)


def _path_fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


class Policy:
    """The rules in their order; a request that none fits is not written down."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._rules = tuple(rules)

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read the file. Raises ValueError that names what is wrong in it; OSError."""
        try:
            return cls.parse(configfile.read(path))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def parse(cls, said: Any) -> Policy:
        """A policy from its JSON form. Raises ValueError."""
        configfile.known(said, "", {"kind", "apiVersion", "metadata", "rules", "omitStages", "omitManagedFields"})
        if said.get("kind") != "Policy" or said.get("apiVersion") != API_VERSION:
            raise ValueError(f"expected kind Policy of {API_VERSION}")
        omitted = _stages(said, "omitStages")
        without = _boolean(said, "omitManagedFields", "omitManagedFields", False)
        found = said.get("rules")
        if not isinstance(found, list) or not found:
            raise ValueError("rules: at least one rule is needed")
        return cls([_rule(rule, f"rules[{number}]", omitted, without) for number, rule in enumerate(found)])

    def decide(self, asked: Attributes) -> Decision | None:
        """What to write of a request; None: nothing."""
        for rule in self._rules:
            if rule.fits(asked):
                return None if rule.decision.level == "None" else rule.decision
        return None


_MEMBERS = {
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages",
    "omitManagedFields",
}  # fmt: skip
"""What a rule may have."""


def _rule(said: Any, where: str, omitted: frozenset[str], without: bool) -> _Rule:
    configfile.known(said, where, _MEMBERS)
    level = said.get("level")
    if level not in LEVELS:
        raise ValueError(f"{where}.level: {level!r} is none of {', '.join(LEVELS)}")
    paths = _strings(said, "nonResourceURLs", where)
    for path in paths:
        if (path != "*" and not path.startswith("/")) or "*" in path[:-1]:
            raise ValueError(f"{where}.nonResourceURLs: {path!r} is no path; a * may stand at its end only")
    resources = [_resources(one, f"{where}.resources[{n}]") for n, one in enumerate(said.get("resources") or ())]
    if paths and (resources or said.get("namespaces")):
        raise ValueError(f"{where}.nonResourceURLs: a rule is about resources or about other URLs, not about both")
    decision = Decision(
        level, omitted | _stages(said, f"{where}.omitStages"),
        _boolean(said, "omitManagedFields", f"{where}.omitManagedFields", without),
    )  # fmt: skip
    users, groups, verbs, namespaces = (
        frozenset(_strings(said, name, where)) for name in ("users", "userGroups", "verbs", "namespaces")
    )
    return _Rule(decision, users, groups, verbs, namespaces, resources, paths)


def _resources(said: Any, where: str) -> _Resources:
    configfile.known(said, where, {"group", "resources", "resourceNames"})
    group = said.get("group") or ""
    if not isinstance(group, str) or "/" in group:
        raise ValueError(f"{where}.group: {group!r} is no group (without its version)")
    resources, names = _strings(said, "resources", where), _strings(said, "resourceNames", where)
    if names and not resources:
        raise ValueError(f"{where}.resourceNames: needs resources beside it")
    return _Resources(group, frozenset(resources), frozenset(names))


def _stages(said: Any, where: str) -> frozenset[str]:
    found = _strings(said, "omitStages", where.rpartition(".")[0])
    for stage in found:
        if stage not in STAGES:
            raise ValueError(f"{where}: {stage!r} is none of {', '.join(STAGES)}")
    return frozenset(found)


def _boolean(said: Any, name: str, where: str, default: bool) -> bool:
    found = said.get(name)
    if found is None:
        return default
    if not isinstance(found, bool):
        raise ValueError(f"{where}: true or false is needed")
    return found


def _strings(said: Any, name: str, where: str) -> list[str]:
    found = said.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{where + '.' if where else ''}{name}: a list of strings is needed")
    return found
