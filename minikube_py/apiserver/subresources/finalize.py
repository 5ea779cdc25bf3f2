"""`namespaces/finalize`: the namespace controller's word that nothing is left inside."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.apiserver import body, options
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import require_verbs
from minikube_py.apiserver.writes import Request


async def serve(exchange: Exchange, registry: Registry, target: Target) -> None:
    """Replaces `spec.finalizers` alone; the last one gone, a Namespace marked as deleted is removed."""
    require_verbs(exchange, ("PUT",))
    wanted = options.write_options(exchange.query, exchange.header(b"user-agent"))
    request = Request(exchange.user, wanted, "", target.name, "finalize")
    obj, _ = await body.read_object(exchange, duplicates=False)
    body.require_object(obj, registry.kind)
    registry.check(obj, request)
    sent = obj.get("metadata") or {}
    if sent.get("name") and sent["name"] != target.name:
        raise errors.BadRequest("the name of the object does not match the name on the URL")
    finalizers = (obj.get("spec") or {}).get("finalizers") or []

    def finalize(namespace: Object) -> Object:
        if sent.get("resourceVersion"):
            namespace["metadata"]["resourceVersion"] = sent["resourceVersion"]
        spec = namespace.setdefault("spec", {})
        if finalizers:
            spec["finalizers"] = finalizers
        else:
            spec.pop("finalizers", None)
        return namespace

    result = await registry.modify(finalize, request, internal=True)
    await exchange.answer(200, result.data)
