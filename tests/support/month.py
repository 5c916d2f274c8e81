"""A bridge that an operator runs for a month: its processes, its servers, its people, and the look of each evening."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from psycopg import sql

from agent_bridge.core.roles import Role
from agent_bridge.demo.synapse import free_port
from agent_bridge.demo.timeline import Room
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.roles import RoleStore
from crash.balancer import Balancer
from crash.counting import CountingUpstream
from support.conditions import eventually
from support.damages import homeserver_of
from support.harness import DOMAIN
from support.imports import letta_of, remember
from support.month_people import BOT, Resident, words_of
from support.person import space_children
from support.process import BridgeProcess, run_command, write_config
from support.scripted_app_server import ScriptedAppServer
from support.scripted_upstream import ScriptedUpstream, echo

if TYPE_CHECKING:
    from pathlib import Path

    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness
    from support.postgres import Cluster

LOBBY = f"#agent_~lobby:{DOMAIN}"
TOKEN = "the-token-of-the-upstream"
#: Days for which the bridge keeps turns and transcripts.
KEPT_DAYS = 5
_NAMES = ("Ada", "Bea", "Cleo")
_REMEMBERED = 4
_WITHIN = 30.0
_LEVELS = {Role.NONE: 0, Role.AGENT: 0, Role.MEMBER: 0, Role.MODERATOR: 50, Role.ADMIN: 100, Role.OWNER: 150}
_LEFT_TO_DO = """
    SELECT 'room' FROM room WHERE room_id IS NOT NULL AND (changes <> changes_applied OR needs_backfill)
    UNION ALL SELECT 'turn' FROM turn WHERE open
    UNION ALL SELECT 'operation' FROM operation WHERE finished_at IS NULL
"""
#: Columns with times, but for those of the locks of living processes.
_TIMES = """
    SELECT c.table_name, c.column_name FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = 'timestamp with time zone'
    AND c.table_name NOT LIKE 'procrastinate%' AND c.table_name NOT IN ('advisory_lock', 'reload', 'reload_answer')
"""
_TABLES = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""


class NamedUpstream(CountingUpstream):
    """A server that counts the tokens of its agents, which have *names* and echo."""

    def __init__(self, *names: str) -> None:
        super().__init__(0, has_keys=True)
        self.script = echo
        self._source = ScriptedUpstream(*(name.lower() for name in names))
        self.models = [model | {"name": name} for model, name in zip(self._source.models, names, strict=True)]

    def add(self, name: str) -> None:
        """List another agent."""
        self.models.append({"id": name.lower(), "object": "model", "name": name})

    def remove(self, name: str) -> dict[str, Any]:
        """List an agent no more; return its entry."""
        (found,) = [each for each in self.models if each["name"] == name]
        self.models.remove(found)
        return found


class Month:
    """The bridge of an operator, with short times, on a homeserver and a database of its own."""

    def __init__(self, harness: BridgeHarness, cluster: Cluster, database_url: str, folder: Path) -> None:
        self.harness = harness
        self.cluster = cluster
        self._database_url = database_url
        self._folder = folder
        self._stack = AsyncExitStack()
        self.upstream, self.swarm = NamedUpstream(*_NAMES), ScriptedUpstream()
        self.letta = ScriptedAppServer("dora")
        self.letta.models[0]["name"] = "Dora"
        remember(self.letta, _REMEMBERED)
        #: The answers of each agent in each room, and what else the agents and the bot may say: beginnings of texts.
        self.due: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.to_admins: list[str] = []
        #: The entry of an agent that comes and goes.
        self.cleo: dict[str, Any] = {}
        #: Requests and tokens that were erased.
        self.erased = (0, 0)
        #: Beginnings of lines of the log that the days so far expect on the level of an error.
        self.expected_errors: set[str] = set()
        self.processes: list[BridgeProcess] = []
        self.rows: list[dict[str, int]] = []

    async def __aenter__(self) -> Self:
        enter = self._stack.enter_async_context
        for server in (self.upstream, self.swarm, self.letta):
            await enter(server)
        self.database = await enter(Database(self._database_url))
        people = [await enter(self.harness.person()) for _ in range(4)]
        self.op, self.ann, self.bob, self.cem = (Resident(self, person) for person in people)
        self.sections: dict[str, Any] = {
            "permissions": {DOMAIN: "member", self.op.user_id: "owner"},
            "rooms": {"lobby": True, "join_rule": "restricted", "invite": [self.ann.user_id, self.bob.user_id]},
            "retention": {"turns_days": KEPT_DAYS, "transcript_days": KEPT_DAYS},
            "logging": {"format": "json"},
        }
        self._ports = [free_port(), free_port()]
        for name in ("one", "two"):
            (self._folder / name).mkdir()
        self.write()
        await enter(Balancer(self.config.appservice.port, self._ports))
        self._homeserver = await enter(homeserver_of(self.config))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # The operator at the command line.

    def write(self) -> None:
        """Write the configuration of both processes."""
        upstreams = [
            self.upstream.config | {"webhook_token": TOKEN},
            {"name": "swarm", "url": self.swarm.url, "ephemeral": True},
            *letta_of(self.letta),
        ]
        self.config = self.harness.config(self._database_url, upstreams, **{"space": {}} | self.sections)
        for name, port in zip(("one", "two"), self._ports, strict=True):
            service = self.config.appservice.model_copy(update={"port": port})
            write_config(self._folder / name, self.config.model_copy(update={"appservice": service}))

    def spoil(self, text: str) -> None:
        """Replace the configuration of the first process by *text*."""
        (self._folder / "one" / "config.yaml").write_text(text, encoding="utf-8")

    @property
    def file(self) -> str:
        """The configuration of the first process."""
        return str(self._folder / "one" / "config.yaml")

    async def change(self, **sections: Any) -> str:
        """Change sections of the configuration, and have the processes read it."""
        self.sections |= sections
        self.write()
        code, said = await self.command("reload")
        assert code == 0, said
        return said

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run ``agent-bridge`` with the configuration; return its exit code and its output."""
        return await run_command(arguments[0], "--config", self.file, *arguments[1:])

    async def start(self, number: int = 0) -> BridgeProcess:
        """Start a process of the bridge, the first one or the second one."""
        service = self.config.appservice.model_copy(update={"port": self._ports[number]})
        folder = self._folder / ("one", "two")[number]
        process = BridgeProcess(folder, self.config.model_copy(update={"appservice": service}))
        self.processes.append(await self._stack.enter_async_context(process))
        await process.wait_for("listening")
        return process

    async def restart(self) -> None:
        """Stop the newest process in order, and start it again."""
        assert await self.processes[-1].stop() == 0
        await self.start()

    # The state of the bridge.

    async def contact(self, agent: str) -> AgentRoom:
        """Wait until an agent has a complete room, and return both."""

        async def complete() -> AgentRoom | None:
            found = [each for each in await Agents(self.database).all() if each.agent.name == agent]
            return next((each for each in found if each.home.bot_joined and each.home.name_applied), None)

        return await eventually(complete, f"{agent} has a room", _WITHIN)

    async def room(self, agent: str) -> str:
        """Return the room of an agent."""
        return (await self.contact(agent)).home.room_id or ""

    async def power(self, agent: str, user: str) -> float:
        """Return the power level of a user in the room of an agent."""
        state = await self._homeserver.room_state(await self.room(agent), await self.ghost(agent))
        assert state is not None
        return state.power(user)

    async def ghost(self, agent: str) -> str:
        """Return the user id of an agent."""
        return self.config.namespace.user_id((await self.contact(agent)).agent.ghost)

    async def state(self, agent: str, state: str) -> None:
        """Wait until an agent has *state*, and its room was told."""

        async def has_state() -> bool:
            found = [each for each in await Agents(self.database).all() if each.agent.name == agent]
            return any(each.agent.state == state == each.home.announced_state for each in found)

        await eventually(has_state, f"{agent} is {state}", _WITHIN)

    async def space(self) -> str:
        """Return the Space."""

        async def made() -> str | None:
            found: str | None = await KeyValues(self.database).get(KeyValues.SPACE)
            return found

        return await eventually(made, "there is a Space", _WITHIN)

    async def listed(self) -> list[str]:
        """Return the names of the agents that the Space lists, in its order."""
        space, names = await self.room_of(await self.space()), {}
        for each in await Agents(self.database).all():
            names[each.home.room_id] = each.agent.name
        return [names[room] for room in space_children(space) if room in names]

    async def room_of(self, room_id: str, user_id: str | None = None) -> Room:
        """Return a room with its state, as the homeserver has it."""
        room = Room(room_id)
        state = await self._homeserver.room_state(room_id, user_id)
        assert state is not None, room_id
        room.state.update({key: dict(event["content"]) for key, event in state.events.items()})
        return room

    async def tokens(self, user_id: str = "%") -> tuple[int, int]:
        """Return the requests to the server that counts, and their tokens, as the bridge counts them for a person."""
        query = """
            SELECT count(*) AS requests, coalesce(sum(input_tokens + output_tokens), 0) AS tokens
            FROM usage WHERE upstream = %s AND user_id LIKE %s
        """
        row = await self.database.row(query, (self.upstream.name, user_id))
        assert row is not None
        return row["requests"], int(row["tokens"])

    # The evening and the night.

    async def quiet(self) -> None:
        """Wait until nothing is left to be done."""

        async def idle() -> bool:
            return not await self.database.rows(_LEFT_TO_DO)

        await eventually(idle, "nothing is left to be done", _WITHIN)

    async def evening(self) -> None:
        """Check everything that has to be so on each day."""
        await self.quiet()
        for check in (self._check_answers, self._check_people, self._check_order, self._check_usage, self._check_log):
            await check()
        code, output = await self.command("repair", "--dry-run", "--json")
        assert code == 0, output
        await self._check_administrators()
        await self._count_rows()

    async def night(self) -> None:
        """Have a day pass: every time in the database is a day earlier."""
        times: dict[str, list[str]] = defaultdict(list)
        for row in await self.database.rows(_TIMES):
            times[row["table_name"]].append(row["column_name"])
        async with self.database.transaction() as connection:
            for table, columns in times.items():
                earlier = sql.SQL(", ").join(
                    sql.SQL("{0} = {0} - interval '1 day'").format(sql.Identifier(each)) for each in columns
                )
                await connection.execute(sql.SQL("UPDATE {} SET ").format(sql.Identifier(table)) + earlier)

    async def _check_answers(self) -> None:
        """No answer is lost, doubled or out of order."""
        for (room_id, ghost), wanted in self.due.items():

            async def without_marks(room_id: str = room_id, ghost: str = ghost) -> Room | None:
                room = await self._seen(room_id, ghost)
                return None if any(key.startswith("⏳") for _, key in room.reactions.values()) else room

            # A mark goes a moment after the turn has ended.
            room = await eventually(without_marks, f"no message waits in {room_id}", _WITHIN)
            assert words_of(room.said_by(ghost)) == wanted

    async def _seen(self, room_id: str, ghost: str) -> Room:
        """Return a room as *ghost* sees it."""
        events, _ = await self._homeserver.messages(room_id, limit=1000, as_user=ghost)
        room = Room(room_id)
        for event in reversed(events):
            room.see(dict(event))
        return room

    async def _check_people(self) -> None:
        """Power levels are those of the roles, and nobody without a role is in a room of the bridge."""
        people = (self.op, self.ann, self.bob, self.cem)

        async def differences() -> list[str]:
            book = (await RoleStore(self.database).current()).book
            assert book is not None
            found = []
            for room_id, ghost in await self._rooms():
                state = await self._homeserver.room_state(room_id, ghost)
                if state is None:
                    found.append(f"{room_id}: {ghost or BOT} is not there")
                    continue
                for user in (each.user_id for each in people):
                    role = book.role_of(user)
                    if state.power(user) != _LEVELS[role]:
                        found.append(f"{room_id}: {user} is {role.name} and has {state.power(user)}")
                    if role is Role.NONE and state.membership(user) in {"join", "invite"}:
                        found.append(f"{room_id}: {user} has no role, and is there")
            return found

        async def none() -> bool:
            return not await differences()

        with suppress(AssertionError):
            await eventually(none, "roles are levels", 10)
        assert await differences() == []

    async def _rooms(self) -> list[tuple[str, str | None]]:
        """Return the rooms of agents, the lobby and the Space, each with a user who reads it."""
        agents = [
            (each.home.room_id, self.config.namespace.user_id(each.agent.ghost))
            for each in await Agents(self.database).all()
        ]
        lobby = await self._homeserver.resolve_alias(LOBBY)
        return [*((room, ghost) for room, ghost in agents if room), (str(lobby), None), (await self.space(), None)]

    async def _check_order(self) -> None:
        """The Space lists the agents by their names."""
        names = await self.listed()
        assert names == sorted(names, key=str.casefold)

    async def _check_usage(self) -> None:
        """The bridge counts as the server does."""
        requests = self.upstream.count.requests
        requested, tokens = await self.tokens()
        total = sum(each.read + each.written for each in requests)
        assert (requested + self.erased[0], tokens + self.erased[1]) == (len(requests), total)

    async def _check_log(self) -> None:
        """The log has no error that the day does not expect."""
        found = [
            json.dumps(event)
            for process in self.processes
            for event in process.events
            if (event["level"] in {"error", "critical"} or "exception" in event or "Traceback" in json.dumps(event))
            and not event["event"].startswith(tuple(self.expected_errors))
        ]
        assert not found, "\n".join(found)

    async def _check_administrators(self) -> None:
        """The room of the administrators has the expected messages alone."""
        room_id = await KeyValues(self.database).get(KeyValues.ADMIN_ROOM)
        said: list[str] = []
        if room_id:
            said = [each.body for each in (await self._seen(str(room_id), BOT)).said_by(BOT)]
        strange = [each for each in said if not any(words in each for words in self.to_admins)]
        assert strange == []
        missing = [words for words in self.to_admins if not any(words in each for each in said)]
        assert missing == []

    async def _count_rows(self) -> None:
        counts = {}
        for row in await self.database.rows(_TABLES):
            table = row["table_name"]
            async with self.database.transaction() as connection:
                cursor = await connection.execute(
                    sql.SQL("SELECT count(*) AS rows FROM {}").format(sql.Identifier(table))
                )
                counts[table] = (await cursor.fetchall())[0]["rows"]
        self.rows.append(counts)

    @property
    def homeserver(self) -> Homeserver:
        """The homeserver, as the bridge speaks to it."""
        return self._homeserver
