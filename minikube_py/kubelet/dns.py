"""A Pod's names, pure: its host name, its managed /etc/hosts, its resolver settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minikube_py.kubelet.podspec import Object


@dataclass(frozen=True, slots=True)
class Resolver:
    """What goes into a resolv.conf."""

    servers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = field(default_factory=tuple)


def host_name(pod: Object) -> str:
    """spec.hostname, else the Pod's name; at most 63 characters, not ending in a dash or dot."""
    name = str(pod["spec"].get("hostname") or pod["metadata"]["name"])
    return name[:63].rstrip("-.")


def fqdn(pod: Object, cluster_domain: str) -> str:
    """`host.subdomain.namespace.svc.domain` where the Pod has a subdomain, else ""."""
    subdomain = pod["spec"].get("subdomain")
    if not subdomain:
        return ""
    return f"{host_name(pod)}.{subdomain}.{pod['metadata']['namespace']}.svc.{cluster_domain}"


def sandbox_hostname(pod: Object, cluster_domain: str) -> str:
    """What the sandbox's kernel is told; raises ValueError where the full name is asked and too long for it."""
    if not pod["spec"].get("setHostnameAsFQDN"):
        return host_name(pod)
    full = fqdn(pod, cluster_domain) or host_name(pod)
    if len(full) > 64:
        raise ValueError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"(64 characters is the max, {len(full)} characters requested)"
        )
    return full


def hosts_file(pod: Object, ip: str, cluster_domain: str, host_text: str = "") -> str:
    """The managed /etc/hosts; with the host's network it is the host's own text (`host_text`) plus the aliases."""
    if pod["spec"].get("hostNetwork"):
        lines = ["# Kubernetes-managed hosts file (host network).", host_text.rstrip("\n")]
    else:
        names = [n for n in (fqdn(pod, cluster_domain), host_name(pod)) if n]
        lines = [
            "# Kubernetes-managed hosts file.",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet",
            "fe00::0\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
        ]
        if ip:
            lines.append(f"{ip}\t" + "\t".join(names))
    aliases = pod["spec"].get("hostAliases") or ()
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += [a["ip"] + "\t" + "\t".join(a.get("hostnames") or ()) for a in aliases]
    return "\n".join(lines) + "\n"


def resolver(pod: Object, cluster_dns: Sequence[str], cluster_domain: str, host: Resolver) -> tuple[Resolver, str]:
    """The Pod's resolver by dnsPolicy and dnsConfig, and a warning where the policy could not be followed.

    An empty Resolver leaves the engine's default, which is the host's.
    """
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    warning = ""
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and not cluster_dns:
        warning = (
            "kubelet does not have ClusterDNS IP configured and cannot create Pod using "
            f'"{policy}" policy. Falling back to "Default" policy.'
        )
        policy = "Default"
    given = spec.get("dnsConfig") or {}
    match policy:
        case "Default":
            if not given:
                return Resolver(), warning
            base = host
        case "None":
            base = Resolver()
        case _:
            namespace = pod["metadata"]["namespace"]
            own = (f"{namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
            base = Resolver(tuple(cluster_dns), (*own, *host.searches), ("ndots:5",))
    options = {o.partition(":")[0]: o for o in base.options}
    for one in given.get("options") or ():
        value = one.get("value")
        options[one["name"]] = one["name"] if value is None else f"{one['name']}:{value}"
    merged = Resolver(
        tuple(dict.fromkeys((*base.servers, *(given.get("nameservers") or ())))),
        tuple(dict.fromkeys((*base.searches, *(given.get("searches") or ())))),
        tuple(options.values()),
    )
    return merged, warning


def parse_resolv_conf(text: str) -> Resolver:
    """The servers, search domains (the last `search` line counts) and options of a resolv.conf."""
    servers, searches, options = [], [], []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = [w for w in words[1:] if w != "."]
        elif words[0] == "options":
            options += words[1:]
    return Resolver(tuple(servers), tuple(searches), tuple(options))
