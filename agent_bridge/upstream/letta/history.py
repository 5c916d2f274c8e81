"""Finds a question, and the work that followed it, among the messages that the server keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from agent_bridge.upstream.letta.frames import mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

#: Messages of a page, and pages that are read.
_PAGE, _MAX_PAGES = 50, 40


@dataclass(frozen=True, slots=True)
class Past:
    """A question in the history of its conversation."""

    #: The id of the message before the question, empty if it is the first one.
    before: str
    #: The messages after the question, oldest first.
    after: tuple[Frame, ...] = field(repr=False)

    def ran_tool(self, never_ran: Collection[str]) -> bool:
        """Tell whether a tool may have run after the question; the calls *never_ran* have not."""
        calls = (call_id for each in self.after for call_id in _calls(each))
        return any(call_id not in never_ran for call_id in calls)

    @property
    def is_answered(self) -> bool:
        """Whether the last message after the question is text of the agent."""
        return bool(self.after) and text(self.after[-1].get("message_type")) == "assistant_message"


def otid(client_message_id: str) -> str:
    """Return the id under which the server keeps the question with this ``client_message_id``."""
    return str(uuid5(NAMESPACE_URL, client_message_id))


async def find_question(link: Link, conversation_id: str, otids: Collection[str]) -> Past | None:
    """Return the newest question whose ``otid`` is among *otids*; None if the conversation has none.

    Raises:
        UpstreamError: the server did not return the messages.
    """
    after: list[Frame] = []
    query: dict[str, object] = {"limit": _PAGE, "order": "desc"}
    question = False
    for _ in range(_MAX_PAGES):
        response = await link.request("conversation_messages_list", conversation_id=conversation_id, query=query)
        for message in objects(response.get("messages")):
            if question:
                return Past(text(message.get("id")), tuple(reversed(after)))
            if text(message.get("otid")) in otids:
                question = True
            else:
                after.append(message)
        before = response.get("next_before")
        if not response.get("has_more") or not isinstance(before, str):
            break
        query = {**query, "before": before}
    return Past("", tuple(reversed(after))) if question else None


def _calls(message: Frame) -> Iterator[str]:
    """Yield the ids of the tool calls in *message*, and the one of which it is the result."""
    for call in (message, mapping(message.get("tool_call")), *objects(message.get("tool_calls"))):
        if "tool_call_id" in call:
            yield text(call["tool_call_id"])
