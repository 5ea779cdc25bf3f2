"""What `up` was asked for a cluster: the next `up` asks for the same where it says nothing else."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from minikube_py.cli import processes
from minikube_py.cli.daemons import layout_of
from minikube_py.cli.failures import Failed
from minikube_py.cli.layout import ALL_IN_ONE, DAEMONS, Layout, read_json
from minikube_py.daemon import files

_OF_THE_COMMAND = ("command", "data_dir", "foreground", "wait")
_CHANGEABLE = ("verbosity", "logging_format")


def fill_in(arguments: argparse.Namespace, given: Sequence[str]) -> None:
    """Put the remembered values where no flag was given.

    Raises Failed when a flag says something else than what the running daemons were started with.
    """
    layout = layout_of(arguments)
    known = read_json(layout.cluster_file).get("flags")
    if not isinstance(known, Mapping):
        return
    said = _said(given)
    alive = [p for p in (*DAEMONS, ALL_IN_ONE) if processes.running(layout, p) is not None]
    for name, value in known.items():
        if not hasattr(arguments, name) or name in _OF_THE_COMMAND:
            continue
        old = tuple(value) if isinstance(value, list) and name == "service_node_port_range" else value
        if name not in said:
            setattr(arguments, name, old)
        elif getattr(arguments, name) != old and alive and name not in _CHANGEABLE:
            flag = name.replace("_", "-")
            raise Failed(f"the cluster runs with another --{flag} ({old}): `minikube-py down` before you change it")


def keep(layout: Layout, arguments: argparse.Namespace, *, processes: Sequence[str], node: str) -> None:
    """Remember the flags, and what `status` and `down` must know. Raises OSError."""
    flags = {k: v for k, v in vars(arguments).items() if k not in _OF_THE_COMMAND}
    content = {
        "processes": list(processes), "node": node, "containerRuntime": arguments.container_runtime,
        "containerRuntimeEndpoint": arguments.container_runtime_endpoint, "flags": flags,
    }  # fmt: skip
    files.replace(layout.cluster_file, json.dumps(content, indent=2).encode())


def _said(given: Sequence[str]) -> set[str]:
    """The names of the flags that the command line has."""
    from minikube_py.cli.parser import add_up

    parser = argparse.ArgumentParser(allow_abbrev=False, argument_default=argparse.SUPPRESS)
    add_up(parser)
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    found: dict[str, Any] = vars(parser.parse_known_args(list(given))[0])
    return set(found)
