"""Leader election on a Lease: of several processes with one identity each, one leads at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from minikube_py.api import errors, times
from minikube_py.api.meta import Object
from minikube_py.api.resources import LEASES
from minikube_py.client.rest import Client
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock

log = logs.get("leader")


class LeadershipLost(Exception):
    """The lease could not be renewed in time, or is another's now; the process should end and start anew."""


class LeaderElector:
    """Holds `namespace/name` as `identity`. Times are seconds, with upstream's defaults.

    A lease counts as expired when it has not changed for its duration *as seen by this process*, so that clocks need
    not agree. `on_new_leader(identity)` is told who leads, each time that changes.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        *,
        clock: Clock,
        namespace: str = "kube-system",
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
        on_new_leader: Callable[[str], object] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if not identity:
            raise ValueError("a leader needs an identity")
        if lease_duration < 1:
            raise ValueError("the lease duration must be at least one second")
        if not lease_duration > renew_deadline > retry_period * 1.2 > 0:
            raise ValueError("lease duration > renew deadline > 1.2 * retry period > 0 must hold")
        self.name = name
        self.identity = identity
        self.leader = ""
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._lease_duration = lease_duration
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._on_new_leader = on_new_leader
        self._random = rng or random.Random()
        self._lease: Object | None = None
        self._observed: tuple[Any, ...] = ()
        self._observed_at = 0.0

    @property
    def is_leader(self) -> bool:
        """Whether the lease, as last seen, is ours."""
        return self.leader == self.identity

    async def run(self, lead: Callable[[], Awaitable[object]]) -> None:
        """Wait for the lease, then run `lead()` while renewing it.

        When `lead()` ends (returns, fails or is cancelled with us) the lease is released. When the lease is lost
        `lead()` is cancelled and awaited, and LeadershipLost is raised.
        """
        await self._acquire()
        work = asyncio.create_task(_call(lead), name=f"lead {self.name}")
        renewal = asyncio.create_task(self._renew(), name=f"renew lease {self.name}")
        try:
            await asyncio.wait((work, renewal), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
                renewal.result()
            work.result()
        finally:
            for task in (work, renewal):
                task.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
            await self._release()

    async def _acquire(self) -> None:
        log.info("waiting for the lease", lease=self.name, identity=self.identity)
        while not await self._try():
            await self._clock.sleep(self._retry_period * (1 + 1.2 * self._random.random()))
        log.info("became the leader", lease=self.name, identity=self.identity)

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._retry_period)
            try:
                async with self._clock.timeout(self._renew_deadline):
                    while not await self._try():
                        if not self.is_leader:
                            raise LeadershipLost(f"lease {self.name} is held by {self.leader or 'nobody'} now")
                        await self._clock.sleep(self._retry_period)
            except TimeoutError:
                message = f"lease {self.name} could not be renewed within {self._renew_deadline:g} s"
                raise LeadershipLost(message) from None

    async def _try(self) -> bool:
        """One attempt to get or renew the lease; whether it is ours afterwards. API errors are a no."""
        try:
            return await self._get_or_renew()
        except errors.Conflict:
            # Someone wrote in between; the next attempt sees what.
            self._lease = None
        except errors.StatusError as error:
            self._lease = None
            log.warning("cannot get or renew the lease", lease=self.name, error=error)
        return False

    async def _get_or_renew(self) -> bool:
        now = times.format_micro(self._clock.now())
        mine: Object = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(self._lease_duration),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        # A leader first tries to renew from what it wrote last, which saves the read (upstream's fast path).
        if self._lease is None or not self.is_leader:
            try:
                self._see(await self._client.get(LEASES, self.name, self._namespace))
            except errors.NotFound:
                metadata = {"name": self.name, "namespace": self._namespace}
                lease = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": mine}
                self._see(await self._client.create(LEASES, lease))
                return True
        assert self._lease is not None
        spec = self._lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder and holder != self.identity and not self._expired(spec):
            return False
        transitions = int(spec.get("leaseTransitions") or 0)
        if holder == self.identity:
            mine["acquireTime"] = spec.get("acquireTime") or now
            mine["leaseTransitions"] = transitions
        else:
            mine["leaseTransitions"] = transitions + 1
        self._see(await self._client.update(LEASES, {**self._lease, "spec": {**spec, **mine}}))
        return True

    def _expired(self, spec: Object) -> bool:
        duration = spec.get("leaseDurationSeconds") or self._lease_duration
        return self._clock.monotonic() >= self._observed_at + float(duration)

    def _see(self, lease: Object) -> None:
        spec = lease.get("spec") or {}
        record = tuple(spec.get(k) for k in ("holderIdentity", "acquireTime", "renewTime", "leaseTransitions"))
        self._lease = lease
        if record != self._observed:
            self._observed = record
            self._observed_at = self._clock.monotonic()
        holder = spec.get("holderIdentity") or ""
        if holder != self.leader:
            self.leader = holder
            if self._on_new_leader is not None:
                self._on_new_leader(holder)

    async def _release(self) -> None:
        """Give the lease up, so that the next leader need not wait for it to expire."""
        if not self.is_leader or self._lease is None:
            return
        now = times.format_micro(self._clock.now())
        spec = {
            **(self._lease.get("spec") or {}),
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": now,
            "renewTime": now,
        }
        try:
            async with self._clock.timeout(self._renew_deadline):
                self._see(await self._client.update(LEASES, {**self._lease, "spec": spec}))
            log.info("released the lease", lease=self.name, identity=self.identity)
        except (errors.StatusError, TimeoutError) as error:
            log.warning("cannot release the lease", lease=self.name, error=error)


async def _call(lead: Callable[[], Awaitable[object]]) -> object:
    return await lead()
