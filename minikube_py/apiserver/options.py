"""The query parameters and bodies that steer a request: list, delete, write and patch options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from minikube_py.api import errors, fields, labels
from minikube_py.apiserver.encoding import Object
from minikube_py.apiserver.kinds.base import Kind

Query = Mapping[str, str]
"""The first value of every query parameter."""

FIELD_VALIDATIONS = ("Ignore", "Warn", "Strict")
MAX_MANAGER = 128
"""Characters of a field manager's name."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")


def flag(query: Query, name: str) -> bool:
    """A boolean parameter. Raises BadRequest on anything that Go's ParseBool would not take."""
    value = query.get(name, "")
    if value in ("", "0", "f", "F", "false", "FALSE", "False"):
        return False
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    raise errors.BadRequest(f'strconv.ParseBool: parsing "{value}": invalid syntax ({name})')


def integer(query: Query, name: str) -> int | None:
    """An integer parameter, None when absent or empty. Raises BadRequest."""
    value = query.get(name, "")
    if not value:
        return None
    if not _INTEGER.fullmatch(value):  # Python's own int() also takes blanks, underscores and other scripts' digits
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{value[:64]}": invalid syntax ({name})')
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{value}": value out of range ({name})')
    return number


def revision(value: str) -> int:
    """A resourceVersion as a number; empty is 0. Raises BadRequest when it is none that this server gave out."""
    if not value:
        return 0
    if not value.isascii() or not value.isdigit() or len(value) > 19 or int(value) >= 2**63:
        shown = value[:64]
        raise errors.BadRequest(f'Invalid value: "{shown}": resourceVersion must be a number that the server gave out')
    return int(value)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or watch asks. `resource_version` None: not said (a consistent read)."""

    labels: labels.Selector | None
    fields: fields.FieldSelector | None
    name: str
    resource_version: int | None
    match: str
    limit: int
    continue_token: str
    timeout_seconds: int | None
    bookmarks: bool
    send_initial_events: bool | None


def list_options(query: Query, kind: Kind, name: str = "", *, watching: bool | None = None) -> ListOptions:
    """Parse and check; `watching` None: the query says it. Raises BadRequest, Invalid for options that contradict."""
    label_text, field_text = query.get("labelSelector", ""), query.get("fieldSelector", "")
    label_selector = labels.parse(label_text) if label_text else None
    field_selector = _field_selector(field_text, kind) if field_text else None
    if field_selector is not None and not name:
        name = _exact_name(field_selector)
        if name and len(field_selector.requirements) == 1:
            field_selector = None  # the name alone says it all
    said = query.get("resourceVersion", "")
    match = query.get("resourceVersionMatch", "")
    limit = integer(query, "limit") or 0
    token = query.get("continue", "")
    if limit < 0:
        limit = 0
    if watching is None:
        watching = flag(query, "watch")
    initial = flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    problems = (_watch_rules if watching else _list_rules)(said, match, token, initial)
    if problems:
        raise errors.Invalid.of("meta.k8s.io", "ListOptions", "", problems)
    if token and not watching and said not in ("", "0"):
        raise errors.BadRequest("specifying resource version is not allowed when using continue")
    return ListOptions(
        labels=label_selector,
        fields=field_selector,
        name=name,
        resource_version=revision(said) if said else None,
        match=match,
        limit=limit,
        continue_token=token,
        timeout_seconds=integer(query, "timeoutSeconds"),
        bookmarks=flag(query, "allowWatchBookmarks"),
        send_initial_events=initial,
    )


def _field_selector(text: str, kind: Kind) -> fields.FieldSelector | None:
    selector = fields.parse(text)
    known = {"metadata.name", *kind.select_fields({"metadata": {}})}
    if kind.resource.namespaced:
        known.add("metadata.namespace")
    aliases = kind.field_aliases or {}
    for field, _, _ in selector.requirements:
        if field not in known and field not in aliases:
            if known <= {"metadata.name", "metadata.namespace"}:
                raise errors.BadRequest(
                    f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
                )
            raise errors.BadRequest(f"field label not supported: {field}")
    if aliases:
        renamed = ",".join(f"{aliases.get(f, f)}{op}{fields.escape(v)}" for f, op, v in selector.requirements)
        selector = fields.parse(renamed)
    return selector if selector.requirements else None


def _exact_name(selector: fields.FieldSelector) -> str:
    for field, op, value in selector.requirements:
        if field == "metadata.name" and op in ("=", "=="):
            return value
    return ""


_MATCH = "resourceVersionMatch"


def _list_rules(said: str, match: str, token: str, initial: bool | None) -> list[errors.FieldError]:
    found = []
    if match:
        if not said:
            found.append(
                errors.forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
            )
        if token:
            found.append(errors.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            found.append(errors.not_supported(_MATCH, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and said == "0":
            text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            found.append(errors.forbidden(_MATCH, text))
    if initial is not None:
        found.append(errors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return found


def _watch_rules(said: str, match: str, token: str, initial: bool | None) -> list[errors.FieldError]:
    found = []
    if initial is not None and match != "NotOlderThan":
        text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        found.append(errors.forbidden(_MATCH, text))
    if match:
        if initial is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            found.append(errors.forbidden(_MATCH, text))
        if match != "NotOlderThan":
            found.append(errors.not_supported(_MATCH, match, ("NotOlderThan",)))
        if token:
            found.append(errors.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    return found


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a create, update or patch asks beyond its body."""

    dry_run: bool
    field_manager: str
    field_validation: str
    force: bool | None


def write_options(query: Query, user_agent: str, *, applying: bool = False) -> WriteOptions:
    """Parse and check; the default field manager is the user agent's first word. Raises BadRequest, Invalid."""
    dry_run = _dry_run([query["dryRun"]] if query.get("dryRun") else [], "CreateOptions")
    manager = query.get("fieldManager", "")
    if len(manager) > MAX_MANAGER:
        raise errors.Invalid.of("meta.k8s.io", "PatchOptions", "", [errors.too_long("fieldManager", MAX_MANAGER)])
    if manager and not manager.isprintable():
        detail = "should only contain printable characters"
        raise errors.Invalid.of("meta.k8s.io", "PatchOptions", "", [errors.invalid("fieldManager", manager, detail)])
    if not manager:
        if applying:
            raise errors.Invalid.of(
                "meta.k8s.io", "PatchOptions", "", [errors.required("fieldManager", "is required for apply patch")]
            )
        manager = _manager_of(user_agent)
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in FIELD_VALIDATIONS:
        raise errors.Invalid.of(
            "meta.k8s.io", "CreateOptions", "", [errors.not_supported("fieldValidation", validation, FIELD_VALIDATIONS)]
        )
    force = flag(query, "force") if "force" in query else None
    if force is not None and not applying:
        raise errors.Invalid.of(
            "meta.k8s.io", "PatchOptions", "", [errors.forbidden("force", "may not be specified for non-apply patch")]
        )
    return WriteOptions(dry_run, manager, validation, force)


def _manager_of(user_agent: str) -> str:
    """The user agent's first word, without what could not stand in a field manager."""
    name = user_agent.partition("/")[0]
    if not name.isprintable():
        name = "".join(c for c in name if c.isprintable())
    return name[:MAX_MANAGER] or "unknown"


def _dry_run(values: list[str], kind: str) -> bool:
    for value in values:
        if value != "All":
            raise errors.Invalid.of("meta.k8s.io", kind, "", [errors.not_supported("dryRun", value, ["All"])])
    return bool(values)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a deletion asks. `propagation` is "", Orphan, Background or Foreground."""

    grace_seconds: int | None
    propagation: str
    uid: str
    resource_version: str
    dry_run: bool


def delete_options(query: Query, body: Object | None) -> DeleteOptions:
    """From the body (meta/v1 DeleteOptions) or, without one, the query. Raises BadRequest, Invalid."""
    said: Object = dict(body or {})
    if body is None or not body:
        grace = integer(query, "gracePeriodSeconds")
        if grace is not None:
            said["gracePeriodSeconds"] = grace
        for name in ("propagationPolicy",):
            if query.get(name):
                said[name] = query[name]
        if "orphanDependents" in query:
            said["orphanDependents"] = flag(query, "orphanDependents")
    dry_run = _dry_run(list(said.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])), "DeleteOptions")
    policy = said.get("propagationPolicy") or ""
    problems = []
    if policy not in ("", "Orphan", "Background", "Foreground"):
        problems.append(errors.not_supported("propagationPolicy", policy, ["Background", "Foreground", "Orphan"]))
    if policy and said.get("orphanDependents") is not None:
        problems.append(
            errors.invalid("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set")
        )
    if problems:
        raise errors.Invalid.of("meta.k8s.io", "DeleteOptions", "", problems)
    if not policy and said.get("orphanDependents") is not None:
        policy = "Orphan" if said["orphanDependents"] else "Background"
    grace = said.get("gracePeriodSeconds")
    if grace is not None and grace < 0:
        grace = 1  # upstream: a negative period means "as soon as possible", with one second to stop
    conditions = said.get("preconditions") or {}
    return DeleteOptions(grace, policy, conditions.get("uid") or "", conditions.get("resourceVersion") or "", dry_run)
