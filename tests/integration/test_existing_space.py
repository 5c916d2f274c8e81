"""``space.alias``: an existing Space of people lists the rooms of agents, with the clients of two people."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.person import space_children

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.scripted_upstream import ScriptedUpstream

BOT = f"@agentbridge:{DOMAIN}"


@asynccontextmanager
async def bridge_with(
    harness: BridgeHarness, url: str, upstream: ScriptedUpstream, alias: str | None, admin: Person
) -> AsyncIterator[Running]:
    """Run a bridge whose rooms the Space *alias* lists."""
    space = {} if alias is None else {"alias": alias}
    people = {DOMAIN: "member", admin.user_id: "admin"}
    config = harness.config(url, [{"name": "u", "url": upstream.url}], space=space, permissions=people)
    async with harness.bridge(config) as running:
        yield running


async def make_space(owner: Person, name: str, **options: Any) -> str:
    """Have *owner* make a Space with the alias *name*; return its room id."""
    create = {"creation_content": {"type": "m.space"}, "preset": "private_chat", "name": "Team"}
    room_id = await owner.create_room(**create, room_alias_name=name, **options)
    await owner.wait_for(lambda: room_id in owner.rooms)
    return room_id


async def told(admin: Person, count: int) -> list[str]:
    """Wait until the administrators are told *count* things; return them."""
    await admin.wait_for(lambda: admin.invites or admin.rooms)
    if admin.invites:
        await admin.join(next(iter(admin.invites)))
    return await admin.wait_for(
        lambda: (
            bodies
            if len(bodies := [each.body for room in admin.rooms.values() for each in room.said_by(BOT)]) == count
            else []
        )
    )


async def test_an_existing_space_lists_the_rooms(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as owner, harness.person() as admin:
        name = f"team-{owner.user_id[1:].partition(':')[0]}"
        levels = {"power_level_content_override": {"users": {BOT: 50}}}
        space = await make_space(owner, name, invite=[BOT], **levels)
        async with bridge_with(harness, database_url, upstream, f"#{name}:{DOMAIN}", admin) as running:
            ada = (await running.contact("Ada")).home.room_id
            await owner.wait_for(lambda: len(space_children(owner.room(space))) == 2)
            assert ada in space_children(owner.room(space))
            assert owner.room(space).state["m.room.name", ""] == {"name": "Team"}
            assert ("m.room.topic", "") not in owner.room(space).state
            assert not admin.invites
        assert BOT in owner.room(space).members()


@pytest.mark.long
async def test_a_bot_outside_of_an_existing_space_is_let_in_later(harness: BridgeHarness, database_url: str) -> None:
    async with named_upstream("Ada", "Bea") as upstream, harness.person() as owner, harness.person() as admin:
        name = f"team-{owner.user_id[1:].partition(':')[0]}"
        levels = {"power_level_content_override": {"users": {BOT: 50}}}
        space = await make_space(owner, name, **levels)
        async with bridge_with(harness, database_url, upstream, f"#{name}:{DOMAIN}", admin) as running:
            # While the bot is outside, the rooms are made, and the administrators are told how to let it in.
            ada = (await running.contact("Ada")).home.room_id
            (text,) = await told(admin, 1)
            assert f"cannot enter the Space #{name}:{DOMAIN}" in text
            await owner.invite(space, BOT)
            await owner.wait_for(lambda: len(space_children(owner.room(space))) == 2)
            assert ada in space_children(owner.room(space))
            assert owner.room(space).state["m.room.name", ""] == {"name": "Team"}
            assert BOT in owner.room(space).members()
            assert await told(admin, 1) == [text]
        # Without the key, the bridge makes a Space of its own again, and leaves this one as it is.
        async with bridge_with(harness, database_url, upstream, None, admin) as running:

            async def moved() -> bool:
                homes = [agent.home.space for agent in await running.agents.all()]
                return len({*homes}) == 1 and homes[0] not in {None, space}

            await eventually(moved, "the rooms are listed in a Space of the bridge")
        assert len(space_children(owner.room(space))) == 2
        assert BOT in owner.room(space).members()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param(None, "does not exist", id="no alias", marks=pytest.mark.long),
        pytest.param({}, "has no power to list rooms in the Space", id="no power"),
        pytest.param({"creation_content": {}, "name": "Room"}, "is not a Space", id="a room"),
    ],
)
async def test_a_space_that_cannot_list_the_rooms(
    harness: BridgeHarness, database_url: str, options: dict[str, Any] | None, problem: str
) -> None:
    async with named_upstream("Ada") as upstream, harness.person() as owner, harness.person() as admin:
        name = f"team-{owner.user_id[1:].partition(':')[0]}"
        if options is not None:
            create: dict[str, Any] = {"creation_content": {"type": "m.space"}, "preset": "public_chat"}
            await owner.create_room(**(create | {"room_alias_name": name} | options))
        async with bridge_with(harness, database_url, upstream, f"#{name}:{DOMAIN}", admin) as running:
            (text,) = await told(admin, 1)
            assert f"#{name}:{DOMAIN}" in text
            assert problem in text
            # The agents answer nevertheless.
            talk = await running.join(owner, "Ada")
            await talk.say("hello")
            assert [each.body for each in await talk.wait_for_answers(1)] == ["Echo: hello"]
            assert (await running.contact("Ada")).home.space is None
