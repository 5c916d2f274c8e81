"""``python -m crash.letta --cuts 100``: the connections to a real App Server are cut while agents answer and use tools.

People ask in several rooms. A question makes the agent answer slowly, or use a tool that a person allows by a card and
that writes a line into a file. At random moments connections end or fall silent, and the bridge or the server is killed
or frozen. The exit code is 1 unless the run is clean.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from agent_bridge.core.ids import turn_key
from crash.replica import Replica
from support.conditions import eventually
from support.harness import DOMAIN, BridgeHarness
from support.letta_server import LettaServer
from support.postgres import Cluster
from support.severable_proxy import Line
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.person import Person

WORDS = "slowly one two three four five six seven eight nine ten"
#: Seconds within which a question is answered or reported, and a last question is answered.
_ANSWERED = 240.0
#: Seconds between two faults, and before a person decides about a tool.
_LIFE, _THINKING = (1.0, 4.0), (0.0, 2.0)
#: Rooms of a run on the command line.
_ROOMS = 5
_FILE = "runs.log"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the command of the tool that it makes the agent use; empty: none."""

    number: int
    text: str
    command: str
    event_id: str


@dataclass(slots=True)
class Spot:
    """A room with an agent, and the questions in it."""

    person: Person
    room_id: str
    ghost: str
    agent_id: str
    asked: list[Asked] = field(default_factory=list)
    #: Cards that the person has decided about.
    decided: set[str] = field(default_factory=set)

    def messages(self, event_id: str) -> list[Message]:
        """Return the messages of the agent's answer to a question."""
        key = turn_key(event_id, self.ghost[1:].partition(":")[0])
        said = self.person.room(self.room_id).said_by(self.ghost)
        return [each for each in said if str(each.versions[0].get("agent_bridge.turn", "")).startswith(f"{key}.")]

    def cards(self) -> list[Message]:
        """Return the undecided cards."""
        said = self.person.room(self.room_id).said_by(self.ghost)
        return [each for each in said if "wants to use" in each.body]


@dataclass(slots=True)
class Verdict:
    """The faults of a run, and its figures."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    whole: int = 0
    reported: int = 0

    @property
    def faults(self) -> list[str]:
        """A line for each fault."""
        return [*self.lost, *self.doubled, *self.repeated, *self.stuck, *self.orphans]

    @property
    def line(self) -> str:
        """The last line of the report."""
        return (
            f"lost={len(self.lost)} doubled={len(self.doubled)} repeated={len(self.repeated)} "
            f"stuck={len(self.stuck)} orphans={len(self.orphans)}"
        )


class Run:
    """One run of the test."""

    def __init__(self, cuts: int | Sequence[str], seed: int, letta: LettaServer, line: Line, replica: Replica) -> None:
        self._cuts = cuts
        self._random = Random(seed)  # noqa: S311  # no secret
        self._letta = letta
        self._line = line
        self._replica = replica
        self._enough = asyncio.Event()
        self._numbers = iter(range(1, 1_000_000))
        self.faults: Counter[str] = Counter()
        self.verdict = Verdict()

    async def play(self, spots: Sequence[Spot]) -> None:
        """Let people ask and faults happen; then judge."""
        async with asyncio.TaskGroup() as group:
            clicks = [group.create_task(self._click(spot)) for spot in spots]
            talks = [group.create_task(self._talk(spot)) for spot in spots]
            await self._disturb()
            self._enough.set()
            await asyncio.wait(talks)
            for click in clicks:
                click.cancel()
        for spot in spots:
            self._judge(spot)
        await self._look_for_orphans(spots)

    async def _talk(self, spot: Spot) -> None:
        while not self._enough.is_set():
            await self._ask(spot, uses_tool=self._random.random() < 0.5)
        if not await self._ask(spot, uses_tool=False):
            self.verdict.stuck.append(f"{spot.room_id}: the last question has no answer")

    async def _ask(self, spot: Spot, *, uses_tool: bool) -> bool:
        number = next(self._numbers)
        command = f"echo q{number} >> {_FILE}" if uses_tool else ""
        arguments = json.dumps({"command": command, "description": "x"})
        text = f"q{number} {WORDS} call Bash {arguments}" if uses_tool else f"q{number} {WORDS}"
        asked = Asked(number, text, command, await spot.person.say(spot.room_id, text))
        spot.asked.append(asked)
        with contextlib.suppress(AssertionError):
            return await eventually(lambda: self._is_over(spot, asked), "an answer or a notice", _ANSWERED)
        return False

    @staticmethod
    async def _is_over(spot: Spot, asked: Asked) -> bool:
        return any(_is_whole(each, asked) or _is_report(each) for each in spot.messages(asked.event_id))

    async def _click(self, spot: Spot) -> None:
        while True:
            for card in spot.cards():
                if card.event_id not in spot.decided and spot.person.room(spot.room_id).reactions_to(card.event_id):
                    spot.decided.add(card.event_id)
                    await asyncio.sleep(self._random.uniform(*_THINKING))
                    await spot.person.react(spot.room_id, card.event_id, "✅")
            await asyncio.sleep(0.1)

    async def _disturb(self) -> None:
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "all connections reset": self._reset,
            "one connection reset": self._reset_one,
            "refused for a moment": self._refuse,
            "silent": self._silence,
            "bridge: SIGKILL": self._kill_bridge,
            "bridge: SIGTERM": self._stop_bridge,
            "bridge: SIGSTOP": self._freeze_bridge,
            "server: SIGKILL": self._kill_server,
            "server: SIGTERM": self._restart_server,
            "server: SIGSTOP": self._freeze_server,
        }
        # Cuts alone are the most frequent fault.
        drawn = list(kinds) + ["all connections reset"] * 4 + ["one connection reset", "bridge: SIGKILL"]
        cuts = self._cuts
        for name in [self._random.choice(drawn) for _ in range(cuts)] if isinstance(cuts, int) else cuts:
            await asyncio.sleep(self._random.uniform(*_LIFE))
            self.faults[name] += 1
            await kinds[name]()

    async def _reset(self) -> None:
        self._line.reset()

    async def _reset_one(self) -> None:
        self._line.reset(self._random.randrange(2))

    async def _refuse(self) -> None:
        await self._line.cut()
        await asyncio.sleep(self._random.uniform(0.1, 2))
        await self._line.mend()

    async def _silence(self) -> None:
        self._line.silence()
        await asyncio.sleep(self._random.uniform(0.5, 3))
        self._line.reset()

    async def _kill_bridge(self) -> None:
        await self._replica.kill()
        await self._replica.start()

    async def _stop_bridge(self) -> None:
        await self._replica.stop()
        await self._replica.start()

    async def _freeze_bridge(self) -> None:
        self._replica.freeze()
        await asyncio.sleep(self._random.uniform(1, 5))
        self._replica.thaw()

    async def _kill_server(self) -> None:
        await self._letta.restart(kill=True)

    async def _restart_server(self) -> None:
        await self._letta.restart()

    async def _freeze_server(self) -> None:
        self._letta.freeze()
        await asyncio.sleep(self._random.uniform(1, 5))
        self._letta.thaw()

    def _judge(self, spot: Spot) -> None:
        runs = Counter(self._letta.lines(_FILE))
        verdict = self.verdict
        for asked in spot.asked:
            shown = spot.messages(asked.event_id)
            whole = [each for each in shown if _is_whole(each, asked)]
            reports = [each for each in shown if _is_report(each)]
            ran = runs[f"q{asked.number}"]
            if len(whole) > 1 or (whole and reports):
                verdict.doubled.append(f"q{asked.number}: {[each.body for each in shown]}")
            if ran > 1:
                verdict.repeated.append(f"q{asked.number}: the tool ran {ran} times")
            if whole:
                verdict.whole += 1
                if asked.command and not ran:
                    verdict.lost.append(f"q{asked.number}: whole, and the tool did not run")
            elif reports and asked.command:
                # The tool has run, or was allowed just before the cut.
                verdict.reported += 1
            else:
                verdict.lost.append(f"q{asked.number}: {[each.body for each in shown]}")

    async def _look_for_orphans(self, spots: Sequence[Spot]) -> None:
        """The server has one conversation for each room, apart from archived ones."""
        for spot in spots:
            found = await self._letta.conversations(spot.agent_id)
            if len(found) != 1 or found[0].startswith("ab-"):
                self.verdict.orphans.append(f"{spot.agent_id}: {found}")


def _is_whole(message: Message, asked: Asked) -> bool:
    return message.body == f"Echo: {asked.text}"


def _is_report(message: Message) -> bool:
    return message.body.startswith("⚠️") or "may not be complete" in message.body


async def play(
    harness: BridgeHarness,
    letta: LettaServer,
    database_url: str,
    folder: Path,
    *,
    cuts: int | Sequence[str],
    seed: int,
    rooms: int,
) -> Run:
    """Return a run with *rooms* rooms and so many *cuts*, or these. The bridge works in *folder*."""
    async with AsyncExitStack() as servers:
        line = await servers.enter_async_context(Line(letta.port))
        ids = [await letta.create_agent(f"Cut {number}") for number in range(rooms)]
        people = [await servers.enter_async_context(harness.person()) for _ in ids]
        config = _config(harness, database_url, line, people)
        replica = await servers.enter_async_context(Replica(folder, config))
        spots = [await _enter(person, agent_id) for person, agent_id in zip(people, ids, strict=True)]
        run = Run(cuts, seed, letta, line, replica)
        await run.play(spots)
        return run


def _config(harness: BridgeHarness, url: str, line: Line, people: Sequence[Person]) -> Config:
    there = {"name": "letta", "kind": "letta", "url": f"http://127.0.0.1:{line.port}", "gone_after": 60}
    rooms = {"invite": [person.user_id for person in people]}
    return harness.config(url, [there], logging={"format": "json"}, rooms=rooms)


async def _enter(person: Person, agent_id: str) -> Spot:
    """Put *person* into the room of an agent, as soon as there is one."""
    localpart = agent_id.replace("-", "_")

    async def room() -> str | None:
        found = await person.resolve(f"#{localpart}:{DOMAIN}")
        return found if found in person.invites else None

    room_id = await eventually(room, f"the room of {agent_id}")
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
    return Spot(person, room_id, f"@{localpart}:{DOMAIN}", agent_id)


command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    *,
    cuts: Annotated[int, typer.Option(min=1, help="Number of faults.")] = 100,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn; default: a new one.")] = None,
) -> None:
    """Cut connections to a real App Server at random moments, and compare the rooms with the questions."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    started = time.monotonic()
    run = asyncio.run(_alone(cuts, seed))
    verdict = run.verdict
    typer.echo(f"seed {seed}, {time.monotonic() - started:.0f} s, {verdict.whole} whole, {verdict.reported} reported")
    for name, number in sorted(run.faults.items()):
        typer.echo(f"fault {number:>4} {name}")
    for each in verdict.faults[:20]:
        typer.echo(each)
    typer.echo(f"cuts={cuts} {verdict.line}")
    raise typer.Exit(1 if verdict.faults else 0)


async def _alone(cuts: int, seed: int) -> Run:
    with temporary_folder("ab-letta-") as folder, Cluster(folder) as cluster, cluster.database() as url:
        async with BridgeHarness(folder) as harness, LettaServer() as letta:
            return await play(harness, letta, url, folder / "bridge", cuts=cuts, seed=seed, rooms=_ROOMS)


if __name__ == "__main__":
    command()
