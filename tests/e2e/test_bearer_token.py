"""The official Python client with a bearer token from `--token-auth-file`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import run, until
from tests.etcd import free_port

# The library leaves connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

TOKEN = "the-token-of-a-robot"


@pytest.fixture
def token_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A lone API server that knows a token; its address and its authority's certificate."""
    port, data = free_port(), tmp_path / "lone"
    (tmp_path / "tokens.csv").write_text(f'{TOKEN},robot,1,"system:masters,testers"\n')
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "minikube_py.cli", "apiserver", "--data-dir", str(data), "--secure-port", str(port),
             "--token-auth-file", str(tmp_path / "tokens.csv"), "--storage-backend", "memory"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        url = f"https://127.0.0.1:{port}"
        ask = ["curl", "-sf", "--cacert", str(data / "pki" / "ca.crt"), "-H", f"Authorization: Bearer {TOKEN}"]
        until(lambda: server.poll() is None and run([*ask, url + "/readyz"]).out == "ok", 30)
        yield url, data / "pki" / "ca.crt"
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, (tmp_path / "log").read_text()


def test_a_bearer_token_identifies_its_user(token_server: tuple[str, Path]) -> None:
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

    def connect(token: str) -> Any:
        found = client.Configuration(host=token_server[0])
        found.ssl_ca_cert = str(token_server[1])
        found.api_key = {"authorization": f"Bearer {token}"}
        return client.ApiClient(found)

    with connect(TOKEN) as robot:
        me = client.AuthenticationV1Api(robot).create_self_subject_review(client.V1SelfSubjectReview())
        assert me.status.user_info.username == "robot"
        assert set(me.status.user_info.groups) == {"system:masters", "testers", "system:authenticated"}
        core = client.CoreV1Api(robot)
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="mine")))
        core.create_namespaced_config_map("mine", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one")))
        entry = core.read_namespaced_config_map("one", "mine").metadata.managed_fields
        assert entry is None or entry[0].operation == "Update"
    with connect("another") as stranger, pytest.raises(ApiException) as refused:
        client.CoreV1Api(stranger).list_namespace()
    assert refused.value.status == 401
