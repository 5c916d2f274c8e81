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

from agent_bridge.config.admin import AdminConfig
from agent_bridge.config.agents import AgentList
from agent_bridge.config.api import ApiConfig
from agent_bridge.config.clients import ClientsConfig, client_upstreams
from agent_bridge.config.conversations import (
    AnswersConfig,
    BotConfig,
    BudgetsConfig,
    ChatsConfig,
    FilesConfig,
    LanesConfig,
    NotificationsConfig,
    RetireConfig,
    RoomsConfig,
    SpaceConfig,
    TasksConfig,
    TemplatesConfig,
    ThreadsConfig,
)
from agent_bridge.config.encryption import EncryptionConfig
from agent_bridge.config.metrics import MetricsConfig
from agent_bridge.config.quotas import PricesConfig, QuotaConfig, TimeZone
from agent_bridge.config.section import Section
from agent_bridge.config.types import (
    POSTGRESQL,
    BotLocalpart,
    Localpart,
    LocalPath,
    PermissionKey,
    RoleName,
    Secret,
    SecretText,
    ServerName,
    Url,
    refuse_ambiguous_password,
    stays_as_written,
)
from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.client_agents import CLIENTS, EPHEMERAL_CLIENTS
from agent_bridge.core.ids import Namespace
from agent_bridge.core.quotas import Measure, QuotaBook
from agent_bridge.core.times.zones import zone_named


class HomeserverConfig(Section):
    """Your Matrix homeserver."""

    address: Url = Field(description="URL of its client-server API.")
    domain: ServerName = Field(description="Its server_name: the part of user ids after the colon.")
    admin: bool = Field(
        False,
        description="Whether the bot is a server administrator of Synapse, by which local users of rooms.invite and of "
        "!ab invite join rooms at once, without an invitation that they have to accept. agent-bridge doctor checks it.",
    )
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
    port: StrictInt = Field(29340, ge=1, le=65535, description="Port on which the bridge listens.")
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
        if stays_as_written(value, info):
            return value
        if value != "embedded" and not value.startswith(POSTGRESQL):
            raise ValueError('must be "embedded" or start with postgresql://')
        refuse_ambiguous_password(value)
        return value

    @property
    def embedded(self) -> bool:
        """Whether the bridge starts PostgreSQL itself."""
        return self.url == "embedded"


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
    upstreams: tuple[UpstreamConfig, ...] = Field(
        description="Servers that host agents. []: all agents connect themselves."
    )
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
    retire: RetireConfig = RetireConfig()
    ephemeral_after: StrictFloat = Field(
        86_400,
        ge=0,
        le=31_536_000,
        description="Seconds after which the room of an agent that is gone is removed, if its upstream is ephemeral. "
        "Without the rights of a server administrator, the bridge removes the people and leaves the room.",
    )
    space: SpaceConfig = SpaceConfig()
    rooms: RoomsConfig = RoomsConfig()
    permissions: dict[PermissionKey, RoleName] = Field(
        default_factory=dict,
        description="Roles: none < agent (another bot: agents answer what mentions them) < member (talks to agents) < "
        "moderator < admin (invites people, sees all rooms) < owner. A user id has priority over a pattern "
        '("@telegram_*:example.org"), a pattern over a domain, and a domain over "*". A user without an entry has the '
        "role none, as users of other bridges do, whose names begin with _ or a usual prefix, unless a user id or a "
        "pattern names them.",
    )
    bot: BotConfig = BotConfig()
    chats: ChatsConfig = ChatsConfig()
    budgets: BudgetsConfig = BudgetsConfig()
    lanes: LanesConfig = LanesConfig()
    answers: AnswersConfig = AnswersConfig()
    files: FilesConfig = FilesConfig()
    threads: ThreadsConfig = ThreadsConfig()
    tasks: TasksConfig = TasksConfig()
    notifications: NotificationsConfig = NotificationsConfig()
    language: Literal["en", "ru"] = Field("en", description="Language of the texts of the bridge in rooms: en or ru.")
    timezone: TimeZone = Field(
        "UTC",
        description="Time zone of the days and months of quotas and of !ab usage, and of the schedules of people whose "
        "profile (m.tz) names none.",
        examples=["Europe/Oslo"],
    )
    quotas: tuple[QuotaConfig, ...] = Field(
        (),
        description="Limits of messages, tokens and money. All that match count; the person is told which one is "
        "reached, and when it goes on. docs/people-and-agents.md explains the keys.",
        examples=[
            [
                {"per": "user", "role": "member", "messages_per_minute": 20, "tokens_per_day": 200_000},
                {"per": "upstream", "match": "openai*", "tokens_per_month": 50_000_000},
            ]
        ],
    )
    # The default is validated too: quotas of money need prices.
    prices: PricesConfig = Field({}, validate_default=True)
    api: ApiConfig = ApiConfig()
    clients: ClientsConfig = ClientsConfig()
    encryption: EncryptionConfig = EncryptionConfig()
    metrics: MetricsConfig = MetricsConfig()
    admin: AdminConfig = AdminConfig()
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
    profiles: bool = Field(
        True,
        description="The profiles of agents have the description of the agent, a mark for clients that know agents, "
        "and the activity of an agent that answers for more than 5 seconds. false: the profiles have none of these.",
    )
    profiles_per_second: StrictFloat = Field(
        2, gt=0, le=1000, description="Maximum rate at which the profiles of agents are changed."
    )
    retention: RetentionConfig = RetentionConfig()
    logging: LoggingConfig = LoggingConfig()

    @field_validator("upstreams")
    @classmethod
    def _names_are_unique(cls, value: tuple[UpstreamConfig, ...]) -> tuple[UpstreamConfig, ...]:
        names = [upstream.name for upstream in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names of upstreams must be unique; these occur twice: {', '.join(twice)}")
        if taken := sorted({CLIENTS, EPHEMERAL_CLIENTS} & set(names)):
            raise ValueError(f"agents that connect themselves have the name {taken[0]}; give the upstream another one")
        return value

    @field_validator("space")
    @classmethod
    def _space_is_here(cls, value: SpaceConfig, info: ValidationInfo) -> SpaceConfig:
        homeserver = info.data.get("homeserver")
        if homeserver is not None and value.alias and value.alias.partition(":")[2] != homeserver.domain:
            raise ValueError(f"alias must be one of your homeserver, such as #team:{homeserver.domain}")
        return value

    @field_validator("metrics")
    @classmethod
    def _metrics_have_a_port(cls, value: MetricsConfig, info: ValidationInfo) -> MetricsConfig:
        service, api = info.data.get("appservice"), info.data.get("api")
        others = {"appservice.port": service and service.port, "api.port": api and api.port}
        if taken := [key for key, port in others.items() if value.port is not None and port == value.port]:
            raise ValueError(f"port must not be that of {taken[0]}; without port, token alone has /metrics there")
        return value

    @field_validator("prices")
    @classmethod
    def _money_has_prices(cls, value: PricesConfig, info: ValidationInfo) -> PricesConfig:
        limits = (rule for quota in info.data.get("quotas", ()) for rule in quota.rules)
        if not value.are_known and any(each.measure is Measure.MONEY for each in limits):
            raise ValueError("quotas limit money, so there must be prices: set models, or library: true")
        return value

    @property
    def every_upstream(self) -> tuple[UpstreamConfig, ...]:
        """The upstreams, with those that list the agents which connect themselves."""
        return (*self.upstreams, *client_upstreams(self))

    @property
    def public_url(self) -> str:
        """URL at which other programs reach the bridge."""
        listener = self.appservice if self.api.port is None else self.api
        # An IPv6 address has colons, too.
        host = f"[{listener.hostname}]" if ":" in listener.hostname else listener.hostname
        return self.api.public_url or f"http://{host}:{listener.port}"

    @property
    def quota_book(self) -> QuotaBook:
        """The quotas and their time zone."""
        return QuotaBook(tuple(rule for quota in self.quotas for rule in quota.rules), zone_named(self.timezone))

    @property
    def namespace(self) -> Namespace:
        """The names on the homeserver that belong to the bridge."""
        service = self.appservice
        alias = self.space.alias
        space = None if alias is None else alias[1:].partition(":")[0]
        return Namespace(self.homeserver.domain, service.bot_username, service.username_prefix, space)
