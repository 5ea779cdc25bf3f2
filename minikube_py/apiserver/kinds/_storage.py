"""Rules that the kinds of storage share: access modes, classes, drivers and their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required, too_long
from minikube_py.apiserver.kinds._objectmeta import qualified
from minikube_py.apiserver.kinds.base import Object

if TYPE_CHECKING:
    from minikube_py.api.types.core_v1 import TopologySelectorTerm

OLD_ANNOTATION = 'deprecated since v1.8; use "storageClassName" attribute instead'

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
UNSET = "<unset>"
POSITIVE = "must be greater than zero"
NOT_NEGATIVE = "must be greater than or equal to 0"

_SHORT_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_MAX_PARAMETERS = 512
_MAX_BYTES = 256 * 1024
_MAX_DRIVER = 63


def access_modes_text(modes: Sequence[str]) -> str:
    """Access modes as a table shows them, each once and always in the same order: `RWO,ROX`."""
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in modes)


def annotation_warnings(obj: Object, messages: Mapping[str, str]) -> list[str]:
    """A warning for each annotation of `messages` that the object has."""
    annotations = obj["metadata"].get("annotations") or {}
    return [f"metadata.annotations[{key}]: {text}" for key, text in messages.items() if key in annotations]


def validate_access_modes(modes: Sequence[str], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with access modes; that there are any is the caller's to check."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            errs.append(not_supported(path, mode, ACCESS_MODES))
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        errs.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))


def validate_class_name(name: str, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the name of a class."""
    for sentence in names.dns1123_subdomain(name):
        errs.append(invalid(path, name, sentence))


def validate_driver_name(name: str, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the name of a CSI driver, which may have upper case."""
    if not name:
        errs.append(required(path))
    if len(name.encode()) > _MAX_DRIVER:
        errs.append(too_long(path, _MAX_DRIVER))
    for sentence in names.dns1123_subdomain(name.lower()):
        errs.append(invalid(path, name, sentence))


def validate_provisioner(name: str, path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with the name of whoever makes the volumes of a class."""
    if not name:
        errs.append(required(path))
    else:
        for sentence in qualified(name.lower()):
            errs.append(invalid(path, name, sentence))


def validate_parameters(
    parameters: Mapping[str, str], path: str, errs: list[FieldError], *, allow_empty: bool = True
) -> None:
    """Append what is wrong with the parameters that a class hands to its driver."""
    if len(parameters) > _MAX_PARAMETERS:
        errs.append(too_long(path, _MAX_PARAMETERS))
        return
    if not parameters and not allow_empty:
        errs.append(required(path, "must contain at least one key/value pair"))
    if "" in parameters:
        errs.append(invalid(path, "", "field can not be empty."))
    if sum(len(k.encode()) + len(v.encode()) for k, v in parameters.items()) > _MAX_BYTES:
        errs.append(too_long(path, _MAX_BYTES))


def validate_topologies(terms: Sequence[TopologySelectorTerm], path: str, errs: list[FieldError]) -> None:
    """Append what is wrong with `allowedTopologies`: keys and values once each, and no two terms alike."""
    seen: list[dict[str, frozenset[str]]] = []
    for i, term in enumerate(terms):
        where = f"{path}[{i}].matchLabelExpressions"
        term_values: dict[str, frozenset[str]] = {}
        for j, expression in enumerate(term.matchLabelExpressions):
            at = f"{where}[{j}]"
            if not expression.values:
                errs.append(required(f"{at}.values"))
            for k, value in enumerate(expression.values):
                if value in expression.values[:k]:
                    errs.append(duplicate(f"{at}.values[{k}]", value))
            for sentence in qualified(expression.key):
                errs.append(invalid(f"{at}.key", expression.key, sentence))
            if expression.key in term_values:
                errs.append(duplicate(f"{at}.key", expression.key))
            term_values[expression.key] = frozenset(expression.values)
        if term_values in seen:
            errs.append(duplicate(where, ""))
        seen.append(term_values)


def status_text(obj: Object) -> str:
    """The phase as a table shows it: Terminating once the object is being deleted."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase") or "")


def keep_status(new: Object, old: Object, context: Any) -> None:
    """prepare_update of the kinds whose plain update leaves the status alone."""
    _keep(new, old, "status")


def keep_spec(new: Object, old: Object, context: Any) -> None:
    """prepare_status: a write of the status leaves the spec alone."""
    _keep(new, old, "spec")


def _keep(new: Object, old: Object, member: str) -> None:
    if member in old:
        new[member] = old[member]
    else:
        new.pop(member, None)
