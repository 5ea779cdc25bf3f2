"""The audit log: who asked for what, when, and what became of it, as far as the policy file wants it written down."""

from minikube_py.apiserver.audit.log import AuditLog
from minikube_py.apiserver.audit.policy import Policy
from minikube_py.apiserver.audit.record import Auditor, Record

__all__ = ["AuditLog", "Auditor", "Policy", "Record"]
