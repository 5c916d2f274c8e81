"""The research swarm of the design: agents that know each other by a channel alone, with kills in between."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import pytest

from agent_bridge.core.agent_events import EVENT
from agent_bridge.core.tasks import TASK
from agent_bridge.demo.synapse import free_port
from crash.balancer import Balancer
from support.process import BridgeProcess
from support.swarm import CHANNEL, ORCHESTRATOR, SUBJECT, TOPICS, WORKERS, Swarm, swarm_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness

#: Seconds that a step may take, with restarts of the bridge in between.
_WITHIN = 60
#: Seconds that a subtask takes while processes are killed; 20 subtasks of 10 workers take twice as long at least.
_RESEARCH = float(os.environ.get("TEST_SWARM_SECONDS", "8"))


def orchestrate(channel: str = CHANNEL) -> tuple[str, ...]:
    """Return the arguments of the orchestrator's program."""
    return ("orchestrate", channel, SUBJECT, *TOPICS)


def configured(harness: BridgeHarness, database_url: str, **sections: Any) -> Config:
    """Return the configuration of a bridge whose agents all connect themselves."""
    return harness.config(database_url, [], logging={"format": "json"}, **sections)


async def restarted(bridge: BridgeProcess, stack: AsyncExitStack, folder: Path, config: Config) -> BridgeProcess:
    """Kill a process of the bridge, and return its successor."""
    await bridge.kill()
    return await stack.enter_async_context(BridgeProcess(folder, config))


async def seen(swarm: Swarm, condition: Callable[[], object], within: float = _WITHIN) -> None:
    """Wait until the watcher sees *condition*."""
    await swarm.watcher.wait_for(condition, within)


async def test_a_swarm_researches_while_the_bridge_is_killed(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    config = configured(harness, database_url)
    url = config.public_url
    async with swarm_of(harness, config) as swarm, AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(BridgeProcess(tmp_path, config))
        work = ("work", CHANNEL, "--tasks", "1", "--seconds", "0.2")
        programs = [await stack.enter_async_context(swarm.agent(each, url, *work)) for each in WORKERS]
        programs.append(await stack.enter_async_context(swarm.agent(ORCHESTRATOR, url, *orchestrate())))
        await seen(swarm, lambda: swarm.events("started"))
        await restarted(bridge, stack, tmp_path, config)
        async with asyncio.timeout(_WITHIN):
            assert [await each.wait() for each in programs] == [0] * len(programs)
        await seen(swarm, lambda: swarm.task(SUBJECT).get("state") == "completed")
        swarm.check()
        begun = [swarm.names[each.sender] for each in swarm.events("started")]
        assert sorted(begun) == sorted(WORKERS), "each worker has claimed one subtask"
        by_topic = {each.content[TASK]["id"]: each.content[TASK]["title"] for each in swarm.cards()}
        found = {by_topic[each["subtask"]]: (each["sources"], float(each["confidence"])) for each in _data(swarm)}
        assert found == TOPICS


def _data(swarm: Swarm) -> list[dict[str, str | int]]:
    return [each.content[EVENT]["data"] for each in swarm.events("research_complete")]


@pytest.mark.long
async def test_a_killed_worker_is_replaced_and_every_step_survives_a_kill(
    harness: BridgeHarness, database_url: str, tmp_path: Path
) -> None:
    config = configured(harness, database_url, tasks={"claim_timeout": 8})
    # The homeserver has the channel of the other test, which a bridge with another database would find again.
    url, channel = config.public_url, f"{CHANNEL}-again"
    async with swarm_of(harness, config, channel=channel) as swarm, AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(BridgeProcess(tmp_path, config))
        orchestrator = await stack.enter_async_context(swarm.agent(ORCHESTRATOR, url, *orchestrate(channel)))
        await seen(swarm, swarm.cards)
        bridge = await restarted(bridge, stack, tmp_path, config)
        await seen(swarm, lambda: len(swarm.task(SUBJECT).get("subtasks", ())) == len(TOPICS))
        # The orchestrator is killed, too: its successor makes nothing again.
        orchestrator.kill()
        async with swarm.agent("Agent-A", url, "work", channel, "--seconds", "600") as doomed:
            await seen(swarm, lambda: "Agent-A" in swarm.claimed().values())
            bridge = await restarted(bridge, stack, tmp_path, config)
            doomed.kill()
        taken = next(title for title, name in swarm.claimed().items() if name == "Agent-A")
        orchestrator = await stack.enter_async_context(swarm.agent(ORCHESTRATOR, url, *orchestrate(channel)))
        for each in ("Agent-B", "Agent-C"):
            await stack.enter_async_context(swarm.agent(each, url, "work", channel, "--seconds", "0.5"))
        await seen(swarm, lambda: swarm.events("research_complete"))
        bridge = await restarted(bridge, stack, tmp_path, config)
        await seen(swarm, lambda: swarm.task(taken)["state"] == "completed")
        await restarted(bridge, stack, tmp_path, config)
        async with asyncio.timeout(_WITHIN):
            assert await orchestrator.wait() == 0
        await seen(swarm, lambda: swarm.task(SUBJECT)["state"] == "completed")
        swarm.check()
        states = [each[TASK]["state"] for each in _card(swarm, taken)]
        assert states.index("working") < states.index("submitted", 1), "the claim has ended"
        assert swarm.names[swarm.task(taken)["assignee"]] in {"Agent-B", "Agent-C"}


def _card(swarm: Swarm, title: str) -> list[dict[str, dict[str, str]]]:
    (card,) = [each for each in swarm.cards() if each.content[TASK]["title"] == title]
    return card.versions


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_ten_workers_on_two_processes_that_are_killed_and_frozen(
    harness: BridgeHarness, database_url: str, tmp_path: Path, seed: int
) -> None:
    chance, channel = random.Random(seed), f"{CHANNEL}-{seed}"  # noqa: S311 - it chooses faults
    config = configured(harness, database_url, tasks={"claim_timeout": _RESEARCH + 20})
    doors = [free_port(), free_port()]
    url = config.public_url
    workers = [f"Agent-{number}" for number in range(10)]
    topics = [f"topic {number}" for number in range(20)]
    work = ("work", channel, "--seconds", str(_RESEARCH))
    async with swarm_of(harness, config, workers, channel) as swarm, AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(Replica(tmp_path, config, door)) for door in doors]
        await stack.enter_async_context(Balancer(config.appservice.port, doors))
        programs = {each: await stack.enter_async_context(swarm.agent(each, url, *work)) for each in workers}
        arguments = ("orchestrate", channel, SUBJECT, *topics)
        orchestrator = await stack.enter_async_context(swarm.agent(ORCHESTRATOR, url, *arguments))
        while orchestrator.returncode is None:
            if chance.random() < 0.3:
                unlucky = chance.choice(workers)
                programs[unlucky].kill()
                programs[unlucky] = await stack.enter_async_context(swarm.agent(unlucky, url, *work))
            else:
                await chance.choice(replicas).suffer(chance)
            await asyncio.sleep(chance.uniform(0.2, 2))
        assert await orchestrator.wait() == 0
        await seen(swarm, lambda: swarm.task(SUBJECT)["state"] == "completed")
        swarm.check(SUBJECT, topics)


class Replica:
    """One of the processes of a bridge, which is killed and frozen."""

    def __init__(self, folder: Path, config: Config, door: int) -> None:
        self._folder = folder / str(door)
        self._folder.mkdir()
        service = config.appservice.model_copy(update={"port": door})
        self._config = config.model_copy(update={"appservice": service})

    async def __aenter__(self) -> Self:
        self._process = await self._started()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._process.stop()

    async def suffer(self, chance: random.Random) -> None:
        """Kill the process and start another one, or stop it for some seconds."""
        if chance.random() < 0.5:
            await self._process.kill()
            await asyncio.sleep(chance.uniform(0, 2))
            self._process = await self._started()
        else:
            self._process.signal(signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(1, 6))
            self._process.signal(signal.SIGCONT)

    async def _started(self) -> BridgeProcess:
        return await BridgeProcess(self._folder, self._config).__aenter__()
