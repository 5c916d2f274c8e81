"""The section ``admin`` of config.yaml."""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import Field, StrictBool, StrictFloat, field_validator

from agent_bridge.config.section import Section

#: The package of the extra ``admin``.
_LIBRARY = "jinja2"


class AdminConfig(Section):
    """The page for administrators at /admin (docs/admin.md), on the port for programs."""

    enabled: StrictBool = Field(
        False,
        description="Whether there is the page. Admins and owners sign in by the link of !ab admin. It needs "
        "pip install 'agent-bridge[admin]'.",
    )
    openid: StrictBool = Field(
        False,
        description="Whether admins and owners with accounts of your homeserver may also sign in by Matrix OpenID. "
        "Services to which their clients give such tokens, such as widgets and calls, can then sign in as them. The "
        "homeserver needs the resource openid or federation on the listener of homeserver.address.",
    )
    session_hours: StrictFloat = Field(12, gt=0, le=720, description="Hours after which a person has to sign in again.")

    @field_validator("enabled")
    @classmethod
    def _can_be_used(cls, value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
        if value and find_spec(_LIBRARY) is None:
            raise ValueError("needs the package jinja2: pip install 'agent-bridge[admin]'")
        return value
