"""Ending a Pod from outside: the condition that says why, then the deletion."""

from __future__ import annotations

from minikube_py.api import errors, times
from minikube_py.api.meta import Object, condition
from minikube_py.api.resources import PODS
from minikube_py.client.rest import Client
from minikube_py.daemon.clock import Clock

TERMINAL = ("Succeeded", "Failed")


def is_terminal(pod: Object) -> bool:
    """Whether the Pod has ended and will never run again."""
    return (pod.get("status") or {}).get("phase") in TERMINAL


def target(pod: Object, reason: str, message: str, now: str) -> Object | None:
    """The DisruptionTarget condition that the Pod lacks; None for one that has it or has ended anyway."""
    known = condition(pod, "DisruptionTarget")
    if is_terminal(pod) or (known is not None and known.get("status") == "True"):
        return None
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }


async def end(
    client: Client, clock: Clock, pod: Object, *, reason: str = "", message: str = "", force: bool = False
) -> None:
    """Delete the Pod, saying why first if `reason` is given. A Pod that is gone, or another by its name, is no error.

    With `force` nobody is left to stop it: it is marked Failed unless it has ended, and removed at once.
    """
    metadata = pod["metadata"]
    status: Object = {}
    if reason and (new := target(pod, reason, message, times.format_time(clock.now()))) is not None:
        status["conditions"] = [new]
    if force and not is_terminal(pod):
        status["phase"] = "Failed"
    try:
        if status:
            patch = {"metadata": {"uid": metadata["uid"]}, "status": status}
            await client.patch(
                PODS, metadata["name"], metadata["namespace"], patch, type="strategic", subresource="status"
            )
        await client.delete(
            PODS,
            metadata["name"],
            metadata["namespace"],
            grace_period_seconds=0 if force else None,
            uid=metadata["uid"],
        )
    except errors.NotFound:
        pass
    except errors.Conflict:
        if (await _uid(client, pod)) == metadata["uid"]:
            raise


async def _uid(client: Client, pod: Object) -> str:
    try:
        found = await client.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
    except errors.NotFound:
        return ""
    return str(found["metadata"]["uid"])
