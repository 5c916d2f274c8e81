"""Decides which network addresses the bridge connects to if another party chose them."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import AddrInfoType

Address = IPv4Address | IPv6Address

#: Global unicast. All other IPv6 addresses belong to a link, a site, a multicast group or a translation.
_GLOBAL_6 = ip_network("2000::/3")
#: Addresses that count as global but lead to other addresses, or to services of the machine's provider.
_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocols of the IETF
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's services for its virtual machines
        "2001::/23",  # Teredo, and other protocols
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation (RFC 9637)
    )
)


_ANY_PORT = 80


class Forbidden(OSError):
    """The bridge does not connect to this address."""


def is_public(address: Address) -> bool:
    """Tell whether *address* is a single host of the public internet and contains no other address."""
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_6 or address.scope_id):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


def is_elsewhere(address: Address) -> bool:
    """Tell whether *address* is public and not one of this machine's own.

    A connection to an own address, which may be public, passes by the firewall and reaches services that listen on all
    addresses.
    """
    return is_public(address) and not is_own(address)


def is_own(address: Address) -> bool:
    """Tell whether *address* belongs to this machine. Nothing is sent."""
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # The system chooses the sender's address: to an own address it sends from that address.
            probe.connect((str(address), _ANY_PORT))
        except OSError:
            # There is no way to it.
            return False
        return ip_address(probe.getsockname()[0].partition("%")[0]) == address


def guarded_connector(allow: Callable[[Address], bool], resolver: AbstractResolver | None) -> aiohttp.TCPConnector:
    """Return a connector that connects only to addresses that *allow* accepts.

    The check takes place when the socket is made, so neither the spelling of the URL nor a later DNS answer can evade
    it. If all addresses of a name are refused, the ``os_error`` of aiohttp's ClientConnectorError is
    :class:`Forbidden`.
    """

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, target = info
        if family not in {socket.AF_INET, socket.AF_INET6} or not allow(ip_address(target[0])):
            raise Forbidden("not a public address")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(socket_factory=make, resolver=resolver, force_close=True)
