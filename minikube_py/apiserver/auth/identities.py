"""What the configuration says about bearer tokens, put together: who issues them, and who verifies them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from minikube_py.apiserver.auth.authentication import TokenFile
from minikube_py.apiserver.auth.bootstrap import BootstrapTokens
from minikube_py.apiserver.auth.service_account import Issuer, ServiceAccountTokens
from minikube_py.apiserver.auth.tokens import TokenAuthenticator, Tokens
from minikube_py.apiserver.config import Config
from minikube_py.apiserver.encoding import dumps
from minikube_py.apiserver.storage import Storage
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.jwt import VerifyingKey, load_signing_key, load_verifying_keys

if TYPE_CHECKING:
    from minikube_py.apiserver.auth.oidc import OIDCTokens

DISCOVERY_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"
Document = tuple[bytes, str]
"""A body and its content type."""


@dataclass(frozen=True, slots=True)
class Identities:
    """`issuer` is None where no ServiceAccount tokens are issued; `documents` are the issuer's own, by path."""

    tokens: Tokens
    issuer: Issuer | None
    audiences: tuple[str, ...]
    documents: dict[str, Document]
    oidc: OIDCTokens | None

    async def close(self) -> None:
        """Close the connections to other issuers."""
        if self.oidc is not None:
            await self.oidc.close()


def identities(config: Config, storage: Storage, clock: Clock) -> Identities:
    """Everything about bearer tokens. Raises ValueError, OSError for what the configuration names."""
    static = TokenFile.load(config.token_auth_file) if config.token_auth_file else None
    audiences = config.api_audiences or config.service_account_issuer
    keys: list[VerifyingKey] = []
    for path in config.service_account_key_file:
        keys += load_verifying_keys(path)
    issuer = None
    if config.service_account_signing_key_file:
        if not config.service_account_issuer:
            raise ValueError("--service-account-signing-key-file needs --service-account-issuer beside it")
        signing = load_signing_key(config.service_account_signing_key_file)
        issuer = Issuer(config.service_account_issuer[0], signing, clock)
        keys.append(signing.public)
    keys = list({key.key_id: key for key in keys}.values())
    authenticators: list[TokenAuthenticator] = []
    if keys:
        authenticators.append(
            ServiceAccountTokens(
                storage, clock, keys, issuers=config.service_account_issuer, api_audiences=audiences
            )
        )  # fmt: skip
    if config.enable_bootstrap_token_auth:
        authenticators.append(BootstrapTokens(storage, clock))
    oidc = None
    if config.oidc_issuer_url:
        from minikube_py.apiserver.auth.oidc import OIDCTokens

        oidc = OIDCTokens(config, clock)
        authenticators.append(oidc)
    tokens = Tokens(authenticators, clock, static=static, api_audiences=audiences)
    return Identities(tokens, issuer, audiences, _documents(config, keys), oidc)


def _documents(config: Config, keys: list[VerifyingKey]) -> dict[str, Document]:
    """The documents by which others can verify this server's tokens; none for an issuer that is no https URL."""
    issuer = config.service_account_issuer[0] if config.service_account_issuer else ""
    if not keys or not issuer.startswith("https://") or "?" in issuer or "#" in issuer:
        return {}
    host = config.advertise_address or config.bind_address
    host = f"[{host}]" if ":" in host else host
    discovery = {
        "issuer": issuer,
        "jwks_uri": config.service_account_jwks_uri or f"https://{host}:{config.secure_port}{JWKS_PATH}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in keys}),
    }
    jwks = {"keys": [key.jwk() for key in keys]}
    return {
        DISCOVERY_PATH: (dumps(discovery), "application/json"),
        JWKS_PATH: (dumps(jwks), "application/jwk-set+json"),
    }
