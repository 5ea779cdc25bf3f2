"""What every write passes before it is stored, in one ordered list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minikube_py.apiserver.admission.base import Admission, Attributes, Plugin
from minikube_py.apiserver.admission.certificate_approval import CertificateApproval
from minikube_py.apiserver.admission.certificate_signing import CertificateSigning
from minikube_py.apiserver.admission.certificate_subject_restriction import CertificateSubjectRestriction
from minikube_py.apiserver.admission.default_ingress_class import DefaultIngressClass
from minikube_py.apiserver.admission.default_storage_class import DefaultStorageClass
from minikube_py.apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from minikube_py.apiserver.admission.limit_ranger import LimitRanger
from minikube_py.apiserver.admission.names import check_both
from minikube_py.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from minikube_py.apiserver.admission.node_restriction import NodeRestriction
from minikube_py.apiserver.admission.persistent_volume_claim_resize import PersistentVolumeClaimResize
from minikube_py.apiserver.admission.pod_security import PodSecurity
from minikube_py.apiserver.admission.priority import Priority
from minikube_py.apiserver.admission.rbac_escalation import RBACEscalation
from minikube_py.apiserver.admission.resource_quota import ResourceQuota
from minikube_py.apiserver.admission.runtime_class import RuntimeClass
from minikube_py.apiserver.admission.service_account import ServiceAccount
from minikube_py.apiserver.admission.storage_object_in_use_protection import StorageObjectInUseProtection
from minikube_py.apiserver.admission.taint_nodes_by_condition import TaintNodesByCondition

if TYPE_CHECKING:
    from minikube_py.apiserver.auth.authorization import Authorization
    from minikube_py.apiserver.auth.rbac import RBAC
    from minikube_py.apiserver.catalog import Catalog
    from minikube_py.apiserver.config import Config
    from minikube_py.apiserver.storage import Storage
    from minikube_py.daemon.clock import Clock

__all__ = ["Admission", "Attributes", "Plugin", "plugins"]


def plugins(
    config: Config, storage: Storage, catalog: Catalog, clock: Clock, authorization: Authorization, rbac: RBAC
) -> Sequence[Plugin]:
    """The admission plugins in the order in which a write passes them, which is upstream's, without those disabled.

    Raises ValueError for names of plugins that are unknown or not here.
    """
    check_both(config.enable_admission_plugins, config.disable_admission_plugins)
    every: tuple[Plugin, ...] = (
        NamespaceLifecycle(storage),
        LimitRanger(storage),
        ServiceAccount(storage),
        NodeRestriction(storage, authorization),
        TaintNodesByCondition(),
        PodSecurity(storage),
        Priority(storage),
        DefaultTolerationSeconds(),
        DefaultStorageClass(storage),
        StorageObjectInUseProtection(),
        PersistentVolumeClaimResize(storage),
        RuntimeClass(storage),
        CertificateApproval(authorization),
        CertificateSigning(authorization),
        CertificateSubjectRestriction(),
        DefaultIngressClass(storage),
        RBACEscalation(authorization, rbac),
        ResourceQuota(storage, clock),
    )
    return [plugin for plugin in every if plugin.name not in config.disable_admission_plugins]
