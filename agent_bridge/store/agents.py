"""Agents and their portals: what should be, and how far it is made so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.agents import Agent, AgentState
from agent_bridge.core.rooms import Portal, Streaming, WhenBusy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import LiteralString

    from psycopg.rows import DictRow

    from agent_bridge.store.database import Database

_SELECT = """
SELECT a.id, a.upstream, a.agent_id, a.model, a.name, a.ghost, a.displayname, a.displayname_applied,
       a.state, a.state_since,
       p.id AS portal, p.room_id, p.name AS room_name, p.name_applied, p.topic, p.topic_applied,
       p.bot_joined, p.space, p.invited, p.announced_state, p.when_busy, p.streaming
FROM agent a JOIN portal p ON p.agent = a.id AND p.kind = 'home'
"""


@dataclass(frozen=True, slots=True)
class AgentRoom:
    """An agent and its home."""

    agent: Agent
    portal: Portal


@dataclass(frozen=True, slots=True)
class DesiredAgent:
    """An agent as it should be: names are what people shall see."""

    upstream: str
    agent_id: str
    model: str
    name: str
    ghost: str
    displayname: str
    room_name: str
    room_topic: str
    state: AgentState = AgentState.ACTIVE


def _contact(row: DictRow) -> AgentRoom:
    return AgentRoom(
        Agent(
            id=row["id"],
            upstream=row["upstream"],
            agent_id=row["agent_id"],
            model=row["model"],
            name=row["name"],
            ghost=row["ghost"],
            displayname=row["displayname"],
            displayname_applied=row["displayname_applied"],
            state=AgentState(row["state"]),
            state_since=row["state_since"],
        ),
        Portal(
            id=row["portal"],
            agent=row["id"],
            room_id=row["room_id"],
            name=row["room_name"],
            name_applied=row["name_applied"],
            topic=row["topic"],
            topic_applied=row["topic_applied"],
            bot_joined=row["bot_joined"],
            space=row["space"],
            invited=frozenset(row["invited"]),
            announced_state=AgentState(row["announced_state"]),
            when_busy=None if row["when_busy"] is None else WhenBusy(row["when_busy"]),
            streaming=None if row["streaming"] is None else Streaming(row["streaming"]),
        ),
    )


class Agents:
    """The tables ``agent`` and ``portal``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[AgentRoom]:
        """Return every contact, in the order in which they were first seen."""
        return [_contact(row) for row in await self._database.rows(_SELECT + "ORDER BY a.id")]

    async def of_upstream(self, upstream: str) -> list[AgentRoom]:
        """Return the contacts of one upstream, gone ones too, in the order in which they were first seen."""
        rows = await self._database.rows(_SELECT + "WHERE a.upstream = %s ORDER BY a.id", (upstream,))
        return [_contact(row) for row in rows]

    async def out_of_sync(self, space: str | None) -> list[int]:
        """Return the agents that are not yet, on the homeserver, what they should be.

        *space* is the room id of the Space that should list their rooms, None when none should.
        """
        rows = await self._database.rows(
            """
            SELECT a.id FROM agent a JOIN portal p ON p.agent = a.id AND p.kind = 'home'
            WHERE (a.state = 'active' AND (
                      p.room_id IS NULL OR NOT p.bot_joined OR a.displayname_applied IS DISTINCT FROM a.displayname
                      OR p.name_applied IS DISTINCT FROM p.name OR p.topic_applied IS DISTINCT FROM p.topic
                      OR p.space IS DISTINCT FROM coalesce(%s, p.space)))
               OR (p.room_id IS NOT NULL AND a.state <> 'held' AND p.announced_state <> a.state)
            ORDER BY a.id
            """,
            (space,),
        )
        return [row["id"] for row in rows]

    async def by_agent(self, agent: int) -> AgentRoom:
        """Return the contact of the agent with row id *agent*, which exists."""
        row = await self._database.row(_SELECT + "WHERE a.id = %s", (agent,))
        if row is None:
            raise LookupError(f"no agent {agent}")
        return _contact(row)

    async def by_portal(self, portal: int) -> AgentRoom:
        """Return the contact whose home is the portal with row id *portal*, which exists."""
        row = await self._database.row(_SELECT + "WHERE p.id = %s", (portal,))
        if row is None:
            raise LookupError(f"no portal {portal}")
        return _contact(row)

    async def portals_in(self, room_ids: Sequence[str]) -> dict[str, int]:
        """Return the portal's row id for each of *room_ids* that is one."""
        rows = await self._database.rows("SELECT room_id, id FROM portal WHERE room_id = ANY(%s)", (list(room_ids),))
        return {row["room_id"]: row["id"] for row in rows}

    async def ghosts(self) -> set[str]:
        """Return the localparts of all ghosts."""
        return {row["ghost"] for row in await self._database.rows("SELECT ghost FROM agent")}

    async def add(self, wanted: Iterable[DesiredAgent]) -> None:
        """Write new agents with an unmade home each, all or none. An agent that is there already stays as it is."""
        async with self._database.transaction() as connection:
            # Of two that add the same agent at once, one could fail on its ghost, which is no conflict to pass over.
            await connection.execute("LOCK TABLE agent IN SHARE ROW EXCLUSIVE MODE")
            for new in wanted:
                cursor = await connection.execute(
                    """
                    INSERT INTO agent (upstream, agent_id, model, name, ghost, displayname, state)
                    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (upstream, agent_id) DO NOTHING RETURNING id
                    """,
                    (new.upstream, new.agent_id, new.model, new.name, new.ghost, new.displayname, new.state),
                )
                row = await cursor.fetchone()
                if row is not None:
                    await connection.execute(
                        "INSERT INTO portal (agent, name, topic, announced_state) VALUES (%s, %s, %s, %s) "
                        "RETURNING pg_notify('agent_bridge', 'agents')",
                        (row["id"], new.room_name, new.room_topic, AgentState.ACTIVE),
                    )

    async def update(self, agent: int, wanted: DesiredAgent) -> None:
        """Write what the agent's model, names and state should be. Its identity and ghost stay."""
        async with self._database.transaction() as connection:
            await connection.execute(
                """
                UPDATE agent SET model = %s, name = %s, displayname = %s, state = %s,
                       state_since = CASE WHEN state = %s THEN state_since ELSE now() END
                WHERE id = %s
                """,
                (wanted.model, wanted.name, wanted.displayname, wanted.state, wanted.state, agent),
            )
            await connection.execute(
                "UPDATE portal SET name = %s, topic = %s WHERE agent = %s AND kind = 'home' "
                "RETURNING pg_notify('agent_bridge', 'agents')",
                (wanted.room_name, wanted.room_topic, agent),
            )

    async def displayname_applied(self, agent: int, displayname: str) -> None:
        """Record the display name that the ghost was given."""
        await self._database.execute("UPDATE agent SET displayname_applied = %s WHERE id = %s", (displayname, agent))

    async def room_made(
        self, portal: int, room_id: str, name: str | None, topic: str | None, *, seen: str | None = None
    ) -> None:
        """Record the portal's room, the names that it is known to have, and the event up to which it was dealt with."""
        await self._database.execute(
            """
            WITH made AS (
                UPDATE portal SET room_id = %(room)s, name_applied = %(name)s, topic_applied = %(topic)s
                WHERE id = %(portal)s RETURNING pg_notify('agent_bridge', 'rooms')
            )
            INSERT INTO room (room_id, last_seen, needs_backfill, backfilled_at)
            VALUES (%(room)s, %(seen)s, false, now())
            ON CONFLICT (room_id) DO NOTHING
            """,
            {"room": room_id, "name": name, "topic": topic, "portal": portal, "seen": seen},
        )

    async def bot_joined(self, portal: int) -> None:
        """Record that the bridge bot is in the room."""
        await self._database.execute("UPDATE portal SET bot_joined = true WHERE id = %s", (portal,))

    async def linked(self, portal: int, space: str) -> None:
        """Record the Space that lists the room."""
        await self._database.execute("UPDATE portal SET space = %s WHERE id = %s", (space, portal))

    async def invited(self, portal: int, user_id: str) -> None:
        """Record that *user_id* was invited."""
        await self._database.execute(
            "UPDATE portal SET invited = array_append(invited, %s) WHERE id = %s", (user_id, portal)
        )

    async def name_applied(self, portal: int, name: str) -> None:
        """Record the name that the room was given, or was found to keep."""
        await self._database.execute("UPDATE portal SET name_applied = %s WHERE id = %s", (name, portal))

    async def topic_applied(self, portal: int, topic: str) -> None:
        """Record the topic that the room was given, or was found to keep."""
        await self._database.execute("UPDATE portal SET topic_applied = %s WHERE id = %s", (topic, portal))

    async def announced(self, portal: int, state: AgentState) -> None:
        """Record the agent's state that the people in the room were told."""
        await self._database.execute("UPDATE portal SET announced_state = %s WHERE id = %s", (state, portal))

    async def set_when_busy(self, room_id: str, when_busy: WhenBusy | None) -> bool:
        """Record what happens to messages that wait in a room; tell whether the room is a portal."""
        row = await self._database.row(
            "UPDATE portal SET when_busy = %s WHERE room_id = %s RETURNING id", (when_busy, room_id)
        )
        return row is not None

    async def set_streaming(self, room_id: str, streaming: Streaming | None) -> bool:
        """Record how answers are shown in a room; tell whether the room is a portal."""
        query: LiteralString = "UPDATE portal SET streaming = %s WHERE room_id = %s RETURNING id"
        return await self._database.row(query, (streaming, room_id)) is not None
