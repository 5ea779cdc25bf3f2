"""What a URL path means: which resource, where, which object, which verb."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Target:
    """A path below /api or /apis taken apart; `plural` is empty for the root of all, of a group or of a version."""

    group: str
    version: str
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    watching: bool = False
    """Asked for by the older form of path, `/api/v1/watch/...`."""


def parse(path: str) -> Target | None:
    """The target of `/api/...` or `/apis/...`, None when the path has a shape that no resource has.

    `/api/v1/namespaces/x` is the Namespace x; `/api/v1/namespaces/x/pods` the Pods in it; `status` and `finalize`
    below a namespace's name are its sub-resources, as upstream decides it.
    """
    parts = path.split("/")
    if not parts[-1]:
        parts.pop()
    if parts[1] == "api":
        group, rest = "", parts[2:]
    else:
        group, rest = "".join(parts[2:3]), parts[3:]
    if not rest:
        return Target(group, "") if all(parts[1:]) else None
    version, rest = rest[0], rest[1:]
    if len(rest) > 1 and rest[0] == "watch":
        return _watch(path)
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and not (len(rest) == 3 and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 and rest[2] == "proxy":
        # What follows is the path of the server behind it, of any shape.
        parts, rest = parts[: 3 - len(rest)], rest[:3]
    if not all(parts[1:]):
        return None
    match len(rest):
        case 0:
            return Target(group, version)
        case 1:
            return Target(group, version, namespace, rest[0])
        case 2:
            return Target(group, version, namespace, rest[0], rest[1])
        case _:
            return Target(group, version, namespace, rest[0], rest[1], "/".join(rest[2:]))


def _watch(path: str) -> Target | None:
    """`/watch/` in front of a collection, or of one object by its name."""
    target = parse(path.replace("/watch/", "/", 1))
    if target is None or target.subresource or not target.plural:
        return None
    return replace(target, watching=True)


def split_query(raw: bytes) -> list[tuple[str, str]]:
    """The query's parameters in order, decoded; bytes that are no UTF-8 become replacement characters."""
    if not raw:
        return []
    pairs = []
    for part in raw.decode("ascii", "replace").split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))))
    return pairs
