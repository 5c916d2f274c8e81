"""Finds a question, and the work that followed it, among the messages that the server keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from agent_bridge.upstream.letta.frames import objects, text

if TYPE_CHECKING:
    from collections.abc import Collection

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

    @property
    def ran_tool(self) -> bool:
        """Whether a tool was called after the question."""
        return any(text(each.get("message_type")) != "reasoning_message" and _is_tool(each) for each in self.after)

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


def _is_tool(message: Frame) -> bool:
    return "tool" in text(message.get("message_type")) or "tool_call" in message
