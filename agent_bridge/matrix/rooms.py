"""Bodies of ``POST /createRoom`` and contents of state events, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import AGENT_MARK, MAX_ID_BYTES
from agent_bridge.core.polls import POLL_RESPONSES
from agent_bridge.core.servers import ChannelType
from agent_bridge.matrix.space_order import order_of

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Power level of the users of the bridge in the rooms that they make, as far as the levels list them: above all roles.
#: Up to room version 11 nobody can take a level away from an equal.
BRIDGE_POWER = 200
#: Power level of owners.
OWNER_POWER = 150
#: Power level of admins.
ADMIN_POWER = 100
#: Power level of moderators.
MODERATOR_POWER = 50
#: Power level of muted people: below the one that messages need.
MUTED_POWER = -1
#: A level that no person has: only creators above all levels (room version 12) can switch encryption on. For a bridge
#: without keys.
OUT_OF_REACH = 151
#: The same in rooms whose levels list the creator, whom the homeserver has switch it on if it encrypts by default.
_OUT_OF_BRIDGES_REACH = BRIDGE_POWER + 1
ENCRYPTION = "m.room.encryption"
TOMBSTONE = "m.room.tombstone"
POWER_LEVELS = "m.room.power_levels"
JOIN_RULES = "m.room.join_rules"
GUESTS = "m.room.guest_access"
#: Of a Space: an entry. Of a room: a Space that it belongs to. The state key is the id of the other one.
CHILD, PARENT = "m.space.child", "m.space.parent"
#: Information about the bridge and the agent of a room (MSC2346).
BRIDGE = "m.bridge"
#: Type of a room that lists rooms (spec, "Spaces").
SPACE = "m.space"
#: Members that clients do not count for the name and the picture of a room (MSC4171, by its earlier name).
FUNCTIONAL = "io.element.functional_members"
#: State event of a chat: its number, person and agent. A bridge whose database was restored finds the chat by it.
CHAT = "org.agent_bridge.chat"
#: State event of a channel: its type, its key, and the key of its server. A bridge whose database is lost finds it.
CHANNEL = "org.agent_bridge.channel"
#: State event of a server: its key and its owner.
SERVER = "org.agent_bridge.server"
#: State event of the direct room of two agents or two people: their user ids.
PAIR = "org.agent_bridge.pair"
#: Power level of ghosts in channels of the type *log*: they and the bridge write there.
LOG_POWER = 10
#: Power levels that messages need, by the type of the channel.
_MESSAGE_LEVELS = {
    ChannelType.TEXT: 0,
    ChannelType.ANNOUNCEMENT: ADMIN_POWER,
    ChannelType.LOG: LOG_POWER,
    ChannelType.VOICE: ADMIN_POWER,
}
#: Events that everybody may send, also where messages need power.
_FREE = ("m.reaction", "m.room.redaction", *POLL_RESPONSES)
#: Key of the content of a membership by which the bridge removed a user without a role, who may come back with one.
REMOVED = "org.agent_bridge.removed"
#: The same for a user who asked the bridge to leave the room, and may come back on request.
LEFT = "org.agent_bridge.left"
#: Key of the content of an invitation: the request of a person that it belongs to. A repeat finds it.
REQUEST = "org.agent_bridge.request"
#: Synapse's power levels of state events in a new room, except those of tombstone and encryption. A list of levels in
#: the request replaces Synapse's own list.
_EVENT_LEVELS = {
    "m.room.name": 50,
    "m.room.avatar": 50,
    "m.room.canonical_alias": 50,
    POWER_LEVELS: 100,
    "m.room.history_visibility": 100,
    "m.room.server_acl": 100,
}
#: Level of ``m.room.tombstone``: up to room version 11, and where the creator is above all levels.
_UPGRADE, _UPGRADE_BY_CREATOR = 100, 150


@dataclass(frozen=True, slots=True)
class BridgedAgent:
    """The agent of a room, for the state event ``m.bridge``."""

    #: Localpart of its ghost.
    ghost: str
    #: Its id within the upstream, and the name of the upstream.
    agent_id: str
    upstream: str

    @property
    def key(self) -> str:
        """The state key, which never changes."""
        return f"org.agent_bridge://{self.ghost}"[:MAX_ID_BYTES]

    def content(self, bot: str) -> dict[str, Any]:
        """Return the content. It has no names, which may change."""
        return {
            "bridgebot": bot,
            "protocol": {"id": "agent_bridge", "displayname": "Agent Bridge"},
            "network": {"id": self.upstream},
            "channel": {"id": self.agent_id},
            AGENT_MARK: True,
        }


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """The part of a new room that is common to all kinds of rooms."""

    #: Localpart of the alias.
    alias: str
    name: str
    topic: str
    #: User id of the creator.
    creator: str
    #: Whether the power levels of this room version list the creator.
    lists_creator: bool
    #: Power levels of people, by user id.
    powers: Mapping[str, int]
    #: User id of the bridge bot, if it administers the room and has not made it.
    bot: str | None = None
    #: Room version; None: the default of the homeserver.
    version: str | None = None

    def content(self) -> dict[str, Any]:
        """Return the part of the body that is common to all rooms."""
        ours = [self.creator] if self.bot is None else [self.creator, self.bot]
        users = {user: power for user, power in self.powers.items() if user not in ours}
        if self.lists_creator:
            users |= dict.fromkeys(ours, BRIDGE_POWER)
        levels = {"users": users, "invite": MODERATOR_POWER, "events": event_levels(lists_creator=self.lists_creator)}
        content: dict[str, Any] = {
            # Some homeservers encrypt the rooms of the private presets; the initial state makes this room as private.
            "preset": "public_chat",
            "visibility": "private",
            "room_alias_name": self.alias,
            "name": self.name,
            "topic": self.topic,
            "power_level_content_override": levels,
            "initial_state": [
                _state(JOIN_RULES, {"join_rule": "invite"}),
                _state(GUESTS, {"guest_access": "forbidden"}),
            ],
        }
        if not self.lists_creator and self.bot is not None:
            # Above all levels, which must not list it (MSC4289).
            content["creation_content"] = {"additional_creators": [self.bot]}
        if self.version is not None:
            content["room_version"] = self.version
        return content


def event_levels(*, lists_creator: bool, has_keys: bool = False) -> dict[str, int]:
    """Return the levels of state events in a new room, whose levels list the creator or not.

    *has_keys*: the bridge can read encrypted messages, so admins may switch encryption on.
    """
    upgrade = _UPGRADE if lists_creator else _UPGRADE_BY_CREATOR
    encrypts = ADMIN_POWER if has_keys else _OUT_OF_BRIDGES_REACH if lists_creator else OUT_OF_REACH
    return _EVENT_LEVELS | {"m.room.tombstone": upgrade, ENCRYPTION: encrypts}


def home_content(
    plan: RoomPlan,
    agent: BridgedAgent,
    *,
    space: str | None,
    domain: str,
    restricted: bool = False,
    avatar: str | None = None,
) -> dict[str, Any]:
    """Return the body that creates the room of *agent*, with its complete state and an invitation of the bot.

    *restricted*: members of the *space* can enter it.
    """
    content, bot = plan.content() | {"invite": _invited(plan)}, plan.bot or plan.creator
    content["initial_state"].append(_state(FUNCTIONAL, functional_content(bot)))
    content["initial_state"].append(_state(BRIDGE, agent.content(bot), agent.key))
    if restricted and space is not None:
        content["initial_state"][0] = _state(JOIN_RULES, restricted_content(space))
    if space is not None:
        content["initial_state"].append(_state(PARENT, parent_content(domain), space))
    if avatar is not None:
        content["initial_state"].append(_state("m.room.avatar", {"url": avatar}))
    return content


def lobby_content(plan: RoomPlan, *, space: str | None, domain: str, restricted: bool = False) -> dict[str, Any]:
    """Return the body that creates the lobby. *restricted*: members of the *space* can enter it."""
    content = plan.content()
    content["initial_state"].append(_state(FUNCTIONAL, functional_content(plan.creator)))
    if space is not None:
        content["initial_state"].append(_state(PARENT, parent_content(domain), space))
        if restricted:
            content["initial_state"][0] = _state(JOIN_RULES, restricted_content(space))
    return content


def chat_content(
    plan: RoomPlan,
    agent: BridgedAgent,
    *,
    person: str,
    number: int,
    space: str | None,
    domain: str,
    avatar: str | None = None,
) -> dict[str, Any]:
    """Return the body that creates a chat of *person* with *agent*, with invitations of the person and the bot."""
    content = home_content(plan, agent, space=space, domain=domain, avatar=avatar) | {
        "invite": [person, *_invited(plan)]
    }
    content["initial_state"].append(_state(CHAT, chat_state(number, person, plan.creator)))
    content["power_level_content_override"]["events"][CHAT] = ADMIN_POWER
    if not plan.topic:
        del content["topic"]
    return content


def direct_content(plan: RoomPlan, *, person: str) -> dict[str, Any]:
    """Return the body that creates a direct chat of the creator and *person*: without a name, clients show the other's.

    The homeserver would make the alias canonical, and clients show that in place of the name.
    """
    content = plan.content() | {"invite": [person], "is_direct": True}
    content["initial_state"].append(_state("m.room.canonical_alias", {}))
    return {key: value for key, value in content.items() if key not in {"name", "topic"}}


def pair_content(plan: RoomPlan, low: str, high: str) -> dict[str, Any]:
    """Return the body that creates the direct room of the users *low* and *high*, whom the creator brings in later.

    The homeserver would make the alias canonical, and clients show that where the room loses its name.
    """
    content = {key: value for key, value in plan.content().items() if key != "topic"}
    content["initial_state"] += [
        _state("m.room.canonical_alias", {}),
        _state(FUNCTIONAL, functional_content(plan.creator)),
        _state(PAIR, {"users": [low, high]}),
    ]
    content["power_level_content_override"]["events"][PAIR] = ADMIN_POWER
    return content


def _invited(plan: RoomPlan) -> list[str]:
    """Return the users of the bridge that the creator invites."""
    return [] if plan.bot is None else [plan.bot]


def chat_state(number: int, person: str, ghost: str) -> dict[str, Any]:
    """Return the content of the state event :data:`CHAT`; *person* and *ghost* are user ids."""
    return {"number": number, "person": person, "agent": ghost}


def space_content(plan: RoomPlan) -> dict[str, Any]:
    """Return the body that creates the Space, in which only admins can send messages."""
    return _as_space(plan.content())


def server_content(
    plan: RoomPlan, state: dict[str, Any], *, space: str | None, domain: str, restricted: bool = False
) -> dict[str, Any]:
    """Return the body that creates a server: a Space below *space*, whose members can enter it (*restricted*).

    *state* is the content of :data:`SERVER`.
    """
    content = _as_space(lobby_content(plan, space=space, domain=domain, restricted=restricted))
    content["initial_state"].append(_state(SERVER, state))
    content["power_level_content_override"]["events"][SERVER] = ADMIN_POWER
    return content


def server_state(key: str, owner: str) -> dict[str, Any]:
    """Return the content of the state event :data:`SERVER`; *owner* is a user id."""
    return {"key": key, "owner": owner}


def channel_state(kind: ChannelType, key: str, server: str) -> dict[str, Any]:
    """Return the content of the state event :data:`CHANNEL`; *server* is a key, empty: the main Space."""
    return {"type": str(kind), "key": key, "server": server}


def _as_space(content: dict[str, Any]) -> dict[str, Any]:
    """Return the body that creates a Space, in which only admins can send messages, in place of a room."""
    content["creation_content"] = content.get("creation_content", {}) | {"type": SPACE}
    content["power_level_content_override"]["events_default"] = ADMIN_POWER
    return content


def channel_content(
    plan: RoomPlan,
    kind: ChannelType,
    state: dict[str, Any],
    *,
    space: str | None,
    domain: str,
    restricted: bool = False,
) -> dict[str, Any]:
    """Return the body that creates a channel of type *kind*. *restricted*: members of the *space* can enter it.

    *state* is the content of :data:`CHANNEL`.
    """
    content = lobby_content(plan, space=space, domain=domain, restricted=restricted)
    content["initial_state"].append(_state(CHANNEL, state))
    levels = content["power_level_content_override"]
    levels["events_default"] = message_level(kind)
    levels["events"] |= channel_event_levels(kind)
    return content


def message_level(kind: ChannelType) -> int:
    """Return the power level that messages need in a channel of type *kind*."""
    return _MESSAGE_LEVELS[kind]


def channel_event_levels(kind: ChannelType) -> dict[str, int]:
    """Return the levels of events in a channel of type *kind*, besides those of every new room."""
    free = dict.fromkeys(_FREE, 0) if message_level(kind) else {}
    return {CHANNEL: ADMIN_POWER, **free}


def channel_child_content(domain: str, position: int) -> dict[str, Any]:
    """Return the content of ``m.space.child`` for a channel: behind the lobby, before the rooms of agents."""
    return {"via": [domain], "suggested": True, "order": f" {position:05d}"}


def server_child_content(domain: str, number: int) -> dict[str, Any]:
    """Return the content of ``m.space.child`` for a server: behind the channels, before the rooms of agents."""
    return {"via": [domain], "suggested": True, "order": f" ~{number:05d}"}


def parent_content(domain: str) -> dict[str, Any]:
    """Return the content of ``m.space.parent``."""
    return {"via": [domain], "canonical": True}


def child_content(domain: str, name: str, *, suggested: bool = True) -> dict[str, Any]:
    """Return the content of ``m.space.child``; the Space lists its rooms by *name*."""
    return {"via": [domain], "suggested": suggested, "order": order_of(name)}


def chat_child_content(domain: str, number: int) -> dict[str, Any]:
    """Return the content of ``m.space.child`` for a chat, which tells other members of the Space no title.

    Chats stand behind the rooms of agents, in the order of their numbers.
    """
    return {"via": [domain], "suggested": False, "order": f"~{number:012d}"}


def person_child_content(domain: str) -> dict[str, Any]:
    """Return the content of ``m.space.child`` for the Space of a person, which tells nothing about the person.

    It stands behind the rooms of agents.
    """
    return {"via": [domain], "suggested": False, "order": "~"}


def restricted_content(space: str) -> dict[str, Any]:
    """Return the content of ``m.room.join_rules`` by which members of *space* can enter (room versions 8 and newer)."""
    return {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}


def functional_content(bot: str) -> dict[str, Any]:
    """Return the content of the state event that makes *bot* a member that does not count."""
    return {"service_members": [bot]}


def _state(kind: str, content: dict[str, Any], key: str = "") -> dict[str, Any]:
    return {"type": kind, "state_key": key, "content": content}
