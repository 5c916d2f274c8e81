"""The answer of an agent while it arrives: its text, reasoning and tool calls, and files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.bridge.queue.offload import rendered
from agent_bridge.core.errors import FileProblem
from agent_bridge.core.usage import Usage
from agent_bridge.render.rendition import ops_for
from agent_bridge.upstream.answer import (
    End,
    FileDelta,
    ReasoningDelta,
    RunStarted,
    TextDelta,
    TextWithdrawn,
    ToolCall,
    ToolResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.core.answers import Op
    from agent_bridge.render.activity import Activity
    from agent_bridge.render.rendition import Rendition
    from agent_bridge.upstream.answer import AnswerEvent

#: Files of one answer that are sent; one note tells that there were more.
_MAX_FILES = 10


class AnswerBuffer:
    """Collects the deltas of one answer, and tells which messages show it so far.

    Times are seconds of any monotonic clock.
    """

    def __init__(self, rendition: Rendition, activity: Activity) -> None:
        self._rendition = rendition
        self.activity = activity
        self.files: list[FileDelta] = []
        #: The upstream's reference of the run; None if it gave none.
        self.run: str | None = None
        #: The tokens that the upstream reported so far; None without a report.
        self.usage: Usage | None = None
        #: Whether the agent has begun to answer.
        self.is_begun = False
        #: ``finish_reason`` of the OpenAI API; empty until the answer is whole.
        self.finish_reason = ""
        #: Returns the messages that show requests for decisions about tool calls.
        self.approvals: Callable[[], tuple[Op, ...]] = tuple

    @property
    def text(self) -> str:
        """The text so far, without white space around it."""
        return self._rendition.text.strip()

    @property
    def growing(self) -> int | None:
        """The part of the text that was shown last and grows; None before the first words."""
        return self._rendition.growing

    @property
    def urgent(self) -> bool:
        """Whether the first words have arrived and were not taken yet."""
        return not self._rendition.begun and self._rendition.due is not None

    @property
    def due(self) -> float | None:
        """When :meth:`take` returns something, None while there is nothing new.

        The first words determine it alone: reasoning and tool calls do not delay them.
        """
        if self.urgent:
            return self._rendition.due
        return min((due for due in (self._rendition.due, self.activity.due) if due is not None), default=None)

    def feed(self, delta: AnswerEvent, now: float) -> None:
        """Add *delta*, which arrived at *now*."""
        self.is_begun = True
        match delta:
            case RunStarted():
                self.run = delta.ref
            case TextDelta():
                self.activity.speak(now)
                self._rendition.feed(delta.text, now)
            case TextWithdrawn():
                self._rendition.withdraw()
            case ReasoningDelta():
                self.activity.think(delta.text, now)
            case ToolCall():
                self.activity.call(delta.call_id, delta.name, delta.arguments, now)
            case ToolResult():
                self.activity.result(delta.call_id, delta.output, now)
            case FileDelta():
                self._add_file(delta)
            case Usage():
                self.usage = delta if self.usage is None else self.usage + delta
            case End():
                self.finish_reason = delta.finish_reason

    def whole_activity(self, now: float) -> tuple[Op, ...]:
        """Return the messages that show all activity and all requests for decisions at the end of the answer."""
        return (*self.activity.whole(now), *self.approvals())

    def _add_file(self, file: FileDelta) -> None:
        if len(self.files) < _MAX_FILES:
            self.files.append(file)
        elif len(self.files) == _MAX_FILES:
            self.files.append(replace(file, url="", problem=FileProblem.TOO_MANY))

    async def take(self, now: float, *, quiet: bool = False) -> list[Op]:
        """Return the messages to show at *now*; they count as shown. Deltas may arrive at the same time.

        With *quiet*, people see the growing text elsewhere.
        """
        activity, text = self.activity.take(now), self._rendition.begin(now)
        if text is None:
            return activity
        return [*activity, *self._rendition.end(await rendered(len(text), ops_for, text), quiet=quiet)]
