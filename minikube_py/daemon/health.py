"""Health: named checks behind /healthz, /livez and /readyz, answered as Kubernetes' daemons answer them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from minikube_py.daemon import logs

log = logs.get("health")

ENDPOINTS = ("healthz", "livez", "readyz")

Check = Callable[[], "str | Awaitable[str | None] | None"]
"""Says what is wrong, or None (or "") when all is well. What it raises counts as wrong, too."""


class Answer(NamedTuple):
    """An HTTP status and a text/plain body."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    check: Check
    endpoints: frozenset[str]


class Health:
    """The checks of one daemon, run in the order they were added; `ping` is always the first."""

    def __init__(self) -> None:
        self._checks: dict[str, _Named] = {}
        self.add("ping", lambda: None)

    def add(self, name: str, check: Check, endpoints: Collection[str] = ENDPOINTS) -> None:
        """Let a check count for the endpoints. Raises ValueError for a name that is taken or an unknown endpoint."""
        if name in self._checks:
            raise ValueError(f"there is a health check {name!r} already")
        if unknown := set(endpoints) - set(ENDPOINTS):
            raise ValueError(f"unknown health endpoints {sorted(unknown)}")
        self._checks[name] = _Named(name, check, frozenset(endpoints))

    async def answer(
        self, endpoint: str, name: str = "", *, verbose: bool = False, exclude: Collection[str] = ()
    ) -> Answer | None:
        """What GET /endpoint (or /endpoint/name for one check) answers; None is for 404.

        `verbose` and `exclude` are the query parameters. A failure lists all checks but keeps its reason to the log;
        asked for alone, a check shows its reason.
        """
        if endpoint not in ENDPOINTS:
            return None
        checks = [c for c in self._checks.values() if endpoint in c.endpoints]
        if name:
            return await self._one([c for c in checks if c.name == name])
        lines, failed = [], []
        for check in checks:
            if check.name in exclude:
                lines.append(f"[+]{check.name} excluded: ok\n")
                continue
            wrong = await _run(check)
            if wrong:
                failed.append(f"{check.name}: {wrong}")
            lines.append(f"[-]{check.name} failed: reason withheld\n" if wrong else f"[+]{check.name} ok\n")
        unknown = sorted(set(exclude) - {c.name for c in checks})
        if unknown:
            names = ", ".join(f'"{n}"' for n in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}\n")
        text = "".join(lines)
        if failed:
            log.warning("health check failed", endpoint=endpoint, failed="; ".join(failed))
            return Answer(500, f"{text}{endpoint} check failed\n")
        return Answer(200, f"{text}{endpoint} check passed\n" if verbose else "ok")

    @staticmethod
    async def _one(checks: list[_Named]) -> Answer | None:
        for check in checks:
            wrong = await _run(check)
            return Answer(500, f"internal server error: {wrong}\n") if wrong else Answer(200, "ok")
        return None


async def _run(check: _Named) -> str | None:
    try:
        found = check.check()
        return await found if inspect.isawaitable(found) else found
    except Exception as error:
        # A check that cannot tell has failed; it must not take the endpoint down with it.
        return f"{type(error).__name__}: {error}"
