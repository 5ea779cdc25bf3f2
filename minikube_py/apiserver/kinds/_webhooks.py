"""Rules that the two kinds of webhook configurations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, invalid, not_supported, required
from minikube_py.apiserver.kinds import _admission_rules as rules
from minikube_py.apiserver.kinds._cells import age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import validate_label_selector
from minikube_py.apiserver.kinds.base import Column, Object

if TYPE_CHECKING:
    from minikube_py.api.types.admissionregistration_v1 import (
        MutatingWebhook,
        ServiceReference,
        ValidatingWebhook,
        WebhookClientConfig,
    )

COLUMNS = (NAME, Column("Webhooks", "integer", description="How many webhooks there are."), AGE)
REVIEW_VERSIONS = ("v1", "v1beta1")
NO_WEBHOOKS = "this server does not call admission webhooks yet: the configuration is stored and has no effect"
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_FORM = "; desired format: https://host[/path]"


def default_webhooks(obj: Object) -> None:
    for hook in obj.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        rules.default_rules(hook.get("rules") or ())
        if service := (hook.get("clientConfig") or {}).get("service"):
            service.setdefault("port", 443)


def validate_webhooks(hooks: Sequence[ValidatingWebhook | MutatingWebhook]) -> list[FieldError]:
    """What is wrong with the webhooks of a configuration."""
    errs: list[FieldError] = []
    seen: set[str] = set()
    for i, hook in enumerate(hooks):
        path = f"webhooks[{i}]"
        errs += _webhook(hook, path)
        errs += _review_versions(list(hook.admissionReviewVersions), f"{path}.admissionReviewVersions")
        if hook.name and hook.name in seen:
            errs.append(duplicate(f"{path}.name", hook.name))
        seen.add(hook.name)
    return errs


def _webhook(hook: ValidatingWebhook | MutatingWebhook, path: str) -> list[FieldError]:
    errs = _full_name(hook.name, f"{path}.name")
    for i, rule in enumerate(hook.rules):
        errs += rules.validate_rule(rule, f"{path}.rules[{i}]")
    for member, value, values in (
        ("failurePolicy", hook.failurePolicy, rules.FAILURE_POLICIES),
        ("matchPolicy", hook.matchPolicy, rules.MATCH_POLICIES),
        ("reinvocationPolicy", getattr(hook, "reinvocationPolicy", None), rules.REINVOCATION_POLICIES),
    ):
        if value is not None and value not in values:
            errs.append(not_supported(f"{path}.{member}", value, values))
    if hook.sideEffects is None:
        errs.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}"))
    elif hook.sideEffects not in _SIDE_EFFECTS:
        errs.append(not_supported(f"{path}.sideEffects", hook.sideEffects, _SIDE_EFFECTS))
    if hook.timeoutSeconds is not None and not 1 <= hook.timeoutSeconds <= 30:
        detail = "the timeout value must be between 1 and 30 seconds"
        errs.append(invalid(f"{path}.timeoutSeconds", hook.timeoutSeconds, detail))
    if hook.namespaceSelector is not None:
        validate_label_selector(hook.namespaceSelector, f"{path}.namespaceSelector", errs)
    if hook.objectSelector is not None:
        validate_label_selector(hook.objectSelector, f"{path}.objectSelector", errs)
    errs += _client(hook.clientConfig, f"{path}.clientConfig")
    return errs + rules.validate_conditions(hook.matchConditions, f"{path}.matchConditions")


def _full_name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    if wrong := names.dns1123_subdomain(name):
        return [invalid(path, name, ",".join(wrong))]
    if name.count(".") < 2:
        return [invalid(path, name, "should be a domain with at least three segments separated by dots")]
    return []


def _client(client: WebhookClientConfig, path: str) -> list[FieldError]:
    if (client.url is None) == (client.service is None):
        return [required(path, "exactly one of url or service is required")]
    if client.url is not None:
        return _url(client.url, f"{path}.url")
    assert client.service is not None
    return _service(client.service, f"{path}.service")


def _url(text: str, path: str) -> list[FieldError]:
    try:
        url = urlsplit(text)
    except ValueError as error:
        return [required(path, f"url must be valid: {error}{_FORM}")]
    errs: list[FieldError] = []
    if url.scheme != "https":
        errs.append(invalid(path, url.scheme, f"'https' is the only allowed URL scheme{_FORM}"))
    user, at, host = url.netloc.rpartition("@")
    if not host:
        errs.append(invalid(path, host, f"host must be specified{_FORM}"))
    if at:
        errs.append(invalid(path, user, "user information is not permitted in the URL"))
    if url.fragment:
        errs.append(invalid(path, url.fragment, "fragments are not permitted in the URL"))
    if url.query:
        errs.append(invalid(path, url.query, "query parameters are not permitted in the URL"))
    return errs


def _service(service: ServiceReference, path: str) -> list[FieldError]:
    errs: list[FieldError] = []
    if not service.name:
        errs.append(required(f"{path}.name", "service name is required"))
    if not service.namespace:
        errs.append(required(f"{path}.namespace", "service namespace is required"))
    if service.port is None or not 1 <= service.port <= 65535:
        detail = "port is not valid: must be between 1 and 65535, inclusive"
        errs.append(invalid(f"{path}.port", service.port or 0, detail))
    text, where = service.path or "", f"{path}.path"
    if text in ("", "/"):
        return errs
    if text == "//":
        return [*errs, invalid(where, text, "segment[0] may not be empty")]
    if not text.startswith("/"):
        errs.append(invalid(where, text, "must start with a '/'"))
    for i, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            errs.append(invalid(where, text, f"segment[{i}] may not be empty"))
            continue
        errs += [invalid(where, text, f"segment[{i}]: {sentence}") for sentence in names.dns1123_subdomain(step)]
    return errs


def _review_versions(versions: list[str], path: str) -> list[FieldError]:
    if not versions:
        return [required(path, f"must specify one of {', '.join(REVIEW_VERSIONS)}")]
    errs: list[FieldError] = []
    for i, version in enumerate(versions):
        if version in versions[:i]:
            errs.append(invalid(f"{path}[{i}]", version, "duplicate version"))
            continue
        errs += [invalid(f"{path}[{i}]", version, sentence) for sentence in names.dns1035_label(version)]
    if not set(versions) & set(REVIEW_VERSIONS):
        errs.append(invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return errs


def row(obj: Object) -> list[Any]:
    metadata = obj["metadata"]
    return [metadata["name"], len(obj.get("webhooks") or ()), age(metadata.get("creationTimestamp"))]


def warnings(obj: Object) -> Sequence[str]:
    """The truth about what a stored configuration does here."""
    return (NO_WEBHOOKS,) if obj.get("webhooks") else ()
