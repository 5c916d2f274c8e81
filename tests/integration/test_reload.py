"""A reload on real servers: changes of the configuration count in all processes, or nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.config.source import ConfigSource
from agent_bridge.core.roles import Role
from agent_bridge.store.roles import RoleStore
from agent_bridge.web.loop_watchdog import LoopWatchdog
from support.bot_rooms import bot_chat
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.process import run_command, write_config
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.harness import BridgeHarness, Running
    from support.postgres import Server

LEVELS = "m.room.power_levels"
ADMIN = f"@admin:{DOMAIN}"


@dataclass
class Reloading:
    """A bridge with a file, which tests change."""

    harness: BridgeHarness
    running: Running
    upstream: ScriptedUpstream
    folder: Path
    database_url: str
    sections: dict[str, Any]

    async def change(self, **sections: Any) -> str:
        """Write *sections* into the file, have ``agent-bridge reload`` apply it, and return what it says."""
        self.sections |= sections
        self.write()
        code, said = await self.command()
        assert code == 0, said
        return said

    def write(self) -> Path:
        config = self.harness.config(
            self.database_url, [{"name": "up", "url": self.upstream.url}], service=SHARED, **self.sections
        )
        return write_config(self.folder, config)

    async def command(self) -> tuple[int, str]:
        code, said = await run_command("reload", "--config", str(self.folder / "config.yaml"))
        return code, said.strip()


@pytest.fixture(scope="module")
async def reloading(
    harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Reloading]:
    """A bridge that the tests of this file share."""
    folder = tmp_path_factory.mktemp("reload")
    with postgres.migrated() as database_url:
        async with ScriptedUpstream("Ada", "Bea") as upstream:
            permissions = {DOMAIN: "member", ADMIN: "owner"}
            sections: dict[str, Any] = {"permissions": permissions, "rooms": {"join_rule": "restricted"}, "space": {}}
            made = Reloading(harness, None, upstream, folder, database_url, sections)  # type: ignore[arg-type]
            source = ConfigSource(made.write())
            async with harness.bridge(source.read(), source=source) as running:
                made.running = running
                for name in upstream.names:
                    await running.contact(name)
                yield made


async def level(running: Running, room_id: str, user: str) -> int | None:
    event = await running.homeserver.state(room_id, LEVELS)
    return None if event is None else event["content"]["users"].get(user)


async def homes(running: Running) -> list[str]:
    return [each.home.room_id or "" for each in await running.agents.all()]


@pytest.mark.long
async def test_permissions_become_levels_in_all_rooms(reloading: Reloading) -> None:
    running = reloading.running
    async with reloading.harness.person() as bob:
        permissions = reloading.sections["permissions"]
        assert await reloading.change(permissions=permissions | {bob.user_id: "moderator"}) == (
            "These changes count now: permissions."
        )

        async def everywhere(wanted: int | None) -> bool:
            return all([await level(running, room_id, bob.user_id) == wanted for room_id in await homes(running)])

        await eventually(partial(everywhere, 50), "bob is a moderator in all rooms", 5)
        # A role that a person gave stays.
        async with reloading.harness.person("admin") as admin:
            desk = await bot_chat(running, admin)
            await desk.ask(f"role {bob.user_id} admin")
            await reloading.change(permissions=permissions)
            assert (await desk.ask(f"role {bob.user_id}")).body.startswith(f"{bob.user_id} is an admin")
            await desk.ask(f"role {bob.user_id} default")
            await eventually(partial(everywhere, None), "bob has no level any more", 5)


async def test_a_user_without_a_role_is_removed_and_messages_are_limited(reloading: Reloading) -> None:
    permissions = reloading.sections["permissions"]
    async with reloading.harness.person() as bob:
        talk = await reloading.running.join(bob, reloading.upstream.names[0])
        assert "quotas" in await reloading.change(quotas=[{"per": "user", "messages_per_minute": 0}])
        question = await talk.say("one")
        await bob.wait_for(lambda: talk.room.reactions_to(question))
        (line,) = await talk.wait_for_answers(1)
        assert "does not allow this message" in line.body
        assert "quotas" in await reloading.change(quotas=[])
        await talk.say("two")
        assert (await talk.wait_for_answers(2))[1].body == "Echo: two"
        await reloading.change(permissions=permissions | {bob.user_id: "none"})
        await bob.wait_for(lambda: talk.room_id not in bob.rooms, 5)
        await reloading.change(permissions=permissions)


@pytest.mark.long
async def test_people_are_invited_once_and_nobody_is_removed(reloading: Reloading) -> None:
    harness = reloading.harness
    async with harness.person() as ann, harness.person() as bob:
        before = len(ann.invites)
        await reloading.change(rooms={"join_rule": "restricted", "invite": [ann.user_id]})
        await ann.wait_for(lambda: len(ann.invites) == before + 1, 5)
        (space,) = ann.invites
        await ann.join(space)
        await reloading.change(rooms={"join_rule": "restricted", "invite": [bob.user_id]})
        await bob.wait_for(lambda: bob.invites, 5)
        assert list(bob.invites) == [space]
        # Invited once: who is on the list again and has left gets no second invitation.
        await ann.leave(space)
        await reloading.change(rooms={"join_rule": "restricted", "invite": [ann.user_id, bob.user_id]})
        state = await reloading.running.homeserver.state(space, "m.room.member", ann.user_id)
        assert state is not None
        assert state["content"]["membership"] == "leave"
        # Agents do not answer people without a role.
        permissions = reloading.sections["permissions"]
        async with harness.person() as eve, harness.person() as dan, harness.person("admin") as admin:
            desk, people = await bot_chat(reloading.running, admin), [bob.user_id, eve.user_id, dan.user_id]
            await reloading.change(
                permissions=permissions | {eve.user_id: "none"}, rooms={"join_rule": "restricted", "invite": people}
            )
            await dan.wait_for(lambda: dan.invites, 5)
            assert await reloading.running.homeserver.state(space, "m.room.member", eve.user_id) is None
            await desk.ask(f"role {eve.user_id} member")
            await eve.wait_for(lambda: eve.invites, 5)
            await reloading.change(permissions=permissions)


async def test_what_needs_a_restart_is_named_and_a_fault_changes_nothing(reloading: Reloading) -> None:
    running, good = reloading.running, dict(reloading.sections)
    said = await reloading.change(space={"name": "Others"}, timezone="Europe/Oslo")
    assert said == "These changes count now: timezone.\n\nThese changes need a restart: space.name."
    file = reloading.write()
    file.write_text(file.read_text().replace("Europe/Oslo", "Asia/Tokyo") + "\nunknown: 1\n")
    requests = await running.database.rows("SELECT id FROM reload")
    code, said = await reloading.command()
    assert (code, said) == await run_command_stripped("run", file)
    assert code == 2
    assert said.startswith(f"{file}:")
    assert "unknown: is not a known key" in said
    assert await running.database.rows("SELECT id FROM reload") == requests, "no process was asked"
    # A process that is asked all the same keeps what it has.
    async with reloading.harness.person("admin") as admin:
        desk = await bot_chat(running, admin)
        answer = (await desk.ask("reload")).body
        assert answer.startswith("The configuration is not valid, and nothing changes:")
        assert "unknown: is not a known key" in answer
        reloading.sections = good
        reloading.write()
        assert (await desk.ask("reload")).body == "These changes count now: timezone."
        assert (await desk.ask("reload")).body == "The configuration has not changed."
    async with reloading.harness.person() as bob:
        assert "is for admins only" in (await (await bot_chat(running, bob)).ask("reload")).body


async def run_command_stripped(command: str, file: Path) -> tuple[int, str]:
    code, said = await run_command(command, "--config", str(file))
    return code, said.strip()


@pytest.mark.long
async def test_prices_and_the_number_of_chats(reloading: Reloading) -> None:
    database = reloading.running.database
    reloading.upstream.usage = lambda _: {"prompt_tokens": 90, "completion_tokens": 10}

    async def costs() -> list[Any]:
        rows = await database.rows("SELECT cost FROM usage WHERE user_id = %s ORDER BY at", (bob.user_id,))
        return [row["cost"] for row in rows]

    async with reloading.harness.person() as bob:
        talk = await reloading.running.join(bob, reloading.upstream.names[0])
        await talk.say("one")
        await talk.wait_for_answers(1)
        prices = {"models": [{"match": "*", "input": 1_000_000, "output": 0}]}
        said = await reloading.change(prices=prices, chats={"max_per_user": 1})
        assert said == "These changes count now: chats.max_per_user, prices.models."
        await talk.say("two")
        await talk.wait_for_answers(2)

        async def has_cost() -> bool:
            return await costs() == [None, 90]

        await eventually(has_cost, "the second request has a cost")
        desk = await bot_chat(reloading.running, bob)
        await desk.ask(f"agent {reloading.upstream.names[0]}")
        first, second = [(await desk.ask(f"new {title}")).body for title in ("First", "Second")]
        assert ("1 chat" in first, "1 chat" in second) == (False, True), (first, second)
        await reloading.change(prices={}, chats={"max_per_user": 2})
        assert (await desk.ask("new Second")).body not in {first, second}


async def test_an_agent_that_is_gone_is_retired(reloading: Reloading) -> None:
    running = reloading.running
    gone = reloading.upstream.names[-1]
    reloading.upstream.models.pop()

    async def states() -> list[str]:
        return [str(each.agent.state) for each in await running.agents.all() if each.agent.name == gone]

    async def is_state(wanted: str) -> bool:
        return await states() == [wanted]

    await eventually(partial(is_state, "gone"), "the agent is gone")
    await running.database.execute("UPDATE agent SET state_since = state_since - interval '1 hour'")
    assert "retire.after_days" in await reloading.change(retire={"after_days": 0.01})
    await eventually(partial(is_state, "retired"), "the agent is retired")


@pytest.mark.long
async def test_ten_thousand_permissions_do_not_block_the_bridge(reloading: Reloading) -> None:
    running, permissions = reloading.running, reloading.sections["permissions"]
    many = {f"@user{number}:{DOMAIN}": "moderator" if number % 100 == 0 else "member" for number in range(10_000)}
    reloading.sections["permissions"] = permissions | many
    reloading.write()
    async with LoopWatchdog() as watchdog:
        code, said = await reloading.command()
        assert (code, said) == (0, "These changes count now: permissions.")

        async def follows() -> bool:
            return await level(running, (await homes(running))[0], f"@user9900:{DOMAIN}") == 50

        await eventually(follows, "the room has the levels")
    assert max((each.computed for each in watchdog.stalls), default=0.0) < 0.3
    await reloading.change(permissions=permissions)


@pytest.mark.long
async def test_of_two_patterns_the_first_counts(reloading: Reloading) -> None:
    user, permissions = f"@zed:{DOMAIN}", reloading.sections["permissions"]

    async def has(role: Role) -> bool:
        book = (await RoleStore(reloading.running.database).current()).book
        return book is not None and book.role_of(user) is role

    patterns = {f"@ze*:{DOMAIN}": "admin", f"@z*:{DOMAIN}": "moderator"}
    await reloading.change(permissions=patterns | permissions)
    await eventually(partial(has, Role.ADMIN), "the first pattern counts", 5)
    await reloading.change(permissions=dict(reversed(patterns.items())) | permissions)
    await eventually(partial(has, Role.MODERATOR), "the other one is the first now", 5)
    await reloading.change(permissions=permissions)
