"""The client's contract: the fake API server in process and over TLS in real time, and the real one in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from minikube_py.api import errors
from minikube_py.api.resources import NAMESPACES
from minikube_py.client.transport import AppTransport, WireTransport
from minikube_py.daemon.clock import RealClock, VirtualClock
from tests.contract.client_contract import ClientContract, World
from tests.fakes import wire
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.cluster import cluster


class TestFakeInProcess(ClientContract):
    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        clock = VirtualClock()
        transport = AppTransport(FakeApiServer(), user="admin", groups=["system:masters"], clock=clock)
        yield World(transport, clock)
        await transport.close()


class TestFakeOverTheWire(ClientContract):
    @pytest.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[World]:
        async with wire.serve(FakeApiServer(), tmp_path) as (url, context):
            transport = WireTransport(url, context)
            yield World(transport, RealClock())
            await transport.close()


class TestApiServerInProcess(ClientContract):
    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        async with cluster() as made:
            world = World(made.transport(), made.clock)
            for name in ("default", "kube-system"):
                with suppress(errors.AlreadyExists):
                    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    await world.client.create(NAMESPACES, namespace)
            yield world
            await world.transport.close()
