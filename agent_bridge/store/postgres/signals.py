"""Signals: a transaction that changes rows tells every process which kind of rows (PostgreSQL's NOTIFY and LISTEN).

The statement that changes the rows has ``pg_notify('agent_bridge', TOPIC)``; PostgreSQL sends the signal when the
transaction commits, and equal signals of one transaction once. A signal carries no data and only ends a pause: each
subscriber reads the rows. With the connection signals may be lost; the next connection then wakes all subscribers.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Channel of the bridge's own signals; the payload is the topic.
CHANNEL = "agent_bridge"
#: Channel of live events; the payload is the event.
LIVE_CHANNEL = "agent_bridge_live"
#: Channel of growing answers that programs read; the payload is a piece of one.
GROWTH_CHANNEL = "agent_bridge_growth"
#: Channel of requests of devices for event streams; the payload has some of them.
STREAM_CHANNEL = "agent_bridge_streams"


class Topic(StrEnum):
    """The kind of rows that changed."""

    #: A person wants a turn to end.
    STOPS = "stops"
    #: The head of a lane may be claimed now, or has another time from which it may be.
    LANES = "lanes"
    #: A message began to wait behind another one, or a message that shows this does not wait any more.
    WAITING = "waiting"
    #: A room needs a backfill.
    BACKFILL = "backfill"
    #: The desired names or state of an agent.
    AGENTS = "agents"
    #: The desired state of a chat, or a request to compare its room with the homeserver.
    CHATS = "chats"
    #: The desired state of a server or a channel.
    PLACES = "places"
    #: The main Space is another one, or its members may, or may not, enter rooms from now on.
    SPACE = "space"
    #: The name of a thread, or a message in an archived one.
    THREADS = "threads"
    #: A person gave the first command in a room, or the first with a higher role.
    COMMANDS = "commands"
    #: The members of a group or a lobby changed, or it was upgraded.
    GROUPS = "groups"
    #: A lobby changed: its state, or an agent was removed.
    LOBBY = "lobby"
    #: The bot entered a room of people.
    ENTERED = "entered"
    #: An agent got its room.
    ROOMS = "rooms"
    #: A request for an operation.
    OPERATIONS = "operations"
    #: A request for a sync, or the completion of one.
    SYNCS = "syncs"
    #: The status of the upstreams.
    UPSTREAMS = "upstreams"
    #: A book of roles, a mute, or a room whose levels are to be compared.
    ROLES = "roles"
    #: A request to read the configuration again.
    RELOADS = "reloads"
    #: The configuration of this process changed. Sent within the process only.
    CONFIGURATION = "configuration"
    #: A vote has something to do: it began or ended, or an agent voted.
    VOTES = "votes"
    #: The next due time of a schedule.
    SCHEDULES = "schedules"
    #: A question for an agent that connects itself.
    QUESTIONS = "questions"
    #: The feed has another entry.
    FEED = "feed"
    #: Entries of the feed were deleted, or lost their contents. A trigger of the database sends it.
    FEED_ERASED = "feed_erased"
    #: A turn ended whose end a program waits for.
    ANSWERS = "answers"
    #: An encrypted event, or news about keys.
    KEYS = "keys"
    #: A person decided about a tool call.
    APPROVALS = "approvals"
    #: An agent event to be posted, one that was posted, or the agents that a log channel mirrors.
    EVENTS = "events"
    #: A task, or its card.
    TASKS = "tasks"
    #: A notification for a person.
    NOTIFICATIONS = "notifications"
    #: A job of the queue can start. Procrastinate sends this one, on a channel of its own.
    JOBS = "jobs"


class Signals:
    """Delivers signals inside this process: those that its session receives from the database, and its own."""

    def __init__(self) -> None:
        self._subscribed: list[tuple[frozenset[str], asyncio.Event]] = []
        #: Called with the payload of each live event.
        self.on_live: list[Callable[[str], None]] = []
        #: Called with each payload about a growing answer.
        self.on_growth: list[Callable[[str], None]] = []
        #: Called with each payload about event streams.
        self.on_stream: list[Callable[[str], None]] = []

    @contextmanager
    def subscription(self, *topics: Topic) -> Iterator[asyncio.Event]:
        """Give an event that each signal of *topics* sets for the length of the block. The subscriber clears it."""
        entry = (frozenset(topics), asyncio.Event())
        self._subscribed.append(entry)
        try:
            yield entry[1]
        finally:
            self._subscribed.remove(entry)

    def send(self, topic: str) -> None:
        """Set the events of the subscribers to *topic*. A topic that this program does not know has none."""
        for topics, event in self._subscribed:
            if topic in topics:
                event.set()

    def send_all(self) -> None:
        """Set the events of all subscribers: signals may have been lost."""
        for _, event in self._subscribed:
            event.set()
