"""A file per controller, and the one list of them, in the order in which they start."""

from __future__ import annotations

from minikube_py.controller_manager.context import Reconciler
from minikube_py.controller_manager.controllers.garbage_collector import GarbageCollector
from minikube_py.controller_manager.controllers.namespace import NamespaceController
from minikube_py.controller_manager.controllers.node_lifecycle import NodeLifecycle
from minikube_py.controller_manager.controllers.pod_gc import PodGarbageCollector
from minikube_py.controller_manager.controllers.root_ca import RootCAPublisher
from minikube_py.controller_manager.controllers.serviceaccount import ServiceAccountController
from minikube_py.controller_manager.controllers.taint_eviction import TaintEviction

CONTROLLERS: tuple[type[Reconciler], ...] = (
    NamespaceController,
    ServiceAccountController,
    RootCAPublisher,
    NodeLifecycle,
    TaintEviction,
    PodGarbageCollector,
    GarbageCollector,
)
