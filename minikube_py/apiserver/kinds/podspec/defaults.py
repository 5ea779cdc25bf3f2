"""The defaults of a PodSpec, filled into its JSON form in place; doing it twice changes nothing."""

from __future__ import annotations

from typing import Any

from minikube_py.api import quantity

Object = dict[str, Any]


def default_spec(spec: Object) -> None:
    """Everything that applies to a PodSpec wherever it is nested (a Pod or a workload's template)."""
    _fill(spec, "dnsPolicy", "ClusterFirst")
    _fill(spec, "restartPolicy", "Always")
    _fill(spec, "schedulerName", "default-scheduler")
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    # One value under two names: the older name is kept for older clients, the newer one wins.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for member in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(member) or ():
            _container(container)
    for volume in spec.get("volumes") or ():
        _volume(volume)
    if overhead := spec.get("overhead"):
        round_amounts(overhead)


def default_template(holder: Object, member: str = "template") -> None:
    """Fill the defaults into the template that `holder` has as `member`; there is one afterwards."""
    template = holder.get(member)
    if template is None:
        template = holder[member] = {}
    template.setdefault("metadata", {})
    spec = template.get("spec")
    if spec is None:
        spec = template["spec"] = {}
    default_spec(spec)


def default_pod(spec: Object) -> None:
    """What applies to Pods alone and not to templates: requests follow limits, the host's network has one port each."""
    if spec.get("hostNetwork"):
        _host_ports(spec)
    for member in ("initContainers", "containers"):
        for container in spec.get(member) or ():
            resources = container.get("resources")
            if resources and (limits := resources.get("limits")):
                requests = resources.setdefault("requests", {})
                for name, amount in limits.items():
                    requests.setdefault(name, amount)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    if spec.get("resources"):
        _pod_level_resources(spec)


def _host_ports(spec: Object) -> None:
    for member in ("initContainers", "containers"):
        for container in spec.get(member) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort") and port.get("containerPort"):
                    port["hostPort"] = port["containerPort"]


def _fill(obj: Object, member: str, value: object) -> None:
    if not obj.get(member):
        obj[member] = value


def _container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = "Always" if is_latest(container.get("image") or "") else "IfNotPresent"
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    resources = container.get("resources")
    if resources is None:
        container["resources"] = {}
    elif resources:
        for amounts in (resources.get("limits"), resources.get("requests")):
            if amounts:
                round_amounts(amounts)
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env") or ():
        if source := variable.get("valueFrom"):
            _value_source(source)
    for member in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(member):
            _probe(probe)
    if lifecycle := container.get("lifecycle"):
        for member in ("postStart", "preStop"):
            if handler := lifecycle.get(member):
                _handler(handler)


def is_latest(image: str) -> bool:
    """Whether an image reference means whatever is newest: tag `latest`, or neither tag nor digest."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag == "latest" or not (tag or digest)


def _value_source(source: Object) -> None:
    if (field := source.get("fieldRef")) is not None:
        _fill(field, "apiVersion", "v1")
    if (file := source.get("fileKeyRef")) is not None and file.get("optional") is None:
        file["optional"] = False


def _probe(probe: Object) -> None:
    _fill(probe, "timeoutSeconds", 1)
    _fill(probe, "periodSeconds", 10)
    _fill(probe, "successThreshold", 1)
    _fill(probe, "failureThreshold", 3)
    _handler(probe)


def _handler(handler: Object) -> None:
    if (http := handler.get("httpGet")) is not None:
        _fill(http, "path", "/")
        _fill(http, "scheme", "HTTP")
    if (grpc := handler.get("grpc")) is not None and grpc.get("service") is None:
        grpc["service"] = ""


def round_amounts(amounts: Object) -> None:
    """Amounts are kept in whole thousandths, rounded up."""
    for name, text in amounts.items():
        if isinstance(text, str) and text and text[-1] in "nu":
            amounts[name] = quantity.parse(f"{quantity.parse(text).milli_value()}m").canonical()


def _pod_level_resources(spec: Object) -> None:
    resources = spec["resources"]
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for amounts in (limits, requests):
        round_amounts(amounts)
    containers = spec.get("containers") or []
    for name in sorted({n for c in containers for n in ((c.get("resources") or {}).get("limits") or ())}):
        if name.startswith("hugepages-") and name not in limits and name not in requests:
            limits = resources.setdefault("limits", limits)
            limits[name] = _sum(containers, "limits", name)
    for name, limit in limits.items():
        if name not in requests:
            asked = [c for c in containers if name in ((c.get("resources") or {}).get("requests") or ())]
            requests = resources.setdefault("requests", requests)
            requests[name] = _sum(asked, "requests", name) if asked and name in ("cpu", "memory") else limit


def _sum(containers: list[Object], member: str, name: str) -> str:
    total = quantity.parse("0")
    for container in containers:
        amount = ((container.get("resources") or {}).get(member) or {}).get(name)
        if amount is not None:
            total = total + quantity.parse(amount)
    return total.canonical()


_FILE_MODE = 0o644

_VOLUME_DEFAULTS: dict[str, Object] = {
    "hostPath": {"type": ""},
    "secret": {"defaultMode": _FILE_MODE},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "projected": {"defaultMode": _FILE_MODE},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_source(source: str, body: Object) -> None:
    """What applies to a volume source (`hostPath`) wherever it is nested: in a Pod or a PersistentVolume."""
    for member, value in _VOLUME_DEFAULTS.get(source, {}).items():
        if body.get(member) is None or (body[member] == "" and value):
            body[member] = value


def _volume(volume: Object) -> None:
    if not volume or (len(volume) == 1 and "name" in volume):
        volume["emptyDir"] = {}
        return
    for source, body in volume.items():
        if source == "name" or not isinstance(body, dict):
            continue
        default_source(source, body)
        if source == "downwardAPI":
            _downward_items(body)
        elif source == "projected":
            for part in body.get("sources") or ():
                _projection(part)
        elif source == "image" and not body.get("pullPolicy"):
            body["pullPolicy"] = "Always" if is_latest(body.get("reference") or "") else "IfNotPresent"
        elif source == "ephemeral" and (template := body.get("volumeClaimTemplate")):
            _fill(template.setdefault("spec", {}), "volumeMode", "Filesystem")


def _downward_items(body: Object) -> None:
    for item in body.get("items") or ():
        if (field := item.get("fieldRef")) is not None:
            _fill(field, "apiVersion", "v1")


def _projection(part: Object) -> None:
    if (token := part.get("serviceAccountToken")) is not None and token.get("expirationSeconds") is None:
        token["expirationSeconds"] = 3600
    if (downward := part.get("downwardAPI")) is not None:
        _downward_items(downward)
