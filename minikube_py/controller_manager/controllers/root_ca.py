"""Every namespace has the ConfigMap by which Pods know the API server's certificate authority."""

from __future__ import annotations

from pathlib import Path

from minikube_py.api import errors
from minikube_py.api.meta import Object, is_deleting
from minikube_py.api.resources import CONFIGMAPS, NAMESPACES
from minikube_py.controller_manager.context import Context
from minikube_py.controller_manager.controllers.serviceaccount import namespace_terminating
from minikube_py.daemon import logs

log = logs.get("root-ca")

CONFIG_MAP = "kube-root-ca.crt"
DESCRIPTION = {
    "kubernetes.io/description": "The certificates by which Pods of this namespace verify the cluster's API server."
}


def plan(namespace: Object | None, published: Object | None, ca: str) -> Object | None:
    """The ConfigMap to create (without a resourceVersion) or to write over the old one, if it is not right."""
    if namespace is None or is_deleting(namespace):
        return None
    data = {"ca.crt": ca}
    if published is None:
        metadata = {"namespace": namespace["metadata"]["name"], "name": CONFIG_MAP, "annotations": DESCRIPTION}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    annotations = published["metadata"].get("annotations") or {}
    if published.get("data") == data and not published.get("binaryData") and DESCRIPTION.items() <= annotations.items():
        return None
    metadata = {**published["metadata"], "annotations": {**annotations, **DESCRIPTION}}
    return {**{k: v for k, v in published.items() if k != "binaryData"}, "metadata": metadata, "data": data}


class RootCAPublisher:
    """Off without `root_ca_file`, which is read once."""

    name = "root-ca-certificate-publisher-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        if not context.config.root_ca_file:
            log.info("not publishing the root CA: no --root-ca-file was given")
            return
        self.ca = Path(context.config.root_ca_file).read_text()
        self.namespaces = context.informer(NAMESPACES)
        self.configmaps = context.informer(CONFIGMAPS)
        controller = context.controller(self.name, self.reconcile)
        controller.watch(self.namespaces)
        controller.watch(self.configmaps, _published)

    async def reconcile(self, key: str) -> float | None:
        """`key` is a namespace."""
        wanted = plan(self.namespaces.get(key), self.configmaps.get(f"{key}/{CONFIG_MAP}"), self.ca)
        if wanted is None:
            return None
        if wanted["metadata"].get("resourceVersion"):
            await self.client.update(CONFIGMAPS, wanted)
            return None
        try:
            await self.client.create(CONFIGMAPS, wanted)
        except (errors.AlreadyExists, errors.NotFound):
            pass  # made by another hand, or the namespace went: both will be heard
        except errors.Forbidden as error:
            if not namespace_terminating(error):
                raise
        return None


def _published(old: Object | None, new: Object | None) -> tuple[str, ...]:
    changed = old if new is None else new
    assert changed is not None
    metadata = changed["metadata"]
    return (metadata["namespace"],) if metadata["name"] == CONFIG_MAP else ()
