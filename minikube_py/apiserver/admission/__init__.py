"""What every write passes before it is stored, in one ordered list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.apiserver.admission.base import Admission, Attributes, Plugin
from minikube_py.apiserver.admission.namespace_lifecycle import NamespaceLifecycle

if TYPE_CHECKING:
    from minikube_py.apiserver.catalog import Catalog
    from minikube_py.apiserver.config import Config
    from minikube_py.apiserver.storage import Storage
    from minikube_py.daemon.clock import Clock

__all__ = ["Admission", "Attributes", "Plugin", "plugins"]


def plugins(config: Config, storage: Storage, catalog: Catalog, clock: Clock) -> Sequence[Plugin]:
    """The admission plugins in the order in which a write passes them, which is upstream's."""
    return (NamespaceLifecycle(storage),)
