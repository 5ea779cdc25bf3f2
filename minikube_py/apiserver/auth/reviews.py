"""The answers to "may they?" and "who am I?": pure functions from a review, a user and an authorizer.

Each returns the review with its status filled in; nothing is stored. Malformed questions raise Invalid or BadRequest as
Kubernetes does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minikube_py.api import fields
from minikube_py.api.errors import BadRequest, FieldError, Invalid, invalid
from minikube_py.apiserver.auth.authorization import Asked, Rules
from minikube_py.apiserver.auth.user import User

Object = dict[str, Any]
Authorize = Callable[[User, Asked], tuple[bool, str]]

_GROUP = "authorization.k8s.io"


def self_subject_access_review(review: Object, user: User, authorize: Authorize) -> Object:
    """SelfSubjectAccessReview: may the user who asks do this? (`kubectl auth can-i`)"""
    spec = review.get("spec") or {}
    _check(review, "SelfSubjectAccessReview", [*_metadata_errors(review), *_spec_errors(spec)])
    return _answered(review, authorize(user, _asked(spec)))


def subject_access_review(review: Object, authorize: Authorize) -> Object:
    """SubjectAccessReview: may the named user or group do this?"""
    spec = review.get("spec") or {}
    _check(review, "SubjectAccessReview", [*_metadata_errors(review), *_spec_errors(spec), *_subject_errors(spec)])
    return _answered(review, authorize(_subject(spec), _asked(spec)))


def local_subject_access_review(review: Object, namespace: str, authorize: Authorize) -> Object:
    """LocalSubjectAccessReview: the same, within the namespace of the request's URL."""
    spec, metadata = review.get("spec") or {}, review.get("metadata") or {}
    if metadata.get("namespace") not in (None, "", namespace):
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    errs = [*_metadata_errors(review, namespaced=True), *_spec_errors(spec), *_subject_errors(spec)]
    if (resource := spec.get("resourceAttributes")) is not None and (resource.get("namespace") or "") != namespace:
        field = "spec.resourceAttributes.namespace"
        errs.append(invalid(field, resource.get("namespace") or "", "must match metadata.namespace"))
    if spec.get("nonResourceAttributes") is not None:
        detail = "disallowed on this kind of request"
        errs.append(invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], detail))
    _check(review, "LocalSubjectAccessReview", errs)
    answered = _answered(review, authorize(_subject(spec), _asked(spec)))
    answered["metadata"] = {**metadata, "namespace": namespace}
    return answered


def self_subject_rules_review(review: Object, user: User, rules: Callable[[User, str], Rules]) -> Object:
    """SelfSubjectRulesReview: what the user who asks may do in a namespace (`kubectl auth can-i --list`)."""
    namespace = (review.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise BadRequest("no namespace on request")
    found = rules(user, namespace)
    status: Object = {
        "resourceRules": found.resources, "nonResourceRules": found.paths, "incomplete": found.incomplete,
    }  # fmt: skip
    if found.error:
        status["evaluationError"] = found.error
    return {**review, "metadata": review.get("metadata") or {}, "status": status}


def self_subject_review(review: Object, user: User) -> Object:
    """SelfSubjectReview: who the server takes the asker for (`kubectl auth whoami`)."""
    return {**review, "metadata": review.get("metadata") or {}, "status": {"userInfo": user_info(user)}}


def user_info(user: User) -> Object:
    """The user as authentication.k8s.io/v1 UserInfo."""
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


def _check(review: Object, kind: str, errs: list[FieldError]) -> None:
    if errs:
        raise Invalid.of(_GROUP, kind, "", errs)


def _metadata_errors(review: Object, namespaced: bool = False) -> list[FieldError]:
    """A question has no name and no labels: nobody would ever see them again."""
    ignored = {"managedFields", "namespace"} if namespaced else {"managedFields"}
    metadata = {k: v for k, v in (review.get("metadata") or {}).items() if v and k not in ignored}
    return [invalid("metadata", metadata, "must be empty")] if metadata else []


def _spec_errors(spec: Mapping[str, Any]) -> list[FieldError]:
    resource, url = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and url is not None:
        detail = "cannot be specified in combination with resourceAttributes"
        return [invalid("spec.nonResourceAttributes", url, detail)]
    if resource is None and url is None:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [invalid("spec.resourceAttributes", None, detail)]
    errs = []
    for member in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(member)
        if selector and selector.get("rawSelector") and selector.get("requirements"):
            field = f"spec.resourceAttributes.{member}.rawSelector"
            errs.append(invalid(field, selector["rawSelector"], "may not specified at the same time as requirements"))
    return errs


def _subject_errors(spec: Mapping[str, Any]) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [invalid("spec.user", "", "at least one of user or group must be specified")]


def _subject(spec: Mapping[str, Any]) -> User:
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _asked(spec: Mapping[str, Any]) -> Asked:
    if (url := spec.get("nonResourceAttributes")) is not None:
        return Asked(url.get("verb") or "", path=url.get("path") or "")
    resource = spec["resourceAttributes"]
    return Asked(
        resource.get("verb") or "",
        group=resource.get("group") or "",
        version=resource.get("version") or "",
        resource=resource.get("resource") or "",
        subresource=resource.get("subresource") or "",
        namespace=resource.get("namespace") or "",
        name=resource.get("name") or "",
        fields=_chosen(resource.get("fieldSelector") or {}),
    )


def _chosen(selector: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """The requirements of a FieldSelectorAttributes that can be read; the others narrow nothing down, as upstream."""
    if raw := selector.get("rawSelector"):
        try:
            return tuple(fields.parse(raw).requirements)
        except BadRequest:
            return ()
    operators = {"In": "=", "NotIn": "!="}
    return tuple(
        (one.get("key") or "", operators[one["operator"]], one["values"][0])
        for one in selector.get("requirements") or ()
        if one.get("operator") in operators and len(one.get("values") or ()) == 1
    )


def _answered(review: Object, answer: tuple[bool, str]) -> Object:
    allowed, reason = answer
    status: Object = {"allowed": allowed}
    if reason:
        status["reason"] = reason
    return {**review, "metadata": review.get("metadata") or {}, "status": status}
