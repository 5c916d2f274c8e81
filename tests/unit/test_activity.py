"""Activity: reasoning and tool calls, as ops beside the answer, on a simulated clock."""

from __future__ import annotations

import time
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.answers import Op, Part
from agent_bridge.core.rooms import Show
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.activity import Activity
from agent_bridge.render.content import MAX_CONTENT, edit, message
from agent_bridge.render.markdown.html import to_html
from support.event_sizes import EVENT, wire_size

START = 1000.0
LATER = START + 60
#: Maximum of ops that show activity before the answer is whole.
MOST = 12


def activity(reasoning: Show = Show.COLLAPSED, tools: Show = Show.COLLAPSED) -> Activity:
    return Activity(ENGLISH, reasoning=reasoning, tools=tools)


def played(reasoning: Show, tools: Show) -> Activity:
    """Think for four seconds, use a tool, speak."""
    aside = activity(reasoning, tools)
    aside.think("First ", START)
    aside.think("this.", START + 1)
    aside.call("1", "grep", '{"for": "cats"}', START + 4)
    aside.result("1", "3 cats", START + 5)
    aside.speak(START + 6)
    return aside


THOUGHT = "First this."
TOOL = '`grep`\n\n```json\n{"for": "cats"}\n```\n\n```\n3 cats\n```'


def folded(head: str, text: str) -> str:
    return f"<details><summary>{head}</summary>\n\n{text}\n\n</details>"


@pytest.mark.parametrize(
    ("reasoning", "tools", "head", "text", "notices"),
    [
        (Show.COLLAPSED, Show.COLLAPSED, "💭 Thought for 4 seconds · Used grep", f"{THOUGHT}\n\n{TOOL}", []),
        (Show.COLLAPSED, Show.HIDDEN, "💭 Thought for 4 seconds", THOUGHT, []),
        (Show.HIDDEN, Show.COLLAPSED, "💭 Used grep", TOOL, []),
        (Show.THREAD, Show.THREAD, "💭 Thought for 4 seconds · Used grep", None, [THOUGHT, TOOL]),
        (Show.THREAD, Show.HIDDEN, "💭 Thought for 4 seconds", None, [THOUGHT]),
        (Show.HIDDEN, Show.THREAD, "💭 Used grep", None, [TOOL]),
        (Show.COLLAPSED, Show.THREAD, "💭 Thought for 4 seconds · Used grep", THOUGHT, [TOOL]),
        (Show.THREAD, Show.COLLAPSED, "💭 Thought for 4 seconds · Used grep", TOOL, [THOUGHT]),
    ],
    ids=str,
)
def test_asides_are_shown_as_is_wanted(
    reasoning: Show, tools: Show, head: str, text: str | None, notices: list[str]
) -> None:
    first, *rest = played(reasoning, tools).whole(LATER)
    assert (first.part, first.plain, first.thread_of, first.notice) == (Part.ACTIVITY, head, None, True)
    assert first.text == (head if text is None else folded(head, text))
    # The head of the thread comes first, then the notices in their order.
    assert [(op.part, op.text, op.thread_of) for op in rest] == [
        (Part.ACTIVITY - 1 - number, notice, Part.ACTIVITY) for number, notice in enumerate(notices)
    ]
    assert all(op.notice and not op.live for op in rest)


def test_what_is_hidden_is_nowhere() -> None:
    aside = played(Show.HIDDEN, Show.HIDDEN)
    assert (aside.due, aside.take(LATER), aside.whole(LATER)) == (None, [], ())


def test_where_nothing_was_done_nothing_is_shown() -> None:
    aside = activity()
    aside.speak(START)
    aside.result("unknown", "output", START)
    assert (aside.due, aside.take(LATER), aside.whole(LATER)) == (None, [], ())


def test_thinking_is_shown_at_once_and_its_text_when_it_is_over() -> None:
    aside = activity()
    aside.think("secret ", START)
    assert aside.take(START) == []
    assert aside.due is not None
    assert aside.due - START <= 0.3
    (op,) = aside.take(aside.due)
    assert (op.text, op.plain, op.live, op.notice) == ("💭 Thinking…", "💭 Thinking…", True, True)
    aside.think("thoughts", START + 3)
    assert aside.take(START + 3) == []
    aside.speak(START + 4)
    assert aside.due is not None
    (op,) = aside.take(aside.due)
    assert "secret thoughts" in op.text
    assert (op.part, op.plain, op.live) == (Part.ACTIVITY, "💭 Thought for 4 seconds", True)


def test_reasoning_that_goes_on_shows_its_time_and_what_was_before() -> None:
    aside = activity()
    aside.think("a", START)
    heads: list[str] = []
    times: list[float] = []

    def pass_by(until: float) -> None:
        while aside.due is not None and aside.due <= until:
            times.append(aside.due - START)
            heads.extend(op.plain or "" for op in aside.take(aside.due))

    pass_by(START + 40)
    assert heads == ["💭 Thinking…", "💭 Thinking… 5 seconds", "💭 Thinking… 15 seconds", "💭 Thinking… 35 seconds"]
    aside.call("1", "grep", "{}", START + 40)
    pass_by(START + 42)
    aside.think("b", START + 42)
    pass_by(START + 44)
    assert heads[4:] == ["💭 Thought for 40 seconds · Used grep", "💭 Thought for 40 seconds · Used grep…"]
    pass_by(START + 5_000)
    assert len(heads) <= 12
    assert all(later - earlier >= 0.9 for earlier, later in pairwise(times))
    assert aside.due is None


def test_notices_of_a_thread_are_said_once_each() -> None:
    aside = activity(Show.THREAD, Show.THREAD)
    shown: list[Op] = []
    for number in range(3):
        aside.call(str(number), f"tool{number}", "{}", START + 10 * number)
        shown += aside.take(START + 10 * number + 5)
    assert [op.part for op in shown] == [
        Part.ACTIVITY,
        Part.ACTIVITY - 1,
        Part.ACTIVITY,
        Part.ACTIVITY - 2,
        Part.ACTIVITY,
        Part.ACTIVITY - 3,
    ]
    assert [op.text for op in aside.whole(LATER)[1:]] == [
        f"`tool{number}`\n\n```json\n{{}}\n```" for number in range(3)
    ]


def test_a_call_shows_what_it_gave_when_it_is_known() -> None:
    aside = activity(Show.HIDDEN, Show.THREAD)
    aside.call("1", "grep", "{}", START)
    before = aside.take(START + 1)
    aside.result("1", "3 cats", START + 2)
    after = aside.take(START + 3)
    assert "3 cats" not in before[-1].text
    assert [(op.part, "3 cats" in op.text) for op in after] == [(Part.ACTIVITY - 1, True)]


@pytest.mark.parametrize(
    ("tools", "summary"),
    [
        (["grep"], "💭 Used grep"),
        (["grep", "grep"], "💭 Used grep"),
        (["grep", "cat", "grep"], "💭 Used 2 tools: grep, cat"),
    ],
)
def test_tools_are_named_once(tools: list[str], summary: str) -> None:
    aside = activity()
    for number, name in enumerate(tools):
        aside.call(str(number), name, "{}", START)
    assert aside.whole(LATER)[0].plain == summary


def test_times_of_thinking_are_summed_up() -> None:
    aside = activity(tools=Show.HIDDEN)
    for begin in (0, 100, 200):
        aside.think("Hm", START + begin)
        aside.speak(START + begin + 30)
    assert aside.whole(START + 999)[0].plain == "💭 Thought for 1 minute"


def test_a_summary_is_in_the_language_of_the_house() -> None:
    aside = Activity(RUSSIAN, reasoning=Show.COLLAPSED, tools=Show.COLLAPSED)
    aside.think("Hm", START)
    aside.call("1", "grep", "{}", START + 5)
    assert (aside.whole(LATER)[0].plain or "").isascii() is False
    assert "Thought" not in aside.whole(LATER)[0].text


@pytest.mark.parametrize(
    "hostile", ["```", "````\n</details>", "</summary>", "<b>", "`", "**", "\n\n# x", "{0} {tool}"]
)
def test_nothing_breaks_out_of_its_box(hostile: str) -> None:
    """A tool's arguments and result stay in their block, and its name is no markup."""
    aside = activity(tools=Show.COLLAPSED)
    aside.call("1", f"a{hostile}b", f"{hostile}\n**bold**", START)
    aside.result("1", f"{hostile}\n**bold**", START)
    (op,) = aside.whole(LATER)
    html = to_html(op.text)
    assert "<strong>" not in html
    assert html.count("<pre>") == 2
    assert html.count("<details>") == html.count("</details>") == html.count("<summary>") == 1
    assert html.endswith("</details>")
    assert op.plain is not None
    assert len(op.plain.splitlines()) == 1


@pytest.mark.parametrize(
    "thought", ["```py\ncode", "</details>", "</DETAILS >\n\nb", "<summary>x", "~~~~\n```", "<details>"]
)
def test_what_is_thought_stays_in_its_box(thought: str) -> None:
    aside = activity()
    aside.think(thought, START)
    aside.call("1", "grep", "**bold**", START + 1)
    aside.think(thought, START + 2)
    (op,) = aside.whole(LATER)
    html = to_html(op.text)
    assert html.count("<details>") == html.count("</details>") == html.count("<summary>") == 1
    assert html.endswith("</details>")
    assert "<strong>" not in html
    assert "<p><code>grep</code></p>" in html


@pytest.mark.parametrize("piece", ["word ", '"', "<", "&", "🐈", "ж", "\x01", "```\n", "\n"])
@pytest.mark.parametrize("show", [Show.COLLAPSED, Show.THREAD])
def test_what_is_long_is_bounded(piece: str, show: Show) -> None:
    aside = activity(show, show)
    aside.think(piece * 50_000, START)
    aside.call("1", piece * 3000, piece * 50_000, START)
    aside.result("1", piece * 50_000, START)
    for op in aside.whole(LATER):
        content = message(op.text, mark="0123456789abcdef.-10", notice=True, live=op.live, plain=op.plain)
        assert wire_size(edit(content, EVENT)) <= MAX_CONTENT


def test_a_hundred_tools_end_in_few_events() -> None:
    """The number of events is limited, even if an agent loops."""
    aside = activity(Show.THREAD, Show.THREAD)
    for number in range(1000):
        aside.call(str(number), "grep", "{}", START + number)
    assert len(aside.whole(START + 1000)) <= 40
    shown = 0
    while aside.due is not None:
        shown += len(aside.take(aside.due))
    assert shown <= MOST


TEXTS = st.sampled_from(
    ["", " ", "\n", "Hm.", "```\n", "</details>", "<b>", "x" * 9000, "🐈" * 3000, "`", "{0}", "\x00"]
)
IDS = st.sampled_from(["", "1", "2"])
CALLS = st.one_of(
    st.tuples(st.just("think"), TEXTS),
    st.tuples(st.just("call"), IDS, TEXTS, TEXTS),
    st.tuples(st.just("result"), IDS, TEXTS),
    st.tuples(st.just("speak")),
)


@given(
    st.sampled_from(Show),
    st.sampled_from(Show),
    st.lists(st.tuples(CALLS, st.sampled_from([0.0, 0.05, 0.5, 3.0])), max_size=30),
)
def test_whatever_an_agent_does(reasoning: Show, tools: Show, calls: list[tuple[tuple[Any, ...], float]]) -> None:
    aside, now, passes = activity(reasoning, tools), START, list[tuple[float, list[Op]]]()
    for (name, *arguments), pause in calls:
        now += pause
        while aside.due is not None and aside.due <= now:
            passes.append((aside.due, aside.take(aside.due)))
        getattr(aside, name)(*arguments, now)
    ops = [op for _, taken in passes for op in taken]
    whole = aside.whole(now + 1)
    assert all(op.part <= Part.ACTIVITY and op.notice for op in (*ops, *whole))
    # A thread begins with its head.
    assert not ops or ops[0].part == Part.ACTIVITY
    assert not any(op.live for op in whole)
    assert [op.part for op in whole] == [Part.ACTIVITY - number for number in range(len(whole))]
    assert {op.part for op in ops} <= {op.part for op in whole}
    assert len(ops) <= MOST
    assert all(later - earlier >= 0.9 for (earlier, _), (later, _) in pairwise(passes))
    assert aside.whole(now + 1) == whole
    hidden = {"think": reasoning, "call": tools}
    if all(hidden.get(call[0], Show.HIDDEN) is Show.HIDDEN for call, _ in calls):
        assert (ops, whole) == ([], ())


@given(st.lists(CALLS, max_size=12))
def test_nothing_is_due_once_it_is_whole(calls: list[tuple[Any, ...]]) -> None:
    aside = activity(Show.THREAD, Show.COLLAPSED)
    for name, *arguments in calls:
        getattr(aside, name)(*arguments, START)
    aside.whole(START + 1)
    assert (aside.due, aside.take(LATER)) == (None, [])


def test_tools_that_say_very_much_cost_little() -> None:
    aside = activity()
    for number in range(200):
        aside.call(str(number), "search", "{}", START)
        aside.result(str(number), "some line or other\n" * 5_000, START)
    started = time.process_time()
    (whole,) = aside.whole(START + 1)
    assert time.process_time() - started < 0.5
    assert "some line or other" in whole.text
    assert len(whole.text.encode()) < 8_000


def test_activity_that_is_not_shown_is_not_kept_but_counted() -> None:
    aside = activity()
    for number in range(3000):
        aside.think("x" * 1000, START + number)
        aside.call(str(number), ("grep", "ls")[number % 2], "{}", START + number + 0.5)
    tracemalloc.start()
    for number in range(3000, 6000):
        aside.think("x" * 1000, START + number)
        aside.call(str(number), "last", "{}" * 1000, START + number + 0.5)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (whole,) = aside.whole(START + 6000)
    assert whole.plain == "💭 Thought for 50 minutes · Used 3 tools: grep, ls, last"
    assert kept < 100_000


def test_a_tool_counts_as_used_once_it_is_allowed() -> None:
    aside = activity()

    def head() -> str:
        return aside.whole(LATER)[0].plain or ""

    # The request may come before the call, or after it.
    aside.hold("1", START)
    aside.call("1", "Bash", "{}", START)
    assert head() == "💭 Asked for Bash"
    aside.call("2", "Read", "{}", START)
    aside.hold("2", START)
    aside.hold("2", START)
    assert head() == "💭 Asked for Bash, Read"
    aside.allow("2", START)
    aside.result("1", "refused", START)
    assert head() == "💭 Used Read · Asked for Bash"
    # A language model may use the same id again.
    aside.call("1", "Bash", "{}", START)
    aside.hold("1", START)
    aside.allow("1", START)
    aside.allow("1", START)
    assert head() == "💭 Used 2 tools: Bash, Read"
