"""Avatars on a real homeserver."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web
from PIL import Image

from support.conditions import eventually
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.store.agents import AgentRoom
    from support.harness import BridgeHarness, Running
    from support.postgres import Server


class _WithPicture(ScriptedUpstream):
    """Has a red picture."""

    def routes(self) -> list[web.RouteDef]:
        return [*super().routes(), web.get("/red.png", self._red)]

    async def _red(self, _: web.Request) -> web.Response:
        target = io.BytesIO()
        Image.new("RGB", (1000, 1000), "red").save(target, "PNG")
        return web.Response(body=target.getvalue(), content_type="image/png")


async def avatar_of(running: Running, room_id: str, as_user: str | None = None) -> str | None:
    event = await running.homeserver.state(room_id, "m.room.avatar", as_user=as_user)
    return None if event is None else event["content"].get("url")


async def settled(running: Running, name: str, image: str = "") -> AgentRoom | None:
    agent_room = await running.contact(name)
    agent, home = agent_room.agent, agent_room.home
    same = agent.image_applied == image and home.avatar_applied == agent.avatar
    return agent_room if same and agent.avatar is not None and home.space is not None else None


async def test_every_ghost_and_room_the_bot_and_the_space_have_an_avatar(
    harness: BridgeHarness, database_url: str
) -> None:
    async with _WithPicture("plain", "red") as upstream:
        picture = upstream.url.removesuffix("/v1") + "/red.png"
        upstream.models[1]["image_url"] = "/red.png"
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        async with harness.bridge(config) as running:
            homeserver, avatars = running.homeserver, set[str]()
            for name, image in zip(upstream.names, ["", picture], strict=True):
                found = await eventually(partial(settled, running, name, image), f"{name} has an avatar")
                ghost, room_id = homeserver.namespace.user_id(found.agent.ghost), found.home.room_id or ""
                assert await homeserver.avatar(ghost) == await avatar_of(running, room_id) == found.agent.avatar
                member = await homeserver.state(room_id, "m.room.member", ghost)
                assert member is not None
                assert member["content"]["avatar_url"] == found.agent.avatar
                avatars.add(found.agent.avatar or "")
            space = found.home.space or ""
            await eventually(lambda: avatar_of(running, space), "the Space has an avatar")
            avatars |= {await homeserver.avatar(homeserver.namespace.bot) or "", await avatar_of(running, space) or ""}
            assert "" not in avatars
            assert len(avatars) == 4


async def test_an_avatar_that_a_person_chose_stays(harness: BridgeHarness, database_url: str) -> None:
    async with _WithPicture("chosen") as upstream, harness.talk(database_url, upstream, space={}) as talk:
        running = talk.running
        before = await eventually(partial(settled, running, upstream.names[0]), "the agent has an avatar")
        powers = await running.homeserver.state(talk.room_id, "m.room.power_levels", as_user=talk.ghost)
        assert powers is not None
        powers["content"]["users"][talk.person.user_id] = 100
        await running.homeserver.set_state(talk.room_id, "m.room.power_levels", powers["content"], as_user=talk.ghost)
        await talk.person.set_state(talk.room_id, "m.room.avatar", {"url": "mxc://test.local/mine"})
        picture = upstream.url.removesuffix("/v1") + "/red.png"
        upstream.models[0]["image_url"] = picture
        after = await eventually(partial(settled, running, upstream.names[0], picture), "the picture is applied")
        assert after.agent.avatar != before.agent.avatar
        assert await running.homeserver.avatar(talk.ghost) == after.agent.avatar
        assert await avatar_of(running, talk.room_id) == "mxc://test.local/mine"


async def test_a_lost_database_changes_no_avatar(harness: BridgeHarness, database_url: str, postgres: Server) -> None:
    """The avatars stay, and follow the upstream's picture later."""
    async with _WithPicture("kept") as upstream:
        here = [{"name": "u", "url": upstream.url}]
        async with harness.bridge(harness.config(database_url, here, space={})) as running:
            before = await eventually(partial(settled, running, upstream.names[0]), "the agent has an avatar")
        with postgres.migrated() as another_url:
            async with harness.bridge(harness.config(another_url, here, space={})) as running:
                after = await eventually(partial(settled, running, upstream.names[0]), "the room is adopted")
                assert after.agent.avatar == before.agent.avatar
                assert await avatar_of(running, after.home.room_id or "") == before.agent.avatar
                picture = upstream.url.removesuffix("/v1") + "/red.png"
                upstream.models[0]["image_url"] = picture
                found = await eventually(partial(settled, running, upstream.names[0], picture), "it is replaced")
                ghost = running.homeserver.namespace.user_id(found.agent.ghost)
                assert found.agent.avatar != before.agent.avatar
                assert await running.homeserver.avatar(ghost) == found.agent.avatar
