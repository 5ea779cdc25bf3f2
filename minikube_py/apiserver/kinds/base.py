"""A kind is data plus a few pure hooks; everything else is derived by the generic registry.

Hooks get the JSON form (`dict`) where they change the object, and the typed model where they only read it.
The registry calls them in this order:

    create   default -> prepare_create -> (admission) -> validate -> store
    update   default -> prepare_update -> (admission) -> validate_update -> store
    status   default -> prepare_status -> validate_status -> store
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from minikube_py.api import scheme
from minikube_py.api.errors import FieldError
from minikube_py.api.resources import Resource
from minikube_py.api.schema import Struct
from minikube_py.apiserver.auth.user import User

if TYPE_CHECKING:
    from minikube_py.apiserver.allocators import Allocators
    from minikube_py.apiserver.encoding import Codec

Object = dict[str, Any]
"""An API object in JSON form."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; priority 1 shows with `-o wide` only. `type` and `format` as in meta/v1 Table."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Subresource:
    """A sub-resource as discovery shows it. `group` and `version` are set where its body is of another group."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    type: str
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a preparing hook may look at besides the object."""

    now: datetime
    user: User


@dataclass(frozen=True, slots=True)
class Stored:
    """How a kind is kept whose group-version is not the stored one: as which resource, and the way there and back.

    Both functions get an object of their own in JSON form and return one with the other's `kind` and `apiVersion`.
    """

    resource: Resource
    to_stored: Callable[[Object], Object]
    from_stored: Callable[[Object], Object]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the `scale` sub-resource finds its numbers, as paths of member names into the object.

    `selector` leads to a LabelSelector, to a map of labels, or (custom resources) to a selector's text; empty: none.
    """

    replicas: tuple[str, ...] = ("spec", "replicas")
    status_replicas: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ("spec", "selector")


@dataclass(frozen=True, slots=True)
class Part:
    """How a sub-resource is written that shows the whole object and is not `status` (the approval of a request).

    `ignore()` are the paths that managed fields of this endpoint leave out.
    """

    prepare: Callable[[Object, Object, Context], None]
    validate: Callable[[Any, Any], Sequence[FieldError]]
    ignore: Callable[[], Sequence[tuple[str, ...]]] = tuple


@dataclass(frozen=True, slots=True)
class Custom:
    """What only a custom resource has: its schema as its definition says it, its own codec, its list's kind.

    `token` changes whenever the definition's spec does; `verbs` are what discovery names, fewer than are served while
    the definition is being deleted.
    """

    props: Callable[[], Object]
    codec: Callable[[], Codec]
    list_kind: str
    token: str
    verbs: tuple[str, ...] = ALL_VERBS


class Allocation(Protocol):
    """What a write that is under way took from the pools, and what it will give back (`allocate`)."""

    def commit(self) -> None:
        """The write is stored: what the old object held and the new one does not is free again."""
        ...

    def release(self) -> None:
        """The write failed: nothing was taken."""
        ...


def _nothing(obj: Object) -> None:
    return None


def _nothing_created(obj: Object, context: Context) -> None:
    return None


def _nothing_updated(new: Object, old: Object, context: Context) -> None:
    return None


def _valid(model: Any) -> Sequence[FieldError]:
    return ()


def _valid_update(new: Any, old: Any) -> Sequence[FieldError]:
    return ()


def _no_fields(obj: Object) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One served kind.

    `validate_name(name) -> list of sentences saying what is wrong`. `select_fields` returns the values of the
    selectable fields beyond metadata.name and metadata.namespace; its keys must be the same for every object, since
    they say which fields are known. `row` returns one cell per column; one that shows a time is a `_cells.Age`, which
    the table turns into text when it is sent, so that the rest of a row can be kept with the object's revision.
    `allocate(allocators, new, old)` takes what a write needs from the pools and fills it into `new`: create has no old,
    delete has no new; it may raise Invalid. The registry calls commit() or release() on the answer.
    `grace_period(obj, asked)` returns the seconds that a deletion waits for someone (the kubelet) to confirm; 0 deletes
    at once. `subresources` lists all of them, `status` included; `status=True` says that a plain update leaves status
    alone; `parts` says how other sub-resources that show the whole object are written. `ttl(obj)` is seconds, 0 for
    ever.

    Two hooks save what a model of a large object costs. `unchanged(new, old)` says of the JSON forms that a plain
    update leaves everything as it is that `validate_update` looks at, which is not asked then. `status_part(obj)` is
    what `validate_status` looks at, in JSON form.

    A custom resource brings its `schema`, and its own `normalize(obj, partial)` (types, pruning; returns the paths of
    unknown fields, raises Invalid); its validate hooks get the JSON form, since there is no model. `untyped` says that
    a built-in kind's hooks want the JSON form, too.
    """

    resource: Resource
    singular: str
    columns: Sequence[Column]
    row: Callable[[Object], list[Any]]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    status: bool = False
    generation: bool = False
    validate_name: Callable[[str], list[str]]
    default: Callable[[Object], None] = _nothing
    prepare_create: Callable[[Object, Context], None] = _nothing_created
    prepare_update: Callable[[Object, Object, Context], None] = _nothing_updated
    prepare_status: Callable[[Object, Object, Context], None] = _nothing_updated
    validate: Callable[[Any], Sequence[FieldError]] = _valid
    validate_update: Callable[[Any, Any], Sequence[FieldError]] = _valid_update
    validate_status: Callable[[Any, Any], Sequence[FieldError]] = _valid_update
    select_fields: Callable[[Object], Mapping[str, str]] = _no_fields
    field_aliases: Mapping[str, str] | None = None
    row_conditions: Callable[[Object], list[dict[str, str]]] | None = None
    grace_period: Callable[[Object, int | None], int] | None = None
    ttl: Callable[[Object], int] | None = None
    allocate: Callable[[Allocators, Object | None, Object | None], Allocation] | None = None
    warnings: Callable[[Object], Sequence[str]] | None = None
    deprecated: str = ""
    """A warning that comes with every object and list of the kind."""
    held: Callable[[Object], bool] | None = None
    """True while something of the kind's own keeps a deleted object (a Namespace's spec.finalizers)."""
    prepare_delete: Callable[[Object, datetime], bool] | None = None
    """Changes an object that is being marked as deleted (a Namespace turns Terminating); True if it changed it."""
    unchanged: Callable[[Object, Object], bool] | None = None
    status_part: Callable[[Object], Object] | None = None
    orphans: bool = False
    """A deletion that does not say what becomes of the dependents leaves them, as it always did for old kinds (Job)."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    schema: Struct | None = None
    untyped: bool = False
    normalize: Callable[[Object, bool], Sequence[str]] | None = None
    stored_as: Stored | None = None
    scale: Scale | None = None
    custom: Custom | None = None

    @property
    def list_kind(self) -> str:
        """What a list of its objects is."""
        return f"{self.resource.kind}List" if self.custom is None else self.custom.list_kind

    @cached_property
    def struct(self) -> Struct:
        """The shape of its objects: the built-in type's, or the custom resource's own."""
        return self.schema or scheme.struct(self.resource.type)

    def view(self, obj: Object) -> Any:
        """The object as the validate hooks get it."""
        if self.untyped or self.schema is not None:
            return obj
        return scheme.model(self.resource.type).model_validate(obj)
