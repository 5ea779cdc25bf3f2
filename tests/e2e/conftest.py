"""One real cluster for all end-to-end tests, and a namespace for each of them."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import KUBECTLS, Cluster
from tests.e2e.kubectl import Kubectl
from tests.images import need_docker

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def client_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where client libraries put the certificates and keys of a kubeconfig: not into the machine's own /tmp."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("clients"))
    yield
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The daemons as processes, SQLite, Docker; taken away at the end, with proof."""
    need_docker()
    made = Cluster(tmp_path_factory.mktemp("cluster") / "data")
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that is this test's alone."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    name = f"{words[:50]}-{next(_numbers)}"
    made = cluster.kubectl(KUBECTLS[-1], "create", "namespace", name)
    assert made.code == 0, str(made)
    # Pods are refused before the namespace has its ServiceAccount.
    account = cluster.kubectl(KUBECTLS[-1], "wait", "--for=create", "serviceaccount/default", "-n", name)
    assert account.code == 0, str(account)
    yield name
    cluster.kubectl(KUBECTLS[-1], "delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture(params=KUBECTLS)
def kubectl(cluster: Cluster, namespace: str, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl of each version, in the test's namespace."""
    return Kubectl(cluster, request.param, namespace)
