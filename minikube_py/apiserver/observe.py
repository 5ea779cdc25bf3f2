"""What the API server counts: requests, how long they took, what is open now."""

from __future__ import annotations

from minikube_py.apiserver.http import Exchange
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.metrics import Registry

_PATCHES = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Observer:
    """Names and labels as kube-apiserver's, as far as they are known at this place."""

    def __init__(self, metrics: Registry, clock: Clock) -> None:
        self._clock = clock
        self._requests = metrics.counter(
            "apiserver_request_total", "Requests by verb, resource and response code.", ("verb", "resource", "code")
        )
        self._seconds = metrics.histogram(
            "apiserver_request_duration_seconds", "Time to answer, watches left out.", ("verb", "resource")
        )
        self._inflight = metrics.gauge("apiserver_current_inflight_requests", "Requests being answered now.")
        self._open = 0
        self._inflight.read(lambda: float(self._open))

    def begin(self) -> float:
        """Note a request's start; give the result to `end`."""
        self._open += 1
        return self._clock.monotonic()

    def end(self, exchange: Exchange, started: float) -> None:
        """Note a request's end."""
        self._open -= 1
        target = exchange.target
        resource = target.plural if target is not None else ""
        method = exchange.method
        verb = _PATCHES.get(method, "other")
        self._requests.inc(verb, resource if exchange.status < 400 else "", str(exchange.status))
        if b"watch=" not in exchange.scope["query_string"]:
            self._seconds.observe(self._clock.monotonic() - started, verb, resource if exchange.status < 400 else "")
