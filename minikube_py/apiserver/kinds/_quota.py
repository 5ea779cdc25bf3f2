"""The names of resources that LimitRanges and ResourceQuotas know, and the amounts that may stand under them."""

from __future__ import annotations

from functools import lru_cache

from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.kinds._objectmeta import qualified
from minikube_py.apiserver.kinds.podspec.resources import HUGE, is_extended

COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
"""Resources of which there are no parts."""

_QUOTA = frozenset({*COMPUTE, *(f"{p}.{n}" for p in ("requests", "limits") for n in COMPUTE), *_COUNTED}) | {
    "requests.storage"
}
_ZERO = Quantity()


def _huge(name: str) -> bool:
    return name.startswith((HUGE, f"requests.{HUGE}"))


def is_quota_resource(name: str) -> bool:
    """Whether a resource without a domain is one that quotas know."""
    return name in _QUOTA or _huge(name)


@lru_cache(maxsize=1024)
def resource_name(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a resource anywhere: known to Kubernetes, or with a domain of its own."""
    if wrong := qualified(name):
        return tuple(wrong)
    if "/" not in name and name != "storage" and not is_quota_resource(name):
        return ("must be a standard resource type or fully qualified",)
    return ()


@lru_cache(maxsize=1024)
def quota_resource_name(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a resource that a quota bounds."""
    wrong = resource_name(name)
    if "/" not in name and not is_quota_resource(name):
        wrong = (*wrong, "must be a standard resource for quota")
    return wrong


def validate_quota_amount(name: str, amount: Quantity, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with an amount: never negative, and whole where there are no parts."""
    if amount < _ZERO:
        errs.append(invalid(path, str(amount), "must be greater than or equal to 0"))
    if (name in _COUNTED or is_extended(name)) and amount.milli_value() % 1000:
        errs.append(invalid(path, str(amount), "must be an integer"))
