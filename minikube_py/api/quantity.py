"""Kubernetes quantities ("100m", "1.5Gi", "2e3"): exact arithmetic, comparison and the canonical text.

A quantity is a whole number of nano-units, as upstream keeps it: finer fractions are rounded away from zero, values
beyond +-(2^63 - 1) are capped. The suffix family of the text (decimal, binary, exponent) is kept for printing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache, total_ordering
from typing import Final, Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

PATTERN: Final = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
"""The expression that upstream's error message shows."""

_NANO: Final = 10**9
_MAX: Final = (2**63 - 1) * _NANO
_TEXT = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,4}))?\Z", re.ASCII)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_BY_EXPONENT: Final = {e: s for s, e in _DECIMAL.items()}
_BINARY_BY_EXPONENT: Final = {e: s for s, e in _BINARY.items()} | {0: ""}


@total_ordering
class Quantity:
    """An immutable amount. Compares and hashes by amount alone, so `parse("1") == parse("1000m")`."""

    __slots__ = ("format", "nano")

    def __init__(self, nano: int = 0, format: Format = "DecimalSI") -> None:
        self.nano: int = max(-_MAX, min(_MAX, nano))
        self.format: Format = format

    def value(self) -> int:
        """Whole units, rounded away from zero."""
        return _divide_up(self.nano, _NANO)

    def milli_value(self) -> int:
        """Thousandths, rounded away from zero."""
        return _divide_up(self.nano, 10**6)

    def canonical(self) -> str:
        """The text that Kubernetes writes: no fraction, the largest suffix that needs none, `0` for zero."""
        if self.nano == 0:
            return "0"
        if self.format == "BinarySI" and self.nano % _NANO == 0 and abs(self.nano) >= 1024 * _NANO:
            number, exponent = self.nano // _NANO, 0
            while number % 1024 == 0 and exponent < 60:
                number, exponent = number // 1024, exponent + 10
            return f"{number}{_BINARY_BY_EXPONENT[exponent]}"
        number, exponent = self.nano, -9
        while number % 1000 == 0 and exponent < 18:
            number, exponent = number // 1000, exponent + 3
        if self.format == "DecimalExponent":
            return f"{number}e{exponent}" if exponent else str(number)
        return f"{number}{_DECIMAL_BY_EXPONENT[exponent]}"

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __eq__(self, other: object) -> bool:
        return self.nano == other.nano if isinstance(other, Quantity) else NotImplemented

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano if isinstance(other, Quantity) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.nano)

    def __str__(self) -> str:
        return self.canonical()

    def __repr__(self) -> str:
        return f"Quantity({self.canonical()!r})"


def parse(value: str | int | float) -> Quantity:
    """The quantity that a JSON string or number stands for. Raises ValueError in upstream's words."""
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"a quantity is a string or a number, not {type(value).__name__}")
    return _parse_text(str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f"))


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The canonical form of a quantity's text, remembered: objects repeat the same few. Raises ValueError."""
    return _parse_text(text).canonical()


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Quantity:
    match = _TEXT.match(text) if len(text) <= 100 else None
    if match is None:
        if not text:
            raise ValueError("quantities must match the regular expression '" + PATTERN + "': the text is empty")
        raise ValueError(f"quantities must match the regular expression '{PATTERN}'")
    sign, digits, suffix, exponent = match.groups()
    whole, _, fraction = digits.partition(".")
    number, scale = int(whole + fraction or "0"), -len(fraction)
    family: Format = "DecimalSI"
    if exponent is not None:
        family, scale = "DecimalExponent", scale + int(exponent)
    elif suffix in _BINARY:
        family, number = "BinarySI", number << _BINARY[suffix]
    elif suffix:
        scale += _DECIMAL[suffix]
    if number:
        number = _scale(number, scale + 9)
    return Quantity(-number if sign == "-" else number, family)


def _scale(number: int, power: int) -> int:
    """number * 10**power, rounded up; huge powers are cut short since the result is capped or one anyway."""
    if power >= 0:
        return number * _power_of_ten(min(power, 40))
    return _divide_up(number, _power_of_ten(min(-power, 200)))


def _power_of_ten(power: int) -> int:
    return int(10**power)


def _divide_up(number: int, by: int) -> int:
    return -(-number // by) if number >= 0 else number // by
