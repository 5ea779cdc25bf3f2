"""What a controller manager can be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ControllerManagerConfig:
    """Named like kube-controller-manager's flags; durations are seconds, rates are per second.

    `controllers` selects as `--controllers` does: `*` is all, `name` adds one, `-name` leaves one out.
    """

    controllers: tuple[str, ...] = ("*",)
    leader_elect: bool = False
    leader_elect_lease_duration: float = 15.0
    leader_elect_renew_deadline: float = 10.0
    leader_elect_retry_period: float = 2.0
    leader_elect_resource_name: str = "kube-controller-manager"
    leader_elect_resource_namespace: str = "kube-system"
    identity: str = ""
    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 40.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1
    terminated_pod_gc_threshold: int = 12500
    root_ca_file: str = ""
    service_account_private_key_file: str = ""
    cluster_signing_cert_file: str = ""
    cluster_signing_key_file: str = ""
    cluster_signing_duration: float = 365 * 86400.0
    concurrent_namespace_syncs: int = 10
    concurrent_gc_syncs: int = 20


def selected(names: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Those of `names` that the selection asks for, in their order. Raises ValueError for a name that is not known.

    A name given outright counts before `*`, as in upstream.
    """
    chosen = list(wanted)
    for item in chosen:
        if item != "*" and item.removeprefix("-") not in names:
            raise ValueError(f'"{item.removeprefix("-")}" is not in the list of known controllers: {", ".join(names)}')
    return [n for n in names if n in chosen or ("*" in chosen and f"-{n}" not in chosen)]
