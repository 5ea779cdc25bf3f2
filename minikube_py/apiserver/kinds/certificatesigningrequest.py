"""CertificateSigningRequest: asks a signer for a certificate; approval and issue are writes of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS
from minikube_py.api.times import format_time
from minikube_py.apiserver.kinds._cells import NONE, age, human_duration
from minikube_py.apiserver.kinds._certificates import APPROVED, DENIED, FAILED, validate_change, validate_request
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Part, Subresource

if TYPE_CHECKING:
    from minikube_py.api.types.certificates_v1 import CertificateSigningRequest


def prepare_create(obj: Object, context: Context) -> None:
    """Who asks is who sent the request, whatever it says; nothing is approved from the start."""
    spec, user = obj.setdefault("spec", {}), context.user
    for member, value in (
        ("username", user.name),
        ("uid", user.uid),
        ("groups", list(user.groups)),
        ("extra", {key: list(values) for key, values in user.extra.items()}),
    ):
        if value:
            spec[member] = value
        else:
            spec.pop(member, None)
    obj["status"] = {}


def prepare_update(new: Object, old: Object, context: Context) -> None:
    """Only the metadata changes."""
    new["spec"], new["status"] = old["spec"], old.get("status", {})


def prepare_status(new: Object, old: Object, context: Context) -> None:
    """What signers write: the certificate and conditions; verdicts that were there stay as they were."""
    new["spec"] = old["spec"]
    status = new.setdefault("status", {})
    conditions, before = status.get("conditions") or [], (old.get("status") or {}).get("conditions") or []
    for type_ in (APPROVED, DENIED):
        kept = [c for c in before if c.get("type") == type_]
        places = [i for i, c in enumerate(conditions) if c.get("type") == type_]
        if len(kept) == len(places):  # else validation refuses it
            for i, condition in zip(places, kept, strict=True):
                conditions[i] = condition
    _stamp(conditions, old, context.now)


def prepare_approval(new: Object, old: Object, context: Context) -> None:
    """What approvers write: conditions alone."""
    new["spec"] = old["spec"]
    status = new.setdefault("status", {})
    status.pop("certificate", None)
    if certificate := (old.get("status") or {}).get("certificate"):
        status["certificate"] = certificate
    _stamp(status.get("conditions") or [], old, context.now)


def _stamp(conditions: Sequence[Object], old: Object, now: datetime) -> None:
    """Fill in the times that a writer left out; one that says what was said before keeps the time of its change."""
    since = {
        (c.get("type"), c.get("status")): c["lastTransitionTime"]
        for c in reversed((old.get("status") or {}).get("conditions") or ())
        if c.get("lastTransitionTime")
    }
    text = format_time(now)
    for condition in conditions:
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = text
        if not condition.get("lastTransitionTime"):
            condition["lastTransitionTime"] = since.get((condition.get("type"), condition.get("status")), text)


def validate_update(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Sequence[FieldError]:
    return validate_change(new, old)


def validate_status(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Sequence[FieldError]:
    return validate_change(new, old, issues=True)


def validate_approval(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Sequence[FieldError]:
    return validate_change(new, old, approves=True)


def select_fields(obj: Object) -> Mapping[str, str]:
    return {"spec.signerName": (obj.get("spec") or {}).get("signerName") or ""}


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return [
        metadata["name"],
        age(metadata.get("creationTimestamp")),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        NONE if seconds is None else human_duration(seconds),
        _state(obj.get("status") or {}),
    ]


def _state(status: Object) -> str:
    types = {c.get("type") for c in status.get("conditions") or ()}
    state = "Denied" if DENIED in types else "Approved" if APPROVED in types else "Pending"
    return state + (",Failed" if FAILED in types else "") + (",Issued" if status.get("certificate") else "")


_VIEW = ("CertificateSigningRequest", ("get", "patch", "update"), "certificates/v1.CertificateSigningRequest")

KIND = Kind(
    resource=CERTIFICATESIGNINGREQUESTS,
    singular="certificatesigningrequest",
    short_names=("csr",),
    subresources=(Subresource("approval", *_VIEW), Subresource("status", *_VIEW)),
    status=True,
    parts={"approval": Part(prepare_approval, validate_approval, lambda: (("spec",), ("status", "certificate")))},
    columns=(
        NAME,
        AGE,
        Column("SignerName", description="Who is to issue the certificate."),
        Column("Requestor", description="The user who asks for it."),
        Column("RequestedDuration", description="How long it is to be valid, if that was said."),
        Column("Condition", description="Pending, Approved or Denied; and whether it failed or was issued."),
    ),
    row=row,
    validate_name=names.path_segment,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate_request,
    validate_update=validate_update,
    validate_status=validate_status,
    select_fields=select_fields,
)
