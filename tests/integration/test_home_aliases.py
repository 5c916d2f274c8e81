"""Aliases of homes: they fit links, rooms with an earlier alias are found, and requests at once make one room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.conditions import eventually
from support.damages import homeserver_of
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness


async def test_an_agent_with_a_slash_has_an_alias_that_fits_links(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("org/model+plus") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        async with harness.bridge(config) as running:
            found = await running.contact(upstream.names[0])
            assert found.agent.ghost.startswith("agent_org/model+plus")
            alias = f"#{found.agent.ghost.replace('/', '=2f').replace('+', '=2b')}:test.local"
            assert await person.resolve(alias) == found.home.room_id
            # The homeserver asks the bridge about an alias that it does not know; nothing is made for this one.
            assert await person.resolve(f"#{found.agent.ghost}:test.local") is None
            # Of many requests at once for a room that is yet to be made, all find the same one.
            upstream.models.append({"id": "org/late", "object": "model"})
            await running.agents_known(2)
            late = "#agent_org=2flate:test.local"
            rooms = await asyncio.gather(*(person.resolve(late) for _ in range(5)))
            made = (await running.contact("org/late")).home.room_id
            assert set(rooms) == {made}
            assert await person.resolve(late) == made


async def test_a_room_with_an_earlier_alias_is_found(harness: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("team/old") as upstream:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}])
        ghost = config.namespace.localpart(upstream.names[0])
        async with homeserver_of(config) as homeserver:
            for user in (config.appservice.bot_username, ghost):
                await homeserver.register(user)
            content = {"room_alias_name": ghost, "invite": [homeserver.namespace.bot]}
            room_id = (await homeserver.create_room(content, homeserver.namespace.user_id(ghost))).room_id
        async with harness.bridge(config) as running:
            assert (await running.contact(upstream.names[0])).home.room_id == room_id
            new, old = config.namespace.home_aliases(ghost)

            async def is_moved() -> bool:
                canonical = await running.homeserver.state(room_id, "m.room.canonical_alias")
                return canonical is not None and canonical["content"] == {"alias": new, "alt_aliases": [old]}

            await eventually(is_moved, "the room has both aliases")
            assert await running.homeserver.resolve_alias(new) == room_id
            assert await running.homeserver.resolve_alias(old) == room_id
