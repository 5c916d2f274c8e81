"""The conversations with an agent, whichever client made them: listed, copied, renamed, deleted and read.

The server copies whole conversations only, and puts none away.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import UpstreamError, UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.capabilities import ConversationInfo
from agent_bridge.upstream.conversation_store import PAGE, all_pages, selected
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.letta_past import pages, past_messages, said
from agent_bridge.upstream.transport.text import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from agent_bridge.upstream.capabilities import PastMessage
    from agent_bridge.upstream.conversation_store import ConversationStore
    from agent_bridge.upstream.letta_v1.conversations import LaneConversations
    from agent_bridge.upstream.letta_v1.rest import Rest

_PATH = "/conversations/"
#: The name of the main conversation of each agent.
_MAIN = "default"
#: Messages of a page.
_PAGE = 100


class V1Conversations:
    """The conversations on the server of *rest*; *lanes* and *store* know in which of them lanes ask."""

    def __init__(self, rest: Rest, lanes: LaneConversations, store: ConversationStore) -> None:
        self._rest = rest
        self.current = partial(selected, store)
        self.select = lanes.select

    async def open(self, model: str, name: str, /) -> ConversationInfo:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""
        query = {"agent_id": model}
        return _info(await self._rest.request("POST", _PATH, model=model, params=query, json={"summary": name}))

    async def list(self, model: str, /) -> Sequence[ConversationInfo]:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""

        async def fetch(after: str) -> Sequence[ConversationInfo]:
            query = {"agent_id": model, "limit": str(PAGE)} | ({"after": after} if after else {})
            return [_info(each) for each in objects(await self._rest.request("GET", _PATH, model=model, params=query))]

        return await all_pages(fetch)

    async def rename(self, ref: str, name: str, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""
        await self._rest.request("PATCH", _PATH + ref, json={"summary": name})

    async def fork(self, model: str, ref: str, marker: str, /) -> ConversationInfo:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`.

        A copy has no name at first: a kill before it gets one leaves a copy that no repeat finds.
        """
        known = {each.ref: each.name for each in await self.list(model)}
        name = f"{known.get(ref, '')} {marker}".strip()
        made = min((each for each, found in known.items() if each != ref and marker in found), default="")
        if not made:
            made = _info(await self._rest.request("POST", f"{_PATH}{ref}/fork", model=model)).ref
            await self.rename(made, name)
        return ConversationInfo(made, name)

    async def delete(self, ref: str, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Deletion`."""
        try:
            await self._rest.request("DELETE", _PATH + ref)
        except UpstreamError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


class V1History:
    """The messages of conversations on the server of *rest*."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def __call__(
        self, model: str, /, conversation: str | None = None, *, newest: int = 1_000
    ) -> AsyncIterator[Sequence[PastMessage]]:
        """See :class:`agent_bridge.upstream.capabilities.History`.

        All messages are fetched: in pages from the newest to the oldest, their order differs between conversations.
        """
        path = f"{_PATH}{conversation or _MAIN}/messages"
        query = {"limit": str(_PAGE), "order": "asc"} | ({} if conversation else {"agent_id": model})
        found: deque[Mapping[str, Any]] = deque(maxlen=newest)
        seen: set[str] = set()
        is_cut = False
        while page := objects(await self._rest.request("GET", path, model=model, params=query)):
            # Several entries of a page may belong to one message.
            ids = {text(each.get("id")) for each in page}
            if ids <= seen:
                raise UpstreamProtocolError(Text("history_repeats", upstream=self._rest.errors.upstream))
            seen |= ids
            kept = list(filter(None, map(said, page)))
            is_cut = is_cut or len(found) + len(kept) > newest
            found.extend(kept)
            query["after"] = text(page[-1].get("id"))
        for each in pages(past_messages(found, is_cut=is_cut)):
            yield each


def _info(entry: Any) -> ConversationInfo:
    found = mapping(entry)
    return ConversationInfo(text(found.get("id")), one_line(text(found.get("summary"))))
