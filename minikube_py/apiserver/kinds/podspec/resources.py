"""Rules for amounts of resources: what a container asks for and may use, what a node has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, required
from minikube_py.api.quantity import Quantity
from minikube_py.apiserver.kinds._objectmeta import qualified

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import ResourceRequirements

HUGE = "hugepages-"
_CONTAINER = ("cpu", "memory", "ephemeral-storage")
_NEGATIVE = "must be greater than or equal to 0"
_ZERO = Quantity()


@lru_cache(maxsize=1024)
def is_extended(name: str) -> bool:
    """Whether a resource is a vendor's (`example.com/gpu`) and not Kubernetes' own."""
    if "/" not in name or name.startswith("requests."):
        return False
    domain = name.partition("/")[0]
    return not (domain == "kubernetes.io" or domain.endswith(".kubernetes.io")) and not qualified("requests." + name)


@lru_cache(maxsize=1024)
def container_resource_errors(name: str) -> tuple[str, ...]:
    """What is wrong with a resource's name where a container uses it."""
    errs = qualified(name)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(HUGE):
            errs = [*errs, "must be a standard resource for containers"]
    elif not is_extended(name) and "kubernetes.io" not in name.partition("/")[0]:
        errs = [*errs, "doesn't follow extended resource name standard"]
    return tuple(errs)


def _whole(name: str) -> bool:
    return name in ("pods", "services", "secrets", "configmaps") or is_extended(name)


def validate_amount(name: str, amount: Quantity, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with an amount: never negative, and whole where parts make no sense."""
    if amount < _ZERO:
        errs.append(invalid(path, str(amount), _NEGATIVE))
    if _whole(name) and amount.milli_value() % 1000:
        errs.append(invalid(path, str(amount), "must be an integer"))


def overcommits(name: str) -> bool:
    """Whether a limit may be above the request."""
    return not name.startswith(HUGE) and not is_extended(name)


def validate_requirements(
    resources: ResourceRequirements, path: str, errs: list[FieldError], claims: Collection[str] = ()
) -> None:
    """Append what is wrong with a container's `resources`; `claims` are the names of the Pod's resource claims."""
    limits, requests = resources.limits, resources.requests
    for member, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            for sentence in container_resource_errors(name):
                errs.append(invalid(f"{path}.{member}[{name}]", name, sentence))
            if amount < _ZERO or "/" in name:
                validate_amount(name, amount, f"{path}.{member}[{name}]", errs)
    for name, amount in requests.items():
        limit = limits.get(name)
        if limit is not None:
            if not overcommits(name):
                if amount != limit:
                    detail = f"must be equal to {name} limit of {limit}"
                    errs.append(invalid(f"{path}.requests", str(amount), detail))
            elif limit < amount:
                detail = f"must be less than or equal to {name} limit of {limit}"
                errs.append(invalid(f"{path}.requests", str(amount), detail))
        elif not overcommits(name):
            errs.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
    _huge_pages(limits, requests, path, errs)
    seen: set[tuple[str, str]] = set()
    for i, claim in enumerate(resources.claims):
        where = f"{path}.claims[{i}]"
        if not claim.name:
            errs.append(required(f"{where}.name"))
        elif claim.name not in claims:
            errs.append(FieldError("FieldValueNotFound", f"{where}.name", "", claim.name))
        if (claim.name, claim.request) in seen:
            errs.append(duplicate(where, claim.to_dict()))
        seen.add((claim.name, claim.request))


def _huge_pages(
    limits: Mapping[str, Quantity], requests: Mapping[str, Quantity], path: str, errs: list[FieldError]
) -> None:
    named = set(limits) | set(requests)
    if any(name.startswith(HUGE) for name in named) and not named & {"cpu", "memory"}:
        errs.append(forbidden(path, "HugePages require cpu or memory"))


def validate_overhead(amounts: Mapping[str, Quantity], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with what a Pod costs beside its containers."""
    for name, amount in amounts.items():
        for sentence in container_resource_errors(name):
            errs.append(invalid(f"{path}[{name}]", name, sentence))
        validate_amount(name, amount, f"{path}[{name}]", errs)
