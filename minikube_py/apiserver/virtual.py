"""Resources that store nothing: reviews that answer a question, measurements, the older form of binding a Pod."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable

from minikube_py.api.resources import Resource
from minikube_py.apiserver import body
from minikube_py.apiserver.auth import reviews
from minikube_py.apiserver.auth.authorization import Asked, Authorization
from minikube_py.apiserver.auth.token_review import token_review
from minikube_py.apiserver.auth.tokens import Tokens
from minikube_py.apiserver.auth.user import User
from minikube_py.apiserver.componentstatus import KIND as COMPONENTSTATUS
from minikube_py.apiserver.componentstatus import ComponentStatuses
from minikube_py.apiserver.discovery import Virtual
from minikube_py.apiserver.encoding import Object, dumps
from minikube_py.apiserver.http import Exchange
from minikube_py.apiserver.metrics_api import KINDS as METRICS
from minikube_py.apiserver.metrics_api import MetricsApi
from minikube_py.apiserver.paths import Target
from minikube_py.apiserver.registry import Registry
from minikube_py.apiserver.resources import require_verbs
from minikube_py.apiserver.subresources.binding import Binding

Handler = Callable[[Exchange, Target], Awaitable[None]]
Answer = Callable[[Object, User, Target], Object | Awaitable[Object]]


def _auth(plural: str, kind: str, *, group: str = "authorization", namespaced: bool = False) -> Resource:
    return Resource(f"{group}.k8s.io", "v1", plural, kind, namespaced, f"{group}/v1.{kind}")


BINDINGS = Resource("", "v1", "bindings", "Binding", True, "core/v1.Binding")


def _reviews(authorization: Authorization, tokens: Tokens) -> Sequence[tuple[Resource, Answer]]:
    allowed, rules = authorization.authorize, authorization.rules
    return (
        (_auth("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
         lambda obj, user, _: reviews.self_subject_access_review(obj, user, allowed)),
        (_auth("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
         lambda obj, user, _: reviews.self_subject_rules_review(obj, user, rules)),
        (_auth("subjectaccessreviews", "SubjectAccessReview"),
         lambda obj, _user, _: reviews.subject_access_review(obj, allowed)),
        (_auth("localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
         lambda obj, _user, target: reviews.local_subject_access_review(obj, target.namespace, allowed)),
        (_auth("selfsubjectreviews", "SelfSubjectReview", group="authentication"),
         lambda obj, user, _: reviews.self_subject_review(obj, user)),
        (_auth("tokenreviews", "TokenReview", group="authentication"),
         lambda obj, _user, _: token_review(obj, tokens)),
    )  # fmt: skip


class Virtuals:
    """Finds the handler of a virtual resource; `listed` is what discovery shows of them."""

    def __init__(
        self,
        pods: Registry,
        binding: Binding,
        authorization: Authorization,
        tokens: Tokens,
        components: ComponentStatuses,
        metrics: MetricsApi,
    ) -> None:
        self._authorization = authorization
        self._pods = pods
        self._binding = binding
        self._components = components
        self._metrics = metrics
        self._handlers: dict[tuple[str, str, str], tuple[Resource, Handler]] = {
            ("", "v1", "bindings"): (BINDINGS, self._bind)
        }
        for resource, answer in _reviews(authorization, tokens):
            key = (resource.group, resource.version, resource.plural)
            self._handlers[key] = (resource, self._review(resource, answer))
        self.listed = [Virtual(resource, ("create",)) for resource, _ in self._handlers.values()]
        status = COMPONENTSTATUS
        self.listed.append(Virtual(status.resource, status.verbs, status.singular, status.short_names))
        self.listed += [Virtual(kind.resource, kind.verbs, kind.singular) for kind in METRICS.values()]

    def find(self, target: Target) -> Handler | None:
        if target.plural == COMPONENTSTATUS.resource.plural and not target.group and not target.namespace:
            return self._components.serve
        if self._metrics.finds(target):
            return self._metrics.serve
        found = self._handlers.get((target.group, target.version, target.plural))
        if found is None or bool(target.namespace) != found[0].namespaced or target.name:
            return None
        return found[1]

    async def _bind(self, exchange: Exchange, target: Target) -> None:
        self._authorize(exchange, BINDINGS, target)
        await self._binding.serve(exchange, self._pods, target)

    def _authorize(self, exchange: Exchange, resource: Resource, target: Target) -> None:
        """Nobody is told anything, not even what is allowed here, who may not create one."""
        asked = Asked("create", "", resource.group, resource.version, resource.plural, namespace=target.namespace)
        self._authorization.require(exchange.user, asked)

    def _review(self, resource: Resource, answer: Answer) -> Handler:
        async def handle(exchange: Exchange, target: Target) -> None:
            self._authorize(exchange, resource, target)
            require_verbs(exchange, ("POST",))
            obj, _ = await body.read_object(exchange, duplicates=False)
            body.require_kind(obj, resource.kind, resource.api_version)
            body.check_options(obj, resource.type, resource.kind)
            answered = answer(obj, exchange.user, target)
            await exchange.answer(201, dumps(await answered if isawaitable(answered) else answered))

        return handle
