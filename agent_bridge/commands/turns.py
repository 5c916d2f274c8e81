"""Commands about messages: which wait, which failed and why; to stop, to ask again, to set aside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_bridge.commands.registry import Command
from agent_bridge.commands.trace import open_state, reference_of
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import Busy, Streaming
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.inbound.intake import Wakes
    from agent_bridge.commands.registry import Call
    from agent_bridge.commands.trace import Stories
    from agent_bridge.i18n.catalogue import Words
    from agent_bridge.store.agents import Contacts
    from agent_bridge.store.database import Connection, Database
    from agent_bridge.store.turn_admin import Entry, Ledger

    #: Changes a turn; returns its lane, None when that cannot be any more.
    Change = Callable[[Connection, int], Awaitable[int | None]]

_ROWS = 50


class TurnCommands:
    """``stop``, ``busy``, ``stream``, ``queue``, ``failed``, ``retry``, ``drop`` and ``why``."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        contacts: Contacts,
        lanes: Wakes,
        stories: Stories,
        prefix: str,
        words: Words,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._contacts = contacts
        self._lanes = lanes
        self._stories = stories
        self._prefix = prefix
        self._words = words

    def commands(self) -> list[Command]:
        """Return the commands."""
        words = self._words
        return [
            Command("stop", "stop", words.help_stop, Role.MEMBER, self.stop),
            Command("busy", "busy queue|collect", words.help_busy, Role.MODERATOR, self.busy),
            Command("stream", "stream edits|off", words.help_stream, Role.MODERATOR, self.stream),
            Command("queue", "queue", words.help_queue, Role.ADMIN, self.queue),
            Command("failed", "failed", words.help_failed, Role.ADMIN, self.failed),
            Command("retry", words.usage_retry, words.help_retry, Role.ADMIN, self.retry),
            Command("drop", words.usage_drop, words.help_drop, Role.ADMIN, self.drop),
            Command("why", words.usage_why, words.help_why, Role.ADMIN, self.why),
        ]

    async def stop(self, call: Call) -> str:
        """Tell what became of the wish, which intake has noted already: it must not wait in a lane."""
        return self._words.stopping if await self._ledger.stopped_by(call.event_id) else self._words.nothing_runs

    async def busy(self, call: Call) -> str:
        """Set what happens to messages that wait in the room of the command."""
        try:
            busy = Busy(call.arguments.strip().lower())
        except ValueError:
            return self._words.usage.format(prefix=self._prefix, usage="busy queue|collect")
        if not await self._contacts.set_busy(call.room_id, busy):
            return self._words.not_an_agents_room
        return self._words.busy[busy]

    async def stream(self, call: Call) -> str:
        """Set how answers are shown in the room of the command."""
        try:
            stream = Streaming(call.arguments.strip().lower())
        except ValueError:
            return self._words.usage.format(prefix=self._prefix, usage="stream edits|off")
        if not await self._contacts.set_stream(call.room_id, stream):
            return self._words.not_an_agents_room
        return self._words.stream[stream]

    async def queue(self, _call: Call) -> str:
        """List the open turns."""
        entries = await self._ledger.open(_ROWS + 1)
        if not entries:
            return self._words.queue_empty
        lines = [self._line(entry, open_state(entry, self._words)) for entry in entries[:_ROWS]]
        return "\n".join(lines + ([self._words.more] if len(entries) > _ROWS else []))

    async def failed(self, _call: Call) -> str:
        """List the turns that failed."""
        entries = await self._ledger.failed(_ROWS + 1)
        if not entries:
            return self._words.none_failed
        lines = [self._line(entry, escape(entry.error or self._words.no_cause)) for entry in entries[:_ROWS]]
        return "\n".join(lines + ([self._words.more] if len(entries) > _ROWS else []))

    async def retry(self, call: Call) -> str:
        """Have a closed turn asked anew."""
        return await self._decide(
            call, self._words.usage_retry, self._ledger.retry, self._words.retrying, self._words.cannot_retry
        )

    async def drop(self, call: Call) -> str:
        """Set an open turn aside."""

        async def set_aside(connection: Connection, turn: int) -> int | None:
            return await self._ledger.drop(connection, turn, call.event_id)

        return await self._decide(
            call, self._words.usage_drop, set_aside, self._words.dropping, self._words.cannot_drop
        )

    async def why(self, call: Call) -> str:
        """Tell what became of a message."""
        if not call.arguments.strip():
            return self._words.usage.format(prefix=self._prefix, usage=self._words.usage_why)
        return await self._stories.tell(call.arguments)

    async def _decide(self, call: Call, usage: str, change: Change, done: str, cannot: str) -> str:
        """Have the turn that the command names changed, and its lane woken."""
        if not call.arguments.strip():
            return self._words.usage.format(prefix=self._prefix, usage=usage)
        entry = await self._meant(call)
        if entry is None:
            return self._words.no_such_turn.format(turn=escape(call.arguments), prefix=self._prefix)
        async with self._database.transaction() as connection:
            lane = await change(connection, entry.id)
            if lane is not None:
                await self._lanes.wake(connection, [lane])
        return (cannot if lane is None else done).format(turn=entry.key, state=self._words.states[entry.state])

    async def _meant(self, call: Call) -> Entry | None:
        """Return the turn that the command names; for one that became a part of another, that one."""
        _, reference = reference_of(call.arguments)
        entry = await self._ledger.find(reference)
        if entry is not None and entry.collected_into is not None:
            return await self._ledger.find(entry.collected_into)
        return entry

    def _line(self, entry: Entry, state: str) -> str:
        return self._words.listed.format(
            turn=entry.key,
            sender=escape(entry.sender),
            agent=escape(entry.agent or self._words.the_bot),
            age=self._words.duration((datetime.now(UTC) - entry.said_at).total_seconds()),
            state=state,
        )
