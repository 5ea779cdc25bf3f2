"""PodTemplate: a template for Pods, kept as an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import PODTEMPLATES
from minikube_py.apiserver.kinds import _workloads as workloads
from minikube_py.apiserver.kinds._cells import label_text
from minikube_py.apiserver.kinds._columns import NAME
from minikube_py.apiserver.kinds.base import Column, Kind, Object
from minikube_py.apiserver.kinds.podspec.defaults import default_template
from minikube_py.apiserver.kinds.podspec.warnings import template_warnings

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import PodTemplate


def validate(obj: PodTemplate) -> Sequence[FieldError]:
    from minikube_py.apiserver.kinds.podspec.template import validate_template

    errs: list[FieldError] = []
    validate_template(obj.template, "template", errs)
    return errs


def validate_update(new: PodTemplate, old: PodTemplate) -> Sequence[FieldError]:
    return validate(new)


def warnings(obj: Object) -> Sequence[str]:
    return template_warnings(workloads.pod_spec(obj), "template.spec")


def row(obj: Object) -> list[Any]:
    told = ((obj.get("template") or {}).get("metadata") or {}).get("labels")
    return [obj["metadata"]["name"], *workloads.container_cells(workloads.pod_spec(obj)), label_text(told)]


KIND = Kind(
    resource=PODTEMPLATES,
    singular="podtemplate",
    generation=True,
    columns=(
        NAME,
        Column("Containers", description="The names of the template's containers."),
        Column("Images", description="Their images."),
        Column("Pod Labels", description="The labels that the Pods get."),
    ),
    row=row,
    validate_name=names.dns1123_subdomain,
    default=default_template,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
