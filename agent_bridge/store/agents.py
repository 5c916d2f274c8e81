"""Agents and their homes: the desired state, and how far it is applied on the homeserver."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.types.json import Jsonb

from agent_bridge.core.agents import NO_SETTINGS, Agent, AgentSettings, AgentState
from agent_bridge.core.chats import ChatStatus
from agent_bridge.core.rooms import HomeRoom, RoomProblem, Streaming, WhenBusy
from agent_bridge.store.agent_lists import AgentLists
from agent_bridge.store.corruption import UNREADABLE, member_or_none, read_one, readable, report
from agent_bridge.store.payloads import encode_step
from agent_bridge.store.postgres.database import SLICE, slices_of
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence

    from psycopg.rows import DictRow

    from agent_bridge.store.postgres.database import Connection

Item = TypeVar("Item")

_SQL = Statements("agents")
_PROBLEMS = frozenset(str(problem) for problem in RoomProblem)


@dataclass(frozen=True, slots=True)
class AgentRoom:
    """An agent and its home."""

    agent: Agent
    home: HomeRoom


@dataclass(frozen=True, slots=True)
class DesiredAgent:
    """The desired state of an agent and of its home."""

    upstream: str
    agent_id: str
    model: str
    name: str
    ghost: str
    displayname: str
    room_name: str
    room_topic: str
    state: AgentState = AgentState.ACTIVE
    image: str = ""
    description: str = ""
    kind: str = "openai"
    entry: str | None = None
    settings: AgentSettings = NO_SETTINGS

    @property
    def fields(self) -> dict[str, Any]:
        """The fields as JSON values."""
        settings = {key: value for key, value in asdict(self.settings).items() if value not in {None, ""}}
        return asdict(self) | {"settings": settings}


@dataclass(frozen=True, slots=True)
class EntryChanges:
    """What has to change so that the agents with entries are those of the configuration."""

    added: tuple[DesiredAgent, ...] = ()
    #: By the row ids of agents that are known.
    changed: tuple[tuple[int, DesiredAgent], ...] = ()
    #: Row ids of agents without an entry now, and whether their upstream lists them.
    released: tuple[tuple[int, bool], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is a change."""
        return bool(self.added or self.changed or self.released)


def agent_from(row: Mapping[str, Any]) -> Agent:
    """Return the agent whose row, as JSON values, is *row*."""
    return Agent(
        id=row["id"],
        upstream=row["upstream"],
        agent_id=row["agent_id"],
        model=row["model"],
        name=row["name"],
        ghost=row["ghost"],
        displayname=row["displayname"],
        displayname_applied=row["displayname_applied"],
        state=AgentState(row["state"]),
        state_since=datetime.fromisoformat(row["state_since"]),
        image=row["image"],
        image_applied=row["image_applied"],
        avatar=row["avatar"],
        description=row["description"],
        kind=row["kind"],
        entry=row["entry"],
        settings=_settings(row),
        retired_by=row["retired_by"],
        status_text=row["status_text"],
        away=row["away"],
    )


def _settings(row: Mapping[str, Any]) -> AgentSettings:
    try:
        return AgentSettings(**row["settings"])
    except UNREADABLE as error:
        report("agent", row["id"], error)
        return NO_SETTINGS


def _home_from(row: Mapping[str, Any]) -> HomeRoom:
    return HomeRoom(
        id=row["id"],
        room_id=row["room_id"],
        name=row["name"],
        name_applied=row["name_applied"],
        topic=row["topic"],
        topic_applied=row["topic_applied"],
        bot_joined=row["bot_joined"],
        space=row["space"],
        invited=frozenset(row["invited"]),
        announced_state=member_or_none(AgentState, row["announced_state"], "room", row["id"]) or AgentState.ACTIVE,
        when_busy=member_or_none(WhenBusy, row["when_busy"], "room", row["id"]),
        streaming=member_or_none(Streaming, row["streaming"], "room", row["id"]),
        check_requests=row["check_requests"],
        checked=row["checked"],
        problems=problems_from(row["problems"]),
        avatar_applied=row["avatar_applied"],
        introduced=row["introduced"],
        join_rule_applied=row["join_rule_applied"],
        is_deleting=row["status"] == ChatStatus.DELETING,
    )


def problems_from(codes: Iterable[str]) -> tuple[RoomProblem, ...]:
    """Return the problems with *codes*, without those that this program does not know."""
    return tuple(RoomProblem(code) for code in codes if code in _PROBLEMS)


def _agent_room(row: DictRow) -> AgentRoom:
    return AgentRoom(agent_from(row["agent"]), _home_from(row["room"]))


def _read(rows: Sequence[DictRow]) -> list[AgentRoom]:
    return readable("agent", rows, lambda row: row["agent"]["id"], _agent_room)


async def _read_all(slices: AsyncGenerator[list[DictRow], None]) -> list[AgentRoom]:
    """Return the agents of all *slices*. The rows take six times the memory of the agents: few are there at a time."""
    found: list[AgentRoom] = []
    async with aclosing(slices):
        async for rows in slices:
            found += _read(rows)
    return found


async def _add(connection: Connection, wanted: Iterable[DesiredAgent]) -> None:
    """Write agents with their homes, but for those that are known: few statements, however many agents there are."""
    for some in _slices(wanted):
        await connection.execute(_SQL["add"], {"agents": Jsonb([each.fields for each in some])})


def _slices(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield *items* in lists that one statement takes."""
    left = iter(items)
    while some := list(islice(left, SLICE)):
        yield some


class Agents(AgentLists):
    """The table ``agent``, and the homes in the table ``room``."""

    async def all(self) -> list[AgentRoom]:
        """Return every agent with its home, in the order in which the agents were found."""
        return await self._homes()

    async def of_upstream(self, upstream: str) -> list[AgentRoom]:
        """Return the agents of one upstream, also those that are gone, in the order in which they were found."""
        return await self._homes(upstream)

    async def with_entry(self, upstream: str) -> list[AgentRoom]:
        """Return the agents of one upstream that have an entry in the configuration, in the order of :meth:`all`."""
        return await _read_all(self._database.slices(_SQL["homes_with_entry"], {"upstream": upstream}))

    async def by_agent(self, agent: int) -> AgentRoom:
        """Return the agent with row id *agent*, which exists.

        Raises:
            StoreError: also if its row cannot be read.
        """
        row = await self._database.row(_SQL["home"], {"agent": agent})
        if row is None:
            raise LookupError(f"no agent {agent}")
        return read_one("agent", agent, lambda: _agent_room(row))

    async def by_ghost(self, ghost: str) -> AgentRoom | None:
        """Return the agent whose ghost has the localpart *ghost*; None if there is none."""
        row = await self._database.row(_SQL["home_of_ghost"], {"ghost": ghost})
        return None if row is None else next(iter(_read([row])), None)

    async def add(self, wanted: Iterable[DesiredAgent]) -> None:
        """Write new agents, each with a home that does not exist yet, all or none. A known agent stays as it is."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock"])
            await _add(connection, wanted)

    async def update(self, wanted: Mapping[int, DesiredAgent]) -> None:
        """Write the desired models, names and states of agents that have no entries, by their row ids.

        Their identities and their ghosts stay.
        """
        for some in _slices(wanted.items()):
            agents = [each.fields | {"id": agent} for agent, each in some]
            await self._database.execute(_SQL["update"], {"agents": Jsonb(agents)})

    async def configure(self, plan: Callable[[Sequence[AgentRoom]], EntryChanges]) -> EntryChanges:
        """Make the changes that *plan* finds for the agents that are known, all or none; return them.

        *plan* runs in a thread. Nobody else changes an agent meanwhile. An agent that is released, and not listed,
        counts as gone.
        """
        if not await asyncio.to_thread(plan, await self.all()):
            return EntryChanges()
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock"])
            known = await _read_all(slices_of(connection, _SQL["homes"], {"upstream": None}))
            changes = await asyncio.to_thread(plan, known)
            # An entry may pass from one agent to another.
            for agent, is_listed in changes.released:
                await connection.execute(_SQL["release"], {"agent": agent, "listed": is_listed})
            for agent, wanted in changes.changed:
                fields = wanted.fields
                values = fields | {"agent": agent, "settings": Jsonb(fields["settings"])}
                await connection.execute(_SQL["configure"], values)
            await _add(connection, changes.added)
        return changes

    async def reconnect(self, agent: int, model: str, twin: int | None) -> None:
        """Give *agent* the *model* that its upstream lists now; the agent *twin*, which has it now, counts as gone.

        Running twice has no other effect.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["displace"], {"agent": twin})
            await connection.execute(_SQL["reconnect"], {"agent": agent, "model": model})

    async def switch(self, upstream: str, kind: str, models: Mapping[int, str]) -> int:
        """Give agents of *upstream*, by their row ids, the *models* by which its list as another *kind* has them.

        An agent that has a model of that kind stays as it is. One statement also stores the change of the kind for the
        administrators, and that the conversations on the upstream begin again. Returns the number of changed agents.
        """
        values: dict[str, object] = {"upstream": upstream, "kind": kind}
        values |= {"agents": list(models), "models": list(models.values())}
        row = await self._database.row(_SQL["switch"], values)
        return 0 if row is None else int(row["changed"])

    async def describe(self, described: Mapping[int, tuple[str, str]]) -> None:
        """Write the addresses of the pictures of agents and their descriptions, as the upstream gives them, by row ids.

        Those of entries stay.
        """
        for some in _slices(described.items()):
            values: dict[str, object] = {
                "agents": [agent for agent, _ in some],
                "images": [image for _, (image, _) in some],
                "descriptions": [description for _, (_, description) in some],
            }
            await self._database.execute(_SQL["describe"], values)

    async def image_applied(self, agent: int, image: str, avatar: str | None) -> None:
        """Record the image from which the avatar of a ghost was made, and the avatar (an ``mxc://`` URL)."""
        values: dict[str, object] = {"agent": agent, "image": image, "avatar": avatar}
        await self._database.execute(_SQL["image_applied"], values)

    async def avatar_applied(self, room: int, avatar: str) -> None:
        """Record the avatar that the room was given, or was found to replace by another one."""
        await self._database.execute(_SQL["avatar_applied"], {"room": room, "avatar": avatar})

    async def introduced(self, room: int) -> None:
        """Record that the agent has introduced itself in the room."""
        await self._database.execute(_SQL["introduced"], {"room": room})

    async def join_rule_applied(self, room: int, join_rule: str) -> None:
        """Record the join rule that the room was given."""
        await self._database.execute(_SQL["join_rule_applied"], {"room": room, "join_rule": join_rule})

    async def displayname_applied(self, agent: int, displayname: str) -> None:
        """Record the display name that the ghost was given."""
        await self._database.execute(_SQL["displayname_applied"], {"agent": agent, "displayname": displayname})

    async def room_made(
        self,
        room: int,
        room_id: str,
        name: str | None,
        topic: str | None,
        *,
        seen: str | None = None,
        roles: int | None = None,
    ) -> None:
        """Record the room of a home, the names that it is known to have, and the event up to which nothing is missing.

        *roles*: the book of roles by which it was made; None: that is not known. If the bridge bot had entered the room
        before, it stays compared as far as it was.
        """
        values: dict[str, object] = {"room": room, "room_id": room_id, "name": name, "topic": topic, "roles": roles}
        async with self._database.transaction() as connection:
            namesake = await (await connection.execute(_SQL["forget_namesake"], values)).fetchone()
            compared = namesake or {"last_seen": seen, "needs_backfill": False}
            await connection.execute(_SQL["room_made"], values | compared)

    async def room_moved(self, room: int, old: str, room_id: str, removed: Sequence[str] = ()) -> None:
        """Record that the room *old* of a home continues in *room_id*, with its conversations and its waiting turns.

        The history of *room_id* is read from its beginning. The people *removed* from *old* count as never invited.
        """
        values: dict[str, object] = {"room": room, "old": old, "room_id": room_id, "removed": list(removed)}
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["forget_namesake"], values)
            await connection.execute(_SQL["room_moved"], values)

    async def room_lost(self, room: int, room_id: str, *, why: str) -> None:
        """Record that the room of a home does not exist any more; close its open turns as failed because of *why*."""
        step = encode_step("failed", parts=0, error=why)
        await self._database.execute(_SQL["room_lost"], {"room": room, "room_id": room_id, "why": why, "step": step})

    async def request_checks(self) -> None:
        """Have the rooms with open turns compared with the homeserver, while their lanes wait."""
        await self._database.execute(_SQL["request_checks"])

    async def checked(self, room: int, requests: int, problems: Iterable[RoomProblem]) -> None:
        """Record a comparison that answers the first *requests* requests, and the problems that it could not repair."""
        await self._database.execute(
            _SQL["checked"], {"room": room, "requests": requests, "problems": [str(problem) for problem in problems]}
        )

    async def accept(self, agent: int) -> None:
        """Give an agent that is held its room."""
        await self._database.execute(_SQL["accept"], {"agent": agent})

    async def names_lost(self, agent: int) -> None:
        """Record that the ghost lost its display name and its avatar."""
        await self._database.execute(_SQL["names_lost"], {"agent": agent})

    async def refused_names_lost(self) -> None:
        """Have the display names set again that the homeserver refused."""
        await self._database.execute(_SQL["refused_names_lost"])

    async def bot_left(self, room: int) -> None:
        """Record that the bridge bot is not in the room."""
        await self._database.execute(_SQL["bot_left"], {"room": room})

    async def bot_joined(self, room: int) -> None:
        """Record that the bridge bot is in the room."""
        await self._database.execute(_SQL["bot_joined"], {"room": room})

    async def linked(self, room: int, space: str) -> None:
        """Record the Space that lists the room."""
        await self._database.execute(_SQL["linked"], {"room": room, "space": space})

    async def invited(self, room: int, user_id: str) -> None:
        """Record that the bridge has invited *user_id*."""
        await self._database.execute(_SQL["invited"], {"room": room, "user_id": user_id})

    async def name_applied(self, room: int, name: str) -> None:
        """Record the name that the room was given, or was found to keep."""
        await self._database.execute(_SQL["name_applied"], {"room": room, "name": name})

    async def topic_applied(self, room: int, topic: str) -> None:
        """Record the topic that the room was given, or was found to keep."""
        await self._database.execute(_SQL["topic_applied"], {"room": room, "topic": topic})

    async def announced(self, room: int, state: AgentState) -> None:
        """Record the agent's state that the room was told."""
        await self._database.execute(_SQL["announced"], {"room": room, "state": state})

    async def _homes(self, upstream: str | None = None) -> list[AgentRoom]:
        return await _read_all(self._database.slices(_SQL["homes"], {"upstream": upstream}))
