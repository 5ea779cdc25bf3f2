"""TokenReview: whose token is this, and for whom is it meant."""

from __future__ import annotations

from typing import Any

from minikube_py.api.errors import BadRequest
from minikube_py.apiserver.auth.reviews import user_info
from minikube_py.apiserver.auth.tokens import Refused, Tokens

Object = dict[str, Any]


async def token_review(review: Object, tokens: Tokens) -> Object:
    """The review with its status. Without `spec.audiences` the token must be for this API server.

    Raises BadRequest when there is no token.
    """
    spec = review.get("spec") or {}
    if not spec.get("token"):
        raise BadRequest("token is required for TokenReview in authentication")
    status: Object
    try:
        found = await tokens.identify(spec["token"].encode(), spec.get("audiences") or ())
    except Refused as refused:
        status = {"user": {}, "error": str(refused)}
    else:
        status = {"authenticated": True, "user": user_info(found.user)}
        if found.audiences:
            status["audiences"] = list(found.audiences)
    return {**review, "metadata": review.get("metadata") or {}, "status": status}
