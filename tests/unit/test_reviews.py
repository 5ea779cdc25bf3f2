"""Access reviews and "who am I"."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.api.errors import BadRequest, Invalid
from minikube_py.apiserver.auth import authorization, reviews
from minikube_py.apiserver.auth.authorization import Asked
from minikube_py.apiserver.auth.user import ANONYMOUS, User

RULES = authorization.AlwaysAllow().rules
ALICE = User("alice", ("dev", "system:authenticated"), "u-1", {"scopes": ("a", "b")})


class Recorder:
    """An authorizer that lets only alice read, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[User, Asked]] = []

    def __call__(self, user: User, asked: Asked) -> tuple[bool, str]:
        self.asked.append((user, asked))
        return user.name == "alice" and asked.verb == "get", "because"


RESOURCE = {"namespace": "ns", "verb": "get", "group": "apps", "version": "v1", "resource": "deployments",
            "subresource": "scale", "name": "web"}  # fmt: skip
ASKED = Asked("get", "", "apps", "v1", "deployments", "scale", "ns", "web")


def review(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}


def test_may_i() -> None:
    authorize = Recorder()
    asked = review("SelfSubjectAccessReview", resourceAttributes=RESOURCE)
    answer = reviews.self_subject_access_review(asked, ALICE, authorize)
    assert answer == {**asked, "metadata": {}, "status": {"allowed": True, "reason": "because"}}
    assert authorize.asked == [(ALICE, ASKED)]
    assert "status" not in asked


def test_may_i_see_a_path() -> None:
    authorize = Recorder()
    asked = review("SelfSubjectAccessReview", nonResourceAttributes={"path": "/metrics", "verb": "post"})
    assert reviews.self_subject_access_review(asked, ALICE, authorize)["status"]["allowed"] is False
    assert authorize.asked == [(ALICE, Asked("post", path="/metrics"))]


def test_may_they() -> None:
    authorize = Recorder()
    asked = review("SubjectAccessReview", resourceAttributes=RESOURCE, user="bob", groups=["g"], extra={"K": ["v"]})
    assert reviews.subject_access_review(asked, authorize)["status"] == {"allowed": False, "reason": "because"}
    assert authorize.asked == [(User("bob", ("g",), "", {"k": ("v",)}), ASKED)]


def test_may_they_here() -> None:
    asked = review("LocalSubjectAccessReview", resourceAttributes=RESOURCE, user="alice")
    answer = reviews.local_subject_access_review(asked, "ns", Recorder())
    assert answer["status"]["allowed"] is True and answer["metadata"] == {"namespace": "ns"}


@pytest.mark.parametrize(
    ("spec", "metadata", "field", "message"),
    [
        ({}, {}, "spec.resourceAttributes", "exactly one of"),
        ({"resourceAttributes": {}, "nonResourceAttributes": {}}, {}, "spec.nonResourceAttributes", "in combination"),
        ({"resourceAttributes": {}}, {"name": "x"}, "metadata", "must be empty"),
        ({"resourceAttributes": {"labelSelector": {"rawSelector": "a", "requirements": [{"key": "a"}]}}}, {},
         "spec.resourceAttributes.labelSelector.rawSelector", "at the same time"),
    ],
)  # fmt: skip
def test_malformed_questions(spec: dict[str, Any], metadata: dict[str, Any], field: str, message: str) -> None:
    asked = {**review("SelfSubjectAccessReview", **spec), "metadata": metadata}
    with pytest.raises(Invalid) as caught:
        reviews.self_subject_access_review(asked, ALICE, Recorder())
    (cause,) = caught.value.details["causes"]
    assert cause["field"] == field and message in cause["message"]
    assert caught.value.details["group"] == "authorization.k8s.io"


def test_someone_must_be_named() -> None:
    with pytest.raises(Invalid, match="at least one of user or group"):
        reviews.subject_access_review(review("SubjectAccessReview", resourceAttributes=RESOURCE), Recorder())


def test_a_local_question_stays_in_its_namespace() -> None:
    asked = review("LocalSubjectAccessReview", resourceAttributes=RESOURCE, user="alice")
    with pytest.raises(Invalid, match=r"must match metadata\.namespace"):
        reviews.local_subject_access_review(asked, "other", Recorder())
    with pytest.raises(BadRequest):
        reviews.local_subject_access_review({**asked, "metadata": {"namespace": "ns"}}, "other", Recorder())
    paths = review("LocalSubjectAccessReview", nonResourceAttributes={"path": "/", "verb": "get"}, user="alice")
    with pytest.raises(Invalid, match="disallowed on this kind of request"):
        reviews.local_subject_access_review(paths, "ns", Recorder())


def test_what_may_i() -> None:
    asked = review("SelfSubjectRulesReview", namespace="ns")
    everything = reviews.self_subject_rules_review(asked, ALICE, RULES)["status"]
    assert everything == {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }
    little = reviews.self_subject_rules_review(asked, ANONYMOUS, RULES)["status"]
    assert little["resourceRules"] == [] and little["incomplete"] is True
    (rule,) = little["nonResourceRules"]
    assert rule == {"verbs": ["get"], "nonResourceURLs": sorted(authorization.PUBLIC_PATHS)}
    with pytest.raises(BadRequest, match="no namespace on request"):
        reviews.self_subject_rules_review(review("SelfSubjectRulesReview"), ALICE, RULES)


def test_who_am_i() -> None:
    answer = reviews.self_subject_review({"kind": "SelfSubjectReview"}, ALICE)
    assert answer["status"]["userInfo"] == {
        "username": "alice",
        "uid": "u-1",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scopes": ["a", "b"]},
    }
    assert reviews.user_info(User("bob")) == {"username": "bob"}
