"""The section ``api`` of config.yaml."""

from __future__ import annotations

from pydantic import Field, StrictFloat

from agent_bridge.config.section import Section
from agent_bridge.config.types import Url


class ApiConfig(Section):
    """The routes for other programs: webhooks of upstreams, and triggers (docs/triggers.md)."""

    public_url: Url | None = Field(
        None,
        description="URL at which other programs reach the bridge, for example that of a reverse proxy which forwards "
        "/v1/. The addresses of triggers begin with it. Default: http://<appservice.hostname>:<appservice.port>.",
        examples=["https://bridge.example.org"],
    )
    typing: bool = Field(
        False,
        description="Whether programs that subscribe are told who is typing, and who is online. The homeserver then "
        "sends this to the bridge: write registration.yaml again, and restart Synapse.",
    )
    callback_expires_after: StrictFloat = Field(
        86_400, ge=1, le=31_536_000, description="Seconds for which the callback URL of a trigger can be used."
    )
