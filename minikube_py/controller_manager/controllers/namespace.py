"""A namespace that was deleted goes when everything in it has gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minikube_py.api import errors, times
from minikube_py.api.meta import Object, is_deleting, set_condition
from minikube_py.api.resources import NAMESPACES, PODS, Resource
from minikube_py.controller_manager.context import Context, namespace_key
from minikube_py.controller_manager.discovery import discover

FINALIZER = "kubernetes"

LOOK_AGAIN = 5.0
"""Seconds until a namespace with remaining content is looked at again; the end of a Pod is heard at once."""


@dataclass(slots=True)
class Content:
    """What one sweep of a namespace found. `remaining` counts by `plural.group`, `finalizers` by finalizer."""

    undiscovered: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    remaining: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing is left, for sure."""
        return not (self.undiscovered or self.failures or self.remaining)

    def count(self, resource: Resource, items: list[Object]) -> None:
        """These objects of `resource` are still there."""
        if items:
            name = f"{resource.plural}.{resource.group}"
            self.remaining[name] = self.remaining.get(name, 0) + len(items)
        for item in items:
            for finalizer in item["metadata"].get("finalizers") or ():
                self.finalizers[finalizer] = self.finalizers.get(finalizer, 0) + 1


def conditions(content: Content) -> list[Object]:
    """The five conditions by which a namespace says what keeps it."""

    def one(type: str, problem: str, bad: tuple[str, str], good: tuple[str, str]) -> Object:
        reason, message = (bad[0], f"{bad[1]}{problem}") if problem else good
        return {"type": type, "status": "True" if problem else "False", "reason": reason, "message": message}

    failed = ", ".join(sorted(content.failures))
    return [
        one(
            "NamespaceDeletionDiscoveryFailure",
            ", ".join(sorted(content.undiscovered)),
            ("DiscoveryFailed", "Discovery failed for some groups: "),
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        one(
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            ("", ""),
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        one(
            "NamespaceDeletionContentFailure",
            failed,
            ("ContentDeletionFailed", f"Failed to delete all resource types, {len(content.failures)} remaining: "),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        one(
            "NamespaceContentRemaining",
            _listed(content.remaining, "{} has {} resource instances"),
            ("SomeResourcesRemain", "Some resources are remaining: "),
            ("ContentRemoved", "All content successfully removed"),
        ),
        one(
            "NamespaceFinalizersRemaining",
            _listed(content.finalizers, "{} in {} resource instances"),
            ("SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: "),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]


def _listed(counts: Mapping[str, int], form: str) -> str:
    return ", ".join(form.format(name, number) for name, number in sorted(counts.items()))


def plan(namespace: Object, content: Content, now: str) -> Object | None:
    """The status that the namespace should have after this sweep, or None when it has it."""
    status = namespace.get("status") or {}
    found = [dict(c) for c in status.get("conditions") or ()]
    changed = [set_condition(found, condition, now) for condition in conditions(content)]
    if not any(changed) and status.get("phase") == "Terminating":
        return None
    return {**status, "phase": "Terminating", "conditions": found}


class NamespaceController:
    name = "namespace-controller"

    def __init__(self, context: Context) -> None:
        self.client, self.clock = context.client, context.clock
        self.namespaces = context.informer(NAMESPACES)
        self.pods = context.informer(PODS)
        controller = context.controller(self.name, self.reconcile, workers=context.config.concurrent_namespace_syncs)
        controller.watch(self.namespaces)
        controller.watch(self.pods, lambda old, new: namespace_key(old, new) if new is None else ())

    async def reconcile(self, key: str) -> float | None:
        """`key` is a namespace. It is read live: deleting on old news would be final."""
        cached = self.namespaces.get(key)
        if cached is None or not is_deleting(cached):
            return None
        try:
            namespace = await self.client.get(NAMESPACES, key)
        except errors.NotFound:
            return None
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if not is_deleting(namespace) or FINALIZER not in finalizers:
            return None
        content = await self.sweep(key)
        left = [f for f in finalizers if f != FINALIZER]
        stays = not content.empty or bool(left or namespace["metadata"].get("finalizers"))
        status = plan(namespace, content, times.format_time(self.clock.now()))
        if stays and status is not None:
            namespace = await self.client.update(NAMESPACES, {**namespace, "status": status}, subresource="status")
        if not content.empty:
            return LOOK_AGAIN
        spec = {**namespace["spec"], "finalizers": left}
        try:
            await self.client.update(NAMESPACES, {**namespace, "spec": spec}, subresource="finalize")
        except errors.NotFound:
            pass
        return None

    async def sweep(self, namespace: str) -> Content:
        """Ask for the deletion of everything, Pods before all else, and count what is still there."""
        content = Content()
        found = await discover(self.client)
        content.undiscovered += [f"{group}: {why}" for group, why in found.failures.items()]
        await self._remove(PODS, found.resources.get(_served(found.resources, PODS), frozenset()), namespace, content)
        if content.remaining:
            # What Pods use while they stop (secrets, volumes, network policies) must outlive them.
            return content
        for resource in found.supporting("delete", "list"):
            if resource.namespaced and (resource.group, resource.plural) != (PODS.group, PODS.plural):
                await self._remove(resource, found.resources[resource], namespace, content)
        return content

    async def _remove(self, resource: Resource, verbs: frozenset[str], namespace: str, content: Content) -> None:
        if "list" not in verbs:
            return
        try:
            items = (await self.client.list(resource, namespace))["items"]
            fresh = [i for i in items if not is_deleting(i)]
            if not fresh:
                content.count(resource, items)
                return
            if "deletecollection" in verbs:
                await self.client.delete_collection(resource, namespace, propagation_policy="Background")
            else:
                for item in fresh:
                    await self._delete(resource, item)
            content.count(resource, (await self.client.list(resource, namespace))["items"])
        except (errors.NotFound, errors.MethodNotAllowed):
            return  # a resource that is served no more
        except errors.StatusError as error:
            content.failures.append(f"{resource.qualified}: {error}")

    async def _delete(self, resource: Resource, item: Object) -> None:
        metadata = item["metadata"]
        try:
            await self.client.delete(
                resource, metadata["name"], metadata["namespace"], propagation_policy="Background", uid=metadata["uid"]
            )
        except errors.NotFound:
            pass


def _served(resources: Mapping[Resource, frozenset[str]], wanted: Resource) -> Resource:
    return next((r for r in resources if (r.group, r.plural) == (wanted.group, wanted.plural)), wanted)
