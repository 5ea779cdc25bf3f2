"""The condition in which a PodDisruptionBudget's status says whether it allows disruptions."""

from __future__ import annotations

from minikube_py.api.meta import Object, set_condition

DISRUPTION_ALLOWED = "DisruptionAllowed"
SYNC_FAILED = "SyncFailed"


def set_allowed(status: Object, now: str) -> bool:
    """Bring the condition of `status`, in place, in line with its `disruptionsAllowed`; True when it changed."""
    enough = status.get("disruptionsAllowed", 0) > 0
    new = {
        "type": DISRUPTION_ALLOWED,
        "status": "True" if enough else "False",
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
        "observedGeneration": status.get("observedGeneration", 0),
    }
    return set_condition(status.setdefault("conditions", []), new, now)


def set_failed(status: Object, message: str, now: str) -> bool:
    """Say in the condition of `status`, in place, that it could not be computed; True when it changed."""
    new = {
        "type": DISRUPTION_ALLOWED,
        "status": "False",
        "reason": SYNC_FAILED,
        "message": message,
        "observedGeneration": status.get("observedGeneration", 0),
    }
    return set_condition(status.setdefault("conditions", []), new, now)
