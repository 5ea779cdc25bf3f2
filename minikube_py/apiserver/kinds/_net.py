"""Rules for addresses and ports that several kinds share."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
    ip_network,
)

Interface = IPv4Interface | IPv6Interface

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


@lru_cache(maxsize=1024)
def parse_cidr(text: str) -> Interface | None:
    """The address with its prefix length, or None if the text is no CIDR. Masks in place of a length are refused."""
    address, slash, length = text.partition("/")
    if not slash or not (length.isascii() and length.isdigit()) or "%" in address:
        return None
    try:
        return ip_interface(text)
    except ValueError:
        return None


def cidr(text: str) -> list[str]:
    """What is wrong with a CIDR; host bits may be set, as Kubernetes allows in fields that are older than its rules."""
    return [] if parse_cidr(text) else [CIDR_SENTENCE]


def strict_cidr(text: str) -> list[str]:
    """What is wrong with a CIDR that stands for a range: nothing in it may be ambiguous."""
    found = parse_cidr(text)
    if found is None:
        return [CIDR_SENTENCE]
    if _mapped(found.ip):
        return ["must not have an IPv4-mapped IPv6 address"]
    length = text.rpartition("/")[2]
    if len(length) > 1 and length.startswith("0"):
        return ["must not have leading 0s in IP or prefix length"]
    if found.ip != found.network.network_address:
        return ["must not have bits set beyond the prefix length"]
    return []


def canonical_cidr(text: str) -> list[str]:
    """What is wrong with a CIDR that must be written in its one canonical form."""
    wrong = strict_cidr(text)
    if not wrong and (canonical := str(ip_network(text))) != text:
        return [f'must be in canonical form ("{canonical}")']
    return wrong


def strict_ip(text: str) -> list[str]:
    """What is wrong with an address: nothing in it may be ambiguous."""
    address = ip_address(text) if parse_ip(text) else None
    if address is None:
        return [IP_SENTENCE]
    return ["must not be an IPv4-mapped IPv6 address"] if _mapped(address) else []


def canonical_ip(text: str) -> list[str]:
    """What is wrong with an address that must be written in its one canonical form."""
    wrong = strict_ip(text)
    if not wrong and (canonical := str(ip_address(text))) != text:
        return [f'must be in canonical form ("{canonical}")']
    return wrong


def _mapped(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def ip_warnings(path: str, text: str) -> list[str]:
    """What to tell the author of an address that is valid but not in its usual form."""
    address = parse_ip(text)
    if isinstance(address, IPv6Address) and str(address) != text:
        return [f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{address}")']
    return []


def cidr_warnings(path: str, text: str) -> list[str]:
    """What to tell the author of a CIDR that is valid but not in its usual form."""
    found = parse_cidr(text)
    if found is None:
        return []
    if found.ip != found.network.network_address:
        return [
            f'{path}: CIDR value "{text}" is ambiguous in this context '
            f'(should be "{found.network}" or "{found.ip}/{found.network.max_prefixlen}"?)'
        ]
    if found.version == 6 and str(found.network) != text:
        return [f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{found.network}")']
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
