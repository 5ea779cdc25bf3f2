"""The authorizer RBAC: what roles allow whom bindings name, kept beside the caches of the four kinds.

Objects are decoded once per change. Decisions are remembered per user and asked shape (everything but the object's
name), until anything of the four kinds changes: a remembered one costs two look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from minikube_py.api import rbac
from minikube_py.api.rbac import Rule
from minikube_py.apiserver.auth.authorization import Asked, Rules
from minikube_py.apiserver.auth.user import SERVICE_ACCOUNT, User
from minikube_py.apiserver.cache import Event, Item
from minikube_py.apiserver.encoding import Object, loads

GROUP = "rbac.authorization.k8s.io"
KINDS = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")

REMEMBERED_USERS = 1024
REMEMBERED_SHAPES = 4096
"""How many users, and decisions per user, are remembered; then all are forgotten, and asked for anew."""

Answer = tuple[bool, str]
_ALLOWS = "RBAC: allowed by {}"


class Cache(Protocol):
    """What is used of a kind's cache."""

    items: dict[str, Item]

    def subscribe(self, notify: Callable[[Event | None], None]) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Binding:
    """A role given to subjects; `namespace` is empty for a ClusterRoleBinding. Sorts by name."""

    name: str
    namespace: str
    kind: str
    role: str
    subjects: Sequence[Object]

    @classmethod
    def of(cls, obj: Object) -> Binding:
        metadata, ref = obj["metadata"], obj["roleRef"]
        namespace = metadata.get("namespace", "")
        return cls(metadata["name"], namespace, ref["kind"], ref["name"], obj.get("subjects") or ())

    def given_to(self) -> Iterator[tuple[str, str]]:
        """Who gets the role, as (User or Group, name): a service account is the user of its name."""
        for subject in self.subjects:
            if subject["kind"] == "ServiceAccount":
                if namespace := subject.get("namespace") or self.namespace:
                    yield "User", f"{SERVICE_ACCOUNT}{namespace}:{subject['name']}"
            else:
                yield subject["kind"], subject["name"]

    def told(self, user: User) -> str:
        """The binding as the reason of an allowed request names it, by the first subject that is the user."""
        subject = next(s for s, key in self._named() if _is(user, key))
        name = subject["name"]
        if subject["kind"] == "ServiceAccount":
            name += f"/{subject.get('namespace') or self.namespace}"
        own = f"{self.name}/{self.namespace}" if self.namespace else self.name
        what = "RoleBinding" if self.namespace else "ClusterRoleBinding"
        return f'{what} "{own}" of {self.kind} "{self.role}" to {subject["kind"]} "{name}"'

    def _named(self) -> Iterator[tuple[Object, tuple[str, str]]]:
        for subject in self.subjects:
            for key in Binding(self.name, self.namespace, "", "", (subject,)).given_to():
                yield subject, key


def _is(user: User, key: tuple[str, str]) -> bool:
    return key[1] == user.name if key[0] == "User" else key[1] in user.groups


@dataclass(slots=True)
class _Shape:
    """What is known of one asked shape: the answer for any name, or else by name, or else."""

    always: Answer | None
    named: dict[str, Answer]
    refused: Answer


@dataclass(slots=True)
class _Known:
    """What is remembered of one user."""

    shapes: dict[tuple[str, ...], _Shape] = field(default_factory=dict)
    bindings: dict[str, list[Binding]] = field(default_factory=dict)


class RBAC:
    """One cluster's roles and bindings. `caches` are those of the four kinds, by plural."""

    def __init__(self, caches: Mapping[str, Cache]) -> None:
        self._caches = {plural: caches[plural] for plural in KINDS}
        self._roles: dict[tuple[str, str, str], Sequence[Rule]] = {}
        """Rules by (Role or ClusterRole, namespace, name)."""
        self._by_subject: dict[tuple[str, str], dict[tuple[str, str], Binding]] = {}
        """Bindings by (namespace, name), by who gets them."""
        self._known: dict[tuple[str, tuple[str, ...]], _Known] = {}
        self._built = False
        for plural, cache in self._caches.items():
            cache.subscribe(self._hear(plural))

    # -- decisions

    def authorize(self, user: User, asked: Asked) -> Answer:
        """(allowed, reason): by which binding, or which roles are missing that bindings name."""
        known = self._known.get((user.name, user.groups))
        if known is None:
            known = self._remember(user)
        if asked.path:
            key: tuple[str, ...] = (asked.verb, asked.path)
        else:
            key = (asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace)
        shape = known.shapes.get(key)
        if shape is None:
            if len(known.shapes) >= REMEMBERED_SHAPES:
                known.shapes.clear()
            shape = known.shapes[key] = self._decide(user, known, asked)
        if shape.always is not None:
            return shape.always
        return shape.named.get(asked.name, shape.refused) if shape.named else shape.refused

    def rules(self, user: User, namespace: str) -> Rules:
        """Everything that the user's bindings allow in a namespace, cluster-wide ones first."""
        held, problems = self.held(user, namespace)
        found = Rules(error=_aggregate(problems))
        for rule in held:
            if rbac.part(rule, "resources"):
                found.resources.append(_listed(rule, "verbs", "apiGroups", "resources", "resourceNames"))
            if rbac.part(rule, "nonResourceURLs"):
                found.paths.append(_listed(rule, "verbs", "nonResourceURLs"))
        return found

    def held(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """The rules that the user has in a namespace (none: cluster-wide), and which roles are missing."""
        known = self._known.get((user.name, user.groups)) or self._remember(user)
        rules: list[Rule] = []
        problems: list[str] = []
        for binding in self._bindings(user, known, namespace):
            found = self.role(binding.kind, binding.role, binding.namespace)
            if found is None:
                problems.append(_missing(binding))
            else:
                rules.extend(found)
        return rules, problems

    def role(self, kind: str, name: str, namespace: str) -> Sequence[Rule] | None:
        """The rules of a Role in a namespace, or of a ClusterRole; None when there is none of that name."""
        self._build()
        return self._roles.get((kind, namespace if kind == "Role" else "", name))

    def _decide(self, user: User, known: _Known, asked: Asked) -> _Shape:
        named: dict[str, Answer] = {}
        problems: list[str] = []
        for binding in self._bindings(user, known, asked.namespace):
            rules = self._roles.get((binding.kind, binding.namespace if binding.kind == "Role" else "", binding.role))
            if rules is None:
                problems.append(_missing(binding))
                continue
            for rule in rules:
                if asked.path:
                    if not rbac.allows_path(rule, asked.verb, asked.path):
                        continue
                elif not rbac.allows_resource(rule, asked.verb, asked.group, asked.resource, asked.subresource):
                    continue
                answer = (True, _ALLOWS.format(binding.told(user)))
                names = () if asked.path else rbac.part(rule, "resourceNames")
                if not names:
                    return _Shape(answer, {}, answer)
                for name in names:
                    named.setdefault(name, answer)
        reason = f"RBAC: {_aggregate(problems)}" if problems else ""
        return _Shape(None, named, (False, reason))

    def _bindings(self, user: User, known: _Known, namespace: str) -> Sequence[Binding]:
        """The user's bindings that count in a namespace: the cluster's, then the namespace's own, by name."""
        found = known.bindings.get(namespace)
        if found is None:
            mine: dict[tuple[str, str], Binding] = {}
            for key in (("User", user.name), *(("Group", group) for group in user.groups)):
                mine |= {k: b for k, b in self._by_subject.get(key, {}).items() if k[0] in ("", namespace)}
            if len(known.bindings) >= REMEMBERED_SHAPES:
                known.bindings.clear()
            found = known.bindings[namespace] = [mine[key] for key in sorted(mine)]
        return found

    def _remember(self, user: User) -> _Known:
        self._build()
        if len(self._known) >= REMEMBERED_USERS:
            self._known.clear()
        known = self._known[user.name, user.groups] = _Known()
        return known

    # -- following the caches

    def _build(self) -> None:
        """Read everything, at the first question after the caches were loaded."""
        if self._built:
            return
        self._built = True
        self._roles.clear()
        self._by_subject.clear()
        for plural, cache in self._caches.items():
            for item in cache.items.values():
                self._add(plural, loads(item.data))

    def _hear(self, plural: str) -> Callable[[Event | None], None]:
        def hear(event: Event | None) -> None:
            self._known.clear()
            if event is None:
                self._built = False
            elif self._built:
                if event.old is not None:
                    self._remove(plural, loads(event.old.data))
                if event.new is not None:
                    self._add(plural, loads(event.new.data))

        return hear

    def _add(self, plural: str, obj: Object) -> None:
        if plural in ("roles", "clusterroles"):
            self._roles[_role_key(plural, obj)] = obj.get("rules") or ()
            return
        binding = Binding.of(obj)
        for key in binding.given_to():
            self._by_subject.setdefault(key, {})[binding.namespace, binding.name] = binding

    def _remove(self, plural: str, obj: Object) -> None:
        if plural in ("roles", "clusterroles"):
            del self._roles[_role_key(plural, obj)]
            return
        binding = Binding.of(obj)
        for key in set(binding.given_to()):
            bindings = self._by_subject[key]
            del bindings[binding.namespace, binding.name]
            if not bindings:
                del self._by_subject[key]


def _listed(rule: Rule, *members: str) -> Object:
    return {m: list(rbac.part(rule, m)) for m in members if rbac.part(rule, m)}


def _role_key(plural: str, obj: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return "Role" if plural == "roles" else "ClusterRole", metadata.get("namespace", ""), metadata["name"]


def _missing(binding: Binding) -> str:
    return f'{binding.kind.lower()}.{GROUP} "{binding.role}" not found'


def _aggregate(problems: Sequence[str]) -> str:
    """Errors as one, each said once, as Kubernetes shows several."""
    once = list(dict.fromkeys(problems))
    return once[0] if len(once) == 1 else f"[{', '.join(once)}]" if once else ""
