"""The configuration as frozen types. Descriptions become the comments of ``config.example.yaml``."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  # pydantic needs it at run time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from agent_bridge.core.ids import Names, parse_user_id
from agent_bridge.core.model import Role

_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")
_URL = re.compile(r"https?://[^\s/]+.*")
_TEMPLATE_FIELD = re.compile(r"\{([^{}]*)\}")
_TEMPLATE_FIELDS = frozenset({"name", "id", "upstream"})


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError("must be an http:// or https:// URL")
    return value.rstrip("/")


def _localpart(value: str) -> str:
    if not _LOCALPART.fullmatch(value):
        raise ValueError("may contain only a-z, 0-9 and . _ = / + - (the Matrix grammar of user ids)")
    return value


def _user_id(value: str) -> str:
    parse_user_id(value)
    return value


def _template(value: str) -> str:
    for name in _TEMPLATE_FIELD.findall(value):
        if name not in _TEMPLATE_FIELDS:
            known = ", ".join(f"{{{field}}}" for field in sorted(_TEMPLATE_FIELDS))
            raise ValueError(f"unknown placeholder {{{name}}}; known are {known}")
    return value


Url = Annotated[str, AfterValidator(_url)]
Localpart = Annotated[str, AfterValidator(_localpart)]
UserId = Annotated[str, AfterValidator(_user_id)]
Template = Annotated[str, AfterValidator(_template)]


class Section(BaseModel):
    """Base of every section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Homeserver(Section):
    """Your Matrix homeserver."""

    address: Url = Field(description="Where the bridge reaches its client-server API.")
    domain: str = Field(min_length=1, description="Its server_name: what stands behind the colon in user ids.")


class AppService(Section):
    """How the homeserver knows and reaches the bridge. registration.yaml is made from this section."""

    id: str = Field("agent-bridge", min_length=1, description="Unique id of the registration.")
    address: Url | None = Field(
        None,
        description="Where the homeserver reaches the bridge. Default: http://localhost:<port>.",
        examples=["http://localhost:29340"],
    )
    hostname: str = Field("127.0.0.1", description="Address that the bridge listens on.")
    port: int = Field(29340, ge=0, le=65535, description="Port that the bridge listens on.")
    as_token: SecretStr = Field(min_length=1, description="Proves the bridge to the homeserver.")
    hs_token: SecretStr = Field(min_length=1, description="Proves the homeserver to the bridge.")
    bot_username: Localpart = Field("agentbridge", description="Localpart of the bridge bot.")
    bot_displayname: str = Field("Agent Bridge", description="Display name of the bridge bot.")
    username_prefix: Localpart = Field("agent_", description="What every ghost's localpart starts with.")

    @property
    def url(self) -> str:
        """Where the homeserver reaches the bridge."""
        return self.address or f"http://localhost:{self.port}"

    @model_validator(mode="after")
    def _bot_is_no_ghost(self) -> AppService:
        if self.bot_username.startswith(self.username_prefix):
            raise ValueError("bot_username must not start with username_prefix: the bot would be taken for a ghost")
        return self


class Database(Section):
    """Where the bridge keeps everything that must survive."""

    url: str = Field(
        "embedded",
        description='"embedded" runs a PostgreSQL of the bridge\'s own; or postgresql://user:password@host/name '
        "(13 or newer).",
    )
    data_dir: Path = Field(
        "data",  # type: ignore[assignment]  # validated below like a value from the file
        validate_default=True,
        description="Folder of the embedded PostgreSQL, relative to this file.",
    )
    migrate: bool = Field(True, description="Bring the schema up to date at start. Otherwise: agent-bridge migrate.")
    pool_size: int = Field(10, ge=4, le=500, description="Connections kept to the database, at most.")

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError('must be "embedded" or start with postgresql://')
        return value

    @property
    def embedded(self) -> bool:
        """Whether the bridge runs PostgreSQL itself."""
        return self.url == "embedded"


class UpstreamConfig(Section):
    """A server that hosts agents."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Its name in commands, logs and the database.")
    kind: Literal["openai"] = Field("openai", description="openai: any server with /v1/models and /v1/chat/completions.")
    url: Url = Field(description="Base URL, with /v1 where the server has it.", examples=["http://localhost:1416/v1"])
    api_key: SecretStr | None = Field(
        None,
        description="Sent as Bearer token. env:NAME reads it from the environment.",
        examples=["env:LETTA_API_KEY"],
    )
    poll_interval: float = Field(0.5, ge=0.05, le=3600, description="Seconds between two looks at its agents.")
    include: tuple[str, ...] = Field(("*",), description="Only agents whose id or name matches one of these globs.")
    exclude: tuple[str, ...] = Field((), description="No agents whose id or name matches one of these globs.")
    max_new_agents: int = Field(
        100, ge=0, description="New rooms made in one pass without an operator's word (!ab sync all)."
    )
    model_ids: Literal["auto", "stable", "names"] = Field(
        "auto",
        description="names: a model id is the agent's name, so one gone and one new at once is a rename. "
        "stable: an id never changes. auto: names where the server says owned_by: letta.",
    )
    history: Literal["bridge", "server"] = Field(
        "bridge", description="bridge: every request carries the last turns of the room. server: it remembers itself."
    )
    history_tokens: int = Field(8000, ge=0, description="Budget of the history sent along, in (estimated) tokens.")
    system_prompt: str | None = Field(None, description="First message of every request, if any.")
    session_header: str | None = Field(
        None,
        description="Header that names the conversation to a server that remembers.",
        examples=["X-Letta-Chat-Key"],
    )
    idempotency_header: str | None = Field(
        None,
        description="Header that names the turn; set it only if the server then answers a repeat without acting twice.",
        examples=["Idempotency-Key"],
    )
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Further headers of every request.")
    connect_timeout: float = Field(10, gt=0, description="Seconds to wait for a connection.")
    idle_timeout: float = Field(300, gt=0, description="Seconds without a byte after which an answer counts as cut.")


class Templates(Section):
    """Names of what people see. Placeholders: {name}, {id}, {upstream}."""

    displayname: Template = Field("Letta Agent: {name}", description="Display name of a ghost.")
    room_name: Template = Field("{name} - Letta Agent Chat", description="Name of an agent's room.")
    room_topic: Template = Field("Chat with {name} (Letta Agent)", description="Topic of an agent's room.")


class Space(Section):
    """The Matrix Space that gathers the rooms."""

    enabled: bool = Field(True, description="Without it rooms still work.")
    name: str = Field("Letta Agents", description="Name of the Space.")
    topic: str = Field("All Letta AI agent conversations", description="Topic of the Space.")


class Rooms(Section):
    """How rooms are made."""

    invite: tuple[UserId, ...] = Field(
        (), description="Invited to the Space and to every agent's room.", examples=[["@admin:example.org"]]
    )
    version: str | None = Field(None, description="Room version; default: the homeserver's own.")
    concurrency: int = Field(4, ge=1, le=64, description="Rooms made at the same time.")


class Bot(Section):
    """The bridge bot."""

    prefix: str = Field("!ab", pattern=r"^\S+$", description="What starts a command in a bridged room.")


class Lanes(Section):
    """How messages are worked off."""

    max_active_lanes: int = Field(50, ge=1, le=1000, description="Rooms that are answered at the same time.")
    max_attempts: int = Field(4, ge=1, description="Tries of one message when the upstream fails in a way worth trying.")
    drain_timeout: float = Field(20, ge=0, description="Seconds that running answers get to finish at a clean stop.")


class Logging(Section):
    """What the bridge logs, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["console", "json"] = Field("console", description="console for people, json for machines.")


def _role(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return Role[value.upper()]
        except KeyError:
            roles = ", ".join(role.name.lower() for role in Role)
            raise ValueError(f"is no role; the roles are {roles}") from None
    return value


class Config(Section):
    """The whole of config.yaml."""

    homeserver: Homeserver
    appservice: AppService
    database: Database = Database()
    upstreams: tuple[UpstreamConfig, ...] = Field(min_length=1, description="Servers that host agents.")
    templates: Templates = Templates()
    space: Space = Space()
    rooms: Rooms = Rooms()
    permissions: dict[str, Role] = Field(
        default_factory=dict,
        description="Who may do what: none < member (talks) < moderator < admin (invites, sees all) < owner. "
        'The most particular entry wins: user id, then domain, then "*". Nobody may do anything unless named here.',
    )
    bot: Bot = Bot()
    lanes: Lanes = Lanes()
    logging: Logging = Logging()

    @field_validator("permissions", mode="before")
    @classmethod
    def _roles(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for who in value:
            if str(who).startswith("@"):
                parse_user_id(str(who))
        return {str(who): _role(role) for who, role in value.items()}

    @field_validator("upstreams")
    @classmethod
    def _unique(cls, value: tuple[UpstreamConfig, ...]) -> tuple[UpstreamConfig, ...]:
        names = [upstream.name for upstream in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two upstreams are named {name!r}")
        return value

    @property
    def names(self) -> Names:
        """The bridge's part of the homeserver's name space."""
        service = self.appservice
        return Names(self.homeserver.domain, service.bot_username, service.username_prefix)
