"""OpenID Connect: users that another issuer vouches for, by its ID tokens."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from minikube_py.apiserver.auth.tokens import Identified, Refused, number, texts
from minikube_py.apiserver.auth.user import AUTHENTICATED, CREDENTIAL_ID, User
from minikube_py.apiserver.config import Config
from minikube_py.daemon import logs
from minikube_py.daemon.clock import Clock
from minikube_py.daemon.jwt import ALGORITHMS, JWTError, Parsed, VerifyingKey, from_jwk, parse

if TYPE_CHECKING:
    import aiohttp

log = logs.get("apiserver.oidc")

ASK_AGAIN_SECONDS = 10.0
"""How long the issuer is not asked again, whatever tokens come in."""
ANSWER_SECONDS = 10.0
ANSWER_BYTES = 1024 * 1024
REMEMBER_SECONDS = 10.0
"""How long an answer about a token may be used again, as upstream's token cache."""
EARLY_SECONDS = 300.0
"""How far the issuer's clock may be ahead for a token that is not valid yet."""


class OIDCTokens:
    """Verifies ID tokens. Keys are fetched by the first token, and again when one names a key that is not known."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Raises ValueError for a configuration that cannot work, OSError for the CA's file."""
        issuer = config.oidc_issuer_url
        if not issuer.startswith("https://") or "?" in issuer or "#" in issuer:
            raise ValueError("--oidc-issuer-url must be an https URL without query and fragment")
        if not config.oidc_client_id:
            raise ValueError("--oidc-client-id must be set, since --oidc-issuer-url is")
        if unknown := [a for a in config.oidc_signing_algs if a not in ALGORITHMS]:
            raise ValueError(f"--oidc-signing-algs: {', '.join(unknown)} is none of {', '.join(ALGORITHMS)}")
        self._required = [_pair(text) for text in config.oidc_required_claim]
        self._config = config
        self._clock = clock
        self._tls = ssl.create_default_context(cafile=config.oidc_ca_file or None)
        self._keys: list[VerifyingKey] = []
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        prefix = config.oidc_username_prefix
        if not prefix and config.oidc_username_claim != "email":
            prefix = f"{issuer}#"
        self._prefix = "" if prefix == "-" else prefix

    async def identify(self, token: str, audiences: Sequence[str]) -> Identified | None:
        """See TokenAuthenticator."""
        try:
            parsed = parse(token)
        except JWTError:
            return None
        claims = parsed.claims
        if claims.get("iss") != self._config.oidc_issuer_url:
            return None
        if self._config.oidc_client_id not in texts(claims, "aud"):
            raise Refused("oidc: the token is for another client")
        now = self._clock.time()
        expires, begins = number(claims, "exp"), number(claims, "nbf")
        if expires is None or expires <= now:
            raise Refused("oidc: the token is expired")
        if begins is not None and begins > now + EARLY_SECONDS:
            raise Refused("oidc: the token is not valid yet")
        if not await self._verified(parsed):
            raise Refused("oidc: the token's signature is not of a key of the issuer")
        return Identified(self._user(claims), None, min(expires, now + REMEMBER_SECONDS))

    def _user(self, claims: Mapping[str, Any]) -> User:
        config = self._config
        name = claims.get(config.oidc_username_claim)
        if not isinstance(name, str) or not name:
            raise Refused(f"oidc: the token has no claim {config.oidc_username_claim} that is a string")
        if config.oidc_username_claim == "email" and claims.get("email_verified", True) is not True:
            raise Refused("oidc: the token's email is not verified")
        groups: tuple[str, ...] = ()
        if config.oidc_groups_claim and claims.get(config.oidc_groups_claim) is not None:
            said = claims[config.oidc_groups_claim]
            groups = texts(claims, config.oidc_groups_claim)
            if not groups and said not in ([], ""):
                raise Refused(f"oidc: the claim {config.oidc_groups_claim} is neither a string nor a list of strings")
        for claim, wanted in self._required:
            if claims.get(claim) != wanted:
                raise Refused(f"oidc: the claim {claim} is not the required one")
        extra = {}
        if isinstance(claims.get("jti"), str) and claims["jti"]:
            extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
        prefixed = tuple(config.oidc_groups_prefix + group for group in groups)
        return User(self._prefix + name, (*prefixed, AUTHENTICATED), extra=extra)

    async def _verified(self, parsed: Parsed) -> bool:
        if self._by_known_key(parsed):
            return True
        kid = parsed.header.get("kid")
        if kid and any(key.key_id == kid for key in self._keys):
            return False
        async with self._asking:
            await self._ask()
        return self._by_known_key(parsed)

    def _by_known_key(self, parsed: Parsed) -> bool:
        kid = parsed.header.get("kid")
        keys = [key for key in self._keys if key.key_id == kid] if kid else self._keys
        return any(key.verifies(parsed, self._config.oidc_signing_algs) for key in keys)

    async def _ask(self) -> None:
        """Fetch the issuer's keys, unless that was tried a moment ago."""
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_SECONDS:
            return
        self._asked_at = now
        try:
            self._keys = await self._clock.wait_for(self._fetch(), ANSWER_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("the OIDC issuer's keys could not be had", issuer=self._config.oidc_issuer_url, error=error)
            if not self._keys:
                raise Refused("oidc: the issuer's keys could not be had") from None

    async def _fetch(self) -> list[VerifyingKey]:
        issuer = self._config.oidc_issuer_url
        found = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ValueError("the issuer's own document names another issuer")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not url.startswith("https://"):
            raise ValueError("the issuer's document names no jwks_uri of https")
        listed = (await self._get(url)).get("keys")
        keys = []
        for jwk in listed if isinstance(listed, list) else ():
            try:
                if jwk.get("use", "sig") == "sig":
                    keys.append(from_jwk(jwk))
            except (JWTError, AttributeError):
                continue  # a key of a sort that we do not verify with
        return keys

    async def _get(self, url: str) -> dict[str, Any]:
        """A JSON object. Raises OSError, ValueError."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._tls))
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise ValueError(f"{url} answered {answer.status}")
                body = bytearray()
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > ANSWER_BYTES:
                        raise ValueError(f"{url} answered more than {ANSWER_BYTES} bytes")
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from None
        try:
            found = orjson.loads(bytes(body))
        except orjson.JSONDecodeError:
            raise ValueError(f"{url} did not answer with JSON") from None
        if not isinstance(found, dict):
            raise ValueError(f"{url} did not answer with a JSON object")
        return found

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError("--oidc-required-claim must be CLAIM=VALUE")
    return name, value
