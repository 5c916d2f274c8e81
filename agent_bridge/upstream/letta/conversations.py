"""The conversations of lanes on the server: one for each lane, made at its first question.

A new conversation is made in four steps: a unique marker is stored; the conversation is made with the marker in its
name (``summary``); its id is stored; the names are changed, and the old conversation is archived. After a kill between
two steps, the marker finds the conversations.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.core.errors import UpstreamError, UpstreamRefused, UpstreamUnreachable
from agent_bridge.core.upstreams import StoredConversation
from agent_bridge.upstream.letta.frames import Runtime
from agent_bridge.upstream.transport.json_values import mapping, objects, text

if TYPE_CHECKING:
    from agent_bridge.upstream.conversation_store import ConversationStore
    from agent_bridge.upstream.letta.link import Link


class LaneConversations:
    """The conversations of all lanes, in *store* and on the server at *link*."""

    def __init__(self, link: Link, store: ConversationStore) -> None:
        self._link = link
        self._store = store

    async def current(self, model: str, session: str, title: str) -> tuple[Runtime, bool]:
        """Return the conversation of a lane, and whether it is new.

        Raises:
            UpstreamError: the server did not make it.
            StoreError: the database cannot be used.
        """
        known = await self._store.get(model, session)
        if known is not None and known.ref and not known.marker:
            return Runtime(model, known.ref), False
        is_new = known is None or not known.ref
        return await self._finish(model, session, known or StoredConversation(""), title, after=None), is_new

    async def select(self, model: str, session: str, ref: str, /) -> None:
        """See :meth:`agent_bridge.upstream.capabilities.Conversations.select`."""
        known = await self._store.get(model, session)
        if known is not None and known.marker:
            # A kill interrupted a replacement, of which nothing is to be left.
            for name in await self._marked(model, known.marker):
                if name != ref:
                    await self._link.request("conversation_update", conversation_id=name, body={"archived": True})
        await self._store.put(model, session, StoredConversation(ref))

    async def replace(self, runtime: Runtime, session: str, title: str, *, after: str | None) -> Runtime:
        """Return a copy of a conversation up to the message *after*, in its place; None: of the whole conversation.

        The old conversation is archived. An empty *after* stands for an empty conversation.

        Raises:
            UpstreamError: the server did not make the copy.
            StoreError: the database cannot be used.
        """
        model = runtime.agent_id
        known = await self._store.get(model, session)
        if known is not None and known.is_made and known.ref == runtime.conversation_id:
            # Its marker would be forgotten, and with it the conversation that it replaced.
            await self._tidy(model, known, title)
        return await self._finish(model, session, StoredConversation(runtime.conversation_id), title, after=after)

    async def renew(self, runtime: Runtime, session: str, title: str) -> Runtime:
        """Return a new conversation in the place of one that the server does not have any more.

        Raises:
            UpstreamError: the server did not make it.
            StoreError: the database cannot be used.
        """
        return await self._finish(runtime.agent_id, session, StoredConversation(""), title, after=None)

    async def is_missing(self, runtime: Runtime) -> bool:
        """Tell whether the server has the agent of *runtime*, and not the conversation.

        Raises:
            UpstreamError: the server does not have the agent, or does not tell.
        """
        await self._link.request("agent_retrieve", agent_id=runtime.agent_id)
        try:
            await self._link.request("conversation_retrieve", conversation_id=runtime.conversation_id)
        except UpstreamRefused:
            return True
        return False

    async def _finish(
        self, model: str, session: str, known: StoredConversation, title: str, *, after: str | None
    ) -> Runtime:
        """Make the conversation that replaces *known*, or go on after a kill; each step may be repeated."""
        if not known.is_made:
            made = ""
            if known.marker:
                made = await self._find(model, known)
            else:
                known = StoredConversation(known.ref, f"ab-{uuid4().hex[:12]}")
                await self._store.put(model, session, known)
            made = made or await self._make(model, known, after)
            known = StoredConversation(made, known.marker, is_made=True)
            await self._store.put(model, session, known)
        with suppress(UpstreamError):
            await self._tidy(model, known, title)
            await self._store.put(model, session, StoredConversation(known.ref))
        return Runtime(model, known.ref)

    async def _tidy(self, model: str, known: StoredConversation, title: str) -> None:
        """Name the conversation *known*, and archive all others with its marker: the old one, and a second copy.

        Raises:
            UpstreamError: the server did not carry everything out.
        """
        for name in await self._marked(model, known.marker):
            body: dict[str, object] = {"summary": title}
            if name != known.ref:
                body["archived"] = True
            await self._link.request("conversation_update", conversation_id=name, body=body)

    async def _make(self, model: str, known: StoredConversation, after: str | None) -> str:
        """Make a conversation with the marker of *known* in its name, and return its id."""
        while True:
            try:
                if known.ref:
                    # A copy takes the name over, and the name finds the old conversation.
                    name = {"summary": known.marker}
                    await self._link.request("conversation_update", conversation_id=known.ref, body=name)
                if not known.ref or after == "":
                    body: dict[str, object] = {"agent_id": model, "summary": known.marker}
                    response = await self._link.request("conversation_create", once=True, body=body)
                else:
                    body = {"agent_id": model}
                    if after:
                        body["message_id"] = after
                    response = await self._link.request(
                        "conversation_fork", once=True, conversation_id=known.ref, body=body
                    )
                return text(mapping(response.get("conversation")).get("id"))
            except UpstreamUnreachable as error:
                if error.not_begun:
                    raise
                # The connection ended: the server may have made it.
                if made := await self._find(model, known):
                    return made

    async def _find(self, model: str, known: StoredConversation) -> str:
        """Return the id of the conversation that was made with the marker of *known*, empty if there is none."""
        return next((name for name in await self._marked(model, known.marker) if name != known.ref), "")

    async def _marked(self, model: str, marker: str) -> list[str]:
        """Return the ids of the conversations whose names have *marker*, in a fixed order."""
        query = {"agent_id": model, "summary_search": marker}
        found = objects((await self._link.request("conversation_list", query=query)).get("conversations"))
        return sorted(text(each.get("id")) for each in found if marker in text(each.get("summary")) and each.get("id"))
