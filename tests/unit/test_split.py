"""Long answers in parts: no text is lost, no part is too long, and complete parts stay the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.split import PART_BYTES, split, with_ending
from agent_bridge.render.syntax.parser import parser
from support.growth import growth

#: Smaller limits are exceeded: a part holds at least a fence's two ends and some text.
LEAST = 77
LIMITS = st.integers(LEAST, 400)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=800)
#: All tokens that decide the position of a cut, repeated.
TRICKY = st.text(st.sampled_from("a`~ \n🐈"), max_size=600) | st.lists(
    st.sampled_from(
        [
            "```\n",
            "```py\n",
            "```md\n",
            "> ```py\n",
            "1. ```\n",
            "     ```\n",
            "````\n",
            "~~~\n",
            "   ```",
            "`",
            "\n",
            "\n\n",
            " ",
            "x" * 70,
            "word ",
            "🐈" * 9,
        ]
    ),
    max_size=60,
).map("".join)
WORDS = st.lists(st.text("abäж🐈", min_size=1, max_size=12), min_size=1, max_size=40).map(" ".join)
CODE = st.lists(st.text("abäж🐈(){} ", max_size=60), min_size=1, max_size=12).map("\n".join)
FENCED = st.builds(
    "{0}{1}\n{2}\n{0}".format, st.sampled_from(["```", "````", "~~~"]), st.sampled_from(["", "py"]), CODE
)
#: Four times the text may take four times the time, and some more; a quadratic rule takes sixteen times.
MOST = 10
BLOCKS = st.lists(WORDS | FENCED, min_size=1, max_size=6)


def size(text: str) -> int:
    return len(text.encode())


def squeeze(text: str) -> str:
    return "".join(text.split())


def code_and_prose(markdown: str) -> tuple[str, str]:
    """Return the text in code blocks, and the text beside them."""
    code, prose = list[str](), list[str]()
    text = prose
    for event in parser().events(markdown):
        if isinstance(event, dict):
            if "Start" in event and isinstance(event["Start"], dict) and "CodeBlock" in event["Start"]:
                text = code
            elif event == {"End": "CodeBlock"}:
                text = prose
            elif "Text" in event:
                text.append(event["Text"])
    return squeeze("".join(code)), squeeze("".join(prose))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("", [""], id="nothing"),
        pytest.param("short", ["short"], id="short"),
        pytest.param("a" * LEAST, ["a" * LEAST], id="just fits"),
        pytest.param("a" * 42 + "\n\n" + "b" * 42, ["a" * 42, "b" * 42], id="between paragraphs"),
        pytest.param(f"{'a' * 35}\n\nb c\n{'d' * 43}", ["a" * 35, f"b c\n{'d' * 43}"], id="before lines"),
        pytest.param(f"{'a' * 40}\n{'b' * 40}", ["a" * 40, "b" * 40], id="between lines"),
        pytest.param(f"{'a' * 40} {'b' * 40}", ["a" * 40, "b" * 40], id="between words"),
        pytest.param("a" * 83, ["a" * 51, "a" * 32], id="inside a word"),
        pytest.param("🐈" * 20, ["🐈" * 12, "🐈" * 8], id="never inside a character"),
        pytest.param(f"{'a' * 40}\n\n\n\n    {'b' * 40}", ["a" * 40, "    " + "b" * 40], id="indentation stays"),
        pytest.param("a" + " " * 200 + "b", ["a", " " * 48 + "b"], id="no part of blanks"),
        pytest.param("a" * 60 + "\n" * 30, ["a" * 51, "a" * 9 + "\n" * 30], id="blanks at the end"),
        pytest.param("a" * 51 + "\n" * 30, ["a" * 51], id="nothing but blanks is left"),
        pytest.param(
            f"```py\n{'x' * 36}\n{'y' * 36}\n```\nend",
            [f"```py\n{'x' * 36}\n```", f"```py\n{'y' * 36}\n```\nend"],
            id="code is closed and opened again",
        ),
        pytest.param(
            f"Here: ```py\n{'x' * 36}\n{'y' * 36}\n```\nend",
            [f"Here: ```py\n{'x' * 36}\n```", f"```py\n{'y' * 36}\n```\nend"],
            id="code whose fence is behind text",
        ),
        pytest.param(
            f"```md\n# t\n```py\n{'x' * 30}\n{'y' * 30}\n```\n```\nend",
            [f"```md\n# t\n```py\n{'x' * 30}\n```\n```", f"```md\n```py\n{'y' * 30}\n```\n```\nend"],
            id="code within a Markdown block",
        ),
        pytest.param(
            f"~~~~ c++ title=x\n{'x' * 30}\n~~~\n{'y' * 30}\n~~~~~\nend",
            [f"~~~~ c++ title=x\n{'x' * 30}\n~~~~", f"~~~~c++\n~~~\n{'y' * 30}\n~~~~~\nend"],
            id="longer fences, with more behind the language",
        ),
        pytest.param(
            f"```\n{'x' * 40}\n```\n\n{'end ' * 7}",
            [f"```\n{'x' * 40}\n```", "end " * 7],
            id="no empty code block where the code ends at the cut",
        ),
        pytest.param(
            f"```not code``` {'a' * 40}\n{'b' * 40}",
            [f"```not code``` {'a' * 36}", f"{'a' * 4}\n{'b' * 40}"],
            id="code within a line is no block",
        ),
        pytest.param(
            f"```{'i' * 500}\ncode\n```",
            [f"```{'i' * 48}\n```", *[f"```\n{'i' * 47}\n```"] * 9, f"```\n{'i' * 29}\ncode\n```"],
            id="a language that is none",
        ),
        pytest.param(
            f"|ж|b|\n|-|:-:|\n|{'c' * 20}|d|\n|{'e' * 20}|f|\n|{'g' * 20}|h|\n|{'i' * 34}|j|\n\n|k|",
            [f"|ж|b|\n|-|:-:|\n|{'c' * 20}|d|", f"|ж|b|\n|-|:-:|\n|{'e' * 20}|f|",
             f"|ж|b|\n|-|:-:|\n|{'g' * 20}|h|", f"|ж|b|\n|-|:-:|\n|{'i' * 34}|j|\n\n|k|"],
            id="the head of a table is repeated",
        ),
        pytest.param(
            f"|a|b|\n|-|-|\n|{'c' * 30}|\n\n|{'d' * 35}|",
            [f"|a|b|\n|-|-|\n|{'c' * 30}|", f"|{'d' * 35}|"],
            id="not behind the end of the table",
        ),
        pytest.param(
            f"|{'a' * 9}|b|\n|-|-|\n|{'c' * 20}|d|\n|{'e' * 30}|f|",
            [f"|{'a' * 9}|b|\n|-|-|\n|{'c' * 20}|d|", f"|{'e' * 30}|f|"],
            id="but not one that takes the room of the rows",
        ),
        pytest.param(
            f"{'a' * 30}\n\n## b\n\n### c\n\n{'d' * 40}",
            ["a" * 30, f"## b\n\n### c\n\n{'d' * 40}"],
            id="headings stay with what they head",
        ),
        pytest.param(
            f"{'a' * 10}\n\n# {'b' * 30}\n\n{'c' * 40}",
            [f"{'a' * 10}\n\n# {'b' * 30}", "c" * 40],
            id="but not if that leaves a part half empty",
        ),
    ],
)  # fmt: skip
def test_cuts(text: str, parts: list[str]) -> None:
    assert split(text, LEAST) == parts


@pytest.mark.parametrize(
    "text",
    ["```md\n" + "```java\n" * 1130, "```markdown\n" + "```python\nprint(1)\n" * 700, "~~~md\n" + "- ~~~x\n" * 900],
)
def test_blocks_that_are_opened_and_never_closed(text: str) -> None:
    parts = split(text)
    assert len(parts) < 5
    assert max(map(size, parts)) <= PART_BYTES


@pytest.mark.parametrize(
    "text",
    [
        "> ```python\n> x = 1\n> ```",
        "2. ```\n   make\n   ```",
        "```python\ndef f():\n    'Use'\n    ```python\n    f()\n    ```\nx = 1\n```",
    ],
)
def test_text_behind_a_block_is_no_code(text: str) -> None:
    first, *rest = split(f"{text}\n\n{'prose ' * 2000}")
    assert all("```" not in part for part in rest)
    assert with_ending(text, "end") == f"{text}\n\nend"
    assert to_html(first).endswith("prose</p>")


@given(ANY_TEXT | TRICKY, LIMITS)
def test_no_part_is_too_long_or_empty(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert max(map(size, parts)) <= limit
    assert len(parts) == 1 or all(part.strip() for part in parts)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="`~"), max_size=800), LIMITS)
def test_nothing_is_lost_and_the_order_stays(text: str, limit: int) -> None:
    assert squeeze("".join(split(text, limit))) == squeeze(text)


@given(BLOCKS, st.integers(160, 400))
def test_code_stays_code_and_the_rest_stays_outside(blocks: list[str], limit: int) -> None:
    text = "\n\n".join(blocks)
    parts = [code_and_prose(part) for part in split(text, limit)]
    assert ("".join(code for code, _ in parts), "".join(prose for _, prose in parts)) == code_and_prose(text)


@given(st.text(st.sampled_from("|ж- \n"), max_size=200).map(lambda rows: f"|a|b|\n|-|-|\n{rows}"), LIMITS, st.data())
def test_a_growing_table_never_changes_one_either(text: str, limit: int, data: st.DataObject) -> None:
    earlier, later = (split(text[:end], limit) for end in (data.draw(st.integers(0, len(text))), None))
    assert later[: len(earlier) - 1] == earlier[:-1]
    assert max(map(size, later)) <= max(limit, LEAST)


@given(TRICKY, LIMITS, st.data())
def test_a_growing_text_never_changes_a_complete_part(text: str, limit: int, data: st.DataObject) -> None:
    earlier = split(text[: data.draw(st.integers(0, len(text)))], limit)
    later = split(text, limit)
    assert later[: len(earlier) - 1] == earlier[:-1]


@given(ANY_TEXT | TRICKY, st.integers(-10, LEAST))
def test_tiny_limits_count_as_the_least(text: str, limit: int) -> None:
    assert split(text, limit) == split(text, LEAST)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "```" + "x" * 1_000_000, "\n" * 1_000_000 + "x", "```\n" * 100_000])
def test_giants_are_split(text: str) -> None:
    parts = split(text)
    assert max(map(size, parts)) <= PART_BYTES
    assert len(re.findall("x", "".join(parts))) >= text.count("x")


def test_time_grows_with_the_length_alone() -> None:
    pieces = ["x", "\n", "```\n", "~~~~\n", " ", "# a\n", "|a|\n|-|\n", "ж "]
    assert {piece: factor for piece in pieces if (factor := growth(split, piece)) > MOST} == {}
