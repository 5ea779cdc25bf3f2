"""The caps on what is served at once, and the other flags of the same sort, as a running server keeps to them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from minikube_py.apiserver.config import Config
from minikube_py.apiserver.flow import PATIENCE
from minikube_py.cli.daemons import api_config
from minikube_py.cli.layout import Layout
from minikube_py.cli.parser import build_parser
from minikube_py.daemon.clock import settle
from tests.apiserver.conftest import CONFIGMAPS, Answer, Api
from tests.fakes.cluster import cluster

ONE = Config(
    storage_backend="memory", authorization_mode=("AlwaysAllow",), max_requests_inflight=1,
    max_mutating_requests_inflight=1,
)  # fmt: skip


async def hold(api: Api, method: str) -> asyncio.Task[Any]:
    """A request of nobody in particular whose body never comes: it keeps its seat until it is cancelled."""

    async def receive() -> Any:
        await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        raise AssertionError(f"nothing is to be answered: {message}")

    scope = {
        "type": "http", "method": method, "path": CONFIGMAPS, "raw_path": CONFIGMAPS.encode(), "query_string": b"",
        "http_version": "1.1", "root_path": "", "scheme": "https", "headers": [], "server": ("s", 1),
        "client": ("c", 1), "state": {"peer": {"user": "slow", "groups": ()}},
    }  # fmt: skip
    task = asyncio.create_task(api.cluster.server.app(scope, receive, send))  # type: ignore[arg-type]
    await settle()
    return task


async def test_a_write_beyond_the_cap_waits_and_is_sent_away_in_the_end() -> None:
    async with cluster(ONE) as made:
        api, user = Api(made), made.transport("jane", ())
        slow = await hold(api, "POST")
        body = {"metadata": {"name": "a"}}
        waiting: asyncio.Task[Answer] = asyncio.create_task(api.ask("POST", CONFIGMAPS, body, transport=user))
        await settle()
        assert not waiting.done()
        # Reads have seats of their own, and administrators need none.
        assert (await api.ask("GET", CONFIGMAPS, transport=user)).status == 200
        await api.config_map("b")
        await made.advance(PATIENCE + 1)
        answer = await waiting
        assert (answer.status, answer.reason) == (429, "TooManyRequests")
        assert answer.headers["retry-after"] == "1" and answer.json["details"]["retryAfterSeconds"] == 1
        assert (await api.ask("GET", f"{CONFIGMAPS}/a")).status == 404
        again = asyncio.create_task(api.ask("POST", CONFIGMAPS, body, transport=user))
        await settle()
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert (await again).status == 201, "the seat goes to who waits for it"


async def test_events_are_kept_as_long_as_the_flag_says() -> None:
    async with cluster(Config(storage_backend="memory", event_ttl=60)) as made:
        api, root = Api(made), "/api/v1/namespaces/default/events"
        involved = {"kind": "Pod", "namespace": "default", "name": "p"}
        await api.ok("POST", root, {"metadata": {"name": "e"}, "involvedObject": involved, "reason": "R"})
        await made.advance("59s")
        assert (await api.ask("GET", f"{root}/e")).status == 200
        await made.advance("3s")
        assert (await api.ask("GET", f"{root}/e")).status == 404


def test_the_flags_reach_the_server(tmp_path: Path) -> None:
    flags = [
        "--encryption-provider-config", "/e.yaml", "--audit-policy-file", "/p.yaml", "--audit-log-path", "-",
        "--audit-log-maxsize", "5", "--audit-log-maxbackup", "6", "--audit-log-maxage", "7",
        "--max-requests-inflight", "8", "--max-mutating-requests-inflight", "0", "--event-ttl", "2h",
    ]  # fmt: skip
    arguments = build_parser().parse_args(["apiserver", "--data-dir", str(tmp_path), *flags])
    config = api_config(arguments, Layout.at(tmp_path))
    found = (
        config.encryption_provider_config, config.audit_policy_file, config.audit_log_path, config.audit_log_maxsize,
        config.audit_log_maxbackup, config.audit_log_maxage, config.max_requests_inflight,
        config.max_mutating_requests_inflight, config.event_ttl,
    )  # fmt: skip
    assert found == ("/e.yaml", "/p.yaml", "-", 5, 6, 7, 8, 0, 7200)
