"""What a container says at its end: its termination message, from its file or its last log lines."""

from __future__ import annotations

from minikube_py.daemon import logs
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.runtime.base import Container, LogOptions, Runtime, RuntimeFault
from minikube_py.kubelet.volumes.manager import VolumeManager

log = logs.get("kubelet")

FALLBACK_LINES, FALLBACK_BYTES = 80, 2048


async def termination_message(
    runtime: Runtime, volumes: VolumeManager, pod: Object, spec: Object, one: Container
) -> str:
    """The message of a container that has ended, by its terminationMessagePolicy; "" where it left none."""
    text = volumes.read_message(pod, one.name, one.attempt)
    if text or one.exit_code == 0 or spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    collected = bytearray()
    try:
        async for piece in runtime.logs(one.id, LogOptions(tail_lines=FALLBACK_LINES)):
            collected += piece
    except RuntimeFault as e:
        log.warning("no logs for the termination message", container=one.name, error=e)
    return bytes(collected[-FALLBACK_BYTES:]).decode("utf-8", "replace")
