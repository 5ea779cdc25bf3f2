"""Certificates and keys as PEM: EC P-256, in the shape that OpenSSL's and Go's verifiers want."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from minikube_py.daemon.clock import Clock, RealClock

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

CA_DAYS, LEAF_DAYS = 3650, 365
_BACKDATE = timedelta(minutes=5)  # for machines whose clocks are a little behind


class PkiError(Exception):
    """Files that cannot be used and that we must not replace by ourselves."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM."""

    cert_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "Pair(...)"


@dataclass(frozen=True, slots=True)
class Sans:
    """Subject alternative names. IP addresses are text."""

    names: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str], ips: Iterable[str]) -> Sans:
        """In one order and form, so that they can be compared. Raises ValueError for what is no IP address."""
        addresses = {str(ipaddress.ip_address(ip)) for ip in ips}
        return cls(tuple(sorted(set(names))), tuple(sorted(addresses)))


def new_ca(common_name: str = "kubernetes", *, days: int = CA_DAYS, clock: Clock | None = None) -> Pair:
    """A new self-signed certificate authority."""
    key = new_key()
    return Pair(ca_certificate(key, common_name, days, clock or RealClock()), key_pem(key))


def issue(
    ca: Pair,
    common_name: str,
    organizations: Sequence[str] = (),
    sans: Sans = Sans(),
    *,
    client: bool = False,
    server: bool = False,
    days: int = LEAF_DAYS,
    clock: Clock | None = None,
) -> Pair:
    """A certificate signed by `ca`, with a new key, never valid beyond the CA. ValueError when it is of no use."""
    if not (client or server):
        raise ValueError("a certificate must be for a client, a server or both")
    if server and not (sans.names or sans.ips):
        raise ValueError("a serving certificate needs at least one name or IP address")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    authority, authority_key = load_cert(ca.cert_pem, "the CA"), load_key(ca.key_pem, "the CA")
    key = new_key()
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    now = (clock or RealClock()).now()
    usages = [ExtendedKeyUsageOID.SERVER_AUTH] * server + [ExtendedKeyUsageOID.CLIENT_AUTH] * client
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _BACKDATE, authority.not_valid_before_utc))
        .not_valid_after(min(now + timedelta(days=days), authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority_key_id(authority), critical=False)
    )
    if sans.names or sans.ips:
        general: list[x509.GeneralName] = [x509.DNSName(name) for name in sans.names]
        general += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in sans.ips]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return Pair(_pem(builder.sign(authority_key, hashes.SHA256())), key_pem(key))


def sans_of(cert: x509.Certificate) -> Sans:
    """The DNS names and IP addresses that a certificate is for."""
    from cryptography import x509

    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Sans()
    return Sans.of(found.get_values_for_type(x509.DNSName), map(str, found.get_values_for_type(x509.IPAddress)))


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new private key on P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """An unencrypted key in the form (SEC 1) that kubeadm and OpenSSL write."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _pem(cert: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return cert.public_bytes(Encoding.PEM)


def public_pem(key: Any) -> bytes:
    """A public key as SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def load_cert(pem: bytes, what: str) -> x509.Certificate:
    """A certificate from PEM; PkiError names `what` cannot be read."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise PkiError(f"{what}: not a PEM certificate") from error


def load_key(pem: bytes, what: str) -> Any:
    """A private key of any kind from PEM; PkiError names `what` cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"{what}: not a PEM private key") from error


def common_name_of(cert: x509.Certificate) -> str:
    """The common name of a certificate's subject, or ""."""
    from cryptography.x509.oid import NameOID

    found = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def authority_key_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The extension by which a certificate names the key that signed it."""
    from cryptography import x509

    try:
        known = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        public: Any = authority.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,  # nothing that an EC key could do
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def ca_certificate(key: Any, common_name: str, days: int, clock: Clock) -> bytes:
    """A self-signed CA certificate for a key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = clock.now()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate)
