"""Results of the commands about schedules, and the notices of their runs, as Markdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.names import one_line
from agent_bridge.core.results.schedules import (
    ScheduleEntry,
    ScheduleList,
    ScheduleMade,
    SchedulePaused,
    ScheduleProblem,
    ScheduleRefused,
    ScheduleRemoved,
    ScheduleResumed,
    TimeNotUnderstood,
)
from agent_bridge.core.times.zones import zone_named
from agent_bridge.render.content import escape, in_backticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from agent_bridge.i18n.catalogue import Texts

#: Characters of a prompt in a list, and of a word.
_PROMPT, _WORD = 100, 60


def schedule_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.schedules
    return {
        ScheduleMade: lambda result: words.made.format(
            number=result.number,
            agent=escape(result.agent),
            when=escape(result.expression),
            due=local_time(result.due_at, result.zone),
            prefix=prefix,
        ),
        ScheduleRefused: partial(_refused, texts, prefix),
        TimeNotUnderstood: lambda result: time_problem(result, texts),
        SchedulePaused: lambda result: words.paused.format(number=result.number, prefix=prefix),
        ScheduleResumed: lambda result: words.resumed.format(
            number=result.number, due=local_time(result.due_at, result.zone)
        ),
        ScheduleRemoved: lambda result: words.removed.format(number=result.number, when=escape(result.expression)),
        ScheduleList: partial(_list, texts, prefix),
    }


def time_problem(result: TimeNotUnderstood, texts: Texts) -> str:
    """Return why words mean no time, with examples."""
    words = texts.schedules
    problem = words.times[result.problem].format(word=_shown(result.word))
    return f"{problem} {words.examples}"


def local_time(at: datetime, zone: str) -> str:
    """Return a moment as clocks in *zone* show it, with the zone; by UTC if there is no such zone any more."""
    try:
        there = at.astimezone(zone_named(zone))
    except (ValueError, OSError, KeyError):
        there, zone = at.astimezone(zone_named("UTC")), "UTC"
    return f"{there:%Y-%m-%d %H:%M} ({zone})"


def scheduled_notice(owner: str, when: str, late: str | None, missed: int, text: str, texts: Texts) -> str:
    """Return the notice in the room, which is the question of the agent; *late*: the first due time that was missed."""
    words = texts.schedules
    values = {"owner": escape(owner), "when": escape(when), "text": escape(text)}
    if late is None:
        return words.told.format(**values)
    times = texts.count(missed, words.times_missed)
    return words.told_late.format(**values, due=late, times=times)


def scheduled_head(when: str, late: str | None, texts: Texts) -> str:
    """Return the sentence before a scheduled prompt, for the agent."""
    words = texts.schedules
    return words.asks.format(when=when) if late is None else words.asks_late.format(when=when, due=late)


def _refused(texts: Texts, prefix: str, result: ScheduleRefused) -> str:
    is_time = result.problem is ScheduleProblem.TOO_OFTEN
    most = texts.duration(result.most) if is_time else str(result.most)
    return texts.schedules.problems[result.problem].format(name=_shown(result.name), most=most, prefix=prefix)


def _list(texts: Texts, prefix: str, result: ScheduleList) -> str:
    words = texts.schedules
    if not result.schedules:
        return (words.none_of_all if result.is_of_all else words.none).format(prefix=prefix)
    lines = [_entry(texts, each, is_of_all=result.is_of_all) for each in result.schedules]
    foot = words.foot.format(prefix=prefix)
    if result.pages > 1:
        following = result.page % result.pages + 1
        all_ = " all" if result.is_of_all else ""
        page = words.page.format(page=result.page, pages=result.pages, prefix=prefix, following=f"{following}{all_}")
        foot = f"{page}\n\n{foot}"
    return "\n".join([words.head, "", *lines, "", foot])


def _entry(texts: Texts, entry: ScheduleEntry, *, is_of_all: bool) -> str:
    words = texts.schedules
    state = words.is_paused if entry.paused else words.next.format(due=local_time(entry.due_at, entry.zone))
    facts = [state]
    if entry.problem is not None:
        facts.append(words.troubles.get(entry.problem, entry.problem))
    if is_of_all:
        facts.append(words.owner.format(owner=escape(entry.owner)))
    prompt = f": {escape(_short(one_line(entry.prompt), _PROMPT))}" if entry.prompt else ""
    facts.append(f"`{in_backticks(entry.room_id)}`")
    head = f"- **{entry.number}** {escape(entry.expression)} → *{escape(entry.agent)}*"
    return f"{head}{prompt} ({'; '.join(facts)})"


def _shown(word: str) -> str:
    """Return words of a person inside a text: without characters that show nothing, or change its direction."""
    return escape(_short(one_line(word), _WORD))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
