"""ClusterRoles with an aggregationRule have the rules of all the roles that it selects."""

from __future__ import annotations

from collections.abc import Iterable

from minikube_py.api import rbac
from minikube_py.api.meta import Object
from minikube_py.api.rbac import Rule
from minikube_py.api.resources import CLUSTERROLES
from minikube_py.controller_manager.context import Context

MANAGER = "clusterrole-aggregation-controller"


def plan(role: Object | None, roles: Iterable[Object]) -> list[Rule] | None:
    """The rules to give the role; None when it gathers none, or has them."""
    if role is None:
        return None
    wanted = rbac.aggregated(role, roles)
    own = role.get("rules") or []
    if wanted is None or (len(wanted) == len(own) and all(map(rbac.same, wanted, own))):
        return None
    return wanted


class ClusterRoleAggregation:
    """As upstream: any change of a ClusterRole has all that aggregate looked at, since one may gather another."""

    name = "clusterrole-aggregation-controller"

    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.roles = context.informer(CLUSTERROLES)
        context.controller(self.name, self.reconcile, workers=5).watch(self.roles, self._aggregating)

    async def reconcile(self, key: str) -> float | None:
        """`key` is a ClusterRole's name."""
        role = self.roles.get(key)
        rules = plan(role, self.roles.items().values())
        if role is not None and rules is not None:
            applied = {
                "apiVersion": CLUSTERROLES.api_version,
                "kind": CLUSTERROLES.kind,
                "metadata": {"name": key, "uid": role["metadata"]["uid"]},  # a role that has gone stays gone
                "rules": [dict(rule) for rule in rules],
            }
            await self.client.patch(CLUSTERROLES, key, "", applied, type="apply", field_manager=MANAGER, force=True)
        return None

    def _aggregating(self, old: Object | None, new: Object | None) -> Iterable[str]:
        return [role["metadata"]["name"] for role in self.roles.items().values() if role.get("aggregationRule")]
