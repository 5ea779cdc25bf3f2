"""MutatingWebhookConfiguration: servers that may change what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import MUTATINGWEBHOOKCONFIGURATIONS
from minikube_py.apiserver.kinds import _webhooks
from minikube_py.apiserver.kinds.base import Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import MutatingWebhookConfiguration


def default(obj: Object) -> None:
    _webhooks.default_webhooks(obj)
    for hook in obj.get("webhooks") or ():
        hook.setdefault("reinvocationPolicy", "Never")


def validate(obj: MutatingWebhookConfiguration) -> Sequence[FieldError]:
    return _webhooks.validate_webhooks(obj.webhooks)


def validate_update(new: MutatingWebhookConfiguration, old: MutatingWebhookConfiguration) -> Sequence[FieldError]:
    return validate(new)


KIND = Kind(
    resource=MUTATINGWEBHOOKCONFIGURATIONS,
    singular="mutatingwebhookconfiguration",
    categories=("api-extensions",),
    generation=True,
    columns=_webhooks.COLUMNS,
    row=_webhooks.row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
    warnings=_webhooks.warnings,
)
