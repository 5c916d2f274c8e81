"""Damages of an agent's room: state that differs from the desired one, by the bridge's users or by a person."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.repairs import Part
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.rooms import FUNCTIONAL
from agent_bridge.matrix.session import homeserver_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.config.model import Config
    from support.person import Person


@dataclass(frozen=True)
class Target:
    """The room that is damaged, and its Space."""

    room_id: str
    space: str
    #: Localpart of the ghost.
    ghost: str


#: State events that differ from the desired ones, by the part of the room: the type, the key, and the content.
WRONG: dict[Part, Callable[[Target], tuple[str, str, dict[str, Any]]]] = {
    Part.NAME: lambda _: ("m.room.name", "", {"name": "another"}),
    Part.TOPIC: lambda _: ("m.room.topic", "", {"topic": "another"}),
    Part.AVATAR: lambda _: ("m.room.avatar", "", {"url": "mxc://test.local/another"}),
    Part.JOIN_RULE: lambda _: ("m.room.join_rules", "", {"join_rule": "public"}),
    Part.GUESTS: lambda _: ("m.room.guest_access", "", {"guest_access": "can_join"}),
    Part.CANONICAL_ALIAS: lambda _: ("m.room.canonical_alias", "", {}),
    Part.PARENT: lambda target: ("m.space.parent", target.space, {}),
    Part.BRIDGE: lambda target: ("m.bridge", f"org.agent_bridge://{target.ghost}", {}),
    Part.FUNCTIONAL: lambda _: (FUNCTIONAL, "", {"service_members": []}),
}


def child(target: Target) -> tuple[str, str, dict[str, Any]]:
    """Return the state event by which the Space does not list the room."""
    return "m.space.child", target.room_id, {}


async def by_bridge(homeserver: Homeserver, target: Target) -> set[Part]:
    """Damage everything as the bot and the ghost; return the damaged parts."""
    ghost = homeserver.namespace.user_id(target.ghost)
    for wrong in WRONG.values():
        kind, key, content = wrong(target)
        await homeserver.set_state(target.room_id, kind, content, key=key, as_user=ghost)
    kind, key, content = child(target)
    await homeserver.set_state(target.space, kind, content, key=key)
    levels = await homeserver.state(target.room_id, "m.room.power_levels", "", ghost)
    assert levels is not None
    await homeserver.set_state(target.room_id, "m.room.power_levels", levels["content"] | {"invite": 0}, as_user=ghost)
    await homeserver.remove_alias(homeserver.namespace.home_aliases(target.ghost)[0])
    await homeserver.set_displayname(ghost, "another")
    await homeserver.leave(target.room_id, "tried")
    return {*WRONG, Part.CHILD, Part.LEVELS, Part.ALIAS, Part.GHOST_NAME, Part.BOT_JOINED}


async def by_person(person: Person, target: Target) -> set[Part]:
    """Damage everything that is state of the room or the Space as an administrator of both; return the parts."""
    for wrong in WRONG.values():
        kind, key, content = wrong(target)
        await person.set_state(target.room_id, kind, content, key)
    kind, key, content = child(target)
    await person.set_state(target.space, kind, content, key)
    (levels,) = [each for each in await person.state(target.room_id) if each["type"] == "m.room.power_levels"]
    await person.set_state(target.room_id, "m.room.power_levels", levels["content"] | {"kick": 51})
    return {*WRONG, Part.CHILD, Part.LEVELS}


@asynccontextmanager
async def homeserver_of(config: Config) -> AsyncIterator[Homeserver]:
    """Give the homeserver as the bridge speaks to it, while no bridge runs."""
    token = config.appservice.as_token.get_secret_value()
    async with homeserver_session() as session:
        yield Homeserver(config.homeserver.address, token, config.namespace, session)
