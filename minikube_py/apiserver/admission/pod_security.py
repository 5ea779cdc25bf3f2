"""PodSecurity: Pods keep to the level of the Pod Security Standards that their namespace's labels name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minikube_py.api import errors
from minikube_py.apiserver.admission._followed import Followed
from minikube_py.apiserver.admission.base import Attributes, Plugin, forbidden
from minikube_py.apiserver.cache import Filter
from minikube_py.apiserver.encoding import Object, loads
from minikube_py.apiserver.kinds.base import Kind
from minikube_py.apiserver.podsecurity.checks import told, violations
from minikube_py.apiserver.podsecurity.policy import LEVELS, PREFIX, Policy, Rule, policy
from minikube_py.apiserver.storage import Storage

MAX_PODS = 3000
"""How many Pods are looked at when a namespace gets stricter, as upstream."""


def _in_spec(obj: Object) -> Object | None:
    return (obj.get("spec") or {}).get("template")


def _in_job(obj: Object) -> Object | None:
    return ((((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec")) or {}).get("template")


TEMPLATES: Mapping[str, Callable[[Object], Object | None]] = {
    "podtemplates": lambda obj: obj.get("template"),
    "replicationcontrollers": _in_spec,
    "replicasets.apps": _in_spec,
    "deployments.apps": _in_spec,
    "statefulsets.apps": _in_spec,
    "daemonsets.apps": _in_spec,
    "jobs.batch": _in_spec,
    "cronjobs.batch": _in_job,
}
"""The kinds that make Pods, and where their template is: of these one is only warned."""


class PodSecurity(Plugin):
    """As the admission plugin of that name, without exemptions."""

    name = "PodSecurity"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._policies = Followed(storage, "namespaces", lambda o: policy(o["metadata"].get("labels")))

    def concerns(self, operation: str, kind: Kind, subresource: str) -> bool:
        resource = kind.resource.qualified
        if operation not in ("CREATE", "UPDATE"):
            return False
        if resource == "pods":
            return subresource in ("", "ephemeralcontainers", "resize")
        return not subresource and (resource == "namespaces" or resource in TEMPLATES)

    async def validate(self, attributes: Attributes) -> None:
        """Raises Forbidden for a Pod that breaks the enforced rule, Invalid for labels that name no rule."""
        resource = attributes.kind.resource.qualified
        if resource == "namespaces":
            self._namespace(attributes)
            return
        wanted = self._policies.of().get(attributes.namespace)
        if wanted is None:
            raise errors.InternalError(f"failed to lookup namespace {attributes.namespace}")
        if wanted.lax:
            return
        assert attributes.new is not None
        if resource == "pods":
            if attributes.old is None or _changed(attributes.new, attributes.old):
                self._pod(attributes, wanted)
        elif (template := TEMPLATES[resource](attributes.new)) is not None:
            _warn(attributes, wanted.warn, template)
            _note(attributes, wanted.audit, template)

    @staticmethod
    def _pod(attributes: Attributes, wanted: Policy) -> None:
        pod = attributes.new
        assert pod is not None
        attributes.annotations[f"{PREFIX}enforce-policy"] = str(wanted.enforce)
        _note(attributes, wanted.audit, pod)
        found = violations(wanted.enforce, pod["metadata"], pod["spec"])
        if found:
            raise forbidden(attributes, f'violates PodSecurity "{wanted.enforce}": {told(found)}')
        if wanted.warn != wanted.enforce:
            _warn(attributes, wanted.warn, pod)

    def _namespace(self, attributes: Attributes) -> None:
        assert attributes.new is not None
        new = policy(attributes.new["metadata"].get("labels"))
        if attributes.old is None:
            if new.problems:
                raise errors.Invalid.of("", "Namespace", attributes.name, new.problems)
            return
        old = policy(attributes.old["metadata"].get("labels"))
        if new.problems and new.problems != old.problems:
            raise errors.Invalid.of("", "Namespace", attributes.name, new.problems)
        if new.enforce == old.enforce or new.enforce.level == "privileged":
            return
        lower = LEVELS.index(new.enforce.level) <= LEVELS.index(old.enforce.level)
        if not (new.enforce.minor == old.enforce.minor and lower):
            attributes.warnings.extend(self._broken(attributes.name, new.enforce))

    def _broken(self, namespace: str, rule: Rule) -> list[str]:
        """What to say of the namespace's Pods that break the new rule; those that break it alike are counted."""
        pods = self._storage.caches["pods"].list(Filter(namespace), 0).items
        names: dict[str, list[str]] = {}
        for item in pods[:MAX_PODS]:
            pod = loads(item.data)
            if found := violations(rule, pod["metadata"], pod["spec"]):
                names.setdefault(", ".join(v.reason for v in found), []).append(item.name)
        said = []
        if len(pods) > MAX_PODS:
            said.append(
                f"new PodSecurity enforce level only checked against the first {MAX_PODS} of {len(pods)} existing pods"
            )
        if names:
            said.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{rule}"')
        return said + sorted(f"{_counted(sorted(pods_))}: {reasons}" for reasons, pods_ in names.items())


def _counted(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    others = len(names) - 1
    return f"{names[0]} (and {others} other pod{'s' if others > 1 else ''})"


def _warn(attributes: Attributes, rule: Rule, pod: Object) -> None:
    found = violations(rule, pod.get("metadata") or {}, pod.get("spec") or {})
    if found:
        attributes.warnings.append(f'would violate PodSecurity "{rule}": {told(found)}')


def _note(attributes: Attributes, rule: Rule, pod: Object) -> None:
    """Have the audit log say what breaks the rule to audit."""
    found = violations(rule, pod.get("metadata") or {}, pod.get("spec") or {})
    if found:
        attributes.annotations[f"{PREFIX}audit-violations"] = f'would violate PodSecurity "{rule}": {told(found)}'


def _changed(new: Object, old: Object) -> bool:
    """Whether an update may matter: other images or ephemeral containers, or the annotations of old for seccomp."""
    for member in ("containers", "initContainers", "ephemeralContainers"):
        after, before = new["spec"].get(member) or (), old["spec"].get(member) or ()
        if [(c["name"], c.get("image")) for c in after] != [(c["name"], c.get("image")) for c in before]:
            return True
    return _seccomp(new) != _seccomp(old)


def _seccomp(pod: Object) -> dict[str, str]:
    annotations = pod["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if "seccomp.security.alpha.kubernetes.io/" in key}
