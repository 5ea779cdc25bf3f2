"""Logging as a fixed sentence plus fields: text lines for people, JSON lines for machines, over stdlib logging.

2026-11-22T22:00:00.000Z INFO  kubelet: container started  pod=default/a container=web
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

ROOT = "minikube_py"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMATS = ("text", "json")


class Logger:
    """Writes sentences with fields under one component name. Values are shown with str(); no secrets, no bodies."""

    __slots__ = ("_log", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._log = logging.getLogger(f"{ROOT}.{name}")

    def debug(self, sentence: str, /, **fields: Any) -> None:
        if self._log.isEnabledFor(logging.DEBUG):
            self._write(logging.DEBUG, sentence, fields)

    def info(self, sentence: str, /, **fields: Any) -> None:
        if self._log.isEnabledFor(logging.INFO):
            self._write(logging.INFO, sentence, fields)

    def warning(self, sentence: str, /, **fields: Any) -> None:
        self._write(logging.WARNING, sentence, fields)

    def error(self, sentence: str, /, **fields: Any) -> None:
        self._write(logging.ERROR, sentence, fields)

    def exception(self, sentence: str, /, **fields: Any) -> None:
        """An error with the traceback of the exception being handled."""
        self._log.log(logging.ERROR, "%s", sentence, exc_info=True, extra={"fields": fields, "component": self.name})

    def _write(self, level: int, sentence: str, fields: Mapping[str, Any]) -> None:
        self._log.log(level, "%s", sentence, extra={"fields": fields, "component": self.name})


def get(name: str) -> Logger:
    """The logger of a component, such as "kubelet" or "informer"."""
    return Logger(name)


def configure(level: str = "info", format: str = "text", stream: TextIO | None = None) -> None:
    """Send the log to `stream` (stderr when None) from `level` up, replacing an earlier configuration.

    Libraries' warnings come along in the same shape. Raises ValueError for a level or format it does not know.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
    if format not in FORMATS:
        raise ValueError(f"logging format {format!r} is not one of {', '.join(FORMATS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if format == "json" else _Text())
    server = logging.getLogger("uvicorn.error")
    if not any(isinstance(f, _NoAborts) for f in server.filters):
        server.addFilter(_NoAborts())
    top = logging.getLogger()
    for old in [h for h in top.handlers if isinstance(h.formatter, (_Text, _Json))]:
        top.removeHandler(old)
    top.addHandler(handler)
    top.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(LEVELS[level])


class _NoAborts(logging.Filter):
    """Drops the HTTP server's tracebacks for answers that were broken off on purpose."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, ConnectionError | asyncio.CancelledError)


def _stamp(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"


def _parts(record: logging.LogRecord) -> tuple[str, Mapping[str, Any]]:
    return getattr(record, "component", record.name), getattr(record, "fields", {})


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        component, fields = _parts(record)
        line = f"{_stamp(record)} {record.levelname:<5} {component}: {_one_line(record.getMessage())}"
        if fields:
            line += "  " + " ".join(f"{k}={_quoted(v)}" for k, v in fields.items())
        trace = _trace(record)
        return f"{line}\n{trace}" if trace else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import orjson

        component, fields = _parts(record)
        line: dict[str, Any] = {
            "ts": _stamp(record),
            "level": record.levelname.lower(),
            "component": component,
            "msg": record.getMessage(),
        }
        for key, value in fields.items():
            line[key if key not in line else f"field_{key}"] = value
        trace = _trace(record)
        if trace:
            line["trace"] = trace
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _one_line(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _quoted(value: Any) -> str:
    """A field's value as one word: quoted when it holds blanks, quotes, an equals sign or unprintable characters."""
    text = str(value)
    if text and text.isprintable() and not any(c in text for c in ' "='):
        return text
    text = _one_line(text.replace("\\", "\\\\")) if not text.isprintable() else text.replace("\\", "\\\\")
    return '"' + text.replace('"', '\\"') + '"'
