"""Points of a turn's way at which a process kills itself."""

from __future__ import annotations

import functools
import os
import signal
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from structlog.contextvars import bound_contextvars, get_contextvars

from agent_bridge.bridge.chats.binding import WaitingEvents
from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.bridge.collaboration.threads import THREAD
from agent_bridge.bridge.delivery.admin_links import AdminLinks
from agent_bridge.bridge.delivery.token_secrets import TokenSecrets
from agent_bridge.bridge.inbound.intake import Intake
from agent_bridge.bridge.inbound.trigger_intake import TriggerIntake
from agent_bridge.bridge.lifecycle.imported_people import ImportedPeople
from agent_bridge.bridge.queue.lanes import Lanes
from agent_bridge.bridge.rooms.bot_chats import BotChats
from agent_bridge.bridge.rooms.editor import StateEditor
from agent_bridge.bridge.rooms.removal import RoomRemoval
from agent_bridge.bridge.rooms.space import Space
from agent_bridge.core.agent_events import EVENT
from agent_bridge.core.ids import IMPORTED, SPOKEN, THREAD_HEAD
from agent_bridge.core.polls import POLL_END, POLL_START, VOTE
from agent_bridge.core.programs import BY_PROGRAM, SAID_BY
from agent_bridge.core.tasks import TASK
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.rooms import PAIR, POWER_LEVELS
from agent_bridge.render.notifications import NOTIFICATIONS
from agent_bridge.store.admin_sessions import AdminSessions
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.agents import Agents
from agent_bridge.store.chains import Chains
from agent_bridge.store.chats import Chats
from agent_bridge.store.choices import Choices
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.effects import Effects
from agent_bridge.store.groups import Groups
from agent_bridge.store.imports import ImportedMessages
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.model_threads import ModelThreads
from agent_bridge.store.mutes import MuteStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.pairs import Pairs
from agent_bridge.store.people_questions import PeopleQuestions
from agent_bridge.store.personal_data import PersonalData
from agent_bridge.store.program_requests import ProgramRequests
from agent_bridge.store.retirement import RetirementStore
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.schedules import ScheduleStore
from agent_bridge.store.sealed import SealedEvents
from agent_bridge.store.servers import Servers
from agent_bridge.store.tasks import Tasks
from agent_bridge.store.threads import ThreadStore
from agent_bridge.store.tokens import Tokens
from agent_bridge.store.transcript import Transcripts
from agent_bridge.store.triggers import Triggers
from agent_bridge.store.turns import Turns
from agent_bridge.store.votes import VoteStore
from agent_bridge.upstream.a2a.memory import LaneMemory
from agent_bridge.upstream.a2a.upstream import A2AUpstream
from agent_bridge.upstream.answer import End, RunStarted
from agent_bridge.upstream.letta.all_conversations import LettaConversations
from agent_bridge.upstream.letta.conversations import LaneConversations
from agent_bridge.upstream.openai.upstream import OpenAIUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.events import RoomEvent
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.upstream.answer import AnswerEvent, AnswerRequest
    from agent_bridge.upstream.base import Upstream

    Picks = Callable[..., bool]
    #: The method of an upstream that answers a request.
    Answers = Callable[[Any, AnswerRequest], AsyncGenerator[AnswerEvent, None]]


def _any(*_: Any, **__: Any) -> bool:
    return True


def _edits(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return "m.new_content" in content


def _first_sends(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return "m.new_content" not in content and content.get("msgtype") == "m.text"


def _texts(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return "m.new_content" not in content and content.get("msgtype") == "m.notice"


def _notifications(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return NOTIFICATIONS in content


def _agent_events(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return EVENT in content


def _cards(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return TASK in content and "m.new_content" not in content


def _card_edits(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return TASK in content and "m.new_content" in content


def _voices(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return SPOKEN in content


def _imported(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return IMPORTED in content


def _by_programs(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return SAID_BY in content or BY_PROGRAM in content


def _threads(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return THREAD in content


def _questions_to_people(_self: Homeserver, _room: str, content: dict[str, Any], *_: Any, **__: Any) -> bool:
    return "question for" in content.get("body", "")


def _thread_heads(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return THREAD_HEAD in content


def _of_programs(_self: Intake, name: str, *_: Any, **__: Any) -> bool:
    return name.startswith("program ")


def _files(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return content.get("msgtype") == "m.file"


def _polls(_self: Homeserver, _room: str, _content: dict[str, Any], **more: Any) -> bool:
    return more.get("kind") == POLL_START


def _poll_ends(_self: Homeserver, _room: str, _content: dict[str, Any], **more: Any) -> bool:
    return more.get("kind") == POLL_END


def _vote_results(_self: Homeserver, _room: str, content: dict[str, Any], **_: Any) -> bool:
    return VOTE in content and content.get("msgtype") == "m.notice"


def _levels(_self: Homeserver, _room: str, kind: str, *_: Any, **__: Any) -> bool:
    return kind == POWER_LEVELS


def _invitations(_self: Homeserver, _room: str, kind: str, content: dict[str, Any], **_: Any) -> bool:
    return kind == "m.room.member" and content["membership"] == "invite"


def _pairs(_self: Homeserver, content: dict[str, Any], *_: Any, **__: Any) -> bool:
    return any(each["type"] == PAIR for each in content["initial_state"])


def _sealed(_self: Homeserver, _room: str, _content: dict[str, Any], **more: Any) -> bool:
    return more.get("kind") == "m.room.encrypted"


def _space_invited(_self: KeyValues, key: str, *_: Any, **__: Any) -> bool:
    return key == KeyValues.SPACE_INVITED


@dataclass(frozen=True, slots=True)
class Step:
    """A method that is called for a turn."""

    owner: type
    method: str
    #: Selects the calls that count, by their arguments.
    picks: Picks = field(default=_any)
    #: Whether calls outside of the turn count too, once the process knows the message; without a message, at once.
    is_anywhere: bool = False


#: By name: the methods that write the turn down or carry it out. The transaction of ``accept``, ``interrupt`` and
#: ``wake`` is committed when ``intake`` ends, those of ``show``, ``bind`` and ``move_waiting`` when the methods behind
#: them end.
STEPS = {
    "accept": Step(IntakeStore, "accept"),
    "interrupt": Step(IntakeStore, "interrupt"),
    "wake": Step(Lanes, "wake"),
    "read": Step(Homeserver, "read"),
    "intend": Step(Turns, "intend"),
    "send": Step(Homeserver, "send", _first_sends),
    "sent": Step(Turns, "sent"),
    "heard": Step(Transcripts, "not_heard"),
    "commit": Step(Turns, "commit"),
    "edit": Step(Homeserver, "send", _edits),
    "word": Step(Homeserver, "send", _texts),
    "upload": Step(Media, "upload"),
    "spoken": Step(Turns, "spoken"),
    "voice": Step(Homeserver, "send", _voices),
    "file": Step(Homeserver, "send", _files),
    "redact": Step(Homeserver, "redact"),
    "search": Step(Homeserver, "messages"),
    "put_back": Step(Turns, "put_back"),
    "join": Step(Turns, "join"),
    "finish": Step(Turns, "finish"),
    "show": Step(Choices, "show"),
    "effect": Step(Effects, "put"),
    "invite": Step(Homeserver, "invite"),
    "enter": Step(Homeserver, "join"),
    "bind": Step(Rooms, "bind"),
    "ask": Step(WaitingEvents, "ask"),
    "move_waiting": Step(IntakeStore, "move_waiting"),
    "rename": Step(LettaConversations, "rename"),
    "duplicate": Step(LettaConversations, "duplicate"),
    "archive": Step(LettaConversations, "archive"),
    "select": Step(LaneConversations, "select"),
    "remember": Step(LaneMemory, "write"),
    "create_room": Step(Homeserver, "create_room"),
    "made": Step(Chats, "made"),
    "place_made": Step(Servers, "made"),
    "thread_shown": Step(ThreadStore, "shown"),
    # The leader carries the deletion of a channel out.
    "place_listed": Step(Servers, "listed", is_anywhere=True),
    "place_forgotten": Step(Servers, "forget", is_anywhere=True),
    "set_state": Step(Homeserver, "set_state"),
    "renamed": Step(Chats, "renamed"),
    # The leader carries the end of a chat out.
    "listed": Step(Chats, "listed", is_anywhere=True),
    # The leader carries a repair out.
    "compare": Step(StateEditor, "edit", is_anywhere=True),
    "cursor": Step(OperationStore, "progress", is_anywhere=True),
    "operation_end": Step(OperationStore, "finish", is_anywhere=True),
    # The leader imports earlier messages.
    "people": Step(ImportedPeople, "enter", is_anywhere=True),
    "import": Step(Homeserver, "send", _imported, is_anywhere=True),
    "imported": Step(ImportedMessages, "add", is_anywhere=True),
    "people_leave": Step(ImportedPeople, "leave", is_anywhere=True),
    # The leader removes the rooms of retired agents.
    "unlist": Step(Space, "unlist", is_anywhere=True),
    "delete_room": Step(RoomRemoval, "delete", is_anywhere=True),
    "removal_ref": Step(RetirementStore, "deletion_requested", is_anywhere=True),
    "room_lost": Step(Agents, "room_lost", is_anywhere=True),
    # The command line removes everything.
    "unalias": Step(RoomRemoval, "remove_aliases", is_anywhere=True),
    "deactivate": Step(Homeserver, "deactivate", is_anywhere=True),
    "deactivated": Step(RetirementStore, "deactivated", is_anywhere=True),
    "leave": Step(Homeserver, "leave", is_anywhere=True),
    "forget_room": Step(Homeserver, "forget", is_anywhere=True),
    "forget_chat": Step(Chats, "forget", is_anywhere=True),
    # The leader, or the command line, erases a person.
    "erase_room": Step(PersonalData, "forget_room", is_anywhere=True),
    "erase_saved": Step(PersonalData, "forget_saved", is_anywhere=True),
    "erase_events": Step(PersonalData, "forget_events", is_anywhere=True),
    "erase_heard": Step(PersonalData, "forget_heard", is_anywhere=True),
    "erase_space": Step(PersonalData, "forget_space", is_anywhere=True),
    "erase_turns": Step(PersonalData, "drop_turns", is_anywhere=True),
    "erase_rest": Step(PersonalData, "forget_rest", is_anywhere=True),
    "source": Step(Chains, "source"),
    "ask_agent": Step(Chains, "ask"),
    "hold": Step(Chains, "hold"),
    "tell": Step(Chains, "tell"),
    "grant": Step(Chains, "grant"),
    "release": Step(Chains, "release"),
    "admit": Step(DirectChatStore, "admit"),
    "open": Step(DirectChatStore, "open"),
    "admit_group": Step(Groups, "admit"),
    # The leader compares groups.
    "take_part": Step(Groups, "take_part", is_anywhere=True),
    "compared": Step(Groups, "compared", is_anywhere=True),
    "warn": Step(Groups, "warn", is_anywhere=True),
    "unite": Step(Groups, "unite", is_anywhere=True),
    "moved": Step(Agents, "room_moved", is_anywhere=True),
    "forget_group": Step(Groups, "forget", is_anywhere=True),
    # The endpoint accepts the request of a trigger; a worker has the agent asked.
    "note_request": Step(Triggers, "note", is_anywhere=True),
    "accept_request": Step(TriggerIntake, "wake", is_anywhere=True),
    "waking": Step(Triggers, "source"),
    "forget_text": Step(Triggers, "forget_text"),
    # The API carries out the request of a program.
    "api_begin": Step(ProgramRequests, "begin", is_anywhere=True),
    "api_send": Step(Homeserver, "send", _by_programs, is_anywhere=True),
    "api_sent": Step(ProgramRequests, "sent", is_anywhere=True),
    "api_taken": Step(Intake, "take_sent", is_anywhere=True),
    "api_finish": Step(ProgramRequests, "finish", is_anywhere=True),
    "api_step": Step(ProgramRequests, "step", is_anywhere=True),
    "create_room_for_program": Step(Homeserver, "create_room", is_anywhere=True),
    "api_place_made": Step(Servers, "made", is_anywhere=True),
    "api_thread_send": Step(Homeserver, "send", _threads, is_anywhere=True),
    "api_thread_shown": Step(ThreadStore, "shown", is_anywhere=True),
    "ghost_kicked": Step(Homeserver, "kick", is_anywhere=True),
    "ghost_left": Step(Servers, "left", is_anywhere=True),
    "thread_added": Step(ModelThreads, "add", is_anywhere=True),
    "thread_head": Step(Homeserver, "send", _thread_heads, is_anywhere=True),
    "thread_rooted": Step(ModelThreads, "rooted", is_anywhere=True),
    "thread_said": Step(ModelThreads, "said", is_anywhere=True),
    # The API makes the direct room of two users.
    "pair_open": Step(Pairs, "open", is_anywhere=True),
    "pair_create": Step(Homeserver, "create_room", _pairs, is_anywhere=True),
    "pair_invite": Step(Homeserver, "invite", is_anywhere=True),
    "pair_made": Step(Pairs, "made", is_anywhere=True),
    "question_added": Step(PeopleQuestions, "add", is_anywhere=True),
    "question_said": Step(Homeserver, "send", _questions_to_people, is_anywhere=True),
    "question_sent": Step(PeopleQuestions, "sent", is_anywhere=True),
    "admin_tell": Step(AdminLinks, "tell"),
    "admin_told": Step(AdminSessions, "told"),
    "api_tell": Step(TokenSecrets, "tell"),
    "api_told": Step(Tokens, "told"),
    # The leader shows, ends and counts votes.
    "vote_begun": Step(VoteStore, "begin", is_anywhere=True),
    "poll": Step(Homeserver, "send", _polls, is_anywhere=True),
    "poll_shown": Step(VoteStore, "shown", is_anywhere=True),
    "ballot": Step(VoteStore, "take", is_anywhere=True),
    "vote_closed": Step(VoteStore, "close"),
    "vote_decided": Step(VoteStore, "decide", is_anywhere=True),
    "poll_end": Step(Homeserver, "send", _poll_ends, is_anywhere=True),
    "poll_ended": Step(VoteStore, "ended", is_anywhere=True),
    "vote_result": Step(Homeserver, "send", _vote_results, is_anywhere=True),
    "vote_settled": Step(VoteStore, "settle", is_anywhere=True),
    # The leader runs schedules.
    "schedule_lock": Step(ScheduleStore, "lock", is_anywhere=True),
    "schedule_advance": Step(ScheduleStore, "advance", is_anywhere=True),
    "book": Step(RoleStore, "give"),
    # The leader brings the rooms to the newest book.
    "levels": Step(Homeserver, "set_state", _levels, is_anywhere=True),
    "remove": Step(Homeserver, "remove", is_anywhere=True),
    "role_compared": Step(RoleStore, "compared", is_anywhere=True),
    # Commands and the leader bring people into rooms.
    "bring": Step(Homeserver, "set_state", _invitations, is_anywhere=True),
    "brought": Step(Agents, "invited", is_anywhere=True),
    "space_invited": Step(KeyValues, "set", _space_invited, is_anywhere=True),
    # The API makes the channel for logs.
    "log_made": Step(Servers, "made", is_anywhere=True),
    # The leader posts agent events.
    "event_add": Step(AgentEventStore, "add", is_anywhere=True),
    "event_trying": Step(AgentEventStore, "trying", is_anywhere=True),
    "event_send": Step(Homeserver, "send", _agent_events, is_anywhere=True),
    "event_closed": Step(AgentEventStore, "closed", is_anywhere=True),
    # The leader shows tasks; commands, reactions and it change them.
    "task_add": Step(Tasks, "add"),
    "task_save": Step(Tasks, "save", is_anywhere=True),
    "card_claim": Step(TaskService, "claim_card", is_anywhere=True),
    "card_trying": Step(Tasks, "trying", is_anywhere=True),
    "card_send": Step(Homeserver, "send", _cards, is_anywhere=True),
    "card_edit": Step(Homeserver, "send", _card_edits, is_anywhere=True),
    "card_shown": Step(Tasks, "shown", is_anywhere=True),
    # The leader tells people their notifications.
    "news_gathered": Step(Notifications, "gather", is_anywhere=True),
    "news_aim": Step(Notifications, "aim", is_anywhere=True),
    "news_send": Step(Homeserver, "send", _notifications, is_anywhere=True),
    "news_sent": Step(Notifications, "sent", is_anywhere=True),
    "news_room": Step(BotChats, "find", is_anywhere=True),
    "news_entered": Step(Rooms, "enter", is_anywhere=True),
    "mute": Step(MuteStore, "put"),
    "mute_level": Step(MuteStore, "note_level", is_anywhere=True),
    "mute_applied": Step(MuteStore, "applied", is_anywhere=True),
    # The leader gives a device to an agent, and opens encrypted events; workers send them.
    "make_device": Step(Homeserver, "make_device", is_anywhere=True),
    "devices_listed": Step(Homeserver, "devices", is_anywhere=True),
    "event_sealed": Step(SealedEvents, "seal", is_anywhere=True),
    "event_opened": Step(SealedEvents, "opened", is_anywhere=True),
    "to_devices": Step(Homeserver, "send_to_devices", is_anywhere=True),
    "sealed_send": Step(Homeserver, "send", _sealed, is_anywhere=True),
}
#: Steps outside of these, where the process does not know the turn yet.
OUTSIDE = ("intake", "take")
#: Moments of an answer of the upstream: before the request, after its first words, after its last.
ANSWER = ("request", "first_words", "last_words")


def _key_steps() -> dict[str, Step]:
    """Return the steps of the keys, which need the packages of an extra."""
    from agent_bridge.encryption.device_client import DeviceClient
    from agent_bridge.encryption.machine import Machine
    from agent_bridge.encryption.room_keys import RoomKeys
    from agent_bridge.encryption.vault import Vault

    return {
        "keys_uploaded": Step(DeviceClient, "upload", is_anywhere=True),
        "keys_published": Step(Machine, "published", is_anywhere=True),
        "key_taken": Step(Machine, "take", is_anywhere=True),
        "keys_received": Step(Vault, "receive", is_anywhere=True),
        "decrypted": Step(Vault, "decrypt", is_anywhere=True),
        "key_shared": Step(Machine, "share", is_anywhere=True),
        # Its transaction is committed when it ends.
        "encrypted": Step(RoomKeys, "_seal", is_anywhere=True),
    }


def die() -> None:
    """End this process like a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


class Doom:
    """Kills this process at *point* of the way of the message *text*, or of the invitation with the reason *text*.

    A point is ``before:STEP:N`` or ``after:STEP:N``, of the N-th call that the message's turn makes, or one of
    :data:`ANSWER`. The calls for other messages do not count. An empty *text*: there is no message.
    """

    def __init__(self, point: str, text: str) -> None:
        self._text = text
        self._event_id = ""
        self._lanes: Sequence[int] = ()
        self._when, self._step, number = point.split(":") if ":" in point else ("at", point, "1")
        self._number = int(number)
        self._calls = 0
        self._steps = STEPS if self._step in (*STEPS, *OUTSIDE, *ANSWER) else _key_steps()
        if self._step not in (*self._steps, *OUTSIDE, *ANSWER):
            raise ValueError(f"no such point: {point}")

    def arm(self) -> None:
        """Wrap the methods that are called for the turn."""
        self._watch_intake()
        self._watch_wake()
        self._watch_take()
        if self._step in ANSWER:
            self._doom_answer()
        elif self._step in self._steps:
            self._doom_step(self._steps[self._step])

    def _reached(self, step: str, when: str) -> None:
        if (self._step, self._when) == (step, when):
            die()

    @property
    def _is_about_it(self) -> bool:
        return bool(self._event_id) and get_contextvars().get("event_id") == self._event_id

    def _watch_intake(self) -> None:
        for method in ("take", "take_backfilled"):
            _replace(Intake, method, self._watched(getattr(Intake, method)))

    def _watched(self, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Return *original*, wrapped: it recognises the message in the first transaction or backfill that has it."""

        async def take(intake: Intake, whence: object, events: Sequence[RoomEvent], *more: object) -> None:
            texts = {event.event_id: (event.text("body"), event.text("reason")) for event in events}
            found = [event_id for event_id, said in texts.items() if self._text in said]
            if not found:
                await original(intake, whence, events, *more)
                return
            self._event_id = found[0]
            with bound_contextvars(event_id=self._event_id):
                self._reached("intake", "before")
                await original(intake, whence, events, *more)
                self._reached("intake", "after")

        return take

    def _watch_wake(self) -> None:
        original = Lanes.wake

        async def wake(lanes: Lanes, connection: Connection, woken: Sequence[int]) -> None:
            if self._is_about_it:
                self._lanes = [*self._lanes, *woken]
            await original(lanes, connection, woken)

        _replace(Lanes, "wake", wake)

    def _watch_take(self) -> None:
        original = Turns.take

        async def take(turns: Turns, lane: int, process: int = 0) -> Turn | None:
            if lane in self._lanes:
                self._reached("take", "before")
            turn = await original(turns, lane, process)
            if turn is not None and turn.body == self._text:
                self._event_id = turn.event_id
                self._reached("take", "after")
            return turn

        _replace(Turns, "take", take)

    def _doom_step(self, step: Step) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(step.owner, step.method)

        @functools.wraps(original)
        async def doomed(*args: Any, **kwargs: Any) -> Any:
            is_meant = bool(self._event_id) or not self._text if step.is_anywhere else self._is_about_it
            counts = is_meant and step.picks(*args, **kwargs)
            self._calls += counts
            last = counts and self._calls == self._number
            if last:
                self._reached(self._step, "before")
            result = await original(*args, **kwargs)
            if last:
                self._reached(self._step, "after")
            return result

        _replace(step.owner, step.method, doomed)

    def _doom_answer(self) -> None:
        for kind in (OpenAIUpstream, A2AUpstream):
            _replace(kind, "answer", self._doomed(kind.answer))

    def _doomed(self, original: Answers) -> Answers:
        async def doomed(upstream: Upstream, ask: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
            about_it = self._is_about_it
            if about_it:
                self._reached("request", "at")
            async with aclosing(original(upstream, ask)) as deltas:
                async for delta in deltas:
                    if about_it and isinstance(delta, End):
                        self._reached("last_words", "at")
                    yield delta
                    # The code below runs when the bridge has handled the event.
                    if about_it and not isinstance(delta, RunStarted):
                        self._reached("first_words", "at")

        return doomed


def _replace(owner: type, method: str, by: Callable[..., Any]) -> None:
    setattr(owner, method, by)
