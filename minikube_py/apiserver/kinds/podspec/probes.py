"""Rules for probes and for what runs at the start and end of a container."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from minikube_py.api.errors import FieldError, forbidden, invalid, not_supported, required
from minikube_py.apiserver.kinds import _net

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import HTTPGetAction, Lifecycle, LifecycleHandler, Probe, ProbeHandler

_NEGATIVE = "must be greater than or equal to 0"
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_HEADER = re.compile(r"[-A-Za-z0-9]+").fullmatch
_PORT_NAME = re.compile(r"[-a-z0-9]+").fullmatch


@lru_cache(maxsize=1024)
def port_name(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a port (IANA service names)."""
    errs = []
    if len(name) > 15:
        errs.append("must be no more than 15 characters")
    if not _PORT_NAME(name):
        errs.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= c <= "z" for c in name):
        errs.append("must contain at least one letter (a-z)")
    if "--" in name:
        errs.append("must not contain consecutive hyphens")
    if name and "-" in (name[0], name[-1]):
        errs.append("must not begin or end with a hyphen")
    return tuple(errs)


def validate_port_reference(port: int | str, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a port given by number or by name."""
    if isinstance(port, int):
        if not 0 < port < 65536:
            errs.append(invalid(path, port, "must be between 1 and 65535, inclusive"))
        return
    for sentence in port_name(port):
        errs.append(invalid(path, port, sentence))


def validate_probe(probe: Probe, path: str, grace: int | None, errs: list[FieldError], *, kind: str) -> None:
    """Append what is wrong with a probe; `kind` is liveness, readiness or startup."""
    _handler(probe, _PROBE_HANDLERS, path, grace, errs)
    counts = (
        probe.initialDelaySeconds, probe.timeoutSeconds, probe.periodSeconds, probe.successThreshold,
        probe.failureThreshold,
    )  # fmt: skip
    if min(counts) < 0:
        for member, value in zip(_COUNTS, counts, strict=True):
            if value < 0:
                errs.append(invalid(f"{path}.{member}", value, _NEGATIVE))
    if kind != "readiness" and probe.successThreshold not in (0, 1):
        errs.append(invalid(f"{path}.successThreshold", probe.successThreshold, "must be 1"))
    own_grace = probe.terminationGracePeriodSeconds
    if own_grace is not None:
        where = f"{path}.terminationGracePeriodSeconds"
        if kind == "readiness":
            errs.append(invalid(where, own_grace, "must not be set for readinessProbes"))
        elif own_grace <= 0:
            errs.append(invalid(where, own_grace, "must be greater than 0"))


def validate_lifecycle(lifecycle: Lifecycle, path: str, grace: int | None, os: str, errs: list[FieldError]) -> None:
    """Append what is wrong with a container's hooks and its stop signal."""
    if lifecycle.postStart is not None:
        _handler(lifecycle.postStart, _HOOK_HANDLERS, f"{path}.postStart", grace, errs)
    if lifecycle.preStop is not None:
        _handler(lifecycle.preStop, _HOOK_HANDLERS, f"{path}.preStop", grace, errs)
    if lifecycle.stopSignal is not None:
        where = f"{path}.stopSignal"
        if not os:
            errs.append(forbidden(where, "may not be set for containers with empty `spec.os.name`"))
        elif os == "windows" and lifecycle.stopSignal not in ("SIGTERM", "SIGKILL"):
            errs.append(not_supported(where, lifecycle.stopSignal, ("SIGKILL", "SIGTERM")))
        elif not _signal(lifecycle.stopSignal):
            errs.append(invalid(where, lifecycle.stopSignal, "must be the name of a signal, such as SIGTERM"))


def _signal(name: str) -> bool:
    import signal

    return name in signal.Signals.__members__ or bool(re.fullmatch(r"SIGRTM(IN(\+\d+)?|AX(-\d+)?)", name))


def _handler(
    handler: ProbeHandler | LifecycleHandler,
    known: tuple[str, ...],
    path: str,
    grace: int | None,
    errs: list[FieldError],
) -> None:
    chosen = [name for name in known if getattr(handler, name) is not None]
    if not chosen:
        errs.append(required(path, "must specify a handler type"))
        return
    for name in chosen[1:]:
        errs.append(forbidden(f"{path}.{name}", "may not specify more than 1 handler type"))
    name = chosen[0]
    action = getattr(handler, name)
    if name == "httpGet":
        _http(action, f"{path}.httpGet", errs)
    elif name == "exec":
        if not action.command:
            errs.append(required(f"{path}.exec.command"))
    elif name == "tcpSocket":
        validate_port_reference(action.port, f"{path}.tcpSocket.port", errs)
    elif name == "grpc":
        for sentence in _net.port_number(action.port):
            errs.append(invalid(f"{path}.grpc.port", action.port, sentence))
    elif action.seconds < 0 or (grace is not None and action.seconds > grace):
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        errs.append(invalid(f"{path}.sleep.seconds", action.seconds, detail))


def _http(action: HTTPGetAction, path: str, errs: list[FieldError]) -> None:
    if not action.path:
        errs.append(required(f"{path}.path"))
    validate_port_reference(action.port, f"{path}.port", errs)
    if action.scheme not in ("HTTP", "HTTPS"):
        errs.append(not_supported(f"{path}.scheme", action.scheme, ("HTTP", "HTTPS")))
    for header in action.httpHeaders:
        if not _HEADER(header.name):
            detail = (
                "a valid HTTP header must consist of alphanumeric characters or '-' "
                "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
            )
            errs.append(invalid(f"{path}.httpHeaders", header.name, detail))
