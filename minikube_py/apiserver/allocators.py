"""Pools that writes take from: the cluster IPs and node ports of Services.

One process hands out each value once, also to creates that are under way at the same time. The pools are in memory and
are filled at start from the Services that are stored (`Allocators.restore`). A server that may share its store with
others follows the Services (`Allocators.follow`): what any of them stores is held here too, a watch event later. Only
creates on two servers within that moment may be given the same value.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any


class PoolError(Exception):
    """A value that cannot be had; the text is Kubernetes' reason."""


class Pool:
    """Numbers from `first` to `last`, each held at most once.

    Values that nobody asked for by number come from above a band at the bottom, which is left for those who do ask, as
    long as there are others.
    """

    def __init__(self, first: int, last: int, *, band: int = 0, choose: random.Random | None = None) -> None:
        self.first, self.last = first, last
        self._band = min(band, last - first)
        self._held: set[int] = set()
        self._stored: Counter[int] = Counter()
        self._followed = False
        self._random = choose or random.Random()

    def __contains__(self, value: int) -> bool:
        return value in self._held or value in self._stored

    def __len__(self) -> int:
        return len(self._held | self._stored.keys())

    def covers(self, value: int) -> bool:
        """Whether the pool owns this number at all."""
        return self.first <= value <= self.last

    def take(self, value: int) -> None:
        """Take this number. PoolError when it is held or outside the range."""
        if not self.covers(value):
            raise PoolError(f"not in the valid range. The range of valid values is {self.first}-{self.last}")
        if value in self:
            raise PoolError("already allocated")
        self._held.add(value)

    def take_any(self) -> int:
        """Take a number that is free. PoolError when none is."""
        lowest = self.first + self._band
        value = self._free(lowest, self.last)
        if value is None and self._band:
            value = self._free(self.first, lowest - 1)
        if value is None:
            raise PoolError("range is full")
        self._held.add(value)
        return value

    def _free(self, low: int, high: int) -> int | None:
        size = high - low + 1
        # A free pool answers at the first try; a nearly full one is searched once around from a random point.
        for _ in range(8):
            value = low + self._random.randrange(size)
            if value not in self:
                return value
        start = self._random.randrange(size)
        for i in range(size):
            value = low + (start + i) % size
            if value not in self:
                return value
        return None

    def hold(self, value: int) -> bool:
        """Mark a stored object's number as held. False when it was held already or is outside the range."""
        if not self.covers(value) or value in self._held:
            return False
        self._held.add(value)
        return True

    def give_back(self, value: int) -> None:
        """Free a number; one that is not held is ignored."""
        self._held.discard(value)

    def follow(self) -> None:
        """From now on `stored` and `removed` tell what stored objects have; what they have is freed by them alone."""
        self._followed = True
        self._stored.clear()

    @property
    def followed(self) -> bool:
        return self._followed

    def stored(self, value: int) -> None:
        """A stored object has this number."""
        self._stored[value] += 1

    def removed(self, value: int) -> None:
        """A stored object has it no longer. Nobody can have taken it meanwhile: it was held until now."""
        self._stored[value] -= 1
        if self._stored[value] <= 0:
            del self._stored[value]
            self._held.discard(value)


class Reservation:
    """What one write took, and what it will give back once it is stored. Ending it twice is harmless."""

    def __init__(self) -> None:
        self._taken: list[tuple[Pool, int]] = []
        self._leaving: list[tuple[Pool, int]] = []

    def take(self, pool: Pool, value: int) -> None:
        """Take `value`; PoolError as Pool.take."""
        pool.take(value)
        self._taken.append((pool, value))

    def take_any(self, pool: Pool) -> int:
        """Take a free number; PoolError as Pool.take_any."""
        value = pool.take_any()
        self._taken.append((pool, value))
        return value

    def leave(self, pool: Pool, value: int) -> None:
        """Have `value` given back when the write is stored."""
        self._leaving.append((pool, value))

    def commit(self) -> None:
        """The write is stored."""
        for pool, value in self._leaving:
            if not pool.followed:
                pool.give_back(value)
        self._clear()

    def release(self) -> None:
        """The write failed."""
        for pool, value in self._taken:
            pool.give_back(value)
        self._clear()

    def _clear(self) -> None:
        self._taken, self._leaving = [], []


class Allocators:
    """The pools of one API server.

    `cluster_cidr` is Kubernetes' --service-cluster-ip-range (one IP family), `node_ports` its
    --service-node-port-range.
    """

    def __init__(
        self,
        cluster_cidr: str = "10.96.0.0/12",
        node_ports: tuple[int, int] = (30000, 32767),
        *,
        choose: random.Random | None = None,
    ) -> None:
        self.network: IPv4Network | IPv6Network = ip_network(cluster_cidr)
        size = self.network.num_addresses
        if size < 4:
            raise ValueError(f"the service range {cluster_cidr} must hold at least 4 addresses")
        self.family = f"IPv{self.network.version}"
        # The network's and (IPv4) the broadcast address are not handed out; huge IPv6 ranges are cut as upstream cuts.
        first = int(self.network.network_address) + 1
        last = first + min(size, 2**64) - (3 if self.network.version == 4 else 2)
        self.cluster_ips = Pool(first, last, band=min(max(16, size // 16), 256), choose=choose)
        low, high = node_ports
        if not 0 < low <= high <= 65535:
            raise ValueError(f"the node port range {low}-{high} must lie in 1-65535")
        count = high - low + 1
        self.node_ports = Pool(low, high, band=min(max(16, count // 32), 128) if count > 16 else 0, choose=choose)

    @property
    def first_ip(self) -> str:
        """The address of the Service `kubernetes`: the first of the range."""
        return self.ip_text(self.cluster_ips.first)

    def ip_number(self, text: str) -> int | None:
        """The pool's number of an address, None for another IP family."""
        address = ip_address(text)
        return int(address) if address.version == self.network.version else None

    def ip_text(self, number: int) -> str:
        """The address that a number of the pool stands for."""
        return str(type(self.network.network_address)(number))

    def restore(self, services: Iterable[Mapping[str, Any]]) -> None:
        """Hold everything that the stored Services have; values outside the ranges are theirs all the same."""
        for service in services:
            for pool, value in self.held_by(service):
                pool.hold(value)

    def follow(self, services: Iterable[Mapping[str, Any]]) -> None:
        """Begin (or begin anew, after a gap) with these stored Services; tell `changed` of every later change."""
        for pool in (self.cluster_ips, self.node_ports):
            pool.follow()
        for service in services:
            self.changed(None, service)

    def changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """A Service was stored, by whomever: hold what is new in it, free what it has no longer."""
        before = set(self.held_by(old)) if old is not None else set()
        after = set(self.held_by(new)) if new is not None else set()
        for pool, value in after - before:
            pool.stored(value)
        for pool, value in before - after:
            pool.removed(value)

    def held_by(self, service: Mapping[str, Any]) -> list[tuple[Pool, int]]:
        """(pool, number) of everything that a stored Service has from the pools."""
        spec = service.get("spec") or {}
        found: list[tuple[Pool, int]] = []
        if spec.get("type") != "ExternalName":
            for text in spec.get("clusterIPs") or filter(None, [spec.get("clusterIP")]):
                number = None if text in ("", "None") else self.ip_number(text)
                if number is not None and self.cluster_ips.covers(number):
                    found.append((self.cluster_ips, number))
        # Several ports may share one number with different protocols.
        numbers = {port.get("nodePort") for port in spec.get("ports") or ()} | {spec.get("healthCheckNodePort")}
        found += [(self.node_ports, n) for n in sorted(n for n in numbers if n) if self.node_ports.covers(n)]
        return found
