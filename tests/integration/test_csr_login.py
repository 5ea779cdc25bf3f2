"""A certificate from request to login, with the real kubectl: asked for, approved, issued, and shown to the server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from minikube_py.client import kubeconfig
from minikube_py.daemon.certs import new_key
from tests.etcd import free_port
from tests.integration.clusters import Object, Result, ended, kubectl_binary, run, start, until
from tests.unit.csr_samples import request_pem

pytestmark = pytest.mark.kubectl


@dataclass(frozen=True)
class Pair:
    """An API server and a controller manager as processes."""

    directory: Path
    port: int

    def kubectl(self, *arguments: str, config: Path | None = None) -> Result:
        home = str(self.directory / "home")
        env = {"KUBECONFIG": str(config or self.directory / "admin.conf"), "HOME": home, "KUBECACHEDIR": home}
        return run([kubectl_binary(), *arguments], env=env)

    def ask(self, name: str, pem: bytes) -> None:
        """Create a request for a client certificate."""
        spec = {"request": base64.b64encode(pem).decode(), "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"], "expirationSeconds": 3600}  # fmt: skip
        obj = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
               "metadata": {"name": name}, "spec": spec}  # fmt: skip
        file = self.directory / f"{name}.json"
        file.write_text(json.dumps(obj))
        made = self.kubectl("create", "-f", str(file))
        assert made.code == 0, made

    def request(self, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", "csr", name, "-o", "json").out)
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("csr"), free_port())
    data = ("--data-dir", str(made.directory))
    with ended(start("apiserver", *data, "--secure-port", str(made.port))):

        def ready() -> bool:
            with suppress(OSError):
                return made.kubectl("get", "--raw", "/readyz").code == 0
            return False

        until(ready, 30, "the API server is ready")
        with ended(start("controller-manager", *data)):
            yield made


def test_an_approved_certificate_logs_in(pair: Pair) -> None:
    key = new_key()
    pair.ask("jane", request_pem("jane", ["devs"], key=key))
    row = pair.kubectl("get", "csr", "jane", "--no-headers").out.split()
    assert row[:1] + row[2:] == ["jane", "kubernetes.io/kube-apiserver-client", "kubernetes-admin", "60m", "Pending"]
    approved = pair.kubectl("certificate", "approve", "jane")
    assert (approved.code, approved.out) == (0, "certificatesigningrequest.certificates.k8s.io/jane approved\n")
    until(lambda: pair.request("jane")["status"].get("certificate"), 20, "the certificate is issued")
    assert pair.kubectl("get", "csr", "jane", "--no-headers").out.split()[-1] == "Approved,Issued"

    known = kubeconfig.load(pair.directory / "admin.conf")
    config = pair.directory / "jane.conf"
    kubeconfig.write(
        config, server=known.server, user="jane", cluster="c", ca_pem=known.ca_pem,
        cert_pem=base64.b64decode(pair.request("jane")["status"]["certificate"]),
        key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    )  # fmt: skip
    who = json.loads(pair.kubectl("auth", "whoami", "-o", "json", config=config).out)["status"]["userInfo"]
    assert (who["username"], who["groups"]) == ("jane", ["devs", "system:authenticated"])
    assert "forbidden" in pair.kubectl("get", "pods", config=config).err
    rights = ("create", "rolebinding", "devs", "--clusterrole=view", "--group=devs")
    assert pair.kubectl(*rights).code == 0
    assert pair.kubectl("get", "pods", config=config).code == 0


def test_a_denied_one_stays_denied(pair: Pair) -> None:
    pair.ask("mallory", request_pem("mallory"))
    assert pair.kubectl("certificate", "deny", "mallory").code == 0
    assert pair.kubectl("get", "csr", "mallory", "--no-headers").out.split()[-1] == "Denied"
    assert pair.kubectl("certificate", "approve", "mallory").code != 0
    assert "certificate" not in pair.request("mallory")["status"]


def test_what_kubectl_shows_of_the_server_itself(pair: Pair) -> None:
    lines = pair.kubectl("get", "apiservices").out.splitlines()
    assert ["v1.apps", "Local", "True"] in [line.split()[:3] for line in lines]
    status = pair.kubectl("get", "componentstatuses")
    assert ["etcd-0", "Healthy", "ok"] in [line.split() for line in status.out.splitlines()]
    assert "v1 ComponentStatus is deprecated in v1.19+" in status.err
