"""``repair``: every damage of a room is repaired or reported; a second repair finds nothing and writes nothing."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.cli.repair import exit_code, repair
from agent_bridge.config.source import ConfigSource
from agent_bridge.core.results.repairs import Outcome, Part, RepairReport
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.repairs import render_repair
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres.database import Database
from support.aliases import forget_lobby
from support.conditions import eventually
from support.damages import Target, by_bridge, by_person, homeserver_of
from support.harness import DOMAIN
from support.process import run_command, write_config
from support.proxy import Proxy
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.config.model import Config
    from agent_bridge.matrix.client import Homeserver
    from support.harness import BridgeHarness, Running

_WRITES = {"PUT", "POST", "DELETE"}


class Counting:
    """Counts the requests through a proxy that change something."""

    def __init__(self, proxy: Proxy) -> None:
        self.writes: list[str] = []
        self.requests = 0
        proxy.loses = self._count

    def _count(self, _number: int, method: str, path: str) -> bool:
        self.requests += 1
        if method in _WRITES:
            self.writes.append(f"{method} {path}")
        return False


def configured(
    harness: BridgeHarness, database_url: str, url: str, upstream: str, admin: str, version: str, role: str = "admin"
) -> Config:
    rooms = {"join_rule": "restricted" if int(version) > 7 else "invite", "version": version}
    return harness.config(
        database_url,
        [{"name": "u", "url": upstream}],
        homeserver={"address": url, "domain": DOMAIN},
        permissions={DOMAIN: "member", admin: role},
        rooms=rooms,
        space={},
    )


async def settled(running: Running, name: str) -> Target:
    """Return the room of the agent called *name*, once nothing is left to be done."""

    async def done() -> Target | None:
        found = await running.contact(name)
        space, home = await KeyValues(running.database).get(KeyValues.SPACE), found.home
        is_done = home.space == space is not None and found.agent.avatar == home.avatar_applied is not None
        avatars = await KeyValues(running.database).get("avatar_space")
        return Target(home.room_id or "", space, found.agent.ghost) if is_done and avatars else None

    return await eventually(done, "the room is complete")


def outcomes(report: RepairReport) -> dict[Part, Outcome]:
    return {each.part: each.outcome for room in report.rooms for each in room.differences}


async def repaired(config: Config, agent: str | None = None, *, force: bool = False, dry: bool = False) -> RepairReport:
    return await repair(config, ConfigSource(Path("config.yaml")), agent, force=force, dry=dry, show=lambda *_: None)


@pytest.mark.parametrize("version", ["12", *(pytest.param(each, marks=pytest.mark.long) for each in ("1", "6", "10"))])
async def test_every_damage(harness: BridgeHarness, database_url: str, version: str) -> None:
    async with (
        ScriptedUpstream("Ada") as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.person() as admin,
    ):
        config = configured(harness, database_url, proxy.url, upstream.url, admin.user_id, version)
        async with harness.bridge(config) as running:
            target = await settled(running, upstream.names[0])
            for room_id in (target.room_id, target.space):
                await running.homeserver.invite(room_id, admin.user_id)
                await admin.join(room_id)
            # The Space may be that of an earlier test, with other administrators.
            await lift(running.homeserver, target.space, admin.user_id)
        counting = Counting(proxy)
        assert (await repaired(config)).rooms == ()
        assert counting.writes == []
        async with homeserver_of(config) as homeserver:
            damaged = await by_bridge(homeserver, target)
            counting.writes.clear()
            report = await repaired(config, dry=True)
            # Nobody knows before a request whether the homeserver accepts it.
            assert outcomes(report) == dict.fromkeys(damaged, Outcome.WOULD_SET)
            assert (counting.writes, exit_code(report)) == ([], 4)
            report = await repaired(config)
            assert outcomes(report) == dict.fromkeys(damaged, Outcome.SET)
            assert exit_code(report) == 0
            await nothing_is_left(config, counting)
            # The choices of people stay, unless they are replaced on demand.
            chosen = await by_person(admin, target)
            counting.writes.clear()
            report = await repaired(config)
            assert outcomes(report) == dict.fromkeys(chosen, Outcome.KEPT)
            assert {each.by for room in report.rooms for each in room.differences} == {admin.user_id}
            assert (counting.writes, exit_code(report)) == ([], 4)
            report = await repaired(config, force=True)
            assert outcomes(report) == dict.fromkeys(chosen, Outcome.SET)
            await nothing_is_left(config, counting)
            assert outcomes(await repaired(config, force=True)) == {}


async def lift(homeserver: Homeserver, room_id: str, user: str) -> None:
    """Give *user* the power of an administrator, and nobody else but the bridge."""
    levels = await homeserver.state(room_id, "m.room.power_levels")
    assert levels is not None
    kept = {each: power for each, power in levels["content"]["users"].items() if homeserver.namespace.is_ours(each)}
    content = levels["content"] | {"users": kept | {user: 100}}
    if content != levels["content"]:
        await homeserver.set_state(room_id, "m.room.power_levels", content)


async def nothing_is_left(config: Config, counting: Counting) -> None:
    """Repair again: nothing is found, and nothing is written."""

    async def is_clean() -> bool:
        counting.writes.clear()
        # The homeserver carries a display name into the rooms some time later.
        return (await repaired(config)).rooms == () and counting.writes == []

    await eventually(is_clean, "a second repair finds nothing")


@pytest.mark.long
async def test_the_ghost_and_the_bot_are_brought_back(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Ada", "Bea") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "10")
        async with harness.bridge(config) as running:
            ada, bea = [await settled(running, name) for name in upstream.names]
            for target in (ada, bea):
                await running.homeserver.invite(target.room_id, admin.user_id)
                await admin.join(target.room_id)
        async with homeserver_of(config) as homeserver:
            ghost, bot = homeserver.namespace.user_id(ada.ghost), homeserver.namespace.bot
            await homeserver.leave(ada.room_id, "tried", ghost)
            other = homeserver.namespace.user_id(bea.ghost)
            levels = await homeserver.state(bea.room_id, "m.room.power_levels")
            assert levels is not None
            # Nobody bans an equal.
            lowered = levels["content"] | {"users": levels["content"]["users"] | {bot: 0}}
            await homeserver.set_state(bea.room_id, "m.room.power_levels", lowered)
            banned = {"membership": "ban"}
            await homeserver.set_state(bea.room_id, "m.room.member", banned, key=bot, as_user=other)
            report = await repaired(config)
        rooms = {room.name: {each.part: each.outcome for each in room.differences} for room in report.rooms}
        assert rooms == {
            upstream.names[0]: {Part.GHOST_JOINED: Outcome.SET},
            upstream.names[1]: {Part.BOT_JOINED: Outcome.KEPT, Part.LEVELS: Outcome.SET},
        }


@pytest.mark.long
async def test_the_space_and_the_lobby(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Ada") as upstream:
        there = [{"name": "u", "url": upstream.url}]
        config = harness.config(database_url, there, rooms={"join_rule": "restricted", "lobby": True}, space={})
        await forget_lobby(config, harness.synapse.url)
        async with harness.bridge(config) as running:
            target, namespace = await settled(running, upstream.names[0]), running.homeserver.namespace
            lobby_alias = namespace.alias(namespace.lobby_alias_localpart)

            async def has_lobby() -> str | None:
                lobby = await KeyValues(running.database).get(KeyValues.LOBBY)
                rows = (
                    await running.database.rows(
                        "SELECT 1 FROM room WHERE room_id = %s AND space IS NOT NULL", (lobby["room"],)
                    )
                    if lobby
                    else ()
                )
                if not rows:
                    return None
                # A room that the bot leaves lives on by its other members.
                members = await running.homeserver.members(lobby["room"])
                ghost = namespace.user_id(target.ghost)
                return lobby["room"] if members.get(ghost) == "join" else None

            lobby = await eventually(has_lobby, "there is a lobby")
        await repaired(config)
        async with homeserver_of(config) as homeserver:
            space_alias = namespace.alias(namespace.space_alias_localpart)
            await homeserver.remove_alias(space_alias)
            await homeserver.add_alias(space_alias, lobby)
            await homeserver.remove_alias(lobby_alias)
            await homeserver.set_state(target.space, "m.room.avatar", {"url": "mxc://test.local/another"})
            await homeserver.set_state(target.space, "m.room.join_rules", {"join_rule": "public"})
            await homeserver.set_state(lobby, "m.room.topic", {"topic": "another"})
            await homeserver.set_state(lobby, "m.room.join_rules", {"join_rule": "public"})
            await homeserver.leave(lobby, "tried")
            space, second = (await repaired(config)).rooms
            assert {each.part for each in space.differences} == {Part.ALIAS, Part.AVATAR, Part.JOIN_RULE}
            assert {each.part for each in second.differences} == {
                Part.BOT_JOINED,
                Part.TOPIC,
                Part.JOIN_RULE,
                Part.ALIAS,
            }
            assert {each.outcome for each in (*space.differences, *second.differences)} == {Outcome.SET}
            assert await homeserver.resolve_alias(space_alias) == target.space
            assert await homeserver.resolve_alias(lobby_alias) == lobby
            for user in (namespace.user_id(target.ghost), namespace.bot):
                await homeserver.leave(lobby, "tried", user)
            await homeserver.set_state(target.space, "m.space.child", {}, key=lobby)
            (second,) = (await repaired(config)).rooms
            assert {each.part for each in second.differences} >= {Part.ROOM, Part.CHILD}
            assert await homeserver.resolve_alias(lobby_alias) != lobby
        assert (await repaired(config)).rooms == ()


@pytest.mark.long
async def test_differences_that_stay_are_reported_beside_a_repair(harness: BridgeHarness, database_url: str) -> None:
    # Up to room version 11 nobody can switch encryption on, and later only owners can upgrade a room.
    async with ScriptedUpstream("Ada", "Bea", "Cleo") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "12", "owner")
        async with harness.bridge(config) as running:
            targets = [await settled(running, name) for name in upstream.names]
            for target in targets:
                await running.homeserver.invite(target.room_id, admin.user_id)
                await admin.join(target.room_id)
        encrypted, upgraded, open_door = (target.room_id for target in targets)
        async with homeserver_of(config) as homeserver:
            ghosts = [homeserver.namespace.user_id(target.ghost) for target in targets]
            algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
            await homeserver.set_state(encrypted, "m.room.encryption", algorithm, as_user=ghosts[0])
            levels = await homeserver.state(open_door, "m.room.power_levels")
        assert levels is not None
        tombstone = {"body": "x", "replacement_room": "!nowhere:test.local"}
        await admin.set_state(upgraded, "m.room.tombstone", tombstone)
        # The bridge needs the first one, and a person chose the second one.
        await admin.set_state(open_door, "m.room.power_levels", levels["content"] | {"invite": 0, "kick": 51})
        report = await repaired(config)
        assert [{(each.part, each.outcome, each.by) for each in room.differences} for room in report.rooms] == [
            {(Part.ENCRYPTION, Outcome.KEPT, ghosts[0])},
            {(Part.UPGRADE, Outcome.KEPT, admin.user_id)},
            {(Part.LEVELS, Outcome.SET, None), (Part.LEVELS, Outcome.KEPT, admin.user_id)},
        ]
        report = await repaired(config, upstream.names[1], force=True)
        assert outcomes(report) == {Part.UPGRADE: Outcome.KEPT}
        assert "force" not in render_repair(report, ENGLISH, "!ab")


@pytest.mark.long
async def test_a_bridge_without_power_reports_it(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Ada") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "10")
        async with harness.bridge(config) as running:
            target = await settled(running, upstream.names[0])
        async with homeserver_of(config) as homeserver:
            ghost, bot = homeserver.namespace.user_id(target.ghost), homeserver.namespace.bot
            await homeserver.set_state(target.room_id, "m.room.topic", {"topic": "x"}, as_user=ghost)
            for user in (ghost, bot):
                levels = await homeserver.state(target.room_id, "m.room.power_levels")
                assert levels is not None
                lowered = levels["content"] | {"users": levels["content"]["users"] | {user: 0}}
                await homeserver.set_state(target.room_id, "m.room.power_levels", lowered, as_user=user)
            for force in (False, True):
                report = await repaired(config, upstream.names[0], force=force)
                assert set(outcomes(report).values()) == {Outcome.REFUSED}
                assert Part.TOPIC in outcomes(report)
                assert exit_code(report) == 4


@pytest.mark.long
async def test_one_agent_and_a_room_that_is_gone(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Ada", "Bea") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "12")
        async with harness.bridge(config) as running:
            ada, bea = [await settled(running, name) for name in upstream.names]
        async with homeserver_of(config) as homeserver:
            for target in (ada, bea):
                for user in (homeserver.namespace.bot, homeserver.namespace.user_id(target.ghost)):
                    await homeserver.leave(target.room_id, "tried", user)
        assert outcomes(await repaired(config, upstream.names[1], dry=True)) == {Part.ROOM: Outcome.WOULD_SET}
        report = await repaired(config, upstream.names[1])
        assert [room.name for room in report.rooms] == [upstream.names[1]]
        assert outcomes(report)[Part.ROOM] is Outcome.SET
        async with Database(config.database.url) as database:
            found = {each.agent.name: each.home.room_id for each in await Agents(database).all()}
        assert found[upstream.names[0]] == ada.room_id
        assert found[upstream.names[1]] not in {bea.room_id, None}


async def test_the_command(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Ada", "Bea") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "12")
        async with harness.bridge(config) as running:
            talk = await running.join(admin, upstream.names[0])
            target = await settled(running, upstream.names[0])
            await settled(running, upstream.names[1])
            assert await talk.command("plan") == "The next pass changes nothing."
            await admin.set_state(target.room_id, "m.room.topic", {"topic": "ours"})
            before = len(talk.from_bot)
            await admin.say(talk.room_id, "!ab repair")
            await admin.wait_for(lambda: "compared." in said(talk.from_bot, before))
            first, second, *_ = [line for line in said(talk.from_bot, before).splitlines() if line]
            # Two homes and the Space.
            assert first == "3 rooms are compared."
            assert second == f"1. {upstream.names[0]}: kept topic, chosen by {admin.user_id}"
            # Of two at once, the second waits for the first.
            for _ in range(2):
                await admin.say(talk.room_id, f"!ab repair {upstream.names[0]} force")
            await admin.wait_for(lambda: "set topic" in said(talk.from_bot, before + 1))
            await admin.wait_for(lambda: "There are no differences." in said(talk.from_bot, before + 2))
            assert len(talk.from_bot) == before + 3

            async def are_done() -> bool:
                # The result is shown just before the operation ends.
                rows = await running.database.rows("SELECT state FROM operation")
                return [row["state"] for row in rows] == ["done"] * 3

            await eventually(are_done, "three operations are done")


def said(messages: list[Any], number: int) -> str:
    """Return the text of a message with its edits; empty before there is one."""
    return messages[number].body if len(messages) > number else ""


async def test_the_command_line_has_the_running_bridge_do_it(
    harness: BridgeHarness, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedUpstream("Ada") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "12")
        file = str(write_config(tmp_path, config))
        async with harness.bridge(config) as running:
            target = await settled(running, upstream.names[0])
            await running.homeserver.invite(target.room_id, admin.user_id)
            await admin.join(target.room_id)
            await admin.set_state(target.room_id, "m.room.name", {"name": "ours"})
            code, output = await run_command("repair", upstream.names[0], "--json", "--config", file)
            assert code == 4, output
            (room,) = json.loads(output)["rooms"]
            assert room["differences"] == [{"part": "name", "outcome": "kept", "by": admin.user_id}]
            code, output = await run_command("repair", "nobody", "--config", file)
            assert (code, output.strip()) == (2, "no agent is called nobody")

            def interrupt(*_: object) -> None:
                task.cancel()

            # Ctrl-C, as soon as there is a progress.
            work = repair(config, ConfigSource(Path(file)), None, force=False, dry=True, show=interrupt)
            task = asyncio.create_task(work)
            await asyncio.wait({task})
            assert task.cancelled()
            assert capsys.readouterr().err.startswith("The work goes on: ")
        code, output = await run_command("repair", "--force", "--config", file)
        assert code == 0, output
        assert f"{upstream.names[0]}: set name" in output


@pytest.mark.long
@pytest.mark.parametrize("kind", ["away", "broken"])
async def test_a_homeserver_that_fails_in_the_middle(harness: BridgeHarness, database_url: str, kind: str) -> None:
    """*away*: for a moment no request succeeds; *broken*: the state of one room cannot be read."""
    from aiohttp import web

    async with (
        ScriptedUpstream("Ada", "Bea", "Cleo") as upstream,
        Proxy(harness.synapse.url) as proxy,
        harness.person() as admin,
    ):
        config = configured(harness, database_url, proxy.url, upstream.url, admin.user_id, "12")
        async with harness.bridge(config) as running:
            targets = [await settled(running, name) for name in upstream.names]
        async with homeserver_of(config) as homeserver:
            for target in targets:
                ghost = homeserver.namespace.user_id(target.ghost)
                await homeserver.set_state(target.room_id, "m.room.topic", {"topic": "x"}, as_user=ghost)
        failed: list[int] = []

        def refuses(_number: int, _method: str, path: str) -> web.Response | None:
            is_of_room = f"/rooms/{targets[1].room_id}/state" in path and _method == "GET"
            fails = (failed or is_of_room) and len(failed) < 8 if kind == "away" else is_of_room
            if fails:
                failed.append(_number)
            return web.Response(status=502) if fails else None

        proxy.refuses = refuses
        report = await asyncio.wait_for(repaired(config), 60)
        names = {room.name: [each.outcome for each in room.differences] for room in report.rooms}
        errors = {room.name for room in report.rooms if room.error}
        if kind == "away":
            assert names == {name: [Outcome.SET] for name in upstream.names}
            assert (errors, exit_code(report)) == (set(), 0)
        else:
            assert errors == {upstream.names[1]}
            assert exit_code(report) == 1
            assert names[upstream.names[0]] == names[upstream.names[2]] == [Outcome.SET]


async def _is_open(running: Running) -> bool:
    return bool(await running.database.rows("SELECT 1 FROM operation WHERE finished_at IS NULL"))


@pytest.mark.long
async def test_a_redacted_command_shows_no_result(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("Ada") as upstream, harness.person() as admin:
        config = configured(harness, database_url, harness.synapse.url, upstream.url, admin.user_id, "12")
        async with harness.bridge(config) as running:
            talk = await running.join(admin, upstream.names[0])
            await settled(running, upstream.names[0])
            event_id = await admin.say(talk.room_id, "!ab repair")
            await admin.redact(talk.room_id, event_id)

            async def ended() -> bool:
                return not await _is_open(running)

            await eventually(ended, "the operation ends")
            await eventually(partial(talk.idle), "the command is closed")
