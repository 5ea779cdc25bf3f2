"""Policy rules of rbac.authorization.k8s.io in JSON form: what a rule allows, covers, and how it is told.

All functions are pure; a rule is a dict as in a Role's `rules`, whose members may be absent.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from minikube_py.api import labels

Rule = Mapping[str, Any]

ALL = "*"
FULL_AUTHORITY: tuple[Rule, ...] = (
    {"verbs": [ALL], "apiGroups": [ALL], "resources": [ALL]},
    {"verbs": [ALL], "nonResourceURLs": [ALL]},
)
"""What the role cluster-admin allows."""

_MEMBERS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def part(rule: Rule, member: str) -> Sequence[str]:
    """A member of the rule; empty when it is absent."""
    return rule.get(member) or ()


def allows_verb(rule: Rule, verb: str) -> bool:
    verbs = part(rule, "verbs")
    return ALL in verbs or verb in verbs


def allows_resource(rule: Rule, verb: str, group: str, resource: str, subresource: str) -> bool:
    """Whether the rule allows the verb on some or all objects of the resource: its names are not looked at.

    `*` is everything, `pods/log` one sub-resource, `*/scale` that sub-resource of every resource; `pods` is no
    sub-resource of its own.
    """
    groups, resources = part(rule, "apiGroups"), part(rule, "resources")
    if not allows_verb(rule, verb) or not (ALL in groups or group in groups):
        return False
    if ALL in resources:
        return True
    if not subresource:
        return resource in resources
    return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources


def allows_path(rule: Rule, verb: str, path: str) -> bool:
    """Whether the rule allows the verb on a URL that is no resource."""
    return allows_verb(rule, verb) and any(_path_covers(url, path) for url in part(rule, "nonResourceURLs"))


def _path_covers(url: str, path: str) -> bool:
    return url in (ALL, path) or (url.endswith(ALL) and path.startswith(url.rstrip(ALL)))


def missing(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What of the wanted rules no held rule covers, broken down to one verb of one resource, name or URL each."""
    return [one for rule in wanted for one in break_down(rule) if not any(_covers(own, one) for own in held)]


def break_down(rule: Rule) -> list[Rule]:
    """The rule as rules of one verb each, of one group and resource (and name) or of one URL."""
    found: list[Rule] = []
    verbs, resource_names = part(rule, "verbs"), part(rule, "resourceNames")
    for group, resource, verb in itertools.product(part(rule, "apiGroups"), part(rule, "resources"), verbs):
        one = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
        found += [{**one, "resourceNames": [name]} for name in resource_names] or [one]
    found += [{"verbs": [verb], "nonResourceURLs": [u]} for u in part(rule, "nonResourceURLs") for verb in verbs]
    return found


def _covers(own: Rule, one: Rule) -> bool:
    """Whether a rule covers one that `break_down` made."""
    verbs, wanted_urls = part(own, "verbs"), part(one, "nonResourceURLs")
    if ALL not in verbs and one["verbs"][0] not in verbs:
        return False
    if wanted_urls:
        return any(_path_covers(url, wanted_urls[0]) for url in part(own, "nonResourceURLs"))
    groups, resources = part(own, "apiGroups"), part(own, "resources")
    resource: str = one["resources"][0]
    if ALL not in groups and one["apiGroups"][0] not in groups:
        return False
    if ALL not in resources and resource not in resources:
        _, slash, subresource = resource.partition("/")
        if not slash or f"*/{subresource}" not in resources:
            return False
    own_names = part(own, "resourceNames")
    return not own_names or any(name in own_names for name in part(one, "resourceNames"))


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Rules of a single resource joined by group, resource and name: their verbs in one rule. Others stay."""
    found: list[Rule] = []
    joined: dict[tuple[str, str, str | None], dict[str, Any]] = {}
    for rule in rules:
        groups, resources = part(rule, "apiGroups"), part(rule, "resources")
        names = part(rule, "resourceNames")
        if len(groups) != 1 or len(resources) != 1 or len(names) > 1 or part(rule, "nonResourceURLs"):
            found.append(rule)
            continue
        key = (groups[0], resources[0], names[0] if names else None)
        if key in joined:
            joined[key]["verbs"] = [*joined[key]["verbs"], *part(rule, "verbs")]
        else:
            joined[key] = dict(rule)
    return [*found, *joined.values()]


def tell(rule: Rule) -> str:
    """The rule as Kubernetes' errors show it: {APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}."""
    shown = (
        ("APIGroups", "apiGroups"), ("Resources", "resources"), ("NonResourceURLs", "nonResourceURLs"),
        ("ResourceNames", "resourceNames"), ("Verbs", "verbs"),
    )  # fmt: skip
    return "{" + ", ".join(f"{name}:{quoted(part(rule, m))}" for name, m in shown if part(rule, m)) + "}"


def quoted(words: Iterable[str]) -> str:
    """Words as Go's %q shows a list of them."""
    return "[" + " ".join(json.dumps(word, ensure_ascii=False) for word in words) + "]"


def same(one: Rule, other: Rule) -> bool:
    """Whether two rules say the same in the same order; absent and empty members are alike."""
    return all(list(part(one, m)) == list(part(other, m)) for m in _MEMBERS)


def aggregated(role: Mapping[str, Any], roles: Iterable[Mapping[str, Any]]) -> list[Rule] | None:
    """The rules that a ClusterRole's aggregationRule gathers from `roles`; None when it has no such rule.

    Selector by selector, the chosen roles by name, no rule twice, the role itself left out. Raises BadRequest for a
    selector that is none.
    """
    rule = role.get("aggregationRule")
    if rule is None:
        return None
    by_name = sorted(roles, key=lambda r: str(r["metadata"]["name"]))
    found: list[Rule] = []
    for chosen in rule.get("clusterRoleSelectors") or ():
        selector = labels.from_label_selector(chosen)
        for other in by_name:
            metadata = other["metadata"]
            if metadata["name"] == role["metadata"]["name"] or not selector.matches(metadata.get("labels")):
                continue
            for one in other.get("rules") or ():
                if not any(same(one, known) for known in found):
                    found.append(one)
    return found
