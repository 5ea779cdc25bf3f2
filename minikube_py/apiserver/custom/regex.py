"""Go's regular expressions (RE2 syntax) in Python: the same meaning, or a refusal."""

from __future__ import annotations

import re
from functools import lru_cache

MAX_REPEAT = 1000

_CLASSES = {
    "d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r ",
}  # fmt: skip
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ",
    "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_NOT = {
    "d": r"\x00-/:-\U0010ffff", "w": r"\x00-/:-@\[-\^`{-\U0010ffff", "s": r"\x00-\x08\x0b\x0e-\x1f!-\U0010ffff",
}  # fmt: skip
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_GROUP = re.compile(r"\(\?(?:P?<([A-Za-z_0-9]+)>|([imsU]*)(-[imsU]+)?(:|\)))", re.ASCII)


@lru_cache(maxsize=4096)
def compile_go(pattern: str) -> re.Pattern[str]:
    """The Python pattern, to be used with `search`. Raises ValueError for what Go refuses or Python cannot mean.

    Refused though Go knows it: Unicode classes (`\\pL`), the ungreedy flag `U`. A pattern takes time that grows with
    its input in Go; in Python nested repetitions may take far longer.
    """
    try:
        return re.compile(_Translator(pattern).run())
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"error parsing regexp: {error}: `{pattern}`") from None


class _Translator:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.out: list[str] = []

    def fail(self, why: str) -> ValueError:
        return ValueError(f"error parsing regexp: {why}: `{self.text}`")

    def run(self) -> str:
        # Flags in the middle of a Go pattern hold to the end of their group: one more group each here.
        open_groups = [0]
        begun, late = [False], [False]  # per group: whether anything stands before here, and before a flag
        atom = False  # whether there is something that a repetition could apply to
        repeated = False
        multiline = [False]
        while self.at < len(self.text):
            c = self.text[self.at]
            was_atom, was_repeated, atom, repeated = atom, repeated, True, False
            match c:
                case "\\":
                    atom = self._escape()
                case "[":
                    self._set()
                case "(":
                    found = _GROUP.match(self.text, self.at)
                    if found is None:
                        if self.text.startswith("(?", self.at):
                            raise self.fail(f"invalid or unsupported Perl syntax: `{self.text[self.at : self.at + 3]}`")
                        self._put("(")
                        self._enter(open_groups, begun, late, multiline, multiline[-1])
                    else:
                        self.at = found.end()
                        name, on, off, end = found.groups()
                        if name is not None:
                            self.out.append(f"(?P<{name}>")
                            self._enter(open_groups, begun, late, multiline, multiline[-1])
                        else:
                            if "U" in (on or "") + (off or ""):
                                raise self.fail("the flag U is not supported by this server")
                            flags = f"(?{on}{off or ''}:"
                            self.out.append(flags)
                            now = multiline[-1] or "m" in on
                            now = now and "m" not in (off or "")
                            if end == ")":
                                open_groups[-1] += 1
                                multiline[-1] = now
                                late[-1] = late[-1] or begun[-1]
                            else:
                                self._enter(open_groups, begun, late, multiline, now)
                    atom = False
                    continue
                case ")":
                    if len(open_groups) == 1:
                        raise self.fail("unexpected )")
                    self.out.append(")" * open_groups.pop())
                    for stack in (multiline, begun, late):
                        stack.pop()
                    self._put(")")
                case "|":
                    if late[-1]:
                        raise self.fail("flags in the middle of an alternative are not supported by this server")
                    self._put("|")
                    atom = begun[-1] = False
                    continue
                case "*" | "+" | "?":
                    self._repeatable(was_atom, was_repeated, c)
                    self._put(c)
                    repeated = True
                    if self.text.startswith("?", self.at):
                        self._put("?")
                case "{":
                    count = _COUNT.match(self.text, self.at)
                    if count is None:
                        self._put("{", r"\{")
                    else:
                        self._repeatable(was_atom, was_repeated, count[0])
                        low, high = int(count[1]), int(count[3]) if count[3] else int(count[1])
                        if low > MAX_REPEAT or high > MAX_REPEAT or high < low:
                            raise self.fail(f"invalid repeat count: `{count[0]}`")
                        self.out.append(count[0])
                        self.at = count.end()
                        repeated = True
                        if self.text.startswith("?", self.at):
                            self._put("?")
                case "$":
                    self._put("$", "$" if multiline[-1] else r"\Z")
                case "}" | "]":
                    self._put(c, "\\" + c)
                case _:
                    self._put(c)
            begun[-1] = True
        if len(open_groups) > 1:
            raise self.fail("missing closing )")
        self.out.append(")" * open_groups[0])
        return "".join(self.out)

    @staticmethod
    def _enter(groups: list[int], begun: list[bool], late: list[bool], multiline: list[bool], now: bool) -> None:
        begun[-1] = True
        groups.append(0)
        multiline.append(now)
        begun.append(False)
        late.append(False)

    def _put(self, read: str, written: str | None = None) -> None:
        self.out.append(read if written is None else written)
        self.at += len(read)

    def _repeatable(self, atom: bool, repeated: bool, what: str) -> None:
        if repeated:
            raise self.fail(f"invalid nested repetition operator: `{what}`")
        if not atom:
            raise self.fail(f"missing argument to repetition operator: `{what}`")

    def _escape(self) -> bool:
        """An escape outside of a class; whether it can be repeated."""
        c = self.text[self.at + 1 : self.at + 2]
        match c:
            case "A":
                self._put(r"\A")
            case "z":
                self._put(r"\z", r"\Z")
            case "b" | "B":
                self._put("\\" + c, f"(?a:\\{c})")
            case "d" | "w" | "s":
                self._put("\\" + c, f"[{_CLASSES[c]}]")
            case "D" | "W" | "S":
                self._put("\\" + c, f"[^{_CLASSES[c.lower()]}]")
            case "Q":
                end = self.text.find("\\E", self.at)
                literal = self.text[self.at + 2 :] if end < 0 else self.text[self.at + 2 : end]
                self.out.append(re.escape(literal))
                self.at = len(self.text) if end < 0 else end + 2
                return bool(literal)
            case "E":
                self.at += 2
                return False
            case _:
                self.out.append(self._character())
        return True

    def _character(self) -> str:
        """One character written as an escape, as Python writes it literally."""
        c = self.text[self.at + 1 : self.at + 2]
        if not c:
            raise self.fail("trailing backslash at end of expression")
        simple = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}.get(c)
        if simple is not None:
            self.at += 2
            return f"\\x{simple:02x}"
        if c == "x":
            found = re.compile(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})").match(self.text, self.at)
            code = int(found[1] or found[2], 16) if found else 0x110000
            if found is None or code > 0x10FFFF:
                raise self.fail(f"invalid escape sequence: `{self.text[self.at : self.at + 4]}`")
            self.at = found.end()
            return re.escape(chr(code))
        if c in "01234567":
            found = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})").match(self.text, self.at)
            if found is None:
                raise self.fail(f"invalid escape sequence: `\\{c}`")
            self.at = found.end()
            return re.escape(chr(int(found[1], 8)))
        if c in "pP":
            raise self.fail("Unicode character classes are not supported by this server")
        if c.isascii() and not c.isalnum():
            self.at += 2
            return re.escape(c)
        raise self.fail(f"invalid escape sequence: `\\{c}`")

    def _set(self) -> None:
        start = self.at
        self.at += 1
        parts: list[str] = []
        negated = self.text.startswith("^", self.at)
        if negated:
            self.at += 1
        first = True
        while True:
            if self.at >= len(self.text):
                raise self.fail(f"missing closing ]: `{self.text[start:]}`")
            c = self.text[self.at]
            if c == "]" and not first:
                self.at += 1
                break
            first = False
            if c == "[" and self.text.startswith("[:", self.at):
                end = self.text.find(":]", self.at)
                if end > 0:
                    parts.append(self._posix(self.text[self.at + 2 : end]))
                    self.at = end + 2
                    continue
            if c == "\\" and (wide := self.text[self.at + 1 : self.at + 2]) and wide in "dwsDWS":
                parts.append(_CLASSES[wide] if wide.islower() else _NOT[wide.lower()])
                self.at += 2
                continue
            low = self._member()
            after = self.text[self.at + 1 : self.at + 2]
            if self.text.startswith("-", self.at) and after not in ("]", ""):
                self.at += 1
                if self.text[self.at] == "\\" and after and self.text[self.at + 1 : self.at + 2] in tuple("dwsDWS"):
                    raise self.fail(f"invalid character class range: `{self.text[start : self.at + 2]}`")
                parts.append(f"{low}-{self._member()}")
            else:
                parts.append(low)
        self.out.append(f"[{'^' if negated else ''}{''.join(parts)}]")

    def _posix(self, name: str) -> str:
        found = _POSIX.get(name.removeprefix("^"))
        if found is None or name.startswith("^"):
            raise self.fail(f"invalid character class range: `[:{name}:]`")
        return found

    def _member(self) -> str:
        c = self.text[self.at]
        if c == "\\":
            return self._character()
        self.at += 1
        return re.escape(c)
