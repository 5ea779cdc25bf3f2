"""PKCS#10 certificate requests: read one from PEM with its signature verified, and issue what it asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from minikube_py.daemon.certs import authority_key_id, load_cert, load_key

if TYPE_CHECKING:
    from cryptography import x509

_BEGIN, _END = b"-----BEGIN ", b"-----END "
_TYPE = b"CERTIFICATE REQUEST-----"

KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
"""certificates.k8s.io KeyUsage to the bit of the KeyUsage extension."""

EXTENDED_KEY_USAGES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}
"""certificates.k8s.io KeyUsage to the identifier in the ExtendedKeyUsage extension."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a verified request says; `raw` is the whole of it."""

    raw: x509.CertificateSigningRequest
    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    ips: tuple[str, ...]
    uris: tuple[str, ...]


def parse(pem: bytes) -> Request:
    """The first PEM block as a request. Raises ValueError when it is none, or is not signed by its own key."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import NameOID

    begin = pem.find(_BEGIN)
    if begin < 0 or not pem.startswith(_TYPE, begin + len(_BEGIN)) or _END + _TYPE not in pem:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    try:
        raw = x509.load_pem_x509_csr(pem[begin : pem.index(_END + _TYPE) + len(_END + _TYPE)] + b"\n")
        valid = raw.is_signature_valid
        extensions = raw.extensions
        subject = raw.subject
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ValueError(f"the certificate request cannot be read: {error}") from None
    if not valid:
        raise ValueError("the certificate request is not signed by the key that it is for")
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Request(
        raw,
        str(common[-1].value) if common else "",
        tuple(str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)),
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(names.get_values_for_type(x509.RFC822Name)),
        tuple(str(ip) for ip in names.get_values_for_type(x509.IPAddress)),
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def certificate_error(pem: bytes) -> str:
    """What keeps `pem` from being one or more CERTIFICATE blocks and nothing else; empty when nothing does."""
    from cryptography import x509

    if not pem:
        return ""
    kinds = {line[len(_BEGIN) :].rstrip(b"- \r") for line in pem.splitlines() if line.startswith(_BEGIN)}
    if not kinds:
        return "must contain at least one CERTIFICATE PEM block"
    if other := kinds - {b"CERTIFICATE"}:
        return f'only CERTIFICATE PEM blocks are allowed, found "{min(other).decode("utf-8", "replace")}"'
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        return f"a CERTIFICATE PEM block cannot be read: {error}"
    return ""


def expires(pem: bytes) -> datetime:
    """When the first certificate of `pem` ends. Raises PkiError."""
    return load_cert(pem, "the certificate").not_valid_after_utc


class Authority:
    """A certificate authority that issues for requests: its certificate and key, as PEM. Raises PkiError."""

    def __init__(self, cert_pem: bytes, key_pem: bytes) -> None:
        self._cert = load_cert(cert_pem, "the signing certificate")
        self._key: Any = load_key(key_pem, "the signing key")

    @property
    def ends(self) -> datetime:
        return self._cert.not_valid_after_utc

    def issue(self, request: Request, usages: Collection[str], begin: datetime, end: datetime) -> bytes:
        """A certificate with the request's subject, names and key, for these usages, that does not outlive its CA.

        Returns PEM. Raises ValueError for a usage that is not known or a CA that has ended.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ed448, ed25519

        if begin >= self.ends:
            raise ValueError(f"the signer has expired: NotAfter={self.ends}")
        bits, extended = _usages(usages)
        public: Any = request.raw.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.raw.subject)
            .issuer_name(self._cert.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(min(end, self.ends))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(authority_key_id(self._cert), critical=False)
        )
        if bits is not None:
            builder = builder.add_extension(bits, critical=True)
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        try:
            names = request.raw.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            pass
        else:
            builder = builder.add_extension(names.value, critical=names.critical)
        hashless = isinstance(self._key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
        from cryptography.hazmat.primitives.serialization import Encoding

        return builder.sign(self._key, None if hashless else hashes.SHA256()).public_bytes(Encoding.PEM)


def _usages(usages: Collection[str]) -> tuple[x509.KeyUsage | None, list[x509.ObjectIdentifier]]:
    from cryptography import x509

    if unknown := sorted(set(usages) - KEY_USAGES.keys() - EXTENDED_KEY_USAGES.keys()):
        raise ValueError(f"unrecognized usage values: {', '.join(unknown)}")
    bits = {KEY_USAGES[u] for u in usages if u in KEY_USAGES}
    wanted = {member: member in bits for member in dict.fromkeys(KEY_USAGES.values())}
    if not wanted["key_agreement"]:  # X.509 gives these two a meaning with key agreement only
        wanted["encipher_only"] = wanted["decipher_only"] = False
    extended = dict.fromkeys(EXTENDED_KEY_USAGES[u] for u in sorted(usages) if u in EXTENDED_KEY_USAGES)
    return (
        x509.KeyUsage(**wanted) if any(wanted.values()) else None,
        [x509.ObjectIdentifier(oid) for oid in extended],
    )
