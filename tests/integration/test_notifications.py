"""Notifications in the chat of a person with the bot, on a real homeserver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.store.notifications import Notifications
from support.bot_rooms import bot_chat
from support.conditions import eventually

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
