"""Certificate requests for tests."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from minikube_py.api.meta import Object
from minikube_py.api.resources import CERTIFICATESIGNINGREQUESTS as CSRS
from minikube_py.client.rest import Client
from minikube_py.controller_manager.certificates import CLIENT, KUBELET_CLIENT
from minikube_py.daemon.certs import new_ca, new_key
from minikube_py.daemon.clock import Clock


def request_pem(
    common_name: str,
    organizations: Sequence[str] = (),
    *,
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    emails: Sequence[str] = (),
    uris: Sequence[str] = (),
    key: Any = None,
) -> bytes:
    """A signed PKCS#10 request as PEM, with a new key unless one is given."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
    names += [x509.IPAddress(ip_address(ip)) for ip in ips]
    names += [x509.RFC822Name(email) for email in emails]
    names += [x509.UniformResourceIdentifier(uri) for uri in uris]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key or new_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


async def one_for_each_controller(client: Client) -> None:
    """A request that waits for its certificate, a kubelet's that waits for approval, and one denied long ago."""
    usages = ["digital signature", "client auth"]
    for name, signer, pem, verdict in (
        ("approved", CLIENT, request_pem("jane"), "Approved"),
        ("kubelet", KUBELET_CLIENT, request_pem("system:node:n1", ["system:nodes"]), ""),
        ("denied", CLIENT, request_pem("mallory"), "Denied"),
    ):
        spec = {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": usages}
        obj: Object = {"apiVersion": CSRS.api_version, "kind": CSRS.kind, "metadata": {"name": name}, "spec": spec}
        made = await client.create(CSRS, obj)
        if verdict:
            condition = {"type": verdict, "status": "True"}
            if verdict == "Denied":
                condition["lastUpdateTime"] = "2000-01-01T00:00:00Z"
            await client.update(CSRS, {**made, "status": {"conditions": [condition]}}, subresource="approval")


def signing_files(directory: Path, clock: Clock) -> dict[str, str]:
    """A signer's certificate and key as files, as the controller manager's configuration names them."""
    ca = new_ca(clock=clock)
    cert, key = directory / "signer.crt", directory / "signer.key"
    cert.write_bytes(ca.cert_pem)
    key.write_bytes(ca.key_pem)
    return {"cluster_signing_cert_file": str(cert), "cluster_signing_key_file": str(key)}
