"""What is wrong with a CertificateSigningRequest, and what its conditions keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from minikube_py.daemon import csr

if TYPE_CHECKING:
    from minikube_py.api.types.certificates_v1 import (
        CertificateSigningRequest,
        CertificateSigningRequestCondition,
        CertificateSigningRequestSpec,
    )

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
MIN_SECONDS = 600
_CONDITIONS = "status.conditions"
_STATUSES = ("False", "True", "Unknown")
_USAGES = tuple(sorted(csr.KEY_USAGES.keys() | csr.EXTENDED_KEY_USAGES.keys()))
_DOMAIN, _PATH = 253, 253 + 63 + 1


def validate_request(obj: CertificateSigningRequest) -> list[FieldError]:
    """What is wrong with a request, the same at every write."""
    errs = _spec(obj.spec)
    errs += _conditions(obj.status.conditions)
    if wrong := csr.certificate_error(obj.status.certificate):
        errs.append(invalid("status.certificate", "<certificate data>", wrong))
    return errs


def _spec(spec: CertificateSigningRequestSpec) -> list[FieldError]:
    errs: list[FieldError] = []
    try:
        csr.parse(spec.request)
    except ValueError as error:
        errs.append(invalid("spec.request", spec.to_dict().get("request", ""), str(error)))
    if not spec.usages:
        errs.append(required("spec.usages"))
    errs += [not_supported(f"spec.usages[{i}]", u, _USAGES) for i, u in enumerate(spec.usages) if u not in _USAGES]
    errs += [duplicate(f"spec.usages[{i}]", u) for i, u in enumerate(spec.usages) if u in spec.usages[:i]]
    if spec.signerName == LEGACY_SIGNER:
        detail = "the legacy signerName is not allowed via this API version"
        errs.append(invalid("spec.signerName", spec.signerName, detail))
    else:
        errs += signer_name("spec.signerName", spec.signerName)
    if spec.expirationSeconds is not None and spec.expirationSeconds < MIN_SECONDS:
        detail = f"may not specify a duration less than {MIN_SECONDS} seconds (10 minutes)"
        errs.append(invalid("spec.expirationSeconds", spec.expirationSeconds, detail))
    return errs


def signer_name(path: str, name: str) -> list[FieldError]:
    """What is wrong with the name of a signer: a domain of two labels at least, a slash, names joined by dots."""
    if not name:
        return [required(path)]
    domain, slash, last = name.partition("/")
    if not slash or "/" in last:
        return [invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")]
    errs = [too_long(path, _DOMAIN)] if len(domain) > _DOMAIN else []
    errs += _first_bad(path, domain, names.dns1123_label)
    if "." not in domain:
        errs.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    errs += _first_bad(path, last, names.dns1123_subdomain)
    if len(name) > _DOMAIN + _PATH + 1:
        errs.append(too_long(path, _DOMAIN + _PATH + 1))
    return errs


def _first_bad(path: str, text: str, check: Callable[[str], list[str]]) -> list[FieldError]:
    """The errors of the first part between dots that has any."""
    for part in text.split("."):
        if wrong := check(part):
            return [invalid(path, text, f'validating label "{part}": {sentence}') for sentence in wrong]
    return []


def _conditions(conditions: Sequence[CertificateSigningRequestCondition]) -> list[FieldError]:
    errs: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        path = f"{_CONDITIONS}[{i}]"
        if not condition.type:
            errs.append(required(f"{path}.type"))
        allowed = ("True",) if condition.type in (APPROVED, DENIED, FAILED) else _STATUSES
        if not condition.status:
            errs.append(required(f"{path}.status"))
        elif condition.status not in allowed:
            errs.append(not_supported(f"{path}.status", condition.status, allowed))
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(condition.type)
        if other in seen:
            detail = "Approved and Denied conditions are mutually exclusive"
            errs.append(invalid(f"{path}.type", condition.type, detail))
        if condition.type in seen:
            errs.append(duplicate(f"{path}.type", condition.type))
        seen.add(condition.type)
    return errs


def validate_change(
    new: CertificateSigningRequest, old: CertificateSigningRequest, *, approves: bool = False, issues: bool = False
) -> list[FieldError]:
    """What an update may not do: verdicts stay, only `approval` gives them and only `status` the certificate."""
    errs = validate_request(new)
    for type_ in (APPROVED, DENIED, FAILED):
        before = [c for c in old.status.conditions if c.type == type_]
        after = [c for c in new.status.conditions if c.type == type_]
        if len(after) < len(before):
            errs.append(forbidden(_CONDITIONS, f'updates may not remove a condition of type "{type_}"'))
        elif type_ != FAILED and not approves and after != before:
            what = "add" if len(after) > len(before) else "modify"
            errs.append(forbidden(_CONDITIONS, f'updates may not {what} a condition of type "{type_}"'))
    if new.status.certificate != old.status.certificate:
        if not issues:
            errs.append(forbidden("status.certificate", "updates may not set certificate content"))
        elif old.status.certificate:
            errs.append(forbidden("status.certificate", "updates may not modify existing certificate content"))
    return errs
