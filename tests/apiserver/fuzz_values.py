"""Random values for the fuzz tests: each is made of one seed, which costs a hundredth of drawing its every part.

Hypothesis draws the seeds (and shrinks their number); the same seed makes the same value in every run.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

from minikube_py.api.schema import List, Map, Node, Scalar, Struct

Rng = random.Random

TEXTS = (
    "", "a", "b-1", "A b", "x" * 64, "x" * 300, "1", "true", "10.96.0.9", "None", "1Gi", "ä", "\x00", "a/b", "sample",
    "default", "*", "a.example.com", "a.example.com/b", "https://a.example.com/", "kube-system", "null", "-", ".", "..",
    "$(A)", "ClusterIP", "Always", "TCP", "::1", "10.0.0.0/8", "2030-01-01T00:00:00Z", "\U0001f600", "\u2028", "0",
    "-1", "1e9", "{}", "[]", "../..", "%2e", "a=b",
)  # fmt: skip
INTEGERS = (
    0, 1, -1, 2, 3, 10, 80, 100, 255, 256, 511, 512, 65_535, 65_536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53,
    2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30,
)  # fmt: skip
FLOATS = (0.0, 0.5, -1.5, 1e300, -1e-300, 1.0, 3.14)
QUANTITIES = (
    "0",
    "1",
    "100m",
    "1Gi",
    2,
    "-1",
    "1e3",
    "1.5",
    "1n",
    "9223372036854775807",
    "99999999999999999999",
    "1Ki",
)
TIMES = ("2030-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2030-01-01T00:00:00+02:00")
MICROTIMES = ("2030-01-01T00:00:00.000001Z", "0001-01-01T00:00:00.000000Z", "2030-01-01T00:00:00Z")
FIELDS: tuple[Any, ...] = ({}, {"f:a": {}}, {"x": 1}, {"f:data": {"k:{}": {}}}, {"f:spec": {"v:1": {}, "i:0": {}}})
FITTING: dict[str, Sequence[Any]] = {
    "bool": (True, False), "bytes": ("", "AAAA", "djE="), "Quantity": QUANTITIES, "Duration": ("1s", "1h", "0s"),
    "Time": TIMES, "MicroTime": MICROTIMES, "FieldsV1": FIELDS, "int32": (0, 1, 2, 3, 80, 1000, -1, 2**31 - 1),
    "int64": (0, 1, 2, 3, 80, 1000, -1, 2**63 - 1), "float64": FLOATS, "IntOrString": (0, 1, 80, "50%", "http", "a"),
}  # fmt: skip


def text(rng: Rng) -> str:
    """Mostly a text that something somewhere takes for special."""
    if rng.random() < 0.8:
        return rng.choice(TEXTS)
    return "".join(
        chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x20, 0x800)))) for _ in range(rng.randrange(8))
    )


def scalar(rng: Rng) -> Any:
    """Any value without members."""
    match rng.randrange(6):
        case 0:
            return None
        case 1:
            return rng.random() < 0.5
        case 2:
            return rng.choice(INTEGERS)
        case 3:
            return rng.choice(FLOATS)
        case _:
            return text(rng)


def anything(rng: Rng, depth: int = 2) -> Any:
    """Any JSON value."""
    kind = rng.randrange(5) if depth else 0
    if kind == 3:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 4:
        return {text(rng): anything(rng, depth - 1) for _ in range(rng.randrange(4))}
    return scalar(rng)


def fitting(rng: Rng, node: Node | None, depth: int = 3) -> Any:
    """A value that the schema allows there, nearly always."""
    if node is None or rng.random() < 0.03:
        return anything(rng)
    match node:
        case Scalar():
            if node.enum and rng.random() < 0.8:
                return rng.choice(node.enum)
            if node.name == "string":
                return text(rng)
            return rng.choice(FITTING[node.name]) if node.name in FITTING else anything(rng)
        case List():
            return [fitting(rng, node.of, depth - 1) for _ in range(rng.randrange(3))] if depth else []
        case Map():
            return {text(rng): fitting(rng, node.of, depth - 1) for _ in range(rng.randrange(3))} if depth else {}
        case Struct():
            if not depth or not node.fields:
                return {}
            names = tuple(node.fields)
            chosen = [rng.choice(names) for _ in range(rng.randrange(4))]
            chosen += [f.name for f in node.fields.values() if f.required and rng.random() < 0.8]
            return {name: fitting(rng, node.fields[name].node, depth - 1) for name in chosen}


def member(node: Node | None, key: Any) -> Node | None:
    """The schema of a member or an element; None where there is none."""
    match node:
        case Struct():
            field = node.fields.get(key)
            return field.node if field is not None else None
        case List() | Map():
            return node.of
    return None


def mutated(obj: Any, node: Node | None, seeds: Sequence[int]) -> Any:
    """A copy; each seed sets one member, takes it away or turns it into something else, mostly as the schema has it."""
    obj = copy.deepcopy(obj)
    for seed in seeds:
        obj = _mutate(random.Random(seed), obj, node)
    return obj


def _mutate(rng: Rng, obj: Any, node: Node | None) -> Any:
    here, shape = obj, node
    for _ in range(rng.randrange(7)):
        inner = [
            key for key, value in (here.items() if isinstance(here, dict) else enumerate(here))
            if isinstance(value, dict | list)
        ]  # fmt: skip
        if not inner:
            break
        key = rng.choice(inner)
        here, shape = here[key], member(shape, key)
    if isinstance(here, list):
        if here and rng.random() < 0.6:
            index = rng.randrange(len(here))
            if rng.random() < 0.3:
                here.append(copy.deepcopy(here[index]))
            elif rng.random() < 0.3:
                del here[index]
            else:
                here[index] = fitting(rng, member(shape, index))
        else:
            here.append(fitting(rng, member(shape, 0)))
        return obj
    if not isinstance(here, dict):
        return anything(rng)
    chance = rng.random()
    if here and chance < 0.2:
        del here[rng.choice(list(here))]
    elif here and chance < 0.5:
        name = rng.choice(list(here))
        here[name] = fitting(rng, member(shape, name)) if chance < 0.4 else anything(rng)
    else:
        known = tuple(shape.fields) if isinstance(shape, Struct) else ()
        name = rng.choice(known) if known and chance < 0.95 else text(rng)
        here[name] = fitting(rng, member(shape, name))
    return obj


def damaged(raw: bytes, seeds: Sequence[int]) -> bytes:
    """The bytes with some of them changed, taken away, doubled or moved; one change per seed."""
    made = bytearray(raw)
    for seed in seeds:
        rng = random.Random(seed)
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + rng.choice((1, 1, 1, 2, 4, 16)))
        match rng.randrange(6):
            case 0:
                made[at:end] = rng.randbytes(end - at)
            case 1:
                del made[at:end]
            case 2:
                made[at:at] = made[at:end]
            case 3:
                made[at:at] = rng.choice(
                    (b"\xff" * 9, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", b"\0", b'"', b"{", b"&a ", b"*a")
                )
            case 4:
                del made[at:]
            case _:
                if at < len(made):
                    made[at] ^= 1 << rng.randrange(8)
    return bytes(made)
