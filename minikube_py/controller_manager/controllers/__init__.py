"""A file per controller, and the one list of them, in the order in which they start."""

from __future__ import annotations

from minikube_py.controller_manager.context import Reconciler
from minikube_py.controller_manager.controllers.clusterrole_aggregation import ClusterRoleAggregation
from minikube_py.controller_manager.controllers.csr_approving import CSRApproving
from minikube_py.controller_manager.controllers.csr_cleaner import CSRCleaner
from minikube_py.controller_manager.controllers.csr_signing import CSRSigning
from minikube_py.controller_manager.controllers.disruption import DisruptionController
from minikube_py.controller_manager.controllers.garbage_collector import GarbageCollector
from minikube_py.controller_manager.controllers.namespace import NamespaceController
from minikube_py.controller_manager.controllers.node_lifecycle import NodeLifecycle
from minikube_py.controller_manager.controllers.pod_gc import PodGarbageCollector
from minikube_py.controller_manager.controllers.pv_protection import PersistentVolumeProtection
from minikube_py.controller_manager.controllers.pvc_protection import PersistentVolumeClaimProtection
from minikube_py.controller_manager.controllers.resourcequota import ResourceQuotaController
from minikube_py.controller_manager.controllers.root_ca import RootCAPublisher
from minikube_py.controller_manager.controllers.serviceaccount import ServiceAccountController
from minikube_py.controller_manager.controllers.taint_eviction import TaintEviction
from minikube_py.controller_manager.controllers.token_cleaner import TokenCleaner
from minikube_py.controller_manager.controllers.tokens import TokensController

CONTROLLERS: tuple[type[Reconciler], ...] = (
    NamespaceController,
    ServiceAccountController,
    TokensController,
    ClusterRoleAggregation,
    RootCAPublisher,
    NodeLifecycle,
    TaintEviction,
    DisruptionController,
    PodGarbageCollector,
    ResourceQuotaController,
    PersistentVolumeClaimProtection,
    PersistentVolumeProtection,
    CSRSigning,
    CSRApproving,
    CSRCleaner,
    TokenCleaner,
    GarbageCollector,
)
