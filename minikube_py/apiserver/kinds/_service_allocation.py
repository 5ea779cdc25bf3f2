"""Which address, IP family and node ports a Service gets."""

from __future__ import annotations

from minikube_py.api.errors import FieldError, InternalError, Invalid, invalid
from minikube_py.apiserver.allocators import Allocators, Pool, PoolError, Reservation
from minikube_py.apiserver.kinds.base import Object
from minikube_py.apiserver.kinds.service import wants_health_check, wants_node_ports


def allocate_service(allocators: Allocators, new: Object | None, old: Object | None) -> Reservation:
    """Take what `new` needs beyond what `old` has, filling it in; what only `old` had is given back on commit.

    Nothing is taken when it raises: Invalid when a value that was asked for cannot be had, InternalError when none is
    free.
    """
    reservation = Reservation()
    before = set(allocators.held_by(old)) if old is not None else set()
    try:
        if new is not None:
            errors = _Allocation(allocators, reservation, new, old, before).run()
            if errors:
                raise Invalid.of("", "Service", (new.get("metadata") or {}).get("name", ""), errors)
    except BaseException:
        reservation.release()
        raise
    after = set(allocators.held_by(new)) if new is not None else set()
    for pool, value in before - after:
        reservation.leave(pool, value)
    return reservation


class _Allocation:
    def __init__(
        self,
        allocators: Allocators,
        reservation: Reservation,
        new: Object,
        old: Object | None,
        held: set[tuple[Pool, int]],
    ) -> None:
        self.allocators = allocators
        self.reservation = reservation
        self.spec: Object = new["spec"]
        self.old: Object = (old or {}).get("spec") or {}
        self.held = held

    def run(self) -> list[FieldError]:
        spec = self.spec
        if spec.get("type") == "ExternalName":
            return []
        errors = self._families()
        if not errors:
            errors = self._cluster_ip()
        if not errors and wants_node_ports(spec):
            errors = self._node_ports()
        if not errors and wants_health_check(spec):
            errors = self._health_check()
        return errors

    def _families(self) -> list[FieldError]:
        """The family is the one that the cluster has; a headless Service without selector may have any."""
        spec, family = self.spec, self.allocators.family
        ips, families = spec.get("clusterIPs") or [], list(spec.get("ipFamilies") or ())
        free = spec.get("clusterIP") == "None" and not spec.get("selector")
        if not spec.get("ipFamilyPolicy"):
            spec["ipFamilyPolicy"] = "RequireDualStack" if free else "SingleStack"
        policy = spec["ipFamilyPolicy"]
        errors: list[FieldError] = []
        if policy == "SingleStack":
            for values, what in ((ips, "cluster IPs"), (families, "IP families")):
                if len(values) == 2:
                    detail = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified"
                    errors.append(invalid("spec.ipFamilyPolicy", policy, detail))
        for i, ip in enumerate(ips):
            if ip != "None" and i >= len(families):
                families.append("IPv6" if ":" in ip else "IPv4")
                if families[i] != family:
                    detail = f"{families[i]} is not configured on this cluster"
                    errors.append(invalid(f"spec.clusterIPs[{i}]", ips, detail))
        if errors:
            return errors
        families = families or [family]
        if free:
            if len(families) < 2 and policy != "SingleStack":
                families.append("IPv6" if families[0] == "IPv4" else "IPv4")
        else:
            if policy == "RequireDualStack":
                detail = "this cluster is not configured for dual-stack services"
                errors.append(invalid("spec.ipFamilyPolicy", policy, detail))
            for i, wanted in enumerate(families):
                if wanted != family:
                    errors.append(invalid(f"spec.ipFamilies[{i}]", wanted, "not configured on this cluster"))
        spec["ipFamilies"] = families
        return errors

    def _cluster_ip(self) -> list[FieldError]:
        spec, pool = self.spec, self.allocators.cluster_ips
        ip = spec.get("clusterIP") or ""
        if ip == "None":
            spec["clusterIPs"] = ["None"]
            return []
        if not ip:
            spec["clusterIP"] = self.allocators.ip_text(self._any(pool, "a serviceIP"))
            spec["clusterIPs"] = [spec["clusterIP"]]
            return []
        spec.setdefault("clusterIPs", [ip])
        asked = self.allocators.ip_number(ip)
        if asked is not None and (pool, asked) in self.held:
            return []
        if ip == self.old.get("clusterIP"):
            # Stored under an earlier range: it stays, outside the pool.
            return []
        if asked is None or not pool.covers(asked):
            why = f"the provided IP ({ip}) is not in the valid range."
            detail = f"failed to allocate IP {ip}: {why} The range of valid IPs is {self.allocators.network}"
            return [invalid("spec.clusterIPs", spec["clusterIPs"], detail)]
        try:
            self.reservation.take(pool, asked)
        except PoolError as error:
            detail = f"failed to allocate IP {ip}: provided IP is {error}"
            return [invalid("spec.clusterIPs", spec["clusterIPs"], detail)]
        return []

    def _node_ports(self) -> list[FieldError]:
        """Numbers that were asked for first, so that a random one cannot take them."""
        errors: list[FieldError] = []
        pool = self.allocators.node_ports
        ports = self.spec.get("ports") or []
        mine: set[int] = {n for p, n in self.held if p is pool}
        for i, port in enumerate(ports):
            number = port.get("nodePort")
            if number and number not in mine:
                if error := self._take_port(f"spec.ports[{i}].nodePort", number):
                    errors.append(error)
                mine.add(number)
        if errors:
            return errors
        for port in ports:
            if port.get("nodePort"):
                continue
            if shared := self._shared(ports, port):
                port["nodePort"] = shared
                continue
            port["nodePort"] = self._any(pool, "a nodePort")
        return []

    @staticmethod
    def _shared(ports: list[Object], port: Object) -> int | None:
        """The node port of the same port with another protocol (DNS has both), if it is free for this one."""
        used = {(p.get("protocol"), p.get("nodePort")) for p in ports}
        for other in ports:
            number: int | None = other.get("nodePort")
            if number and other.get("port") == port.get("port") and (port.get("protocol"), number) not in used:
                return number
        return None

    def _health_check(self) -> list[FieldError]:
        number = self.spec.get("healthCheckNodePort")
        pool = self.allocators.node_ports
        if number:
            if number != self.old.get("healthCheckNodePort"):
                error = self._take_port("spec.healthCheckNodePort", number)
                return [error] if error else []
            return []
        self.spec["healthCheckNodePort"] = self._any(pool, "a HealthCheck NodePort")
        return []

    def _any(self, pool: Pool, what: str) -> int:
        """A free number. That there is none is nobody's mistake: a 500, as upstream answers."""
        try:
            return self.reservation.take_any(pool)
        except PoolError as error:
            raise InternalError(f"Internal error occurred: failed to allocate {what}: {error}") from error

    def _take_port(self, field: str, number: int) -> FieldError | None:
        pool = self.allocators.node_ports
        if not pool.covers(number):
            detail = f"provided port is not in the valid range. The range of valid ports is {pool.first}-{pool.last}"
            return invalid(field, number, detail)
        try:
            self.reservation.take(pool, number)
        except PoolError as error:
            return invalid(field, number, f"provided port is {error}")
        return None
