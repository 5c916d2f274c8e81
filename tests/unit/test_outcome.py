"""What is asked with, and what becomes of the answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.asking import within_budget
from agent_bridge.bridge.outcome import Outcome
from agent_bridge.core.model import Said, TurnState
from agent_bridge.render.markdown import to_html
from agent_bridge.render.rendition import Op
from agent_bridge.render.split import PART_BYTES


def talk(*contents: str) -> list[Said]:
    """Return *contents* as said in turns, a person first."""
    return [Said("assistant" if at % 2 else "user", content) for at, content in enumerate(contents)]


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
        pytest.param([Said("assistant", "a"), Said("assistant", "b")], 50, [], id="answers only"),
    ],
)
def test_history_within_budget(history: list[Said], tokens: int, kept: list[str]) -> None:
    assert [said.content for said in within_budget(history, tokens)] == kept


@given(
    st.lists(st.builds(Said, st.sampled_from(["user", "assistant"]), st.text(max_size=30)), max_size=20),
    st.integers(0, 60),
)
def test_history_is_the_newest_in_order(history: list[Said], tokens: int) -> None:
    kept = list(within_budget(history, tokens))
    assert kept == history[len(history) - len(kept) :]
    assert not kept or kept[0].role == "user"
    assert sum(len(said.content.encode()) // 4 + 1 for said in kept) <= tokens
    assert len(within_budget(history, tokens + 1)) >= len(kept)


@pytest.mark.parametrize(
    ("outcome", "ops", "state"),
    [
        pytest.param(Outcome("Hello"), [Op(0, "Hello")], TurnState.DONE, id="whole"),
        pytest.param(Outcome("\n Hello \n"), [Op(0, "Hello")], TurnState.DONE, id="without blanks around it"),
        pytest.param(
            Outcome("", "the server is busy."),
            [Op(0, "⚠️ No answer: the server is busy.", notice=True)],
            TurnState.FAILED,
            id="none",
        ),
        pytest.param(
            Outcome(" \n", "it broke"),
            [Op(0, "⚠️ No answer: it broke.", notice=True)],
            TurnState.FAILED,
            id="blanks are no answer",
        ),
        pytest.param(
            Outcome("Half an", "it broke"),
            [Op(0, "Half an"), Op(1, "⚠️ The answer ends here: it broke.", notice=True)],
            TurnState.FAILED,
            id="broken",
        ),
        pytest.param(
            Outcome("Half an", stopped=True), [Op(0, "Half an\n\n*(stopped)*")], TurnState.STOPPED, id="stopped"
        ),
        pytest.param(
            Outcome(" \n", stopped=True),
            [Op(0, "(stopped)", notice=True)],
            TurnState.STOPPED,
            id="stopped before the first word",
        ),
        pytest.param(
            Outcome("Half an", "an administrator set this message aside", stopped=True),
            [Op(0, "Half an"), Op(1, "⚠️ The answer ends here: an administrator set this message aside.", notice=True)],
            TurnState.FAILED,
            id="set aside, which counts more than stopped",
        ),
        pytest.param(
            Outcome("", "{braces} {0}"),
            [Op(0, "⚠️ No answer: {braces} {0}.", notice=True)],
            TurnState.FAILED,
            id="a cause with braces",
        ),
    ],
)
def test_ops_of_an_outcome(outcome: Outcome, ops: list[Op], state: TurnState) -> None:
    assert outcome.ops() == ops
    assert outcome.state is state


def test_the_word_about_a_failure_comes_after_all_parts() -> None:
    ops = Outcome("word " * PART_BYTES, "it broke").ops()
    assert [op.part for op in ops] == list(range(len(ops)))
    assert [op.notice for op in ops] == [*[False] * (len(ops) - 1), True]
    assert len(ops) > 2


def test_the_word_about_a_stop_stands_in_the_last_part() -> None:
    ops = Outcome("word " * PART_BYTES, stopped=True).ops()
    assert len(ops) > 2
    assert [op.text.endswith("*(stopped)*") for op in ops] == [*[False] * (len(ops) - 1), True]
    assert not any(op.notice for op in ops)


def test_a_stop_inside_a_code_block_is_still_told() -> None:
    """People see the word whatever the answer was in the middle of."""
    text = "Here:\n\n```python\nprint(1)"
    (op,) = Outcome(text, stopped=True).ops()
    assert op.text.endswith("*(stopped)*")
    assert "<em>(stopped)</em>" in to_html(op.text)
