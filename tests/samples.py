"""One small good object of every resource, from tests/contract/data/samples.yaml."""

from __future__ import annotations

import base64
import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]


@cache
def samples() -> Any:
    """By plural and group; a version that is not the group's only one is told apart with `/version`."""
    return yaml.safe_load((Path(__file__).parent / "contract" / "data" / "samples.yaml").read_text())


def sample(group: str, version: str, plural: str) -> tuple[Object, Object | None]:
    """A new object of the resource, and what a write may set in its status (None where there is none)."""
    name = f"{plural}.{group}" if group else plural
    obj: Object = copy.deepcopy(samples().get(f"{name}/{version}") or samples()[name])
    if plural == "certificatesigningrequests":
        obj["spec"]["request"] = base64.b64encode(_certificate_request()).decode()
    return obj, obj.pop("status", None)


@cache
def _certificate_request() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(
        ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    )  # fmt: skip
    return signed.public_bytes(serialization.Encoding.PEM)
