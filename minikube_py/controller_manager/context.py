"""What a controller is given: the client, the clock, shared informers, and a place to register what must run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from minikube_py.api.meta import Object
from minikube_py.api.meta import key as object_key
from minikube_py.api.resources import Resource
from minikube_py.client.controller import Controller, Reconcile
from minikube_py.client.events import EventRecorder
from minikube_py.client.informer import Informer
from minikube_py.client.rest import Client
from minikube_py.controller_manager.config import ControllerManagerConfig
from minikube_py.daemon.clock import Clock


class Reconciler(Protocol):
    """A controller: a class that, given a Context, says in its constructor what it watches and what reconciles it.

        class Example:
            name = "example-controller"

            def __init__(self, context: Context) -> None:
                self.pods = context.informer(PODS)
                context.controller(self.name, self.reconcile).watch(self.pods)

            async def reconcile(self, key: str) -> float | None:
                for action in plan(self.pods.get(key)):
                    ...

    `reconcile` begins when every watched informer has synced, looks at what is, and does at most the next step.
    """

    name: str

    def __init__(self, context: Context) -> None: ...


class Context:
    """Informers are shared: two controllers that ask for the same resource get the same cache."""

    def __init__(
        self, client: Client, recorder: EventRecorder, *, clock: Clock, config: ControllerManagerConfig
    ) -> None:
        self.client = client
        self.recorder = recorder
        self.clock = clock
        self.config = config
        self.controllers: list[Controller] = []
        self.tasks: list[Callable[[], Awaitable[object]]] = []
        self._informers: dict[tuple[Resource, str, str], Informer[Object]] = {}

    @property
    def informers(self) -> list[Informer[Object]]:
        """Every informer that was asked for."""
        return list(self._informers.values())

    def informer(self, resource: Resource, namespace: str = "", *, field_selector: str = "") -> Informer[Object]:
        """The shared cache of a resource; its objects lack managedFields, which no controller reads."""
        found = self._informers.get((resource, namespace, field_selector))
        if found is None:
            found = Informer(
                self.client, resource, clock=self.clock, namespace=namespace, field_selector=field_selector,
                transform=_slim,
            )  # fmt: skip
            self._informers[(resource, namespace, field_selector)] = found
        return found

    def controller(self, name: str, reconcile: Reconcile, *, workers: int = 1) -> Controller:
        """A controller that will run; let it watch informers and enqueue keys."""
        made = Controller(name, reconcile, clock=self.clock, workers=workers)
        self.controllers.append(made)
        return made

    def task(self, function: Callable[[], Awaitable[object]]) -> None:
        """Something else that must run until it is cancelled."""
        self.tasks.append(function)


def _slim(obj: Object) -> Object:
    obj["metadata"].pop("managedFields", None)
    return obj


class Index:
    """The keys of an informer's objects by some value of theirs, such as the Node of a Pod.

    Made before a controller watches the informer, it is up to date when the controller's keys are asked for.
    """

    def __init__(self, informer: Informer[Object], value: Callable[[Object], str]) -> None:
        self._value = value
        self._keys: dict[str, set[str]] = {}
        informer.on_change(self._heard)

    def get(self, value: str) -> list[str]:
        """The keys of the objects with this value, in order."""
        return sorted(self._keys.get(value, ()))

    def _heard(self, old: Object | None, new: Object | None) -> None:
        before = self._value(old) if old is not None else ""
        after = self._value(new) if new is not None else ""
        if old is not None and before and (before != after or new is None):
            keys = self._keys[before]
            keys.discard(object_key(old))
            if not keys:
                del self._keys[before]
        if new is not None and after:
            self._keys.setdefault(after, set()).add(object_key(new))


def node_name(pod: Mapping[str, Any]) -> str:
    """The Node of a Pod; empty while it has none."""
    name: str = pod.get("spec", {}).get("nodeName") or ""
    return name


def namespace_key(old: Object | None, new: Object | None) -> Iterable[str]:
    """For `watch`: the namespace of the changed object."""
    changed = old if new is None else new
    assert changed is not None
    return (changed["metadata"].get("namespace", ""),)


def no_keys(old: object, new: object) -> Iterable[str]:
    """For `watch`: an informer that `reconcile` reads, whose changes matter to nothing by themselves."""
    return ()
