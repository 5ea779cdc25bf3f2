"""A shell language small enough for scripted containers: lists, pipes, loops, conditions, quotes, redirects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


class ShellSyntaxError(Exception):
    """The script uses something that this shell does not know; the sentence says what."""


@dataclass(slots=True)
class Word:
    """One word as pieces of text; a piece with `expand` has its $NAME replaced, a quoted piece is never dropped."""

    pieces: list[tuple[str, bool]] = field(default_factory=list)
    quoted: bool = False

    @property
    def plain(self) -> str:
        """The text before expansion, or "" if any of it was quoted (keywords and operators are never quoted)."""
        return "" if self.quoted else "".join(text for text, _ in self.pieces)


@dataclass(frozen=True, slots=True)
class Redirect:
    """`fd` goes to `target`; a target word "&N" means another descriptor. mode: w, a or r."""

    fd: int
    mode: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    words: Sequence[Word]
    redirects: Sequence[Redirect]


@dataclass(frozen=True, slots=True)
class Pipe:
    stages: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Loop:
    condition: Script
    body: Script
    until: bool


@dataclass(frozen=True, slots=True)
class If:
    condition: Script
    then: Script
    otherwise: Script | None


@dataclass(frozen=True, slots=True)
class Item:
    """A statement of a list: `operator` says how it hangs on the one before (";", "&&" or "||")."""

    operator: str
    node: Node
    background: bool = False


Script = list[Item]
Node = Simple | Pipe | Loop | If

_OPERATORS = ("&&", "||", ";", "&", "|", "\n")
_CLOSERS = ("done", "do", "then", "else", "elif", "fi")


def parse(text: str) -> Script:
    """The script's statements. Raises ShellSyntaxError."""
    parser = _Parser(_tokens(text))
    script = parser.script()
    if parser.peek() is not None:
        raise ShellSyntaxError(f"unexpected {parser.shown()}")
    return script


def _tokens(text: str) -> list[str | Word | Redirect]:
    tokens: list[str | Word | Redirect] = []
    at, size = 0, len(text)
    pending: tuple[int, str] | None = None

    def finish(word: Word) -> None:
        nonlocal pending
        if pending is not None:
            tokens.append(Redirect(pending[0], pending[1], word))
            pending = None
        else:
            tokens.append(word)

    while at < size:
        char = text[at]
        if char in " \t":
            at += 1
        elif char == "#":
            at = text.find("\n", at)
            at = size if at < 0 else at
        elif text.startswith(("1>", "2>"), at):
            at, pending = _redirect(text, at + 1, int(char))
        elif char in "<>":
            at, pending = _redirect(text, at, 0 if char == "<" else 1)
        elif char in "();{}" and char != ";":
            raise ShellSyntaxError(f"{char!r} is not supported")
        elif pending is not None and char == "&" and text[at + 1 : at + 2].isdigit():
            finish(Word([(text[at : at + 2], False)]))
            at += 2
        elif operator := next((o for o in _OPERATORS if text.startswith(o, at)), ""):
            tokens.append(operator)
            at += len(operator)
        else:
            at, word = _word(text, at)
            finish(word)
    if pending is not None:
        raise ShellSyntaxError("a redirect without a target")
    return tokens


def _redirect(text: str, at: int, fd: int) -> tuple[int, tuple[int, str]]:
    if text.startswith("<", at):
        return at + 1, (fd, "r")
    if text.startswith(">>", at):
        return at + 2, (fd, "a")
    return at + 1, (fd, "w")


def _word(text: str, at: int) -> tuple[int, Word]:
    word = Word()
    while (at < len(text) and text[at] not in " \t\n;&|<>(){}") or text.startswith("${", at):
        char = text[at]
        if char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise ShellSyntaxError("a quote that does not end")
            word.pieces.append((text[at + 1 : end], False))
            word.quoted = True
            at = end + 1
        elif char == '"':
            at, piece = _double_quoted(text, at + 1)
            word.pieces.append((piece, True))
            word.quoted = True
        elif char == "\\" and at + 1 < len(text):
            word.pieces.append((text[at + 1], False))
            at += 2
        elif text.startswith("${", at):
            end = text.find("}", at)
            if end < 0:
                raise ShellSyntaxError("a ${ that does not end")
            word.pieces.append((text[at : end + 1], True))
            at = end + 1
        elif text.startswith("$(", at) or char == "`":
            raise ShellSyntaxError("command substitution is not supported")
        else:
            word.pieces.append((char, True))
            at += 1
    word.pieces = _joined(word.pieces)
    return at, word


def _double_quoted(text: str, at: int) -> tuple[int, str]:
    out: list[str] = []
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\", "$"):
            at += 1
        out.append(text[at])
        at += 1
    if at >= len(text):
        raise ShellSyntaxError("a quote that does not end")
    return at + 1, "".join(out)


def _joined(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    out: list[tuple[str, bool]] = []
    for text, expand in pieces:
        if out and out[-1][1] == expand:
            out[-1] = (out[-1][0] + text, expand)
        else:
            out.append((text, expand))
    return out


class _Parser:
    def __init__(self, tokens: list[str | Word | Redirect]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str | Word | Redirect | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def shown(self) -> str:
        token = self.peek()
        return "the end" if token is None else repr(token.plain if isinstance(token, Word) else token)

    def keyword(self, *names: str) -> bool:
        token = self.peek()
        return isinstance(token, Word) and token.plain in names

    def expect(self, name: str) -> None:
        if not self.keyword(name):
            raise ShellSyntaxError(f"expected {name!r} before {self.shown()}")
        self._at += 1

    def script(self) -> Script:
        items: Script = []
        operator = ";"
        while True:
            while self.peek() in (";", "\n"):
                self._at += 1
            if self.peek() is None or self.keyword(*_CLOSERS):
                return items
            node = self.pipe()
            token = self.peek()
            items.append(Item(operator, node, background=token == "&"))
            operator = ";"
            if token in ("&&", "||"):
                operator = str(token)
            if token in _OPERATORS:
                self._at += 1
            elif token is not None and not self.keyword(*_CLOSERS):
                raise ShellSyntaxError(f"unexpected {self.shown()}")

    def pipe(self) -> Node:
        stages = [self.command()]
        while self.peek() == "|":
            self._at += 1
            stages.append(self.command())
        return stages[0] if len(stages) == 1 else Pipe(stages)

    def command(self) -> Node:
        if self.keyword("while", "until"):
            until = self.keyword("until")
            self._at += 1
            condition = self.script()
            self.expect("do")
            body = self.script()
            self.expect("done")
            return Loop(condition, body, until)
        if self.keyword("if"):
            self._at += 1
            return self.conditional()
        words: list[Word] = []
        redirects: list[Redirect] = []
        while (token := self.peek()) is not None and not isinstance(token, str):
            if isinstance(token, Redirect):
                redirects.append(token)
            else:
                words.append(token)
            self._at += 1
        if not words:
            raise ShellSyntaxError(f"expected a command before {self.shown()}")
        return Simple(words, redirects)

    def conditional(self) -> If:
        condition = self.script()
        self.expect("then")
        then = self.script()
        otherwise: Script | None = None
        if self.keyword("elif"):
            self._at += 1
            return If(condition, then, [Item(";", self.conditional())])
        if self.keyword("else"):
            self._at += 1
            otherwise = self.script()
        self.expect("fi")
        return If(condition, then, otherwise)
