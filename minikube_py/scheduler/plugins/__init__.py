"""A file per plugin, and the one ordered list of them.

Filters are asked in this order and the first that refuses a Node gives the reason.
"""

from __future__ import annotations

from minikube_py.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from minikube_py.scheduler.plugins.base import Plugin
from minikube_py.scheduler.plugins.default_binder import DefaultBinder
from minikube_py.scheduler.plugins.image_locality import ImageLocality
from minikube_py.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from minikube_py.scheduler.plugins.node_affinity import NodeAffinity
from minikube_py.scheduler.plugins.node_name import NodeName
from minikube_py.scheduler.plugins.node_ports import NodePorts
from minikube_py.scheduler.plugins.node_resources_fit import NodeResourcesFit
from minikube_py.scheduler.plugins.node_unschedulable import NodeUnschedulable
from minikube_py.scheduler.plugins.pod_topology_spread import PodTopologySpread
from minikube_py.scheduler.plugins.scheduling_gates import SchedulingGates
from minikube_py.scheduler.plugins.supported import Supported
from minikube_py.scheduler.plugins.taint_toleration import TaintToleration

PLUGINS: tuple[Plugin, ...] = (
    SchedulingGates(),
    Supported(),
    NodeUnschedulable(),
    NodeName(),
    TaintToleration(),
    NodeAffinity(),
    NodePorts(),
    NodeResourcesFit(),
    PodTopologySpread(),
    InterPodAffinity(),
    NodeResourcesBalancedAllocation(),
    ImageLocality(),
    DefaultBinder(),
)
