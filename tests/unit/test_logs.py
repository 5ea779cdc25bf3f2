"""Log lines: one sentence, fields that can be told apart, one line each."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import orjson
import pytest

from minikube_py.daemon import logs


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    """Leave logging as it was for the other tests."""
    top, ours = logging.getLogger(), logging.getLogger(logs.ROOT)
    before = (list(top.handlers), top.level, ours.level)
    yield
    top.handlers[:] = before[0]
    top.setLevel(before[1])
    ours.setLevel(before[2])


def test_a_text_line() -> None:
    out = io.StringIO()
    logs.configure("info", stream=out)
    logs.get("kubelet").info("container started", pod="default/a", container="web", count=3)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  kubelet: container started"
        r"  pod=default/a container=web count=3\n",
        out.getvalue(),
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a b", '"a b"'), ("", '""'), ('say "x"', r'"say \"x\""'), ("a=b", '"a=b"'), ("two\nlines", r'"two\nlines"'),
     (None, "None"), ("ümlaut", "ümlaut"), ("\x1b[31m", r'"\x1b[31m"'), ("back\\slash", "back\\slash"),
     ('a\\"b', r'"a\\\"b"')],
)  # fmt: skip
def test_values_stay_one_word(value: object, shown: str) -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    logs.get("x").warning("s", v=value)
    assert out.getvalue().endswith(f" x: s  v={shown}\n")


def test_levels() -> None:
    out = io.StringIO()
    logs.configure("warning", stream=out)
    log = logs.get("x")
    log.debug("one")
    log.info("two")
    log.warning("three")
    log.error("four")
    assert [line.split(": ")[1] for line in out.getvalue().splitlines()] == ["three", "four"]
    logs.configure("debug", stream=out)
    log.debug("five")
    assert out.getvalue().count("five") == 1, "configuring twice does not write twice"


def test_json_lines_with_a_traceback() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    try:
        raise KeyError("k")
    except KeyError:
        logs.get("x").exception("it failed", key="a", msg="mine", when={1: object})
    line = orjson.loads(out.getvalue())
    assert (line["level"], line["component"], line["msg"], line["key"]) == ("error", "x", "it failed", "a")
    assert line["field_msg"] == "mine" and "KeyError: 'k'" in line["trace"]


def test_text_with_a_traceback_and_percent_signs() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    try:
        raise KeyError("k")
    except KeyError:
        logs.get("x").exception("100 %s failed")
    first, *rest = out.getvalue().splitlines()
    assert first.endswith("ERROR x: 100 %s failed") and rest[-1] == "KeyError: 'k'"


def test_libraries_come_along_from_warning_up() -> None:
    out = io.StringIO()
    logs.configure("debug", stream=out)
    logging.getLogger("somelib").info("chatter")
    logging.getLogger("somelib").warning("look %s", "here")
    assert out.getvalue().endswith("WARNING somelib: look here\n") and "chatter" not in out.getvalue()


def test_unknown_levels_and_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="log level 'loud' is not one of debug, info, warning, error"):
        logs.configure("loud")
    with pytest.raises(ValueError, match="logging format 'xml'"):
        logs.configure("info", "xml")
