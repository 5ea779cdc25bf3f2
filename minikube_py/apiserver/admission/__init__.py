"""What every write passes before it is stored, in one ordered list."""

from minikube_py.apiserver.admission.base import Admission, Attributes, Plugin

__all__ = ["Admission", "Attributes", "Plugin"]
