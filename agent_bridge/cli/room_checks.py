"""The checks of ``agent-bridge doctor`` that compare the rooms of agents with the homeserver. They change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.bridge.rooms.problems import is_open, problems_of, strangers_in
from agent_bridge.core.live import Live
from agent_bridge.core.roles import RoleBook, Roles
from agent_bridge.core.rooms import RoomProblem
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.embedded import database_uri
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.servers import Servers

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.core.ids import Namespace
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.servers import PlaceRoom

#: Rooms that a finding lists.
_LISTED = 5
#: Problems that the state of a room does not show: the bridge has noted that the homeserver refused a change.
_NOTED = {
    RoomProblem.GHOST_SUSPENDED,
    RoomProblem.NO_DISPLAYNAME,
    RoomProblem.NO_ALIAS,
    RoomProblem.NOT_IN_SPACE,
    RoomProblem.STATE_REFUSED,
    RoomProblem.LEVEL_STUCK,
}


async def compare_rooms(config: Config, homeserver: Homeserver) -> tuple[int, list[str]]:
    """Return the number of rooms that are compared, and a line about each problem of them and the Space, a few at most.

    Raises:
        HomeserverError, StoreError: the comparison is not possible.
    """
    async with database_uri(config.database) as uri, Database(uri) as database:
        rooms = [each for each in await Agents(database).all() if each.home.room_id is not None]
        space: str | None = await KeyValues(database).get(KeyValues.SPACE)
        book = (await RoleStore(database).current()).book
        places = await Servers(database).with_rooms()
    # People have given roles besides those of the configuration.
    roles = Roles(Live(RoleBook(config.permissions, {} if book is None else book.assigned)), config.namespace)
    lines = [] if space is None else await _problems_of_space(space, config, roles, homeserver)
    for agent_room in rooms:
        found = await _problems(agent_room, homeserver)
        lines += [f"the room of {agent_room.agent.name} {problem}" for problem in found]
    for place in places:
        lines += await _problems_of_place(place, homeserver)
    rest = len(lines) - _LISTED
    return len(rooms) + len(places), [*lines[:_LISTED], *([f"{rest} more"] if rest > 0 else [])]


async def _problems_of_space(space: str, config: Config, roles: Roles, homeserver: Homeserver) -> list[str]:
    state = await homeserver.room_state(space)
    if state is None:
        return ["the Space does not exist, or the bot is not in it: the running bridge makes another one"]
    strangers = [f"the Space has a member without a role: {user}" for user in strangers_in(state, roles, config)]
    return [f"the Space {ENGLISH.room_problems[RoomProblem.OPEN_DOOR]}"] * is_open(state) + strangers


async def _problems_of_place(place: PlaceRoom, homeserver: Homeserver) -> list[str]:
    kind = "server" if place.is_server else "channel"
    state = await homeserver.room_state(place.room_id)
    if state is None:
        lacks = "does not exist, or the bot is not in it: the running bridge makes another one"
        return [f"the {kind} {place.name} {lacks}"]
    return [f"the {kind} {place.name} {ENGLISH.room_problems[RoomProblem.OPEN_DOOR]}"] * is_open(state)


async def _problems(agent_room: AgentRoom, homeserver: Homeserver) -> list[str]:
    names: Namespace = homeserver.namespace
    ghost, room_id = names.user_id(agent_room.agent.ghost), agent_room.home.room_id or ""
    state = await homeserver.room_state(room_id) or await homeserver.room_state(room_id, ghost)
    if state is None:
        return ["does not exist, or neither its ghost nor the bot is in it: the running bridge makes another one"]
    noted = [problem for problem in agent_room.home.problems if problem in _NOTED]
    return [ENGLISH.room_problems[problem] for problem in (*problems_of(state, ghost, names.bot), *noted)]
