"""Schedules on a real PostgreSQL: made within limits, and run once for each due time, by any number of processes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from agent_bridge.bridge.collaboration.schedule_runner import ScheduleRunner
from agent_bridge.bridge.collaboration.schedules import ScheduleRequest, Schedules
from agent_bridge.core.actors import Actor
from agent_bridge.core.payloads import TriggerPayload
from agent_bridge.core.results.schedules import (
    ScheduleMade,
    SchedulePaused,
    ScheduleProblem,
    ScheduleRefused,
    ScheduleRemoved,
    ScheduleResumed,
)
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.schedules import MOST_IN_ROOM, MOST_SCHEDULES, ScheduleTrouble
from agent_bridge.core.times.expressions import parse_whole_time
from agent_bridge.core.times.kinds import Moment
from agent_bridge.core.turns import TurnKind
from agent_bridge.demo.agents.openai_server import LocalServer
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.postgres.signals import Signals
from agent_bridge.store.queue import Queue
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.schedules import ScheduleStore
from support.conditions import eventually
from support.jobs import idle_lanes
from support.records import NAMES
from support.turn_rows import BOB, ROOM, add_agent, content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.store.postgres.database import Database

EVE = "@eve:example.org"


class Members(LocalServer):
    """A server in the homeserver's place that knows who is in the room."""

    def __init__(self) -> None:
        self.memberships = {BOB: "join"}
        self.is_away = False
        app = web.Application()
        app.router.add_get("/_matrix/client/v3/rooms/{room}/state/m.room.member/{user}", self._member)
        super().__init__(app)

    async def _member(self, request: web.Request) -> web.Response:
        if self.is_away:
            return web.json_response({"errcode": "M_UNKNOWN"}, status=503)
        membership = self.memberships.get(request.match_info["user"], "leave")
        return web.json_response({"type": "m.room.member", "content": {"membership": membership}})


class Stage:
    """An agent in a room, and processes that run schedules."""

    def __init__(self, database: Database, members: Members, roles: dict[str, Role], homeserver: Homeserver) -> None:
        self.database = database
        self.members = members
        self.roles = roles
        self.store = ScheduleStore(database)
        self._homeserver = homeserver

    def runner(self, max_queued: int = 10) -> ScheduleRunner:
        """Return another process."""
        return ScheduleRunner(
            self.database,
            self.store,
            Rooms(self.database),
            IntakeStore(self.database),
            Notifications(self.database),
            idle_lanes(self.database),
            self._homeserver,
            Roles.fixed(self.roles, NAMES),
            Signals(),
            max_queued=max_queued,
        )

    async def make(self, text: str = "every day 9:00", owner: str = BOB, prompt: str = "the news") -> Any:
        """Make a schedule of *owner*; return the result."""
        (agent,) = [each.agent for each in await Agents(self.database).all()]
        now = datetime.now(UTC)
        request = ScheduleRequest(
            agent=agent,
            room_id=ROOM,
            when=parse_whole_time(text, now, UTC),
            expression=text,
            zone="Europe/Oslo",
            prompt=prompt,
        )
        async with self.database.transaction() as connection:
            return await self.service.make(connection, Actor(owner), request, now)

    @property
    def service(self) -> Schedules:
        return Schedules(self.store, Roles.fixed(self.roles, NAMES))

    async def change(self, name: str, number: int, actor: str = BOB, *, every: bool = False) -> Any:
        """Pause, resume or remove a schedule."""
        async with self.database.transaction() as connection:
            return await getattr(self.service, name)(connection, Actor(actor), number, every=every)

    async def due(self, seconds: float = 1) -> datetime:
        """Have all schedules be due since *seconds*; return the due time."""
        query = "UPDATE schedule SET due_at = now() - make_interval(secs => %s) RETURNING due_at"
        rows = await self.database.rows(query, (seconds,))
        due_at: datetime = rows[0]["due_at"]
        return due_at

    async def runs(self) -> list[TriggerPayload]:
        """Return the requests to ask the agent."""
        rows = await self.database.rows("SELECT * FROM turn WHERE kind = %s ORDER BY id", (TurnKind.TRIGGER,))
        return [each for each in map(content, rows) if isinstance(each, TriggerPayload)]

    async def told(self) -> list[str]:
        """Return the due times of which their owners are told that they were missed."""
        rows = await self.database.rows("SELECT facts ->> 'due' AS due FROM notification ORDER BY id")
        return [row["due"] for row in rows]


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    roles = {"example.org": Role.MEMBER}
    async with Members() as members, homeserver_session() as session:
        await add_agent(database)
        yield Stage(database, members, roles, Homeserver(members.root_url, "token", NAMES, session))


@asynccontextmanager
async def counted(database: Database) -> AsyncIterator[list[str]]:
    """Give the list of the statements that *database* runs for the length of the block."""
    found: list[str] = []
    rows = database.rows

    async def noted(query: Any, *values: Any) -> Any:
        found.append(str(query))
        return await rows(query, *values)

    database.rows = noted  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        database.rows = rows  # type: ignore[method-assign]


async def test_a_due_time_runs_once_on_any_number_of_processes(stage: Stage) -> None:
    made = await stage.make()
    assert isinstance(made, ScheduleMade)
    for count in (1, 2):
        due_at = await stage.due()
        pauses = await asyncio.gather(*(stage.runner().run_due() for _ in range(5)))
        assert all(pause is not None and 0 < pause <= 15 for pause in pauses)
        runs = await stage.runs()
        assert [(each.text, each.schedule, each.late, each.missed) for each in runs] == [
            ("the news", "every day 9:00", None, 0)
        ] * count
        (row,) = await stage.store.owned(BOB)
        assert row.due_at > due_at
        # By the clocks of the owner.
        assert row.due_at.astimezone(ZoneInfo("Europe/Oslo")).hour == 9
        assert row.last_run_at is not None
    assert await stage.told() == []


async def test_missed_times_run_once_and_are_told(stage: Stage) -> None:
    await stage.make("every 30 minutes")
    due_at = await stage.due(3 * 3600 + 5)
    await asyncio.gather(*(stage.runner().run_due() for _ in range(2)))
    (run,) = await stage.runs()
    (told,) = await stage.told()
    assert (run.late, run.missed) == (told, 7)
    assert told.endswith("(Europe/Oslo)")
    (row,) = await stage.store.owned(BOB)
    assert row.due_at == due_at + timedelta(minutes=210)


async def test_a_moment_runs_once_and_is_forgotten(stage: Stage) -> None:
    await stage.make("in 20 minutes")
    await stage.due(500)
    await stage.runner().run_due()
    (run,) = await stage.runs()
    assert run.missed == 1
    assert await stage.store.owned(None) == []
    assert await stage.runner().run_due() is None


async def test_a_run_needs_its_owner_and_its_agent(stage: Stage) -> None:
    await stage.make()

    async def trouble() -> str | None:
        await stage.due()
        await stage.runner().run_due()
        (row,) = await stage.store.owned(BOB)
        assert row.due_at > row.now
        return row.problem

    stage.members.memberships.clear()
    assert [await trouble(), await trouble()] == [ScheduleTrouble.NOT_IN_ROOM] * 2
    # Told once: the next time has the same trouble.
    assert len(await stage.told()) == 1
    stage.members.memberships[BOB] = "join"
    await stage.database.execute("UPDATE participant SET state = 'left'")
    assert await trouble() == ScheduleTrouble.AGENT_AWAY
    await stage.database.execute("UPDATE participant SET state = 'joined'")
    stage.roles["example.org"] = Role.NONE
    assert await trouble() == ScheduleTrouble.NO_ROLE
    assert await stage.runs() == []
    stage.roles["example.org"] = Role.MEMBER
    assert await trouble() is None
    assert len(await stage.runs()) == 1


async def test_a_run_waits_for_room_and_homeserver(stage: Stage) -> None:
    await stage.make()
    due_at = await stage.due()
    pause = await stage.runner(max_queued=0).run_due()
    assert pause is not None and 10 < pause <= 15  # noqa: PT018
    stage.members.is_away = True
    assert await stage.runner().run_due() is not None
    (row,) = await stage.store.owned(BOB)
    assert (row.due_at, await stage.runs()) == (due_at, [])
    stage.members.is_away = False
    await stage.runner().run_due()
    assert len(await stage.runs()) == 1


async def test_a_schedule_that_cannot_be_read_is_paused(stage: Stage) -> None:
    for column, value in (("rule", "cron x * * * *"), ("zone", "Nowhere/Lost")):
        made = await stage.make()
        await stage.database.execute(f"UPDATE schedule SET {column} = %s", (value,))  # noqa: S608  # a literal
        await stage.due()
        await stage.runner().run_due()
        (row,) = await stage.store.owned(BOB)
        assert (row.paused, row.problem) == (True, ScheduleTrouble.BROKEN)
        assert isinstance(await stage.change("remove", made.number), ScheduleRemoved)
    assert await stage.runs() == []


async def test_without_schedules_there_is_no_statement(stage: Stage) -> None:
    signals = Signals()
    runner = stage.runner()
    runner._signals = signals
    async with counted(stage.database) as statements:
        task = asyncio.create_task(runner.run())

        async def looked() -> bool:
            return bool(statements)

        await eventually(looked, "the schedules are looked at")
        # A pause that ended at once would have another statement.
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait({task})
    assert len(statements) == 1


async def test_limits(stage: Stage) -> None:
    async def problem(*given: str) -> tuple[ScheduleProblem, int]:
        result = await stage.make(*given)
        assert isinstance(result, ScheduleRefused)
        return result.problem, result.most

    assert await problem("every 4 minutes") == (ScheduleProblem.TOO_OFTEN, 300)
    assert await problem("every day 9:00 and 9:04") == (ScheduleProblem.TOO_OFTEN, 300)
    assert await problem("in 5 minutes", BOB, " \u200b\n") == (ScheduleProblem.NO_PROMPT, 0)
    assert await problem("in 5 minutes", BOB, "x" * 4001) == (ScheduleProblem.PROMPT_TOO_LONG, 4000)
    stage.roles[BOB] = Role.MODERATOR
    assert isinstance(await stage.make("every minute"), ScheduleMade)
    assert (await problem("every 30 seconds"))[0] is ScheduleProblem.TOO_OFTEN
    # Two at once: one of them is the last.
    await asyncio.gather(*(stage.make() for _ in range(MOST_SCHEDULES + 2)))
    assert len(await stage.store.owned(BOB)) == MOST_SCHEDULES
    assert await problem() == (ScheduleProblem.TOO_MANY, MOST_SCHEDULES)
    await stage.database.execute(
        """INSERT INTO schedule (owner, agent, room, expression, rule, zone, prompt, due_at)
        SELECT '@x' || n || ':example.org', agent, room, expression, rule, zone, prompt, due_at
        FROM (SELECT * FROM schedule LIMIT 1) AS one, generate_series(1, %s) AS n""",
        (MOST_IN_ROOM,),
    )
    assert await problem("every day 9:00", EVE) == (ScheduleProblem.TOO_MANY_IN_ROOM, MOST_IN_ROOM)


async def test_pause_resume_and_remove(stage: Stage) -> None:
    daily, once = await stage.make(), await stage.make("in 20 minutes")
    assert isinstance(await stage.change("pause", daily.number, EVE), ScheduleRefused)
    assert isinstance(await stage.change("pause", daily.number, EVE, every=True), SchedulePaused)
    assert isinstance(await stage.change("pause", once.number), SchedulePaused)
    await stage.due(90_000)
    assert await stage.runner().run_due() is None
    resumed = await stage.change("resume", daily.number)
    assert isinstance(resumed, ScheduleResumed)
    assert resumed.due_at > datetime.now(UTC)
    over = await stage.change("resume", once.number)
    assert isinstance(over, ScheduleRefused)
    assert over.problem is ScheduleProblem.OVER
    await stage.runner().run_due()
    assert await stage.runs() == []
    # A due time that is yet to come stays.
    assert (await stage.change("resume", daily.number)).due_at == resumed.due_at
    assert isinstance(await stage.change("remove", daily.number), ScheduleRemoved)
    assert isinstance(await stage.change("remove", daily.number), ScheduleRefused)


@pytest.mark.parametrize(("text", "longest"), [("every day 9:00", 86_400), ("every 30 minutes", 1800)])
async def test_resume_brings_a_due_time_back_that_a_clock_ahead_has_moved(
    stage: Stage, text: str, longest: int
) -> None:
    """A schedule ran while the clock was ahead by years: its next due time is as far away when the clock is right."""
    made, once = await stage.make(text), await stage.make("in 20 minutes")
    await stage.due(-5 * 365 * 86_400)
    for each in (made, once):
        await stage.change("pause", each.number)
    resumed = await stage.change("resume", made.number)
    assert timedelta(0) < resumed.due_at - datetime.now(UTC) <= timedelta(seconds=longest)
    # A schedule that runs once has its moment.
    assert (await stage.change("resume", once.number)).due_at - datetime.now(UTC) < timedelta(minutes=20)


async def test_a_schedule_that_changes_meanwhile_does_not_run(stage: Stage) -> None:
    made = await stage.make()
    await stage.due()
    seen = await stage.store.find(made.number)
    assert seen is not None
    await stage.change("pause", made.number)
    assert await stage.runner()._decide(seen, None)
    await stage.change("resume", made.number)
    assert await stage.runner()._decide(seen, None)
    await stage.change("remove", made.number)
    assert await stage.runner()._decide(seen, None)
    assert await stage.runs() == []


async def test_schedules_end_with_their_person_and_their_room(stage: Stage) -> None:
    await stage.make()
    await stage.make(owner=EVE)
    data = PersonalData(stage.database, Redactions(NAMES.bot_username, redact_answers=False), Queue(stage.database))
    assert (await data.count(BOB))["schedules"] == 1
    # A run behind the beginning of an erasure would stay.
    await data.end_schedules(BOB)
    assert [each.paused for each in await stage.store.owned(BOB)] == [True]
    assert (await data.forget_rest(BOB, 0))["schedules"] == 1
    assert [each.owner for each in await stage.store.owned(None)] == [EVE]
    (known,) = await Agents(stage.database).all()
    await Agents(stage.database).room_lost(known.home.id, ROOM, why="deleted")
    assert await stage.database.rows("SELECT 1 FROM schedule") == []


async def test_a_moment_far_away_survives_the_store(stage: Stage) -> None:
    await stage.make("2028-02-29 12:00")
    (row,) = await stage.store.owned(BOB)
    assert row.rule == "once 2028-02-29T12:00:00+00:00"
    assert Moment(row.due_at.astimezone(UTC)) == Moment(datetime(2028, 2, 29, 12, tzinfo=UTC))
