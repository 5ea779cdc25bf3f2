"""A real image registry for tests: Debian's docker-registry on a free port of 127.0.0.1, with a user and a password."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.etcd import free_port
from tests.images import BUSYBOX, need_docker

USER, PASSWORD = "puller", "registry-test-word"
_HTPASSWD = "puller:$2y$04$kE9R52orhndadC0MUhJwJeqitnMa8kr2QxadY7CEyAf1yVAHURB4W"
"""Made once with `htpasswd -nbB`, so that the tests need no bcrypt."""


class Registry:
    """A registry: `address` is what image names begin with. One that is `open` asks nobody who he is."""

    def __init__(self, directory: Path, *, open: bool = False) -> None:
        self._open = open
        self.address = f"127.0.0.1:{free_port()}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        passwords = self._directory / "htpasswd"
        passwords.write_text(_HTPASSWD + "\n")
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(self._directory / "data")}},
            "http": {"addr": self.address},
        }
        if not self._open:
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(passwords)}}
        # JSON is YAML, too.
        (self._directory / "config.yml").write_text(json.dumps(config))
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binary(), "serve", str(self._directory / "config.yml")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        end = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the registry did not start: {(self._directory / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.address, timeout=5)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == (200 if self._open else 401)
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End it, and remove from the engine what was pushed to or pulled from it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
        # With digests: a tag that moved on leaves the old image behind under its digest.
        every = ["image", "ls", "--digests", "--filter", f"reference={self.address}/*/*"]
        for name in docker(*every, "--format", "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}").split():
            if "<none>" not in name:
                self.forget(name)

    def push(self, name: str, image: str = BUSYBOX) -> str:
        """Store a local image under `name` (`team/tool:1`) and take that name from the engine again; its full name."""
        full = f"{self.address}/{name}"
        config = self._directory / "docker"
        config.mkdir(exist_ok=True)
        (config / "config.json").write_text(json.dumps(self.docker_config()))
        docker("tag", image, full)
        docker("--config", str(config), "push", "--quiet", full)
        self.forget(full)
        return full

    def digest(self, name: str) -> str:
        """The same image by its digest, from its full name."""
        repository, _, tag = name.rpartition(":")
        connection = http.client.HTTPConnection(self.address, timeout=5)
        try:
            path = f"/v2/{repository.partition('/')[2]}/manifests/{tag}"
            kind = "application/vnd.docker.distribution.manifest.v2+json"
            connection.request("HEAD", path, headers={"Accept": kind, "Authorization": f"Basic {_auth()}"})
            found = connection.getresponse().headers["Docker-Content-Digest"]
        finally:
            connection.close()
        return f"{repository}@{found}"

    def forget(self, name: str) -> None:
        """Take a name from the engine; what is not there is no error."""
        subprocess.run(["docker", "rmi", "--force", name], capture_output=True, timeout=60, check=False)

    def docker_config(self, password: str = PASSWORD) -> dict[str, Any]:
        """What `docker login` would have written."""
        return {"auths": {self.address: {"auth": _auth(password)}}}


def _auth(password: str = PASSWORD) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def docker(*words: str) -> str:
    """Run the docker command; fails the test with what it said."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _binary() -> str:
    """The registry's path; without one the test is skipped, or fails where CI is set."""
    found = shutil.which("docker-registry")
    if found is None:
        message = "no docker-registry on PATH (Debian package docker-registry)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def registry(directory: Path, *, open: bool = False) -> Iterator[Registry]:
    """A registry for the time of a test."""
    need_docker()
    made = Registry(directory, open=open)
    try:
        made.start()
        yield made
    finally:
        made.stop()
