"""An upgrade, on a real Synapse: the bridge continues with a release's database, and with its messages in rooms."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from agent_bridge.core.ids import MARK
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.content import LIVE, message
from agent_bridge.store.turns import Turns
from support.conditions import eventually
from support.released_databases import load
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from agent_bridge.store.postgres.database import Database
    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server

FRIDA, GALA = "@agent_old_frida:test.local", "@agent_old_gala:test.local"


def key_of(event_id: str) -> str:
    """Return the key that the release gave to the turn of an event."""
    return hashlib.sha256(event_id.encode()).hexdigest()[:16]


async def show(
    homeserver: Homeserver, room_id: str, ghost: str, question: str, text: str, *, live: bool = False
) -> str:
    """Show *text* like the release: as the first part of the answer to *question*."""
    content = message(text, mark=f"{key_of(question)}.0", live=live)
    return await homeserver.send(room_id, content, txn_id=f"ab.{key_of(question)}.0", as_user=ghost)


def said(person: Person, room_id: str, ghost: str) -> list[str]:
    return [message.body for message in person.room(room_id).said_by(ghost)]


async def test_a_bridge_goes_on_with_what_a_release_left(
    harness: BridgeHarness, empty_database_url: str, postgres: Server
) -> None:
    async with ScriptedUpstream() as upstream, harness.person("alice") as alice:
        upstream.models = [{"id": f"old-{name}", "name": name.title()} for name in ("frida", "gala", "jana")]
        there = [{"name": "scripted", "url": upstream.url}]
        # The homeserver as the release left it: rooms, questions, and answers that are half done.
        names: dict[str, str] = {}
        with postgres.migrated() as elsewhere:
            async with harness.bridge(harness.config(elsewhere, there)) as running:
                for name in ("Frida", "Gala", "Jana"):
                    names[f"!{name.lower()}"] = (await running.join(alice, name)).room_id
        frida, gala, jana = (names[name] for name in ("!frida", "!gala", "!jana"))
        config = harness.config(empty_database_url, there)
        async with homeserver_session() as session:
            token = config.appservice.as_token.get_secret_value()
            homeserver = Homeserver(config.homeserver.address, token, config.namespace, session)
            for room_id, event, text in [
                (frida, "$hello", "hello"),
                (frida, "$committed", "shown and not written down"),
                (gala, "$running", "slow one"),
                (gala, "$waiting-1", "wait one"),
                (gala, "$waiting-2", "wait two"),
                (gala, "$waiting-3", "wait three"),
                (jana, "$retrying", "fail later"),
                (jana, "$behind", "behind it"),
            ]:
                names[event] = await alice.say(room_id, text)
            names["$waiting-edit"] = await alice.edit(gala, names["$waiting-2"], "wait two, please")
            await alice.redact(gala, names["$waiting-3"])
            hello, committed, begun = names["$hello"], names["$committed"], names["$running"]
            names["$hello-answer"] = await show(homeserver, frida, FRIDA, hello, "Echo: hello")
            answer = await show(homeserver, frida, FRIDA, committed, "Echo: shown and not written down")
            names["$running-answer"] = await show(homeserver, gala, GALA, begun, "half of", live=True)
        await asyncio.to_thread(load, empty_database_url, "release_0003", names)

        async with harness.bridge(config) as running:
            database = running.database

            async def closed() -> bool:
                return not await Turns(database).count_open()

            await eventually(closed, "every turn is closed", 60)
            expected = ["Echo: hello", "Echo: shown and not written down"]
            await alice.wait_for(lambda: said(alice, frida, FRIDA) == expected)
            # The homeserver has the event, which was not recorded; it was neither asked nor sent again.
            row = await database.row(
                "SELECT o.event_id FROM outbox o JOIN turn t ON t.id = o.turn WHERE t.event_id = %s", (committed,)
            )
            assert row is not None
            assert row["event_id"] == answer
            assert sorted(upstream.questions) == ["behind it", "fail later", "slow one", "wait one", "wait two, please"]
            in_order = ["Echo: slow one", "Echo: wait one", "Echo: wait two, please"]
            await alice.wait_for(lambda: said(alice, gala, GALA) == in_order)
            begun_by_the_release = alice.room(gala).messages[names["$running-answer"]]
            assert LIVE not in begun_by_the_release.content
            assert begun_by_the_release.versions[0][MARK] == f"{key_of(begun)}.0"
            # The release's answers are edited, answered again and redacted.
            await alice.react(frida, names["$hello-answer"], "🔁")
            await eventually(lambda: _asked(upstream, "hello"), "it is asked again")
            await eventually(closed, "every turn is closed", 30)
            await alice.edit(frida, hello, "good morning")
            expected[0] = "Echo: good morning"
            await alice.wait_for(lambda: said(alice, frida, FRIDA) == expected, 20)
            await alice.say(frida, "and now?")
            await alice.wait_for(lambda: said(alice, frida, FRIDA) == [*expected, "Echo: and now?"], 20)
            await eventually(closed, "every turn is closed", 30)
            await alice.redact(frida, hello)
            await eventually(lambda: _forgotten(database, "good morning"), "it is forgotten", 30)


async def _asked(upstream: ScriptedUpstream, question: str) -> bool:
    return question in upstream.questions


async def _forgotten(database: Database, text: str) -> bool:
    rows = await database.rows("SELECT payload::text || coalesce(answer, '') AS kept FROM turn")
    messages = await database.rows("SELECT content AS kept FROM message")
    return not any(text in row["kept"] for row in (*rows, *messages))
