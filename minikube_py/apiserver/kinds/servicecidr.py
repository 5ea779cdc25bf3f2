"""ServiceCIDR: a range from which Services get their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, required
from minikube_py.api.resources import SERVICECIDRS
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._storage import keep_spec, keep_status
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.networking_v1 import ServiceCIDR

_PATH = "spec.cidrs"
NO_EFFECT = (
    "this server takes the addresses of Services from its flag --service-cluster-ip-range alone: "
    "the object is stored and has no effect"
)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {}


def validate(obj: ServiceCIDR) -> Sequence[FieldError]:
    cidrs = obj.spec.cidrs
    if not cidrs:
        return (required(_PATH, "at least one CIDR required"),)
    if len(cidrs) > 2:
        return (invalid(_PATH, list(cidrs), "may only hold up to 2 values"),)
    errs: list[FieldError] = []
    for i, text in enumerate(cidrs):
        for sentence in _net.canonical_cidr(text):
            errs.append(invalid(f"{_PATH}[{i}]", text, sentence))
    families = [found.version for found in map(_net.parse_cidr, cidrs) if found is not None]
    if len(families) == 2 and families[0] == families[1]:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        errs.append(invalid(_PATH, list(cidrs), detail))
    return errs


def validate_update(new: ServiceCIDR, old: ServiceCIDR) -> Sequence[FieldError]:
    """Ranges stay; a cluster of one family may get a range of the other one."""
    after, before = new.spec.cidrs, old.spec.cidrs
    grows = len(before) == 1 and len(after) == 2
    if len(after) != len(before) and not grows:
        return (invalid(_PATH, list(after), IMMUTABLE),)
    errs = [
        invalid(f"{_PATH}[{i}]", after[i], IMMUTABLE)
        for i, text in enumerate(before)
        if after[i] != text
    ]  # fmt: skip
    return [*errs, *validate(new)] if grows else errs


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored object does here."""
    return (NO_EFFECT,)


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    cidrs = (obj.get("spec") or {}).get("cidrs") or ()
    return [metadata["name"], ",".join(cidrs), age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=SERVICECIDRS,
    singular="servicecidr",
    subresources=(Subresource("status", "ServiceCIDR", ("get", "patch", "update"), "networking/v1.ServiceCIDR"),),
    status=True,
    columns=(NAME, Column("CIDRs", description="The ranges, at most one of each IP family."), AGE),
    row=row,
    validate_name=names.dns1123_subdomain,
    warnings=warnings,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=validate,
    validate_update=validate_update,
)
