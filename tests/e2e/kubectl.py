"""kubectl bound to a cluster, a version and a namespace, as tests call it; and a kubectl that keeps running."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, Result, kubectl_binary, run, until

Object = dict[str, Any]


def documents(*objects: Object) -> str:
    """Objects as one YAML file of several documents."""
    return "".join(f"---\n{json.dumps(found)}\n" for found in objects)


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl in one namespace and fails the test on an unexpected exit code."""

    cluster: Cluster
    version: str
    namespace: str

    def __call__(
        self, *arguments: str, input: str | Object = "", code: int = 0, timeout: float = 40,
        env: Mapping[str, str] | None = None,
    ) -> Result:  # fmt: skip
        """Run `kubectl ARGUMENTS`; an object as `input` is sent as JSON."""
        text = input if isinstance(input, str) else json.dumps(input)
        result = run(self._command(arguments), input=text, env={**self.cluster.env, **(env or {})}, timeout=timeout)
        assert result.code == code, f"exit code {code} was expected\n{result}\n-- input\n{text}"
        return result

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [str(kubectl_binary(self.version)), f"--namespace={self.namespace}", *arguments]

    def start(self, *arguments: str, tty: bool = False) -> Running:
        """Start `kubectl ARGUMENTS` and leave it running; use it as a context manager."""
        return Running(self._command(arguments), {**os.environ, **self.cluster.env}, tty)

    def create(self, *objects: Object) -> None:
        """`kubectl create` of objects, as the documents of one file."""
        self("create", "-f", "-", input=documents(*objects))

    def get(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`, decoded."""
        return self("get", *arguments, "-o", "json").json()

    def ready(self, *names: str) -> None:
        """Wait until Pods are Ready."""
        self("wait", "--for=condition=Ready", "--timeout=30s", *(f"pod/{name}" for name in names))

    def phase(self, name: str, phase: str) -> Object:
        """Wait until a Pod has a phase; the Pod."""

        def ask() -> Object:
            pod: Object = self.get("pod", name)
            assert pod["status"].get("phase") == phase, json.dumps(pod["status"], indent=1)
            return pod

        return until(ask, 30)

    def events(self, name: str, reason: str) -> str:
        """Wait for an event about an object; its message."""
        selector = f"--field-selector=involvedObject.name={name},reason={reason}"
        return until(lambda: self("get", "events", selector, "-o", "jsonpath={.items[*].message}").out)


class Running:
    """A kubectl that runs while the test goes on; what it prints is collected, on a terminal or through pipes."""

    def __init__(self, command: list[str], env: Mapping[str, str], tty: bool) -> None:
        self.command = shlex.join(command)
        self.printed = ""
        self._lock = threading.Lock()
        self._input: int
        if tty:
            self._input, other = pty.openpty()
            fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
            self._process = subprocess.Popen(
                command, stdin=other, stdout=other, stderr=other, env=env, start_new_session=True
            )
            os.close(other)
            sources = [self._input]
        else:
            piped = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
            )
            assert piped.stdin and piped.stdout and piped.stderr
            self._process = piped
            self._input = os.dup(piped.stdin.fileno())
            piped.stdin.close()
            sources = [os.dup(piped.stdout.fileno()), os.dup(piped.stderr.fileno())]
            piped.stdout.close()
            piped.stderr.close()
        self._tty = tty
        self._readers = [threading.Thread(target=self._read, args=(source,), daemon=True) for source in sources]
        for reader in self._readers:
            reader.start()

    def _read(self, source: int) -> None:
        while True:
            try:
                chunk = os.read(source, 65536)
            except OSError:  # a terminal whose other side is closed
                chunk = b""
            if not chunk:
                break
            with self._lock:
                self.printed += chunk.decode(errors="replace").replace("\r\n", "\n")
        if not self._tty:
            os.close(source)

    def write(self, text: str) -> None:
        """Type a text."""
        os.write(self._input, text.encode())

    def close_input(self) -> None:
        """End of input; on a terminal that is Ctrl-D."""
        if self._tty:
            self.write("\x04")
        elif self._input >= 0:
            os.close(self._input)
            self._input = -1

    def shows(self, *texts: str, seconds: float = 15) -> str:
        """Wait until it has printed each of the texts; everything that it has printed."""
        end = time.monotonic() + seconds
        while missing := [text for text in texts if text not in self.printed]:
            if time.monotonic() > end:
                pytest.fail(f"$ {self.command}\ndid not print {missing} within {seconds} s, but:\n{self.printed}")
            time.sleep(0.03)
        return self.printed

    def ends(self, code: int = 0, seconds: float = 20) -> str:
        """Wait until it ends with an exit code; everything that it has printed."""
        try:
            ended = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"$ {self.command}\nstill runs after {seconds} s; it printed:\n{self.printed}")
        for reader in self._readers:
            reader.join(5)
        assert ended == code, f"$ {self.command}\nended with {ended} instead of {code}; it printed:\n{self.printed}"
        return self.printed

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join(5)
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
