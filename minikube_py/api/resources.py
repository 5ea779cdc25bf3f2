"""What a resource is called and where it lives: the attributes from which every URL is built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource. `type` names its struct ("core/v1.Pod") in `minikube_py.api.scheme`."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    type: str

    @property
    def api_version(self) -> str:
        """What an object's `apiVersion` says: `v1` or `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`plural` or `plural.group`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (no name), an object or its sub-resource; names are valid path segments."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _core(plural: str, kind: str, namespaced: bool = True) -> Resource:
    return Resource("", "v1", plural, kind, namespaced, f"core/v1.{kind}")


def _in(group: str, plural: str, kind: str, namespaced: bool = True, version: str = "v1") -> Resource:
    """A resource of a named group; its types' package is the group's first word."""
    return Resource(group, version, plural, kind, namespaced, f"{group.partition('.')[0]}/{version}.{kind}")


# core
CONFIGMAPS = _core("configmaps", "ConfigMap")
ENDPOINTS = _core("endpoints", "Endpoints")
EVENTS = _core("events", "Event")
LIMITRANGES = _core("limitranges", "LimitRange")
NAMESPACES = _core("namespaces", "Namespace", namespaced=False)
NODES = _core("nodes", "Node", namespaced=False)
PERSISTENTVOLUMECLAIMS = _core("persistentvolumeclaims", "PersistentVolumeClaim")
PERSISTENTVOLUMES = _core("persistentvolumes", "PersistentVolume", namespaced=False)
PODS = _core("pods", "Pod")
PODTEMPLATES = _core("podtemplates", "PodTemplate")
REPLICATIONCONTROLLERS = _core("replicationcontrollers", "ReplicationController")
RESOURCEQUOTAS = _core("resourcequotas", "ResourceQuota")
SECRETS = _core("secrets", "Secret")
SERVICEACCOUNTS = _core("serviceaccounts", "ServiceAccount")
SERVICES = _core("services", "Service")

# apiregistration.k8s.io
APISERVICES = _in("apiregistration.k8s.io", "apiservices", "APIService", namespaced=False)

# apps
CONTROLLERREVISIONS = _in("apps", "controllerrevisions", "ControllerRevision")
DAEMONSETS = _in("apps", "daemonsets", "DaemonSet")
DEPLOYMENTS = _in("apps", "deployments", "Deployment")
REPLICASETS = _in("apps", "replicasets", "ReplicaSet")
STATEFULSETS = _in("apps", "statefulsets", "StatefulSet")

# events.k8s.io
EVENTS_V1 = _in("events.k8s.io", "events", "Event")

# autoscaling
HORIZONTALPODAUTOSCALERS = _in("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler", version="v2")
HORIZONTALPODAUTOSCALERS_V1 = _in("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler")

# batch
CRONJOBS = _in("batch", "cronjobs", "CronJob")
JOBS = _in("batch", "jobs", "Job")

# certificates.k8s.io
CERTIFICATESIGNINGREQUESTS = _in(
    "certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", namespaced=False
)

# networking.k8s.io
INGRESSCLASSES = _in("networking.k8s.io", "ingressclasses", "IngressClass", namespaced=False)
INGRESSES = _in("networking.k8s.io", "ingresses", "Ingress")
IPADDRESSES = _in("networking.k8s.io", "ipaddresses", "IPAddress", namespaced=False)
NETWORKPOLICIES = _in("networking.k8s.io", "networkpolicies", "NetworkPolicy")
SERVICECIDRS = _in("networking.k8s.io", "servicecidrs", "ServiceCIDR", namespaced=False)

# policy
PODDISRUPTIONBUDGETS = _in("policy", "poddisruptionbudgets", "PodDisruptionBudget")

# rbac.authorization.k8s.io
CLUSTERROLEBINDINGS = _in("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
CLUSTERROLES = _in("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", namespaced=False)
ROLEBINDINGS = _in("rbac.authorization.k8s.io", "rolebindings", "RoleBinding")
ROLES = _in("rbac.authorization.k8s.io", "roles", "Role")

# storage.k8s.io
CSIDRIVERS = _in("storage.k8s.io", "csidrivers", "CSIDriver", namespaced=False)
CSINODES = _in("storage.k8s.io", "csinodes", "CSINode", namespaced=False)
CSISTORAGECAPACITIES = _in("storage.k8s.io", "csistoragecapacities", "CSIStorageCapacity")
STORAGECLASSES = _in("storage.k8s.io", "storageclasses", "StorageClass", namespaced=False)
VOLUMEATTACHMENTS = _in("storage.k8s.io", "volumeattachments", "VolumeAttachment", namespaced=False)
VOLUMEATTRIBUTESCLASSES = _in("storage.k8s.io", "volumeattributesclasses", "VolumeAttributesClass", namespaced=False)

# admissionregistration.k8s.io
MUTATINGADMISSIONPOLICIES = _in(
    "admissionregistration.k8s.io", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", namespaced=False
)
MUTATINGADMISSIONPOLICYBINDINGS = _in(
    "admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings",
    "MutatingAdmissionPolicyBinding",
    namespaced=False,
)
MUTATINGWEBHOOKCONFIGURATIONS = _in(
    "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)
VALIDATINGADMISSIONPOLICIES = _in(
    "admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
VALIDATINGADMISSIONPOLICYBINDINGS = _in(
    "admissionregistration.k8s.io",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
VALIDATINGWEBHOOKCONFIGURATIONS = _in(
    "admissionregistration.k8s.io",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)

# apiextensions.k8s.io
CUSTOMRESOURCEDEFINITIONS = _in(
    "apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)

# scheduling.k8s.io
PRIORITYCLASSES = _in("scheduling.k8s.io", "priorityclasses", "PriorityClass", namespaced=False)

# coordination.k8s.io
LEASES = _in("coordination.k8s.io", "leases", "Lease")

# node.k8s.io
RUNTIMECLASSES = _in("node.k8s.io", "runtimeclasses", "RuntimeClass", namespaced=False)

# discovery.k8s.io
ENDPOINTSLICES = _in("discovery.k8s.io", "endpointslices", "EndpointSlice")

# resource.k8s.io
DEVICECLASSES = _in("resource.k8s.io", "deviceclasses", "DeviceClass", namespaced=False)
RESOURCECLAIMS = _in("resource.k8s.io", "resourceclaims", "ResourceClaim")
RESOURCECLAIMTEMPLATES = _in("resource.k8s.io", "resourceclaimtemplates", "ResourceClaimTemplate")
RESOURCESLICES = _in("resource.k8s.io", "resourceslices", "ResourceSlice", namespaced=False)

# flowcontrol.apiserver.k8s.io
FLOWSCHEMAS = _in("flowcontrol.apiserver.k8s.io", "flowschemas", "FlowSchema", namespaced=False)
PRIORITYLEVELCONFIGURATIONS = _in(
    "flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", "PriorityLevelConfiguration", namespaced=False
)
