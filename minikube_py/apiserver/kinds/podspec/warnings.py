"""Warnings for a Pod that is valid and probably not what its author means."""

from __future__ import annotations

from typing import Any

from minikube_py.api import names, quantity

Object = dict[str, Any]

OLD_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
OLD_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def pod_warnings(obj: Object) -> list[str]:
    """What to tell the author of a Pod."""
    metadata, spec = obj.get("metadata") or {}, obj.get("spec") or {}
    found: list[str] = []
    name = metadata.get("name") or ""
    if "." in name and (sentences := names.dns1123_label(name)):
        found.append(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(sentences)}]"
        )
    found += template_warnings(spec, "spec")
    return found


def template_warnings(spec: Object, path: str) -> list[str]:
    """What to tell the author of a PodSpec at `path`."""
    found: list[str] = []
    for key in spec.get("nodeSelector") or ():
        if key in OLD_LABELS:
            found.append(f"{path}.nodeSelector[{key}]: {OLD_LABELS[key]}")
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        if (key := constraint.get("topologyKey")) in OLD_LABELS:
            found.append(f"{path}.topologySpreadConstraints[{i}].topologyKey: {key} is {OLD_LABELS[key]}")
    for i, volume in enumerate(spec.get("volumes") or ()):
        found += [f"{path}.volumes[{i}].{s}: {OLD_VOLUMES[s]}" for s in volume if s in OLD_VOLUMES]
    for i, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            found.append(f'{path}.imagePullSecrets[{i}].name: invalid empty name ""')
    ips: dict[str, int] = {}
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        if alias.get("ip") in ips:
            found.append(f'{path}.hostAliases[{i}].ip: duplicate ip "{alias["ip"]}"')
        ips[alias.get("ip", "")] = i
    for member in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(member) or ()):
            _container(container, f"{path}.{member}[{i}]", found)
    if (grace := spec.get("terminationGracePeriodSeconds")) is not None and grace < 0:
        found.append(
            f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        )
    return found


def claim_warnings(spec: Object, path: str) -> list[str]:
    """What to tell the author of a PersistentVolumeClaimSpec at `path`."""
    found: list[str] = []
    _fractions(spec.get("resources") or {}, ("storage",), f"{path}.resources", found)
    return found


def _fractions(resources: Object, bytes_of: tuple[str, ...], path: str, found: list[str]) -> None:
    for member in ("limits", "requests"):
        for name in bytes_of:
            amount = (resources.get(member) or {}).get(name)
            if isinstance(amount, str) and amount.endswith("m") and quantity.parse(amount).milli_value() % 1000:
                found.append(
                    f'{path}.{member}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'
                )


def _container(container: Object, path: str, found: list[str]) -> None:
    if resources := container.get("resources"):
        _fractions(resources, ("memory", "ephemeral-storage"), f"{path}.resources", found)
    seen: dict[str, int] = {}
    for i, variable in enumerate(container.get("env") or ()):
        name = variable.get("name", "")
        # A value that uses the variable that it replaces is meant.
        if name in seen and f"$({name})" not in (variable.get("value") or ""):
            lost = "which may be dropped when using apply"
            found.append(f'{path}.env[{i}]: hides previous definition of "{name}", {lost}')
        seen[name] = i
    ports: dict[tuple[Any, Any], int] = {}
    for i, port in enumerate(container.get("ports") or ()):
        key = (port.get("containerPort"), port.get("protocol", "TCP"))
        if key in ports and not port.get("hostPort"):
            found.append(f"{path}.ports[{i}]: duplicate port definition with {path}.ports[{ports[key]}]")
        ports.setdefault(key, i)
