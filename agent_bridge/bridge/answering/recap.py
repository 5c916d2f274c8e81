"""Recaps: an upstream that lost a conversation, by a restart or a change of its kind, gets its messages once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.transcript import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.transcript import Transcripts

#: Messages of a transcript that are read at most.
_MESSAGES = 200


class Recaps:
    """Tells agents the earlier messages of conversations that their upstream forgot."""

    def __init__(self, transcripts: Transcripts, texts: Texts) -> None:
        self._transcripts = transcripts
        self._texts = texts

    async def find(self, turn: Turn, agent: Agent, tokens: int) -> str | None:
        """Return the newest messages of the conversation, about *tokens* long; None if the upstream remembers them.

        The answer to *turn* is newer than the restart, so the next turn gets no recap.

        Raises:
            StoreError: the transcript cannot be read.
        """
        if not await self._transcripts.is_forgotten(turn.conversation, agent.upstream):
            return None
        messages = await self._transcripts.of_lane(turn.conversation, _MESSAGES)
        lines = newest_lines(messages, agent.name, tokens * BYTES_PER_TOKEN)
        return self._texts.recap.format(messages="\n\n".join(lines)) if lines else None


def newest_lines(messages: list[ChatMessage], agent: str, limit: int) -> list[str]:
    """Return the newest of *messages*, oldest first, each with its author, in at most *limit* bytes."""
    lines: list[str] = []
    for message in reversed(messages):
        author = agent if message.role == "assistant" else message.role
        line = f"{author}: {message.content}"
        limit -= len(line.encode())
        if limit < 0:
            break
        lines.append(line)
    return lines[::-1]
