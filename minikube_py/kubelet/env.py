"""A container's environment: literals, expansion, references to fields, ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from minikube_py.kubelet.expand import Facts, expand, field_value, resource_value
from minikube_py.kubelet.podspec import Object
from minikube_py.kubelet.security import ConfigError

_NAME = re.compile(r"^[^=\x00]+$")


class Objects(Protocol):
    """Where ConfigMaps and Secrets come from; None is: there is no such object."""

    async def configmap(self, namespace: str, name: str) -> Object | None: ...

    async def secret(self, namespace: str, name: str) -> Object | None: ...


async def environment(
    pod: Object, spec: Object, objects: Objects, facts: Facts, services: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The variables in order: services, envFrom, env; a later one of the same name wins.

    Raises ConfigError for a missing object or key that is not optional.
    """
    namespace = pod["metadata"]["namespace"]
    values: dict[str, str] = dict(services)
    for source in spec.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        for kind in ("configMapRef", "secretRef"):
            if source.get(kind):
                values |= {prefix + k: v for k, v in (await _all(objects, namespace, kind, source[kind])).items()}
    for one in spec.get("env") or ():
        given = one.get("valueFrom")
        if not given:
            values[one["name"]] = expand(str(one.get("value") or ""), values)
            continue
        found = await _from(pod, spec, given, objects, namespace, facts)
        if found is not None:
            values[one["name"]] = found
    return [(name, value) for name, value in values.items() if _NAME.match(name)]


async def _from(
    pod: Object, spec: Object, given: Mapping[str, Any], objects: Objects, namespace: str, facts: Facts
) -> str | None:
    try:
        if given.get("fieldRef"):
            return field_value(pod, given["fieldRef"]["fieldPath"], facts)
        if given.get("resourceFieldRef"):
            return resource_value(pod, spec, given["resourceFieldRef"], facts)
    except ValueError as e:
        raise ConfigError(str(e)) from e
    for kind in ("configMapKeyRef", "secretKeyRef"):
        reference = given.get(kind)
        if not reference:
            continue
        data = await _all(objects, namespace, kind, reference)
        if reference["key"] in data:
            return data[reference["key"]]
        if reference.get("optional"):
            return None
        word = "ConfigMap" if kind == "configMapKeyRef" else "Secret"
        raise ConfigError(f"couldn't find key {reference['key']} in {word} {namespace}/{reference.get('name', '')}")
    raise ConfigError(f"a source of an environment variable is not supported: {', '.join(given)}")


async def _all(objects: Objects, namespace: str, kind: str, reference: Mapping[str, Any]) -> dict[str, str]:
    name = str(reference.get("name") or "")
    if kind.startswith("configMap"):
        found = await objects.configmap(namespace, name)
        word = "configmap"
    else:
        found = await objects.secret(namespace, name)
        word = "secret"
    if found is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{word} "{name}" not found')
    if word == "configmap":
        return dict(found.get("data") or {})
    data = found.get("data") or {}
    return {key: base64.b64decode(value).decode("utf-8", "surrogateescape") for key, value in data.items()}


def service_variables(services: Iterable[Object], namespace: str, links: bool) -> dict[str, str]:
    """The variables of Services with a cluster IP: of the Pod's namespace (with `links`) and `default/kubernetes`."""
    out: dict[str, str] = {}
    for one in sorted(services, key=lambda s: (s["metadata"]["namespace"], s["metadata"]["name"])):
        meta, spec = one["metadata"], one["spec"]
        master = meta["namespace"] == "default" and meta["name"] == "kubernetes"
        ip = spec.get("clusterIP")
        if not ip or ip == "None" or not spec.get("ports"):
            continue
        if not master and not (links and meta["namespace"] == namespace):
            continue
        out |= _variables(meta["name"].upper().replace("-", "_"), ip, spec["ports"])
    return out


def _variables(name: str, ip: str, ports: list[Object]) -> dict[str, str]:
    shown = f"[{ip}]" if ":" in ip else ip
    out = {f"{name}_SERVICE_HOST": ip, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            out[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for index, port in enumerate(ports):
        protocol = port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{shown}:{port['port']}"
        if index == 0:
            out[f"{name}_PORT"] = url
        prefix = f"{name}_PORT_{port['port']}_{protocol}"
        out |= {prefix: url, f"{prefix}_PROTO": protocol.lower()}
        out |= {f"{prefix}_PORT": str(port["port"]), f"{prefix}_ADDR": ip}
    return out
