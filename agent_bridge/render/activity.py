"""The activity of an agent beside its answer, reasoning and tool calls, as separate ops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.answers import Op, Part
from agent_bridge.core.rooms import Show
from agent_bridge.render.content import fenced
from agent_bridge.render.split import split, with_ending

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

#: Bytes of the folded section, and of one notice in a thread; the rest is left out.
_FOLDED, _NOTICE = 7_000, 9_000
#: Ops that show activity before the answer is complete, and notices in a thread in all.
_LIVE, _NOTICES = 12, 30
#: Seconds before the first op, and between two passes.
_FIRST, _INTERVAL = 0.1, 1.0
#: Tools that are named in one line.
_NAMED = 8
#: Characters of a tool's name.
_NAME = 64
#: Characters that a shown tool name never contains.
_UNNAMED = re.compile(r"[^\w.:-]+")
#: Tags that would end the folded section around a text.
_SECTION = re.compile(r"<(?=/?(?:details|summary)\b)", re.IGNORECASE)


@dataclass(slots=True)
class _Tool:
    name: str
    arguments: str
    output: str = ""


@dataclass(slots=True)
class _Thought:
    text: str
    began: float
    ended: float | None = None


class Activity:
    """Reasoning and tool calls, shown according to *reasoning* and *tools*.

    Times are seconds of any monotonic clock.
    """

    def __init__(self, texts: Texts, *, reasoning: Show, tools: Show) -> None:
        self._texts = texts
        self._reasoning = reasoning
        self._tools = tools
        self._said: list[_Thought | _Tool] = []
        self._by_id: dict[str, _Tool] = {}
        self._shown: list[Op] = []
        self._live = 0
        self._due: float | None = None
        self._last: float | None = None

    @property
    def due(self) -> float | None:
        """When :meth:`take` has something to show next, None while there is nothing new."""
        return self._due

    def think(self, text: str, now: float) -> None:
        """Add a piece of reasoning."""
        if self._reasoning is Show.HIDDEN:
            return
        last = self._said[-1] if self._said else None
        if isinstance(last, _Thought) and last.ended is None:
            last.text += text
        else:
            self._said.append(_Thought(text, now))
            self._plan(now)

    def call(self, call_id: str, name: str, arguments: str, now: float) -> None:
        """Add a call of a tool."""
        self.speak(now)
        if self._tools is not Show.HIDDEN:
            self._by_id[call_id] = tool = _Tool(_UNNAMED.sub("_", name)[:_NAME], arguments)
            self._said.append(tool)
            self._plan(now)

    def result(self, call_id: str, output: str, now: float) -> None:
        """Add the output of a tool."""
        if call_id in self._by_id:
            self._by_id[call_id].output = output
            self._plan(now)

    def speak(self, now: float) -> None:
        """Note that the reasoning has ended, at least for now."""
        last = self._said[-1] if self._said else None
        if isinstance(last, _Thought) and last.ended is None:
            last.ended = now
            self._plan(now)

    def take(self, now: float) -> list[Op]:
        """Return the new ops that are due at *now*; from then on they count as shown."""
        if self._due is None or now < self._due:
            return []
        self._due, self._last = None, now
        ops = [op for op in self._ops(now, live=True) if op not in self._shown][: _LIVE - self._live]
        self._live += len(ops)
        self._shown += ops
        return ops

    def _plan(self, now: float) -> None:
        if self._due is None and self._live < _LIVE:
            self._due = now + _FIRST if self._last is None else max(now + _FIRST, self._last + _INTERVAL)

    def whole(self, now: float) -> tuple[Op, ...]:
        """Return the ops that show all activity, within the limits; nothing is due after that."""
        self.speak(now)
        self._due = None
        return tuple(self._ops(now, live=False))

    def _ops(self, now: float, *, live: bool) -> list[Op]:
        if not self._said:
            return []
        # The text of unfinished reasoning is left out, because every delta would edit it.
        going_on = live and isinstance(self._said[-1], _Thought) and self._said[-1].ended is None
        finished = self._said[:-1] if going_on else self._said
        summary = self._texts.reasoning if going_on else self._summary(now)
        texts = [_shown(each) for each in finished if self._policy(each) is Show.COLLAPSED]
        head = f"💭 {summary}"
        text = _folded(head, [text for text in texts if text])
        threaded = [each for each in finished if self._policy(each) is Show.THREAD]
        notices = [
            Op(part, _bounded(_shown(each), _NOTICE), notice=True, thread_of=Part.ACTIVITY)
            for part, each in zip(Part.ACTIVITY_THREAD, threaded[:_NOTICES], strict=False)
        ]
        return [Op(Part.ACTIVITY, text, notice=True, live=live, plain=head), *notices]

    def _policy(self, said: _Thought | _Tool) -> Show:
        return self._reasoning if isinstance(said, _Thought) else self._tools

    def _summary(self, now: float) -> str:
        thoughts = [each for each in self._said if isinstance(each, _Thought)]
        tools = list(dict.fromkeys(each.name for each in self._said if isinstance(each, _Tool)))
        parts = []
        if thoughts:
            seconds = sum((each.ended or now) - each.began for each in thoughts)
            parts.append(self._texts.thought_for.format(duration=self._texts.duration(max(1, seconds))))
        if tools:
            one = len(tools) == 1
            text = self._texts.used_tool if one else self._texts.used_tools
            parts.append(text.format(tool=tools[0], count=len(tools), tools=_listed(tools)))
        return " · ".join(parts)


def _listed(names: list[str]) -> str:
    return ", ".join([*names[:_NAMED], *(["…"] if len(names) > _NAMED else [])])


def _shown(said: _Thought | _Tool) -> str:
    if isinstance(said, _Thought):
        return _SECTION.sub("&lt;", said.text.strip())
    given, got = said.arguments.strip()[:_NOTICE], said.output.strip()[:_NOTICE]
    output = f"\n\n{fenced(got)}" if got else ""
    return f"`{said.name}`\n\n{fenced(given, 'json')}{output}"


def _folded(head: str, texts: list[str]) -> str:
    if not texts:
        return head
    text = texts[0]
    for each in texts[1:]:
        if len(text) > _FOLDED:
            break
        # A code block that one of them leaves open must not swallow the next.
        text = with_ending(text, each)
    text = _bounded(text, _FOLDED)
    return with_ending(f"<details><summary>{head}</summary>\n\n{text}", "</details>")


def _bounded(text: str, limit: int) -> str:
    # More characters than bytes that fit: the rest is not needed.
    parts = split(text[: limit + 1], limit)
    return parts[0] if len(parts) == 1 else f"{parts[0]}\n\n…"
