"""Copies of conversations that are made once, although the bridge may be killed at any moment.

The server gives a copy the name of its original. So the original has a marker in its name for a moment, which the copy
takes over. A repeat finds the copy by the marker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agent_bridge.core.errors import AnswerInterrupted, UpstreamUnreachable
from agent_bridge.upstream.capabilities import ConversationInfo

if TYPE_CHECKING:
    from collections.abc import Sequence


class Copies(Protocol):
    """A server that copies conversations. Every method raises :class:`UpstreamError` on failure."""

    async def list(self, model: str, /) -> Sequence[ConversationInfo]:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""

    async def rename(self, ref: str, name: str, /) -> None:
        """See :class:`agent_bridge.upstream.capabilities.Conversations`."""

    async def duplicate(self, model: str, ref: str, /) -> str:
        """Copy a conversation, once for each call; return the reference of the copy."""


async def copy_once(server: Copies, model: str, ref: str, marker: str) -> ConversationInfo:
    """Return the copy of the conversation *ref* that has *marker* in its name; it is made if there is none.

    Raises:
        UpstreamError: there may be a copy, which a repeat finds.
    """
    names = {each.ref: each.name for each in await server.list(model)}
    found = _marked(names, ref, marker)
    name = names.get(ref, "").replace(marker, "").strip()
    if found is None:
        if marker not in names.get(ref, ""):
            await server.rename(ref, f"{name} {marker}".strip())
        try:
            found = await server.duplicate(model, ref)
        except (UpstreamUnreachable, AnswerInterrupted) as error:
            if error.not_begun:
                raise
            # The connection ended: the server may have made it.
            names = {each.ref: each.name for each in await server.list(model)}
            found = _marked(names, ref, marker)
            if found is None:
                raise
        await server.rename(ref, name)
    elif marker in names.get(ref, ""):
        await server.rename(ref, name)
    return ConversationInfo(found, f"{name} {marker}".strip())


def _marked(names: dict[str, str], original: str, marker: str) -> str | None:
    """Return the first conversation besides *original* whose name has *marker*; None if there is none."""
    return min((ref for ref, name in names.items() if ref != original and marker in name), default=None)
