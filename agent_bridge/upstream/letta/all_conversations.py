"""The conversations with an agent, whichever client made them: listed, copied, renamed and archived.

The server deletes none.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.capabilities import ConversationInfo
from agent_bridge.upstream.conversation_store import PAGE, all_pages, selected
from agent_bridge.upstream.letta.marked_copy import copy_once
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent_bridge.upstream.conversation_store import ConversationStore
    from agent_bridge.upstream.letta.conversations import LaneConversations
    from agent_bridge.upstream.letta.frames import Frame
    from agent_bridge.upstream.letta.link import Link


class LettaConversations:
    """The conversations on the server at *link*; *lanes* and *store* know in which of them lanes ask."""

    def __init__(self, link: Link, lanes: LaneConversations, store: ConversationStore) -> None:
        self._link = link
        self.current = partial(selected, store)
        self.select = lanes.select

    async def open(self, model: str, name: str, /) -> ConversationInfo:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""
        body = {"agent_id": model, "summary": name}
        return _info(
            mapping((await self._link.request("conversation_create", once=True, body=body)).get("conversation"))
        )

    async def list(self, model: str, /) -> Sequence[ConversationInfo]:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`. The last one in use is the first."""

        async def fetch(after: str) -> Sequence[ConversationInfo]:
            query: dict[str, object] = {"agent_id": model, "limit": PAGE} | ({"after": after} if after else {})
            response = await self._link.request("conversation_list", query=query)
            return [_info(each) for each in objects(response.get("conversations"))]

        return await all_pages(fetch)

    async def rename(self, ref: str, name: str, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""
        await self._link.request("conversation_update", conversation_id=ref, body={"summary": name})

    async def fork(self, model: str, ref: str, marker: str, /) -> ConversationInfo:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""
        return await copy_once(self, model, ref, marker)

    async def duplicate(self, model: str, ref: str, /) -> str:
        """See :class:`agent_bridge.upstream.letta.marked_copy.Copies`."""
        response = await self._link.request(
            "conversation_fork", once=True, conversation_id=ref, body={"agent_id": model}
        )
        return _info(mapping(response.get("conversation"))).ref

    async def branch(self, model: str, ref: str, until: str, name: str, /) -> ConversationInfo:
        """See :class:`agent_bridge.upstream.capabilities.Branches`."""
        return await self._copy(ref, name, {"agent_id": model, "message_id": until})

    async def archive(self, ref: str, /, *, archived: bool) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Archive`."""
        await self._link.request("conversation_update", conversation_id=ref, body={"archived": archived})

    async def _copy(self, ref: str, name: str, body: Frame) -> ConversationInfo:
        response = await self._link.request("conversation_fork", once=True, conversation_id=ref, body=body)
        copy = _info(mapping(response.get("conversation")))
        # The copy has the name of the original.
        await self.rename(copy.ref, name)
        return replace(copy, name=name)


def _info(entry: Mapping[str, Any]) -> ConversationInfo:
    return ConversationInfo(
        text(entry.get("id")), one_line(text(entry.get("summary"))), is_archived=entry.get("archived") is True
    )
