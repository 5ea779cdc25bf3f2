"""`minikube-py`: one subcommand per daemon, and up, down and status for a whole cluster on this machine."""

from minikube_py.cli.parser import main

__all__ = ["main"]
