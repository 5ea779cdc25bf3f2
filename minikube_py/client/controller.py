"""The controller runner: keys from informers through a work queue to `reconcile(key)`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from minikube_py.api import errors
from minikube_py.api.meta import key as object_key
from minikube_py.client.informer import Informer
from minikube_py.client.workqueue import WorkQueue
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.run import named_group

log = logs.get("controller")

T = TypeVar("T")
Reconcile = Callable[[str], Awaitable[float | None]]


class Runnable(Protocol):
    """Something with a task that must run until it is cancelled."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...


def own_key(old: Any, new: Any) -> Iterable[str]:
    """The changed object's own key."""
    return (object_key(old if new is None else new),)


class Controller:
    """Calls `reconcile(key)` for every key that changed, never twice at once for one key.

    `reconcile` looks at what is, does at most the next step and returns None, or the seconds after which to look again.
    What it raises is logged and retried with backoff; a Conflict is retried quietly, since newer state is on its way.
    """

    def __init__(
        self, name: str, reconcile: Reconcile, *, clock: Clock, workers: int = 1, queue: WorkQueue | None = None
    ) -> None:
        self.name = name
        self.queue = queue or WorkQueue(clock)
        self._reconcile = reconcile
        self._workers = workers
        self._informers: list[Informer[Any]] = []

    def watch(self, informer: Informer[T], keys: Callable[[T | None, T | None], Iterable[str]] = own_key) -> None:
        """Enqueue `keys(old, new)` for each change that the informer hears."""

        def heard(old: T | None, new: T | None) -> None:
            for key in keys(old, new):
                self.queue.add(key)

        self._informers.append(informer)
        informer.on_change(heard)

    def enqueue(self, key: str) -> None:
        """Look at this key soon."""
        self.queue.add(key)

    def enqueue_after(self, key: str, seconds: float) -> None:
        """Look at this key after a delay."""
        self.queue.add_after(key, seconds)

    async def run(self) -> None:
        """Work until cancelled; begins when all watched informers have synced."""
        for informer in self._informers:
            await informer.wait_synced()
        async with named_group() as group:
            for number in range(self._workers):
                group.start(f"{self.name} worker {number}", self._work)

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                again = await self._reconcile(key)
            except errors.Conflict:
                delay = self.queue.retry(key)
                log.debug("conflict, will retry", controller=self.name, key=key, retry_seconds=delay)
            except Exception as error:
                delay = self.queue.retry(key)
                # A refusal by the server is the cluster's business; anything else is a bug that wants its traceback.
                write = log.warning if isinstance(error, errors.StatusError) else log.exception
                write("reconcile failed", controller=self.name, key=key, error=error, retry_seconds=delay)
            else:
                self.queue.forget(key)
                if again is not None:
                    self.queue.add_after(key, again)
            finally:
                self.queue.done(key)


async def run_all(
    informers: Iterable[Informer[Any]],
    controllers: Iterable[Controller],
    extra: Iterable[Runnable | Callable[[], Awaitable[object]]] = (),
) -> None:
    """Run everything as named tasks, until cancelled or until one fails or returns (raised as an ExceptionGroup).

    `extra` are objects with `name` and `run()`, such as an EventRecorder, or coroutine functions.
    """
    async with named_group() as group:
        for informer in informers:
            group.start(f"informer {informer.name}", informer.run)
        for controller in controllers:
            group.start(f"controller {controller.name}", controller.run)
        for one in extra:
            if callable(one):
                group.start(getattr(one, "__qualname__", repr(one)), one)
            else:
                group.start(one.name, one.run)
        await asyncio.get_running_loop().create_future()  # the tasks live in this group; only they can end it
