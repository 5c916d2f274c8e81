"""Commands about messages: which wait, which failed and why; to stop, to ask again, to set aside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.commands.command import Command
from agent_bridge.commands.story import open_state, reference_of
from agent_bridge.core.model import Busy, Role
from agent_bridge.render import words
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.intake import Wakes
    from agent_bridge.commands.command import Call
    from agent_bridge.commands.story import Stories
    from agent_bridge.store.contacts import Contacts
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.ledger import Entry, Ledger

    #: Changes a turn; returns its lane, None when that cannot be any more.
    Change = Callable[[Connection, int], Awaitable[int | None]]

_ROWS = 50


class TurnCommands:
    """``stop``, ``busy``, ``queue``, ``failed``, ``retry``, ``drop`` and ``why``."""

    def __init__(
        self, database: Database, ledger: Ledger, contacts: Contacts, lanes: Wakes, stories: Stories, prefix: str
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._contacts = contacts
        self._lanes = lanes
        self._stories = stories
        self._prefix = prefix

    def commands(self) -> list[Command]:
        """Return the commands."""
        return [
            Command("stop", "stop", "ends the answer that is being given in this room (or react with 🛑)",
                    Role.MEMBER, self.stop),
            Command("busy", "busy queue|collect", "messages that arrive while the agent of this room answers: "
                    "each gets its own answer, or all together one", Role.MODERATOR, self.busy),
            Command("queue", "queue", "lists the messages that wait or are answered", Role.ADMIN, self.queue),
            Command("failed", "failed", "lists the messages that failed last, and why", Role.ADMIN, self.failed),
            Command("retry", "retry <turn>", "asks a message again that failed or was stopped", Role.ADMIN, self.retry),
            Command("drop", "drop <turn>", "sets a message aside that waits or is answered", Role.ADMIN, self.drop),
            Command("why", "why <link or event id>", "tells step by step what became of a message",
                    Role.ADMIN, self.why),
        ]  # fmt: skip

    async def stop(self, call: Call) -> str:
        """Tell what became of the wish, which intake has noted already: it must not wait in a lane."""
        return words.STOPPING if await self._ledger.stopped_by(call.event_id) else words.NOTHING_RUNS

    async def busy(self, call: Call) -> str:
        """Set what happens to messages that wait in the room of the command."""
        try:
            busy = Busy(call.arguments.strip().lower())
        except ValueError:
            return words.USAGE.format(prefix=self._prefix, usage="busy queue|collect")
        if not await self._contacts.set_busy(call.room_id, busy):
            return words.NOT_AN_AGENTS_ROOM
        return words.BUSY[busy]

    async def queue(self, _call: Call) -> str:
        """List the open turns."""
        entries = await self._ledger.open(_ROWS + 1)
        if not entries:
            return words.QUEUE_EMPTY
        lines = [f"- {self._line(entry)}: {open_state(entry)}" for entry in entries[:_ROWS]]
        return "\n".join(lines + ([words.MORE] if len(entries) > _ROWS else []))

    async def failed(self, _call: Call) -> str:
        """List the turns that failed."""
        entries = await self._ledger.failed(_ROWS + 1)
        if not entries:
            return words.NONE_FAILED
        lines = [f"- {self._line(entry)}: {escape(entry.error or words.NO_CAUSE)}" for entry in entries[:_ROWS]]
        return "\n".join(lines + ([words.MORE] if len(entries) > _ROWS else []))

    async def retry(self, call: Call) -> str:
        """Have a closed turn asked anew."""
        return await self._decide(call, "retry <turn>", self._ledger.retry, words.RETRYING, words.CANNOT_RETRY)

    async def drop(self, call: Call) -> str:
        """Set an open turn aside."""

        async def set_aside(connection: Connection, turn: int) -> int | None:
            return await self._ledger.drop(connection, turn, call.event_id)

        return await self._decide(call, "drop <turn>", set_aside, words.DROPPING, words.CANNOT_DROP)

    async def why(self, call: Call) -> str:
        """Tell what became of a message."""
        if not call.arguments.strip():
            return words.USAGE.format(prefix=self._prefix, usage="why <link or event id>")
        return await self._stories.tell(call.arguments)

    async def _decide(self, call: Call, usage: str, change: Change, done: str, cannot: str) -> str:
        """Have the turn that the command names changed, and its lane woken."""
        if not call.arguments.strip():
            return words.USAGE.format(prefix=self._prefix, usage=usage)
        entry = await self._meant(call)
        if entry is None:
            return words.NO_SUCH_TURN.format(turn=escape(call.arguments), prefix=self._prefix)
        async with self._database.transaction() as connection:
            lane = await change(connection, entry.id)
            if lane is not None:
                await self._lanes.wake(connection, [lane])
        return (cannot if lane is None else done).format(turn=entry.key, state=entry.state)

    async def _meant(self, call: Call) -> Entry | None:
        """Return the turn that the command names; for one that became a part of another, that one."""
        _, reference = reference_of(call.arguments)
        entry = await self._ledger.find(reference)
        if entry is not None and entry.collected_into is not None:
            return await self._ledger.find(entry.collected_into)
        return entry

    @staticmethod
    def _line(entry: Entry) -> str:
        age = words.duration((datetime.now(UTC) - entry.said_at).total_seconds())
        return f"`{entry.key}` from {escape(entry.sender)} to **{escape(entry.agent or 'the bot')}**, {age} ago"
