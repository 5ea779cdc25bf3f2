"""Go's regular expressions and kubectl's JSON paths."""

from __future__ import annotations

from typing import Any

import pytest

from minikube_py.apiserver.custom import jsonpath, regex
from minikube_py.apiserver.custom.columns import cell, columns
from minikube_py.apiserver.kinds._cells import Age


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("^a$", ["a"], ["a\n", "b", "\na"]),
        ("(?m)^a$", ["a", "b\na\nc"], ["ab"]),
        (r"^\d+$", ["12"], ["١٢", "a"]),
        (r"^\w\W$", ["a-"], ["é-", "ab"]),
        (r"^[\d\s]+$", ["1 2"], ["a"]),
        (r"^[\W]$", ["-", "é"], ["a", "_"]),
        (r"^[[:alpha:]_]+\z", ["aB_"], ["1"]),
        ("(?i)foo|bar", ["FOO", "BAR"], ["baz"]),
        ("^(?i:a)b$", ["Ab"], ["AB"]),
        ("^a(?i)b$", ["aB"], ["AB"]),
        ("^x|(?i)y$", ["x", "Y"], ["X"]),
        (r"^\Qa.b\E+$", ["a.b", "a.bb"], ["axb"]),
        (r"^\x41\x{42}\103$", ["ABC"], ["abc"]),
        ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^a{,2}$", ["a{,2}"], ["aa"]),
        ("^a{x}$", ["a{x}"], ["a"]),
        ("^(?P<n>a)(?<m>b)$", ["ab"], ["a"]),
        ("^[]a]$", ["]", "a"], ["b"]),
        ("^[a-c-]$", ["-", "b"], ["d"]),
        ("^[^a-c]$", ["d", "\n"], ["b"]),
        ("^[[.&&~]$", ["[", "&", "~"], ["a"]),
        (r"^[\-\]]$", ["-", "]"], ["a"]),
        ("^.$", ["a"], ["\n"]),
        ("(?s)^.$", ["\n"], ["ab"]),
        (r"\bfoo\b", ["a foo b"], ["food"]),
        ("a*?b+?c??", ["b"], ["a"]),
        ("", ["", "x"], []),
        (
            r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
            ["100m", "1.5Gi", "1e3", "-.5"],
            ["1.5Gib", "x", "1\n"],
        ),
        (r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:]|[%][0-9a-fA-F]{2})+$", ["/a/%20b", "a=b&&c--d||"[:8]], ["%2", "a b", "|"]),
    ],
)
def test_regular_expressions_of_go(pattern: str, matching: list[str], others: list[str]) -> None:
    compiled = regex.compile_go(pattern)
    assert [t for t in matching if not compiled.search(t)] == []
    assert [t for t in others if compiled.search(t)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "a)",
        "[a",
        "*a",
        "a**",
        "a++",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?>a)",
        r"(a)\1",
        r"\Z",
        r"\pL",
        "(?U)a",
        "a{1001}",
        "a{3,2}",
        "a\\",
        r"[\b]",
        r"\e",
        "[b-a]",
        r"[a-\d]",
        "[[:nope:]]",
        "a(?i)b|c",
        "(?P=n)",
        "(?#x)",
    ],
)
def test_what_go_refuses_or_python_cannot_mean(pattern: str) -> None:
    with pytest.raises(ValueError, match="error parsing regexp"):
        regex.compile_go(pattern)


OBJ: dict[str, Any] = {
    "spec": {"a": [{"n": "x", "v": 1}, {"n": "y", "v": 2}], "k.l/m": "odd", "flag": True, "o": {"p": 1, "q": [2]}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.flag", [True]),
        (".spec.none", []),
        (".spec.a[0].n", ["x"]),
        (".spec.a[-1].n", ["y"]),
        (".spec.a[5].n", []),
        (".spec.a[*].n", ["x", "y"]),
        (".spec.a[:1].n", ["x"]),
        (".spec.a[0,1].v", [1, 2]),
        (r".spec.k\.l/m", ["odd"]),
        (".spec['k.l/m']", ["odd"]),
        (".spec.o.*", [1, [2]]),
        ("..n", ["x", "y"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Other')].status", ["False"]),
        (".spec.a[?(@.v>1)].n", ["y"]),
        (".spec.a[?(@.v<=1)].n", ["x"]),
        (".spec.a[?(@.v!=1)].n", ["y"]),
        (".spec.a[?(@.zzz)].n", []),
        (".spec.a[?(@.v)].n", ["x", "y"]),
        (".", [OBJ]),
    ],
)
def test_json_paths(path: str, found: list[Any]) -> None:
    assert jsonpath.parse(path)(OBJ) == found


@pytest.mark.parametrize(
    "path", ["spec", "", ".spec.", ".spec[", ".spec[x]", ".a[?(@.b", ".a b", ".a[?(@.b==)]", ".a[::0]"]
)
def test_what_is_no_json_path(path: str) -> None:
    with pytest.raises(ValueError):
        jsonpath.parse(path)


def test_cells() -> None:
    assert cell([], "string") is None and cell([None], "string") is None
    assert cell(["a", 1, {"b": True}], "string") == 'a 1 {"b":true}'
    assert cell([1.0], "integer") == 1 and cell(["1"], "integer") is None and cell([True], "integer") is None
    assert cell([1.5], "number") == 1.5 and cell([True], "boolean") is True and cell(["x"], "boolean") is None
    assert cell(["noon"], "date") == "<invalid>" and isinstance(cell(["2030-01-01T00:00:00Z"], "date"), Age)
    shown, row = columns(())
    assert [c.name for c in shown] == ["Name", "Age"]
    assert row({"metadata": {"name": "x", "creationTimestamp": "2030-01-01T00:00:00Z"}})[0] == "x"
