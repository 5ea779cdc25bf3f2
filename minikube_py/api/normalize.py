"""Brings a decoded object into its stored form: types checked, unknown members and nulls gone, scalars canonical.

The result is what Go's decoding into the typed struct and encoding again would give: members that are `omitempty` lose
their zero values, structs that are no pointers and required scalars appear. `partial=True` leaves both alone, for apply
configurations, where what is absent and what is zero are different statements.

Two implementations of one thing: `_compile` makes per struct a closure that walks an object at the speed of dict
look-ups (a 4 KB Pod in about 25 us) and gives up at the first surprise; `normalize_careful` then does the same
slowly, knowing paths. A test holds one against the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minikube_py.api.errors import BadRequest
from minikube_py.api.goform import INT32, INT64, READ, filler, keeps_zero, too_deep
from minikube_py.api.normalize_careful import Careful, Wrong
from minikube_py.api.schema import List, Map, Node, Scalar, Struct

Object = dict[str, Any]
Walk = Callable[[Any], None]


class _Odd(Exception):
    """The quick walk met something that needs the careful one."""


def normalize(obj: Object, struct: Struct, *, partial: bool = False) -> list[str]:
    """Normalise `obj` in place by the schema; the paths of unknown members, which are removed, are returned.

    Raises BadRequest in the wording of Go's JSON decoder when a value has the wrong type or cannot be read.
    """
    try:
        try:
            _walker(struct, partial)(obj)
        except _Odd:
            careful = Careful(partial)
            careful.struct(obj, struct, "")
            return careful.unknown
    except Wrong as error:
        kind = obj.get("kind")
        name = kind if isinstance(kind, str) and kind else struct.name.rpartition(".")[2]
        version = obj.get("apiVersion")
        where = f' in version "{version}"' if isinstance(version, str) else ""
        raise BadRequest(f"{name}{where} cannot be handled as a {name}: {error.explain(name)}") from None
    except RecursionError:
        raise BadRequest("the object is nested too deeply") from None
    return []


def _walker(struct: Struct, partial: bool) -> Walk:
    """The compiled walk of a struct, made on first use and kept with it (a Struct lives as long as its schema)."""
    name = "_walk_partial" if partial else "_walk"
    walk: Walk | None = struct.__dict__.get(name)
    if walk is None:
        walk = struct.__dict__[name] = _compile_struct(struct, partial)
    return walk


def _compile_struct(struct: Struct, partial: bool) -> Walk:
    # Filled on the first call, so that recursive schemas end and a schema that is never met costs nothing.
    table: dict[str, Check] = {}
    keep_empty: set[str] = set()
    fill: list[tuple[str, Callable[[], Any]]] = []

    def prepare() -> None:
        for name, field in struct.fields.items():
            if partial or keeps_zero(field):
                keep_empty.add(name)
            make = None if partial else filler(field)
            if make is not None:
                fill.append((name, make))
            table[name] = _compile(field.node, partial)

    def walk(obj: Any) -> None:
        if not table:
            prepare()
        drop = None
        try:
            for name, value in obj.items():
                check = table[name]
                kind = type(value)
                if kind is check:
                    if value:
                        continue
                elif value is None:
                    drop = [name] if drop is None else [*drop, name]
                    continue
                elif type(check) is tuple:
                    wanted, deeper, convert = check
                    if kind is wanted:
                        if deeper is not None:
                            deeper(value)
                        else:
                            new = convert(value)
                            if new is not value:
                                obj[name] = new
                    elif wanted is None:
                        convert(value)
                    else:
                        raise _Odd
                elif kind is not int or type(check) is not range or value not in check:
                    raise _Odd
                if not value and name not in keep_empty:
                    drop = [name] if drop is None else [*drop, name]
        except KeyError:
            raise _Odd from None
        if drop is not None:
            for name in drop:
                del obj[name]
        if fill:
            for name, make in fill:
                if name not in obj:
                    obj[name] = make()

    return walk


# What a value is held against: its Python type; the range of an integer; or type (None: several), walk of a container,
# conversion of a scalar, which is the judge too where no type is given.
Check = type | range | tuple[type | None, Walk | None, Any]


def _compile(node: Node, partial: bool) -> Check:
    match node:
        case Struct():
            return dict, _walker(node, partial), None
        case Scalar():
            return _SCALARS[node.name]
        case List():
            return list, _compile_items(node.of, partial, list), None
        case Map():
            return dict, _compile_items(node.of, partial, dict), None


def _compile_items(of: Node, partial: bool, container: type) -> Walk:
    check = _compile(of, partial)
    wanted: Any
    deeper: Walk | None
    convert: Any
    wanted, deeper, convert = check if isinstance(check, tuple) else (check, None, None)

    def structs(values: Any) -> None:
        assert deeper is not None
        for value in values:
            if type(value) is not dict:
                raise _Odd
            deeper(value)

    def strings(values: Any) -> None:
        for value in values:
            if type(value) is not str:
                raise _Odd

    def string_values(values: Any) -> None:
        strings(values.values())

    def items(values: Any) -> None:
        for key, value in enumerate(values) if container is list else values.items():
            kind = type(value)
            if kind is wanted:
                if deeper is not None:
                    deeper(value)
                elif convert is not None:
                    new = convert(value)
                    if new is not value:
                        values[key] = new
            elif wanted is None and value is not None:
                convert(value)
            elif kind is not int or type(wanted) is not range or value not in wanted:
                raise _Odd

    if check is str:
        return strings if container is list else string_values
    return structs if isinstance(of, Struct) and container is list else items


def _quick(read: Callable[[str], str | None]) -> Callable[[Any], Any]:
    def convert(value: str) -> str:
        try:
            new = read(value)
        except ValueError:
            raise _Odd from None
        if new is None:
            raise _Odd
        return value if new == value else new

    return convert


def _int_or_string(value: Any) -> Any:
    if type(value) is not str and (type(value) is not int or value not in INT32):
        raise _Odd
    return value


def _number(value: Any) -> Any:
    if type(value) is not float and type(value) is not int:
        raise _Odd
    return value


def _free(value: Any) -> Any:
    if too_deep(value):
        raise _Odd
    return value


_SCALARS: dict[str, Check] = {
    "string": str,
    "bool": bool,
    "int32": INT32,
    "int64": INT64,
    "float64": (None, None, _number),
    "bytes": (str, None, _quick(READ["bytes"])),
    "Quantity": (str, None, _quick(READ["Quantity"])),
    "IntOrString": (None, None, _int_or_string),
    "Time": (str, None, _quick(READ["Time"])),
    "MicroTime": (str, None, _quick(READ["MicroTime"])),
    "Duration": (str, None, _quick(READ["Duration"])),
    "FieldsV1": (dict, None, _free),
    "RawExtension": (dict, None, _free),
    "JSON": (None, None, _free),
    "any": (None, None, _free),
}
