"""The activity of an agent beside its answer, reasoning and tool calls, as separate ops."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.answers import Op, Part
from agent_bridge.core.rooms import Show
from agent_bridge.render.content import fenced
from agent_bridge.render.split import closed, split, with_ending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_bridge.i18n.catalogue import Texts

#: Bytes of the folded section, and of one notice in a thread; the rest is left out.
_FOLDED, _NOTICE = 7_000, 9_000
#: Thoughts and tool calls that are kept (the folded section has room for fewer), and distinct tools that are counted.
_KEPT, _COUNTED = 2_500, 1_000
#: Ops that show activity before the answer is complete, and notices in a thread in all.
_LIVE, _NOTICES = 12, 30
#: Seconds before the first op, and between two passes.
_FIRST, _INTERVAL = 0.1, 1.0
#: Seconds of reasoning before its time is shown; each further pass waits twice as long. Passes for that at most.
_PROGRESS, _PASSES = 5.0, 6
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
    #: The text, without what no message can show.
    text: str = ""

    def add(self, text: str) -> None:
        text = text if self.text else text.lstrip()
        self.text += text[: _NOTICE + 1 - len(self.text)]


class Activity:
    """Reasoning and tool calls, shown according to *reasoning* and *tools*.

    Times are seconds of any monotonic clock. Time and memory are bounded: of activity that no message can show, only
    the duration and the names of the tools are kept.
    """

    def __init__(self, texts: Texts, *, reasoning: Show, tools: Show) -> None:
        self._texts = texts
        self._reasoning = reasoning
        self._tools = tools
        self._said: list[_Thought | _Tool] = []
        self._by_id: dict[str, _Tool] = {}
        #: The names of all tools, with the number of their calls that are not held.
        self._names: dict[str, int] = {}
        #: The ids of the calls that are held.
        self._held: set[str] = set()
        #: The last reasoning, the seconds of all reasoning that has ended, and since when the last one goes on.
        self._thought: _Thought | None = None
        self._seconds = 0.0
        self._thinks_since: float | None = None
        self._shown: list[Op] = []
        self._live = 0
        self._due: float | None = None
        self._last: float | None = None
        #: The passes that were planned to show how long the reasoning goes on.
        self._passes = 0

    @property
    def due(self) -> float | None:
        """When :meth:`take` has something to show next, None while there is nothing new."""
        return self._due

    def think(self, text: str, now: float) -> None:
        """Add a piece of reasoning."""
        if self._reasoning is Show.HIDDEN:
            return
        if self._thought is None or self._thinks_since is None:
            self._thought, self._thinks_since = _Thought(), now
            self._keep(self._thought)
            self._plan(now)
        self._thought.add(text)

    def call(self, call_id: str, name: str, arguments: str, now: float) -> None:
        """Add a call of a tool."""
        self.speak(now)
        if self._tools is not Show.HIDDEN:
            tool = _Tool(_UNNAMED.sub("_", name)[:_NAME], arguments)
            if self._keep(tool):
                self._by_id[call_id] = tool
            self._count(tool.name, call_id not in self._held)
            self._plan(now)

    def hold(self, call_id: str, now: float) -> None:
        """Note that a call waits for a decision, or will: its tool does not count as used until it is allowed."""
        if call_id not in self._held and len(self._held) < _KEPT:
            self._held.add(call_id)
            if (tool := self._by_id.get(call_id)) is not None:
                self._count(tool.name, -1)
                self._plan(now)

    def allow(self, call_id: str, now: float) -> None:
        """Note that a call that waited may run."""
        if call_id in self._held:
            self._held.discard(call_id)
            if (tool := self._by_id.get(call_id)) is not None:
                self._count(tool.name, 1)
                self._plan(now)

    def _count(self, name: str, calls: int) -> None:
        if name in self._names or len(self._names) < _COUNTED:
            self._names[name] = self._names.get(name, 0) + calls

    def result(self, call_id: str, output: str, now: float) -> None:
        """Add the output of a tool."""
        if call_id in self._by_id:
            self._by_id[call_id].output = output
            self._plan(now)

    def speak(self, now: float) -> None:
        """Note that the reasoning has ended, at least for now."""
        if self._thinks_since is not None:
            self._seconds += now - self._thinks_since
            self._thinks_since = None
            self._plan(now)

    def _keep(self, said: _Thought | _Tool) -> bool:
        """Keep *said* if it may be shown; tell whether it is kept."""
        if len(self._said) < _KEPT:
            self._said.append(said)
            return True
        return False

    def take(self, now: float) -> list[Op]:
        """Return the new ops that are due at *now*; from then on they count as shown."""
        if self._due is None or now < self._due:
            return []
        self._due, self._last = None, now
        ops = [op for op in self._ops(now, live=True) if op not in self._shown][: _LIVE - self._live]
        self._live += len(ops)
        self._shown += ops
        if self._thinks_since is not None and self._passes < _PASSES:
            self._plan(now + _PROGRESS * 2**self._passes)
            self._passes += 1
        return ops

    def _plan(self, now: float) -> None:
        if self._live < _LIVE:
            due = now + _FIRST if self._last is None else max(now + _FIRST, self._last + _INTERVAL)
            self._due = due if self._due is None else min(due, self._due)

    def whole(self, now: float) -> tuple[Op, ...]:
        """Return the ops that show all activity, within the limits; nothing is due after that."""
        self.speak(now)
        self._due = None
        return tuple(self._ops(now, live=False))

    def _ops(self, now: float, *, live: bool) -> list[Op]:
        if not self._said:
            return []
        # The text of unfinished reasoning is left out, because every delta would edit it.
        going_on = live and self._thinks_since is not None
        finished = self._said[:-1] if going_on and self._said[-1] is self._thought else self._said
        head = f"💭 {self._going_on(now) if going_on else self._summary(now)}"
        text = _folded(head, (_shown(each) for each in finished if self._policy(each) is Show.COLLAPSED))
        threaded = [each for each in finished if self._policy(each) is Show.THREAD]
        notices = [
            Op(part, _bounded(_shown(each), _NOTICE), notice=True, thread_of=Part.ACTIVITY)
            for part, each in zip(Part.ACTIVITY_THREAD, threaded[:_NOTICES], strict=False)
        ]
        return [Op(Part.ACTIVITY, text, notice=True, live=live, plain=head), *notices]

    def _policy(self, said: _Thought | _Tool) -> Show:
        return self._reasoning if isinstance(said, _Thought) else self._tools

    def _going_on(self, now: float) -> str:
        """Return the summary while the reasoning goes on. It begins like the summary that was shown before."""
        if len(self._said) > 1:
            return f"{self._summary(now)}…"
        since = now if self._thinks_since is None else self._thinks_since
        duration = f" {self._texts.duration(now - since)}" if now - since >= _PROGRESS else ""
        return f"{self._texts.reasoning}{duration}"

    def _summary(self, now: float) -> str:
        used = [name for name, calls in self._names.items() if calls > 0]
        asked = [name for name, calls in self._names.items() if calls <= 0]
        parts = []
        if self._thought is not None:
            since = now if self._thinks_since is None else self._thinks_since
            duration = self._texts.duration(max(1, self._seconds + now - since))
            parts.append(self._texts.thought_for.format(duration=duration))
        if used:
            text = self._texts.used_tool if len(used) == 1 else self._texts.used_tools
            parts.append(text.format(tool=used[0], count=len(used), tools=_listed(used)))
        if asked:
            parts.append(self._texts.asked_for_tools.format(tools=_listed(asked)))
        return " · ".join(parts)


def _listed(names: list[str]) -> str:
    return ", ".join([*names[:_NAMED], *(["…"] if len(names) > _NAMED else [])])


def _shown(said: _Thought | _Tool) -> str:
    if isinstance(said, _Thought):
        return _SECTION.sub("&lt;", said.text.strip())
    given, got = said.arguments.strip()[:_NOTICE], said.output.strip()[:_NOTICE]
    output = f"\n\n{fenced(got)}" if got else ""
    return f"`{said.name}`\n\n{fenced(given, 'json')}{output}"


def _folded(head: str, texts: Iterable[str]) -> str:
    kept: list[str] = []
    length = 0
    for text in filter(None, texts):
        kept.append(text)
        length += len(text)
        if length > _FOLDED:
            break
    if not kept:
        return head
    # A code block that one of them leaves open must not swallow the next.
    text = _bounded("\n\n".join([*map(closed, kept[:-1]), kept[-1]]), _FOLDED)
    return with_ending(f"<details><summary>{head}</summary>\n\n{text}", "</details>")


def _bounded(text: str, limit: int) -> str:
    # More characters than bytes that fit: the rest is not needed.
    parts = split(text[: limit + 1], limit)
    return parts[0] if len(parts) == 1 else f"{parts[0]}\n\n…"
