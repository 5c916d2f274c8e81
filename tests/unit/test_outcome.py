"""The outcome of a question, and the ops that show it."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.bridge.answering.outcome import (
    Announced,
    Attempt,
    Failure,
    Outcome,
    as_markdown,
    beyond,
    committed_outcome,
    outcome_of,
)
from agent_bridge.core.answers import AnswerExtras, AnswerFile, MediaFile, Notice, Op, Part
from agent_bridge.core.errors import AnswerFiltered, UpstreamBusy, UpstreamRefused
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.content import MAX_CONTENT, edit, escape, message
from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.rendition import ops_for
from agent_bridge.render.split import PART_BYTES
from support.event_sizes import EVENT, at_the_border, wire_size
from support.records import turn

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


ACTIVITY = (Op(-1, "💭 Used grep", notice=True, plain="💭 Used grep"), Op(-2, "out", notice=True, thread_of=-1))
CARD = Op(Part.CARDS[0], "✅ @bob:example.org allowed the tool `Bash`.", notice=True)
FILE = AnswerFile(MediaFile("mxc://example.org/cat", "image/png", 9), "cat.png")
REST = AnswerFile(MediaFile("mxc://example.org/rest", "text/markdown", 9), "rest.md")
NO_ANSWER = "⚠️ No answer: the server is busy."


@pytest.mark.parametrize(
    ("outcome", "ops", "state"),
    [
        pytest.param(Outcome("Hello"), [Op(0, "Hello")], TurnState.DONE, id="whole"),
        pytest.param(Outcome("\n Hello \n"), [Op(0, "Hello")], TurnState.DONE, id="without blanks around it"),
        pytest.param(
            Outcome("", "the server is busy", extras=AnswerExtras(notice=Notice(NO_ANSWER))),
            [Op(0, NO_ANSWER, notice=True)],
            TurnState.FAILED,
            id="none",
        ),
        pytest.param(
            Outcome(" \n", "it broke", extras=AnswerExtras(notice=Notice("⚠️"))),
            [Op(0, "⚠️", notice=True)],
            TurnState.FAILED,
            id="blanks are no answer",
        ),
        pytest.param(Outcome("", "it broke"), [], TurnState.FAILED, id="the same trouble is not failure_notice again"),
        pytest.param(
            Outcome("Half an", "it broke", extras=AnswerExtras(notice=Notice("⚠️"))),
            [Op(0, "Half an"), Op(1, "⚠️", notice=True)],
            TurnState.FAILED,
            id="broken",
        ),
        pytest.param(
            Outcome("Half an", stopped=StopReason.STOPPED),
            [Op(0, "Half an\n\n*(stopped)*")],
            TurnState.STOPPED,
            id="stopped",
        ),
        pytest.param(
            Outcome(" \n", stopped=StopReason.STOPPED),
            [Op(0, "(stopped)", notice=True)],
            TurnState.STOPPED,
            id="stopped before the first word",
        ),
        pytest.param(
            Outcome("Half", stopped=StopReason.STOPPED, extras=AnswerExtras(activity=ACTIVITY)),
            [Op(0, "Half\n\n*(stopped)*")],
            TurnState.STOPPED,
            id="activity does not outlive a stop",
        ),
        pytest.param(
            Outcome("Half an", stopped=StopReason.INTERRUPTED),
            [Op(0, "Half an\n\n*(interrupted by the next message)*")],
            TurnState.STOPPED,
            id="interrupted",
        ),
        pytest.param(
            Outcome("", stopped=StopReason.INTERRUPTED),
            [Op(0, "(interrupted by the next message)", notice=True)],
            TurnState.STOPPED,
            id="interrupted before the first word",
        ),
        pytest.param(Outcome("", stopped=StopReason.EDITED), [], TurnState.STOPPED, id="edited before the first word"),
        pytest.param(
            Outcome("Half", stopped=StopReason.EDITED), [Op(0, "Half")], TurnState.STOPPED, id="edited midway"
        ),
        pytest.param(Outcome("", stopped=StopReason.REDACTED), [], TurnState.STOPPED, id="taken back"),
        pytest.param(
            Outcome("Half an", "set aside", extras=AnswerExtras(notice=Notice("⚠️ set aside"))),
            [Op(0, "Half an"), Op(1, "⚠️ set aside", notice=True)],
            TurnState.FAILED,
            id="set aside by an administrator",
        ),
        pytest.param(
            Outcome("Here", extras=AnswerExtras(notice=Notice("One file was lost."), activity=ACTIVITY, files=(FILE,))),
            [
                Op(-1, "💭 Used grep", notice=True, plain="💭 Used grep"),
                Op(-2, "out", notice=True, thread_of=-1),
                Op(0, "Here"),
                Op(1, "One file was lost.", notice=True),
                Op(500_000, "", file=FILE),
            ],
            TurnState.DONE,
            id="everything besides",
        ),
        pytest.param(
            Outcome("", extras=AnswerExtras(files=(FILE, FILE))),
            [Op(500_000, "", file=FILE), Op(500_001, "", file=FILE)],
            TurnState.DONE,
            id="files alone",
        ),
    ],
)
def test_ops_of_an_outcome(outcome: Outcome, ops: list[Op], state: TurnState) -> None:
    assert outcome.ops(ENGLISH, 4) == ops
    assert outcome.state is state


@pytest.mark.parametrize(
    "ended_by", [StopReason.STOPPED, StopReason.INTERRUPTED, StopReason.EDITED, StopReason.REDACTED]
)
def test_the_tools_that_people_allowed_stay_below_an_answer_that_was_stopped(ended_by: StopReason) -> None:
    outcome = outcome_of(Attempt(ended_by=ended_by, activity=(*ACTIVITY, CARD)), ENGLISH)
    assert [op for op in outcome.ops(ENGLISH, 4) if op.part != 0] == [CARD]
    assert outcome_of(Attempt(ended_by=StopReason.WITHDRAWN, activity=(CARD,)), ENGLISH).ops(ENGLISH, 4) == []


def test_the_tools_that_people_allowed_stay_above_a_failure_that_is_told_briefly() -> None:
    attempt = Attempt(ended_by=Failure("the server is busy"), activity=(*ACTIVITY, CARD))
    first, *_ = outcome_of(attempt, ENGLISH, announced=Announced.JUST_NOW).ops(ENGLISH, 4)
    assert first == CARD


@pytest.mark.parametrize("stopped", [None, *StopReason])
@given(
    text=st.text(st.sampled_from("ab \n`*<"), max_size=40).map(lambda text: text * 300),
    error=st.none() | st.just("it broke"),
    notice=st.sampled_from([None, Notice("⚠️")]),
    files=st.integers(0, 3),
    max_parts=st.integers(1, 4),
)
def test_parts_are_numbered_in_order_whatever_is_shown(
    *, stopped: StopReason | None, text: str, error: str | None, notice: Notice | None, files: int, max_parts: int
) -> None:
    rest = bool(files) and bool(beyond(text, max_parts))
    besides = AnswerExtras(notice=notice, activity=ACTIVITY, files=(FILE,) * files, rest=rest)
    outcome = Outcome(text, error, stopped, besides)
    ops = outcome.ops(ENGLISH, max_parts)
    parts = [op.part for op in ops if op.part >= 0]
    said = len(parts) - files
    assert parts == [*range(said), *range(500_000, 500_000 + files)]
    assert ops[: len(ops) - len(parts)] == ([] if stopped else list(ACTIVITY))
    assert not any(op.live for op in ops)
    assert ops == outcome.ops(ENGLISH, max_parts)


def test_the_word_about_a_failure_comes_after_all_parts() -> None:
    ops = Outcome("word " * PART_BYTES, "it broke", extras=AnswerExtras(notice=Notice("⚠️"))).ops(ENGLISH, 4)
    assert [op.part for op in ops] == list(range(len(ops)))
    assert [op.notice for op in ops] == [*[False] * (len(ops) - 1), True]
    assert len(ops) > 2


def test_the_word_about_a_stop_stands_in_the_last_part() -> None:
    ops = Outcome("word " * PART_BYTES, stopped=StopReason.STOPPED).ops(ENGLISH, 99)
    assert len(ops) > 2
    assert [op.text.endswith("*(stopped)*") for op in ops] == [*[False] * (len(ops) - 1), True]
    assert not any(op.notice for op in ops)


def test_a_stop_inside_a_code_block_is_still_told() -> None:
    """The notice is visible in the middle of any text."""
    text = "Here:\n\n```python\nprint(1)"
    (op,) = Outcome(text, stopped=StopReason.STOPPED).ops(ENGLISH, 4)
    assert op.text.endswith("*(stopped)*")
    assert "<em>(stopped)</em>" in to_html(op.text)


LONG = "".join(f"{number} " for number in range(PART_BYTES))


def test_what_is_too_long_ends_with_a_word_about_the_file() -> None:
    whole = ops_for(LONG.strip())
    assert len(whole) > 3
    first, second, last = Outcome(LONG, extras=AnswerExtras(files=(REST,), rest=True)).ops(ENGLISH, 2)
    assert first == whole[0]
    assert second.text == f"{whole[1].text}\n\n*{ENGLISH.rest_as_file}*"
    assert last == Op(500_000, "", file=REST)
    assert beyond(LONG, 2).split() == [word for op in whole[2:] for word in op.text.split()]


def test_a_long_answer_whose_file_could_not_be_sent_is_shown_whole() -> None:
    assert Outcome(LONG, extras=AnswerExtras(notice=Notice("The file was not sent."))).ops(ENGLISH, 2)[:-1] == ops_for(
        LONG.strip()
    )


@pytest.mark.parametrize(("text", "max_parts"), [("", 1), ("short", 1), (LONG, 99)])
def test_nothing_is_beyond_what_is_shown_whole(text: str, max_parts: int) -> None:
    assert beyond(text, max_parts) == ""


def test_a_code_block_goes_on_in_the_file() -> None:
    code = "```python\n" + "print(1)\n" * PART_BYTES + "```"
    rest = beyond(code, 2)
    assert rest.startswith("```python\nprint(1)\n")
    assert to_html(rest).count("<pre>") == len(ops_for(code)) - 2


@pytest.mark.parametrize("piece", ["a", '"', "<", "&", "ж", "🐈", "**a** "])
def test_the_word_about_the_file_fits_the_part_that_has_it(piece: str) -> None:
    """A part of maximum length keeps its HTML with another sentence."""
    text, _ = at_the_border(piece)
    outcome = Outcome(f"{text}\n\n{LONG}", extras=AnswerExtras(files=(REST,), rest=True))
    content = message(outcome.ops(ENGLISH, 1)[0].text, mark="0123456789abcdef.0")
    assert ENGLISH.rest_as_file in content["formatted_body"]
    assert wire_size(edit(content, EVENT)) <= MAX_CONTENT


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param({"cause": "it broke", "midway": False}, "⚠️ No answer: it broke.", id="no answer"),
        pytest.param({"cause": "it broke.", "midway": True}, "⚠️ The answer ends here: it broke.", id="not whole"),
        pytest.param(
            {"cause": "{braces} {0}", "midway": False}, "⚠️ No answer: {braces} {0}.", id="a cause with braces"
        ),
        pytest.param(
            {"cause": "it broke", "midway": False, "remedy": "Try again."},
            "⚠️ No answer: it broke. Try again.",
            id="what to do",
        ),
        pytest.param(
            {"cause": "it broke", "midway": False, "detail": "500 {oops}"},
            "⚠️ No answer: it broke.\n\n<details><summary>Details</summary>\n\n```\n500 {oops}\n```\n\n</details>",
            id="the detail is folded",
        ),
        pytest.param({"cause": "it broke", "midway": False, "detail": ""}, "⚠️ No answer: it broke.", id="no detail"),
    ],
)
def test_what_is_told_of_a_failure(arguments: dict[str, Any], text: str) -> None:
    midway = arguments.pop("midway")
    assert as_markdown(Failure(**arguments).notice(ENGLISH, midway=midway), ENGLISH) == text


def test_a_client_without_html_shows_the_summary_without_marks() -> None:
    notice = Notice(f"⚠️ No answer: the server of {escape('my_agent')} is **busy**.", "401")
    (op,) = Outcome("", "busy", extras=AnswerExtras(notice=notice)).ops(ENGLISH, 1)
    assert op.plain == "⚠️ No answer: the server of my_agent is busy."


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_a_detail_cannot_break_out(texts: Texts) -> None:
    failure = Failure("it broke", detail="```\n</details>\n**bold**\n````")
    text = as_markdown(failure.notice(texts, midway=False), texts)
    assert "<strong>" not in to_html(text)
    assert text.endswith("\n\n</details>")


def test_a_long_answer_that_was_stopped_has_its_rest_in_a_file_too() -> None:
    whole = ops_for(LONG)
    besides = AnswerExtras(files=(REST,), rest=True)
    first, second, last = Outcome(LONG, stopped=StopReason.STOPPED, extras=besides).ops(ENGLISH, 2)
    assert (first, last) == (whole[0], Op(500_000, "", file=REST))
    assert second.text == f"{whole[1].text}\n\n*{ENGLISH.rest_as_file}*\n\n*{ENGLISH.stopped}*"


WHOLE = Attempt(text="Here", question="Where?", activity=ACTIVITY, files=(FILE,), run="run-1")
BROKEN = Failure("it broke", "Try again.", "500")
FILTERED = Failure("its content filter stopped it", error=AnswerFiltered(Text("answer_filtered", upstream="up")))
TOLD = Notice("⚠️ No answer: it broke. Try again.", "500")
TOLD_MIDWAY = Notice("⚠️ The answer ends here: it broke. Try again.", "500")


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        pytest.param(
            WHOLE,
            Outcome("Here", extras=AnswerExtras(None, ACTIVITY, (FILE,)), question="Where?", run="run-1"),
            id="whole",
        ),
        pytest.param(
            Attempt(text="Here", notes=("cat.png was too large", "dog.png too")),
            Outcome("Here", extras=AnswerExtras(Notice("Cat.png was too large.\n\nDog.png too."))),
            id="each note is a sentence",
        ),
        pytest.param(
            Attempt(text="Here", files=(FILE,), rest=REST),
            Outcome("Here", extras=AnswerExtras(files=(REST, FILE), rest=True)),
            id="the rest is the first file",
        ),
        pytest.param(
            Attempt(ended_by=BROKEN, activity=ACTIVITY, run="run-1"),
            Outcome("", "it broke", extras=AnswerExtras(TOLD, ACTIVITY), run="run-1"),
            id="failed before the first word",
        ),
        pytest.param(
            Attempt(ended_by=BROKEN, text="Half", activity=ACTIVITY, rest=REST),
            Outcome("Half", "it broke", extras=AnswerExtras(TOLD_MIDWAY, ACTIVITY, (REST,), rest=True)),
            id="failed midway",
        ),
        pytest.param(
            Attempt(ended_by=StopReason.STOPPED, text="Half", question="Where?", activity=ACTIVITY),
            Outcome("Half", stopped=StopReason.STOPPED, question="Where?"),
            id="stopped",
        ),
        pytest.param(
            Attempt(ended_by=StopReason.DROPPED),
            Outcome("", ENGLISH.dropped, extras=AnswerExtras(Notice(f"⚠️ No answer: {ENGLISH.dropped}."))),
            id="dropped",
        ),
    ],
)
def test_outcome_of_an_attempt(attempt: Attempt, outcome: Outcome) -> None:
    assert replace(outcome_of(attempt, ENGLISH), said="") == outcome


def test_the_same_failure_is_told_once() -> None:
    assert outcome_of(Attempt(ended_by=BROKEN), ENGLISH, announced=Announced.JUST_NOW).extras.notice == Notice(
        ENGLISH.failed_again
    )
    silent = outcome_of(Attempt(ended_by=BROKEN), ENGLISH, announced=Announced.TODAY)
    assert (silent.error, silent.ops(ENGLISH, 4)) == (BROKEN.cause, [])
    midway = outcome_of(Attempt(ended_by=BROKEN, text="Half"), ENGLISH, announced=Announced.JUST_NOW)
    assert midway.extras.notice == TOLD_MIDWAY


def test_a_failure_of_the_upstream_has_its_words() -> None:
    error = UpstreamBusy(Text("upstream_busy", upstream="up", status=429), detail="slow down")
    told = "the server of Ada is busy (429)"
    expected = Failure("up is busy (429)", ENGLISH.try_later, "slow down", error, told)
    assert Failure.of(error, "Ada", ENGLISH) == expected
    assert expected.notice(ENGLISH, midway=False).summary.startswith(f"⚠️ No answer: {told}.")
    assert Failure.of(UpstreamBusy(Text("upstream_busy", upstream="up", status=429)), "Ada", ENGLISH).detail == ""


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
@pytest.mark.parametrize("name", ["upstream_key", "upstream_web_page", "upstream_no_list", "upstream_unusable"])
def test_a_room_is_not_told_about_settings(name: str, texts: Texts) -> None:
    failure = Failure.of(
        UpstreamRefused(Text(name, upstream="studio", status=401)), "Ada", texts.naming(lambda: ["@root:x"], "!ab")
    )
    summary = failure.notice(texts, midway=False).summary
    assert "@root:x" in summary
    assert "Ada" in summary
    assert "studio" in failure.detail
    assert not re.search(r"studio|url|api_key|/v1|permissions", summary)


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (outcome_of(WHOLE, ENGLISH), True),
        (outcome_of(replace(WHOLE, remark="*(cut)*"), ENGLISH), True),
        (outcome_of(replace(WHOLE, ended_by=StopReason.STOPPED), ENGLISH), True),
        (outcome_of(replace(WHOLE, ended_by=StopReason.INTERRUPTED), ENGLISH), True),
        (outcome_of(replace(WHOLE, ended_by=StopReason.EDITED), ENGLISH), False),
        (outcome_of(replace(WHOLE, ended_by=StopReason.REDACTED), ENGLISH), False),
        (outcome_of(replace(WHOLE, ended_by=BROKEN), ENGLISH), True),
        (outcome_of(replace(WHOLE, ended_by=FILTERED), ENGLISH), False),
        (outcome_of(replace(WHOLE, text="", files=(), ended_by=BROKEN), ENGLISH), False),
        (outcome_of(replace(WHOLE, text="", files=()), ENGLISH), False),
    ],
)
def test_the_transcript_keeps_answers_that_people_saw(outcome: Outcome, *, kept: bool) -> None:
    words = "" if outcome.error or outcome.stopped else "\n\n[image: cat.png]"
    said = [ChatMessage("user", "Where?"), ChatMessage("assistant", f"Here{words}")]
    assert outcome.transcript == (said if kept else [])


def test_the_transcript_keeps_a_question_that_the_next_message_continues() -> None:
    interrupted = replace(WHOLE, text="", files=(), ended_by=StopReason.INTERRUPTED)
    assert outcome_of(interrupted, ENGLISH).transcript == [ChatMessage("user", "Where?")]
    assert outcome_of(Attempt(ended_by=StopReason.INTERRUPTED), ENGLISH).transcript == []


def test_the_transcript_keeps_an_answer_that_is_a_file() -> None:
    files = (FILE, AnswerFile(MediaFile("mxc://example.org/a", "application/pdf", 9), "a.pdf"))
    kept = outcome_of(Attempt(question="Draw", files=files, rest=REST), ENGLISH).transcript
    assert kept == [ChatMessage("user", "Draw"), ChatMessage("assistant", "[image: cat.png]\n[file: a.pdf]")]


def test_the_words_of_the_bridge_stay_out_of_the_transcript() -> None:
    outcome = outcome_of(Attempt(question="Where?", text="Half a sent", remark="*(cut)*"), ENGLISH)
    assert outcome.text == "Half a sent\n\n*(cut)*"
    assert outcome.transcript == [ChatMessage("user", "Where?"), ChatMessage("assistant", "Half a sent")]


def test_a_failure_shows_the_reasoning_that_there_is() -> None:
    extras = outcome_of(Attempt(ended_by=BROKEN, activity=ACTIVITY), ENGLISH).extras
    assert extras == AnswerExtras(TOLD, ACTIVITY)


@pytest.mark.parametrize("attempt", [WHOLE, Attempt(ended_by=BROKEN, text="Half", activity=ACTIVITY)])
def test_a_committed_outcome_shows_the_same_messages(attempt: Attempt) -> None:
    outcome = outcome_of(attempt, ENGLISH)
    committed = committed_outcome(
        turn(state=TurnState.COMMITTED, answer=outcome.text, error=outcome.error, extras=outcome.extras)
    )
    assert (committed.ops(ENGLISH, 4), committed.state) == (outcome.ops(ENGLISH, 4), outcome.state)


def test_part_numbers_keep_their_meaning() -> None:
    """The database, transaction ids and marks contain them."""
    assert (Part.ACTIVITY, Part.ACTIVITY_THREAD[0], Part.ACTIVITY_THREAD[1]) == (-1, -2, -3)
    assert (Part.TEXT[0], Part.FILES[0], Part.FILES[1], Part.GIVE_UP) == (0, 500_000, 500_001, 1_000_000)


def test_part_numbers_mean_one_thing() -> None:
    single = [range(part, part + 1) for part in (Part.ACTIVITY, Part.WAITING, Part.GIVE_UP)]
    ranges = [*single, Part.ACTIVITY_THREAD, Part.CARDS, Part.ACTS, Part.TEXT, Part.FILES]
    ends = sorted((min(each[0], each[-1]), max(each[0], each[-1])) for each in ranges)
    assert all(last < first for (_, last), (first, _) in pairwise(ends))
    # The column is an integer of four bytes.
    assert ends[0][0] >= -(2**31)
    assert ends[-1][1] < 2**31


@pytest.mark.parametrize(
    ("outcome", "final"),
    [
        (Outcome("Hello"), 0),
        (Outcome("Hello", "cut", extras=AnswerExtras(activity=ACTIVITY, notice=Notice("⚠️"), files=(FILE,))), 2),
        (Outcome("\n\n".join(["word " * 1400] * 2)), 1),
        (Outcome("", extras=AnswerExtras(files=(FILE,))), 0),
        (Outcome("", "busy", extras=AnswerExtras(notice=Notice(NO_ANSWER))), 0),
    ],
)
def test_the_last_text_of_the_agent_has_the_mentions(outcome: Outcome, final: int) -> None:
    ops = outcome.mentioning(["@bob:x"]).mentioning(["@ada:x", "@bob:x"]).ops(ENGLISH, 20)
    assert [op.mentions for op in ops] == [("@bob:x", "@ada:x") if at == final else () for at in range(len(ops))]
    assert [replace(op, mentions=()) for op in ops] == outcome.ops(ENGLISH, 20)


def test_an_answer_that_shows_nothing_mentions_nobody() -> None:
    assert Outcome("", stopped=StopReason.WITHDRAWN).mentioning(["@bob:x"]).ops(ENGLISH, 20) == []
