"""Tables for what the kubelet asks of the engine: environment, names, resources, security, admission."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from minikube_py.kubelet import dns
from minikube_py.kubelet.admission import admit, requests
from minikube_py.kubelet.config import KubeletConfig
from minikube_py.kubelet.env import environment, service_variables
from minikube_py.kubelet.expand import Facts, expand, field_value, resource_value
from minikube_py.kubelet.runtime.base import PortMapping
from minikube_py.kubelet.security import ConfigError, resources, security, unsupported
from minikube_py.kubelet.spec import container_config, sandbox_config
from tests.fakes.engine_views import c, pod

FACTS = Facts("node-1", "192.0.2.1", "10.0.0.5", {"cpu": "4", "memory": "8Gi"})
CONFIG = KubeletConfig(root_dir="/data", cluster_dns=["10.96.0.10"])


class Objects:
    async def configmap(self, namespace: str, name: str) -> dict[str, Any] | None:
        return {"data": {"k": "v", "n": "1"}} if name == "cm" else None

    async def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        return {"data": {"p": base64.b64encode(b"word").decode()}} if name == "s" else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $(A", "$A ${A} $(A"),
        ("$", "$"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "uid-1"),
        ("metadata.labels['app']", "x"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app="x"'),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "sa"),
        ("status.hostIP", "192.0.2.1"),
        ("status.podIP", "10.0.0.5"),
        ("status.podIPs", "10.0.0.5"),
    ],
)
def test_field_references(path: str, expected: str) -> None:
    assert field_value(pod(meta={"labels": {"app": "x"}}, serviceAccountName="sa"), path, FACTS) == expected


def test_a_field_that_is_not_offered() -> None:
    with pytest.raises(ValueError, match=r'field label not supported: "spec.foo"'):
        field_value(pod(), "spec.foo", FACTS)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resource_references(reference: dict[str, Any], expected: str) -> None:
    spec = c("a", resources={"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}})
    assert resource_value(pod(spec), spec, reference, FACTS) == expected


async def env(*entries: dict[str, Any], sources: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, str]:
    spec = c("a", env=list(entries), envFrom=list(sources), **more)
    return dict(await environment(pod(spec), spec, Objects(), FACTS, {"SVC": "s"}))


async def test_environment() -> None:
    found = await env(
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(SVC)-$(k)-$(none)"},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
        {"name": "O", "valueFrom": {"secretKeyRef": {"name": "none", "key": "p", "optional": True}}},
        {"name": "EMPTY"},
        sources=({"configMapRef": {"name": "cm"}}, {"prefix": "S_", "secretRef": {"name": "s"}},
                 {"configMapRef": {"name": "none", "optional": True}}),
    )  # fmt: skip
    assert found == {
        "SVC": "s", "k": "v", "n": "1", "S_p": "word", "A": "1", "B": "1-s-v-$(none)", "IP": "10.0.0.5", "K": "v",
        "P": "word", "EMPTY": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found'),
        ({"secretKeyRef": {"name": "s", "key": "x"}}, "couldn't find key x in Secret default/s"),
        ({"fieldRef": {"fieldPath": "spec.x"}}, 'field label not supported: "spec.x"'),
    ],
)
async def test_missing_sources(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await env({"name": "X", "valueFrom": source})


def test_service_variables() -> None:
    def service(namespace: str, name: str, ip: str) -> dict[str, Any]:
        ports = [{"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}]
        return {"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterIP": ip, "ports": ports}}

    every = [
        service("default", "kubernetes", "10.96.0.1"), service("default", "my-db", "10.96.0.7"),
        service("default", "headless", "None"), service("other", "x", "10.96.0.8"),
    ]  # fmt: skip
    found = service_variables(every, "default", True)
    assert {k: v for k, v in found.items() if k.startswith("MY_DB")} == {
        "MY_DB_SERVICE_HOST": "10.96.0.7", "MY_DB_SERVICE_PORT": "80", "MY_DB_SERVICE_PORT_HTTP": "80",
        "MY_DB_PORT": "tcp://10.96.0.7:80", "MY_DB_PORT_80_TCP": "tcp://10.96.0.7:80",
        "MY_DB_PORT_80_TCP_PROTO": "tcp", "MY_DB_PORT_80_TCP_PORT": "80", "MY_DB_PORT_80_TCP_ADDR": "10.96.0.7",
        "MY_DB_PORT_53_UDP": "udp://10.96.0.7:53", "MY_DB_PORT_53_UDP_PROTO": "udp", "MY_DB_PORT_53_UDP_PORT": "53",
        "MY_DB_PORT_53_UDP_ADDR": "10.96.0.7",
    }  # fmt: skip
    assert not any(k.startswith(("HEADLESS", "X_")) for k in found)
    assert set(service_variables(every, "other", False)) == {k for k in found if k.startswith("KUBERNETES_")}


def test_hosts_file() -> None:
    text = dns.hosts_file(
        pod(subdomain="sub", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["x", "y"]}]), "10.0.0.5", "cluster.local"
    )
    assert "10.0.0.5\tweb.sub.default.svc.cluster.local\tweb\n" in text
    assert text.endswith("1.2.3.4\tx\ty\n")
    host = dns.hosts_file(pod(hostNetwork=True), "192.0.2.1", "cluster.local", "127.0.0.1 box\n")
    assert "127.0.0.1 box" in host
    assert "10.0.0.5" not in host


HOST = dns.Resolver(("9.9.9.9",), ("corp",), ("timeout:1",))


@pytest.mark.parametrize(
    ("spec", "servers", "searches", "options"),
    [
        ({}, ["10.96.0.10"], ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"], ["ndots:5"]),
        ({"dnsPolicy": "Default"}, [], [], []),
        ({"hostNetwork": True}, [], [], []),
        ({"dnsPolicy": "Default", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, ["9.9.9.9", "1.1.1.1"], ["corp"],
         ["timeout:1"]),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"],
          "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}}, ["1.1.1.1"], ["x"], ["ndots:2", "edns0"]),
        ({"dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}, ["10.96.0.10"],
         ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"], ["ndots:2"]),
    ],
)  # fmt: skip
def test_resolver(spec: dict[str, Any], servers: list[str], searches: list[str], options: list[str]) -> None:
    found, warning = dns.resolver(pod(**spec), CONFIG.cluster_dns, "cluster.local", HOST)
    assert (list(found.servers), list(found.searches), list(found.options), warning) == (servers, searches, options, "")


def test_no_cluster_dns_is_said() -> None:
    found, warning = dns.resolver(pod(), (), "cluster.local", HOST)
    assert found == dns.Resolver()
    assert "does not have ClusterDNS IP configured" in warning


def test_resolv_conf() -> None:
    text = "# x\nnameserver 1.1.1.1 # y\nsearch a b\nsearch c .\noptions ndots:2 edns0\n"
    assert dns.parse_resolv_conf(text) == dns.Resolver(("1.1.1.1",), ("c",), ("ndots:2", "edns0"))


def test_host_names() -> None:
    assert dns.host_name(pod(meta={"name": "a" * 62 + "-b"})) == "a" * 62
    assert dns.host_name(pod(hostname="h")) == "h"
    with pytest.raises(ValueError, match="too long"):
        dns.sandbox_hostname(pod(setHostnameAsFQDN=True, subdomain="s" * 60), "cluster.local")


@pytest.mark.parametrize(
    ("asked", "shares", "quota", "memory"),
    [
        ({}, 2, 0, 0),
        ({"requests": {"cpu": "500m"}}, 512, 0, 0),
        ({"limits": {"cpu": "2", "memory": "64Mi"}}, 2048, 200_000, 67_108_864),
        ({"limits": {"cpu": "1m"}}, 2, 1000, 0),
        ({"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}, 102, 100_000, 0),
    ],
)
def test_resources(asked: dict[str, Any], shares: int, quota: int, memory: int) -> None:
    found = resources(c("a", resources=asked))
    assert (found.cpu_shares, found.cpu_quota, found.memory_bytes) == (shares, quota, memory)


def test_security_of_the_container_comes_first() -> None:
    spec = c("a", securityContext={
        "runAsUser": 5, "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True})  # fmt: skip
    found = security(pod(spec, securityContext={"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3,
                                                "supplementalGroups": [4]}), spec)  # fmt: skip
    assert (found.run_as_user, found.run_as_group, list(found.supplemental_groups)) == (5, 2, [4, 3])
    assert (found.add_capabilities, found.drop_capabilities) == (("NET_ADMIN",), ("ALL",))
    assert (found.no_new_privileges, found.read_only_root_filesystem, found.privileged) == (True, True, False)


def test_sandbox() -> None:
    a_pod = pod(
        c("a", ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]),
        hostname="h", shareProcessNamespace=True, securityContext={"sysctls": [{"name": "net.x", "value": "1"}]},
    )  # fmt: skip
    found = sandbox_config(a_pod, 3, CONFIG, dns.Resolver(("1.1.1.1",)))
    assert (found.attempt, found.hostname, found.share_process_namespace) == (3, "h", True)
    assert list(found.ports) == [PortMapping(8080, 80)]
    assert (list(found.dns_servers), dict(found.sysctls)) == (["1.1.1.1"], {"net.x": "1"})
    host = sandbox_config(pod(c("a", ports=[{"containerPort": 80, "hostPort": 80}]), hostNetwork=True), 0, CONFIG,
                          dns.Resolver())  # fmt: skip
    assert (host.host_network, host.hostname, list(host.ports)) == (True, "", [])


def test_container() -> None:
    spec = c("a", command=["run", "$(A)"], args=["$$(A)"], workingDir="/w", tty=True)
    found = container_config(pod(spec), spec, 2, "a:1", [("A", "1")], [], 10)
    assert (found.command, found.args, found.attempt, found.tty) == (["run", "1"], ["$(A)"], 2, True)
    assert found.annotations["minikube-py/restart-delay"] == "10"


UNSUPPORTED = [
    ({"runtimeClassName": "x"}, {}, "spec.runtimeClassName"),
    ({"hostUsers": False}, {}, "spec.hostUsers=false"),
    ({"securityContext": {"seLinuxOptions": {"level": "x"}}}, {}, "spec.securityContext.seLinuxOptions"),
    ({}, {"securityContext": {"seccompProfile": {"type": "Localhost"}}},
     "spec.containers[0].securityContext.seccompProfile.type=Localhost"),
    ({}, {"securityContext": {"procMount": "Unmasked"}}, "spec.containers[0].securityContext.procMount=Unmasked"),
    ({}, {"volumeDevices": [{}]}, "spec.containers[0].volumeDevices"),
    ({}, {"startupProbe": {"grpc": {"port": 1}}}, "spec.containers[0].startupProbe.grpc"),
    ({}, {"lifecycle": {"stopSignal": "SIGUSR1"}}, "spec.containers[0].lifecycle.stopSignal"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "container", "path"), UNSUPPORTED)
def test_what_is_not_supported_is_named(spec: dict[str, Any], container: dict[str, Any], path: str) -> None:
    a_pod = pod(c("a", **container), **spec)
    assert unsupported(a_pod) == [path]
    refusal = admit(a_pod, [], {"pods": "1"}, {})
    assert refusal is not None
    assert refusal[0] == "Unsupported"
    assert path in refusal[1]


def test_defaults_are_supported() -> None:
    assert unsupported(pod(c("a", securityContext={"seccompProfile": {"type": "RuntimeDefault"}}))) == []


ROOM = {"cpu": "2", "memory": "1Gi", "pods": "3"}


def cpu(amount: str, **more: Any) -> dict[str, Any]:
    return c("a", resources={"requests": {"cpu": amount}}, **more)


@pytest.mark.parametrize(
    ("a_pod", "others", "expected"),
    [
        (pod(cpu("2")), [], None),
        (pod(cpu("2001m")), [], "OutOfcpu"),
        (pod(cpu("1")), [pod(cpu("1001m"))], "OutOfcpu"),
        (pod(cpu("1")), [pod(cpu("1001m"), status={"phase": "Failed"})], None),
        (pod(), [pod(), pod(), pod()], "OutOfpods"),
        (pod(c("a", resources={"requests": {"example.com/gpu": "1"}})), [], "OutOfexample.com/gpu"),
        (pod(nodeSelector={"a": "b"}), [], "NodeAffinity"),
        (pod(nodeSelector={"x": "y"}), [], None),
        (pod(c("a", ports=[{"containerPort": 1, "hostPort": 80}])),
         [pod(c("a", ports=[{"containerPort": 2, "hostPort": 80}]))], "NodePorts"),
        (pod(c("a", ports=[{"containerPort": 1, "hostPort": 80}])),
         [pod(c("a", ports=[{"containerPort": 2, "hostPort": 80, "protocol": "UDP"}]))], None),
    ],
)  # fmt: skip
def test_admission(a_pod: Any, others: list[Any], expected: str | None) -> None:
    found = admit(a_pod, others, ROOM, {"x": "y"})
    assert (found[0] if found else None) == expected


def test_requests_of_init_containers_and_sidecars() -> None:
    sidecar = cpu("300m", restartPolicy="Always")
    assert requests(pod(cpu("1"), init=(cpu("2"),)))["cpu"] == 2000
    assert requests(pod(cpu("1"), init=(sidecar, cpu("900m"))))["cpu"] == 1300
    assert requests(pod(cpu("1"), init=(sidecar, cpu("2"))))["cpu"] == 2300
