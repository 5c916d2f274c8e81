"""Finds a question, and the work that followed it, among the messages that the server keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from agent_bridge.upstream.transport.json_values import mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

#: Messages of a page, and pages that are read.
_PAGE, _MAX_PAGES = 50, 40
_SAID = "user_message"


@dataclass(frozen=True, slots=True)
class Past:
    """A question in the history of its conversation."""

    #: The id of the message before the question, empty if it is the first one.
    before: str
    #: The messages after the question up to the next message to the agent, oldest first.
    after: tuple[Frame, ...] = field(repr=False)
    #: Whether no further message to the agent follows.
    is_last: bool = True

    def ran_tool(self, never_ran: Collection[str]) -> bool:
        """Tell whether a tool may have run after the question; the calls *never_ran* have not."""
        calls = (call_id for each in self.after for call_id in _calls(each))
        return any(call_id not in never_ran for call_id in calls)

    @property
    def is_answered(self) -> bool:
        """Whether the last message after the question is text of the agent."""
        return bool(self.after) and text(self.after[-1].get("message_type")) == "assistant_message"


def otid(name: str) -> str:
    """Return the id under which the server keeps the question *name*."""
    return str(uuid5(NAMESPACE_URL, name))


async def find_question(link: Link, conversation_id: str, otids: Collection[str]) -> Past | None:
    """Return the question whose ``otid`` is among *otids*, the first one of several; None if there is none.

    Raises:
        UpstreamError: the server did not return the messages.
    """
    after: list[Frame] = []
    #: The number of messages after the first question, and the message before it.
    found: int | None = None
    before = ""
    query: dict[str, object] = {"limit": _PAGE, "order": "desc"}
    for _ in range(_MAX_PAGES):
        response = await link.request("conversation_messages_list", conversation_id=conversation_id, query=query)
        for message in objects(response.get("messages")):
            if found == len(after):
                before = text(message.get("id"))
            after.append(message)
            if text(message.get("otid")) in otids:
                found, before = len(after), ""
        cursor = response.get("next_before")
        # Questions of one turn follow each other: an older page has no further one.
        is_enough = found is not None and len(after) - found >= _PAGE
        if is_enough or not response.get("has_more") or not isinstance(cursor, str):
            break
        query = {**query, "before": cursor}
    if found is None:
        return None
    later = [each for each in reversed(after[: found - 1]) if text(each.get("otid")) not in otids]
    ours = list(takewhile(lambda each: text(each.get("message_type")) != _SAID, later))
    return Past(before, tuple(ours), is_last=len(ours) == len(later))


async def last_before_lost_call(link: Link, conversation_id: str) -> str | None:
    """Return the id of the message before the first tool call of the last turn that has no result.

    Empty if there is no message before it; None if each call has a result. Measured with version 0.34.12: after the end
    of the server during such a call, the conversation accepts no message, and neither does a copy that has the call.

    Raises:
        UpstreamError: the server did not return the messages.
    """
    query: dict[str, object] = {"limit": _PAGE, "order": "desc"}
    response = await link.request("conversation_messages_list", conversation_id=conversation_id, query=query)
    done: set[str] = set()
    lost = False
    found: str | None = None
    for message in objects(response.get("messages")):
        if lost:
            found, lost = text(message.get("id")), False
        kind = text(message.get("message_type"))
        if kind == _SAID:
            break
        calls = set(_calls(message))
        if kind == "tool_return_message":
            done |= calls
        elif calls - done:
            # A result that came later is lost in a copy up to here.
            found, lost, done = "", True, set()
    return found


def _calls(message: Frame) -> Iterator[str]:
    """Yield the ids of the tool calls in *message*, and the one of which it is the result."""
    for call in (message, mapping(message.get("tool_call")), *objects(message.get("tool_calls"))):
        if "tool_call_id" in call:
            yield text(call["tool_call_id"])
