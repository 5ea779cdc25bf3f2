"""PriorityLevelConfiguration: how many requests of a level run at a time, and what happens to those beyond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.api.resources import PRIORITYLEVELCONFIGURATIONS
from minikube_py.apiserver.kinds import _flowcontrol
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.flowcontrol_v1 import (
        LimitedPriorityLevelConfiguration,
        LimitResponse,
        PriorityLevelConfiguration,
        PriorityLevelConfigurationSpec,
        QueuingConfiguration,
    )

MAX_QUEUES = 10_000_000
MAX_HASH_BITS = 60
"""How many bits of a flow's hash there are to deal its hand of queues with."""
_QUEUING = {"handSize": 8, "queues": 64, "queueLengthLimit": 50}
_NOT_NEGATIVE = "must be a non-negative integer"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if (exempt := spec.get("exempt")) is not None:
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    if (limited := spec.get("limited")) is not None:
        if limited.get("nominalConcurrencyShares") is None:
            limited["nominalConcurrencyShares"] = 30
        limited.setdefault("lendablePercent", 0)
        if (queuing := (limited.get("limitResponse") or {}).get("queuing")) is not None:
            for member, value in _QUEUING.items():
                if not queuing.get(member):
                    queuing[member] = value


def validate(obj: PriorityLevelConfiguration) -> Sequence[FieldError]:
    name, spec = obj.metadata.name, obj.spec
    errs = _spec(spec, name)
    fixed = _flowcontrol.FIXED_LEVELS.get(name)
    if fixed is not None:
        # The members of `exempt` may change, the rest of both may not.
        freely = "exempt" if name == _flowcontrol.EXEMPT else ""
        if spec.model_copy(update={freely: None} if freely else {}) != type(spec).model_validate(fixed):
            but = f" except the 'spec.{freely}' field" if freely else ""
            errs.append(invalid("spec", spec.to_dict(), f"spec of '{name}'{but} must equal the fixed value"))
    return [*errs, *_flowcontrol.validate_conditions(obj.status.conditions)]


def _spec(spec: PriorityLevelConfigurationSpec, name: str) -> list[FieldError]:
    errs: list[FieldError] = []
    if (name == _flowcontrol.EXEMPT) != (spec.type == "Exempt"):
        errs.append(invalid("spec.type", spec.type, "type must be 'Exempt' if and only if name is 'exempt'"))
    if spec.type == "Exempt":
        if spec.limited is not None:
            errs.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        if spec.exempt is not None:
            _shares(spec.exempt.nominalConcurrencyShares, spec.exempt.lendablePercent, "spec.exempt", errs)
    elif spec.type == "Limited":
        if spec.exempt is not None:
            errs.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        if spec.limited is None:
            errs.append(required("spec.limited", "must not be empty when type is Limited"))
        else:
            errs += _limited(spec.limited)
    else:
        errs.append(not_supported("spec.type", spec.type, ("Exempt", "Limited")))
    return errs


def _shares(shares: int | None, lendable: int | None, path: str, errs: list[FieldError]) -> None:
    if shares is not None and shares < 0:
        errs.append(invalid(f"{path}.nominalConcurrencyShares", shares, _NOT_NEGATIVE))
    if lendable is not None and not 0 <= lendable <= 100:
        errs.append(invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))


def _limited(limited: LimitedPriorityLevelConfiguration) -> list[FieldError]:
    errs: list[FieldError] = []
    _shares(limited.nominalConcurrencyShares, limited.lendablePercent, "spec.limited", errs)
    if limited.borrowingLimitPercent is not None and limited.borrowingLimitPercent < 0:
        detail = f"if specified, {_NOT_NEGATIVE}"
        errs.append(invalid("spec.limited.borrowingLimitPercent", limited.borrowingLimitPercent, detail))
    return errs + _response(limited.limitResponse, "spec.limited.limitResponse")


def _response(response: LimitResponse, path: str) -> list[FieldError]:
    if response.type == "Reject":
        if response.queuing is not None:
            return [forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")]
    elif response.type == "Queue":
        if response.queuing is None:
            return [required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")]
        return _queuing(response.queuing, f"{path}.queuing")
    else:
        return [not_supported(f"{path}.type", response.type, ("Queue", "Reject"))]
    return []


def _queuing(queuing: QueuingConfiguration, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    queues, hand = queuing.queues, queuing.handSize
    if queuing.queueLengthLimit <= 0:
        errs.append(invalid(f"{path}.queueLengthLimit", queuing.queueLengthLimit, "must be positive"))
    if queues <= 0:
        errs.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > MAX_QUEUES:
        errs.append(invalid(f"{path}.queues", queues, f"must not be greater than {MAX_QUEUES}"))
    if hand <= 0:
        errs.append(invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        errs.append(invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))
    elif math.ceil(math.log2(queues) * hand) > MAX_HASH_BITS:
        detail = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MAX_HASH_BITS}"
        )
        errs.append(invalid(f"{path}.handSize", hand, detail))
    return errs


def validate_update(new: PriorityLevelConfiguration, old: PriorityLevelConfiguration) -> Sequence[FieldError]:
    return validate(new)


def validate_status(new: PriorityLevelConfiguration, old: PriorityLevelConfiguration) -> Sequence[FieldError]:
    return _flowcontrol.validate_conditions(new.status.conditions)


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    limited = spec.get("limited") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    return [
        metadata["name"],
        spec.get("type", ""),
        limited.get("nominalConcurrencyShares", NONE),
        queuing.get("queues", NONE),
        queuing.get("handSize", NONE),
        queuing.get("queueLengthLimit", NONE),
        age(metadata.get("creationTimestamp")),
    ]


_VIEW = ("PriorityLevelConfiguration", ("get", "patch", "update"), "flowcontrol/v1.PriorityLevelConfiguration")

KIND = Kind(
    resource=PRIORITYLEVELCONFIGURATIONS,
    singular="prioritylevelconfiguration",
    subresources=(Subresource("status", *_VIEW),),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("Type", description="Whether the level has a limit at all."),
        Column("NominalConcurrencyShares", description="The level's part of the server's capacity."),
        Column("Queues", description="How many queues the level has."),
        Column("HandSize", description="How many queues a flow may be put into."),
        Column("QueueLengthLimit", description="How many requests a queue holds."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    prepare_create=_flowcontrol.prepare_create,
    prepare_update=_flowcontrol.prepare_update,
    prepare_status=_flowcontrol.prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=_flowcontrol.warnings,
)
