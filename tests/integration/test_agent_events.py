"""Agent events in rooms of a real homeserver: posted by people, read back, and mirrored from turns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent_bridge.bridge.collaboration.events import AgentEvents
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import EVENT, NewEvent
from agent_bridge.core.results.events import EventProblem, EventRefused
from agent_bridge.core.roles import Role, Roles
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agent_events import AgentEventStore
from support.bot_rooms import bot_chat, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, SHARED, Conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.timeline import Message
    from support.harness import BridgeHarness, Running
    from support.person import Person
    from support.postgres import Server


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Running]:
    permissions = {DOMAIN: "member", f"@boss:{DOMAIN}": "admin"}
    with postgres.migrated() as url:
        async with named_upstream("Ada", "Bea") as upstream:
            there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
            config = harness.config(
                url, there, service=SHARED, permissions=permissions, rooms={"join_rule": "restricted"}
            )
            async with harness.bridge(config) as running:
                for name in ("Ada", "Bea"):
                    await eventually(partial(_is_linked, running, name), f"{name} is in the Space")
                yield running


async def _is_linked(running: Running, name: str) -> bool:
    return (await running.contact(name)).home.space is not None


def posted(person: Person, room_id: str, bot: str) -> list[Message]:
    """Return the events of a room."""
    return [each for each in person.room(room_id).said_by(bot) if EVENT in each.content]


async def channel(running: Running, person: Person, command: str) -> str:
    """Have *person* make a channel, and enter it; return its room id."""
    known = set(person.invites)
    desk = await bot_chat(running, person)
    assert "is ready" in (await desk.ask(command)).body
    (room_id,) = await person.wait_for(lambda: [*set(person.invites) - known])
    await person.join(room_id)
    await person.wait_for(lambda: room_id in person.rooms)
    return room_id


async def test_events_in_a_channel(harness: BridgeHarness, running: Running) -> None:
    homeserver, bot = running.homeserver, running.homeserver.namespace.bot
    async with harness.person("boss") as boss:
        news = await channel(running, boss, "channel new news")
        talk = Conversation(running, boss, news, "")
        await talk.say("!ab event research_complete {subtask: 1, sources: 12, confidence: 0.87}")
        (event,) = await boss.wait_for(lambda: posted(boss, news, bot))
        assert event.content["msgtype"] == "m.notice"
        said = event.content[EVENT]
        assert said["kind"] == "research_complete"
        assert said["by"] == boss.user_id
        assert said["data"] == {"subtask": 1, "sources": 12, "confidence": "0.87"}
        assert said["numbers"] == ["/confidence"]
        assert event.body.endswith("research_complete subtask: 1, sources: 12, confidence: 0.87")
        await boss.wait_for(lambda: [each for each in talk.from_bot if each.body.endswith("is posted.")])
        assert "The data is no object" in await talk.command("event progress {")
        assert "cannot be the kind of an event" in await talk.command("event Progress")
        # Another person forges an event; a reader does not see it.
        forged = {"msgtype": "m.notice", "body": "x", EVENT: {"kind": "result", "data": {}}}
        await boss.send(news, "m.room.message", forged)
        store = AgentEventStore(running.database)
        events = AgentEvents(homeserver, store, Roles.fixed({"*": Role.MEMBER}, homeserver.namespace), ENGLISH)
        found, _ = await events.read(news, bot)
        assert [(each.kind, dict(each.data), each.by) for each in found] == [
            ("research_complete", {"subtask": 1, "sources": 12, "confidence": 0.87}, boss.user_id)
        ]
        assert (await events.read(news, bot, kinds=["result"]))[0] == []
        # An agent posts as its ghost where it takes part, and nowhere else.
        contact = await running.contact("Ada")
        ada = Actor(homeserver.namespace.user_id(contact.agent.ghost), contact.agent.id)
        assert await events.refusal(ada, news) == EventRefused(EventProblem.NOT_THERE)
        assert "is in news" in await talk.command("channel add Ada")
        assert await events.refusal(ada, news) is None
        assert await events.refusal(Actor(f"@nobody:{DOMAIN}"), news) == EventRefused(EventProblem.NOT_THERE)
        new = NewEvent(key="k", room_id=news, actor=ada, kind="progress", data={"done": 0.5}, text="Half way.")
        for _ in range(2):
            async with running.database.transaction() as connection:
                assert await events.post(connection, new, "Ada") is None
        await boss.wait_for(lambda: posted(boss, news, ada.user_id))
        found, _ = await events.read(news, bot, limit=1)
        assert (found[0].agent, found[0].data, found[0].text) == (ada.user_id, {"done": 0.5}, "Half way.")


async def test_a_log_mirrors_turns_without_their_words(harness: BridgeHarness, running: Running) -> None:
    bot = running.homeserver.namespace.bot
    async with harness.person("boss") as boss:
        log = await channel(running, boss, "channel new log log")
        talk = Conversation(running, boss, log, "")
        assert "does not show the turns" in await talk.command("channel mirror")
        assert "shows when agents begin and end" in await talk.command("channel mirror on")
        ada = await running.join(boss, "Ada")
        await ada.say("secret words")
        await ada.wait_for_answers(1)
        await boss.wait_for(lambda: len(posted(boss, log, bot)) >= 2)
        started, ended = posted(boss, log, bot)
        assert [each.content[EVENT]["kind"] for each in (started, ended)] == ["started", "result"]
        for each in (started, ended):
            assert each.content[EVENT]["agent"] == ada.ghost
            assert each.content[EVENT]["data"]["room"] == ada.room_id
            assert "secret" not in str(each.content)
        assert ended.content[EVENT]["data"]["state"] == "done"
        assert float(ended.content[EVENT]["data"]["seconds"]) >= 0
        assert "does not show the turns of agents any more" in await talk.command("channel mirror off")
