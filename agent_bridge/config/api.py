"""The section ``api`` of config.yaml."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt

from agent_bridge.config.section import Section
from agent_bridge.config.types import Url

_LARGEST_PORT = 65_535


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ip_network(value, strict=False)
    except ValueError:
        raise ValueError("must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8") from None


#: Addresses of machines.
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class ApiConfig(Section):
    """The routes for programs: the API (docs/api.md), webhooks of upstreams, and triggers (docs/triggers.md)."""

    hostname: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which the bridge listens for programs, if port is set. 0.0.0.0 lets other machines in, "
        "without encryption: prefer a reverse proxy with TLS.",
        examples=["127.0.0.1"],
    )
    port: StrictInt | None = Field(
        None,
        ge=1,
        le=_LARGEST_PORT,
        description="Port for programs. Default: the one of appservice, on which the homeserver reaches the bridge.",
        examples=[29_330],
    )
    public_url: Url | None = Field(
        None,
        description="URL at which other programs reach the bridge, for example that of a reverse proxy which forwards "
        "/v1/. The addresses of triggers begin with it. Default: http:// with the hostname and the port on which the "
        "bridge listens.",
        examples=["https://bridge.example.org"],
    )
    typing: bool = Field(
        False,
        description="Whether programs that subscribe are told who is typing, and who is online. The homeserver then "
        "sends this to the bridge: write registration.yaml again, and restart Synapse.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        description="Addresses or networks of reverse proxies. Only they may tell the address of a program, in the "
        "header X-Forwarded-For.",
        examples=[["127.0.0.1"]],
    )
    requests_per_minute: StrictInt = Field(
        120,
        ge=1,
        le=100_000,
        description="Requests of one token in a minute; each process of the bridge counts those that it takes.",
    )
    longest_wait: StrictFloat = Field(
        300.0, ge=1, le=3600, description="Seconds for which a request waits for the answer of an agent at most."
    )
    callback_expires_after: StrictFloat = Field(
        86_400, ge=1, le=31_536_000, description="Seconds for which the callback URL of a trigger can be used."
    )
