"""What a scheduler can be told."""

from __future__ import annotations

from dataclasses import dataclass

from minikube_py.scheduler.pod import DEFAULT_SCHEDULER


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """Named like kube-scheduler's flags and configuration; durations are seconds.

    `identity` names this process in its Lease (by default something unique). `seed` makes the choice among equally good
    Nodes repeatable. `parallel_bindings` bounds how many bindings are on their way at once; `assume_ttl` is how long an
    accepted binding may stay unseen before the Pod is looked up.
    """

    scheduler_name: str = DEFAULT_SCHEDULER
    leader_elect: bool = False
    leader_elect_lease_duration: float = 15.0
    leader_elect_renew_deadline: float = 10.0
    leader_elect_retry_period: float = 2.0
    leader_elect_resource_name: str = "kube-scheduler"
    leader_elect_resource_namespace: str = "kube-system"
    identity: str = ""
    percentage_of_nodes_to_score: int = 0
    pod_initial_backoff_seconds: float = 1.0
    pod_max_backoff_seconds: float = 10.0
    pod_max_in_unschedulable_pods_duration: float = 300.0
    parallel_bindings: int = 64
    assume_ttl: float = 30.0
    seed: int | None = None
