"""Kubernetes as a set of small Python daemons."""

__version__ = "0.1.0"

KUBERNETES_VERSION = "v1.36.3"
"""The Kubernetes release whose API this project serves; `/version` reports it."""
