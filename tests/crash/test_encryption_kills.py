"""People talk in encrypted chats while faults happen: every client reads every answer, once and in order."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import secrets
import sys
import tempfile
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent_bridge.demo.synapse import free_port
from crash.balancer import Balancer
from crash.database import External
from crash.faults import KILL, Ground, deck
from crash.replica import Replica
from support.conditions import eventually
from support.encrypted_person import encrypted_person
from support.scripted_upstream import ScriptedUpstream
from support.severable_proxy import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.model import Config
    from crash.faults import Fault
    from support.encrypted_person import EncryptedPerson
    from support.harness import BridgeHarness
    from support.postgres import Cluster

pytest.importorskip("vodozemac")
_PATIENCE = 180.0
#: Seconds between two questions in a chat, and between two faults, at most.
_PACE, _LIFE = 2.0, 2.0
_QUESTION = re.compile(r"q\d+")


@dataclass
class Chat:
    """An encrypted chat of a person with an agent, and another client of the person."""

    person: EncryptedPerson
    second: EncryptedPerson
    ghost: str
    room_id: str = ""
    asked: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Begin the chat."""
        self.room_id = await self.person.create_room(self.ghost)
        await self.person.meets(self.room_id, self.ghost)

    async def ask(self) -> None:
        """Ask the next question; every third one with a new key."""
        if len(self.asked) % 3 == 2:
            self.person.rotate(self.room_id)
        self.asked.append(f"q{len(self.asked) + 1}")
        await self.person.say(self.room_id, self.asked[-1])

    async def talk(self, enough: asyncio.Event, chance: random.Random) -> None:
        """Ask until it is *enough*, without waiting for answers."""
        while not enough.is_set():
            await self.ask()
            with suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), chance.uniform(0, _PACE))

    def answered(self, client: EncryptedPerson) -> list[str]:
        """Return the questions whose answers a client has read, in the order of the answers."""
        return [key for body in client.bodies(self.room_id, self.ghost) for key in _QUESTION.findall(body)]

    async def check(self) -> None:
        """Wait until both clients have read all answers, and nothing else."""

        async def complete() -> bool:
            return all(self.answered(client) == self.asked for client in (self.person, self.second))

        with suppress(AssertionError):
            await eventually(complete, "all is answered", _PATIENCE)
        for client in (self.person, self.second):
            answered = self.answered(client)
            other = [body for body in client.bodies(self.room_id, self.ghost) if not _QUESTION.search(body)]
            missing = [key for key in self.asked if key not in answered]
            sealed = [each.event_id for each in client.unread.get(self.room_id, []) if each.sender == self.ghost]
            assert not sealed, f"not decrypted: {sealed}, missing: {missing}"
            assert answered == self.asked, f"missing: {missing}, other messages: {other}"


async def _run(
    faults: Sequence[Fault], rooms: int, harness: BridgeHarness, cluster: Cluster, folder: Path, chance: random.Random
) -> None:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(*(f"sealed{number}-" for number in range(rooms))))
        uri = stack.enter_context(cluster.database())
        database = await stack.enter_async_context(External(cluster, uri))
        to_synapse = await stack.enter_async_context(Line(harness.synapse.port))
        config = harness.config(
            uri,
            [{"name": "u", "url": upstream.url, "max_new_agents": rooms}],
            logging={"format": "json"},
            encryption={"allow": True},
            # People do not wait for answers: on a slow machine a message of theirs would be refused.
            lanes={"max_queued_per_room": 1000},
            homeserver={"address": f"http://127.0.0.1:{to_synapse.port}", "domain": harness.synapse.server_name},
        )
        replicas = await _replicas(stack, config, database, folder)
        to_bridge = await _door(stack, config, replicas)
        ground = Ground(chance, replicas, harness.synapse, database, to_synapse, to_bridge)
        chats = []
        for name in upstream.names:
            person = await stack.enter_async_context(encrypted_person(harness, folder))
            second = await stack.enter_async_context(
                encrypted_person(harness, folder, person.user_id[1:].partition(":")[0])
            )
            chats.append(Chat(person, second, config.namespace.user_id(config.namespace.localpart(name))))
        await eventually(lambda: _ready(replicas, rooms), "the agents have rooms")
        for chat in chats:
            await chat.begin()
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for chat in chats:
                group.create_task(chat.talk(enough, chance))
            try:
                for fault in faults:
                    await asyncio.sleep(chance.uniform(0.2, _LIFE))
                    await fault.happen(ground)
            finally:
                enough.set()
        for replica in replicas:
            await replica.start()
        for chat in chats:
            await chat.ask()
        try:
            for chat in chats:
                await chat.check()
        except AssertionError as error:
            error.add_note(f"evidence in {await asyncio.to_thread(_keep, replicas, chats, harness)}")
            raise


async def _replicas(stack: AsyncExitStack, config: Config, database: External, folder: Path) -> list[Replica]:
    """Start two bridges, each with a line of its own to the database."""
    replicas = []
    for number in range(2):
        service = config.appservice.model_copy(update={"port": free_port()})
        server = config.database.model_copy(update=await database.line())
        own = config.model_copy(update={"appservice": service, "database": server})
        replicas.append(await stack.enter_async_context(Replica(folder / f"bridge{number}", own)))
    return replicas


async def _door(stack: AsyncExitStack, config: Config, replicas: Sequence[Replica]) -> Line:
    """Open the door for the homeserver: a line to a balancer in front of the bridges."""
    behind = free_port()
    await stack.enter_async_context(Balancer(behind, [each.config.appservice.port for each in replicas]))
    door = Line(behind)
    door.port = config.appservice.port
    return await stack.enter_async_context(door)


async def _ready(replicas: Sequence[Replica], rooms: int) -> bool:
    return len([line for replica in replicas for line in replica.log() if line["event"] == "room ready"]) >= rooms


def _keep(replicas: Sequence[Replica], chats: Sequence[Chat], harness: BridgeHarness) -> Path:
    """Keep the evidence of a fault."""
    folder = Path(tempfile.mkdtemp(prefix="agent-bridge-crash-"))
    for number, replica in enumerate(replicas):
        lines = [json.dumps(line) for line in replica.log()]
        (folder / f"bridge{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for number, chat in enumerate(chats):
        for client, name in ((chat.person, "first"), (chat.second, "second")):
            for found, kind in ((client.read, "read"), (client.unread, "sealed")):
                events = [json.dumps(event.source) for event in found.get(chat.room_id, [])]
                (folder / f"chat{number}-{name}-{kind}.jsonl").write_text("\n".join(events), encoding="utf-8")
    (folder / "homeserver.log").write_bytes(harness.synapse.log.read_bytes())
    return folder


def _seeded() -> random.Random:
    """Return a chance whose seed a failed test prints."""
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(1_000_000))
    sys.stderr.write(f"CRASH_SEED={seed}\n")
    return random.Random(seed)  # noqa: S311


@pytest.mark.timeout(600)
async def test_kills_are_not_seen_in_encrypted_chats(harness: BridgeHarness, cluster: Cluster, tmp_path: Path) -> None:
    chance = _seeded()
    await _run([KILL] * 2, 1, harness, cluster, tmp_path, chance)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kinds", ["kill", "all"])
async def test_fifty_faults_are_not_seen_in_encrypted_chats(
    harness: BridgeHarness, cluster: Cluster, tmp_path: Path, kinds: str
) -> None:
    chance = _seeded()
    every = deck(database=External, processes=2, synapse=False, quick=False)
    faults = [KILL] * 50 if kinds == "kill" else [*every, *chance.choices(every, k=50 - len(every))]
    chance.shuffle(faults)
    await _run(faults, 3, harness, cluster, tmp_path, chance)
