"""The conversations of lanes on the server: one for each lane, made at its first question.

A conversation is made in four steps: a unique marker is stored; the conversation is made with the marker as its name
(``summary``); its id is stored; the name is changed. After a kill between two steps, the marker finds the conversation.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.core.errors import AnswerInterrupted, UpstreamError, UpstreamProtocolError, UpstreamUnreachable
from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.transport.json_values import mapping, objects, text

if TYPE_CHECKING:
    from agent_bridge.upstream.conversation_store import ConversationStore
    from agent_bridge.upstream.letta_v1.rest import Rest

_PATH = "/conversations/"


class LaneConversations:
    """The conversations of all lanes, in *store* and on the server."""

    def __init__(self, rest: Rest, store: ConversationStore) -> None:
        self._rest = rest
        self._store = store

    async def current(self, model: str, session: str, title: str) -> str:
        """Return the id of the conversation of a lane; it is made if there is none.

        Raises:
            UpstreamError: the server did not make it.
            StoreError: the database cannot be used.
        """
        known = await self._store.get(model, session)
        if known is not None and known.ref and not known.marker:
            return known.ref
        return await self._finish(model, session, known or StoredConversation(""), title)

    async def select(self, model: str, session: str, ref: str, /) -> None:
        """See :meth:`agent_bridge.upstream.capabilities.Conversations.select`."""
        known = await self._store.get(model, session)
        if known is not None and known.marker:
            # A kill interrupted the start of a conversation, of which nothing is to be left.
            for name in await self._marked(model, known.marker):
                if name != ref:
                    await self._rest.request("DELETE", _PATH + name, model=model)
        await self._store.put(model, session, StoredConversation(ref))

    async def replace(self, model: str, session: str, title: str) -> str:
        """Make an empty conversation in place of one that the server does not have any more, and return its id.

        Raises:
            UpstreamError: the server did not make it.
            StoreError: the database cannot be used.
        """
        return await self._finish(model, session, StoredConversation(""), title)

    async def _finish(self, model: str, session: str, known: StoredConversation, title: str) -> str:
        """Make the conversation, or go on after a kill; each step may be repeated."""
        if not known.is_made:
            made = ""
            if known.marker:
                made = next(iter(await self._marked(model, known.marker)), "")
            else:
                known = StoredConversation("", f"ab-{uuid4().hex[:12]}")
                await self._store.put(model, session, known)
            made = made or await self._make(model, known.marker)
            known = StoredConversation(made, known.marker, is_made=True)
            await self._store.put(model, session, known)
        with suppress(UpstreamError):
            await self._tidy(model, known, title)
            await self._store.put(model, session, StoredConversation(known.ref))
        return known.ref

    async def _make(self, model: str, marker: str) -> str:
        """Make a conversation with the name *marker*, and return its id."""
        for is_last in (False, True):
            try:
                made = await self._rest.request(
                    "POST", _PATH, model=model, params={"agent_id": model}, json={"summary": marker}
                )
            except (UpstreamUnreachable, AnswerInterrupted) as error:
                if error.not_begun or is_last:
                    raise
                # The connection ended: the server may have made it.
                if found := await self._marked(model, marker):
                    return found[0]
                continue
            if name := text(mapping(made).get("id")):
                return name
        raise UpstreamProtocolError(Text("answer_no_json", upstream=self._rest.errors.upstream))

    async def _tidy(self, model: str, known: StoredConversation, title: str) -> None:
        """Name the conversation *known*, and delete a second one with its marker.

        Raises:
            UpstreamError: the server did not carry everything out.
        """
        for name in await self._marked(model, known.marker):
            if name != known.ref:
                await self._rest.request("DELETE", _PATH + name, model=model)
        await self._rest.request("PATCH", _PATH + known.ref, model=model, json={"summary": title})

    async def _marked(self, model: str, marker: str) -> list[str]:
        """Return the ids of the conversations whose names have *marker*, in a fixed order."""
        query = {"agent_id": model, "summary_search": marker}
        found = objects(await self._rest.request("GET", _PATH, model=model, params=query))
        return sorted(text(each.get("id")) for each in found if marker in text(each.get("summary")) and each.get("id"))
