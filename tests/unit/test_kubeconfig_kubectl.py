"""kubectl as the judge of our certificates (Go's verifier) and of the kubeconfig that we write."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import pytest

from minikube_py.client import kubeconfig
from minikube_py.daemon import pki
from tests.fakes import wire
from tests.fakes.apiserver import FakeApiServer

BINARIES = Path(__file__).parents[2] / ".cache" / "bin"


@pytest.mark.kubectl
@pytest.mark.parametrize("name", ["kubectl-1.32", "kubectl-1.36"])
async def test_kubectl_reaches_a_server_with_our_files(name: str, tmp_path: Path) -> None:
    binary = BINARIES / name
    if not binary.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is missing, `make setup` unpacks it")
    made = pki.ensure_cluster_pki(tmp_path, names=["localhost"], ips=["127.0.0.1"])
    options = {"ssl_ca_certs": str(made.cert("ca")), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    admin = made.pair(pki.ADMIN)
    server = FakeApiServer()
    async with wire.serve(server, tmp_path, pair=made.pair("apiserver"), **options) as (url, _):
        kubeconfig.write(
            tmp_path / "admin.conf", server=url.replace("127.0.0.1", "localhost"), ca_pem=made.ca_pem,
            cert_pem=admin.cert_pem, key_pem=admin.key_pem, user="kubernetes-admin", cluster="c", namespace="shop",
        )  # fmt: skip

        async def kubectl(*args: str) -> str:
            process = await asyncio.create_subprocess_exec(
                str(binary), "--kubeconfig", str(tmp_path / "admin.conf"), *args,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0, err.decode()
            return out.decode()

        assert await kubectl("get", "--raw", "/readyz") == "ok"
        assert server.requests[-1][1] == "/readyz"
        context = "{.contexts[0].context}"
        assert await kubectl("config", "view", "-o", f"jsonpath={context}") == (
            '{"cluster":"c","namespace":"shop","user":"kubernetes-admin"}'
        )
