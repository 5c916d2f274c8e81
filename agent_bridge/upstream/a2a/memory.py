"""The durable memory of a lane: its context on the agent's server, and the last question with its task.

It is written before a question is sent, and when the server has named the task of the question. So after a kill the
bridge knows whether a question may have been sent, and where its answer is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent_bridge.core.upstreams import StoredConversation

if TYPE_CHECKING:
    from agent_bridge.upstream.conversation_store import ConversationStore

#: Artifacts of a task that are remembered as told.
_MAX_ARTIFACTS = 50


class Step(StrEnum):
    """How far the last question has come."""

    #: It may have arrived at the server.
    SENT = "sent"
    #: The server works on it, or has answered it.
    TAKEN = "taken"
    #: Its task waits for the next message of the person.
    ASKS = "asks"


@dataclass(frozen=True, slots=True)
class Seen:
    """What people have been told of a task that asks them something."""

    #: The stamp of the status with the agent's question.
    stamp: str = ""
    #: The ids of its artifacts.
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a lane."""

    context_id: str = ""
    #: The key of the last question; empty before the first one.
    key: str = ""
    step: Step = Step.TAKEN
    #: The task of the question: with ``SENT``, the one that the question continues. Empty if there is none yet.
    task_id: str = ""
    #: How often the question was sent under a new id, because the bridge had ended its task.
    repeats: int = 0
    #: What people knew of the task before the question, and, with ``ASKS``, after its answer.
    before: Seen = Seen()
    after: Seen = Seen()


class LaneMemory:
    """The memory of the lane *session* with the agent *model* in *store*."""

    def __init__(self, store: ConversationStore, model: str, session: str) -> None:
        self._store = store
        self._model = model
        self._session = session
        #: The memory as it was read or written last.
        self.now = Memory()

    async def read(self) -> Memory:
        """Return the memory.

        Raises:
            StoreError: the database cannot be read.
        """
        stored = await self._store.get(self._model, self._session)
        self.now = Memory() if stored is None else _parsed(stored)
        return self.now

    async def write(self, memory: Memory) -> None:
        """Set the memory; it is durable when the call returns.

        Raises:
            StoreError: the database cannot be written.
        """
        if memory != self.now:
            seen = [[each.stamp, each.artifacts[:_MAX_ARTIFACTS]] for each in (memory.before, memory.after)]
            marker = json.dumps([memory.key, memory.step, memory.task_id, memory.repeats, *seen], ensure_ascii=False)
            await self._store.put(self._model, self._session, StoredConversation(memory.context_id, marker))
            self.now = memory

    async def change(self, **changes: Any) -> None:
        """Change some fields of the memory, as :meth:`write` does."""
        await self.write(replace(self.now, **changes))


def _parsed(stored: StoredConversation) -> Memory:
    """Return what was stored; the context alone if another kind of upstream stored it."""
    try:
        key, step, task_id, repeats, before, after = json.loads(stored.marker or "[]")
        seen = (Seen(stamp, tuple(artifacts)) for stamp, artifacts in (before, after))
        return Memory(stored.ref, str(key), Step(step), str(task_id), int(repeats), *seen)
    except (ValueError, TypeError):
        return Memory(stored.ref)
