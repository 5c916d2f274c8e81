"""Which network addresses the bridge goes to when somebody else chose them."""

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

#: Global unicast; everything else of IPv6 is for a link, a site, a group or a translation.
_GLOBAL_6 = ip_network("2000::/3")
#: Public by their number only: they lead to other addresses, or to the machine's own provider.
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


class Forbidden(OSError):
    """An address that the bridge does not go to."""


def is_public(address: Address) -> bool:
    """Tell whether *address* is one host of the public internet, and stands for no other address."""
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_6 or address.scope_id):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


def guarded_connector(allow: Callable[[Address], bool], resolver: AbstractResolver | None) -> aiohttp.TCPConnector:
    """Return a connector that connects to no address that *allow* refuses.

    The address is looked at when its socket is made: whatever a name resolved to before, however it was spelt. Where
    all addresses of a name are refused, the ``os_error`` of aiohttp's ClientConnectorError is :class:`Forbidden`.
    """

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, target = info
        if family not in {socket.AF_INET, socket.AF_INET6} or not allow(ip_address(target[0])):
            raise Forbidden("not a public address")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(socket_factory=make, resolver=resolver, force_close=True)
