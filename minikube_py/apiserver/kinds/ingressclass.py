"""IngressClass: which controller serves the Ingresses that name the class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required, too_long
from minikube_py.api.resources import INGRESSCLASSES
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._objectmeta import IMMUTABLE
from minikube_py.apiserver.kinds._references import validate_group, validate_segments
from minikube_py.apiserver.kinds.base import Column, Kind, Object

if TYPE_CHECKING:
    from minikube_py.api.types.networking_v1 import IngressClass, IngressClassParametersReference

_DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
_SCOPES = ("Cluster", "Namespace")
_MAX_CONTROLLER = 250
_PATH_PATTERN = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_is_path = re.compile(_PATH_PATTERN).fullmatch


def default(obj: Object) -> None:
    parameters = obj.setdefault("spec", {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def validate(obj: IngressClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    controller = obj.spec.controller
    if not controller:
        errs.append(required("spec.controller"))
    else:
        if len(controller.encode()) > _MAX_CONTROLLER:
            errs.append(too_long("spec.controller", _MAX_CONTROLLER))
        for sentence in _domain_path(controller):
            errs.append(invalid("spec.controller", controller, sentence))
    if obj.spec.parameters is not None:
        _parameters(obj.spec.parameters, "spec.parameters", errs)
    return errs


def _domain_path(text: str) -> list[str]:
    domain, _, path = text.partition("/")
    if not domain or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    wrong = names.dns1123_subdomain(domain)
    if not _is_path(path):
        wrong = [*wrong, f"Invalid path (regex used for validation is '{_PATH_PATTERN}')"]
    return wrong


def _parameters(parameters: IngressClassParametersReference, path: str, errs: list[FieldError]) -> None:
    validate_group(parameters.apiGroup, f"{path}.apiGroup", errs)
    validate_segments(parameters, ("kind", "name"), path, errs)
    scope, namespace = parameters.scope, parameters.namespace
    if scope is None:
        errs.append(required(f"{path}.scope"))
    elif scope not in _SCOPES:
        errs.append(not_supported(f"{path}.scope", scope, _SCOPES))
    elif scope == "Cluster":
        if namespace is not None:
            errs.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif namespace is None:
        errs.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    else:
        for sentence in names.dns1123_label(namespace):
            errs.append(invalid(f"{path}.namespace", namespace, sentence))


def validate_update(new: IngressClass, old: IngressClass) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    if new.spec.controller != old.spec.controller:
        errs.append(invalid("spec.controller", new.spec.controller, IMMUTABLE))
    return [*errs, *validate(new)]


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    name = metadata["name"]
    if (metadata.get("annotations") or {}).get(_DEFAULT_ANNOTATION) == "true":
        name += " (default)"
    shown = NONE
    if (parameters := spec.get("parameters")) is not None:
        shown = parameters.get("kind", "")
        if group := parameters.get("apiGroup"):
            shown += f".{group}"
        shown += f"/{parameters.get('name', '')}"
    return [name, spec.get("controller", ""), shown, age(metadata.get("creationTimestamp"))]


KIND = Kind(
    resource=INGRESSCLASSES,
    singular="ingressclass",
    generation=True,
    columns=(
        NAME,
        Column("Controller", description="The controller that serves the class."),
        Column("Parameters", description="The object with the controller's settings."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default,
    validate=validate,
    validate_update=validate_update,
)
