"""The messages of a request: the newest ones of the conversation that fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.answering.history import History, alternating, question_of, within_budget
from agent_bridge.bridge.answering.question import Question
from agent_bridge.core.transcript import ChatMessage, Image, tokens_of


def talk(*contents: str) -> list[ChatMessage]:
    """Return *contents* as messages by turns, a person's first."""
    return [ChatMessage("assistant" if at % 2 else "user", content) for at, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("history", "tokens", "kept"),
    [
        pytest.param([], 100, [], id="nothing was said"),
        pytest.param(talk("one", "two"), 0, [], id="no budget"),
        pytest.param(talk("one", "two"), 2, ["one", "two"], id="a message costs one more"),
        pytest.param(talk("one", "two"), 1, [], id="an answer alone is none"),
        pytest.param(talk("one", "two", "three"), 2, ["three"], id="begins with a person"),
        pytest.param(talk("one", "two", "3", "4"), 3, ["3", "4"], id="never with an answer"),
        pytest.param(talk("x" * 400, "b"), 102, ["x" * 400, "b"], id="just fits"),
        pytest.param(talk("x" * 400, "b"), 101, [], id="just not"),
        pytest.param(talk("ж" * 200, "b"), 101, [], id="bytes count, not characters"),
        pytest.param(talk("a", "b", "x" * 400, "c", "d", "e"), 50, ["d", "e"], id="a long one ends it"),
        pytest.param([ChatMessage("assistant", "a"), ChatMessage("assistant", "b")], 50, [], id="answers only"),
    ],
)
def test_history_within_budget(history: list[ChatMessage], tokens: int, kept: list[str]) -> None:
    assert [said.content for said in within_budget(history, tokens)] == kept


@given(
    st.lists(st.builds(ChatMessage, st.sampled_from(["user", "assistant"]), st.text(max_size=30)), max_size=20),
    st.integers(0, 60),
)
def test_history_is_the_newest_in_order(history: list[ChatMessage], tokens: int) -> None:
    kept = list(within_budget(history, tokens))
    assert kept == history[len(history) - len(kept) :]
    assert not kept or kept[0].role == "user"
    assert sum(len(said.content.encode()) // 4 + 1 for said in kept) <= tokens
    assert len(within_budget(history, tokens + 1)) >= len(kept)


def test_of_a_message_that_is_too_long_the_beginning_is_told() -> None:
    history = [ChatMessage("user", "ж" * 5_000), *talk("short")]
    (file, short) = within_budget(history, 1_000)
    assert short == history[1]
    assert file.content.rstrip("…") == "ж" * ((1_000 - 2 - 2) * 4 // 2)
    assert within_budget(history, 150) == (short,)


@pytest.mark.parametrize(
    ("said", "empty"),
    [
        (ChatMessage("user", ""), True),
        (ChatMessage("user", " \n"), True),
        (ChatMessage("user", "hi"), False),
        (ChatMessage("user", "", (Image(b"x", "image/png"),)), False),
    ],
)
def test_a_question_may_have_nothing_left_to_ask(said: ChatMessage, *, empty: bool) -> None:
    assert Question(History(), said, said.content, ("The file was too large.",)).empty is empty


def quote(text: str) -> str:
    return f"> {text}"


USER, AGENT = "user", "assistant"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([(USER, "a")], [(USER, "a")], id="a question"),
        pytest.param([(USER, "a"), (AGENT, "b"), (USER, "c")], [(USER, "a"), (AGENT, "b"), (USER, "c")], id="by turns"),
        pytest.param([(AGENT, "b"), (USER, "c")], [(USER, "> b\n\nc")], id="begins with the agent"),
        pytest.param([(AGENT, "a"), (AGENT, "b"), (USER, "c")], [(USER, "> a\n\nb\n\nc")], id="two of the agent"),
        pytest.param([(USER, "a"), (USER, "b")], [(USER, "a\n\nb")], id="two of people"),
        pytest.param(
            [(USER, "a"), (AGENT, "b"), (AGENT, "c"), (USER, "d")],
            [(USER, "a"), (AGENT, "b\n\nc"), (USER, "d")],
            id="two of the agent between",
        ),
        pytest.param([(USER, "a"), (AGENT, " "), (USER, "b")], [(USER, "a\n\nb")], id="a blank answer"),
        pytest.param([(USER, ""), (AGENT, "b"), (USER, "c")], [(USER, "> b\n\nc")], id="a question without text"),
    ],
)
def test_roles_alternate(messages: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    found = alternating([ChatMessage(*each) for each in messages], quote)
    assert [(each.role, each.content) for each in found] == expected


MESSAGES = st.builds(
    ChatMessage,
    st.sampled_from([USER, AGENT]),
    st.sampled_from(["", " ", "a", "b"]),
    st.sampled_from([(), (Image(b"x", "image/png"),)]),
)


@given(history=st.lists(MESSAGES, max_size=8), question=st.sampled_from(["q", ""]))
def test_any_history_is_one_that_every_model_takes(history: list[ChatMessage], question: str) -> None:
    last = ChatMessage(USER, question, (Image(b"q", "image/png"),))
    found = alternating([*history, last], quote)
    assert [each.role for each in found] == [AGENT if at % 2 else USER for at in range(len(found))]
    assert found[-1].role == USER
    assert all(each.content.strip() or each.images for each in found)
    assert found[-1].images[-1] == last.images[0]
    assert found[-1].content.endswith(question)


ROOT = ChatMessage(AGENT, "root")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(History((), ROOT), ["root"], id="a root"),
        pytest.param(History((), ROOT, (), ChatMessage(USER, "q")), ["q", "root"], id="a root with its question"),
        pytest.param(
            History((), ROOT, (*talk("q"), ROOT), ChatMessage(USER, "q")), ["q", "root"], id="the room has the question"
        ),
        pytest.param(History((), ROOT, (*talk("a"), ROOT)), ["a", "root"], id="the root is the last of the room"),
        pytest.param(
            History((), ROOT, (*talk("a"), ROOT, *talk("b", "c"))),
            ["a", "root", "b", "c", "root"],
            id="the room went on",
        ),
        pytest.param(History((), ROOT, tuple(talk("a", "b"))), ["a", "b", "root"], id="the root is older"),
        pytest.param(History(tuple(talk("c", "d")), ROOT, ()), ["root", "c", "d"], id="the thread went on"),
        pytest.param(History((), ChatMessage(AGENT, "ro"), (*talk("a"), ROOT)), ["a", "ro"], id="the root is cut"),
    ],
)
def test_the_root_of_a_thread_is_not_repeated(history: History, expected: list[str]) -> None:
    assert [each.content for each in history.within(1000)] == expected
    assert history.root not in history.within(0)


def test_the_question_that_a_root_answers() -> None:
    room = [*talk("a", "b", "c"), ROOT, *talk("d", "e")]
    assert question_of(ROOT, room) == ChatMessage(USER, "c")
    assert question_of(ChatMessage(AGENT, "other"), room) is None
    assert question_of(ROOT, [ROOT]) is None


def test_a_history_that_is_too_long_becomes_shorter_until_there_is_none() -> None:
    history = History(tuple(talk(*(str(number) * 40 for number in range(8)))))
    limits = list(history.limits(1_000))
    lengths = [tokens_of(history.within(limit)) for limit in limits]
    assert (limits[0], limits[-1]) == (1_000, 0)
    assert lengths == sorted(set(lengths), reverse=True)
    assert len(limits) == 4
    assert [*History().limits(1_000)] == [1_000]
    assert [*History(tuple(talk("a", "b"))).limits(1_000)] == [1_000, 0]
