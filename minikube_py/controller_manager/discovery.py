"""What the API server serves, found out by asking it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from minikube_py.api import errors
from minikube_py.api.resources import Resource
from minikube_py.client.rest import Client


@dataclass(frozen=True, slots=True)
class Discovered:
    """Resources with their verbs, each in one version (the preferred one where it has it); and groups that failed."""

    resources: Mapping[Resource, frozenset[str]]
    failures: Mapping[str, str]

    def supporting(self, *verbs: str) -> list[Resource]:
        """The resources that have all of these verbs."""
        return [r for r, has in self.resources.items() if has.issuperset(verbs)]


async def discover(client: Client) -> Discovered:
    """Every group-version's resources. Raises StatusError when not even the list of groups is to be had."""
    versions: list[tuple[str, str, str]] = [("", "v1", "/api/v1")]
    for group in (await _get(client, "/apis")).get("groups") or ():
        preferred = group.get("preferredVersion") or {}
        others = [v for v in group.get("versions") or () if v != preferred]
        for version in [preferred, *others] if preferred else others:
            versions.append((group["name"], version["version"], f"/apis/{version['groupVersion']}"))
    found: dict[Resource, frozenset[str]] = {}
    known: set[tuple[str, str]] = set()
    failures: dict[str, str] = {}
    for group_name, version_name, path in versions:
        try:
            served = (await _get(client, path)).get("resources") or ()
        except errors.StatusError as error:
            failures[f"{group_name}/{version_name}" if group_name else version_name] = str(error)
            continue
        for raw in served:
            plural = raw["name"]
            if "/" in plural or (group_name, plural) in known:
                continue
            known.add((group_name, plural))
            resource = Resource(group_name, version_name, plural, raw["kind"], bool(raw.get("namespaced")), "")
            found[resource] = frozenset(raw.get("verbs") or ())
    return Discovered(found, failures)


async def _get(client: Client, path: str) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads((await client.raw("GET", path)).body)
    return body
