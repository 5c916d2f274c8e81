"""Garbage in one value of the tables at a time: the bridge starts, and another agent answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from crash.cases import short_form
from support.conditions import eventually
from support.harness import Conversation
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from support.harness import BridgeHarness, Running

#: By table and column: a value that no program writes. The rows are those of the first agent, where the table has any.
_GARBAGE = {
    "agent.state": "'garbage'",
    "agent.settings": """'{"unknown": [1]}'""",
    "agent.settings#text": """'"garbage"'""",
    "agent.kind": "'garbage'",
    "room.kind": "'garbage'",
    "room.announced_state": "'garbage'",
    "room.when_busy": "'garbage'",
    "room.streaming": "'garbage'",
    "room.problems": "'{garbage}'",
    "room.space": "'garbage'",
    "room.join_rule_applied": "'garbage'",
    "participant.state": "'garbage'",
    "turn.payload": """'"garbage"'""",
    "turn.payload#object": """'{"v": 1, "garbage": 1}'""",
    "turn.extras": """'{"notice": 7, "files": [1]}'""",
    "turn.steps": """'[1, {"what": 2}]'""",
    "turn.stop": "'garbage'",
    "turn.reason": "'garbage'",
    "role_book.permissions": """'{"garbage": 1}'""",
    "role_book.permissions#list": """'[7, "garbage"]'""",
    "role_book.assigned": """'["garbage"]'""",
    "role_book.assigned#object": """'{"@bob:x": ["member", "@garbage:x"]}'""",
    "kv.value": """'["garbage", 7]'""",
    "kv.value#object": """'{"garbage": [{}]}'""",
    "kv.value#number": "'-1.5'",
}
_WHERE = {
    "agent": "id = %(agent)s",
    "room": "owner = %(agent)s AND kind = 'home'",
    "participant": "agent = %(agent)s",
    "turn": "conversation IN (SELECT id FROM conversation WHERE agent = %(agent)s)",
    "role_book": "true",
    # The version of the queue's tables is compared before anything else.
    "kv": "key <> 'procrastinate_migration'",
}
_QUICK = {"turn.payload"}


@pytest.mark.parametrize("column", short_form(_GARBAGE, _QUICK))
async def test_another_agent_answers(harness: BridgeHarness, database_url: str, column: str) -> None:
    async with ScriptedUpstream("Ada", "Bea") as upstream, harness.person() as person:
        config = harness.config(database_url, [{"name": "u", "url": upstream.url}], space={})
        async with harness.bridge(config) as running:
            ada, bea = [await running.join(person, name) for name in upstream.names]
            await ada.say("first")
            await ada.wait_for_answers(1)
            agent = (await running.contact(upstream.names[0])).agent.id
        # Of the turn that is damaged nothing was answered yet.
        await ada.say("waits")
        async with harness.bridge(config) as running:
            await eventually(lambda: _has_turns(running, 2), "the message is stored")
            await Conversation(running, person, ada.room_id, ada.ghost).wait_until_idle()
            table, _, name = column.partition(".")
            await running.database.execute(
                sql.SQL("UPDATE {} SET {} = {}{} WHERE {}").format(  # type: ignore[arg-type]  # composed of constants
                    sql.Identifier(table),
                    sql.Identifier(name.partition("#")[0]),
                    sql.SQL(_GARBAGE[column]),
                    sql.SQL(", state = 'queued', attempts = 0, finished_at = NULL" if table == "turn" else ""),
                    sql.SQL(_WHERE[table]),
                ),
                {"agent": agent},
            )
        async with harness.bridge(config) as running:
            other = Conversation(running, person, bea.room_id, bea.ghost)
            await other.say("are you there?")
            await person.wait_for(lambda: [each.body for each in other.answers] == ["Echo: are you there?"])
            if column.startswith("turn.payload"):
                told = Conversation(running, person, ada.room_id, ada.ghost)
                await person.wait_for(lambda: any("internal error" in each.body for each in _notices(told)))
                await told.wait_until_idle()
            assert not running.task.done()


def _notices(talk: Conversation) -> list[Any]:
    return [*talk.answers, *talk.from_bot]


async def _has_turns(running: Running, number: int) -> bool:
    return len(await running.database.rows("SELECT 1 FROM turn")) >= number
