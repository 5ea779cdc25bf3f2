"""ValidatingWebhookConfiguration: servers that may refuse what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import VALIDATINGWEBHOOKCONFIGURATIONS
from minikube_py.apiserver.kinds import _webhooks
from minikube_py.apiserver.kinds.base import Kind

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import ValidatingWebhookConfiguration


def validate(obj: ValidatingWebhookConfiguration) -> Sequence[FieldError]:
    return _webhooks.validate_webhooks(obj.webhooks)


def validate_update(new: ValidatingWebhookConfiguration, old: ValidatingWebhookConfiguration) -> Sequence[FieldError]:
    return validate(new)


KIND = Kind(
    resource=VALIDATINGWEBHOOKCONFIGURATIONS,
    singular="validatingwebhookconfiguration",
    categories=("api-extensions",),
    generation=True,
    columns=_webhooks.COLUMNS,
    row=_webhooks.row,
    validate_name=names.dns1123_subdomain,
    default=_webhooks.default_webhooks,
    validate=validate,
    validate_update=validate_update,
    warnings=_webhooks.warnings,
)
