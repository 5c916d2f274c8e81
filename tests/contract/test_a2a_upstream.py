"""The kind ``a2a``: conversations, tasks and questions of agents, with a server that behaves like real ones."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.core.errors import (
    AnswerEmpty,
    AnswerInterrupted,
    BridgeError,
    QuestionRefused,
    StoreError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from agent_bridge.core.transcript import ChatMessage, Image
from agent_bridge.upstream.answer import End, FileDelta, ReasoningDelta, RunStarted, TextDelta, TextWithdrawn
from agent_bridge.upstream.conversation_store import MemoryConversations
from support.a2a_questions import connected, question
from support.a2a_tasks import Asks, Chunk, Ends
from support.answer_chunks import File
from support.conditions import eventually
from support.scripted_a2a import ScriptedA2A, acts
from support.scripted_upstream import Reasoning, until_cancelled, waits_for
from support.upstream_kinds import DEADLINE, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agent_bridge.core.upstreams import StoredConversation
    from agent_bridge.upstream.a2a.upstream import A2AUpstream

FORMS = pytest.mark.parametrize("form", [{}, {"streams": False}, {"old": True}], ids=["1.0", "polling", "0.3"])


@pytest.fixture
def form() -> dict[str, bool]:
    return {}


@pytest.fixture
async def server(form: dict[str, bool]) -> AsyncIterator[ScriptedA2A]:
    async with ScriptedA2A(**form) as running:
        running.models = [{"id": "Dora"}]
        yield running


@pytest.fixture
def store() -> MemoryConversations:
    return MemoryConversations()


@pytest.fixture
async def upstream(server: ScriptedA2A, store: MemoryConversations) -> AsyncIterator[A2AUpstream]:
    async with connected(server.url, store) as upstream:
        yield upstream


def sent(server: ScriptedA2A) -> list[dict[str, Any]]:
    """Return the messages that were sent."""
    return [params["message"] for method, params in server.calls if method.startswith("Send")]


def places(server: ScriptedA2A) -> list[tuple[Any, Any]]:
    """Return the contexts and the tasks to which messages were sent."""
    return [(each.get("contextId"), each.get("taskId")) for each in sent(server)]


async def leave(upstream: A2AUpstream, text: str) -> str:
    """Ask *text*, and end like a killed process as soon as the first words are there; return the reference."""
    events = upstream.answer(question(text))
    start = await anext(events)
    assert isinstance(start, RunStarted)
    while not isinstance(await anext(events), TextDelta):
        pass
    # The generator is not closed: closing would end the task.
    left.append(events)
    return start.ref


async def until(look: Callable[[], object], what: str) -> None:
    """Wait until *look* returns something true."""

    async def seen() -> object:
        return look()

    await eventually(seen, what)


left: list[Any] = []


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """Close the generators that a test left, once its server has ended: their connections end with them."""
    yield
    while left:
        # Each wants to end its task at the server; the server, or the session, is gone.
        with suppress(BridgeError, RuntimeError):
            async with asyncio.timeout(DEADLINE):
                await left.pop().aclose()


class TestLanes:
    @FORMS
    async def test_a_lane_is_a_context(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        for text in ("one", "two"):
            assert (await ask(upstream, question(text))).text == f"Echo: {text}"
        assert places(server) == [(None, None), ("context-1", None)]
        assert [each["messageId"] for each in sent(server)] == ["ab-one", "ab-two"]

    async def test_another_process_goes_on_in_it(
        self, server: ScriptedA2A, upstream: A2AUpstream, store: MemoryConversations
    ) -> None:
        await ask(upstream, question("one"))
        async with connected(server.url, store) as other:
            await ask(other, question("two"))
        assert places(server)[-1] == ("context-1", None)

    async def test_a_context_that_the_server_has_lost_is_replaced(
        self, server: ScriptedA2A, upstream: A2AUpstream
    ) -> None:
        await ask(upstream, question("one"))
        server.contexts = set()
        assert (await ask(upstream, question("two"))).text == "Echo: two"
        assert places(server) == [(None, None), ("context-1", None), (None, None)]
        server.contexts = None
        await ask(upstream, question("three"))
        assert places(server)[-1] == ("context-3", None)

    async def test_a_message_can_be_the_whole_answer(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.direct = True
        answer = await ask(upstream, question("one"))
        assert answer.raw == [TextDelta("Echo: one"), End("stop")]
        await ask(upstream, question("two"))
        assert places(server) == [(None, None), ("context-1", None)]

    async def test_files_are_parts(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        files = (Image(b"png", "image/png"), Image(b"ogg", "audio/ogg", "song.ogg"))
        message = ChatMessage("user", "look", files)
        await ask(upstream, replace(question("x"), messages=(message,)))
        raw = base64.b64encode(b"png").decode()
        assert sent(server)[0]["parts"] == [
            {"text": "look"},
            {"raw": raw, "filename": "image-1.png", "mediaType": "image/png"},
            {"raw": base64.b64encode(b"ogg").decode(), "filename": "song.ogg", "mediaType": "audio/ogg"},
        ]


class TestQuestionsOfAgents:
    @FORMS
    @pytest.mark.parametrize("state", ["INPUT_REQUIRED", "AUTH_REQUIRED"])
    async def test_the_next_message_continues_the_task(
        self, server: ScriptedA2A, upstream: A2AUpstream, state: str
    ) -> None:
        server.scripts.extend([acts(Asks("Where to?", state)), acts("Booked.")])
        first = await ask(upstream, question("fly"))
        assert first.events == [TextDelta("Where to?"), End("stop")]
        second = await ask(upstream, question("Oslo"))
        assert second.events == [TextDelta("Booked."), End("stop")]
        await ask(upstream, question("thanks"))
        assert places(server) == [(None, None), ("context-1", "task-2"), ("context-1", None)]

    @FORMS
    async def test_it_asks_twice_and_repeats_no_artifact(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        draft, final = Chunk("draft", ({"text": "A draft."},)), Chunk("final", ({"text": "Final."},))
        server.scripts.extend([acts(draft, Asks("Good?")), acts(Asks("Really?")), acts(final)])
        answers = [(await ask(upstream, question(each))).text for each in ("write", "yes", "really")]
        assert answers == ["A draft.\n\nGood?", "Really?", "Final."]

    async def test_a_server_may_first_show_the_old_question(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.scripts.extend([acts(Asks("Where to?")), acts("Booked.")])
        await ask(upstream, question("fly"))
        task = server.tasks["task-2"]
        stale = {"task": task.shown()}
        server.scripts[0] = acts(stale, "Booked.")
        assert (await ask(upstream, question("Oslo"))).text == "Booked."

    async def test_a_task_that_has_ended_meanwhile_is_left(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.script = acts(Asks("Where to?"))
        await ask(upstream, question("fly"))
        server.tasks["task-2"].turn("CANCELED")
        server.script = acts("Hello.")
        assert (await ask(upstream, question("hello"))).text == "Hello."
        assert places(server)[-2:] == [("context-1", "task-2"), ("context-1", None)]
        assert sent(server)[-1]["referenceTaskIds"] == ["task-2"]

    async def test_it_says_nothing(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.scripts.extend([acts(Asks("")), acts("Thanks.")])
        assert type((await ask(upstream, question("one"))).error) is AnswerEmpty
        assert (await ask(upstream, question("two"))).text == "Thanks."
        assert places(server)[-1] == ("context-1", "task-2")

    async def test_a_message_that_did_not_arrive_leaves_the_question_open(
        self, server: ScriptedA2A, upstream: A2AUpstream
    ) -> None:
        server.scripts.extend([acts(Asks("Where to?")), acts("Booked.")])
        await ask(upstream, question("fly"))
        server.cut_before |= {"SendStreamingMessage"}
        server.lists = False
        assert (await ask(upstream, question("Oslo"))).error is not None
        assert (await ask(upstream, question("Bergen"))).text == "Booked."
        assert places(server)[-1] == ("context-1", "task-2")


class TestAnswers:
    async def test_all_parts_of_artifacts(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        raw = base64.urlsafe_b64encode(b"\xfb\xff").decode()
        server.script = acts(
            Chunk("text", ({"text": "Hel"},)),
            Chunk("text", ({"text": "lo"},)),
            Chunk("more", ({"text": "More"}, {"data": {"a": 1}}), name="figures"),
            Chunk("file", ({"raw": raw, "filename": "a.bin", "mediaType": "application/x-a"},)),
            File("https://x/y.pdf", "y.pdf", "application/pdf"),
            Ends("COMPLETED", "Here it is."),
        )
        answer = await ask(upstream, question("all"))
        json = base64.b64encode(b'{"a": 1}').decode()
        assert answer.events == [
            TextDelta("Hello\n\nMore\n\nHere it is."),
            FileDelta(f"data:application/json;base64,{json}", "figures.json", "application/json"),
            FileDelta("data:application/x-a;base64,+/8=", "a.bin", "application/x-a"),
            FileDelta("https://x/y.pdf", "y.pdf", "application/pdf"),
            End("stop"),
        ]

    async def test_the_pieces_of_a_file_are_one_file(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        pieces = [
            Chunk("file", ({"raw": each, "filename": "a.txt", "mediaType": "text/plain"},)) for each in ("YWJj", "ZGVm")
        ]
        server.script = acts(*pieces)
        (file, _) = (await ask(upstream, question("file"))).events
        assert file == FileDelta("data:text/plain;base64,YWJjZGVm", "a.txt", "text/plain")

    async def test_an_artifact_that_is_replaced(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.script = acts(Chunk("a", ({"text": "Old"},)), Chunk("a", ({"text": "New"},), appends=False))
        answer = await ask(upstream, question("q"))
        assert answer.events == [TextDelta("Old"), TextWithdrawn(), TextDelta("New"), End("stop")]

    async def test_the_last_words_are_not_repeated(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.script = acts("The answer.", Ends("COMPLETED", "The answer."))
        assert (await ask(upstream, question("q"))).text == "The answer."

    async def test_the_answer_is_only_in_the_history(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        said = {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "In the history."}]}

        async def script(_question: str) -> AsyncIterator[Any]:
            next(iter(server.tasks.values())).history.append(said)
            yield Ends("COMPLETED")

        server.script = script
        assert (await ask(upstream, question("q"))).text == "In the history."

    async def test_words_about_the_work_are_reasoning(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        server.script = acts(Reasoning("Looking."), Reasoning("Looking again."), "Found.")
        answer = await ask(upstream, question("q"))
        assert answer.events[:-1] == [ReasoningDelta("Looking.\n\nLooking again.\n\n"), TextDelta("Found.")]

    @pytest.mark.parametrize(
        ("end", "error", "detail"),
        [
            (Ends("FAILED", "out of memory"), AnswerInterrupted, "out of memory"),
            (Ends("REJECTED", "not my job"), QuestionRefused, "not my job"),
            (Ends("CANCELED"), AnswerInterrupted, None),
        ],
    )
    async def test_other_ends(
        self, server: ScriptedA2A, upstream: A2AUpstream, end: Ends, error: type[Exception], detail: str | None
    ) -> None:
        server.script = acts("Half", end)
        answer = await ask(upstream, question("q"))
        assert answer.text == "Half"
        assert type(answer.error) is error
        assert answer.error.detail == detail
        assert not answer.error.retryable
        assert "CancelTask" not in server.methods


class TestLostConnections:
    async def test_a_stream_that_is_cut_is_joined_again(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Half", None, " whole")
        asked = asyncio.create_task(ask(upstream, question("q")))
        await until(lambda: server.tasks, "a task")
        gate.set()
        answer = await asked
        assert answer.events == [TextDelta("Half whole"), End("stop")]
        assert len(sent(server)) == 1

    async def test_a_stream_that_ends_early_is_joined_again(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Half", None, " whole", None, " again")
        server.shows_task = False
        asked = asyncio.create_task(ask(upstream, question("q")))
        await until(lambda: server.tasks, "a task")
        gate.set()
        assert (await asked).text == "Half whole again"

    @pytest.mark.parametrize("form", [{}, {"streams": False}], ids=["1.0", "polling"])
    async def test_the_response_is_lost(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        """The list of tasks tells that the question arrived."""
        server.cut_after |= {"SendStreamingMessage", "SendMessage"}
        answer = await ask(upstream, question("q"))
        assert (answer.text, answer.error) == ("Echo: q", None)
        assert len(sent(server)) == 1

    async def test_the_response_is_lost_and_the_server_lists_no_tasks(
        self, server: ScriptedA2A, upstream: A2AUpstream
    ) -> None:
        server.lists = False
        server.cut_after |= {"SendStreamingMessage"}
        answer = await ask(upstream, question("q"))
        assert isinstance(answer.error, UpstreamUnreachable)
        assert not answer.error.retryable
        assert len(sent(server)) == 1

    async def test_a_server_that_is_away_is_asked_later(self, server: ScriptedA2A, store: MemoryConversations) -> None:
        async with connected(server.url, store) as first:
            await first.agents()
            server.status = 200
            await ask(first, question("zero"))
        async with ScriptedA2A() as gone:
            url = gone.url
        async with connected(url, store) as away:
            error = (await ask(away, question("q"))).error
            assert isinstance(error, UpstreamUnreachable)
            assert error.not_begun
        async with connected(server.url, store) as again:
            assert (await ask(again, question("q", attempt=2))).text == "Echo: q"
        assert len(sent(server)) == 2

    async def test_a_question_that_was_not_taken_is_sent_again(
        self, server: ScriptedA2A, upstream: A2AUpstream
    ) -> None:
        server.scripts.append(acts(503))
        error = (await ask(upstream, question("q"))).error
        assert error is not None
        assert error.not_begun
        assert (await ask(upstream, question("q", attempt=2))).text == "Echo: q"
        assert [each["messageId"] for each in sent(server)] == ["ab-q", "ab-q"]


class TestKills:
    @FORMS
    async def test_the_next_attempt_reads_the_same_task(
        self, server: ScriptedA2A, upstream: A2AUpstream, store: MemoryConversations
    ) -> None:
        gate = asyncio.Event()
        server.script = waits_for(gate, "Half", " whole")
        async with asyncio.timeout(DEADLINE):
            await leave(upstream, "q")
        async with connected(server.url, store) as other:
            asked = asyncio.create_task(ask(other, question("q", attempt=2)))
            await until(lambda: "GetTask" in server.methods, "a look at the task")
            gate.set()
            answer = await asked
        assert answer.events == [TextDelta("Half whole"), End("stop")]
        assert len(sent(server)) == 1

    async def test_an_open_question_is_shown_again(self, server: ScriptedA2A, store: MemoryConversations) -> None:
        draft = Chunk("draft", ({"text": "A draft."},))
        server.scripts.extend([acts(draft, Asks("Good?")), acts("Sent.")])
        for attempt in (1, 2, 3):
            async with connected(server.url, store) as process:
                assert (await ask(process, question("write", attempt=attempt))).text == "A draft.\n\nGood?"
        async with connected(server.url, store) as process:
            for attempt in (1, 2):
                assert (await ask(process, question("yes", attempt=attempt))).text == "Sent."
        assert places(server) == [(None, None), ("context-1", "task-2")]

    @pytest.mark.parametrize("fails_at", [1, 2])
    async def test_before_and_after_the_question_is_sent(self, server: ScriptedA2A, fails_at: int) -> None:
        """The second write stores the task; a list of tasks finds it without that."""

        class Killed(MemoryConversations):
            writes = 0

            async def put(self, model: str, session: str, conversation: StoredConversation) -> None:
                self.writes += 1
                if self.writes == fails_at:
                    raise StoreError("killed")
                await super().put(model, session, conversation)

        store = Killed()
        async with connected(server.url, store) as process:
            if fails_at == 1:
                with pytest.raises(StoreError):
                    await ask(process, question("q"))
                assert sent(server) == []
            else:
                assert (await ask(process, question("q"))).text == "Echo: q"
        async with connected(server.url, store) as process:
            assert (await ask(process, question("q", attempt=2))).text == "Echo: q"
        assert len(sent(server)) == 1

    async def test_a_question_that_perhaps_arrived_is_not_sent_again(
        self, server: ScriptedA2A, store: MemoryConversations
    ) -> None:
        server.direct = True
        async with connected(server.url, store) as process:
            assert (await ask(process, question("q"))).error is None
        async with connected(server.url, store) as process:
            answer = await ask(process, question("q", attempt=2))
            assert isinstance(answer.error, AnswerInterrupted)
            assert str(answer.error) == "up may have got the message, and does not tell; it was not sent again"
            assert (await ask(process, question("q", "q.1"))).error is None
        assert [each["messageId"] for each in sent(server)] == ["ab-q", "ab-q.1"]

    async def test_a_turn_that_is_put_back_has_its_reply(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        """The homeserver was away when the answer was there."""
        server.direct = True
        for attempt in (1, 2):
            answer = await ask(upstream, question("q", attempt=attempt))
            assert answer.raw == [TextDelta("Echo: q"), End("stop")]
        assert len(sent(server)) == 1

    async def test_a_follow_up_that_did_not_arrive_is_sent_again(
        self, server: ScriptedA2A, store: MemoryConversations
    ) -> None:
        server.scripts.extend([acts(Asks("Where to?")), acts("Booked.")])
        async with connected(server.url, store) as process:
            await ask(process, question("fly"))
            server.cut_before |= {"SendStreamingMessage"}
            server.lists = False
            assert (await ask(process, question("Oslo"))).error is not None
        async with connected(server.url, store) as process:
            assert (await ask(process, question("Oslo", attempt=2))).text == "Booked."
        assert places(server)[-1] == ("context-1", "task-2")

    async def test_a_task_that_the_bridge_ended_is_asked_anew(
        self, server: ScriptedA2A, store: MemoryConversations
    ) -> None:
        over = asyncio.Event()
        server.scripts.extend([until_cancelled(over, "Half"), acts("Whole")])
        async with connected(server.url, store) as process:
            async with asyncio.timeout(DEADLINE), aclosing(process.answer(question("q"))) as events:
                while not isinstance(await anext(events), TextDelta):
                    pass
            await over.wait()
        async with connected(server.url, store) as process:
            answer = await ask(process, question("q", attempt=2))
        assert [each for each in answer.raw if not isinstance(each, RunStarted)][-2:] == [
            TextDelta("Whole"),
            End("stop"),
        ]
        assert [each["messageId"] for each in sent(server)] == ["ab-q", "ab-q-1"]

    async def test_a_task_that_is_gone(self, server: ScriptedA2A, store: MemoryConversations) -> None:
        async with connected(server.url, store) as process:
            await ask(process, question("q"))
            server.tasks.clear()
            answer = await ask(process, question("q", attempt=2))
        assert type(answer.error) is UpstreamRefused
        assert len(sent(server)) == 1


class TestStops:
    async def test_a_task_of_an_ended_process_is_cancelled(self, server: ScriptedA2A, upstream: A2AUpstream) -> None:
        over = asyncio.Event()
        server.script = until_cancelled(over, "Hello")
        async with asyncio.timeout(DEADLINE):
            ref = await leave(upstream, "q")
            async with connected(server.url) as other:
                assert other.can.cancel is not None
                await other.can.cancel(ref)
                await over.wait()
                # A repeat, and a task that is gone, are no errors.
                await other.can.cancel(ref)
                server.tasks.clear()
                await other.can.cancel(ref)
