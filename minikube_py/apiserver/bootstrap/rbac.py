"""The default roles and bindings, which every start reconciles: what is missing is added, what is more stays.

They are data (`rbac.json`), as Kubernetes has them, with one addition: the controllers' roles are also bound to
the user system:kube-controller-manager, under whose name the controllers act (docs/adr/008-who-controllers-are.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Any

from minikube_py.api import errors, rbac
from minikube_py.api.rbac import Rule
from minikube_py.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES, Resource
from minikube_py.apiserver.auth.rbac import GROUP
from minikube_py.apiserver.bootstrap.base import LOOPBACK, Hook, Server, own_request
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.options import DeleteOptions
from minikube_py.daemon import logs

log = logs.get("apiserver.bootstrap")

LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""Whose default object has this annotation as "false" takes care of it alone."""

CONTROLLERS = {"apiGroup": GROUP, "kind": "User", "name": "system:kube-controller-manager"}

Default = tuple[Resource, Object]


def defaults() -> list[Default]:
    """The default objects.

    Roles that only aggregate others have the rules that the controller would gather for them, so that an API server
    alone has them, too.
    """
    data = _data()
    cluster_roles = (*data["clusterRoles"], *data["controllerRoles"])
    found = [(CLUSTERROLES, _role(CLUSTERROLES, role)) for role in cluster_roles]
    found += [(ROLES, _role(ROLES, role)) for role in data["namespaceRoles"]]
    found += [(CLUSTERROLEBINDINGS, _binding(CLUSTERROLEBINDINGS, b, ())) for b in data["clusterRoleBindings"]]
    found += [
        (CLUSTERROLEBINDINGS, _binding(CLUSTERROLEBINDINGS, b, (CONTROLLERS,))) for b in data["controllerRoleBindings"]
    ]
    found += [(ROLEBINDINGS, _binding(ROLEBINDINGS, b, ())) for b in data["namespaceRoleBindings"]]
    return found


def node_rules() -> Sequence[Rule]:
    """The rules of the role system:node, which no default binding gives anybody: the authorizer Node has them."""
    rules: Sequence[Rule] = next(role["rules"] for role in _data()["clusterRoles"] if role["name"] == "system:node")
    return rules


def _data() -> Object:
    found: Object = loads(files(__package__).joinpath("rbac.json").read_bytes())
    return found


def _object(resource: Resource, told: Object) -> Object:
    metadata: Object = {"name": told["name"], "labels": {**LABELS, **told.get("labels", {})}}
    metadata["annotations"] = {AUTOUPDATE: "true"}
    if "namespace" in told:
        metadata["namespace"] = told["namespace"]
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _role(resource: Resource, told: Object) -> Object:
    role = {**_object(resource, told), "rules": told["rules"]}
    if "aggregationRule" in told:
        role["aggregationRule"] = told["aggregationRule"]
    return role


def _binding(resource: Resource, told: Object, also: Iterable[Object]) -> Object:
    kind, _, name = told["roleRef"].partition("/")
    binding = {**_object(resource, told), "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name}}
    if subjects := [*(_subject(text) for text in told["subjects"]), *also]:
        binding["subjects"] = subjects
    return binding


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind != "ServiceAccount":
        return {"apiGroup": GROUP, "kind": kind, "name": name}
    namespace, _, name = name.partition("/")
    return {"kind": kind, "namespace": namespace, "name": name}


def reconciled(existing: Object, default: Object) -> Object | None:
    """The existing object with what it lacks of the default one; None when that is nothing, or it looks after itself.

    A role's rules are missing that its own do not cover; the rules of an aggregated one are the controller's.
    """
    metadata = existing["metadata"]
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    changes: Object = {}
    kept: Object = {}
    for member in ("labels", "annotations"):
        own, wanted = metadata.get(member) or {}, default["metadata"][member]
        if not wanted.keys() <= own.keys():
            kept[member] = {**wanted, **own}
    if kept:
        changes["metadata"] = {**metadata, **kept}
    if "roleRef" in default:
        own, wanted = existing.get("subjects") or [], default.get("subjects") or []
        if lacking := [s for s in wanted if not any(_same_subject(s, o) for o in own)]:
            changes["subjects"] = [*own, *lacking]
        return {**existing, **changes} if changes else None
    changes |= dict(_role_changes(existing, default))
    if not changes:
        return None
    return {k: v for k, v in {**existing, **changes}.items() if v is not None}


def _role_changes(existing: Object, default: Object) -> Iterator[tuple[str, Any]]:
    own, wanted = existing.get("aggregationRule"), default.get("aggregationRule")
    if wanted is None:
        if own is not None:
            yield "aggregationRule", None
        rules = existing.get("rules") or []
        if rules != default["rules"] and (lacking := rbac.missing(rules, default["rules"])):
            yield "rules", [*rules, *lacking]
        return
    selectors = (own or {}).get("clusterRoleSelectors") or []
    if lacking := [s for s in wanted["clusterRoleSelectors"] if s not in selectors]:
        yield "aggregationRule", {"clusterRoleSelectors": [*selectors, *lacking]}


def _same_subject(one: Object, other: Object) -> bool:
    return all(one.get(m, "") == other.get(m, "") for m in ("kind", "namespace", "name"))


async def run(server: Server) -> None:
    """Write what is missing, all at once; objects that are as they should be are only read."""
    await asyncio.gather(*(_ensure(server, resource, obj) for resource, obj in pending(server)))
    await server.storage.fresh()


def pending(server: Server) -> list[Default]:
    """The objects that must be written: new ones, and old ones with what they lack."""
    found: list[Default] = []
    for resource, default in defaults():
        cache = server.storage.caches[resource.qualified]
        metadata = default["metadata"]
        item = cache.items.get(cache.key(metadata.get("namespace", ""), metadata["name"]))
        if item is None:
            found.append((resource, default))
            continue
        existing = loads(item.data)
        if "roleRef" in default and existing["roleRef"] != default["roleRef"]:
            found.append((resource, default))  # a role reference cannot change: the binding is made anew
        elif (wanted := reconciled(existing, default)) is not None:
            found.append((resource, wanted))
    return found


async def _ensure(server: Server, resource: Resource, obj: Object) -> None:
    metadata = obj["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    registry = server.catalog.of(resource)
    if metadata.get("resourceVersion"):
        try:
            await registry.update(obj, own_request(namespace, name))
        except errors.Conflict:
            log.info("somebody else changed a default object", resource=resource.qualified, name=name)
        return
    if "roleRef" in obj and registry.cache.key(namespace, name) in registry.cache.items:
        await registry.delete(namespace, name, DeleteOptions(None, "", "", "", False), LOOPBACK)
        await server.storage.fresh()
    await server.ensure(resource, obj, namespace, shipped=True)


def missing(server: Server) -> str | None:
    """Nothing: the server does not answer before the hook has run; later it is the administrator's affair."""
    return None


HOOK = Hook("rbac/bootstrap-roles", run, missing)
