"""Notifications, agent events and tasks in rooms of a real homeserver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.collaboration.events import AgentEvents
from agent_bridge.core.actors import Actor
from agent_bridge.core.agent_events import EVENT, NewEvent
from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.results.events import EventProblem, EventRefused
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.tasks import TASK
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.notifications import Notifications
from support.bot_rooms import BotRoom, bot_chat, bot_room, named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, Conversation

if TYPE_CHECKING:
    from agent_bridge.demo.timeline import Message
    from support.harness import Running
    from support.person import Person
    from support.shared_bridge import SharedBridge

ROOM = "!somewhere:test.local"


async def assign(running: Running, user: str, *titles: str) -> None:
    """Tell *user* of a task for each of *titles*."""
    async with running.database.transaction() as connection:
        for number, title in enumerate(titles, 1):
            values: dict[str, str | int] = {"task": number, "title": title, "by": "@boss:test.local"}
            told = Notification(user, NotificationKind.TASK_ASSIGNED, ROOM, values)
            await Notifications(running.database).add(connection, told)


def told(person: Person, room_id: str, bot: str) -> list[Message]:
    return [each for each in person.room(room_id).said_by(bot) if "📋" in each.body]


async def test_news_are_grouped_in_the_chat_with_the_bot(shared: SharedBridge) -> None:
    running, bot = shared.running, shared.running.homeserver.namespace.bot
    async with shared.harness.person() as bob:
        chat = await bot_chat(running, bob)
        assert "Notifications are on" in (await chat.ask("notify")).body
        await chat.settled()
        await assign(running, bob.user_id, "write *tests*", "run them")
        (message,) = await bob.wait_for(lambda: told(bob, chat.room_id, bot))
        assert message.content["msgtype"] == "m.text"
        assert message.content["m.mentions"] == {"user_ids": [bob.user_id]}
        assert "Task 1 is assigned to you by @boss:test.local: write *tests*" in message.body
        assert "Task 2" in message.body
        structured = message.content["org.agent_bridge.notifications"]
        assert [(each["kind"], each["room_id"], each["values"]["title"]) for each in structured] == [
            ("task_assigned", ROOM, "write *tests*"),
            ("task_assigned", ROOM, "run them"),
        ]
        assert "I do not notify you any more" in (await chat.ask("notify off")).body
        await chat.settled()
        await assign(running, bob.user_id, "not told")
        assert not await running.database.rows(
            "SELECT 1 FROM notification WHERE user_id = %s AND sent_at IS NULL", (bob.user_id,)
        )


async def test_a_person_without_a_chat_gets_one_and_agents_get_none(shared: SharedBridge) -> None:
    running, namespace = shared.running, shared.running.homeserver.namespace
    async with shared.harness.person() as bob:
        ghost = namespace.user_id(f"{namespace.username_prefix}ghost")
        await assign(running, ghost, "not for agents")
        await assign(running, bob.user_id, "first")
        (room_id,) = await bob.wait_for(lambda: [*bob.invites])
        await bob.join(room_id)
        await bob.wait_for(lambda: told(bob, room_id, namespace.bot))
        # The room is one for commands, and the next message comes there.
        await bob.say(room_id, "notify")
        await bob.wait_for(lambda: [each for each in bob.room(room_id).said_by(namespace.bot) if "are on" in each.body])
        await assign(running, bob.user_id, "second")
        await bob.wait_for(lambda: len(told(bob, room_id, namespace.bot)) == 2)
        assert not bob.invites

        async def forgotten() -> bool:
            return not await running.database.rows("SELECT 1 FROM notification WHERE user_id = %s", (ghost,))

        await eventually(forgotten, "the notification of the agent is forgotten")


def posted(person: Person, room_id: str, bot: str) -> list[Message]:
    """Return the events of a room."""
    return [each for each in person.room(room_id).said_by(bot) if EVENT in each.content]


@pytest.mark.long
async def test_events_in_a_channel(shared: SharedBridge) -> None:
    running, harness = shared.running, shared.harness
    homeserver, bot = running.homeserver, running.homeserver.namespace.bot
    async with named_upstream("Ada") as upstream, shared.talk(upstream), harness.person("admin") as boss:
        news = await (await bot_chat(running, boss)).enter_channel("channel new news")
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


@pytest.mark.long
async def test_a_log_mirrors_turns_without_their_words(shared: SharedBridge) -> None:
    running, bot = shared.running, shared.running.homeserver.namespace.bot
    async with (
        named_upstream("Bea") as upstream,
        shared.talk(upstream) as bea,
        shared.harness.person("admin") as boss,
    ):
        log = await (await bot_chat(running, boss)).enter_channel("channel new log log")
        talk = Conversation(running, boss, log, "")
        assert "does not show the turns" in await talk.command("channel mirror")
        assert "shows when agents begin and end" in await talk.command("channel mirror on")
        await bea.say("secret words")
        await bea.wait_for_answers(1)
        await boss.wait_for(lambda: len(posted(boss, log, bot)) >= 2)
        started, ended = posted(boss, log, bot)
        assert [each.content[EVENT]["kind"] for each in (started, ended)] == ["started", "result"]
        for each in (started, ended):
            assert each.content[EVENT]["agent"] == bea.ghost
            assert each.content[EVENT]["data"]["room"] == bea.room_id
            assert "secret" not in str(each.content)
        assert ended.content[EVENT]["data"]["state"] == "done"
        assert float(ended.content[EVENT]["data"]["seconds"]) >= 0
        assert "does not show the turns of agents any more" in await talk.command("channel mirror off")


def card(room: BotRoom, number: int) -> Message | None:
    """Return the card of a task, as the person sees it."""
    found = [each for each in room.said() if each.content.get(TASK, {}).get("id") == number]
    assert len(found) <= 1, "a task has one card"
    return found[0] if found else None


def task(room: BotRoom, number: int) -> dict[str, Any]:
    """Return a task as programs read it; empty without a card."""
    found = card(room, number)
    return {} if found is None else dict(found.content[TASK])


async def shows(room: BotRoom, number: int, **expected: object) -> dict[str, Any]:
    """Wait until the card of a task shows *expected*; return the task."""

    def seen() -> dict[str, Any]:
        found = task(room, number)
        return found if expected.items() <= found.items() else {}

    return await room.person.wait_for(seen)


def number_in(text: str) -> int:
    """Return the number in the answer of a command."""
    return int(next(word.rstrip(".,") for word in text.split() if word.rstrip(".,").isdecimal()))


async def say(room: BotRoom, person: Person, text: str) -> str:
    """Have *person* give a command; return the answer."""
    known = {each.event_id for each in room.said() if TASK not in each.content}
    await person.say(room.room_id, f"!ab {text}")
    found = await room.person.wait_for(
        lambda: [each for each in room.said() if TASK not in each.content and each.event_id not in known]
    )
    await room.settled()
    return found[0].body


async def test_people_work_on_tasks(shared: SharedBridge) -> None:
    async with shared.harness.person() as ann, shared.harness.person() as bob:
        room = await bot_room(shared.running, ann, invite=[shared.running.homeserver.namespace.bot, bob.user_id])
        await bob.join(room.room_id)
        await bob.wait_for(lambda: room.room_id in bob.rooms)
        assert "There are no open tasks here" in await say(room, ann, "tasks")
        number = number_in(await say(room, ann, 'task new "Write *the* report"'))
        found = await shows(room, number, state="submitted", title="Write *the* report", creator=ann.user_id)
        assert found["revision"] == 1
        shown = card(room, number)
        assert shown is not None
        assert shown.content["msgtype"] == "m.notice"
        assert f"Task {number}: Write *the* report" in shown.body
        assert f"task claim {number}" in shown.body
        # The first reaction claims it, in any tone of skin, and a second one changes nothing.
        await bob.react(room.room_id, shown.event_id, "✋🏽")
        await shows(room, number, state="working", assignee=bob.user_id)
        await ann.react(room.room_id, shown.event_id, "✋")
        assert f"is taken by {bob.user_id}" in await say(room, ann, f"task claim {number}")
        assert "40 %" in await say(room, bob, f"task progress {number} 40% half of *it*")
        await shows(room, number, progress=40, note="half of *it*")
        # A slip is no note, and nobody waits for the bot.
        for slip in ("-5%", "40.5%", "40,5% done"):
            assert "is no whole number" in await say(room, bob, f"task progress {number} {slip}")
        for nobody in (shared.running.homeserver.namespace.bot, "@"):
            assert "To whom?" in await say(room, ann, f"task assign {number} {nobody}")
        assert "belongs to" in await say(room, ann, f"task fail {number}")
        first = number_in((await say(room, ann, f"task split {number} tables | figures")).partition("subtasks")[2])
        await shows(room, first, parent=number, title="tables")
        found = await shows(room, number, progress=0)
        assert [(each["id"], each["title"]) for each in found["subtasks"]] == [
            (first, "tables"),
            (first + 1, "figures"),
        ]
        assert "assigned to" in await say(room, bob, f"task assign {first} {ann.user_id}")
        assert f"Task {first} is done" in await say(room, ann, f"task done {first} see the file")
        await shows(room, number, progress=50)
        assert "subtasks that are open" in await say(room, bob, f"task done {number}")
        listed = await say(room, ann, "tasks")
        assert f"{number} Write *the* report" in listed
        assert f"{first} tables" not in listed
        assert f"{first} tables" in await say(room, ann, "tasks all")
        # A reply to the card needs no number.
        await ann.reply(room.room_id, shown.event_id, "!ab task cancel")
        await ann.wait_for(lambda: any(each.body == f"Task {number} is canceled." for each in room.said()))
        await shows(room, number, state="canceled")
        await shows(room, first + 1, state="canceled")
        assert task(room, first)["state"] == "completed"
        assert "is canceled, so this is not possible" in await say(room, bob, f"task claim {number}")
        assert "There is no task 99999" in await say(room, bob, "task claim 99999")
        assert "Which task?" in await say(room, bob, "task claim")
        # Others know nothing of the tasks of the room.
        async with shared.harness.person() as eve:
            other = await bot_room(shared.running, eve)
            assert "none of yours" in await say(other, eve, f"task claim {first}")
            assert "No open task is assigned to you" in await say(other, eve, "tasks")
