"""ServiceAccount: every Pod acts as an account that exists, pulls with its secrets and has its token mounted."""

from __future__ import annotations

from collections.abc import Iterator

from minikube_py.api import errors
from minikube_py.apiserver.admission.base import Attributes, Plugin
from minikube_py.apiserver.cache import Item
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.objectmeta import generate_name
from minikube_py.apiserver.storage import Storage

DEFAULT = "default"
MIRROR = "kubernetes.io/config.mirror"
ENFORCE_SECRETS = "kubernetes.io/enforce-mountable-secrets"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
"""An unusual number, by which the token of a Pod is known (see `subresources/token.py`)."""
VOLUME = "kube-api-access-"
_EPHEMERAL = "ephemeral container"


class ServiceAccount(Plugin):
    """As the admission plugin of that name."""

    name = "ServiceAccount"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._accounts = storage.caches["serviceaccounts"]
        self._read: dict[str, tuple[Item, Object]] = {}

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        if kind.resource.qualified != "pods":
            return False
        if operation == "CREATE":
            return not subresource
        return operation == "UPDATE" and subresource == "ephemeralcontainers"

    async def admit(self, attributes: Attributes) -> None:
        """Raises Forbidden for a Pod whose account does not exist."""
        pod = attributes.new
        if attributes.operation != "CREATE" or pod is None or _is_mirror(pod):
            return
        spec = pod["spec"]
        name = spec.get("serviceAccountName")
        if not name:
            name = spec["serviceAccountName"] = spec["serviceAccount"] = DEFAULT
        account = await self._account(attributes, name)
        automount = spec.get("automountServiceAccountToken")
        if automount is None:
            automount = account.get("automountServiceAccountToken")
        if automount is not False:
            mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": one.get("name") or ""} for one in account["imagePullSecrets"]]

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden for a mirror Pod that refers to what it may not, and for secrets that an account forbids."""
        pod = attributes.new
        assert pod is not None
        spec = pod["spec"]
        name = spec.get("serviceAccountName")
        if attributes.operation == "CREATE" and _is_mirror(pod):
            if name:
                raise _forbidden(attributes, "a mirror pod may not reference service accounts")
            if next(_secrets(spec), None) is not None:
                raise _forbidden(attributes, "a mirror pod may not reference secrets")
            for volume in spec.get("volumes") or ():
                for source in (volume.get("projected") or {}).get("sources") or ():
                    if source.get("serviceAccountToken") is not None:
                        raise _forbidden(attributes, "a mirror pod may not use ServiceAccountToken volume projections")
            return
        if not name:
            why = f"no service account specified for pod {attributes.namespace}/{attributes.name}"
            raise _forbidden(attributes, why)
        account = await self._account(attributes, name)
        said = (account["metadata"].get("annotations") or {}).get(ENFORCE_SECRETS, "")
        if said in ("1", "t", "T", "true", "TRUE", "True"):
            self._limit_secrets(attributes, spec, account)

    def _limit_secrets(self, attributes: Attributes, spec: Object, account: Object) -> None:
        allowed = {one.get("name") for one in account.get("secrets") or ()}
        owner = account["metadata"]["name"]
        for name, where in _secrets(spec):
            if attributes.operation == "UPDATE" and not where.startswith(_EPHEMERAL):
                continue  # the others passed when the Pod was made
            if where and name not in allowed:
                why = f"{where} is not allowed because service account {owner} does not reference that secret"
                raise _forbidden(attributes, why)
        if attributes.operation == "UPDATE":
            return
        pulling = {one.get("name") for one in account.get("imagePullSecrets") or ()}
        for i, one in enumerate(spec.get("imagePullSecrets") or ()):
            if one.get("name") not in pulling:
                raise _forbidden(
                    attributes,
                    f'imagePullSecrets[{i}].name="{one.get("name")}" is not allowed because service account {owner} '
                    "does not reference that imagePullSecret",
                )

    async def _account(self, attributes: Attributes, name: str) -> Object:
        """The account, which must not be changed: decoded once per revision. Read again before it is called missing."""
        key = self._accounts.key(attributes.namespace, name)
        item = self._accounts.items.get(key)
        if item is None:
            await self._storage.fresh()
            item = self._accounts.items.get(key)
        if item is None:
            self._read.pop(key, None)
            raise _forbidden(
                attributes,
                f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found',
            )
        known = self._read.get(key)
        if known is None or known[0] is not item:
            if len(self._read) >= 1024:
                self._read.clear()
            known = self._read[key] = (item, loads(item.data))
        return known[1]


def mount_token(spec: Object) -> None:
    """Mount the account's token into every container that has nothing mounted at its place."""
    volumes = spec.get("volumes")
    if volumes is None:
        volumes = spec["volumes"] = []
    name = next((v["name"] for v in volumes if _is_own(v)), "")
    there = bool(name)
    if not there:
        taken = {volume.get("name") for volume in volumes}
        name = generate_name(VOLUME)
        while name in taken:
            name = generate_name(VOLUME)
    needed = False
    for member in ("initContainers", "containers"):
        for container in spec.get(member) or ():
            mounts = container.get("volumeMounts")
            if mounts is None:
                mounts = container["volumeMounts"] = []
            if not any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
                needed = True
    if needed and not there:
        volumes.append({"name": name, "projected": token_source()})
    if not volumes:
        del spec["volumes"]


def token_source() -> Object:
    """The projected volume: the token, the cluster's authority and the namespace, as its defaults would leave it."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }


def _is_own(volume: Object) -> bool:
    """A volume such as this plugin adds, of a Pod that was copied from another."""
    return str(volume.get("name") or "").startswith(VOLUME)


def _is_mirror(pod: Object) -> bool:
    return MIRROR in (pod["metadata"].get("annotations") or ())


def _secrets(spec: Object) -> Iterator[tuple[str, str]]:
    """Every Secret that a Pod refers to by name, and the words for where it does.

    The words are empty where an account's list of mountable secrets does not count.
    """
    for one in spec.get("imagePullSecrets") or ():
        yield str(one.get("name") or ""), ""
    for word, member in (
        ("init container", "initContainers"), ("container", "containers"), (_EPHEMERAL, "ephemeralContainers"),
    ):  # fmt: skip
        for container in spec.get(member) or ():
            for source in container.get("envFrom") or ():
                if (reference := source.get("secretRef")) is not None:
                    name = str(reference.get("name") or "")
                    yield name, f'{word} {container["name"]} with envFrom referencing secret.secretName="{name}"'
            for env in container.get("env") or ():
                if (reference := (env.get("valueFrom") or {}).get("secretKeyRef")) is not None:
                    name = str(reference.get("name") or "")
                    yield (
                        name,
                        f'{word} {container["name"]} with envVar {env["name"]} referencing secret.secretName="{name}"',
                    )
    for volume in spec.get("volumes") or ():
        if (secret := volume.get("secret")) is not None:
            name = str(secret.get("secretName") or "")
            yield name, f'volume with secret.secretName="{name}"'
        for name in _others(volume):
            yield name, ""


def _others(volume: Object) -> Iterator[str]:
    for source in (volume.get("projected") or {}).get("sources") or ():
        if (secret := source.get("secret")) is not None:
            yield str(secret.get("name") or "")
    for body in volume.values():
        if not isinstance(body, dict):
            continue
        for member in ("secretRef", "nodePublishSecretRef"):  # of CSI, flexVolume, cephfs, rbd, iscsi and others
            if (reference := body.get(member)) is not None:
                yield str(reference.get("name") or "")
        if "shareName" in body and "secretName" in body:  # azureFile
            yield str(body["secretName"])


def _forbidden(attributes: Attributes, why: str) -> errors.Forbidden:
    name = attributes.name or (attributes.new or {}).get("metadata", {}).get("generateName") or "Unknown"
    details = {"name": name, "kind": "pods"}
    return errors.Forbidden(f'pods "{name}" is forbidden: {why}', details=details)
