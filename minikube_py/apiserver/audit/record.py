"""One request's audit events: what is noted while it is served, and the lines that come of it."""

from __future__ import annotations

import uuid
from typing import Any

from minikube_py.api import errors
from minikube_py.api.times import format_micro
from minikube_py.apiserver import body
from minikube_py.apiserver.audit.log import AuditLog
from minikube_py.apiserver.audit.policy import API_VERSION, Attributes, Decision, Policy
from minikube_py.apiserver.auth.reviews import user_info
from minikube_py.apiserver.encoding import Object, dumps, loads
from minikube_py.apiserver.http import Exchange
from minikube_py.daemon.clock import Clock

MAX_ID = 64


class Record:
    """What is to be told of one request."""

    def __init__(self, auditor: Auditor, decision: Decision, exchange: Exchange, asked: Attributes) -> None:
        self._auditor, self._decision, self._exchange = auditor, decision, exchange
        self.wants_request = decision.level in ("Request", "RequestResponse")
        self.wants_response = decision.level == "RequestResponse"
        self.request_body = b""
        self.response_body = b""
        self.annotations: dict[str, str] = {}
        """What admission plugins add."""
        self._started = False
        # A refusal may repeat what was sent: of a Secret that is not for everybody who reads this log.
        hidden = not self.wants_request and asked.resource == "secrets"
        self._parts = ("status", "reason") if hidden else ("status", "reason", "message", "details")
        target, received = exchange.target, format_micro(auditor.clock.now())
        self.id = exchange.header(b"audit-id")[:MAX_ID] or str(uuid.uuid4())
        query = exchange.scope["query_string"].decode("latin-1")
        self._event: Object = {
            "kind": "Event", "apiVersion": API_VERSION, "level": decision.level, "auditID": self.id, "stage": "",
            "requestURI": exchange.path + (f"?{query}" if query else ""), "verb": asked.verb,
            "user": user_info(exchange.acting or exchange.user),
        }  # fmt: skip
        if exchange.acting is not None:
            self._event["impersonatedUser"] = user_info(exchange.user)
        if (client := exchange.scope.get("client")) is not None:
            self._event["sourceIPs"] = [client[0]]
        if agent := exchange.header(b"user-agent"):
            self._event["userAgent"] = agent
        if target is not None and target.plural:
            reference = {
                "resource": target.plural, "namespace": target.namespace, "name": target.name,
                "apiGroup": target.group, "apiVersion": target.version, "subresource": target.subresource,
            }  # fmt: skip
            self._event["objectRef"] = {name: value for name, value in reference.items() if value}
        self._event["requestReceivedTimestamp"] = received

    def received(self) -> None:
        """The request is about to be served."""
        self._tell("RequestReceived")

    def response_started(self) -> None:
        """The answer to a request without end has begun."""
        if not self._started:
            self._started = True
            self._tell("ResponseStarted", code=200)

    def complete(self) -> None:
        """The answer has been sent."""
        if self._exchange.status != 401:
            allowed = "forbid" if self._exchange.denied else "allow"
            self._event["annotations"] = {"authorization.k8s.io/decision": allowed, **self.annotations}
        answer = self._parsed(self.response_body)
        self._tell("ResponseComplete", code=self._exchange.status, answer=answer)

    def _tell(self, stage: str, *, code: int = 0, answer: Any = None) -> None:
        if stage in self._decision.omit_stages:
            return
        event = {**self._event, "stage": stage}
        if code:
            event["responseStatus"] = {"metadata": {}, "code": code}
            if isinstance(answer, dict) and answer.get("kind") == "Status" and code >= 400:
                event["responseStatus"] |= {name: answer[name] for name in self._parts if name in answer}
        if stage == "ResponseComplete" or stage == "ResponseStarted":
            if self.wants_request and self.request_body:
                said = self._request()
                if said is not None:
                    event["requestObject"] = said
            if self.wants_response and answer is not None:
                event["responseObject"] = self._bare(answer)
        event["stageTimestamp"] = format_micro(self._auditor.clock.now())
        self._auditor.write(dumps(event) + b"\n")

    def _request(self) -> Any:
        content_type = self._exchange.header(b"content-type")
        media = body.media_type(content_type)
        if media.endswith("patch+json"):
            return self._parsed(self.request_body)
        try:
            return self._bare(body.parse(
                self.request_body, "application/yaml" if media.endswith("+yaml") else content_type, duplicates=False
            )[0])  # fmt: skip
        except errors.StatusError:
            return None  # malformed: the answer says so

    @staticmethod
    def _parsed(raw: bytes) -> Any:
        try:
            return loads(raw) if raw else None
        except ValueError:
            return None

    def _bare(self, obj: Any) -> Any:
        if self._decision.omit_managed_fields and isinstance(obj, dict):
            for one in (obj, *(obj.get("items") or ())):
                if isinstance(one, dict) and isinstance(one.get("metadata"), dict):
                    one["metadata"].pop("managedFields", None)
        return obj


class Auditor:
    """The policy and where its events go."""

    def __init__(self, policy: Policy, log: AuditLog, clock: Clock) -> None:
        self._policy = policy
        self._log = log
        self.write = log.write
        self.clock = clock

    def close(self) -> None:
        self._log.close()

    def begin(self, exchange: Exchange) -> None:
        """Give the exchange a record of its own, where the policy wants one, and note that it has come."""
        asked = attributes(exchange)
        decision = self._policy.decide(asked)
        if decision is not None:
            exchange.audit = Record(self, decision, exchange, asked)
            exchange.audit.received()


_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def attributes(exchange: Exchange) -> Attributes:
    """What a policy's rules look at in a request."""
    target, method, user = exchange.target, exchange.method, exchange.acting or exchange.user
    if target is None or not target.plural:
        return Attributes(user, method.lower(), exchange.path)
    if method in ("GET", "HEAD"):
        watching = exchange.query.get("watch", "") not in ("", "0", "false")
        one = bool(target.name)
        verb = "get" if target.subresource else "watch" if watching else "get" if one else "list"
    elif method == "DELETE":
        verb = "delete" if target.name else "deletecollection"
    else:
        verb = _METHODS.get(method, method.lower())
    return Attributes(
        user, verb, exchange.path, target.group, target.plural, target.subresource, target.namespace, target.name
    )
