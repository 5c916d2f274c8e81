"""The kind ``letta``: losses of connections, conversations and agents, with a server that fails like an App Server."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest
from structlog.testing import capture_logs

from agent_bridge.config.model import UpstreamConfig
from agent_bridge.core.errors import AnswerInterrupted, StoreError, UpstreamBusy, UpstreamError, UpstreamProtocolError
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.upstream.answer import (
    AnswerRequest,
    ApprovalAsked,
    ApprovalClosed,
    End,
    TextDelta,
    TextWithdrawn,
    ToolResult,
)
from agent_bridge.upstream.base import UNCHANGED
from agent_bridge.upstream.capabilities import Decision
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.letta.frames import Runtime
from agent_bridge.upstream.letta.upstream import LettaUpstream
from support.conditions import eventually
from support.scripted_app_server import ScriptedAppServer
from support.scripted_upstream import Tool, says, waits_for
from support.severable_proxy import Line
from support.upstream_kinds import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.core.upstreams import StoredConversation
    from agent_bridge.upstream.answer import AnswerEvent
    from support.app_server_talks import Talk
    from support.scripted_upstream import Script

QUESTION = AnswerRequest("Dora", (ChatMessage("user", "hello"),), "!room:x", "key", title="A title")
BASH = Tool("Bash", call_id="call_1")
END_EVENT = "connection to the App Server ended"


class Store(MemoryConversations):
    """Fails at the write with the number :attr:`fails_at`, like a process that is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.fails_at = 0

    async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
        self.writes += 1
        if self.writes == self.fails_at:
            raise StoreError("killed")
        await super().put(model, session, conversation)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedAppServer]:
    async with ScriptedAppServer() as running:
        running.models = [{"id": "Dora"}]
        yield running


@pytest.fixture
def store() -> Store:
    return Store()


@asynccontextmanager
async def connected(
    server: ScriptedAppServer, store: Store, *, port: int = 0, heartbeat: float = 20
) -> AsyncIterator[LettaUpstream]:
    """Connect to *server*, through the *port* of a line if there is one."""
    url = f"http://127.0.0.1:{port}" if port else server.url
    config = UpstreamConfig.model_validate({"name": "up", "kind": "letta", "url": url})
    async with (
        aiohttp.ClientSession() as session,
        aclosing(LettaUpstream(config, session, store, heartbeat=heartbeat)) as upstream,
    ):
        yield upstream


@pytest.fixture
async def upstream(server: ScriptedAppServer, store: Store) -> AsyncIterator[LettaUpstream]:
    async with connected(server, store) as found:
        yield found


async def read(
    upstream: LettaUpstream,
    request: AnswerRequest = QUESTION,
    on: Callable[[AnswerEvent], object] = lambda _event: None,
) -> tuple[str, list[AnswerEvent]]:
    """Return the text of the answer, and its events; call *on* with each event as it arrives."""
    events: list[AnswerEvent] = []
    text = ""
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(request)) as answer:
        async for event in answer:
            events.append(event)
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, TextWithdrawn):
                text = ""
            on(event)
    assert isinstance(events[-1], End)
    return text, events


def at_text(act: Callable[[], object]) -> Callable[[AnswerEvent], None]:
    """Return a callback that acts once, at the first text."""
    done: list[bool] = []

    def on(event: AnswerEvent) -> None:
        if isinstance(event, TextDelta) and not done:
            done.append(True)
            act()

    return on


def waiting(gate: asyncio.Event, *pieces: str | Tool) -> Script:
    return waits_for(gate, *pieces)


async def test_conversations_are_followed_on_both_connections(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    await read(upstream)
    [talk] = server.talks.values()
    assert len(talk.followers) == 2
    assert (talk.summary, talk.archived) == ("A title", False)
    await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert list(server.talks.values()) == [talk]


async def test_an_answer_survives_the_end_of_one_connection(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    gate = asyncio.Event()
    server.script = waiting(gate, "Half", " whole")

    def end_one() -> None:
        server.cut_one()
        asyncio.get_running_loop().call_later(0.2, gate.set)

    text, events = await read(upstream, on=at_text(end_one))
    assert text == "Half whole"
    assert not [each for each in events if isinstance(each, TextWithdrawn)]
    assert len(server.questions) == 1

    async def two() -> bool:
        return len(server.sockets) == 2

    await eventually(two, "there are two connections again")


async def test_a_question_is_asked_again_in_a_copy_without_it(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    await read(upstream)
    server.scripts.extend([waiting(asyncio.Event(), "Half"), says("Whole")])
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next"), at_text(server.cut))
    assert text == "Whole"
    old, new = server.talks.values()
    assert (old.archived, new.archived, new.summary) == (True, False, "A title")
    asked = [each["otid"] for each in new.messages if each["message_type"] == "user_message"]
    assert len(asked) == len(set(asked)) == 2
    assert asked[-1] != old.messages[-2]["otid"]


async def test_a_question_is_not_asked_again_after_a_tool(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    server.script = waiting(asyncio.Event(), BASH)
    shown: list[AnswerEvent] = []

    def on(event: AnswerEvent) -> None:
        shown.append(event)
        if isinstance(event, ToolResult) and len(shown) < 4:
            server.cut()

    with pytest.raises(AnswerInterrupted, match="after the agent had used a tool"):
        await read(upstream, on=on)
    assert len(server.questions) == 1
    # The next question does not wait until the server refuses it.
    assert [talk.archived for talk in server.talks.values()] == [True, False]
    server.script = says("Next")
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert text == "Next"
    assert len(server.talks) == 2


async def test_a_call_that_nobody_allowed_does_not_count(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    server.guarded.add("Bash")
    server.scripts.extend([says(BASH, "Never"), says("Whole")])
    calls: list[str] = []

    def on(event: AnswerEvent) -> None:
        if isinstance(event, ApprovalAsked):
            calls.append(event.request.call.call_id)
            server.cut()

    with pytest.raises(AnswerInterrupted):
        await read(upstream, on=on)
    text, _ = await read(upstream, replace(QUESTION, attempt=2, never_ran=frozenset(calls)))
    assert text == "Whole"


async def test_a_turn_of_the_past_that_waits_for_an_approval_does_not_silence_the_agent(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    await read(upstream)
    [talk] = server.talks.values()
    server.guarded = {"Bash"}
    server.scripts.append(says(BASH, "Done"))
    server.begin(talk, "a question whose end the bridge did not see")
    await eventually(lambda: _waits(talk), "the tool waits for a decision")
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next"))
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
        ([_call("a")], []),
        ([_call("a"), _result("a"), _call("b")], ["ui-a", "ui-a-result"]),
        ([_call("a"), _call("b"), _result("a")], []),
    ],
)
async def test_a_conversation_whose_server_was_killed_during_a_tool_call_is_copied_without_the_call(
    server: ScriptedAppServer, upstream: LettaUpstream, left: list[dict[str, object]], kept: list[str]
) -> None:
    await read(upstream)
    [old] = server.talks.values()
    whole = len(old.messages)
    old.messages += left
    text, events = await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert text == "Echo: hello"
    assert not any(isinstance(each, TextWithdrawn) for each in events)
    [copy] = [each for each in server.talks.values() if each is not old]
    assert [str(each["id"]).removeprefix("copy-") for each in copy.messages[whole:-2]] == kept
    assert (copy.summary, copy.archived, old.archived) == ("A title", False, True)


async def test_a_stuck_conversation_is_copied_silently(
    server: ScriptedAppServer, store: Store, upstream: LettaUpstream
) -> None:
    await read(upstream)
    [old] = server.talks.values()
    old.stuck = "local-run-9"
    text, events = await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert text == "Echo: hello"
    assert not [each for each in events if isinstance(each, TextWithdrawn)]
    new = list(server.talks.values())[-1]
    assert [each["id"] for each in new.messages[:2]] == [f"copy-{each['id']}" for each in old.messages]
    found = await store.get("Dora", "!room:x")
    assert found is not None
    assert (found.ref, found.marker) == (new.id, "")


async def test_a_turn_of_another_client_does_not_answer_the_question(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    await read(upstream)
    [talk] = server.talks.values()
    gate = asyncio.Event()
    server.scripts.extend([waiting(gate, "For another", " client"), says("For us")])
    server.begin(talk, "a question of another client")
    asyncio.get_running_loop().call_later(0.3, gate.set)
    # The second attempt attends the turn that goes on, and finds no question of its own.
    for attempt in (1, 2):
        question = replace(QUESTION, idempotency_key=f"next {attempt}", attempt=attempt)
        text, events = await read(upstream, question)
        assert text == "For us"
        assert not any(isinstance(each, TextWithdrawn) for each in events)
        gate.clear()
        server.scripts.extend([waiting(gate, "For another", " client"), says("For us")])
        server.begin(talk, "a further question of another client")
        asyncio.get_running_loop().call_later(0.3, gate.set)
    gate.set()


async def test_a_call_that_this_attempt_asked_about_may_have_run(server: ScriptedAppServer, store: Store) -> None:
    server.guarded.add("Bash")
    server.script = waiting(asyncio.Event(), BASH)
    asked = asyncio.Event()
    async with connected(server, store) as killed:
        first = asyncio.create_task(
            read(killed, on=lambda each: asked.set() if isinstance(each, ApprovalAsked) else None)
        )
        await asked.wait()
        async with connected(server, store) as upstream:
            deciding: list[asyncio.Task[None]] = []

            def on(event: AnswerEvent) -> None:
                if isinstance(event, ApprovalAsked):
                    allow = upstream._approvals.decide(event.request.ref, Decision(allow=True))
                    deciding.append(asyncio.create_task(allow))
                elif isinstance(event, ApprovalClosed):
                    server.cut()

            question = replace(QUESTION, attempt=2, never_ran=frozenset({"call_1"}))
            with pytest.raises(AnswerInterrupted, match="after the agent had used a tool"):
                await read(upstream, question, on)
        first.cancel()
        await asyncio.wait([first])
    assert len(server.questions) == 1


async def test_a_late_stop_ends_no_later_turn(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    gate = asyncio.Event()
    server.scripts.extend([waiting(asyncio.Event(), "Half"), waiting(gate, "Of another", " client")])
    answer = upstream.answer(QUESTION)
    async for event in answer:
        if isinstance(event, TextDelta):
            break
    [talk] = server.talks.values()
    assert talk.task is not None
    talk.task.cancel()
    await asyncio.wait([talk.task])
    await server.finish(talk, "cancelled")
    server.begin(talk, "a question of another client")
    await eventually(lambda: _runs(server, 2), "the other turn has begun")
    await answer.aclose()
    assert talk.is_running
    gate.set()


async def _runs(server: ScriptedAppServer, number: int) -> bool:
    return len(server.questions) == number


async def test_a_conversation_that_the_server_lost_begins_again(
    server: ScriptedAppServer, store: Store, upstream: LettaUpstream
) -> None:
    await read(upstream)
    [lost] = server.talks
    server.talks.clear()
    server.cut()
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next", attempt=2))
    assert text == "Echo: hello"
    [(new, talk)] = server.talks.items()
    assert new != lost
    assert talk.summary == "A title"
    found = await store.get("Dora", "!room:x")
    assert found is not None
    assert (found.ref, found.marker) == (new, "")


async def test_a_server_that_accepts_no_message_gets_one_copy(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    await read(upstream)
    server.refuses = True
    with pytest.raises(UpstreamBusy) as caught:
        await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert "rejected by the queue" in str(caught.value.detail)
    assert caught.value.not_begun
    assert len(server.talks) == 2


async def test_a_copy_of_a_copy_archives_both_originals(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    await read(upstream)
    [first] = server.talks.values()
    first.stuck = "local-run-9"
    server.refused_archives = 1
    server.scripts.extend([waiting(asyncio.Event(), "Half"), says("Whole")])
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next"), at_text(server.cut))
    assert text == "Whole"
    assert [each.summary for each in server.talks.values() if not each.archived] == ["A title"]
    assert len(server.talks) == 3


@pytest.mark.parametrize("fails_at", [1, 2, 3])
async def test_a_kill_between_the_steps_of_a_copy_leaves_one_conversation(
    server: ScriptedAppServer, store: Store, fails_at: int
) -> None:
    async with connected(server, store) as upstream:
        await read(upstream)
        next(iter(server.talks.values())).stuck = "local-run-9"
        store.writes, store.fails_at = 0, fails_at
        with pytest.raises(StoreError):
            await read(upstream, replace(QUESTION, idempotency_key="next"))
    async with connected(server, store) as upstream:
        text, _ = await read(upstream, replace(QUESTION, idempotency_key="next", attempt=2))
    assert text == "Echo: hello"
    assert [each.summary for each in server.talks.values() if not each.archived] == ["A title"]
    assert len(server.talks) == 2


@pytest.mark.parametrize("command", ["conversation_create", "conversation_update"])
async def test_a_lost_response_makes_no_second_conversation(
    server: ScriptedAppServer, upstream: LettaUpstream, command: str
) -> None:
    server.cut_at.add(command)
    text, _ = await read(upstream)
    assert text == "Echo: hello"
    assert [(each.summary, each.archived) for each in server.talks.values()] == [("A title", False)]


@pytest.mark.parametrize(
    ("lose", "reason"),
    [
        (lambda line, _server: line.reset(), "reset"),
        (lambda _line, server: server.say_goodbye(), "the server closed it"),
    ],
    ids=["reset", "goodbye"],
)
async def test_the_end_of_all_connections_is_named(
    server: ScriptedAppServer, store: Store, lose: Callable[[Line, ScriptedAppServer], None], reason: str
) -> None:
    server.scripts.extend([waiting(asyncio.Event(), "Half"), says("Whole")])
    async with Line(int(server.url.rpartition(":")[2])) as line, connected(server, store, port=line.port) as upstream:
        with capture_logs() as logs:
            text, _ = await read(upstream, on=at_text(lambda: lose(line, server)))
    assert text == "Whole"
    assert [each["reason"] for each in logs if each["event"] == END_EVENT] == [reason] * 2


async def test_half_open_connections_are_noticed_and_the_answer_goes_on(
    server: ScriptedAppServer, store: Store
) -> None:
    gate = asyncio.Event()
    server.script = waiting(gate, "Half", " whole")
    async with (
        Line(int(server.url.rpartition(":")[2])) as line,
        connected(server, store, port=line.port, heartbeat=0.4) as upstream,
    ):
        with capture_logs() as logs:
            answer = asyncio.create_task(read(upstream, on=at_text(line.silence)))

            async def followed_again() -> bool:
                return any(len(talk.followers) > 2 for talk in server.talks.values())

            await eventually(followed_again, "a further connection follows the conversation")
            gate.set()
            text, _ = await answer
    assert text == "Half whole"
    assert len(server.questions) == 1
    assert {each["reason"] for each in logs if each["event"] == END_EVENT} == {"half-open: no response to a ping"}


async def test_another_version_of_the_server_is_named(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    await upstream.agents()
    server.version = "0.1"
    with capture_logs() as logs:
        server.cut()
        await read(upstream)
    [found] = [each for each in logs if each["event"] == "the App Server has another version"]
    assert (found["before"], found["now"]) == ("0.0", "0.1")


async def test_a_lost_question_is_sent_again(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    server.cut_at.add("input")
    text, _ = await read(upstream)
    assert text == "Echo: hello"
    assert len(server.questions) == 1


async def test_an_answer_that_another_process_kept_alive_is_adopted(server: ScriptedAppServer, store: Store) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()
    server.script = waiting(gate, "Half", " whole")
    async with connected(server, store) as other, connected(server, store) as upstream:
        first = asyncio.create_task(read(upstream, on=at_text(begun.set)))
        await begun.wait()
        [talk] = server.talks.values()
        with other._link.feed(Runtime("Dora", talk.id), {}, None) as feed:
            await other._link.follow(feed, state=True)
        # The first process dies, without a goodbye to the turn; the second one takes the turn up.
        upstream._link.request = _never  # type: ignore[method-assign]
        await upstream._link.aclose()
        first.cancel()
        await asyncio.wait([first])
        asyncio.get_running_loop().call_later(0.2, gate.set)
        text, _ = await read(other, replace(QUESTION, attempt=2))
    assert text == "Half whole"
    assert len(server.questions) == 1


async def _never(*_: object, **__: object) -> dict[str, object]:
    return {}


async def test_a_request_that_is_still_undecided_is_asked_again(server: ScriptedAppServer, store: Store) -> None:
    server.guarded.add("Bash")
    server.script = says(BASH, "Done.")
    async with connected(server, store) as upstream:
        decided: list[str] = []

        async def decide(event: AnswerEvent) -> None:
            if isinstance(event, ApprovalAsked) and len(decided) < 2:
                decided.append(event.request.ref)
                await upstream._approvals.decide(event.request.ref, Decision(allow=True))

        tasks: list[asyncio.Task[None]] = []
        text, events = await read(upstream, on=lambda event: tasks.append(asyncio.create_task(decide(event))))
        await asyncio.gather(*tasks)
    assert text == "Done."
    closed = [each.ref for each in events if isinstance(each, ApprovalClosed)]
    assert closed == decided
    assert len(decided) == 1


async def test_the_end_of_an_answer_ends_the_turn(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    server.script = waiting(asyncio.Event(), "Half")
    answer = upstream.answer(QUESTION)
    async for event in answer:
        if isinstance(event, TextDelta):
            break
    await answer.aclose()
    assert [each["type"] for each in server.commands].count("abort_message") == 1
    server.script = says("Next")
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert text == "Next"


@pytest.mark.parametrize("piece", ["Half", BASH])
async def test_after_a_stop_the_next_message_is_answered_in_the_same_conversation(
    server: ScriptedAppServer, upstream: LettaUpstream, piece: str | Tool
) -> None:
    server.guarded = {"Bash"}
    server.late_ends = 0.2
    server.script = waiting(asyncio.Event(), piece)
    async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(QUESTION)) as answer:
        async for event in answer:
            if isinstance(event, TextDelta | ApprovalAsked):
                break
    assert server.verdicts == (["deny"] if piece is BASH else [])
    gate = asyncio.Event()
    server.script = waiting(gate, "Next", " one")
    asyncio.get_running_loop().call_later(0.5, gate.set)
    text, _ = await read(upstream, replace(QUESTION, idempotency_key="next"))
    assert text == "Next one"
    assert len(server.talks) == 1


async def test_a_message_has_an_otid_and_no_client_message_id(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    image = Image(b"png", "image/png")
    await read(upstream, replace(QUESTION, messages=(ChatMessage("user", "look", (image,)),)))
    [said] = next(each for each in server.commands if each["type"] == "input")["payload"]["messages"]
    assert said["otid"]
    assert "client_message_id" not in said
    assert [part["type"] for part in said["content"]] == ["text", "image"]
    assert said["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": "cG5n"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol_version": 2}, "speaks version 2 of the App Server protocol"),
        ({"capabilities": {"runtime_start": True}}, "agent_management, conversation_management"),
    ],
)
async def test_an_unsuitable_server_is_named(
    server: ScriptedAppServer, upstream: LettaUpstream, changes: dict[str, object], words: str
) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    with pytest.raises(UpstreamProtocolError, match=words):
        await upstream.agents()


async def test_a_redirect_is_an_error(server: ScriptedAppServer, store: Store) -> None:
    """It could lead the key and the questions to another server."""
    async with ScriptedAppServer() as other, connected(server, store) as upstream:
        server.moved_to = f"{other.url}/ws"
        with pytest.raises(UpstreamError, match="redirect"):
            await read(upstream)
        assert other.sockets == []
        assert other.commands == []


async def test_the_whole_list_is_read_after_a_change_only(server: ScriptedAppServer, upstream: LettaUpstream) -> None:
    server.models = [{"id": f"agent-{number}", "name": f"Agent {number}"} for number in range(250)]
    agents = await upstream.agents()
    assert agents is not UNCHANGED
    assert len(agents) == 250
    lists = [each for each in server.commands if each["type"] == "agent_list"]
    assert len(lists) == 3
    assert await upstream.agents() is UNCHANGED
    server.models[7] = {"id": "agent-7", "name": "Another"}
    agents = await upstream.agents()
    assert agents is not UNCHANGED
    assert agents[7].name == "Another"
    assert len([each for each in server.commands if each["type"] == "agent_list"]) == 6


async def test_a_page_of_hidden_agents_does_not_end_the_list(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    server.models = [{"id": f"agent-{number}", "hidden": number < 100} for number in range(150)]
    agents = await upstream.agents()
    assert agents is not UNCHANGED
    assert [each.model for each in agents] == [f"agent-{number}" for number in range(100, 150)]


async def test_a_server_that_started_again_gives_the_same_numbers_to_other_runs(
    server: ScriptedAppServer, upstream: LettaUpstream
) -> None:
    for key in ("one", "two"):
        server.runs = itertools.count(1)
        text, _ = await read(upstream, replace(QUESTION, idempotency_key=key))
        assert text == "Echo: hello"
        server.cut()


@pytest.mark.parametrize("turns", [1, 2], ids=["in one answer", "in two answers"])
async def test_a_call_with_the_id_of_an_earlier_one_has_a_request_of_its_own(
    server: ScriptedAppServer, upstream: LettaUpstream, turns: int
) -> None:
    """Some language models number their calls from 0 in each step, and the server names requests by these numbers."""
    server.guarded = {"Bash"}
    server.script = says(*[BASH] * (3 - turns), "Done.")
    asked: list[str] = []

    def allow(event: AnswerEvent) -> None:
        if isinstance(event, ApprovalAsked):
            asked.append(event.request.ref)
            tasks.append(asyncio.ensure_future(upstream._approvals.decide(event.request.ref, Decision(allow=True))))

    tasks: list[asyncio.Future[None]] = []
    results = 0
    for turn in range(turns):
        _, events = await read(upstream, replace(QUESTION, idempotency_key=f"key-{turn}"), allow)
        results += sum(isinstance(each, ToolResult) for each in events)
    assert (len(asked), server.verdicts, results) == (2, ["allow", "allow"], 2)
    assert len(set(asked)) == 3 - turns
