"""What the server offers, told in the forms that clients ask for: derived from the list of kinds, nothing by hand.

Legacy: /api, /api/v1, /apis, /apis/GROUP, /apis/GROUP/VERSION. Aggregated: /api and /apis in one answer each.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from minikube_py.api.resources import Resource
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.kinds.base import Kind, Subresource

GROUP_ORDER = (
    "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
    "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
    "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io",
    "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io", "storagemigration.k8s.io",
)  # fmt: skip
"""Kubernetes' own groups by priority: a short name that two share means the earlier one. Others follow by name."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
"""The content type of an aggregated answer, `version` v2 or v2beta1."""

# Where a kind is stored in another group-version than the served one, its hash tells that one's.
_ADMISSION = "admissionregistration.k8s.io"
_STORED_AS = {
    ("events.k8s.io", "v1", "Event"): ("", "v1", "Event"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"): (
        "apiextensions.k8s.io",
        "v1beta1",
        "CustomResourceDefinition",
    ),
    (_ADMISSION, "v1", "MutatingAdmissionPolicy"): (_ADMISSION, "v1beta1", "MutatingAdmissionPolicy"),
    (_ADMISSION, "v1", "MutatingAdmissionPolicyBinding"): (_ADMISSION, "v1beta1", "MutatingAdmissionPolicyBinding"),
}


Kept = dict[int, tuple[Kind, bytes]]
"""What aggregated discovery says of a kind, by the kind's id; the kind is with it, so that its id stays its own."""


@dataclass(frozen=True, slots=True)
class Virtual:
    """A resource that nothing is stored for: a question (`selfsubjectaccessreviews`) or an act (`bindings`).

    `singular` None is the kind in lower case; some have none at all.
    """

    resource: Resource
    verbs: tuple[str, ...] = ("create",)
    singular: str | None = None
    short_names: tuple[str, ...] = ()


def storage_version_hash(group: str, version: str, kind: str) -> str:
    """By which clients see that two groups serve the same stored objects."""
    group, version, kind = _STORED_AS.get((group, version, kind), (group, version, kind))
    digest = hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


METRICS = "metrics.k8s.io"


def group_key(group: str) -> tuple[int, str]:
    """The sorting key of a group's name."""
    place = len(GROUP_ORDER) + (group == METRICS)  # an add-on elsewhere, with a priority below that of custom resources
    return (GROUP_ORDER.index(group) if group in GROUP_ORDER else place, group)


@dataclass(frozen=True, slots=True)
class _Entry:
    resource: Resource
    singular: str
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    stored: Resource | None = None
    """As what its objects are kept, if it has any."""
    kind: Kind | None = None


class Discovery:
    """The discovery answers for a list of kinds; built once, each answer is computed on first use and kept."""

    def __init__(self, kinds: Iterable[Kind], virtual: Iterable[Virtual] = ()) -> None:
        entries = [
            _Entry(
                k.resource,
                k.singular,
                tuple(sorted(k.verbs if k.custom is None else k.custom.verbs)),
                k.short_names,
                k.categories,
                k.subresources,
                k.stored_as.resource if k.stored_as else k.resource,
                k,
            )
            for k in kinds
        ]
        for v in virtual:
            singular = v.resource.kind.lower() if v.singular is None else v.singular
            entries.append(_Entry(v.resource, singular, tuple(sorted(v.verbs)), v.short_names))
        self._entries: dict[tuple[str, str], list[_Entry]] = {}
        for entry in sorted(entries, key=lambda e: e.resource.plural):
            self._entries.setdefault((entry.resource.group, entry.resource.version), []).append(entry)
        self._groups: dict[str, list[str]] = {}
        for group, version in sorted(self._entries, key=lambda gv: (group_key(gv[0]), version_key(gv[1]))):
            self._groups.setdefault(group, []).append(version)

    @property
    def groups(self) -> Mapping[str, list[str]]:
        """Versions by group, the preferred one first; groups by priority."""
        return self._groups

    def api(self, server_address: str = "") -> dict[str, Any]:
        """/api: meta/v1 APIVersions; `server_address` is host:port as clients reach it."""
        return {
            "kind": "APIVersions",
            "versions": self._groups.get("", []),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
        }

    @cached_property
    def apis(self) -> dict[str, Any]:
        """/apis: meta/v1 APIGroupList."""
        groups = [self._group(name) for name in self._groups if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, name: str) -> dict[str, Any] | None:
        """/apis/GROUP: meta/v1 APIGroup, None for an unknown one."""
        if not name or name not in self._groups:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(name)}

    def _group(self, name: str) -> dict[str, Any]:
        versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in self._groups[name]]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def resources(self, group: str, version: str) -> dict[str, Any] | None:
        """/api/v1 and /apis/GROUP/VERSION: meta/v1 APIResourceList, None for an unknown group-version."""
        entries = self._entries.get((group, version))
        if entries is None:
            return None
        head: dict[str, Any] = {"kind": "APIResourceList"}
        if group:
            # The core group's answer has no apiVersion: older clients read it as what it is.
            head["apiVersion"] = "v1"
        found = [item for entry in entries for item in _legacy(entry)]
        return {**head, "groupVersion": f"{group}/{version}" if group else version, "resources": found}

    def aggregated(self, path: str, version: str = "v2") -> dict[str, Any]:
        """/api or /apis as apidiscovery.k8s.io APIGroupDiscoveryList; `version` is v2 or v2beta1 (the same shape)."""
        if version not in ("v2", "v2beta1"):
            raise ValueError(f"no such version of aggregated discovery: {version}")
        names = [name for name in self._groups if (not name) == (path == "/api")]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": [self._aggregated_group(name) for name in names],
        }

    def aggregated_bytes(self, path: str, version: str, kept: Kept) -> bytes:
        """`aggregated` as JSON. What it says of each kind is taken from `kept`, or put there."""
        groups = []
        for name in self._groups:
            if (not name) != (path == "/api"):
                continue
            versions = [
                b'{"version":%b,"resources":[%b],"freshness":"Current"}'
                % (dumps(v), b",".join(_rendered(entry, kept) for entry in self._entries[name, v]))
                for v in self._groups[name]
            ]
            metadata = dumps({"name": name} if name else {})
            groups.append(b'{"metadata":%b,"versions":[%b]}' % (metadata, b",".join(versions)))
        return b'{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/%b","metadata":{},"items":[%b]}' % (
            version.encode(),
            b",".join(groups),
        )

    def _aggregated_group(self, name: str) -> dict[str, Any]:
        versions = [
            {
                "version": version,
                "resources": [_aggregated(entry) for entry in self._entries[name, version]],
                "freshness": "Current",
            }
            for version in self._groups[name]
        ]
        return {"metadata": {"name": name} if name else {}, "versions": versions}


def _rendered(entry: _Entry, kept: Kept) -> bytes:
    if entry.kind is None:
        return dumps(_aggregated(entry))
    found = kept.get(id(entry.kind))
    if found is None or found[0] is not entry.kind:
        found = kept[id(entry.kind)] = (entry.kind, dumps(_aggregated(entry)))
    return found[1]


def version_key(version: str) -> tuple[int, int, int, str]:
    """The sorting key of versions as Kubernetes orders them: v2, v1, v1beta2, v1beta1, v1alpha1, then other words."""
    import re

    match = re.fullmatch(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?", version)
    if not match:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), "")


def _legacy(entry: _Entry) -> list[dict[str, Any]]:
    resource = entry.resource
    item: dict[str, Any] = {
        "name": resource.plural,
        "singularName": entry.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(entry.verbs),
    }
    if entry.short_names:
        item["shortNames"] = list(entry.short_names)
    if entry.categories:
        item["categories"] = list(entry.categories)
    if (kept := entry.stored) is not None:
        item["storageVersionHash"] = storage_version_hash(kept.group, kept.version, kept.kind)
    found = [item]
    for sub in sorted(entry.subresources, key=lambda s: s.name):
        part: dict[str, Any] = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
        }
        if sub.version:
            part |= {"group": sub.group, "version": sub.version} if sub.group else {"version": sub.version}
        part |= {"kind": sub.kind, "verbs": list(sub.verbs)}
        found.append(part)
    return found


def _aggregated(entry: _Entry) -> dict[str, Any]:
    resource = entry.resource
    item: dict[str, Any] = {
        "resource": resource.plural,
        # Empty group and version mean those of the list that this stands in.
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": entry.singular,
        "verbs": list(entry.verbs),
    }
    if entry.short_names:
        item["shortNames"] = list(entry.short_names)
    if entry.categories:
        item["categories"] = list(entry.categories)
    if entry.subresources:
        item["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                "verbs": list(sub.verbs),
            }
            for sub in sorted(entry.subresources, key=lambda s: s.name)
        ]
    return item
