"""The addresses of programs behind reverse proxies."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from aiohttp import web

_FORWARDED = "X-Forwarded-For"


def address_of(request: web.Request, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the address from which *request* comes: the last one that no *trusted* proxy has.

    Others may write any address into the header, so it counts only as far as trusted proxies have added to it.
    """
    found = request.remote or ""
    hops = [each.strip() for header in request.headers.getall(_FORWARDED, []) for each in header.split(",")]
    while hops and _is_trusted(found, trusted):
        nearest = _address(hops.pop())
        if nearest is None:
            break
        found = str(nearest)
    return found


def is_of_trusted_proxy(request: web.Request, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether a *trusted* proxy sends *request*: then its headers about the original request count."""
    return _is_trusted(request.remote or "", trusted)


def _is_trusted(text: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
