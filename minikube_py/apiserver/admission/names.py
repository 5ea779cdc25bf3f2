"""Which admission plugins Kubernetes has, in the order of its own list, and which of them may be switched here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ABSENT = frozenset(
    {
        "AlwaysAdmit", "NamespaceAutoProvision", "NamespaceExists", "LimitPodHardAntiAffinityTopology",
        "AlwaysPullImages", "ImagePolicyWebhook", "PodNodeSelector", "PodTolerationRestriction", "EventRateLimit",
        "ExtendedResourceToleration", "PodGroupProtection", "OwnerReferencesPermissionEnforcement",
        "ClusterTrustBundleAttest", "DenyServiceExternalIPs", "PodTopologyLabels", "PodGroupWorkloadExists",
        "NodeDeclaredFeatureValidator", "JobValidation", "PodResizeValidator", "MutatingAdmissionPolicy",
        "MutatingAdmissionWebhook", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook", "AlwaysDeny",
    }
)  # fmt: skip
"""What Kubernetes has and this server has not."""

HERE: Sequence[str] = (
    "NamespaceLifecycle", "LimitRanger", "ServiceAccount", "NodeRestriction", "TaintNodesByCondition", "PodSecurity",
    "Priority", "DefaultTolerationSeconds", "DefaultStorageClass", "StorageObjectInUseProtection",
    "PersistentVolumeClaimResize", "RuntimeClass", "CertificateApproval", "CertificateSigning",
    "CertificateSubjectRestriction", "DefaultIngressClass", "ResourceQuota",
)  # fmt: skip
"""What this server has, in Kubernetes' order; all of it is on unless it is disabled."""


def check(names: Iterable[str]) -> None:
    """Raises ValueError for a name that is no plugin, or one of a plugin that is not here."""
    for name in names:
        if name in ABSENT:
            raise ValueError(f'the admission plugin "{name}" is not supported here; there are: {", ".join(HERE)}')
        if name not in HERE:
            raise ValueError(f'the admission plugin "{name}" is unknown; there are: {", ".join(HERE)}')


def check_both(enabled: Sequence[str], disabled: Sequence[str]) -> None:
    """Raises ValueError for what `check` refuses, and for a plugin that is to be on and off."""
    check((*enabled, *disabled))
    if both := sorted(set(enabled) & set(disabled)):
        raise ValueError(f"admission plugins are both enabled and disabled: {', '.join(both)}")
