"""In which form the client wants its answer: the objects themselves, a Table, or only their metadata; JSON or YAML."""

from __future__ import annotations

from typing import NamedTuple

from minikube_py.api import errors


class Form(NamedTuple):
    """`shape` is "", Table, PartialObjectMetadata or PartialObjectMetadataList; `version` that of meta.k8s.io."""

    shape: str
    version: str
    yaml: bool = False


PLAIN = Form("", "")
_SHAPES = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_ANY = ("application/json", "*/*", "application/*")
_YAML = "application/yaml"


def form(accept: str, *, yaml: bool = False) -> Form:
    """The best form of the Accept header that this server has; of equal ones the first.

    `yaml` says that the caller can answer in YAML. Raises NotAcceptable when there is none.
    """
    if not accept or accept == "application/json" or accept == "*/*":
        return PLAIN
    parts = accept.split(",")
    if ";q=" in accept or "; q=" in accept:
        parts = _by_quality(parts)
    for part in parts:
        media, *parameters = (p.strip() for p in part.split(";"))
        media = media.lower()
        if media not in _ANY and not (yaml and media == _YAML):
            continue
        values = dict(p.split("=", 1) for p in parameters if "=" in p)
        shape = values.get("as", "")
        if not shape:
            return Form("", "", True) if media == _YAML else PLAIN
        if shape in _SHAPES and values.get("g") == "meta.k8s.io" and values.get("v") in ("v1", "v1beta1"):
            return Form(shape, values["v"], media == _YAML)
    raise errors.NotAcceptable(
        "only the following media types are accepted: application/json, application/yaml, "
        "application/json;as=Table;g=meta.k8s.io;v=v1, application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    )


def _by_quality(parts: list[str]) -> list[str]:
    """The parts, those that the client likes best first, without those that it refuses (q=0)."""
    ranked = []
    for part in parts:
        quality = 1.0
        for parameter in part.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = min(1.0, max(0.0, float(value)))
                except ValueError:
                    quality = 1.0  # as if nothing had been said
        if quality > 0:
            ranked.append((quality, part))
    ranked.sort(key=lambda one: -one[0])
    return [part for _, part in ranked]
