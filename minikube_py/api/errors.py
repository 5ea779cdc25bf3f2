"""The one error tree: what went wrong, as the Status that a Kubernetes API server answers.

    StatusError
      BadRequest 400        Unauthorized 401      Forbidden 403         NotFound 404
      MethodNotAllowed 405  NotAcceptable 406     Timeout 504           Gone 410 (reason Gone)
      Conflict 409          AlreadyExists 409     Expired 410           RequestEntityTooLarge 413
      UnsupportedMediaType 415                    Invalid 422           TooManyRequests 429
      InternalError 500     ServiceUnavailable 503

The server raises these where the fact is known and renders them once; the client raises the same classes
from the Status that it received (`from_status`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `status.details.causes`: a machine-readable reason, a sentence, a field path."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> dict[str, str]:
        out = {"reason": self.reason, "message": self.message}
        if self.field:
            out["field"] = self.field
        return out


class StatusError(Exception):
    """An API error. `details` holds name, group, kind, uid, causes, retryAfterSeconds as in meta/v1 StatusDetails."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        # kubectl reads the details of some errors (`debug` of a NotFound) without asking whether there are any.
        self._show_details = details is not None

    def to_status(self) -> dict[str, Any]:
        """The meta/v1 Status object, in JSON form."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details or self._show_details:
            status["details"] = self.details
        return status


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"


class NotFound(StatusError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class Conflict(StatusError):
    code, reason = 409, "Conflict"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"


class Gone(StatusError):
    code, reason = 410, "Gone"


class Expired(StatusError):
    """The asked resourceVersion or continue token is older than the history that is kept.

    `continue_` is a token with which an inconsistent list can be gone on with; empty: there is none.
    """

    code, reason = 410, "Expired"

    def __init__(self, message: str, *, details: Mapping[str, Any] | None = None, continue_: str = "") -> None:
        super().__init__(message, details=details)
        self.continue_ = continue_

    def to_status(self) -> dict[str, Any]:
        status = super().to_status()
        if self.continue_:
            status["metadata"] = {"continue": self.continue_}
        return status


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


@dataclass(frozen=True, slots=True)
class FieldError:
    """A field at fault. `type` is one of Kubernetes' cause reasons (FieldValueRequired, FieldValueInvalid, ...)."""

    type: str
    field: str
    detail: str
    value: Any = None

    def __str__(self) -> str:
        label = _FIELD_ERROR_LABELS[self.type]
        bare = self.type in _WITHOUT_VALUE or (self.type == "FieldValueTooMany" and self.value is None)
        body = label if bare else f"{label}: {_show(self.value)}"
        return f"{self.field}: {body}" + (f": {self.detail}" if self.detail else "")

    def cause(self) -> Cause:
        return Cause(self.type, str(self)[len(self.field) + 2 :], self.field)


_WITHOUT_VALUE = frozenset({"FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong", "InternalError"})
_FIELD_ERROR_LABELS = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueTypeInvalid": "Invalid value",
    "InternalError": "Internal error",
}


def _show(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value, separators=(",", ":"), default=str)
    return str(value)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, detail, value)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, "", value)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, detail)


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    values = ", ".join(f'"{v}"' for v in supported)
    return FieldError("FieldValueNotSupported", field, f"supported values: {values}", value)


def too_many(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooMany", field, f"must have at most {limit} items")


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"may not be more than {limit} bytes")


class Invalid(StatusError):
    """422: the object was understood and breaks rules; every field at fault is a cause."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, group: str, kind: str, name: str, errors: Iterable[FieldError]) -> Invalid:
        """The Status that Kubernetes answers for validation errors `errors` of object `kind.group` `name`."""
        found = list(errors)
        texts = [str(e) for e in found]
        body = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        qualified = f"{kind}.{group}" if group else kind
        details: dict[str, Any] = {"name": name, "kind": kind, "causes": [e.cause().to_dict() for e in found]}
        if group:
            details["group"] = group
        if not name:
            del details["name"]
        return cls(f'{qualified} "{name}" is invalid: {body}', details=details)


def not_found(group: str, plural: str, name: str) -> NotFound:
    qualified = f"{plural}.{group}" if group else plural
    return NotFound(f'{qualified} "{name}" not found', details=_details(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> AlreadyExists:
    qualified = f"{plural}.{group}" if group else plural
    return AlreadyExists(f'{qualified} "{name}" already exists', details=_details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str = "") -> Conflict:
    """409 for a write that named a resourceVersion, uid or state that is no longer true."""
    qualified = f"{plural}.{group}" if group else plural
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified} "{name}": {why}'
    return Conflict(message, details=_details(group, plural, name))


def _details(group: str, plural: str, name: str) -> dict[str, Any]:
    details = {"name": name, "kind": plural}
    if group:
        details["group"] = group
    return details


_BY_REASON: dict[str, type[StatusError]] = {
    c.reason: c
    for c in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict, AlreadyExists, Gone,
        Expired, RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError,
        ServiceUnavailable, Timeout,
    )
}  # fmt: skip
_BY_CODE = {c.code: c for c in reversed(_BY_REASON.values())}


def from_status(status: Mapping[str, Any], code: int = 500) -> StatusError:
    """The error that a received Status object stands for; `code` is the HTTP status, used when the body has none."""
    code = int(status.get("code") or code)
    found = _BY_REASON.get(str(status.get("reason", ""))) or _BY_CODE.get(code) or StatusError
    error = found(str(status.get("message") or f"the server answered {code}"), details=status.get("details"))
    if found is StatusError:
        error.code = code  # type: ignore[misc]
    return error
