"""JSON Web Tokens: both sorts of keys, what must not verify, and the keys as files and JWKs."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st

from minikube_py.daemon import jwt

RSA = rsa.generate_private_key(65537, 2048)
KEYS: dict[str, Any] = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
}
CLAIMS = {"iss": "me", "sub": "you", "exp": 7}
every_key = pytest.mark.parametrize("algorithm", KEYS)


def private_pem(key: Any) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem


def public_pem(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return pem


def forged(header: dict[str, Any], signature: bytes, claims: dict[str, Any] = CLAIMS) -> str:
    return ".".join(jwt.pack(part) for part in (orjson.dumps(header), orjson.dumps(claims), signature))


@every_key
def test_signed_tokens_verify(algorithm: str) -> None:
    key = jwt.SigningKey(KEYS[algorithm])
    token = key.sign(CLAIMS)
    parsed = jwt.parse(token)
    assert parsed.claims == CLAIMS
    assert parsed.header == {"alg": algorithm, "kid": key.public.key_id}
    assert key.public.verifies(parsed)
    other = jwt.SigningKey(ec.generate_private_key(ec.SECP256R1())).public
    assert not other.verifies(parsed)


@every_key
def test_a_changed_token_does_not_verify(algorithm: str) -> None:
    key = jwt.SigningKey(KEYS[algorithm])
    head, body, tail = key.sign(CLAIMS).split(".")
    other = jwt.pack(orjson.dumps({**CLAIMS, "sub": "root"}))
    assert not key.public.verifies(jwt.parse(f"{head}.{other}.{tail}"))
    signature = bytearray(jwt.unpack(tail))
    signature[-1] ^= 1
    assert not key.public.verifies(jwt.parse(f"{head}.{body}.{jwt.pack(bytes(signature))}"))
    for wrong in (bytes(signature[:-1]), b"\0" * len(signature), b"x"):
        assert not key.public.verifies(jwt.parse(f"{head}.{body}.{jwt.pack(wrong)}"))


def test_the_signature_of_a_curve_is_two_numbers_of_fixed_size() -> None:
    """As RFC 7518 says; DER, which every library gives, must not be taken for it."""
    private = KEYS["ES256"]
    key = jwt.SigningKey(private)
    head, body, tail = key.sign(CLAIMS).split(".")
    raw = jwt.unpack(tail)
    assert len(raw) == 64
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    der = utils.encode_dss_signature(r, s)
    private.public_key().verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    assert not key.public.verifies(jwt.parse(f"{head}.{body}.{jwt.pack(der)}"))


@every_key
def test_no_other_algorithm_is_believed(algorithm: str) -> None:
    private = KEYS[algorithm]
    key = jwt.VerifyingKey(private.public_key())
    for name in ("none", "None", "", "HS256", None, 7, ["ES256"], *(set(jwt.ALGORITHMS) - {algorithm})):
        header = {"alg": name, "kid": key.key_id}
        signed = forged(header, b"x").rpartition(".")[0].encode()
        for signature in (
            b"x",
            # the public key, which everybody knows, as the secret of a symmetric signature
            hmac.digest(public_pem(private), signed, hashlib.sha256),
        ):
            assert not key.verifies(jwt.parse(forged(header, signature))), name
            assert not key.verifies(jwt.parse(forged(header, signature)), jwt.ALGORITHMS), name
    assert not key.verifies(jwt.parse(forged({"kid": key.key_id}, b"x")))


def test_what_other_issuers_sign_with() -> None:
    key = jwt.VerifyingKey(RSA.public_key())
    for name in ("RS384", "RS512", "PS256", "PS384", "PS512"):
        algorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[name[2:]]
        signed = forged({"alg": name}, b"x").rpartition(".")[0].encode()
        pad: Any = padding.PKCS1v15()
        if name.startswith("PS"):
            pad = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
        parsed = jwt.parse(forged({"alg": name}, RSA.sign(signed, pad, algorithm)))
        assert key.verifies(parsed, [name])
        assert not key.verifies(parsed), "by default only the key's own algorithm"
        assert not key.verifies(parsed, ["RS256"])


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c.d", "..", "e30.e30.", "e30.e30.a=", "e30.e30.a b", "e30.e3\n0.aa", "bm8.e30.aa",
     "W10.e30.aa", "e30.W10.aa", "e30.NaN.aa", "e30.e30.aa\n"],
)  # fmt: skip
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(jwt.JWTError, match="not a compact JWT"):
        jwt.parse(text)


@given(st.text())
def test_parsing_anything_ends_well(text: str) -> None:
    try:
        jwt.parse(text)
    except jwt.JWTError:
        return


def test_critical_headers_are_refused() -> None:
    with pytest.raises(jwt.JWTError, match="critical"):
        jwt.parse(forged({"alg": "ES256", "crit": ["b64"]}, b"x"))


@every_key
def test_jwks(algorithm: str) -> None:
    key = jwt.SigningKey(KEYS[algorithm])
    jwk = key.public.jwk()
    assert (jwk["use"], jwk["alg"], jwk["kid"]) == ("sig", algorithm, key.public.key_id)
    assert jwt.from_jwk(jwk).verifies(jwt.parse(key.sign(CLAIMS)))
    if algorithm == "ES512":
        assert len(jwt.unpack(jwk["x"])) == 66
    for member in ({"n", "e", "x", "y", "crv"} & set(jwk)) | {"kty"}:
        for wrong in (None, "", "!", 7):
            with pytest.raises(jwt.JWTError):
                jwt.from_jwk({**jwk, member: wrong})
    if algorithm != "RS256":
        with pytest.raises(jwt.JWTError):
            jwt.from_jwk({**jwk, "x": jwk["y"]})  # not a point of the curve


def test_keys_in_files(tmp_path: Path) -> None:
    path = tmp_path / "keys.pem"
    path.write_bytes(b"# two\n" + public_pem(RSA) + private_pem(KEYS["ES256"]))
    found = jwt.load_verifying_keys(path)
    assert [key.algorithm for key in found] == ["RS256", "ES256"]
    path.write_bytes(private_pem(RSA))
    assert found[0].verifies(jwt.parse(jwt.load_signing_key(path).sign(CLAIMS)))
    small = rsa.generate_private_key(65537, 1024)
    for content in (b"", b"hidden-words", private_pem(small), private_pem(ed25519.Ed25519PrivateKey.generate()),
                    b"-----BEGIN PRIVATE KEY-----\nhidden-words\n-----END PRIVATE KEY-----\n"):  # fmt: skip
        path.write_bytes(content)
        for load in (jwt.load_signing_key, jwt.load_verifying_keys):
            with pytest.raises(jwt.JWTError, match=str(path)) as caught:
                load(path)
            assert "hidden" not in str(caught.value)
