"""The days of the month of an operator from 1 to 15."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverRefused
from support.conditions import eventually
from support.month_steps import half_answered, lists, synced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.month import Month


async def day_1(month: Month) -> None:
    """The bridge starts: people get one invitation, enter the rooms from the Space, and ask."""
    await month.start()
    space = await month.space()
    for name in ("Ada", "Bea", "Cleo", "Dora"):
        await month.contact(name)
    for user in (month.ann, month.bob):
        await user.accept(space)
        await user.begin()
        assert {*user.person.invites} == set()
        await user.enter("Ada")
    await month.op.begin()
    await month.op.tell("invite *", until="invited to the Space")
    await month.op.accept(space)
    await month.ann.ask("Ada", "day 1")
    await month.bob.ask("Ada", "and me")


async def day_2(month: Month) -> None:
    """A new agent is seen at once by the webhook, and stands in its place in the Space."""
    month.upstream.add("Abel")
    await synced(month)
    await month.ann.enter("Abel")
    await month.ann.ask("Abel", "day 2")
    await eventually(lambda: lists(month, "Abel", "Ada", "Bea", "Cleo", "Dora"), "the Space lists it")


async def day_3(month: Month) -> None:
    """An agent gets another name: room, member and Space follow, and the conversation goes on."""
    room_id = await month.bob.enter("Bea")
    await month.bob.ask("Bea", "before")
    next(each for each in month.upstream.models if each["name"] == "Bea")["name"] = "Zoe"
    await month.bob.person.wait_for(lambda: (month.bob.person.room(room_id).name or "").startswith("Zoe"))
    assert await month.room("Zoe") == room_id
    await month.bob.ask("Zoe", "after")
    await eventually(lambda: lists(month, "Abel", "Ada", "Cleo", "Dora", "Zoe"), "the Space follows")


async def day_4(month: Month) -> None:
    """Bob becomes a moderator by a command, and pins a message."""
    bob = month.bob
    assert "is not" not in await month.op.tell(f"role {bob.user_id} moderator", until="is a moderator")
    room_id = await month.room("Ada")
    event_id = await bob.say("Ada", "pin me")
    await bob.answered("Ada")
    before = len(bob.said(room_id))
    await bob.person.reply(room_id, event_id, "!ab pin")
    await bob.person.wait_for(lambda: [each.body for each in bob.said(room_id)[before:]] == ["Pinned."])
    assert bob.person.room(room_id).state["m.room.pinned_events", ""]["pinned"] == [event_id]


async def day_5(month: Month) -> None:
    """The operator invites Cem everywhere: one invitation, and the rooms are open from the Space."""
    cem = month.cem
    reply = await month.op.tell(f"invite * {cem.user_id}", until="invited to the Space")
    assert "can be entered from the Space" in reply
    await cem.accept(await month.space())
    assert [*cem.person.invites] == []
    await cem.begin()
    await cem.enter("Ada")
    await cem.ask("Ada", "I am new")


async def day_6(month: Month) -> None:
    """Bob mutes Cem in a room for a time: he cannot write there, and the others are answered."""
    room_id = await month.room("Ada")
    assert "is muted here" in await month.bob.tell(f"!ab mute {month.cem.user_id} 30 min", room_id)

    async def is_refused() -> bool:
        try:
            await month.cem.person.say(room_id, "unheard")
        except HomeserverRefused:
            return True
        return False

    await eventually(is_refused, "Cem cannot write")
    await month.ann.ask("Ada", "I can")
    assert "is not muted" in await month.bob.tell(f"!ab unmute {month.cem.user_id}", room_id)

    async def may_write() -> bool:
        return await month.power("Ada", month.cem.user_id) == 0

    # Of two changes of state at once, a client may keep the former one.
    await eventually(may_write, "Cem may write")
    await month.cem.ask("Ada", "so can I")


async def day_7(month: Month) -> None:
    """The bridge is stopped in order, people write meanwhile, and it starts again."""
    (process,) = month.processes
    assert await process.stop() == 0
    for text in ("one", "two", "three"):
        await month.ann.say("Ada", text)
    await month.bob.say("Zoe", "four")
    await month.start()
    await month.ann.answered("Ada")
    await month.bob.answered("Zoe")


async def day_8(month: Month) -> None:
    """Cem is removed from a room: `invite *` leaves it out, and an invitation into the room lets him in."""
    room_id = await month.op.enter("Ada")
    cem = month.cem
    assert "is out of this room" in await month.op.tell(f"!ab kick {cem.user_id} off topic", room_id)
    await cem.person.wait_for(lambda: room_id not in cem.person.rooms)
    reply = await month.op.tell(f"invite * {cem.user_id}", until="already in the Space")
    assert "1 room left out, because the user was removed there" in reply
    await month.op.tell(f"!ab invite {cem.user_id}", room_id, until="Invited")
    await cem.accept(room_id)
    await cem.ask("Ada", "I am sorry")


async def day_9(month: Month) -> None:
    """The file takes Cem's role away: he is out of all rooms, and gets one line."""
    cem, room_id = month.cem, await month.room("Ada")
    before = len(cem.said(cem.desk))
    permissions = month.sections["permissions"] | {cem.user_id: "none"}
    assert "permissions" in await month.change(permissions=permissions)
    await cem.person.wait_for(lambda: {room_id}.isdisjoint(cem.person.rooms))
    await cem.person.wait_for(lambda: cem.said(cem.desk)[before:])
    (line,) = cem.said(cem.desk)[before:]
    assert line.body.startswith("You no longer have access")
    await month.ann.ask("Ada", "we are two")


async def day_10(month: Month) -> None:
    """Cem gets a role by a command, which has priority over the file, and comes back."""
    cem = month.cem
    assert "is a member" in await month.op.tell(f"role {cem.user_id} member")
    await month.op.tell(f"invite * {cem.user_id}", until="invited to the Space")
    await cem.accept(await month.space())
    await cem.enter("Ada")
    await cem.ask("Ada", "here again")


async def day_11(month: Month) -> None:
    """A quota is exhausted: one line tells Ann, further messages get a mark, and Bob is answered."""
    _, tokens = await month.tokens(month.ann.user_id)
    assert tokens
    await month.ann.ask("Ada", "within the quota")
    await month.change(quotas=[{"per": "user", "match": month.ann.user_id, "tokens_per_day": 1}])
    room_id, ghost = await month.room("Ada"), await month.ghost("Ada")
    before = len(month.ann.said(room_id, ghost))
    for text in ("beyond", "far beyond"):
        await month.ann.refused("Ada", text)
    await month.quiet()
    (line,) = month.ann.said(room_id, ghost)[before:]
    assert line.body.startswith("⚠️ You have used your 1 token for today. Try again ")
    await month.bob.ask("Ada", "I have tokens")
    assert "1 request" in await month.ann.tell("usage")


async def day_12(month: Month) -> None:
    """On the next day Ann is answered; the quota is taken back."""
    await month.ann.ask("Ada", "a new day")
    await month.ann.refused("Ada", "and over")
    assert "quotas" in await month.change(quotas=[])
    await month.ann.ask("Ada", "no quota")


async def day_13(month: Month) -> None:
    """The bridge is killed in the middle of an answer, which goes on."""
    gate = await half_answered(month, "in the mid", "dle")
    await month.processes[-1].kill()
    gate.set()
    await month.bob.say("Ada", "while it is dead")
    await month.start()
    await month.ann.answered("Ada")


async def day_14(month: Month) -> None:
    """A second process starts, the first one is killed, and the second one goes on; then the first one is back."""
    first = month.processes[-1]
    second = await month.start(1)
    await month.ann.ask("Ada", "two of them")
    await first.kill()
    await month.ann.ask("Ada", "the second one")
    await second.wait_for("this process leads")
    month.upstream.add("Finn")
    await synced(month)
    await month.bob.enter("Finn")
    await month.bob.ask("Finn", "made by the second one")
    await month.start()
    assert await second.stop() == 0
    await month.ann.ask("Ada", "the first one")


async def day_15(month: Month) -> None:
    """The homeserver is restarted while an agent answers."""
    gate = await half_answered(month, "before the re", "start")
    await month.harness.synapse.stop()
    gate.set()
    await month.harness.synapse.start()
    await month.ann.answered("Ada")
    await month.bob.ask("Ada", "after it")


FIRST_DAYS: list[Callable[[Month], Awaitable[None]]] = [
    *(day_1, day_2, day_3, day_4, day_5, day_6, day_7, day_8, day_9, day_10),
    *(day_11, day_12, day_13, day_14, day_15),
]
