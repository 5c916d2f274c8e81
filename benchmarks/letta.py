"""Letta's App Server over its WebSocket (``kind: letta``), compared with its OpenAI API (``kind: openai``)."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import question
from support.letta_server import LettaServer
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.demo.client import Person
    from agent_bridge.upstream.base import Upstream
    from benchmarks.ground import Ground
    from support.fake_llm import FakeLLM
    from support.severable_proxy import Piece

_KINDS = ("letta", "openai")
_OPENAI = {"history": "server", "session_header": "X-Letta-Chat-Key", "idempotency_header": "Idempotency-Key"}
_AGENT = "Dora"
_BLOCKS, _ANSWERS, _WARM_UP = 5, 8, 2
_LOSSES = 40
_AGENTS, _POLLS, _BATCHES = 200, 30, 5
#: Agents that are made at the same time.
_AT_ONCE = 4
_PATIENCE = 60.0
#: Seconds between an answer and the next question.
_PAUSE = 0.05
#: Words that the agent's model sends 0.2 s apart, with a sentence at the beginning.
_SENTENCE, _SLOWLY = "Good.", "slowly one two three four"


@dataclass(frozen=True, slots=True)
class Side:
    """A bridge with one agent of the server, and a person in the agent's room."""

    person: Person
    room_id: str
    ghost: str

    async def ask(self, text: str) -> float:
        """Say *text*, and return the time at which it was sent."""
        started = time.monotonic()
        await self.person.say(self.room_id, text)
        return started

    async def sees(self, text: str) -> float:
        """Wait until the agent's newest message begins with *text*, and return the time."""

        def begins() -> bool:
            said = self.person.room(self.room_id).said_by(self.ghost)
            return bool(said) and said[-1].body.startswith(text)

        await self.person.wait_for(begins, within=_PATIENCE)
        return time.monotonic()


async def letta(ground: Ground) -> list[Figure]:
    """Measure the three figures of Letta's App Server."""
    async with LettaServer() as server, Line(server.port) as line:
        agent_id = await server.create_agent(_AGENT)
        async with _side(ground, "letta", line, agent_id) as ours, _side(ground, "openai", line, agent_id) as theirs:
            words = await _first_words(ours, theirs)
            recovery = await _recovery(ours, line, server.llm)
    return [words, recovery, await _poll(ground)]


@asynccontextmanager
async def _side(ground: Ground, kind: str, line: Line, agent_id: str) -> AsyncIterator[Side]:
    account = await ground.register()
    rule = {"invite": [account[0]], "join_rule": "invite", "introduce": False}
    there = {"name": "bench", **_address(kind, line.port)}
    async with AsyncExitStack() as stack:
        name = f"app-server-{kind}"
        bridge = await stack.enter_async_context(ground.bridge(name, "", rooms=rule, upstreams=[there]))
        await bridge.ready(1)
        person = await stack.enter_async_context(ground.person(account))
        room_id = bridge.rooms[_AGENT]
        await person.join(room_id)
        await person.wait_for(lambda: room_id in person.rooms)
        names = bridge.config.namespace
        yield Side(person, room_id, names.user_id(names.localpart(agent_id if kind == "letta" else _AGENT)))


def _address(kind: str, port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    return {"kind": kind, "url": url} if kind == "letta" else {"kind": kind, "url": f"{url}/v1", **_OPENAI}


async def _first_words(ours: Side, theirs: Side) -> Figure:
    """Measure ``letta_first_words_ratio``."""
    seconds: dict[str, list[list[float]]] = {kind: [] for kind in _KINDS}
    sides = list(zip(_KINDS, (ours, theirs), strict=True))
    for _, side in sides:
        for _ in range(_WARM_UP):
            await _begin(side)
    for number in range(_BLOCKS):
        for kind, side in sides if number % 2 else sides[::-1]:
            seconds[kind].append([await _begin(side) for _ in range(_ANSWERS)])
    every = {kind: [each * 1000 for block in blocks for each in block] for kind, blocks in seconds.items()}
    return Figure(
        "letta_first_words_ratio",
        percentile(every["letta"], 95) / percentile(every["openai"], 95),
        "Time from PUT /send to the first words of the answer in the person's /sync, p95 of `kind: letta` over p95 of "
        f"`kind: openai`, with the same App Server and the same agent; {_BLOCKS * _ANSWERS} answers each, in "
        f"alternating blocks of {_ANSWERS}. The agent's model sends a word every 0.2 s.",
        Aim(1.1),
        [
            percentile(one, 95) / percentile(other, 95)
            for one, other in zip(seconds["letta"], seconds["openai"], strict=True)
        ],
        {name: value for kind in _KINDS for name, value in _shares(kind, "ms", every[kind]).items()},
    )


async def _begin(side: Side) -> float:
    """Return the seconds from a question to the first words of its answer, at the end of the answer."""
    text = f"{question()}: {_SENTENCE} {_SLOWLY}"
    started = await side.ask(text)
    seen = await side.sees(f"Echo: {text.partition(':')[0]}")
    await side.sees(f"Echo: {text}")
    await asyncio.sleep(_PAUSE)
    return seen - started


async def _recovery(side: Side, line: Line, model: FakeLLM) -> Figure:
    """Measure ``letta_recovery_p95_s``: half of the losses come during an answer, half of them between two."""
    seconds: dict[str, list[float]] = {"during an answer": [], "between answers": []}
    for number in range(_LOSSES):
        if number % 2:
            line.reset()
            lost = time.monotonic()
            text = question()
            await side.ask(text)
            seconds["between answers"].append(await side.sees(f"Echo: {text}") - lost)
        else:
            text = f"{question()}: {_SENTENCE} {_SLOWLY}"
            await side.ask(text)
            await side.sees(f"Echo: {text.partition(':')[0]}")
            model.pause, slow = 0, model.pause
            line.reset()
            lost = time.monotonic()
            seconds["during an answer"].append(await side.sees(f"Echo: {text}") - lost)
            model.pause = slow
        await asyncio.sleep(_PAUSE)
    every = [each for values in seconds.values() for each in values]
    return Figure(
        "letta_recovery_p95_s",
        percentile(every, 95),
        "Time from the loss of all connections to an App Server until the person sees the whole answer to the "
        f"question that was lost, or to the next one; {_LOSSES} losses. An answer during which the connections end is "
        "asked for again, and the agent's model needs no time for it then.",
        Aim(2),
        every,
        {name: value for when, values in seconds.items() for name, value in _shares(when, "s", values).items()},
    )


async def _poll(ground: Ground) -> Figure:
    """Measure ``letta_poll_cpu_ms_per_minute``."""
    costs: dict[str, _Cost] = {}
    async with LettaServer() as server:
        for first in range(0, _AGENTS, _AT_ONCE):
            await asyncio.gather(*(server.create_agent(f"Agent {first + each}") for each in range(_AT_ONCE)))
        for kind in _KINDS:
            (config,) = ground.config("idle", upstreams=[{"name": "bench", **_address(kind, server.port)}]).upstreams
            first_cpu, cpu = await _cpu(config)
            async with Line(server.port) as line:
                config = config.model_copy(update={"url": config.url.replace(f":{server.port}", f":{line.port}")})
                costs[kind] = _Cost(first_cpu, cpu, *await _bytes(config, line))
    ours, theirs = costs["letta"], costs["openai"]
    # The whole list is read every five minutes.
    cpu, size = ours.cpu + ours.first_cpu / 5, ours.size + ours.first_size / 5
    return Figure(
        "letta_poll_cpu_ms_per_minute",
        cpu,
        f"CPU time of the bridge for one minute of polling {_AGENTS} agents of an App Server that do not change, at "
        "the default `poll_interval`. It contains a fifth of one reading of the whole list, which happens every five "
        "minutes.",
        None,
        [],
        {
            "kB per minute": size / 1000,
            "kind openai: CPU ms per minute": theirs.cpu,
            "kind openai: kB per minute": theirs.size / 1000,
            "CPU over that of kind openai": cpu / theirs.cpu,
            "reading the whole list once: CPU ms": ours.first_cpu,
            "reading the whole list once: kB": ours.first_size / 1000,
        },
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    """CPU milliseconds and bytes, of the first look and of a minute of further looks."""

    first_cpu: float
    cpu: float
    first_size: float
    size: float


async def _cpu(config: UpstreamConfig) -> tuple[float, float]:
    """Return the CPU milliseconds of the first look, and of a minute of further looks."""
    async with _upstream(config) as upstream:
        began = time.process_time()
        found = await upstream.agents()
        first = time.process_time() - began
        if found is UNCHANGED or len(found) != _AGENTS:
            raise ValueError("the list has other agents")
        batches = []
        for _ in range(_BATCHES):
            began = time.process_time()
            for _ in range(_POLLS):
                await upstream.agents()
            batches.append((time.process_time() - began) / _POLLS)
    return first * 1000, median(batches) * 1000 * _looks(config)


async def _bytes(config: UpstreamConfig, line: Line) -> tuple[float, float]:
    """Return the bytes on *line* of the first look, and of a minute of further looks."""
    size = 0

    def count(piece: Piece) -> None:
        nonlocal size
        size += len(piece.data)

    line.spoils = count
    async with _upstream(config) as upstream:
        await upstream.agents()
        first, size = size, 0
        for _ in range(_POLLS):
            await upstream.agents()
    return first, size / _POLLS * _looks(config)


@asynccontextmanager
async def _upstream(config: UpstreamConfig) -> AsyncIterator[Upstream]:
    async with aiohttp.ClientSession() as session:
        upstream = make_upstream(config, session, MemoryConversations())
        try:
            yield upstream
        finally:
            await upstream.aclose()


def _looks(config: UpstreamConfig) -> float:
    """Return the number of looks in a minute."""
    return 60 / config.poll_interval


def _shares(name: str, unit: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name} p50 {unit}": median(values), f"{name} p95 {unit}": percentile(values, 95)}
