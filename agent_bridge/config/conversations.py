"""Sections of the configuration about rooms and conversations."""

from __future__ import annotations

from pydantic import Field, StrictFloat, StrictInt

from agent_bridge.config.section import Section
from agent_bridge.config.types import CommandPrefix, GoneTemplate, RoomAlias, RoomChoice, Template, UserId
from agent_bridge.core.chains import ChainBudget
from agent_bridge.core.chats import ChatTitles
from agent_bridge.core.rooms import JoinRule, WhenBusy


class TemplatesConfig(Section):
    """Names in Matrix. Placeholders: {name}, {id}, {upstream}."""

    displayname: Template = Field("Letta Agent: {name}", description="Display name of a ghost.")
    room_name: Template = Field("{name} - Letta Agent Chat", description="Name of an agent's room.")
    room_topic: Template = Field("Chat with {name} (Letta Agent)", description="Topic of an agent's room.")
    gone_name: GoneTemplate = Field(
        "{room} (gone)",
        description="Name of the room while its agent is gone. {room} is its name before. A name that a person gave "
        "the room stays.",
    )


class RetireConfig(Section):
    """Agents that are gone for long. An agent that comes back gets its room back, or a new one."""

    after_days: StrictFloat | None = Field(
        None,
        ge=0.01,
        le=36_500,
        description="Days after which an agent that is gone is retired: the Space does not list its room any more. "
        "Default: never. !ab retire <agent> does it at once, also for an agent that its server lists.",
        examples=[30],
    )
    delete: bool = Field(
        False,
        description="Whether the room of a retired agent is deleted for all, with its history. The bot must be a "
        "server administrator of Synapse; otherwise the room stays, and the administrators are told.",
    )


class SpaceConfig(Section):
    """The Matrix Space that lists the rooms."""

    enabled: bool = Field(True, description="Whether there is a Space. Rooms work without it.")
    name: str = Field("Letta Agents", description="Name of the Space.")
    topic: str = Field("All Letta AI agent conversations", description="Topic of the Space.")
    per_user: bool = Field(
        False,
        description="Whether the chats of each person (!ab new) are listed in a Space of the person, which the Space "
        "lists. Other members of the Space then do not see how many chats a person has.",
    )
    alias: RoomAlias | None = Field(
        None,
        description="Alias of an existing Space that lists the rooms, in place of one that the bridge makes. It keeps "
        "its name and its topic. The bot needs an invitation to it, and the power to change m.space.child.",
        examples=["#team:example.org"],
    )


class RoomsConfig(Section):
    """The rooms of agents."""

    invite: tuple[UserId, ...] = Field(
        (),
        description="Users that are invited to the Space. With join_rule: invite, or without a Space, they are also "
        "invited to each agent's room.",
        examples=[["@admin:example.org"]],
    )
    join_rule: JoinRule = Field(
        JoinRule.RESTRICTED,
        description="restricted: members of the Space can enter the rooms of agents. It needs a Space and room version "
        "8 or newer. invite: each person needs an invitation to each room.",
    )
    private: bool = Field(
        False,
        description="true: each person has a room of its own with each agent, a direct chat without the bot and "
        "without administrators. The users of invite get theirs at once, others by !ab invite or by a direct chat with "
        "the agent. Shared rooms that exist stay. false: one shared room per agent.",
    )
    lobby: RoomChoice = Field(
        False,
        description="A room in which all agents answer those who mention them, call them by their name or reply to "
        "them. true: the bridge makes it. An alias or id: that room becomes the lobby; the bot needs an invitation to "
        "it, and the power to invite. false: no agent joins any more, and the room stays as it is.",
        examples=["#agents:example.org"],
    )
    introduce: bool = Field(True, description="Whether an agent introduces itself in its new room.")
    version: str | None = Field(
        None, description="Room version. Default: the default of the homeserver.", examples=["12"]
    )
    concurrency: StrictInt = Field(
        4, ge=1, le=64, description="Maximum number of rooms that are created at the same time."
    )


class ChatsConfig(Section):
    """Conversations of people with agents."""

    follow_selection: bool = Field(
        False,
        description="true: an agent answers in its room only the people who have selected it (!ab agent). false: it "
        "answers everyone there.",
    )
    titles: ChatTitles = Field(
        ChatTitles.FIRST_WORDS,
        description="Titles of chats without one, after the first answer. first_words: the beginning of the question. "
        "model: the model of the agent is asked for a title, if its server does not keep conversations. off: none.",
    )
    max_per_user: StrictInt = Field(200, ge=1, le=100_000, description="Maximum number of chats of a person (!ab new).")


class BudgetsConfig(Section):
    """Limits of agents that ask each other. When one is reached, a notice asks people to let them go on with 👍."""

    max_hops: StrictInt = Field(
        4,
        ge=0,
        le=1000,
        description="Agents that may ask one another in a row after a message of a person. 0: agents do not ask each "
        "other.",
    )
    pair_per_minute: StrictInt = Field(
        10, ge=1, le=1000, description="Times that two agents may ask each other within a minute, in all rooms."
    )
    chain_turns: StrictInt = Field(
        20, ge=1, le=10_000, description="Answers of agents that one message of a person may lead to."
    )
    chain_tokens: StrictInt | None = Field(
        None,
        ge=1,
        description="Tokens that these answers may use, as far as servers report them. Default: no limit.",
        examples=[100_000],
    )

    @property
    def budget(self) -> ChainBudget:
        """The budget with which a chain begins, and by which people let it grow."""
        return ChainBudget(self.max_hops, self.pair_per_minute, self.chain_turns, self.chain_tokens)


class BotConfig(Section):
    """The bridge bot."""

    prefix: CommandPrefix = Field("!ab", description="Prefix of commands in rooms of the bridge.")
    bare_commands: bool = Field(
        True,
        description="Whether ! and the word of a command suffice in the rooms that the bridge made: !agent is !ab "
        "agent. Other words behind ! are messages.",
    )
    describe_commands: bool = Field(
        True,
        description="Whether the bot describes its commands in the state of rooms (MSC4391), for clients that "
        "complete them. false empties the descriptions that it wrote.",
    )


#: Seconds of a stop that remain to close connections, and to stop the embedded database.
CLOSING = 5.0


class LanesConfig(Section):
    """Lanes: the queues of messages, one per room and thread."""

    max_active_lanes: StrictInt = Field(
        50, ge=1, le=1000, description="Maximum number of lanes that a process answers at the same time."
    )
    max_attempts: StrictInt = Field(4, ge=1, description="Attempts for a message if the upstream fails temporarily.")
    upstream_wait: StrictFloat = Field(
        600,
        ge=0,
        le=86_400,
        description="Seconds for which a message waits, beyond max_attempts, for an upstream that cannot be reached, "
        "is busy or loads its model. The room is told after a few seconds.",
    )
    when_busy: WhenBusy = Field(
        WhenBusy.QUEUE,
        description="Messages that arrive while the agent answers. queue: each message gets an answer. collect: one "
        "answer for all of them. interrupt: the running answer ends, and the message is answered next. !ab busy "
        "changes it for a room.",
    )
    max_queued_per_room: StrictInt = Field(
        100, ge=1, description="Maximum number of waiting messages in a room. The room is told if a message is refused."
    )
    max_message_age: StrictFloat = Field(
        86400,
        gt=0,
        le=31_536_000,
        description="Seconds after which a waiting message is too old to be answered. The room is told.",
    )
    show_waiting: bool = Field(True, description="Whether waiting messages get a ⏳ reaction.")
    drain_timeout: StrictFloat = Field(
        20,
        ge=0,
        description="Seconds within which the bridge stops, at least 5. Running answers have all but the last 5 "
        "of them.",
    )

    @property
    def answers_timeout(self) -> float:
        """Seconds that running answers have to finish when the bridge stops."""
        return max(self.drain_timeout - CLOSING, self.drain_timeout / 2)

    @property
    def stop_timeout(self) -> float:
        """Seconds after which a process that stops ends in any case."""
        return max(self.drain_timeout, CLOSING)


class AnswersConfig(Section):
    """How answers are sent to rooms."""

    edits_per_second: StrictFloat = Field(
        5,
        gt=0,
        le=1000,
        description="Maximum rate of the edits of growing answers in all rooms together. First words and complete "
        "answers are not limited.",
    )
    max_events: StrictInt = Field(40, ge=2, le=1000, description="Maximum number of events of a growing answer.")
    max_parts: StrictInt = Field(
        8, ge=1, le=100, description="Maximum number of messages of an answer. The rest is sent as a file."
    )
    event_streams: bool = Field(
        False,
        description="Whether clients that know event streams (MSC4471) can get growing answers by messages to devices. "
        "Where all people do, an answer of up to 90 seconds has no edit but the last one. Agents get devices; "
        "docs/event-streams.md has the settings of Synapse.",
    )
    redact_answers: bool = Field(
        True,
        description="Whether the answer to a redacted message is redacted too. An answer to several messages is "
        "redacted when all of them are.",
    )


class FilesConfig(Section):
    """Files of people and agents."""

    max_bytes: StrictInt = Field(20_000_000, ge=1, le=1_000_000_000, description="Maximum size of a file in bytes.")
    max_image_bytes: StrictInt = Field(
        1_500_000, ge=10_000, description="Size in bytes to which images for agents are reduced."
    )
    max_text_chars: StrictInt = Field(
        60_000, ge=100, description="Maximum number of characters of a document that are sent to an agent."
    )


class ThreadsConfig(Section):
    """Threads: separate conversations in a room."""

    room_messages: StrictInt = Field(
        0,
        ge=0,
        le=200,
        description="Number of messages of the room that are added to the history of a thread.",
    )


class NotificationsConfig(Section):
    """Direct messages of the bot about tasks, votes, schedules, decisions and limits. !ab notify off ends them."""

    gather: StrictFloat = Field(
        3, ge=0, le=3600, description="Seconds for which a notification waits, so that one message tells several."
    )
    approval_after: StrictFloat = Field(
        60,
        ge=0,
        le=86_400,
        description="Seconds after which a person is notified that a tool call waits for the decision of the person.",
    )


class TasksConfig(Section):
    """Tasks of people and agents (!ab task; docs/together.md)."""

    claim_timeout: StrictFloat = Field(
        900,
        ge=1,
        le=31_536_000,
        description="Seconds without progress after which the claim of a task ends, and others can claim it.",
    )
