"""`pods/binding`: the scheduler's word on which Node a Pod runs."""

from __future__ import annotations

from minikube_py.api import errors
from minikube_py.api.times import format_time
from minikube_py.apiserver import body, options
from minikube_py.apiserver.encoding import Object, dumps
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import require_verbs
from minikube_py.apiserver.writes import Request
from minikube_py.daemon.clock import Clock

CREATED = dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})


class Binding:
    """Assigns a Pod once; also serves the older form, POST to the namespace's `bindings`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def serve(self, exchange: Exchange, registry: Registry, target: Target) -> None:
        """Raises Conflict when the Pod has a Node already or is going away, NotFound, BadRequest, Invalid."""
        require_verbs(exchange, ("POST",))
        wanted = options.write_options(exchange.query, exchange.header(b"user-agent"))
        obj, _ = await body.read_object(exchange, duplicates=False)
        body.check_options(obj, "core/v1.Binding", "Binding")
        metadata = obj.get("metadata") or {}
        name = target.name or metadata.get("name", "")
        if metadata.get("name") and metadata["name"] != name:
            raise errors.BadRequest("name in URL does not match name in Binding object")
        request = Request(exchange.user, wanted, target.namespace, name, "binding")
        await registry.modify(lambda pod: self._bind(pod, obj), request, internal=True)
        await exchange.answer(201, CREATED)

    def _bind(self, pod: Object, binding: Object) -> Object:
        metadata, target = pod["metadata"], binding.get("target") or {}
        name = metadata["name"]
        if target.get("kind", "") not in ("", "Node", "Minion"):
            problem = errors.not_supported("target.kind", target["kind"], ["Node", "<empty>"])
            raise errors.Invalid.of("", "Binding", name, [problem])
        if not target.get("name"):
            raise errors.Invalid.of("", "Binding", name, [errors.required("target.name")])
        said = binding.get("metadata") or {}
        if said.get("uid") and said["uid"] != metadata["uid"]:
            raise _conflict(
                name, f"Precondition failed: UID in precondition: {said['uid']}, UID in object meta: {metadata['uid']}"
            )
        if metadata.get("deletionTimestamp"):
            raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
        spec = pod["spec"]
        if spec.get("nodeName"):
            raise _conflict(name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
        if spec.get("schedulingGates"):
            raise _conflict(name, f"pod {name} has non-empty .spec.schedulingGates")
        spec["nodeName"] = target["name"]
        if said.get("annotations"):
            metadata.setdefault("annotations", {}).update(said["annotations"])
        conditions = pod.setdefault("status", {}).setdefault("conditions", [])
        conditions[:] = [c for c in conditions if c.get("type") != "PodScheduled"]  # with the reason it was not, before
        conditions.append(
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": format_time(self._clock.now())}
        )
        return pod


def _conflict(name: str, why: str) -> errors.Conflict:
    return errors.conflict("", "pods/binding", name, why)
