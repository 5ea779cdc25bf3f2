"""Which failures are the user's or the machine's, to be told in one line, and which are ours and need a traceback."""

from __future__ import annotations


class Failed(OSError):
    """The command cannot do what it was asked; the message says why and what to do."""


def expected(error: BaseException) -> bool:
    """Whether the message alone says it all. Imports only when something has failed."""
    from minikube_py.api.errors import StatusError
    from minikube_py.client.kubeconfig import KubeConfigError
    from minikube_py.daemon.certs import PkiError
    from minikube_py.kubelet.runtime.base import RuntimeFault
    from minikube_py.store.base import StoreError

    return isinstance(error, OSError | StatusError | KubeConfigError | PkiError | RuntimeFault | StoreError)
