"""What the generated models are made of: `Model`, `field()` and the scalar types.

Attributes have their JSON names. As in Go, a member that is no pointer has its zero value when it is absent ("", 0,
False, an empty list, map or object), so that `for port in container.ports` and `pod.spec.nodeName` need no check; a
pointer is `| None` and None when absent. Whether something was there at all is in `model_fields_set`. That a required
member is missing is for the kind's validation to say (422 with a field path), hence no member is required here.

Field facts (protobuf number, list type, merge key ...) are kept as a `Spec` in `__specs__`; `api.scheme` compiles
them without building the pydantic model, which happens on the first validation (`defer_build`).
"""

import base64
import gc
import sys
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.functional_serializers import PlainSerializer
from pydantic.functional_validators import BeforeValidator, PlainValidator

from minikube_py.api import quantity as _quantity
from minikube_py.api import times as _times
from minikube_py.api.schema import Scalar


class Spec:
    """The facts of one member, as `field()` was told them."""

    __slots__ = (
        "alias", "atomic", "default", "doc", "keys", "list_type", "merge_key", "number", "omitempty", "proto",
        "required", "strategy",
    )  # fmt: skip

    def __init__(
        self, number: int, doc: str, required: bool, omitempty: bool, list_type: str, keys: tuple[str, ...],
        merge_key: str, strategy: tuple[str, ...], default: object, alias: str, proto: str, atomic: bool | None,
    ) -> None:  # fmt: skip
        self.number = number
        self.doc = doc
        self.required = required
        self.omitempty = omitempty
        self.list_type = list_type
        self.keys = keys
        self.merge_key = merge_key
        self.strategy = strategy
        self.default = default
        self.alias = alias
        self.proto = proto
        self.atomic = atomic


def field(
    number: int, doc: str = "", *, required: bool = False, omitempty: bool | None = None, list_type: str = "",
    keys: tuple[str, ...] = (), merge_key: str = "", strategy: str = "", default: object = None, alias: str = "",
    proto: str = "", atomic: bool | None = None,
) -> Any:  # fmt: skip
    """A member of a model: protobuf number (0: none) and documentation, then what differs from the usual.

    `omitempty` is usually the contrary of `required`; `list_type` is map (with `keys`) or set, else atomic;
    `strategy` is the comma-separated patch strategy; `default` the default that OpenAPI shows; `alias` the JSON name
    where it is no Python name; `proto` the message that wraps a list; `atomic` overrules what the member's type says.
    """
    how = tuple(strategy.split(",")) if strategy else ("merge",) if merge_key else ()
    empty = not required if omitempty is None else omitempty
    return Spec(number, doc, required, empty, list_type, keys, merge_key, how, default, alias, proto, atomic)


class Model(BaseModel):
    """The base of every API type. Unknown members are ignored: `api.normalize` has reported and pruned them."""

    model_config = ConfigDict(
        defer_build=True, strict=True, extra="ignore", validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=True, protected_namespaces=(), arbitrary_types_allowed=True,
    )  # fmt: skip

    __specs__: ClassVar[dict[str, Spec]] = {}
    __atomic__: ClassVar[bool] = False
    __embedded__: ClassVar[int | None] = None
    __kind__: ClassVar[str] = ""

    def __init_subclass__(
        cls, *, atomic: bool = False, embedded: int | None = None, kind: str = "", **kwargs: Any
    ) -> None:
        """`atomic`: patches replace the whole; `embedded`: protobuf number of the base class's message in this one;
        `kind`: the object kind that this class is, filled in when an instance is made by hand."""
        super().__init_subclass__(**kwargs)
        cls.__atomic__ = atomic
        cls.__embedded__ = embedded
        specs: dict[str, Spec] = {}
        namespace = cls.__dict__
        for name, annotation in namespace.get("__annotations__", {}).items():
            spec = namespace.get(name)
            if isinstance(spec, Spec):
                specs[name] = spec
                # pydantic reads the attribute after this hook: give it a plain default instead of our facts.
                setattr(cls, name, _zero(annotation, spec.alias))
        cls.__specs__ = specs
        cls.__kind__ = kind
        if kind:
            module = sys.modules[cls.__module__]
            cls.__annotations__.update(kind=str, apiVersion=str)
            cls.kind = kind  # type: ignore[attr-defined]
            cls.apiVersion = (  # type: ignore[attr-defined]
                f"{module.GROUP}/{module.VERSION}" if module.GROUP else module.VERSION
            )

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the validator, which pydantic asks for on the first use. Names are module globals: no frame to search.

        The garbage collector pauses meanwhile: a Pod's validator is 100,000 objects, all of them to stay, and walking
        them again and again takes twice as long as making them.
        """
        options["_parent_namespace_depth"] = 0
        running = gc.isenabled()
        gc.disable()
        try:
            return super().model_rebuild(**options)
        finally:
            if running:
                gc.enable()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form with the members that were set."""
        return self.model_dump(mode="json", exclude_unset=True)


def _zero(annotation: Any, alias: str) -> Any:
    """The default of a member: Go's zero value of the annotated type, as pydantic wants it."""
    if isinstance(annotation, str):
        # A forward reference to a type of the same module; only pointers, lists and maps refer forward.
        factory: Any = list if annotation.startswith("list[") else dict if annotation.startswith("dict[") else None
        if factory:
            return _factory(factory, alias)
        return Field(default=None, alias=alias) if alias else None
    try:
        zero = _ZEROS[annotation]
    except KeyError:
        origin = getattr(annotation, "__origin__", None)
        if origin is list or origin is dict or isinstance(annotation, type):
            return _factory(annotation if origin is None else origin, alias)
        # Annotated[str, OneOf(...)] is a string; what is left are unions with None.
        zero = "" if origin is str else None
    return Field(default=zero, alias=alias) if alias else zero


def _factory(factory: Any, alias: str) -> Any:
    return Field(default_factory=factory, alias=alias) if alias else Field(default_factory=factory)


def _decode_base64(value: Any) -> Any:
    return base64.b64decode(value) if isinstance(value, str) else value


def _parse_time(value: Any) -> Any:
    return _times.parse_time(value) if isinstance(value, str) else value


def _parse_quantity(value: Any) -> _quantity.Quantity:
    return value if isinstance(value, _quantity.Quantity) else _quantity.parse(value)


_time = BeforeValidator(_parse_time)
_seconds = PlainSerializer(lambda v: v and _times.format_time(v))
_micros = PlainSerializer(lambda v: v and _times.format_micro(v))

Int32 = Annotated[int, Scalar("int32")]
Int64 = Annotated[int, Scalar("int64")]
Bytes = Annotated[
    bytes, Scalar("bytes"), BeforeValidator(_decode_base64), PlainSerializer(lambda v: base64.b64encode(v).decode())
]
"""Base64 text in JSON, the decoded bytes in the model."""
Quantity = Annotated[
    _quantity.Quantity, Scalar("Quantity"), PlainValidator(_parse_quantity), PlainSerializer(lambda v: v.canonical())
]
IntOrString = Annotated[int | str, Scalar("IntOrString")]
Time = Annotated[datetime | None, Scalar("Time"), _time, _seconds]
"""An aware datetime in UTC; None is Go's zero time."""
MicroTime = Annotated[datetime | None, Scalar("MicroTime"), _time, _micros]
Duration = Annotated[str, Scalar("Duration")]
"""A Go duration text; `times.parse_duration` gives nanoseconds, which timedelta cannot hold."""
FieldsV1 = Annotated[dict[str, Any] | None, Scalar("FieldsV1")]
RawExtension = Annotated[dict[str, Any] | None, Scalar("RawExtension")]
JSON = Annotated[Any, Scalar("JSON")]

_ZEROS: dict[Any, Any] = {
    str: "", bool: False, float: 0.0, Int32: 0, Int64: 0, Bytes: b"", Quantity: _quantity.Quantity(), IntOrString: 0,
    Time: None, MicroTime: None, Duration: "0s", FieldsV1: None, RawExtension: None, JSON: None, Any: None,
}  # fmt: skip


def OneOf(*values: str) -> Any:
    """The annotation of a string that has a closed set of values: `Annotated[str, OneOf("TCP", "UDP")]`.

    The model takes any string, as Go does; saying which values are supported is for the kind's validation.
    """
    return Scalar("string", values)
