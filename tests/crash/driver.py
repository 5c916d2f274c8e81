"""The driver: people talk all the time, faults happen, and at the end the driver checks the rooms."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent_bridge.bridge.queue.worker import MAX_INTERRUPTIONS
from agent_bridge.core.errors import StoreError
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.postgres.database import Database
from crash.asked import Answerer, AnsweringUpstream
from crash.balancer import Balancer
from crash.chats import NewChats
from crash.faults import KILL, KILL_BOTH, Fault, Ground, deck
from crash.group import enter_lobby
from crash.histories import Disturbance, Request, judge_groups, judge_repeats, judge_requests
from crash.operated import Judge
from crash.operation import Operation, Servers
from crash.replica import Replica, takeovers
from crash.report import Report
from crash.spots import begin_direct, enter
from crash.talk import Talk, picture
from crash.truth import disorder, judge_health, judge_memory, until_closed, until_forgotten
from crash.verdict import Verdict
from support.aliases import forget_lobby
from support.conditions import eventually
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent_bridge.config.model import Config
    from crash.database import Embedded, External
    from crash.group import Group
    from crash.spots import Spot
    from support.harness import BridgeHarness
    from support.person import Person

#: With faults of the kind "kill", every tenth one hits the homeserver too.
_SYNAPSE_EVERY = 10
#: In every fourth room a new message interrupts the answer that is given.
_INTERRUPT_EVERY = 4
#: Every fourth agent has a direct chat, too.
_DIRECT_EVERY = 4
#: Agents of the lobby that are asked.
_IN_LOBBY = 3
#: Chats that are made before the faults, and at most during the faults.
_CHATS_BEFORE, _CHATS_MEANWHILE = 1, 6
#: Interruptions that a turn must have left, so that several deaths at once stay below the limit.
_MARGIN = 5
#: Seconds between two looks at rooms that do not show yet what they must show in the end.
_LOOK_AGAIN = 2.0
#: The name of the upstream whose agents people ask; orders of the administrator for each act of people in a room.
_ANSWERER, _ORDERS_PER_ACT = "answerer", 8


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run. Times are seconds."""

    #: Number of faults.
    kills: int
    seed: int
    rooms: int = 20
    processes: int = 1
    #: "kill": only SIGKILL, of the bridge and at times of the homeserver; "all": every kind.
    faults: Literal["kill", "all"] = "all"
    #: Whether only faults happen that take little time.
    quick: bool = False
    #: Whether some faults hit the homeserver itself.
    synapse: bool = True
    #: Between two acts in one room, on average.
    pace: float = 8.0
    #: From the end of a fault to the next one, at least and at most.
    life: tuple[float, float] = (0.2, 4.0)
    #: Whether an administrator operates the bridge meanwhile: roles, agents, triggers, repairs and imports.
    operates: bool = True
    #: From the last fault until the limit for all answers.
    patience: float = 90.0


class Driver:
    """One run with the homeserver of *harness*, an empty *database* and a new folder."""

    def __init__(self, plan: Plan, harness: BridgeHarness, database: External | Embedded, folder: Path) -> None:
        self._plan = plan
        self._harness = harness
        self._server = database
        self._folder = folder
        self._random = random.Random(plan.seed)  # noqa: S311
        self._random_of_chats = random.Random(f"{plan.seed} chats")  # noqa: S311
        self._answerer = Answerer(plan.seed)
        self._replicas: list[Replica] = []
        self._enough = asyncio.Event()
        self._disturbances: list[Disturbance] = []
        #: Rooms of the administrator.
        self._operated: list[tuple[str, Person, str]] = []

    async def run(self) -> Report:
        """Carry the plan out and return the report."""
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(self._upstream())
            operation = await self._operation(stack)
            people = [await stack.enter_async_context(self._harness.person()) for _ in range(2)]
            await stack.enter_async_context(self._server)
            ground = await self._start_bridges(stack, upstream, people, operation)
            database = await stack.enter_async_context(Database(self._server.uri))
            config = self._replicas[0].config
            spots = await enter(
                database,
                config,
                tuple(people),
                self._plan.rooms,
                interrupt_every=_INTERRUPT_EVERY,
                upstream=_ANSWERER,
            )
            chats = NewChats(people[0], config.namespace.bot)
            lobby, direct, _ = await asyncio.gather(
                enter_lobby(config, spots, _IN_LOBBY),
                asyncio.gather(*(begin_direct(spot) for spot in spots[::_DIRECT_EVERY])),
                chats.begin(),
            )
            spots += direct
            if operation is not None:
                await operation.begin(self._direct(config), self._replicas, database)
                self._operated = operation.evidence
            started = time.monotonic()
            try:
                spots = await self._talk(ground, database, spots, lobby, chats, operation)
                still_open = await until_closed(database, spots, self._plan.patience)
            except Exception as error:
                error.add_note(f"seed {self._plan.seed}, evidence in {await self._keep(spots)}")
                raise
            duration = time.monotonic() - started
            for spot in spots:
                await spot.read_groups(database)
            verdict, shown = await self._look(spots)
            verdict += await self._judge(database, spots, upstream)
            verdict += await chats.judge(database, self._plan.patience)
            if operation is not None:
                verdict += await Judge(operation, self._direct(config), database).judge(self._plan.patience)
            verdict += Verdict(stuck=tuple(ground.by_hand))
            return Report(
                seed=self._plan.seed,
                planned=self._plan.kills,
                faults=tuple(each.name for each in self._disturbances),
                orders=len(operation.orders) if operation is not None else 0,
                processes=self._plan.processes,
                duration=duration,
                asked=tuple(tuple(spot.asked) for spot in spots),
                shown=shown,
                restarts=tuple(life.first_answer for replica in self._replicas for life in replica.lives[1:]),
                takeovers=takeovers(self._replicas),
                own_ends=sum(len(replica.own_ends) for replica in self._replicas),
                waits=await self._waits(database),
                repeats=self._answerer.repeats,
                delivery=tuple(f"{key}: {how}" for key, how in (await disorder(database, spots)).items()),
                still_open=still_open,
                verdict=verdict,
                evidence=None if verdict.clean and not still_open else await self._keep(spots),
            )

    async def _talk(
        self,
        ground: Ground,
        database: Database,
        spots: Sequence[Spot],
        lobby: Group,
        chats: NewChats,
        operation: Operation | None,
    ) -> list[Spot]:
        """Let people talk and faults happen; then let people ask the last question of each room. Return all spots."""
        plan, url = self._plan, await spots[0].person.upload(picture(), "image/jpeg", "picture.jpg")
        made: list[Spot] = []
        talks: list[Talk] = []

        async with asyncio.TaskGroup() as group:

            def begin(place: Spot | Group) -> None:
                talks.append(Talk(plan.seed, len(talks), place, plan.pace, url))
                group.create_task(talks[-1].run(self._enough))

            async def make_chats() -> None:
                for number in range(_CHATS_BEFORE + _CHATS_MEANWHILE):
                    with contextlib.suppress(TimeoutError):
                        if number >= _CHATS_BEFORE:
                            pause = self._random_of_chats.expovariate(1 / plan.pace)
                            await asyncio.wait_for(self._enough.wait(), pause)
                            return
                    chat = await chats.make(self._random_of_chats.choice(spots), plan.patience)
                    if chat is not None:
                        made.append(chat)
                        begin(chat)

            for spot in spots:
                begin(spot)
            begin(lobby)
            making = group.create_task(make_chats())
            if operation is not None:
                group.create_task(operation.run(self._enough))
            try:
                await self._disturb(ground, database)
            finally:
                self._enough.set()
            await making
        every = [*spots, *lobby.spots, *made]
        await until_forgotten(database, every, plan.patience)
        for talk in talks:
            await talk.end()
        if operation is not None:
            await operation.end()
        return every

    async def _operation(self, stack: AsyncExitStack) -> Operation | None:
        if not self._plan.operates:
            return None
        servers = await stack.enter_async_context(Servers())
        operation = Operation(self._plan.seed, self._harness, servers, self._plan.pace / _ORDERS_PER_ACT)
        return await stack.enter_async_context(operation)

    def _direct(self, config: Config) -> Config:
        """Return *config* without the line to the homeserver."""
        address = self._harness.synapse.url
        return config.model_copy(update={"homeserver": config.homeserver.model_copy(update={"address": address})})

    def _upstream(self) -> AnsweringUpstream:
        return AnsweringUpstream(self._answerer, *(f"crash-{number:02}-" for number in range(self._plan.rooms)))

    async def _start_bridges(
        self, stack: AsyncExitStack, upstream: AnsweringUpstream, people: Sequence[Person], operation: Operation | None
    ) -> Ground:
        """Start the bridges, with a line to the homeserver, one from it, and one to the database for each bridge."""
        to_synapse = await stack.enter_async_context(Line(self._harness.synapse.port))
        config = self._config(upstream, people, to_synapse, operation)
        await forget_lobby(config, self._harness.synapse.url)
        ports = [free_port() for _ in range(self._plan.processes)]
        behind = ports[0]
        if len(ports) > 1:
            behind = free_port()
            await stack.enter_async_context(Balancer(behind, ports))
        to_bridge = Line(behind)
        to_bridge.port = config.appservice.port
        await stack.enter_async_context(to_bridge)
        for number, port in enumerate(ports):
            service = config.appservice.model_copy(update={"port": port})
            server = config.database.model_copy(update=await self._server.line())
            own = config.model_copy(update={"appservice": service, "database": server})
            replica = Replica(self._folder / f"bridge{number}", own)
            self._replicas.append(await stack.enter_async_context(replica))
        return Ground(self._random, self._replicas, self._harness.synapse, self._server, to_synapse, to_bridge)

    def _config(
        self, upstream: AnsweringUpstream, people: Sequence[Person], to_synapse: Line, operation: Operation | None
    ) -> Config:
        there = [{"name": _ANSWERER, "url": upstream.url, "poll_interval": 0.5, "max_new_agents": self._plan.rooms}]
        # Long answers that agents overhear do not displace an earlier question.
        there[0]["history_tokens"] = 100_000
        invited = [person.user_id for person in people]
        if operation is not None:
            there += operation.servers.config
            invited.append(operation.admin.user_id)
        config = self._harness.config(
            "embedded",
            there,
            logging={"format": "json"},
            rooms={"invite": invited, "concurrency": 4, "lobby": True},
            space={},
        )
        address = f"http://127.0.0.1:{to_synapse.port}"
        return config.model_copy(update={"homeserver": config.homeserver.model_copy(update={"address": address})})

    async def _disturb(self, ground: Ground, database: Database) -> None:
        """Let the faults of the plan happen, one after the other."""
        for fault in self._faults():
            await asyncio.sleep(self._random.uniform(*self._plan.life))
            await self._spare(database)
            began = time.monotonic()
            await fault.happen(ground)
            self._disturbances.append(Disturbance(fault.name, began, time.monotonic()))
        for replica in self._replicas:
            await replica.start()

    def _faults(self) -> Iterator[Fault]:
        """Yield the faults of the plan: every kind once, in any order, and then again."""
        plan = self._plan
        if plan.faults == "kill":
            for number in range(1, plan.kills + 1):
                yield KILL_BOTH if plan.synapse and number % _SYNAPSE_EVERY == 0 else KILL
            return
        kinds = deck(database=type(self._server), processes=plan.processes, synapse=plan.synapse, quick=plan.quick)
        drawn: list[Fault] = []
        for _ in range(plan.kills):
            if not drawn:
                drawn = self._random.sample(kinds, len(kinds))
            yield drawn.pop()

    async def _spare(self, database: Database) -> None:
        """Wait for the end of turns with many interruptions, which the bridge would soon give up as deadly.

        On a slow machine each life may be too short for a long answer. Another test covers deadly turns.
        """
        open_still = "SELECT 1 FROM turn WHERE finished_at IS NULL AND interruptions >= %s LIMIT 1"

        async def spared() -> bool:
            with contextlib.suppress(StoreError):
                return await database.row(open_still, (MAX_INTERRUPTIONS - _MARGIN,)) is None
            return False

        with contextlib.suppress(AssertionError):
            await eventually(spared, "those that died often are closed", self._plan.patience)

    async def _look(self, spots: Sequence[Spot]) -> tuple[Verdict, int]:
        """Judge the rooms when they show what they must show, or when the patience ends; count their messages."""
        deadline = time.monotonic() + self._plan.patience
        verdict, shown = Verdict(), 0
        for spot in spots:
            found, count = await spot.look()
            while not found.clean and time.monotonic() < deadline:
                await asyncio.sleep(_LOOK_AGAIN)
                found, count = await spot.look()
            verdict, shown = verdict + found, shown + count
        return verdict, shown

    async def _judge(self, database: Database, spots: Sequence[Spot], upstream: AnsweringUpstream) -> Verdict:
        """Judge everything that the rooms do not show."""
        late = await disorder(database, spots)
        shared = {said.question.key for spot in spots for said in spot.said_to_all}
        shared |= {said.question.key_before for spot in spots for said in spot.said_to_all}
        requests = [Request.of(body, shared) for body in upstream.asked]
        verdict = Verdict()
        for model in {request.model for request in requests}:
            asked = [spot.asked for spot in spots if spot.model == model]
            mine = {key for room in asked for each in room for key in (each.key, each.key_before)}
            own = [request.without(shared - mine) for request in requests if request.model == model]
            verdict += judge_requests(asked, own, late)
            verdict += judge_groups([group for spot in spots if spot.model == model for group in spot.groups], own)
            questions = [question for room in asked for question in room]
            verdict += judge_repeats(questions, self._answerer.moments[model], self._disturbances)
        verdict += await judge_memory(database, spots)
        verdict += await judge_health(
            database, [f"http://127.0.0.1:{r.config.appservice.port}" for r in self._replicas]
        )
        codes = [code for replica in self._replicas for code in (*replica.own_ends, *replica.stops)]
        return verdict + Verdict(stuck=tuple(f"a bridge ended with {code}" for code in codes if code not in {0, 1}))

    @staticmethod
    async def _waits(database: Database) -> tuple[float, ...]:
        rows = await database.rows(
            """
            SELECT extract(epoch FROM finished_at - created_at)::float AS seconds
            FROM turn WHERE kind = 'message' AND finished_at IS NOT NULL AND retries = 0
            """
        )
        return tuple(row["seconds"] for row in rows)

    async def _keep(self, spots: Sequence[Spot]) -> Path:
        """Keep the evidence of a fault: the log of every process and the events of every room."""
        folder = Path(tempfile.mkdtemp(prefix="agent-bridge-crash-"))
        for number, replica in enumerate(self._replicas):
            lines = (json.dumps(line) for line in replica.log())
            (folder / f"bridge{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        for number, spot in enumerate(spots):
            events = (json.dumps(event) for event in await spot.person.history(spot.room_id))
            (folder / f"room{number}.jsonl").write_text("\n".join(events), encoding="utf-8")
        for name, person, room_id in self._operated:
            events = (json.dumps(event) for event in await person.history(room_id))
            (folder / f"{name}.jsonl").write_text("\n".join(events), encoding="utf-8")
        (folder / "homeserver.log").write_bytes(self._harness.synapse.log.read_bytes())
        return folder
