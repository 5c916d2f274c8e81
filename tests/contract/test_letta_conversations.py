"""The kind ``letta``: conversations that are stuck, lost or copied, with a server that fails like an App Server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import StoreError, UpstreamBusy
from agent_bridge.upstream.answer import (
    TextWithdrawn,
)
from support.conditions import eventually
from support.letta_questions import BASH, NEXT, QUESTION, at_text, connected
from support.questions import read
from support.scripted_upstream import says, waits_for

if TYPE_CHECKING:
    from agent_bridge.upstream.letta.upstream import LettaUpstream
    from support.app_server_talks import Talk
    from support.letta_questions import Store
    from support.scripted_app_server import ScriptedAppServer


async def test_a_turn_of_the_past_that_waits_for_an_approval_does_not_silence_the_agent(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    [talk] = app_server.talks.values()
    app_server.guarded = {"Bash"}
    app_server.scripts.append(says(BASH, "Done"))
    app_server.begin(talk, "a question whose end the bridge did not see")
    await eventually(lambda: _waits(talk), "the tool waits for a decision")
    text, _ = await read(letta_upstream, NEXT)
    assert text == "Echo: hello"


async def _waits(talk: Talk) -> bool:
    return bool(talk.pending)


def _call(call_id: str) -> dict[str, object]:
    return {"id": f"ui-{call_id}", "message_type": "approval_request_message", "tool_call": {"tool_call_id": call_id}}


def _result(call_id: str) -> dict[str, object]:
    return {"id": f"ui-{call_id}-result", "message_type": "tool_return_message", "tool_call_id": call_id}


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        pytest.param([_call("a")], [], marks=pytest.mark.long),
        ([_call("a"), _result("a"), _call("b")], ["ui-a", "ui-a-result"]),
        pytest.param([_call("a"), _call("b"), _result("a")], [], marks=pytest.mark.long),
    ],
)
async def test_a_conversation_whose_server_was_killed_during_a_tool_call_is_copied_without_the_call(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream, left: list[dict[str, object]], kept: list[str]
) -> None:
    await read(letta_upstream, QUESTION)
    [old] = app_server.talks.values()
    whole = len(old.messages)
    old.messages += left
    text, events = await read(letta_upstream, NEXT)
    assert text == "Echo: hello"
    assert not any(isinstance(each, TextWithdrawn) for each in events)
    [copy] = [each for each in app_server.talks.values() if each is not old]
    assert [str(each["id"]).removeprefix("copy-") for each in copy.messages[whole:-2]] == kept
    assert (copy.summary, copy.archived, old.archived) == ("A title", False, True)


async def test_a_stuck_conversation_is_copied_silently(
    app_server: ScriptedAppServer, letta_store: Store, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    [old] = app_server.talks.values()
    old.stuck = "local-run-9"
    text, events = await read(letta_upstream, NEXT)
    assert text == "Echo: hello"
    assert not [each for each in events if isinstance(each, TextWithdrawn)]
    new = list(app_server.talks.values())[-1]
    assert [each["id"] for each in new.messages[:2]] == [f"copy-{each['id']}" for each in old.messages]
    found = await letta_store.get("Dora", "!room:x")
    assert found is not None
    assert (found.ref, found.marker) == (new.id, "")


async def test_a_conversation_that_the_server_lost_begins_again(
    app_server: ScriptedAppServer, letta_store: Store, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    [lost] = app_server.talks
    app_server.talks.clear()
    app_server.cut()
    text, _ = await read(letta_upstream, replace(QUESTION, idempotency_key="next", attempt=2))
    assert text == "Echo: hello"
    [(new, talk)] = app_server.talks.items()
    assert new != lost
    assert talk.summary == "A title"
    found = await letta_store.get("Dora", "!room:x")
    assert found is not None
    assert (found.ref, found.marker) == (new, "")


@pytest.mark.long
async def test_a_server_that_accepts_no_message_gets_one_copy(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    app_server.refuses = True
    with pytest.raises(UpstreamBusy) as caught:
        await read(letta_upstream, NEXT)
    assert "rejected by the queue" in str(caught.value.detail)
    assert caught.value.not_begun
    assert len(app_server.talks) == 2


async def test_a_copy_of_a_copy_archives_both_originals(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream
) -> None:
    await read(letta_upstream, QUESTION)
    [first] = app_server.talks.values()
    first.stuck = "local-run-9"
    app_server.refused_archives = 1
    app_server.scripts.extend([waits_for(asyncio.Event(), "Half"), says("Whole")])
    text, _ = await read(letta_upstream, NEXT, at_text(app_server.cut))
    assert text == "Whole"
    assert [each.summary for each in app_server.talks.values() if not each.archived] == ["A title"]
    assert len(app_server.talks) == 3


@pytest.mark.parametrize("fails_at", [1, 2, 3])
async def test_a_kill_between_the_steps_of_a_copy_leaves_one_conversation(
    app_server: ScriptedAppServer, letta_store: Store, fails_at: int
) -> None:
    async with connected(app_server, letta_store) as upstream:
        await read(upstream, QUESTION)
        next(iter(app_server.talks.values())).stuck = "local-run-9"
        letta_store.writes, letta_store.fails_at = 0, fails_at
        with pytest.raises(StoreError):
            await read(upstream, NEXT)
    async with connected(app_server, letta_store) as upstream:
        text, _ = await read(upstream, replace(QUESTION, idempotency_key="next", attempt=2))
    assert text == "Echo: hello"
    assert [each.summary for each in app_server.talks.values() if not each.archived] == ["A title"]
    assert len(app_server.talks) == 2


@pytest.mark.parametrize("command", ["conversation_create", "conversation_update"])
async def test_a_lost_response_makes_no_second_conversation(
    app_server: ScriptedAppServer, letta_upstream: LettaUpstream, command: str
) -> None:
    app_server.cut_at.add(command)
    text, _ = await read(letta_upstream, QUESTION)
    assert text == "Echo: hello"
    assert [(each.summary, each.archived) for each in app_server.talks.values()] == [("A title", False)]
