"""A process dies at each step of a direct room of two users: they get one, and a repeat of either of them finds it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.store.postgres.database import Database
from crash.cases import around, short_form
from crash.doomed_process import DoomedProcess
from support.api_client import Program, program_of
from support.bot_rooms import named_upstream
from support.damages import homeserver_of
from support.harness import DOMAIN
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.postgres import Server

_POINTS = around("pair_open", "pair_create", "pair_invite", "pair_made", "api_finish")
#: The room exists on the homeserver, and the database does not know it.
_QUICK = {"after:pair_create:1"}


@dataclass(frozen=True)
class Stage:
    """Programs of two agents and of two people, and no process of the bridge."""

    config: Config
    database: Database
    agents: tuple[Program, Program]
    people: tuple[Program, Program]
    #: User ids of the agents, and of the people.
    ghosts: tuple[str, str]
    persons: tuple[str, str]

    async def part(self) -> None:
        """Have all pairs begin anew. The users of the bridge leave the rooms: a start would find them again."""
        query = "SELECT r.room_id, r.request_key AS key FROM pair p JOIN room r ON r.id = p.room"
        names = self.config.namespace
        async with homeserver_of(self.config) as homeserver:
            for row in await self.database.rows(query):
                alias = names.alias(names.direct_alias_localpart(row["key"]))
                if await homeserver.resolve_alias(alias):
                    await homeserver.remove_alias(alias)
                members = await homeserver.members(row["room_id"])
                for user in filter(names.is_ours, sorted(members, key=names.bot.__eq__)):
                    await homeserver.leave(row["room_id"], "the case is over", as_user=user)
        await self.database.execute("DELETE FROM room WHERE id IN (SELECT room FROM pair)")


@pytest.fixture(scope="module")
async def stage(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Stage]:
    with postgres.migrated() as url:
        async with (
            named_upstream("Ada", "Bea") as upstream,
            harness.person() as one,
            harness.person() as two,
            Database(url) as database,
        ):
            there = [{"name": "u", "url": upstream.url}]
            config = harness.config(url, there, permissions={DOMAIN: "member"}, logging={"format": "json"})
            async with harness.bridge(config) as running:
                user_id = running.homeserver.namespace.user_id
                ghosts = [user_id((await running.contact(name)).agent.ghost) for name in ("Ada", "Bea")]
                agents = [await program_of(running, name) for name in ("Ada", "Bea")]
                people = [await program_of(running, each.user_id) for each in (one, two)]
            yield Stage(
                config,
                database,
                (agents[0], agents[1]),
                (people[0], people[1]),
                (ghosts[0], ghosts[1]),
                (one.user_id, two.user_id),
            )


@pytest.mark.parametrize("kind", ["agents", pytest.param("people", marks=pytest.mark.long)])
@pytest.mark.parametrize("point", short_form(_POINTS, _QUICK))
async def test_a_killed_direct_room_is_made_once(stage: Stage, tmp_path: Path, point: str, kind: str) -> None:
    await stage.part()
    programs, users = (stage.agents, stage.ghosts) if kind == "agents" else (stage.people, stage.persons)
    async with DoomedProcess(tmp_path, stage.config, point, "") as process:
        await process.wait_for("listening")
        with contextlib.suppress(aiohttp.ClientError):
            await programs[0].post("/v1/direct", f"{point} {kind}", to=users[1])
        assert await process.death() == -signal.SIGKILL
    async with BridgeProcess(tmp_path, stage.config) as process:
        await process.wait_for("listening")
        begun = [programs[0].post("/v1/direct", f"{point} {kind}", to=users[1])]
        begun += [programs[1].post("/v1/direct", to=users[0]) for _ in range(2)]
        results = await asyncio.gather(*begun)
    assert {each.status for each in results} == {200}, [each.content for each in results]
    (room_id,) = {each["room_id"] for each in results}
    async with homeserver_of(stage.config) as homeserver:
        members = await homeserver.members(room_id)
    expected = "join" if kind == "agents" else "invite"
    assert members == {stage.config.namespace.bot: "join", **dict.fromkeys(users, expected)}
    known = await stage.database.rows("SELECT r.room_id FROM pair p JOIN room r ON r.id = p.room")
    assert [row["room_id"] for row in known] == [room_id]
