"""Secrets of type kubernetes.io/service-account-token: filled for their ServiceAccount, and gone with it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minikube_py.api import errors
from minikube_py.api.meta import Object, key, split_key
from minikube_py.api.resources import SECRETS, SERVICEACCOUNTS
from minikube_py.controller_manager.context import Context, Index
from minikube_py.daemon import logs

if TYPE_CHECKING:
    from minikube_py.daemon.jwt import SigningKey

log = logs.get("serviceaccount-token")

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
ISSUER = "kubernetes/serviceaccount"
_CLAIM = "kubernetes.io/serviceaccount/"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a Secret needs: to be deleted, or the parts of its data named in `missing`."""

    delete: bool = False
    missing: tuple[str, ...] = ()


def plan(secret: Object, account: Object | None, ca: str) -> Plan:
    """What to do about a token's Secret. An account of the same name but another uid is not its account."""
    said = (secret["metadata"].get("annotations") or {}).get(UID, "")
    if account is None or (said and said != account["metadata"]["uid"]):
        return Plan(delete=True)
    data = secret.get("data") or {}
    missing = [name for name in ("token", "namespace") if not data.get(name)]
    if ca and data.get("ca.crt") != _encoded(ca):
        missing.append("ca.crt")
    return Plan(missing=tuple(missing))


def claims(secret: Object, account: Object) -> dict[str, Any]:
    """What the token says: it has no end of its own."""
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    return {
        "iss": ISSUER,
        f"{_CLAIM}namespace": namespace,
        f"{_CLAIM}secret.name": secret["metadata"]["name"],
        f"{_CLAIM}service-account.name": name,
        f"{_CLAIM}service-account.uid": account["metadata"]["uid"],
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def filled(secret: Object, account: Object, missing: Iterable[str], sign: SigningKey, ca: str) -> Object:
    """The Secret with what it lacks, and the account's uid, by which it knows its account again."""
    data = dict(secret.get("data") or {})
    for name in missing:
        if name == "token":
            data[name] = _encoded(sign.sign(claims(secret, account)))
        else:
            data[name] = _encoded(ca if name == "ca.crt" else account["metadata"]["namespace"])
    named = {NAME: account["metadata"]["name"], UID: account["metadata"]["uid"]}
    annotations = {**(secret["metadata"].get("annotations") or {}), **named}
    return {**secret, "metadata": {**secret["metadata"], "annotations": annotations}, "data": data}


class TokensController:
    """Off without `service_account_private_key_file`, which is read once, as the root CA's file is."""

    name = "serviceaccount-token-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        config = context.config
        if not config.service_account_private_key_file:
            log.info("not filling token Secrets: no --service-account-private-key-file was given")
            return
        from minikube_py.daemon.jwt import load_signing_key

        self.key = load_signing_key(config.service_account_private_key_file)
        self.ca = Path(config.root_ca_file).read_text() if config.root_ca_file else ""
        self.accounts = context.informer(SERVICEACCOUNTS)
        self.secrets = context.informer(SECRETS, field_selector=f"type={TYPE}")
        self.by_account = Index(self.secrets, _account_key)
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.secrets)
        controller.watch(self.accounts, self._of_account)

    def _of_account(self, old: Object | None, new: Object | None) -> Iterable[str]:
        changed = old if new is None else new
        assert changed is not None
        return self.by_account.get(key(changed))

    async def reconcile(self, key: str) -> float | None:
        """`key` is a Secret."""
        secret = self.secrets.get(key)
        if secret is None:
            await self._drop_references(*split_key(key))
            return None
        account = await self._account(_account_key(secret))
        wanted = plan(secret, account, self.ca)
        try:
            if wanted.delete:
                metadata = secret["metadata"]
                await self.client.delete(SECRETS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
                log.info("deleted a token whose service account is gone", secret=key)
            elif wanted.missing and account is not None:
                await self.client.update(SECRETS, filled(secret, account, wanted.missing, self.key, self.ca))
                log.info("filled a token's secret", secret=key)
        except (errors.NotFound, errors.Conflict):
            pass  # changed or gone meanwhile: that will be heard
        return None

    async def _account(self, key: str) -> Object | None:
        """The account; asked for before it is taken for gone, since the Secret may have been heard of first."""
        account = self.accounts.get(key)
        if account is None:
            namespace, name = split_key(key)
            try:
                account = await self.client.get(SERVICEACCOUNTS, name, namespace)
            except errors.NotFound:
                return None
        return account

    async def _drop_references(self, namespace: str, name: str) -> None:
        """No account goes on naming a token's Secret that is gone."""
        for account in list(self.accounts.items().values()):
            listed = account.get("secrets") or ()
            if account["metadata"]["namespace"] != namespace or all(one.get("name") != name for one in listed):
                continue
            try:
                await self.client.update(
                    SERVICEACCOUNTS, {**account, "secrets": [one for one in listed if one.get("name") != name]}
                )
            except errors.NotFound:
                continue


def _account_key(secret: Mapping[str, Any]) -> str:
    metadata = secret["metadata"]
    return f"{metadata['namespace']}/{(metadata.get('annotations') or {}).get(NAME, '')}"


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
