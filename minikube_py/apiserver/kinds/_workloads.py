"""What the kinds that make Pods share: their hooks for status and generation, and the cells of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minikube_py.api import errors, labels, names
from minikube_py.apiserver.kinds._cells import NONE
from minikube_py.apiserver.kinds.base import Column, Context, Object, Subresource
from minikube_py.apiserver.kinds.podspec.warnings import template_warnings

CONTAINERS = Column("Containers", priority=1, description="The names of the template's containers.")
IMAGES = Column("Images", priority=1, description="Their images.")
SELECTOR = Column("Selector", priority=1, description="Which Pods are its own.")

SCALE = Subresource("scale", "Scale", ("get", "patch", "update"), "autoscaling/v1.Scale", "autoscaling", "v1")


def status_of(kind: str, type_name: str) -> Subresource:
    """The `status` sub-resource of a kind."""
    return Subresource("status", kind, ("get", "patch", "update"), type_name)


def keep_status(new: Object, old: Object, context: Context) -> None:
    """A plain update leaves the status alone."""
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)


def keep_spec(new: Object, old: Object, context: Context) -> None:
    """A status update leaves the rest alone."""
    if "spec" in old:
        new["spec"] = old["spec"]
    else:
        new.pop("spec", None)


def keep_spec_and_labels(new: Object, old: Object, context: Context) -> None:
    """As `keep_spec`, for the kinds whose labels are not the status writer's either."""
    keep_spec(new, old, context)
    if "labels" in old["metadata"]:
        new["metadata"]["labels"] = old["metadata"]["labels"]
    else:
        new["metadata"].pop("labels", None)


def number_default(spec: Object, member: str, value: int) -> None:
    """A number that is absent, which zero is not."""
    if spec.get(member) is None:
        spec[member] = value


def pod_spec(holder: Object) -> Object:
    """The PodSpec below `template` of a spec, empty where there is none."""
    return (holder.get("template") or {}).get("spec") or {}


def container_cells(spec: Object) -> list[str]:
    """The names and the images of a PodSpec's containers."""
    containers: Sequence[Object] = spec.get("containers") or ()
    return [",".join(c.get("name") or "" for c in containers), ",".join(c.get("image") or "" for c in containers)]


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector in one line."""
    try:
        return str(labels.from_label_selector(selector)) or NONE
    except errors.BadRequest:
        return "<error>"


def name_warnings(obj: Object) -> list[str]:
    """What to tell the author of an object after whose name Pods and their hosts are called."""
    name = (obj.get("metadata") or {}).get("name") or ""
    if not (sentences := names.dns1123_label(name)):
        return []
    return [
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
        f"a DNS label is recommended: [{' '.join(sentences)}]"
    ]


def spec_warnings(obj: Object) -> list[str]:
    """What to tell the author of the template below `spec`."""
    return template_warnings(pod_spec(obj.get("spec") or {}), "spec.template.spec")
