"""`serviceaccounts/token`: a ServiceAccount's token, for some time and audiences, bound to an object or not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from minikube_py.api import errors
from minikube_py.api.errors import FieldError, invalid
from minikube_py.api.resources import NODES, PODS, SECRETS, Resource
from minikube_py.api.times import format_time
from minikube_py.apiserver import body, options
from minikube_py.apiserver.admission import Admission, Attributes
from minikube_py.apiserver.auth.service_account import Issuer
from minikube_py.apiserver.catalog import Catalog
from minikube_py.apiserver.encoding import Object, dumps
from minikube_py.apiserver.http import Exchange, warning_headers
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import require_verbs
from minikube_py.daemon.clock import Clock

GROUP, VERSION, KIND = "authentication.k8s.io", "authentication.k8s.io/v1", "TokenRequest"
TYPE = "authentication/v1.TokenRequest"
MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS = 600, 2**32, 3600
EXTENDED_FROM = 3607
"""The lifetime that the ServiceAccount admission plugin asks for, by which tokens of Pods are told from others."""
EXTENDED_SECONDS = 365 * 24 * 3600
"""How long such tokens are really good, for clients that never read their file again; later use is to be noticed."""


class TokenRequests:
    """Issues tokens. Without an issuer the sub-resource is not there, as upstream's without a signing key."""

    def __init__(
        self,
        issuer: Issuer | None,
        audiences: Sequence[str],
        admission: Admission,
        catalog: Catalog,
        clock: Clock,
        *,
        max_seconds: float = 0.0,
        extend: bool = True,
    ) -> None:
        self._issuer = issuer
        self._audiences = list(audiences)
        self._admission = admission
        self._catalog = catalog
        self._clock = clock
        self._max_seconds = int(max_seconds)
        self._extend = extend

    async def serve(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        """Raises NotFound, Invalid, BadRequest, Conflict (another uid than the object's), Forbidden (admission)."""
        if self._issuer is None:
            raise errors.NotFound("the server could not find the requested resource", details={})
        require_verbs(exchange, ("POST",))
        wanted = options.write_options(exchange.query, exchange.header(b"user-agent"))
        request, _ = await body.read_object(exchange, duplicates=False)
        body.require_kind(request, KIND, VERSION)
        body.check_options(request, TYPE, KIND)
        account = await registry.read(target.namespace, target.name)
        self._complete(request, target)
        attributes = Attributes(
            "CREATE", registry.kind, target.namespace, target.name, "token", exchange.user, request, None,
            wanted.dry_run,
        )  # fmt: skip
        await self._admission.admit(attributes)
        if not request["spec"].get("audiences"):  # not before: a kubelet may ask for these without their names
            request["spec"]["audiences"] = list(self._audiences)
        problems = validate(request)
        if problems:
            raise errors.Invalid.of(GROUP, KIND, "", problems)
        await self._admission.validate(attributes)
        spec = request["spec"]
        bound = await self._bound(spec.get("boundObjectRef"), target)
        self._shorten(spec, attributes.warnings)
        seconds, warn = spec["expirationSeconds"], 0
        own = all(audience in self._audiences for audience in spec["audiences"])
        if self._extend and "pod" in bound and seconds == EXTENDED_FROM and own:
            seconds, warn = EXTENDED_SECONDS, seconds
        expires = format_time(self._clock.now() + timedelta(seconds=spec["expirationSeconds"]))
        request["status"] = {
            "token": self._issuer.issue(account, spec["audiences"], seconds, bound, warn=warn),
            "expirationTimestamp": expires,
        }
        await exchange.answer(201, dumps(request), headers=warning_headers(attributes.warnings))

    def _complete(self, request: Object, target: Target) -> None:
        metadata = request.setdefault("metadata", {})
        for member, said in (("name", target.name), ("namespace", target.namespace)):
            if metadata.get(member, said) not in ("", said):
                raise errors.BadRequest(f"the {member} of the provided object does not match the {member} of the URL")
            metadata[member] = said
        metadata["creationTimestamp"] = format_time(self._clock.now())
        spec = request.setdefault("spec", {})
        if spec.get("expirationSeconds") is None:
            spec["expirationSeconds"] = DEFAULT_SECONDS
        spec.setdefault("boundObjectRef", None)

    def _shorten(self, spec: Object, warnings: list[str]) -> None:
        asked = spec["expirationSeconds"]
        if 0 < self._max_seconds < asked:
            warnings.append(f"requested expiration of {asked} seconds shortened to {self._max_seconds} seconds")
            spec["expirationSeconds"] = self._max_seconds

    async def _bound(self, reference: Object | None, target: Target) -> dict[str, Object]:
        """The objects that the token names: the one that it is bound to, and a Pod's Node."""
        if reference is None:
            return {}
        kind, version, name = (reference.get(m) or "" for m in ("kind", "apiVersion", "name"))
        if version not in ("", "v1") or kind not in ("Pod", "Node", "Secret"):
            group, _, short = version.rpartition("/")
            raise errors.BadRequest(f"cannot bind token to object of type {group}/{short}, Kind={kind}")
        if kind == "Pod":
            bound = await self._pod(name, target)
        elif kind == "Node":
            bound = {"node": await self._read(NODES, "", name)}
        else:
            bound = {"secret": await self._read(SECRETS, target.namespace, name)}
        uid = reference.get("uid") or ""
        if uid and uid != bound[kind.lower()]["metadata"]["uid"]:
            why = (
                f"the UID in the bound object reference ({uid}) does not match the UID in record. "
                "The object might have been deleted and then recreated"
            )
            raise errors.conflict("", kind, name, why)
        return bound

    async def _pod(self, name: str, target: Target) -> dict[str, Object]:
        pod = await self._read(PODS, target.namespace, name)
        if pod["spec"].get("serviceAccountName") != target.name:
            raise errors.BadRequest(
                f'cannot bind token for serviceaccount "{target.name}" to pod running with different serviceaccount '
                "name."
            )
        bound = {"pod": pod}
        node = pod["spec"].get("nodeName")
        if node:
            try:
                bound["node"] = await self._read(NODES, "", node)
            except errors.NotFound:
                bound["node"] = {"metadata": {"name": node}}
        return bound

    async def _read(self, resource: Resource, namespace: str, name: str) -> Object:
        return await self._catalog.of(resource).read(namespace, name)


def validate(request: Object) -> list[FieldError]:
    """What is wrong with the times that a request asks for."""
    seconds = request["spec"]["expirationSeconds"]
    if seconds < MIN_SECONDS:
        return [invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")]
    if seconds > MAX_SECONDS:
        return [invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")]
    return []
