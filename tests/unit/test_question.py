"""The messages of a request: the newest ones of the conversation that fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.answering.question import Question, within_budget
from agent_bridge.core.transcript import ChatMessage, Image


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
    assert Question((), said, said.content, ("The file was too large.",)).empty is empty
