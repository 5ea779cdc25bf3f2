"""JSON Web Tokens: signed and verified with RSA and EC keys, and the keys as PEM files and as JWKs.

`cryptography` takes long to import, so it is imported by the functions that need it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
"""All that can be verified. Nothing symmetric and nothing unsigned: "none" and HS256 are no algorithms here."""

_CURVES = {
    "secp256r1": ("ES256", "P-256", 32),
    "secp384r1": ("ES384", "P-384", 48),
    "secp521r1": ("ES512", "P-521", 66),
}
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
RSA_BITS = 2048
"""Smaller keys are refused."""


class JWTError(ValueError):
    """A token or a key that cannot be used. The message never holds any of it."""


@dataclass(frozen=True, slots=True, repr=False)
class Parsed:
    """A token taken apart, nothing verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parse(token: str) -> Parsed:
    """Take a compact token apart. Raises JWTError."""
    if not _TOKEN.match(token):
        raise JWTError("not a compact JWT")
    head, body, tail = token.split(".")
    try:
        header, claims, signature = orjson.loads(unpack(head)), orjson.loads(unpack(body)), unpack(tail)
    except ValueError:
        raise JWTError("not a compact JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise JWTError("not a compact JWT")
    if "crit" in header:
        raise JWTError("the token has critical headers that are not known")
    return Parsed(header, claims, f"{head}.{body}".encode(), signature)


def pack(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(text: str) -> bytes:
    """The bytes of base64url without padding. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)


class VerifyingKey:
    """A public key: verifies, and knows its id and its JWK."""

    def __init__(self, key: Key, key_id: str = "") -> None:
        """Raises JWTError for a key of another sort, curve or size than can be used."""
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        if isinstance(key, rsa.RSAPublicKey):
            if key.key_size < RSA_BITS:
                raise JWTError(f"an RSA key must have {RSA_BITS} bits or more")
            self.algorithm = "RS256"
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
            self.algorithm = _CURVES[key.curve.name][0]
        else:
            raise JWTError("not an RSA key, or an EC key on P-256, P-384 or P-521")
        self._key = key
        self.key_id = key_id or key_id_of(key)

    def verifies(self, parsed: Parsed, algorithms: Iterable[str] = ()) -> bool:
        """Whether the signature is this key's, by the algorithm that the token names.

        Without `algorithms`, only the key's own is taken.
        """
        from cryptography.exceptions import InvalidSignature

        algorithm = parsed.header.get("alg")
        if algorithm not in (tuple(algorithms) or (self.algorithm,)) or algorithm not in ALGORITHMS:
            return False
        try:
            return self._verify(algorithm, parsed)
        except InvalidSignature:
            return False

    def _verify(self, algorithm: str, parsed: Parsed) -> bool:
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

        hashed = _hash(algorithm)
        if isinstance(self._key, rsa.RSAPublicKey):
            if algorithm.startswith("RS"):
                self._key.verify(parsed.signature, parsed.signed, padding.PKCS1v15(), hashed)
            elif algorithm.startswith("PS"):
                pss = padding.PSS(padding.MGF1(hashed), padding.PSS.DIGEST_LENGTH)
                self._key.verify(parsed.signature, parsed.signed, pss, hashed)
            else:
                return False
            return True
        size = _CURVES[self._key.curve.name][2]
        if algorithm != self.algorithm or len(parsed.signature) != 2 * size:
            return False
        # JOSE writes the two numbers one after the other; everybody else writes them as DER.
        r, s = int.from_bytes(parsed.signature[:size], "big"), int.from_bytes(parsed.signature[size:], "big")
        self._key.verify(utils.encode_dss_signature(r, s), parsed.signed, ec.ECDSA(hashed))
        return True

    def jwk(self) -> dict[str, str]:
        """The key as JWKS documents list it."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        head = {"use": "sig", "kid": self.key_id, "alg": self.algorithm}
        if isinstance(self._key, rsa.RSAPublicKey):
            rsa_numbers = self._key.public_numbers()
            return {**head, "kty": "RSA", "n": _number(rsa_numbers.n), "e": _number(rsa_numbers.e)}
        numbers = self._key.public_numbers()
        _, curve, size = _CURVES[self._key.curve.name]
        return {**head, "kty": "EC", "crv": curve, "x": _number(numbers.x, size), "y": _number(numbers.y, size)}


class SigningKey:
    """A private key: signs claims as a compact token, with RS256 or the algorithm of the key's curve."""

    def __init__(self, key: PrivateKey) -> None:
        """Raises JWTError for a key that cannot be used."""
        self._key = key
        self.public = VerifyingKey(key.public_key())

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The signed token."""
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

        algorithm = self.public.algorithm
        header = {"alg": algorithm, "kid": self.public.key_id}
        text = f"{pack(orjson.dumps(header))}.{pack(orjson.dumps(claims))}"
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature = self._key.sign(text.encode(), padding.PKCS1v15(), _hash(algorithm))
        else:
            r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(_hash(algorithm))))
            size = _CURVES[self._key.curve.name][2]
            signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return f"{text}.{pack(signature)}"


def key_id_of(key: Key) -> str:
    """The id that Kubernetes gives a key: the digest of its DER form."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return pack(hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest())


def from_jwk(jwk: Mapping[str, Any]) -> VerifyingKey:
    """The key of a JWKS entry. Raises JWTError."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        if jwk.get("kty") == "RSA":
            key: Key = rsa.RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"])).public_key()
        elif jwk.get("kty") == "EC":
            curves: dict[str, ec.EllipticCurve] = {
                "P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1(),
            }  # fmt: skip
            numbers = ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), curves[jwk["crv"]])
            key = numbers.public_key()
        else:
            raise JWTError("the key is neither of type RSA nor EC")
    except (KeyError, ValueError, TypeError, AttributeError):
        raise JWTError("the key is malformed") from None
    return VerifyingKey(key, str(jwk.get("kid") or ""))


def load_signing_key(path: str | Path) -> SigningKey:
    """The private key in a PEM file. Raises OSError, JWTError naming the file."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(Path(path).read_bytes(), None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise JWTError("neither an RSA nor an EC key")
        return SigningKey(key)
    except (ValueError, TypeError) as error:
        raise JWTError(f"{path}: no private key to sign with: {_why(error)}") from None


def load_verifying_keys(path: str | Path) -> list[VerifyingKey]:
    """The keys in a PEM file, public ones or private ones' public halves. Raises OSError, JWTError naming the file."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    found = []
    try:
        for match in _PEM.finditer(Path(path).read_bytes()):
            kind, pem = match[1], match[0] + b"\n"
            key: Any
            if kind == b"CERTIFICATE":
                from cryptography import x509  # by far the slowest part to import, and seldom needed

                key = x509.load_pem_x509_certificate(pem).public_key()
            elif kind.endswith(b"PRIVATE KEY"):
                key = load_pem_private_key(pem, None).public_key()
            elif kind.endswith(b"PUBLIC KEY"):
                key = load_pem_public_key(pem)
            else:
                continue  # EC PARAMETERS, which OpenSSL writes in front of a key
            found.append(VerifyingKey(key))
    except (ValueError, TypeError) as error:
        raise JWTError(f"{path}: no key to verify with: {_why(error)}") from None
    if not found:
        raise JWTError(f"{path}: no key to verify with: the file holds no PEM key")
    return found


def _why(error: Exception) -> str:
    """A library's words about a key file are not passed on: they may quote it."""
    return str(error) if isinstance(error, JWTError) else "it cannot be read as PEM"


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    sizes: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    return sizes[algorithm[2:]]()


def _number(value: int, size: int = 0) -> str:
    return pack(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _integer(text: str) -> int:
    return int.from_bytes(unpack(text), "big")
