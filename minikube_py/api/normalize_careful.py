"""The careful half of normalisation: slow, but it knows the path of what is wrong or unknown."""

from __future__ import annotations

from typing import Any

from minikube_py.api import quantity
from minikube_py.api.goform import INT32, INT64, READ, filler, keeps_zero, too_deep, zero
from minikube_py.api.schema import List, Map, Node, Scalar, Struct

_GO_TYPE = {
    "string": "string", "bool": "bool", "int32": "int32", "int64": "int64", "float64": "float64", "bytes": "[]uint8",
    "IntOrString": "string or int32", "FieldsV1": "object", "RawExtension": "object", "Duration": "string",
    "Time": "string", "MicroTime": "string", "Quantity": "string",
}  # fmt: skip


class Wrong(Exception):
    """A value that the schema does not allow, with the path that led there."""

    def __init__(self, path: str, value: Any, expected: str, why: str = "") -> None:
        super().__init__(path)
        self.path, self.value, self.expected, self.why = path, value, expected, why

    def explain(self, kind: str) -> str:
        where = f"{kind}.{self.path}" if self.path else kind
        if self.why:
            return f"{where}: {self.why}"
        found = _json_type(self.value)
        if found == "number" and self.expected.startswith(("int", "float")):
            found = f"number {self.value}"
        return f"json: cannot unmarshal {found} into Go struct field {where} of type {self.expected}"


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "null"


class Careful:
    """The same by plain recursion, collecting unknown members and naming the path of what is wrong."""

    def __init__(self, partial: bool) -> None:
        self.partial = partial
        self.unknown: list[str] = []

    def struct(self, obj: Any, struct: Struct, path: str) -> None:
        if type(obj) is not dict:
            raise Wrong(path, obj, struct.name.rpartition(".")[2])
        fields = struct.fields
        for name in list(obj):
            where = f"{path}.{name}" if path else name
            field = fields.get(name)
            if field is None:
                self.unknown.append(where)
                del obj[name]
                continue
            value = self.value(obj[name], field.node, where)
            if value is None or (not value and not self.partial and not keeps_zero(field)):
                del obj[name]
            else:
                obj[name] = value
        if not self.partial:
            for name, field in fields.items():
                make = filler(field)
                if make is not None and name not in obj:
                    obj[name] = make()

    def value(self, value: Any, node: Node, path: str) -> Any:
        """The normalised value; None for null and for Go's zero time."""
        if value is None:
            return None
        match node:
            case Struct():
                self.struct(value, node, path)
            case List():
                if type(value) is not list:
                    raise Wrong(path, value, "[]" + _go_type(node.of))
                for index, item in enumerate(value):
                    value[index] = self.item(item, node.of, f"{path}[{index}]")
            case Map():
                if type(value) is not dict:
                    raise Wrong(path, value, f"map[string]{_go_type(node.of)}")
                for key, item in value.items():
                    value[key] = self.item(item, node.of, f"{path}.{key}")
            case Scalar():
                return self.scalar(value, node.name, path)
        return value

    def item(self, value: Any, node: Node, path: str) -> Any:
        """A list's or map's element: Go keeps the place of a null and puts the zero value there."""
        new = self.value(value, node, path)
        return zero(node) if new is None else new

    def scalar(self, value: Any, name: str, path: str) -> Any:
        expected = _GO_TYPE.get(name, name)
        match name:
            case "JSON" | "any":
                self.depth(value, path)
            case "FieldsV1" | "RawExtension":
                if type(value) is not dict:
                    raise Wrong(path, value, expected)
                self.depth(value, path)
            case "int32" | "int64":
                if type(value) is not int or value not in (INT32 if name == "int32" else INT64):
                    raise Wrong(path, value, expected)
            case "float64":
                if type(value) is not float and type(value) is not int:
                    raise Wrong(path, value, expected)
            case "IntOrString":
                if type(value) is not str and (type(value) is not int or value not in INT32):
                    raise Wrong(path, value, expected)
            case "Quantity":
                return self.quantity(value, path)
            case "bool":
                if type(value) is not bool:
                    raise Wrong(path, value, expected)
            case _:
                if type(value) is not str:
                    raise Wrong(path, value, expected)
                try:
                    return READ[name](value) if name in READ else value
                except ValueError as error:
                    raise Wrong(path, value, expected, str(error)) from None
        return value

    def quantity(self, value: Any, path: str) -> str:
        if type(value) not in (str, int, float):
            raise Wrong(path, value, "string")
        try:
            return quantity.canonical(value) if type(value) is str else quantity.parse(value).canonical()
        except ValueError as error:
            raise Wrong(path, value, "string", str(error)) from None

    def depth(self, value: Any, path: str) -> None:
        if too_deep(value):
            raise Wrong(path, value, "", "exceeded max depth")


def _go_type(node: Node) -> str:
    match node:
        case Scalar():
            return _GO_TYPE.get(node.name, node.name)
        case List():
            return "[]" + _go_type(node.of)
        case Map():
            return "map[string]" + _go_type(node.of)
        case Struct():
            return node.name.rpartition(".")[2]
