"""Reads the messages that the server keeps; finds a question among them, and the work that followed it."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.letta.frames import MAX_EVENT
from agent_bridge.upstream.letta.link import ResponseTooLarge
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.letta_past import otid_of, pages, past_messages, said

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence

    from agent_bridge.upstream.capabilities import PastMessage
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link

#: Times that one question is sent in an attempt, or its answer looked for, before the attempt fails.
TRIES = 8
#: Messages of a page, and messages among which a question is looked for.
_PAGE, _FAR = 50, 2_000
#: The name of the main conversation of each agent.
_MAIN = "default"
_QUESTION = "user_message"


@dataclass(frozen=True, slots=True)
class _Page:
    """Messages, newest first."""

    messages: Sequence[Frame]
    #: Whether there are older ones.
    has_more: bool


@dataclass(frozen=True, slots=True)
class Past:
    """A question in the history of its conversation."""

    #: The id of the question, and of the message before it, empty if it is the first one.
    ref: str
    before: str
    #: The messages after the question up to the next message to the agent, oldest first.
    after: tuple[Frame, ...] = field(repr=False)
    #: Whether no further message to the agent follows.
    is_last: bool = True

    @property
    def end(self) -> str:
        """The id of the last message before the next one to the agent."""
        return text(self.after[-1].get("id")) if self.after else self.ref

    @property
    def is_too_large(self) -> bool:
        """Whether a message after the question is so large that the server ends the connections with its event."""
        return any(len(json.dumps(each, ensure_ascii=False).encode()) > MAX_EVENT for each in self.after)

    def ran_tool(self, never_ran: Collection[str]) -> bool:
        """Tell whether a tool may have run after the question; the calls *never_ran* have not."""
        calls = (call_id for each in self.after for call_id in _calls(each))
        return any(call_id not in never_ran for call_id in calls)

    @property
    def is_answered(self) -> bool:
        """Whether the last message after the question is text of the agent."""
        return bool(self.after) and text(self.after[-1].get("message_type")) == "assistant_message"


class LettaHistory:
    """The messages of conversations on the server at *link*."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def __call__(
        self, model: str, /, conversation: str | None = None, *, newest: int = 1_000
    ) -> AsyncIterator[Sequence[PastMessage]]:
        """See :class:`agent_bridge.upstream.capabilities.History`."""
        found: list[dict[str, Any]] = []
        more = True
        async with aclosing(_newest_first(self._link, conversation or _MAIN, model)) as read:
            async for page in read:
                found += filter(None, map(said, page.messages))
                more = page.has_more
                if len(found) >= newest:
                    break
        is_cut = more or len(found) > newest
        for each in pages(past_messages(found[:newest][::-1], is_cut=is_cut)):
            yield each


def otid(key: str, attempt: int, number: int) -> str:
    """Return the id under which the history has the question *key*, sent for the *number*-th time in an attempt."""
    return otid_of(f"{key}#{attempt}.{number}")


def otids(key: str, attempts: int) -> frozenset[str]:
    """Return the ids under which the history may have the question *key* after a number of attempts."""
    return frozenset(otid(key, attempt, number) for attempt in range(1, attempts + 1) for number in range(1, TRIES + 1))


async def last_question(link: Link, conversation_id: str) -> str:
    """Return the ``otid`` of the last question of a conversation, empty without one.

    Raises:
        UpstreamError: the server did not return the messages.
    """
    async with aclosing(_newest_first(link, conversation_id)) as read:
        async for page in read:
            for message in page.messages:
                # The server adds messages without an id to a turn.
                if text(message.get("message_type")) == _QUESTION and (found := text(message.get("otid"))):
                    return found
    return ""


async def find_question(link: Link, conversation_id: str, otids: Collection[str]) -> Past | None:
    """Return the question whose ``otid`` is among *otids*, the first one of several; None if there is none.

    Raises:
        UpstreamError: the server did not return the messages.
    """
    after: list[Frame] = []
    #: The number of messages after the first question, and the message before it.
    found: int | None = None
    before = ""
    async with aclosing(_newest_first(link, conversation_id)) as read:
        async for page in read:
            for message in page.messages:
                if found == len(after):
                    before = text(message.get("id"))
                after.append(message)
                if text(message.get("otid")) in otids:
                    found, before = len(after), ""
            # Questions of one turn follow each other: an older page has no further one.
            if len(after) >= _FAR or (found is not None and len(after) - found >= _PAGE):
                break
    if found is None:
        return None
    later = [each for each in reversed(after[: found - 1]) if text(each.get("otid")) not in otids]
    ours = list(takewhile(lambda each: text(each.get("message_type")) != _QUESTION, later))
    return Past(text(after[found - 1].get("id")), before, tuple(ours), is_last=len(ours) == len(later))


async def last_before_lost_call(link: Link, conversation_id: str) -> str | None:
    """Return the id of the message before the first tool call of the last turn that has no result.

    Empty if there is no message before it; None if each call has a result. Measured with version 0.34.12: after the end
    of the server during such a call, the conversation accepts no message, and neither does a copy that has the call.

    Raises:
        UpstreamError: the server did not return the messages.
    """
    done: set[str] = set()
    lost = False
    found: str | None = None
    try:
        async with aclosing(_messages(link, conversation_id)) as read:
            async for message in read:
                if lost:
                    found, lost = text(message.get("id")), False
                kind = text(message.get("message_type"))
                if kind == _QUESTION:
                    break
                calls = set(_calls(message))
                if kind == "tool_return_message":
                    done |= calls
                elif calls - done:
                    # A result that came later is lost in a copy up to here.
                    found, lost, done = "", True, set()
    except ResponseTooLarge:
        # The server ended the connections at this message, and gave its turn up.
        return await _before_newest(link, conversation_id)
    return found


async def _messages(link: Link, conversation_id: str) -> AsyncGenerator[Frame, None]:
    """Yield the newest messages of a conversation, about a page, from the newest to the oldest."""
    number = 0
    async with aclosing(_newest_first(link, conversation_id)) as read:
        async for page in read:
            for message in page.messages:
                yield message
            number += len(page.messages)
            if number >= _PAGE:
                return


async def _newest_first(link: Link, conversation_id: str, agent_id: str = "") -> AsyncGenerator[_Page, None]:
    """Yield the messages of a conversation, or of the main one of *agent_id*, from the newest to the oldest.

    They are read over connections of their own: no answer ends with a connection at a page that is too large. From
    such a page on, each message is read alone.

    Raises:
        ResponseTooLarge: a message is too large to be read.
    """
    query: dict[str, object] = {"limit": _PAGE, "order": "desc"}
    if agent_id:
        query["agent_id"] = agent_id
    seen: set[str] = set()
    while True:
        try:
            response = await link.request_apart(
                "conversation_messages_list", conversation_id=conversation_id, query=query
            )
        except ResponseTooLarge:
            if query["limit"] == 1:
                raise
            query["limit"] = 1
            continue
        messages = objects(response.get("messages"))
        cursor = response.get("next_before")
        has_more = bool(response.get("has_more")) and isinstance(cursor, str)
        ids = {text(each.get("id")) for each in messages} - {""}
        if ids & seen:
            # The server does not know the cursor any more, and returns its newest messages again.
            raise UpstreamProtocolError(Text("history_repeats", upstream=link.upstream))
        seen |= ids
        yield _Page(messages, has_more)
        if not has_more:
            return
        query = {**query, "before": cursor}


async def _before_newest(link: Link, conversation_id: str) -> str:
    """Return the id of the message before the newest one, without reading them; empty if there is none."""
    found = (await link.request("conversation_retrieve", conversation_id=conversation_id)).get("conversation")
    ids = mapping(found).get("in_context_message_ids")
    return text(ids[-2]) if isinstance(ids, list) and len(ids) > 1 else ""


def _calls(message: Frame) -> Iterator[str]:
    """Yield the ids of the tool calls in *message*, and the one of which it is the result."""
    for call in (message, mapping(message.get("tool_call")), *objects(message.get("tool_calls"))):
        if "tool_call_id" in call:
            yield text(call["tool_call_id"])
