"""`pods/log`: a container's log, streamed from the kubelet of the Pod's Node."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from minikube_py.api import errors, times
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import split_query
from minikube_py.apiserver.subresources.kubelets import (
    Kubelets,
    Object,
    choose_container,
    flag,
    kubelets_error,
    unreachable,
)

_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What a client asked: the container (empty: not named) and the kubelet's query."""

    container: str
    query: Sequence[tuple[str, str]]


def parse_log_options(pod: str, query: dict[str, str]) -> LogOptions:
    """PodLogOptions from query parameters of the request for `pod`'s log.

    Raises BadRequest for what cannot be read, Invalid (422) for what breaks upstream's rules.
    """
    problems = []
    numbers = {name: _number(query, name) for name in ("tailLines", "sinceSeconds", "limitBytes")}
    for name, least, rule in (
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
    ):
        value = numbers[name]
        if value is not None and value < least:
            problems.append(errors.invalid(name, value, rule))
    since_time = query.get("sinceTime")
    if since_time is not None:
        try:
            since_time = times.format_micro(times.parse_time(since_time))
        except ValueError as error:
            raise errors.BadRequest(str(error)) from None
        if numbers["sinceSeconds"] is not None:
            text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            problems.append(errors.forbidden("[]", text))
    stream = query.get("stream", "All")
    if stream != "All":
        problems.append(errors.not_supported("stream", stream, ["All"]))
    if problems:
        raise errors.Invalid.of("", "PodLogOptions", pod, problems)
    if flag(query, "insecureSkipTLSVerifyBackend"):
        raise errors.BadRequest("insecureSkipTLSVerifyBackend is not supported: kubelets are always verified")
    asked = [(name, "true") for name in ("follow", "previous", "timestamps") if flag(query, name)]
    asked += [(name, str(value)) for name, value in numbers.items() if value is not None]
    if since_time is not None:
        asked.append(("sinceTime", since_time))
    return LogOptions(query.get("container", ""), asked)


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -_INT64 <= int(text) < _INT64:
        raise errors.BadRequest(f'{name}: parsing "{text[:32]}": invalid syntax')
    return int(text)


class LogProxy:
    """Serves `pods/log`. Raises api.errors classes before the answer has begun."""

    def __init__(self, kubelets: Kubelets) -> None:
        self._kubelets = kubelets

    async def serve(self, exchange: Exchange, pod: Object, node: Object | None) -> None:
        """Stream the log of `pod`, which runs on `node` (None: it is not known)."""
        query: dict[str, str] = {}
        for name, value in split_query(exchange.scope["query_string"]):
            query.setdefault(name, value)
        name = pod["metadata"]["name"]
        options = parse_log_options(name, query)
        container = choose_container(pod, options.container)
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            # Nothing has been logged by what has no place yet: an empty answer, as upstream gives.
            await exchange.answer(204, b"", b"text/plain")
            return
        if node is None:
            raise errors.not_found("", "nodes", node_name)
        url = self._kubelets.url(node, "containerLogs", pod["metadata"]["namespace"], name, container)
        copying = asyncio.create_task(self._copy(exchange, url, options.query), name="log proxy")
        leaving = asyncio.create_task(_disconnected(exchange), name="log proxy client")
        try:
            await asyncio.wait((copying, leaving), return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                copying.result()
        finally:
            copying.cancel()
            leaving.cancel()
            await asyncio.gather(copying, leaving, return_exceptions=True)

    async def _copy(self, exchange: Exchange, url: str, query: Sequence[tuple[str, str]]) -> None:
        import aiohttp

        try:
            async with self._kubelets.session().get(url, params=list(query)) as answer:
                if answer.status != 200:
                    raise kubelets_error(answer.status, await answer.read())
                await exchange.open_stream(b"text/plain")
                async for chunk in answer.content.iter_any():
                    await exchange.push(chunk)
                await exchange.close_stream()
        except (aiohttp.ClientError, TimeoutError) as error:
            # Once begun, the answer is broken off by this: the client must not take half a log for a whole one.
            raise unreachable(error) from error


async def _disconnected(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass
