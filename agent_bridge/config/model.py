"""The configuration as frozen types. Descriptions become the comments of ``config.example.yaml``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from agent_bridge.config.types import (
    BotLocalpart,
    CommandPrefix,
    HeaderName,
    Localpart,
    LocalPath,
    RoleName,
    Secret,
    SecretText,
    ServerName,
    Template,
    UpstreamName,
    Url,
    UserId,
    Who,
)
from agent_bridge.core.ids import Namespace
from agent_bridge.core.rooms import Show, Streaming, WhenBusy


class Section(BaseModel):
    """Base of every section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        """Take a section whose keys are all commented out as one without keys."""
        return {} if value is None else value


class HomeserverConfig(Section):
    """Your Matrix homeserver."""

    address: Url = Field(description="Where the bridge reaches its client-server API.")
    domain: ServerName = Field(description="Its server_name: what stands behind the colon in user ids.")
    backfill_interval: StrictFloat = Field(
        600,
        ge=1,
        le=31_536_000,
        description="Seconds after which every room is compared with the homeserver's own history again, for what it "
        "did not hand over. After a start of the bridge or of the homeserver that is done at once.",
    )


class AppServiceConfig(Section):
    """How the homeserver knows and reaches the bridge. registration.yaml is made from this section."""

    id: str = Field("agent-bridge", min_length=1, description="Unique id of the registration.")
    address: Url | None = Field(
        None,
        description="Where the homeserver reaches the bridge. Default: http://localhost:<port>.",
        examples=["http://localhost:29340"],
    )
    hostname: str = Field("127.0.0.1", min_length=1, description="Address that the bridge listens on.")
    port: StrictInt = Field(29340, ge=0, le=65535, description="Port that the bridge listens on.")
    as_token: Secret = Field(description="Proves the bridge to the homeserver; agent-bridge init makes one.")
    hs_token: Secret = Field(description="Proves the homeserver to the bridge; agent-bridge init makes one.")
    bot_username: BotLocalpart = Field("agentbridge", description="Localpart of the bridge bot.")
    bot_displayname: str = Field("Agent Bridge", description="Display name of the bridge bot.")
    username_prefix: Localpart = Field(
        "agent_",
        min_length=1,
        validate_default=True,
        description="What every ghost's localpart starts with.",
    )

    @property
    def url(self) -> str:
        """Where the homeserver reaches the bridge."""
        return self.address or f"http://localhost:{self.port}"

    @field_validator("username_prefix")
    @classmethod
    def _bot_is_no_ghost(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("bot_username", "").startswith(value):
            raise ValueError("bot_username must not start with it: the bot would be taken for a ghost")
        return value


class DatabaseConfig(Section):
    """Where the bridge keeps everything that must survive."""

    url: SecretText = Field(
        "embedded",
        repr=False,  # it may hold a password
        description='"embedded" runs a PostgreSQL of the bridge\'s own; or postgresql://user:password@host/name'
        ", version 13 or newer. env:NAME reads it from the environment.",
    )
    data_dir: LocalPath = Field(
        "data",  # validated like a value from the file
        validate_default=True,
        description="Folder of the embedded PostgreSQL, relative to this file. Started by root, it runs as a user of "
        "its own, for whom the folders above are opened.",
    )
    migrate: bool = Field(True, description="Bring the schema up to date at start. Otherwise: agent-bridge migrate.")
    pool_size: StrictInt = Field(10, ge=4, le=500, description="Connections kept to the database, at most.")

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

    name: UpstreamName = Field(description="Its name in commands, logs and the database.")
    kind: Literal["openai"] = Field(
        "openai", description="openai: any server with /v1/models and /v1/chat/completions."
    )
    url: Url = Field(description="Base URL, with /v1 where the server has it.", examples=["http://localhost:1416/v1"])
    api_key: Secret | None = Field(
        None,
        description="Sent as Bearer token. env:NAME reads it from the environment.",
        examples=["env:LETTA_API_KEY"],
    )
    api: Literal["chat", "responses"] = Field(
        "chat",
        description="chat: /chat/completions. responses: /responses, and /chat/completions where the server lacks it.",
    )
    poll_interval: StrictFloat = Field(0.5, ge=0.05, le=3600, description="Seconds between two looks at its agents.")
    include: tuple[str, ...] = Field(("*",), description="Only agents whose id or name matches one of these globs.")
    exclude: tuple[str, ...] = Field((), description="No agents whose id or name matches one of these globs.")
    max_new_agents: StrictInt = Field(
        100, ge=0, description="New rooms made in one pass without an operator's word (!ab sync all)."
    )
    model_ids: Literal["auto", "stable", "names"] = Field(
        "auto",
        description="names: a model id is the agent's name, so one gone and one new at once is a rename. "
        "stable: an id never changes. auto: names where the server says owned_by: letta.",
    )
    history: Literal["bridge", "server"] = Field(
        "bridge",
        description="bridge: every request carries the last turns of the room. server: it remembers itself.",
    )
    history_tokens: StrictInt = Field(
        8000, ge=0, description="Budget of the history sent along, in (estimated) tokens."
    )
    system_prompt: str | None = Field(
        None,
        description="First message of every request, if any.",
        examples=["You talk with people in a Matrix room."],
    )
    session_header: HeaderName | None = Field(
        None,
        description="Header that names the conversation to a server that remembers.",
        examples=["X-Letta-Chat-Key"],
    )
    idempotency_header: HeaderName | None = Field(
        None,
        description="Header that names the turn; set it only if the server then answers a repeat without acting twice.",
        examples=["Idempotency-Key"],
    )
    headers: dict[HeaderName, Secret] = Field(
        default_factory=dict,
        description="Further headers of every request. env:NAME reads a value from the environment.",
        examples=[{"X-Team": "env:TEAM_KEY"}],
    )
    streaming: Streaming = Field(
        Streaming.EDITS,
        description="edits: an answer is seen as it grows. off: only once it is whole. !ab stream says otherwise for "
        "one room.",
    )
    reasoning: Show = Field(
        Show.COLLAPSED, description="What people see of an agent's reasoning: hidden, collapsed, or thread."
    )
    tools: Show = Field(
        Show.COLLAPSED, description="What people see of an agent's calls of tools: hidden, collapsed, or thread."
    )
    images: bool = Field(True, description="Whether its models take images.")
    transcription_model: str | None = Field(
        None,
        min_length=1,
        description="Model that makes text of voice messages (/audio/transcriptions); without it they are not taken.",
        examples=["whisper-1"],
    )
    connect_timeout: StrictFloat = Field(10, gt=0, description="Seconds to wait for a connection.")
    idle_timeout: StrictFloat = Field(
        300, gt=0, description="Seconds without a byte after which an answer counts as cut."
    )
    turn_timeout: StrictFloat = Field(3600, gt=0, description="Seconds that one answer may take in all.")
    max_answer_chars: StrictInt = Field(
        200_000, ge=100, description="Characters after which an answer is ended, and the room is told."
    )


class TemplatesConfig(Section):
    """Names of what people see. Placeholders: {name}, {id}, {upstream}."""

    displayname: Template = Field("Letta Agent: {name}", description="Display name of a ghost.")
    room_name: Template = Field("{name} - Letta Agent Chat", description="Name of an agent's room.")
    room_topic: Template = Field("Chat with {name} (Letta Agent)", description="Topic of an agent's room.")


class SpaceConfig(Section):
    """The Matrix Space that gathers the rooms."""

    enabled: bool = Field(True, description="Without it rooms still work.")
    name: str = Field("Letta Agents", description="Name of the Space.")
    topic: str = Field("All Letta AI agent conversations", description="Topic of the Space.")


class RoomsConfig(Section):
    """How rooms are made."""

    invite: tuple[UserId, ...] = Field(
        (), description="Invited to the Space and to every agent's room.", examples=[["@admin:example.org"]]
    )
    version: str | None = Field(None, description="Room version; default: the homeserver's own.", examples=["12"])
    concurrency: StrictInt = Field(4, ge=1, le=64, description="Rooms made at the same time.")


class BotConfig(Section):
    """The bridge bot."""

    prefix: CommandPrefix = Field("!ab", description="What starts a command in a bridged room.")


class LanesConfig(Section):
    """How messages are worked off."""

    max_active_lanes: StrictInt = Field(50, ge=1, le=1000, description="Rooms that a process answers at the same time.")
    max_attempts: StrictInt = Field(
        4, ge=1, description="Tries of one message when the upstream fails in a way worth trying."
    )
    when_busy: WhenBusy = Field(
        WhenBusy.QUEUE,
        description="Messages that arrive while the agent answers. queue: each gets its own answer, one after the "
        "other. collect: they are answered together, as one. !ab busy says otherwise for one room.",
    )
    max_queued_per_room: StrictInt = Field(
        100, ge=1, description="Messages that may wait in one room; whoever says more is told which were not taken."
    )
    max_message_age: StrictFloat = Field(
        86400,
        gt=0,
        le=31_536_000,
        description="Seconds after which a message is too old to be answered as if it were new; the room is told.",
    )
    show_waiting: bool = Field(True, description="Whether a message that waits behind another one gets a ⏳.")
    drain_timeout: StrictFloat = Field(
        20, ge=0, description="Seconds that running answers get to finish at a clean stop."
    )


class AnswersConfig(Section):
    """How answers are shown."""

    edits_per_second: StrictFloat = Field(
        5,
        gt=0,
        le=1000,
        description="Edits in all rooms together by which growing answers are shown. First words and whole answers do "
        "not wait for it.",
    )
    max_events: StrictInt = Field(40, ge=2, le=1000, description="Events that show one growing answer, at most.")
    max_parts: StrictInt = Field(
        8, ge=1, le=100, description="Messages that one long answer is split into; what is left is sent as a file."
    )


class FilesConfig(Section):
    """Files that people and agents send."""

    max_bytes: StrictInt = Field(
        20_000_000, ge=1, le=1_000_000_000, description="Bytes of a file that is taken, from people or agents."
    )
    max_image_bytes: StrictInt = Field(
        1_500_000, ge=10_000, description="Bytes that an image is shrunk to before an agent gets it."
    )
    max_text_chars: StrictInt = Field(
        60_000, ge=100, description="Characters of a text file or document that an agent gets."
    )


class ThreadsConfig(Section):
    """Conversations of their own within a room."""

    room_messages: StrictInt = Field(
        0,
        ge=0,
        le=200,
        description="Messages of the room that an agent is told when a thread begins, besides the one it is about.",
    )


class RetentionConfig(Section):
    """How long the bridge keeps what it does not need any more. The homeserver keeps the rooms."""

    turns_days: StrictFloat = Field(
        30,
        ge=1,
        le=36_500,
        description="Days for which !ab why and !ab retry know what became of a message; as long as its "
        "transcript is kept, where there is one.",
    )
    transcript_days: StrictFloat = Field(
        180,
        ge=1,
        le=36_500,
        description="Days for which a message may be sent along as history to an upstream that keeps none.",
    )


class LoggingConfig(Section):
    """What the bridge logs, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    format: Literal["console", "json"] = Field("console", description="console for people, json for machines.")


class Config(Section):
    """The whole of config.yaml.

    Validated without an :class:`~agent_bridge.config.types.Origin` as context, it holds what is written:
    ``env:NAME`` and relative paths stay as they are.
    """

    homeserver: HomeserverConfig
    appservice: AppServiceConfig
    # Validated even where it is left out: the default data_dir is relative to the file too.
    database: DatabaseConfig = Field({}, validate_default=True)
    upstreams: tuple[UpstreamConfig, ...] = Field(description="Servers that host agents.")
    templates: TemplatesConfig = TemplatesConfig()
    space: SpaceConfig = SpaceConfig()
    rooms: RoomsConfig = RoomsConfig()
    permissions: dict[Who, RoleName] = Field(
        default_factory=dict,
        description="Who may do what: none < member (talks) < moderator < admin (invites, sees all) < owner. "
        'The most particular entry wins: user id, then domain, then "*". '
        "Nobody may do anything unless named here.",
    )
    bot: BotConfig = BotConfig()
    lanes: LanesConfig = LanesConfig()
    answers: AnswersConfig = AnswersConfig()
    files: FilesConfig = FilesConfig()
    threads: ThreadsConfig = ThreadsConfig()
    language: Literal["en", "ru"] = Field("en", description="Language of what the bridge itself says: en or ru.")
    presence: bool = Field(
        False, description="Whether an agent is shown as online while its server answers, and unavailable while not."
    )
    retention: RetentionConfig = RetentionConfig()
    logging: LoggingConfig = LoggingConfig()

    @field_validator("upstreams")
    @classmethod
    def _names_are_unique(cls, value: tuple[UpstreamConfig, ...]) -> tuple[UpstreamConfig, ...]:
        if not value:
            raise ValueError("must list at least one server")
        names = [upstream.name for upstream in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"every upstream needs a name of its own; given twice: {', '.join(twice)}")
        return value

    @property
    def namespace(self) -> Namespace:
        """The bridge's part of the homeserver's name space."""
        service = self.appservice
        return Namespace(self.homeserver.domain, service.bot_username, service.username_prefix)
