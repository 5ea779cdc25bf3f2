"""Ingress: which requests from outside reach which Services, by host and path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, invalid, not_supported, required
from minikube_py.api.resources import INGRESSES
from minikube_py.apiserver.kinds import _net
from minikube_py.apiserver.kinds._cells import NONE, age
from minikube_py.apiserver.kinds._columns import AGE, NAME
from minikube_py.apiserver.kinds._references import validate_group, validate_segments
from minikube_py.apiserver.kinds._storage import keep_spec, keep_status
from minikube_py.apiserver.kinds.base import Column, Context, Kind, Object, Subresource
from minikube_py.apiserver.kinds.podspec.probes import port_name

if TYPE_CHECKING:
    from minikube_py.api.types.networking_v1 import HTTPIngressPath, Ingress, IngressBackend, IngressServiceBackend

_CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_MAX_HOST = 253
_WILDCARD_PATTERN = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_is_wildcard = re.compile(_WILDCARD_PATTERN).fullmatch
_NOT_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
    f"(e.g. '*.example.com', regex used for validation is '{_WILDCARD_PATTERN}')"
)


def prepare_create(obj: Object, context: Context) -> None:
    obj["status"] = {"loadBalancer": {}}


def validate(obj: Ingress) -> Sequence[FieldError]:
    errs = _spec(obj)
    annotated, named = obj.metadata.annotations.get(_CLASS), obj.spec.ingressClassName
    if annotated is not None and named is not None and annotated != named:
        detail = "must match `ingressClassName` when both are specified"
        errs.append(invalid(f"annotations.{_CLASS}", annotated, detail))
    return errs


def validate_update(new: Ingress, old: Ingress) -> Sequence[FieldError]:
    return _spec(new)


def _spec(obj: Ingress) -> list[FieldError]:
    spec = obj.spec
    errs: list[FieldError] = []
    if not spec.rules and spec.defaultBackend is None:
        errs.append(invalid("spec", [], "either `defaultBackend` or `rules` must be specified"))
    if spec.defaultBackend is not None:
        _backend(spec.defaultBackend, "spec.defaultBackend", errs)
    for i, rule in enumerate(spec.rules):
        path = f"spec.rules[{i}]"
        if rule.host:
            if _net.parse_ip(rule.host):
                errs.append(invalid(f"{path}.host", rule.host, "must be a DNS name, not an IP address"))
            _host(rule.host, f"{path}.host", errs)
        if rule.http is not None:
            if not rule.http.paths:
                errs.append(required(f"{path}.http.paths"))
            for j, entry in enumerate(rule.http.paths):
                _path(entry, f"{path}.http.paths[{j}]", errs)
    for i, tls in enumerate(spec.tls):
        for j, host in enumerate(tls.hosts):
            _host(host, f"spec.tls[{i}].hosts[{j}]", errs)
        if tls.secretName:
            for sentence in names.dns1123_subdomain(tls.secretName):
                errs.append(invalid(f"spec.tls[{i}].secretName", tls.secretName, sentence))
    if spec.ingressClassName is not None:
        for sentence in names.dns1123_subdomain(spec.ingressClassName):
            errs.append(invalid("spec.ingressClassName", spec.ingressClassName, sentence))
    return errs


def _host(host: str, path: str, errs: list[FieldError]) -> None:
    if "*" not in host:
        wrong = names.dns1123_subdomain(host)
    else:
        wrong = [f"must be no more than {_MAX_HOST} bytes"] if len(host.encode()) > _MAX_HOST else []
        if not _is_wildcard(host):
            wrong.append(_NOT_WILDCARD)
    for sentence in wrong:
        errs.append(invalid(path, host, sentence))


def _path(entry: HTTPIngressPath, path: str, errs: list[FieldError]) -> None:
    if entry.pathType is None:
        errs.append(required(f"{path}.pathType", "pathType must be specified"))
        return
    text, where = entry.path, f"{path}.path"
    if entry.pathType not in _PATH_TYPES:
        errs.append(not_supported(f"{path}.pathType", entry.pathType, _PATH_TYPES))
    elif not text.startswith("/") and (text or entry.pathType != "ImplementationSpecific"):
        errs.append(invalid(where, text, "must be an absolute path"))
    if entry.pathType in ("Exact", "Prefix"):
        for sequence in _BAD_SEQUENCES:
            if sequence in text:
                errs.append(invalid(where, text, f"must not contain '{sequence}'"))
        for end in _BAD_ENDS:
            if text.endswith(end):
                errs.append(invalid(where, text, f"cannot end with '{end}'"))
    _backend(entry.backend, f"{path}.backend", errs)


def _backend(backend: IngressBackend, path: str, errs: list[FieldError]) -> None:
    service, resource = backend.service, backend.resource
    if service is not None and resource is not None:
        errs.append(invalid(path, "", "cannot set both resource and service backends"))
    elif resource is not None:
        validate_group(resource.apiGroup, f"{path}.resource.apiGroup", errs)
        validate_segments(resource, ("kind", "name"), f"{path}.resource", errs)
    elif service is not None:
        _service(service, path, errs)
    else:
        errs.append(invalid(path, "", "resource or service backend is required"))


def _service(service: IngressServiceBackend, path: str, errs: list[FieldError]) -> None:
    if not service.name:
        errs.append(required(f"{path}.service.name"))
    else:
        for sentence in names.dns1123_label(service.name):
            errs.append(invalid(f"{path}.service.name", service.name, sentence))
    port = service.port
    if port.name and port.number:
        errs.append(invalid(path, "", "cannot set both port name & port number"))
    elif port.name:
        for sentence in port_name(port.name):
            errs.append(invalid(f"{path}.service.port.name", port.name, sentence))
    elif port.number:
        for sentence in _net.port_number(port.number):
            errs.append(invalid(f"{path}.service.port.number", port.number, sentence))
    else:
        errs.append(required(path, "port name or number is required"))


def validate_status(new: Ingress, old: Ingress) -> Sequence[FieldError]:
    errs: list[FieldError] = []
    known = {entry.ip for entry in old.status.loadBalancer.ingress}
    for i, entry in enumerate(new.status.loadBalancer.ingress):
        path = f"status.loadBalancer.ingress[{i}]"
        if entry.ip and entry.ip not in known:
            for sentence in _net.strict_ip(entry.ip):
                errs.append(invalid(f"{path}.ip", entry.ip, sentence))
        if entry.hostname:
            for sentence in names.dns1123_subdomain(entry.hostname):
                errs.append(invalid(f"{path}.hostname", entry.hostname, sentence))
            if _net.parse_ip(entry.hostname):
                detail = "must be a DNS name, not an IP address"
                errs.append(invalid(f"{path}.hostname", entry.hostname, detail))
    return errs


def warnings(obj: Object) -> Sequence[str]:
    if _CLASS in (obj["metadata"].get("annotations") or {}):
        return (f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead",)
    return ()


def row(obj: Object) -> list[Any]:
    metadata, spec = obj["metadata"], obj.get("spec") or {}
    entries = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    class_name = spec.get("ingressClassName")
    return [
        metadata["name"],
        NONE if class_name is None else class_name,
        _hosts(spec.get("rules") or ()),
        ",".join(sorted({e.get("ip") or e.get("hostname") or "" for e in entries} - {""})),
        "80, 443" if spec.get("tls") else "80",
        age(metadata.get("creationTimestamp")),
    ]


def _hosts(rules: Sequence[Object]) -> str:
    shown: list[str] = []
    more = False
    for rule in rules:
        if len(shown) == 3:
            more = True
        elif rule.get("host"):
            shown.append(rule["host"])
    text = ",".join(shown) or "*"
    return f"{text} + {len(rules) - 3} more..." if more else text


KIND = Kind(
    resource=INGRESSES,
    singular="ingress",
    short_names=("ing",),
    subresources=(Subresource("status", "Ingress", ("get", "patch", "update"), "networking/v1.Ingress"),),
    status=True,
    generation=True,
    columns=(
        NAME,
        Column("Class", description="The class of the controller that serves it."),
        Column("Hosts", description="The first few hosts."),
        Column("Address", description="Where the controller listens."),
        Column("Ports", description="The ports that it listens on."),
        AGE,
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
)
