"""Image references: what is one, and its parts."""

from __future__ import annotations

import re

from minikube_py.kubelet.runtime.base import InvalidImageName

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<repository>(?:(?:localhost|[A-Za-z0-9-]*[.:][A-Za-z0-9.:-]*)/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


def split(name: str) -> tuple[str, str]:
    """The repository and its tag or digest; without either the tag is `latest`. Raises InvalidImageName."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise InvalidImageName(invalid(name, "invalid reference format"))
    return match["repository"], match["digest"] or match["tag"] or "latest"


def normalized(name: str) -> str:
    """The short form with a tag: `docker.io/library/busybox` is `busybox:latest`; an image id stays what it is.

    Raises InvalidImageName.
    """
    if re.fullmatch(r"sha256:[0-9a-f]{64}", name):
        return name
    repository, version = split(name)
    for prefix in ("docker.io/library/", "docker.io/"):
        repository = repository.removeprefix(prefix)
    return repository + ("@" if version.startswith("sha256:") else ":") + version


def full_repository(name: str) -> str:
    """Registry and path without tag or digest: `busybox:1` is `docker.io/library/busybox`. Raises InvalidImageName."""
    repository, _ = split(name)
    first, slash, rest = repository.partition("/")
    if not slash or not (set(".:") & set(first) or first == "localhost" or first != first.lower()):
        first, rest = "docker.io", repository
    if first == "index.docker.io":
        first = "docker.io"
    if first == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return f"{first}/{rest}"


def invalid(name: str, why: str) -> str:
    """The sentence that Kubernetes shows for a name that is none."""
    why = why.removeprefix(f"no such image: {name}: ")  # Docker's look at an image that it cannot have
    return f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": {why}'
