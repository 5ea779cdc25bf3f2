"""From schema nodes to shapes."""

from __future__ import annotations

from minikube_py.api.patch.elements import by_keys, by_value
from minikube_py.api.patch.free import OpenShape
from minikube_py.api.patch.lists import ListShape
from minikube_py.api.patch.maps import MapShape, StructShape
from minikube_py.api.patch.shape import ATOM, Shape
from minikube_py.api.schema import List, Map, Node, Struct


def shape(node: Node) -> Shape:
    """The shape of a schema node; that of a struct is made once."""
    if isinstance(node, Struct):
        if node.atomic:
            return ATOM
        found: Shape | None = node.__dict__.get("_shape")
        if found is None:  # it goes with its struct: those of custom resources do not stay for ever
            found = node.__dict__["_shape"] = OpenShape(node, shape) if node.open else StructShape(node, shape)
        return found
    if isinstance(node, Map):
        return ATOM if node.atomic else MapShape(shape(node.of))
    if isinstance(node, List) and node.type == "map":
        return ListShape(shape(node.of), by_keys(node.keys, node.of))
    if isinstance(node, List) and node.type == "set":
        return ListShape(ATOM, by_value)
    return ATOM


def of(struct: Struct) -> StructShape:
    """The shape of a whole object."""
    found = shape(struct)
    if not isinstance(found, StructShape):
        raise TypeError(f"{struct.name} is atomic")
    return found
