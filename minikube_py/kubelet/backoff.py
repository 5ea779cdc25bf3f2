"""How long a container waits before it is started again, told by what the engine shows of the last attempt."""

from __future__ import annotations

from datetime import datetime, timedelta

from minikube_py.kubelet.podspec import HASH, RESTART_DELAY, Object, spec_hash
from minikube_py.kubelet.runtime.base import Container

INITIAL = 10.0
RESET_AFTER = 600.0


def restart_at(spec: Object, last: Container) -> datetime | None:
    """When the next attempt may start; None is at once. `last` must have ended.

    As in Kubernetes: the first restart is immediate, then 10 s doubling to 5 min, counted from the end of the last
    attempt; an attempt that ran for more than 10 minutes, or one of another image, is forgotten.
    """
    delay = _own_delay(last)
    if delay <= 0 or last.finished_at is None or _forgotten(spec, last):
        return None
    return last.finished_at + timedelta(seconds=delay)


def next_delay(spec: Object, last: Container | None, maximum: float) -> float:
    """The delay that the attempt after `last` carries for the one after itself."""
    if last is None or _other_image(spec, last):
        return 0.0
    delay = _own_delay(last)
    if delay <= 0 or _forgotten(spec, last):
        return min(INITIAL, maximum)
    return min(delay * 2, maximum)


def doubled(delay: float, maximum: float, initial: float = INITIAL) -> float:
    """The delay after `delay` for things retried from memory (image pulls, sandboxes)."""
    return min(delay * 2, maximum) if delay > 0 else initial


def _own_delay(last: Container) -> float:
    try:
        return float(last.annotations.get(RESTART_DELAY, "") or INITIAL)
    except ValueError:
        return INITIAL


def _other_image(spec: Object, last: Container) -> bool:
    return last.annotations.get(HASH, spec_hash(spec)) != spec_hash(spec)


def _forgotten(spec: Object, last: Container) -> bool:
    if _other_image(spec, last):
        return True
    if last.finished_at is None:
        return False
    return (last.finished_at - (last.started_at or last.created_at)).total_seconds() > RESET_AFTER
