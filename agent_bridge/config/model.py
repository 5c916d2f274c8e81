"""The schema of config.yaml. The descriptions are the comments of ``config.example.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from agent_bridge.config.agents import AgentList
from agent_bridge.config.conversations import (
    AnswersConfig,
    BotConfig,
    BudgetsConfig,
    ChatsConfig,
    FilesConfig,
    LanesConfig,
    RoomsConfig,
    SpaceConfig,
    TemplatesConfig,
    ThreadsConfig,
)
from agent_bridge.config.kinds import KINDS_OF_KEYS, UpstreamKind, refuse_unused
from agent_bridge.config.section import Section
from agent_bridge.config.types import (
    ENVIRONMENT,
    POSTGRESQL,
    BotLocalpart,
    HeaderName,
    Localpart,
    LocalPath,
    Origin,
    PermissionKey,
    RoleName,
    Secret,
    SecretText,
    ServerName,
    ServerUrl,
    UpstreamName,
    Url,
    refuse_ambiguous_password,
)
from agent_bridge.core.approvals import Rule
from agent_bridge.core.ids import Namespace
from agent_bridge.core.rooms import Show, Streaming


class HomeserverConfig(Section):
    """Your Matrix homeserver."""

    address: Url = Field(description="URL of its client-server API.")
    domain: ServerName = Field(description="Its server_name: the part of user ids after the colon.")
    backfill_interval: StrictFloat = Field(
        600,
        ge=1,
        le=31_536_000,
        description="Seconds between two backfills of a room. A backfill reads the room's history for messages that "
        "the homeserver did not deliver. It also runs after each start of the bridge or the homeserver. A quiet "
        "chat has fewer: each after a quarter of the time since its last use, and at least one a day.",
    )


class AppServiceConfig(Section):
    """The application service. registration.yaml is generated from this section."""

    id: str = Field("agent-bridge", min_length=1, description="Unique id of the registration.")
    address: Url | None = Field(
        None,
        description="URL at which the homeserver reaches the bridge. Default: http://localhost:<port>.",
        examples=["http://localhost:29340"],
    )
    hostname: str = Field("127.0.0.1", min_length=1, description="Address on which the bridge listens.")
    port: StrictInt = Field(29340, ge=0, le=65535, description="Port on which the bridge listens.")
    as_token: Secret = Field(description="Token of the bridge for the homeserver; agent-bridge init generates it.")
    hs_token: Secret = Field(description="Token of the homeserver for the bridge; agent-bridge init generates it.")
    bot_username: BotLocalpart = Field("agentbridge", description="Localpart of the bridge bot.")
    bot_displayname: str = Field("Agent Bridge", description="Display name of the bridge bot.")
    username_prefix: Localpart = Field(
        "agent_",
        min_length=1,
        validate_default=True,
        description="Prefix of the localparts of all ghosts.",
    )

    @property
    def url(self) -> str:
        """URL at which the homeserver reaches the bridge."""
        return self.address or f"http://localhost:{self.port}"

    @field_validator("username_prefix")
    @classmethod
    def _bot_is_not_a_ghost(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("bot_username", "").startswith(value):
            raise ValueError("bot_username must not start with it, because the bot would look like a ghost")
        return value


class DatabaseConfig(Section):
    """The database. All durable state of the bridge is in it."""

    url: SecretText = Field(
        "embedded",
        repr=False,  # it may hold a password
        description='"embedded" starts a private PostgreSQL; otherwise postgresql://user:password@host/name, version '
        "13 or newer. env:NAME reads the URL from the environment.",
    )
    data_dir: LocalPath = Field(
        "data",  # validated like a value from the file
        validate_default=True,
        description="Folder of the embedded PostgreSQL, relative to this file. If the bridge runs as root, PostgreSQL "
        "runs as the user pgserver, which needs to be able to enter the parent folders.",
    )
    migrate: bool = Field(True, description="Upgrade the schema at start. If false, run agent-bridge migrate.")
    pool_size: StrictInt = Field(10, ge=4, le=500, description="Maximum number of pooled connections.")

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str, info: ValidationInfo) -> str:
        if not isinstance(info.context, Origin) and value.startswith(ENVIRONMENT):
            # As it is written: the environment is not read.
            return value
        if value != "embedded" and not value.startswith(POSTGRESQL):
            raise ValueError('must be "embedded" or start with postgresql://')
        refuse_ambiguous_password(value)
        return value

    @property
    def embedded(self) -> bool:
        """Whether the bridge starts PostgreSQL itself."""
        return self.url == "embedded"


class UpstreamConfig(Section):
    """A server that hosts agents."""

    name: UpstreamName = Field(description="Name in commands, logs and the database.")
    kind: UpstreamKind = Field(
        "openai",
        description="Protocol. openai: a server with /v1/models and /v1/chat/completions. letta: an App Server of "
        "Letta, over its WebSocket. letta_v1: Letta Cloud, or the retired server of Letta (0.16.8).",
    )
    # After the kind, on which its form depends.
    url: ServerUrl = Field(
        description="Base URL, including /v1 if the server uses it. kind: letta also takes the address of the "
        "WebSocket, ws://localhost:4500.",
        examples=["http://localhost:1416/v1"],
    )
    query: dict[str, Secret] = Field(
        default_factory=dict,
        description="Query parameters of each request. env:NAME reads a value from the environment.",
        examples=[{"api-version": "2024-10-21"}],
    )
    proxy: Url | None = Field(
        None,
        description="HTTP proxy through which the server is reached. The environment variables HTTP_PROXY and "
        "HTTPS_PROXY have no effect.",
        examples=["http://proxy.example.org:3128"],
    )
    ca_file: LocalPath | None = Field(
        None,
        description="File (PEM) with the certificates that sign the server's certificate. Default: those of the "
        "system, or of the environment variable SSL_CERT_FILE.",
        examples=["ca.pem"],
    )
    api_key: Secret | None = Field(
        None,
        description="Bearer token. env:NAME reads it from the environment.",
        examples=["env:LETTA_API_KEY"],
    )
    api: Literal["chat", "responses"] = Field(
        "chat",
        description="chat: /chat/completions. responses: /responses, or /chat/completions if the server has no "
        "/responses.",
    )
    poll_interval: StrictFloat = Field(
        0.5, ge=0.05, le=3600, description="Seconds between two requests for the list of agents."
    )
    gone_after: StrictFloat = Field(
        60, ge=0, le=86_400, description="Seconds for which the list must lack an agent before the agent is gone."
    )
    include: tuple[str, ...] = Field(
        ("*",),
        description="Globs, in upper or lower case: only agents whose id or name matches one of them. Models that do "
        'not chat need a glob other than "*".',
    )
    exclude: tuple[str, ...] = Field(
        (), description="Globs, in upper or lower case: no agents whose id or name matches one of them."
    )
    max_new_agents: StrictInt = Field(
        100, ge=0, description="Maximum number of new agents accepted at once. !ab sync all accepts the others."
    )
    model_ids: Literal["auto", "stable", "names"] = Field(
        "auto",
        description="names: a model id is the agent's name, so one missing and one new id in the same list are a "
        "rename. stable: model ids never change. auto: names if the server sends owned_by: letta, "
        "otherwise stable.",
    )
    history: Literal["bridge", "server"] = Field(
        "bridge",
        description="bridge: each request contains the last messages of the room. server: the server remembers them.",
    )
    history_tokens: StrictInt = Field(8000, ge=0, description="Maximum length of this history in (estimated) tokens.")
    system_prompt: str | None = Field(
        None,
        description="Optional system message of each request.",
        examples=["You talk with people in a Matrix room."],
    )
    session_header: HeaderName | None = Field(
        None,
        description="Header with the id of the conversation, for servers that keep the history.",
        examples=["X-Letta-Chat-Key"],
    )
    idempotency_header: HeaderName | None = Field(
        None,
        description="Header with the id of the turn. Set it only if the server answers a repeated id without acting "
        "twice.",
        examples=["Idempotency-Key"],
    )
    headers: dict[HeaderName, Secret] = Field(
        default_factory=dict,
        description="Additional headers of each request. env:NAME reads a value from the environment.",
        examples=[{"X-Team": "env:TEAM_KEY"}],
    )
    streaming: Streaming = Field(
        Streaming.EDITS,
        description="edits: a growing answer is shown by edits. off: the answer is sent when it is complete. !ab "
        "stream changes it for a room.",
    )
    reasoning: Show = Field(
        Show.COLLAPSED, description="How reasoning is shown: hidden, collapsed (in a folded section) or thread."
    )
    tools: Show = Field(
        Show.COLLAPSED, description="How tool calls are shown: hidden, collapsed (in a folded section) or thread."
    )
    images: bool = Field(True, description="Whether the models accept images.")
    transcription_model: str | None = Field(
        None,
        min_length=1,
        description="Model that transcribes voice messages (/audio/transcriptions). Without it they are not accepted.",
        examples=["whisper-1"],
    )
    approvals: Rule | dict[str, Rule] = Field(
        Rule.ASK,
        description="Tools for which the server requests a decision. ask: a card in the room asks the person who asked "
        "the agent, or an administrator. allow, deny: the bridge decides. Or a rule for each glob of tools' names; the "
        "first match counts, and tools without a match are asked about. The name of a tool of an MCP server begins "
        "with the label of its server: files.delete.",
        examples=[{"Read*": "allow", "Bash": "ask"}],
    )
    approval_timeout: StrictFloat = Field(
        3600, gt=0, le=604_800, description="Seconds after which a tool call without a decision is refused."
    )
    matrix_tools: bool = Field(
        True,
        description="Whether agents get tools of the bridge: react, send a file, read the last messages, list the "
        "participants, each in the room in which the agent was asked.",
    )
    connect_timeout: StrictFloat = Field(10, gt=0, description="Seconds after which an attempt to connect fails.")
    idle_timeout: StrictFloat = Field(
        300, gt=0, description="Seconds without data after which an answer counts as broken off."
    )
    turn_timeout: StrictFloat = Field(3600, gt=0, description="Maximum duration of an answer in seconds.")
    max_answer_chars: StrictInt = Field(
        200_000,
        ge=100,
        description="Maximum length of an answer in characters. The room is told if an answer is longer.",
    )

    @field_validator(*KINDS_OF_KEYS)
    @classmethod
    def _has_an_effect(cls, value: object, info: ValidationInfo) -> object:
        key, api = str(info.field_name), info.data.get("api")
        refuse_unused(cls, key, value, info.data.get("kind"), str(value) if key == "api" else api)
        return value

    @property
    def approval_rules(self) -> dict[str, Rule]:
        """The rules for tool calls, by the globs of the tools' names."""
        return {"*": self.approvals} if isinstance(self.approvals, Rule) else self.approvals


class RetentionConfig(Section):
    """Retention of closed turns and transcripts. The history of the rooms stays on the homeserver."""

    turns_days: StrictFloat = Field(
        30,
        ge=1,
        le=36_500,
        description="Days for which closed turns are kept, for !ab why and !ab retry. A turn with a transcript is kept "
        "as long as the transcript.",
    )
    transcript_days: StrictFloat = Field(
        180,
        ge=1,
        le=36_500,
        description="Days for which messages are kept as history for upstreams with history: bridge, and links to "
        "conversations on upstreams when their agent is gone.",
    )


class LoggingConfig(Section):
    """The log, written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level.")
    format: Literal["console", "json"] = Field("console", description="console: for people. json: for machines.")


class Config(Section):
    """All of config.yaml.

    Validated without an :class:`~agent_bridge.config.types.Origin` as context, it contains the values as written:
    ``env:NAME`` and relative paths are not resolved.
    """

    homeserver: HomeserverConfig
    appservice: AppServiceConfig
    # The default is validated too, because the default data_dir is relative to the file.
    database: DatabaseConfig = Field({}, validate_default=True)
    upstreams: tuple[UpstreamConfig, ...] = Field(description="Servers that host agents.")
    agents: AgentList = Field(
        (),
        description="Agents besides those that the upstreams list, for example with a system prompt of their own. "
        "agents.example.yaml documents the keys. A change takes effect within seconds.",
        examples=[[{"id": "translator", "label": "Translator", "model": "gpt-5-mini"}]],
    )
    agents_file: LocalPath | None = Field(
        None,
        description="A file with the list agents, instead of the key above. Relative to this file.",
        examples=["agents.yaml"],
    )
    templates: TemplatesConfig = TemplatesConfig()
    space: SpaceConfig = SpaceConfig()
    rooms: RoomsConfig = RoomsConfig()
    permissions: dict[PermissionKey, RoleName] = Field(
        default_factory=dict,
        description="Roles: none < member (talks to agents) < moderator < admin (invites people, sees all rooms) < "
        'owner. A user id has priority over a pattern ("@telegram_*:example.org"), a pattern over a domain, and a '
        'domain over "*". A user without an entry has the role none, as users of other bridges do, whose names begin '
        "with _ or a usual prefix, unless a user id or a pattern names them.",
    )
    bot: BotConfig = BotConfig()
    chats: ChatsConfig = ChatsConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    lanes: LanesConfig = LanesConfig()
    answers: AnswersConfig = AnswersConfig()
    files: FilesConfig = FilesConfig()
    threads: ThreadsConfig = ThreadsConfig()
    language: Literal["en", "ru"] = Field("en", description="Language of the texts of the bridge in rooms: en or ru.")
    presence: bool | None = Field(
        None,
        description="true: all agents are shown as online, or as unavailable if their server does not answer. false: "
        "no presence is shown. Default: the bot is shown as online, and each agent while it answers and for 5 minutes "
        "afterwards; with more than 200 agents, the bot alone.",
        examples=[False],
    )
    presence_per_second: StrictFloat = Field(
        2, gt=0, le=1000, description="Maximum rate of the requests that set the presence of agents."
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
            raise ValueError(f"names of upstreams must be unique; these occur twice: {', '.join(twice)}")
        return value

    @field_validator("space")
    @classmethod
    def _space_is_here(cls, value: SpaceConfig, info: ValidationInfo) -> SpaceConfig:
        homeserver = info.data.get("homeserver")
        if homeserver is not None and value.alias and value.alias.partition(":")[2] != homeserver.domain:
            raise ValueError(f"alias must be one of your homeserver, such as #team:{homeserver.domain}")
        return value

    @property
    def namespace(self) -> Namespace:
        """The names on the homeserver that belong to the bridge."""
        service = self.appservice
        alias = self.space.alias
        space = None if alias is None else alias[1:].partition(":")[0]
        return Namespace(self.homeserver.domain, service.bot_username, service.username_prefix, space)
