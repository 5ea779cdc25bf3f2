"""Taints of Nodes and tolerations of Pods: which of them meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"
PREFER_NO_SCHEDULE = "PreferNoSchedule"

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


@dataclass(frozen=True, slots=True)
class Taint:
    """A reason for Pods to keep off a Node. `since` (timeAdded) is no part of what it is."""

    key: str
    value: str
    effect: str
    since: str = field(default="", compare=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Taint:
        """From one entry of spec.taints."""
        return cls(raw.get("key", ""), raw.get("value") or "", raw.get("effect", ""), raw.get("timeAdded") or "")


@dataclass(frozen=True, slots=True)
class Toleration:
    """What a Pod puts up with; of NoExecute only for `seconds`, if that is given.

    An empty key with Exists tolerates every key, an empty effect every effect.
    """

    key: str
    operator: str
    value: str
    effect: str
    seconds: int | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Toleration:
        """From one entry of spec.tolerations."""
        return cls(
            raw.get("key") or "",
            raw.get("operator") or "Equal",
            raw.get("value") or "",
            raw.get("effect") or "",
            raw.get("tolerationSeconds"),
        )

    def tolerates(self, taint: Taint) -> bool:
        """Whether this toleration covers `taint`; an unknown operator covers nothing."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return self.operator == "Equal" and bool(self.key) and self.value == taint.value
