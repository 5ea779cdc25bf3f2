"""Small readers of a Pod in JSON form that planning, status and execution share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

Object = dict[str, Any]

DEFAULT_GRACE = 30

HASH = "io.kubernetes.container.hash"
GRACE = "io.kubernetes.pod.terminationGracePeriod"
RESTART_DELAY = "minikube-py/restart-delay"

STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
"""The members of a Pod's status that tell of its containers."""


def uid(pod: Object) -> str:
    return str(pod["metadata"]["uid"])


def full_name(pod: Object) -> str:
    """`name_namespace(uid)`, as the kubelet's messages name a Pod."""
    meta = pod["metadata"]
    return f"{meta['name']}_{meta.get('namespace', '')}({meta['uid']})"


def containers(pod: Object) -> Sequence[Object]:
    """The application containers."""
    found: Sequence[Object] = pod["spec"].get("containers") or ()
    return found


def init_containers(pod: Object) -> Sequence[Object]:
    """The init containers in their order, restartable ones ("sidecars") included."""
    found: Sequence[Object] = pod["spec"].get("initContainers") or ()
    return found


def ephemeral_containers(pod: Object) -> Sequence[Object]:
    """Those added to the running Pod to look into it. They are never started again, and their policy here says so."""
    return [{**one, "restartPolicy": "Never"} for one in pod["spec"].get("ephemeralContainers") or ()]


def all_containers(pod: Object) -> Iterator[Object]:
    """What the Pod was made with: init containers and application containers."""
    yield from init_containers(pod)
    yield from containers(pod)


def every_container(pod: Object) -> Iterator[Object]:
    """All containers, the ephemeral ones too."""
    yield from all_containers(pod)
    yield from ephemeral_containers(pod)


def container(pod: Object, name: str) -> Object | None:
    for one in every_container(pod):
        if one["name"] == name:
            return one
    return None


def is_sidecar(spec: Object) -> bool:
    """Whether an *init* container is restartable: it starts in its turn and then runs beside the others."""
    return spec.get("restartPolicy") == "Always"


def field_path(pod: Object, name: str) -> str:
    """The path that events about a container carry: `spec.containers{name}`."""
    if any(c["name"] == name for c in init_containers(pod)):
        return f"spec.initContainers{{{name}}}"
    if any(c["name"] == name for c in pod["spec"].get("ephemeralContainers") or ()):
        return f"spec.ephemeralContainers{{{name}}}"
    return f"spec.containers{{{name}}}"


def restart_policy(pod: Object) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def restarts_after(pod: Object, spec: Object, exit_code: int, *, init: bool = False) -> bool:
    """Whether a container of this spec is started again after it ended with `exit_code`.

    A container's own `restartPolicyRules` come first, then its `restartPolicy`, then the Pod's. An init container
    that is no sidecar is done when it succeeded, whatever the policy says.
    """
    if init and is_sidecar(spec):
        return True
    if init and exit_code == 0:
        return False
    for rule in spec.get("restartPolicyRules") or ():
        wanted = rule.get("exitCodes") or {}
        listed = exit_code in (wanted.get("values") or ())
        if listed == (wanted.get("operator") == "In"):
            return True
    match spec.get("restartPolicy") or restart_policy(pod):
        case "Never":
            return False
        case "OnFailure":
            return exit_code != 0
        case _:
            return True


def grace_period(pod: Object) -> float:
    """Seconds between SIGTERM and SIGKILL: what the deletion asked for, else the spec's, else 30."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    if asked is None:
        asked = pod["spec"].get("terminationGracePeriodSeconds")
    return float(DEFAULT_GRACE if asked is None else max(0, asked))


def is_deleting(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_terminal(pod: Object) -> bool:
    """Succeeded and Failed are final: nothing of such a Pod is ever started again."""
    return phase(pod) in ("Succeeded", "Failed")


def spec_hash(spec: Object) -> str:
    """Changes when a running container must be replaced: its name or image changed (nothing else can be edited)."""
    return hashlib.sha256(f"{spec['name']}\0{spec.get('image', '')}".encode()).hexdigest()[:12]


def pull_policy(spec: Object) -> str:
    """The imagePullPolicy, with Kubernetes' default: Always for `:latest` or no tag, else IfNotPresent."""
    given = spec.get("imagePullPolicy")
    if given:
        return str(given)
    image = str(spec.get("image", ""))
    if "@" in image:
        return "IfNotPresent"
    last = image.rsplit("/", 1)[-1]
    tag = last.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"
