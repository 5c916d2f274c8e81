"""The section of end-to-end encryption."""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import Field, StrictFloat, ValidationInfo, field_validator

from agent_bridge.config.section import Section
from agent_bridge.config.types import Secret  # pydantic needs it at run time

#: A package that the extra ``encryption`` installs.
_PACKAGE = "vodozemac"


class EncryptionConfig(Section):
    """End-to-end encryption of rooms. It needs the extra encryption; docs/encryption.md says what Synapse needs."""

    allow: bool = Field(
        False,
        description="Whether agents and the bot read and write encrypted messages. Each gets a device with keys of its "
        "own in its first encrypted room. false: they say in encrypted rooms that they cannot read them.",
    )
    default: bool = Field(
        False,
        description="Whether the rooms that the bridge makes are encrypted, except Spaces and rooms that everybody can "
        "enter. Needs allow.",
    )
    require: bool = Field(
        False,
        description="Whether messages of people that are not encrypted are refused, with a note to their sender once a "
        "day in each room; also commands, except in rooms of several. The rooms that the bridge makes are encrypted "
        "then, as with default. Needs allow.",
    )
    wait: StrictFloat = Field(
        60,
        ge=1,
        le=3600,
        description="Seconds for which the later messages of a room wait for one whose key is late. Then the room is "
        "told, and the message is read when its key comes.",
    )
    secret: Secret | None = Field(
        None,
        description="Encrypts the keys in the database, and gives the identities of agents: with another secret, "
        "people are warned that the keys of agents have changed. Default: it is derived from appservice.as_token.",
        examples=["env:ENCRYPTION_SECRET"],
    )

    @property
    def encrypts_new_rooms(self) -> bool:
        """Whether the rooms that the bridge makes are encrypted."""
        return self.default or self.require

    @field_validator("allow")
    @classmethod
    def _is_installed(cls, value: bool) -> bool:  # noqa: FBT001  # pydantic calls it
        if value and find_spec(_PACKAGE) is None:
            raise ValueError("needs the extra encryption: pip install 'agent-bridge[encryption]'")
        return value

    @field_validator("default", "require")
    @classmethod
    def _needs_allow(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic calls it
        if value and not info.data.get("allow"):
            raise ValueError("needs allow: true")
        return value
