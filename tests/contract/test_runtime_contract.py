"""The runtime contract over the fake and over a real Docker engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.runtime_contract import Harness, RuntimeContract
from tests.contract.runtime_harness import DockerHarness, FakeHarness
from tests.images import need_docker


class TestFake(RuntimeContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        harness = FakeHarness()
        yield harness
        await harness.clean()


@pytest.mark.docker
class TestDocker(RuntimeContract):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        need_docker()
        harness = DockerHarness()
        yield harness
        await harness.clean()
