"""The days of the month of an operator from 16 to 30."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from agent_bridge.i18n.english import ENGLISH
from support.administrators import server_administrator
from support.conditions import eventually
from support.imports import imported
from support.month_people import BOT
from support.month_steps import is_doubted, lists, trigger
from support.trigger_requests import wake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.month import Month

#: Seconds for which a process is frozen.
_FROZEN = 3.0


async def day_16(month: Month) -> None:
    """The database is restarted, and people write meanwhile."""
    room_id, ghost = await month.room("Ada"), await month.ghost("Ada")
    month.expected_errors.add("the connection that held")
    await asyncio.to_thread(month.cluster.stop)
    for text in ("no database", "still none"):
        await month.ann.person.say(room_id, text)
        month.due[room_id, ghost].append(f"Echo: {text}")
    await asyncio.to_thread(month.cluster.start)
    await month.ann.answered("Ada")


async def day_17(month: Month) -> None:
    """The process is frozen for a moment, and people write meanwhile."""
    month.processes[-1].signal(signal.SIGSTOP)
    try:
        for text in ("frozen", "still"):
            await month.bob.say("Ada", text)
        await asyncio.sleep(_FROZEN)
    finally:
        month.processes[-1].signal(signal.SIGCONT)
    await month.bob.answered("Ada")


async def day_18(month: Month) -> None:
    """An agent disappears: its room is marked, and each person is told once a day."""
    room_id, ghost = await month.ann.enter("Cleo"), await month.ghost("Cleo")
    await month.ann.ask("Cleo", "are you there?")
    month.cleo.update(month.upstream.remove("Cleo"))
    await month.state("Cleo", "gone")
    await month.ann.person.wait_for(lambda: (month.ann.person.room(room_id).name or "").endswith("(gone)"))
    before = len(month.ann.said(room_id, ghost))
    await month.ann.refused("Cleo", "hello?")
    await month.ann.refused("Cleo", "hello!")
    await month.quiet()
    (line,) = month.ann.said(room_id, ghost)[before:]
    assert "Cleo is no longer available" in line.body


async def day_19(month: Month) -> None:
    """The agent returns: everything is undone in the same room."""
    room_id = await month.room("Cleo")
    month.upstream.models.append(month.cleo)
    await month.state("Cleo", "active")
    await month.ann.person.wait_for(lambda: not (month.ann.person.room(room_id).name or "(gone)").endswith("(gone)"))
    await month.ann.ask("Cleo", "welcome back")


async def day_20(month: Month) -> None:
    """The operator retires an agent that its server lists: the Space does not list its room."""
    assert "is retired" in await month.op.tell("retire Zoe")
    await month.state("Zoe", "retired")
    await eventually(lambda: lists(month, "Abel", "Ada", "Cleo", "Dora", "Finn"), "the Space does not list it")
    await month.bob.refused("Zoe", "are you retired?")


async def day_21(month: Month) -> None:
    """The operator brings the agent back."""
    assert await month.op.tell("retire Zoe back") == "Zoe is back."
    await month.state("Zoe", "active")
    await eventually(lambda: lists(month, "Abel", "Ada", "Cleo", "Dora", "Finn", "Zoe"), "the Space lists it")
    await month.bob.ask("Zoe", "welcome back")


async def day_22(month: Month) -> None:
    """Two agents disappear at once, and the operator confirms it; later one is retired, and its room deleted."""
    room_id, alias = await month.room("Cleo"), f"#{(await month.ghost('Cleo'))[1:]}"
    key = (room_id, await month.ghost("Cleo"))
    month.upstream.models.remove(month.cleo)
    finn = month.upstream.remove("Finn")
    await eventually(lambda: is_doubted(month), "the plan tells of the doubt")
    await month.op.tell("sync all")
    for name in ("Cleo", "Finn"):
        await month.state(name, "gone")
    month.upstream.models.append(finn)
    await month.state("Finn", "active")
    for _ in range(3):
        await month.night()
    async with server_administrator(month.harness, BOT):
        assert "retire" in await month.change(retire={"after_days": 2, "delete": True})

        async def is_deleted() -> bool:
            # The client of a person may not see it: the homeserver deletes the end of the membership, too.
            joined = (await month.ann.person.ask("GET", "/joined_rooms"))["joined_rooms"]
            rows = await month.database.rows("SELECT 1 FROM room WHERE room_id = %s", (room_id,))
            return room_id not in joined and not rows and await month.homeserver.resolve_alias(alias) is None

        await eventually(is_deleted, "the room is deleted", 20)
    await month.change(retire={"after_days": None, "delete": False})
    del month.due[key]


async def day_23(month: Month) -> None:
    """The agent returns, and has a new room."""
    month.upstream.models.append(month.cleo)
    await month.state("Cleo", "active")
    await month.ann.enter("Cleo")
    await month.ann.ask("Cleo", "a new room")


async def day_24(month: Month) -> None:
    """Agents of a short life come and go all at once, and so do their rooms."""
    month.swarm.models += [{"id": f"worker-{number}", "object": "model"} for number in (1, 2)]
    rooms = [await month.bob.enter(f"worker-{number}") for number in (1, 2)]
    await month.bob.ask("worker-1", "to work")
    await month.quiet()
    keys = [(rooms[0], await month.ghost("worker-1"))]
    month.swarm.models.clear()
    for number in (1, 2):
        await month.state(f"worker-{number}", "gone")
    await month.night()
    await month.night()
    await month.change(ephemeral_after=3600)
    await month.bob.person.wait_for(lambda: {*rooms}.isdisjoint(month.bob.person.rooms))
    for key in keys:
        del month.due[key]


async def day_25(month: Month) -> None:
    """Programs wake an agent by a callback and by a signed request, also after a restart, until it is revoked."""
    op, room_id, ghost = month.op, await month.room("Ada"), await month.ghost("Ada")
    callback, signed = await trigger(month, "nightly"), await trigger(month, "ci signed")
    for secret, name, text in (
        (callback, "nightly", "once"),
        (signed, "ci", "first"),
        (signed, "ci", "second"),
    ):
        if text == "second":
            await month.restart()
        status, _ = await wake(secret, text)
        assert status == 202, text
        asks = ENGLISH.triggers.asks.format(trigger=name)
        month.due[room_id, ghost].append(f"Echo: {asks}\n\n{text}")
        await month.ann.answered("Ada")
    notices = [each.body for each in op.said(room_id) if each.body.startswith("⏰")]
    assert [each.rpartition(" ")[2] for each in notices] == ["once", "first", "second"]
    assert (await wake(callback, "twice"))[0] == 410
    await op.tell("trigger revoke ci", until="revoked")
    assert (await wake(signed, "third"))[0] in {404, 410}


async def day_26(month: Month) -> None:
    """Earlier messages with an agent are shown, once, in their order."""
    room_id = await month.op.enter("Dora")
    for expected in ("Imported 8 messages.", "Imported 0 messages. Here already: 8."):
        assert await month.op.tell("!ab import all", room_id, until=".") == expected
    shown = [each["content"]["body"] for each in await imported(month.op.person, room_id)]
    assert shown == [f"{kind} {number}" for number in range(4) for kind in ("question", "answer")]
    await month.op.ask("Dora", "and today?")


async def day_27(month: Month) -> None:
    """Ann has her conversation in a file."""
    room_id = await month.room("Cleo")
    await month.ann.ask("Cleo", "for the file")
    await month.ann.person.say(room_id, "!ab export md")

    def files() -> list[str]:
        messages = month.ann.person.room(room_id).messages.values()
        return [each.content["url"] for each in messages if each.content.get("msgtype") == "m.file"]

    await month.ann.person.wait_for(files)
    data = (await month.ann.person.download(files()[-1])).decode()
    assert "> for the file" in data
    assert "> Echo: for the file" in data


async def day_28(month: Month) -> None:
    """Somebody damages rooms by hand: the repair names each difference, and a second one finds none."""
    homeserver, room_id, space = month.homeserver, await month.room("Ada"), await month.space()
    await homeserver.set_state(room_id, "m.room.topic", {"topic": "another"})
    await homeserver.set_state(space, "m.space.child", {}, key=room_id)
    await homeserver.set_state(await month.room("Zoe"), "m.room.guest_access", {"guest_access": "can_join"})
    assert await month.op.tell("plan") == "The next pass changes nothing."
    reply = await month.op.tell("repair", until="compared.")
    lines = reply.splitlines()
    assert any("Ada" in line and "set topic, Space entry" in line for line in lines), reply
    assert any("Zoe" in line and "set access of guests" in line for line in lines), reply
    assert "There are no differences." in await month.op.tell("repair", until="compared.")
    await month.ann.ask("Ada", "all is well")


async def day_29(month: Month) -> None:
    """Bob forgets his data, and the operator erases those of Cem: what others said stays."""
    erased = [await month.tokens(each.user_id) for each in (month.bob, month.cem)]
    assert (await month.bob.tell("forget me")).startswith("Erase everything")
    await month.bob.tell("yes", until="are erased")
    code, output = await month.command("erase", month.cem.user_id, "--yes")
    assert code == 0, output
    month.erased = (sum(requests for requests, _ in erased), sum(tokens for _, tokens in erased))
    assert [await month.tokens(each.user_id) for each in (month.bob, month.cem)] == [(0, 0)] * 2
    await month.ann.ask("Ada", "do you remember?")
    told = str(month.upstream.asked[-1]["messages"])
    assert "all is well" in told
    assert "I am sorry" not in told


async def day_30(month: Month) -> None:
    """A file with a fault changes nothing; Ann leaves a room and comes back; the bridge starts a last time."""
    ann, room_id = month.ann, await month.room("Ada")
    month.spoil("permissions: nobody\n")
    assert "The configuration is not valid" in await month.op.tell("reload", until="valid")
    month.expected_errors.add("the configuration is not valid: nothing changes")
    month.write()
    await month.ann.ask("Ada", "as before")
    await ann.tell("leave Ada", until="has left")
    await ann.person.wait_for(lambda: room_id not in ann.person.rooms)
    await ann.tell("invite Ada", until="Invited")
    await ann.accept(room_id)
    await ann.ask("Ada", "the end")
    await month.restart()
    await ann.ask("Ada", "and a beginning")


LAST_DAYS: list[Callable[[Month], Awaitable[None]]] = [
    *(day_16, day_17, day_18, day_19, day_20),
    *(day_21, day_22, day_23, day_24, day_25, day_26, day_27, day_28, day_29, day_30),
]
