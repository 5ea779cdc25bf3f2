"""The rules of a CustomResourceDefinition's spec and status."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from minikube_py.api import names
from minikube_py.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from minikube_py.apiserver.custom import jsonpath
from minikube_py.apiserver.custom.names import APPROVAL, approval_error, is_true
from minikube_py.apiserver.custom.schema_rules import schema_errors
from minikube_py.apiserver.custom.structural import Json

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE = 8
MAX_WARNING = 256
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def errors_of_create(crd: Json) -> list[FieldError]:
    """What is wrong with a new definition."""
    errs: list[FieldError] = []
    spec = crd.get("spec") or {}
    name = crd["metadata"].get("name") or ""
    plural, group = (spec.get("names") or {}).get("plural") or "", spec.get("group") or ""
    if name != f"{plural}.{group}":
        errs.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    return errs + _common(crd)


def errors_of_update(new: Json, old: Json) -> list[FieldError]:
    """What is wrong with a changed definition: what its objects are stored by cannot change."""
    errs = _common(new)
    after, before = new.get("spec") or {}, old["spec"]
    kept = [("scope", after.get("scope"), before["scope"])] if is_true(old, "Established") else []
    names_after, names_before = after.get("names") or {}, before["names"]
    if kept:
        kept.append(("names.kind", names_after.get("kind"), names_before["kind"]))
    kept.append(("group", after.get("group"), before["group"]))
    kept.append(("names.plural", names_after.get("plural"), names_before["plural"]))
    errs += [invalid(f"spec.{where}", now or "", "field is immutable") for where, now, was in kept if now != was]
    return errs


def errors_of_status(new: Json) -> list[FieldError]:
    """What is wrong with a status. Upstream notices wrong storedVersions only when the definition itself is updated."""
    status = new.get("status") or {}
    errs = list(_names(status.get("acceptedNames") or {}, "status.acceptedNames"))
    versions = (new.get("spec") or {}).get("versions") or []
    return errs + list(_stored_versions(status.get("storedVersions") or [], versions))


def _common(crd: Json) -> list[FieldError]:
    spec = crd.get("spec") or {}
    errs = list(_spec(spec))
    errs += errors_of_status(crd)
    if wrong := approval_error({"metadata": crd["metadata"], "spec": spec}):
        annotations = crd["metadata"].get("annotations") or {}
        where = f"metadata.annotations[{APPROVAL}]"
        said = annotations.get(APPROVAL) or ""
        more = f'{wrong} "{APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111'
        errs.append(invalid(where, said, wrong) if said else required(where, more))
    return errs


def _spec(spec: Json) -> Iterator[FieldError]:
    group, scope = spec.get("group") or "", spec.get("scope") or ""
    if not group:
        yield required("spec.group")
    elif wrong := names.dns1123_subdomain(group):
        yield invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ["Cluster", "Namespaced"])
    if spec.get("preserveUnknownFields"):
        detail = "must be false, use x-kubernetes-preserve-unknown-fields in the schema instead"
        yield invalid("spec.preserveUnknownFields", True, detail)
    versions: list[Json] = spec.get("versions") or []
    for i, version in enumerate(versions):
        yield from _version(version, f"spec.versions[{i}]")
    found = [v.get("name") for v in versions]
    if len(set(found)) != len(found):
        yield invalid("spec.versions", found, "must contain unique version names")
    if sum(1 for v in versions if v.get("storage")) != 1:
        yield invalid("spec.versions", found, "must have exactly one version marked as storage version")
    chosen = spec.get("names") or {}
    for member in ("plural", "singular", "kind", "listKind"):
        if not chosen.get(member):
            yield required(f"spec.names.{member}")
    yield from _names(chosen, "spec.names")
    yield from _conversion(spec.get("conversion"))


def _names(chosen: Json, path: str) -> Iterator[FieldError]:
    for member in ("plural", "singular"):
        name = chosen.get(member) or ""
        if name and (wrong := names.dns1035_label(name)):
            yield invalid(f"{path}.{member}", name, ",".join(wrong))
    for member in ("kind", "listKind"):
        name = chosen.get(member) or ""
        if name and (wrong := names.dns1035_label(name.lower())):
            detail = "may have mixed case, but should otherwise match: " + ",".join(wrong)
            yield invalid(f"{path}.{member}", name, detail)
    if chosen.get("kind") and chosen["kind"] == chosen.get("listKind"):
        yield invalid(f"{path}.listKind", chosen["listKind"], "kind and listKind may not be the same")
    for member in ("shortNames", "categories"):
        for i, name in enumerate(chosen.get(member) or ()):
            if wrong := names.dns1035_label(name):
                yield invalid(f"{path}.{member}[{i}]", name, ",".join(wrong))


def _conversion(said: Json | None) -> Iterator[FieldError]:
    if said is None:
        return
    strategy = said.get("strategy") or ""
    if not strategy:
        yield required("spec.conversion.strategy")
    elif strategy == "Webhook":
        yield invalid(
            "spec.conversion.strategy",
            strategy,
            "conversion by webhook is not supported by this server: versions must differ in nothing but what the "
            "strategy None can convert",
        )
    elif strategy != "None":
        yield not_supported("spec.conversion.strategy", strategy, ["None", "Webhook"])
    elif said.get("webhook") is not None:
        yield forbidden("spec.conversion.webhook", "should not be set when strategy is not set to Webhook")


def _version(version: Json, path: str) -> Iterator[FieldError]:
    name = version.get("name") or ""
    if wrong := names.dns1035_label(name):
        yield invalid(f"{path}.name", name, ",".join(wrong))
    yield from _deprecation(version, f"{path}.deprecationWarning")
    parts = version.get("subresources") or {}
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        yield required(f"{path}.schema.openAPIV3Schema")
    else:
        yield from schema_errors(schema, f"{path}.schema.openAPIV3Schema", parts.get("status") is not None)
    if parts.get("scale") is not None:
        yield from _scale(parts["scale"], f"{path}.subresources.scale")
    for i, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _column(column, f"{path}.additionalPrinterColumns[{i}]")
    if version.get("selectableFields"):
        yield from _selectable(version["selectableFields"], schema, f"{path}.selectableFields")


def _deprecation(version: Json, path: str) -> Iterator[FieldError]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > MAX_WARNING:
        yield invalid(path, text, f"must be <= {MAX_WARNING} characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    for i, c in enumerate(text):
        if not c.isprintable():
            detail = f"must only contain printable UTF-8 characters; non-printable character found at index {i}"
            yield invalid(path, text, detail)
            break


def _simple_path(text: str, path: str, below: tuple[str, ...]) -> Iterator[FieldError]:
    if not text:
        yield required(path)
    elif not text.startswith("."):
        yield invalid(path, text, "must be a simple json path starting with .")
    elif not text.startswith(below):
        places = " or ".join(p.strip(".") for p in below)
        yield invalid(path, text, f"should be a json path under .{places.replace(' or ', ' or .')}")
    elif not all(re.fullmatch(r"[^.\[\]\s]+", part) for part in text[1:].split(".")):
        yield invalid(path, text, "must be a json path in the dot notation")


def _scale(scale: Json, path: str) -> Iterator[FieldError]:
    yield from _simple_path(scale.get("specReplicasPath") or "", f"{path}.specReplicasPath", (".spec.",))
    yield from _simple_path(scale.get("statusReplicasPath") or "", f"{path}.statusReplicasPath", (".status.",))
    if selector := scale.get("labelSelectorPath"):
        yield from _simple_path(selector, f"{path}.labelSelectorPath", (".spec.", ".status."))


def _column(column: Json, path: str) -> Iterator[FieldError]:
    kind, form, place = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield required(f"{path}.name")
    one_of = f"must be one of {','.join(COLUMN_TYPES)}"
    if not kind:
        yield required(f"{path}.type", one_of)
    elif kind not in COLUMN_TYPES:
        yield invalid(f"{path}.type", kind, one_of)
    if form and form not in COLUMN_FORMATS:
        yield invalid(f"{path}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}")
    if not place:
        yield required(f"{path}.jsonPath")
        return
    try:
        jsonpath.parse(place)
    except ValueError as error:
        yield invalid(f"{path}.jsonPath", place, str(error))


def _selectable(fields: list[Json], schema: Json | None, path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, field in enumerate(fields):
        where, text = f"{path}[{i}].jsonPath", field.get("jsonPath") or ""
        if not text:
            yield required(where)
            continue
        parts = text[1:].split(".")
        found: Any = schema or {}
        if not text.startswith(".") or not all(map(_FIELD.fullmatch, parts)):
            yield invalid(where, text, "is an invalid path: it must name members in dot notation, beginning with a dot")
            continue
        for part in parts:
            found = (found.get("properties") or {}).get(part) if isinstance(found, dict) else None
        if found is None and parts[0] != "metadata":
            yield invalid(where, text, "is an invalid path: it does not refer to a field of the schema")
            continue
        if parts[0] == "metadata":
            yield invalid(where, text, "must not point to fields in metadata")
        elif found.get("type") not in ("string", "boolean", "integer"):
            detail = (
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed."
            )
            yield invalid(where, text, detail)
        if text in seen:
            yield duplicate(where, text)
        seen.add(text)
    if len(seen) > MAX_SELECTABLE:
        yield FieldError("FieldValueTooMany", path, f"must have at most {MAX_SELECTABLE} items", len(seen))


def _stored_versions(stored: list[str], versions: list[Json]) -> Iterator[FieldError]:
    path = "status.storedVersions"
    if not stored:
        yield invalid(path, stored, "must have at least one stored version")
        return
    there = {v.get("name") for v in versions}
    for version in versions:
        if version.get("storage") and version.get("name") not in stored:
            yield invalid(path, stored, f"must have the storage version {version.get('name')}")
    for i, name in enumerate(stored):
        if name not in there:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            yield invalid(f"{path}[{i}]", name, detail)
