"""Rules for addresses and ports that several kinds share."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

PROTOCOLS = ("SCTP", "TCP", "UDP")
"""The transport protocols, in the order in which error messages name them."""

IP_SENTENCE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_SENTENCE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


@lru_cache(maxsize=1024)
def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address, or None if the text is none. Zones are refused, IPv4 in an IPv6 shell is IPv4."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        if found.scope_id is not None:
            return None
        return found.ipv4_mapped or found
    return found


def ip(text: str | None) -> list[str]:
    """What is wrong with an IP address."""
    return [] if text and parse_ip(text) else [IP_SENTENCE]


def cidr(text: str) -> list[str]:
    """What is wrong with a CIDR; host bits may be set, as Kubernetes allows in existing fields."""
    if "/" not in text:
        return [CIDR_SENTENCE]
    try:
        ip_network(text, strict=False)
    except ValueError:
        return [CIDR_SENTENCE]
    return []


def not_special(text: str) -> list[str]:
    """Addresses that no endpoint may have, lest a Service reach the node's own insides."""
    address = parse_ip(text)
    if address is None:
        return [IP_SENTENCE]
    if address.is_unspecified:
        return [f"may not be unspecified ({text})"]
    if address.is_loopback:
        return ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]
    if address.is_link_local:
        return ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]
    if (isinstance(address, IPv4Address) and text.startswith("224.0.0.")) or (
        isinstance(address, IPv6Address) and address in ip_network("ff02::/16")
    ):
        return ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]
    return []


def port_number(port: int | None) -> list[str]:
    """What is wrong with a port number."""
    return [] if port is not None and 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def host_port(host: str, port: int) -> str:
    """`ip:port`, with brackets around IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
