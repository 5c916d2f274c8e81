"""Programs claim tasks at the same time, in two processes of one database: each task has one winner."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.actors import Actor
from agent_bridge.demo.synapse import free_port
from agent_bridge.store.tokens import Tokens
from support.api_client import Program, new_secret
from support.conditions import eventually
from support.process import BridgeProcess
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.api_client import Answer
    from support.harness import BridgeHarness
    from support.postgres import Server

CLAIMS = 20


@dataclass(frozen=True)
class Stage:
    """Programs of agents that are in the lobby, every other one of them at the other process."""

    programs: list[Program]
    #: Programs of each agent.
    each: int

    async def claimed(self, round_: int) -> None:
        """Have all of them claim a new task at the same time; check that one agent gets it."""
        made = await self.programs[round_ % CLAIMS].post("/v1/tasks", room="lobby", title=f"task {round_}")
        assert made.status == 201, made.content
        path = f"/v1/tasks/{made['number']}/claim"
        answers = await asyncio.gather(*(each.post(path) for each in self.programs))
        # The agent that has it may claim it again.
        assert Counter(_said(each) for each in answers) == {
            (200, ""): self.each,
            (409, "task_refused"): CLAIMS - self.each,
        }
        (won,) = {each["assignee"] for each in answers}
        for program in self.programs[:2]:
            tasks = (await program.get("/v1/tasks", room="lobby"))["tasks"]
            found = next(each for each in tasks if each["number"] == made["number"])
            assert (found["assignee"], found["state"]) == (won, "working")


def _said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


@pytest.fixture(scope="module")
async def stage(
    harness: BridgeHarness,
    postgres: Server,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Stage]:
    claimers: int = request.param
    with postgres.migrated() as url:
        async with ScriptedUpstream(*(f"c{number}" for number in range(claimers))) as upstream:
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(
                url, there, rooms={"lobby": True, "private": True}, logging={"format": "json"}, space={"enabled": False}
            )
            async with harness.bridge(config) as running:

                async def all_in() -> bool:
                    rows = await running.database.rows(
                        "SELECT 1 FROM participant p JOIN room r ON r.id = p.room "
                        "WHERE r.kind = 'lobby' AND p.state = 'joined'"
                    )
                    return len(rows) == claimers

                await eventually(all_in, "the agents are in the lobby")
                agents = sorted(await running.agents.all(), key=lambda each: each.agent.id)
                user_id = running.homeserver.namespace.user_id
                tokens, found = Tokens(running.database, config.namespace), []
                for each in agents:
                    actor = Actor(user_id(each.agent.ghost), each.agent.id)
                    found.append(await new_secret(tokens, running.database, actor))
            service = config.appservice.model_copy(update={"port": free_port()})
            folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
            configs = [config, config.model_copy(update={"appservice": service})]
            async with BridgeProcess(folders[0], configs[0]) as one, BridgeProcess(folders[1], configs[1]) as two:
                for process in (one, two):
                    await process.wait_for("listening")
                urls = [each.public_url for each in configs]
                per_agent = CLAIMS // claimers
                # Also the programs of one agent are at both processes.
                shared = [token for token in found for _ in range(per_agent)]
                yield Stage([Program(urls[number % 2], token) for number, token in enumerate(shared)], per_agent)


# The short form has fewer agents, with several programs each.
@pytest.mark.parametrize(
    ("stage", "rounds"), [(4, 4), pytest.param(CLAIMS, 50, marks=pytest.mark.long)], indirect=["stage"]
)
async def test_of_simultaneous_claims_exactly_one_succeeds(stage: Stage, rounds: int) -> None:
    for round_ in range(rounds):
        await stage.claimed(round_)
