"""A research swarm: the programs of ``examples/research_swarm.py``, and its channel as a person sees it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_bridge.core.agent_events import EVENT
from agent_bridge.core.tasks import TASK
from support.api_client import Program, program_of
from support.bot_rooms import bot_chat
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Running
    from support.person import Person

CHANNEL = "research-task-123"
SUBJECT = "Research quantum error correction"
#: The subtasks with their sources and confidences, as the programs find them.
TOPICS = {"surface codes": (12, 0.87), "topological codes": (8, 0.92), "recent breakthroughs": (15, 0.78)}
ORCHESTRATOR = "Orchestrator"
WORKERS = ("Agent-A", "Agent-B", "Agent-C")
_PROGRAM = Path(__file__).parents[2] / "examples" / "research_swarm.py"


@dataclass(frozen=True)
class Swarm:
    """The channel, the tokens of the agents, and a person who watches."""

    watcher: Person
    room_id: str
    #: By the names of the agents.
    tokens: Mapping[str, str]
    #: Names of the agents, by their user ids.
    names: Mapping[str, str]
    bot: str

    @asynccontextmanager
    async def agent(self, name: str, url: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a program of the agent *name*, until it ends or the context is left."""
        environment = os.environ | {"AGENT_BRIDGE_URL": url, "AGENT_BRIDGE_TOKEN": self.tokens[name]}
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(_PROGRAM), *arguments, env=environment, stderr=asyncio.subprocess.PIPE
        )
        try:
            yield process
        finally:
            # It may have ended at this moment.
            with suppress(ProcessLookupError):
                process.kill()
            _, errors = await process.communicate()
            faults = [line for line in errors.decode().splitlines() if not line.startswith("waiting for the bridge")]
            assert not faults, faults

    def cards(self) -> list[Message]:
        """Return the cards, in the order of the room."""
        return [each for each in self._messages() if TASK in each.content]

    def events(self, kind: str = "") -> list[Message]:
        """Return the agent events, in the order of the room."""
        found = [each for each in self._messages() if EVENT in each.content]
        return [each for each in found if each.content[EVENT]["kind"] == (kind or each.content[EVENT]["kind"])]

    def task(self, title: str) -> dict[str, Any]:
        """Return a task as its card shows it; empty without a card."""
        found = [dict(each.content[TASK]) for each in self.cards() if each.content[TASK]["title"] == title]
        assert len(found) <= 1, f"{title} has several cards"
        return found[0] if found else {}

    def claimed(self) -> dict[str, str]:
        """Return the agents that work on tasks, by the titles."""
        shown = [each.content[TASK] for each in self.cards()]
        return {each["title"]: self.names[each["assignee"]] for each in shown if each["state"] == "working"}

    def reports(self) -> list[Message]:
        """Return the messages that are neither cards nor events nor of the bot."""
        said = [each for each in self._messages() if TASK not in each.content and EVENT not in each.content]
        return [each for each in said if each.sender != self.bot]

    def check(self, title: str = SUBJECT, topics: Sequence[str] = tuple(TOPICS)) -> None:
        """Return if the room has all of a swarm that is done, each once and in order: by the syncs of the watcher."""
        order = list(self._messages())
        cards, reports = self.cards(), self.reports()
        titles = [each.content[TASK]["title"] for each in cards]
        assert sorted(titles) == sorted([title, *topics]), titles
        assert titles[0] == title, "the card of a task comes before those of its parts"
        for card in cards:
            revisions = [each[TASK]["revision"] for each in card.versions]
            # A process that was killed may have shown the same revision.
            assert revisions == sorted(revisions), f"a card goes back: {revisions}"
            assert card.content[TASK]["state"] == "completed", card.content[TASK]
        assert cards[0].content[TASK]["progress"] == 100
        assert {each["title"] for each in cards[0].content[TASK]["subtasks"]} == set(topics)
        found = self.events("research_complete")
        data = [each.content[EVENT]["data"] for each in found]
        numbers = {each.content[TASK]["id"]: each for each in cards[1:]}
        assert sorted(each["subtask"] for each in data) == sorted(numbers), data
        for event in found:
            card = numbers[event.content[EVENT]["data"]["subtask"]]
            begun = [
                each
                for each in self.events("started")
                if each.content[EVENT]["data"] == {"subtask": card.content[TASK]["id"]} and each.sender == event.sender
            ]
            assert len(begun) == 1, f"{event.sender} begins {card.content[TASK]['title']} once"
            assert order.index(card) < order.index(begun[0]) < order.index(event) < order.index(reports[0])
        beginnings = [(each.sender, str(each.content[EVENT]["data"])) for each in self.events("started")]
        assert len(beginnings) == len(set(beginnings)), beginnings
        (report,) = reports
        assert self.names[report.sender] == ORCHESTRATOR
        assert all(topic in report.body for topic in topics), report.body
        assert order[-1] is report

    def _messages(self) -> list[Message]:
        return list(self.watcher.room(self.room_id).messages.values())


@asynccontextmanager
async def swarm_of(
    harness: BridgeHarness, config: Config, workers: Sequence[str] = WORKERS, channel: str = CHANNEL
) -> AsyncIterator[Swarm]:
    """Make agents that connect themselves, and their channel, with a bridge that is stopped again."""
    async with harness.person("watcher") as watcher, harness.person("admin") as boss:
        async with harness.bridge(config) as running:
            tokens, names = await _registered(running, boss, [ORCHESTRATOR, *workers])
            room_id = await _channel(running, boss, watcher, channel, names)
            bot = running.homeserver.namespace.bot
        yield Swarm(watcher, room_id, tokens, names, bot)


async def _registered(running: Running, boss: Person, agents: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tokens of new agents by their names, and their names by their user ids."""
    program: Program = await program_of(running, boss.user_id)
    made = {each: await program.post("/v1/agents", name=each) for each in agents}
    assert {each.status for each in made.values()} == {201}, [each.content for each in made.values()]
    tokens = {name: str(each["token"]) for name, each in made.items()}
    return tokens, {str(each["user_id"]): name for name, each in made.items()}


async def _channel(running: Running, boss: Person, watcher: Person, channel: str, names: Mapping[str, str]) -> str:
    """Have *boss* make a channel with the agents and *watcher*; return its room id."""
    desk = await bot_chat(running, boss)
    room_id = await desk.enter_channel(f"channel new {channel}")
    for name in names.values():
        await desk.ask(f"channel add {channel} {name}")
    await boss.ask("POST", f"/rooms/{room_id}/invite", {"user_id": watcher.user_id})
    await watcher.join(room_id)

    async def are_in() -> bool:
        return set(names) <= set(watcher.room(room_id).members())

    await eventually(are_in, "the agents are in the channel")
    return room_id
