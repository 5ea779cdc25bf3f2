"""In which form the client wants its answer: the objects themselves, a Table, or only their metadata."""

from __future__ import annotations

from typing import NamedTuple

from minikube_py.api import errors


class Form(NamedTuple):
    """`shape` is "", Table, PartialObjectMetadata or PartialObjectMetadataList; `version` that of meta.k8s.io."""

    shape: str
    version: str


PLAIN = Form("", "")
_SHAPES = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_ANY = ("application/json", "*/*", "application/*")


def form(accept: str) -> Form:
    """The first form of the Accept header that this server has. Raises NotAcceptable when there is none."""
    if not accept or accept == "application/json" or accept == "*/*":
        return PLAIN
    for part in accept.split(","):
        media, *parameters = (p.strip() for p in part.split(";"))
        values = dict(p.split("=", 1) for p in parameters if "=" in p)
        shape = values.get("as", "")
        if media.lower() not in _ANY:
            continue
        if not shape:
            return PLAIN
        if shape in _SHAPES and values.get("g") == "meta.k8s.io" and values.get("v") in ("v1", "v1beta1"):
            return Form(shape, values["v"])
    raise errors.NotAcceptable(
        "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1, "
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    )
