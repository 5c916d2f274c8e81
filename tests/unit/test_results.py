"""Results of commands: each record becomes Markdown in every language, and JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest

from agent_bridge.commands.entries import agent_entry
from agent_bridge.core.agents import AgentState
from agent_bridge.core.answers import AnswerFile, MediaFile
from agent_bridge.core.approvals import DecisionResult
from agent_bridge.core.operations import OperationEntry, OperationState
from agent_bridge.core.quotas import Period
from agent_bridge.core.results.access import Arrival, Invited, InvitingBegun, NamedRoom, RoomLeft
from agent_bridge.core.results.admin import AdminLinkSent, AdminPageOff, NoPrivateChat
from agent_bridge.core.results.chats import (
    ChatArchived,
    ChatEntry,
    ChatGone,
    ChatList,
    ChatMade,
    ChatName,
    ChatRenamed,
    ChatUnarchived,
    DeletionAsked,
    DeletionConfirmed,
    ForkRefusal,
    ForkRefused,
    IsDirectChat,
    NotArchived,
    NothingToConfirm,
    NotYourChat,
    TooManyChats,
)
from agent_bridge.core.results.commands import (
    AgentAnswers,
    AgentEntry,
    AgentList,
    Answers,
    Argument,
    ArgumentProblem,
    CommandFailed,
    CommandHelp,
    CommandList,
    CommandStopped,
    CommandUsage,
    DecisionMade,
    Group,
    HasEntry,
    InvalidArguments,
    NoRoomYet,
    NotPermitted,
    NotReconnected,
    Reconnected,
    Result,
    RoomAddress,
    RoomEntry,
    StatusReport,
    StreamingSet,
    SyncReport,
    UnknownCommand,
    WhenBusySet,
    WrongRoom,
)
from agent_bridge.core.results.contexts import (
    ContextBegun,
    ContextForgotten,
    ContextList,
    ContextLoaded,
    ContextOption,
    ContextRefusal,
    ContextRefused,
    ContextReport,
    ContextSaved,
    ImportBegun,
    Instructions,
    ModelChoice,
)
from agent_bridge.core.results.erasure import ErasureAsked, ErasureBegun, ErasureRefusal, ErasureRefused
from agent_bridge.core.results.events import EventAccepted, EventProblem, EventRefused
from agent_bridge.core.results.exports import ConversationExported, ExportRefusal, ExportRefused
from agent_bridge.core.results.mirrors import MirrorSet, NoLogChannel
from agent_bridge.core.results.notifications import NotificationsSet
from agent_bridge.core.results.people import (
    Kicked,
    Muted,
    PersonRefusal,
    PersonRefused,
    PinChange,
    PinResult,
    RoleEntry,
    RoleGiven,
    RoleList,
    RoleShown,
    Unmuted,
)
from agent_bridge.core.results.reachable import ReachableSet
from agent_bridge.core.results.reloads import ProcessReload, ReloadOutcome, ReloadReport
from agent_bridge.core.results.repairs import PassPlan, RepairBegun
from agent_bridge.core.results.retirement import (
    AgentRetired,
    AgentReturned,
    NotRetired,
    RetirementAsked,
    RetirementConfirmed,
)
from agent_bridge.core.results.schedules import (
    ScheduleEntry,
    ScheduleList,
    ScheduleMade,
    SchedulePaused,
    ScheduleProblem,
    ScheduleRefused,
    ScheduleRemoved,
    ScheduleResumed,
    TimeNotUnderstood,
)
from agent_bridge.core.results.selection import (
    AgentChoices,
    AgentOption,
    AgentSelected,
    CannotEnter,
    RoomBound,
)
from agent_bridge.core.results.server_commands import (
    CommandRefusal,
    ServerCommandDone,
    ServerCommandEntry,
    ServerCommandList,
    ServerCommandRefused,
)
from agent_bridge.core.results.servers import (
    AgentAdded,
    ChannelChange,
    ChannelChanged,
    ChannelEntry,
    ChannelGroup,
    ChannelList,
    ChannelMade,
    DeletionQuestion,
    PlaceDeleted,
    PlaceProblem,
    PlaceRefused,
    ServerEntry,
    ServerField,
    ServerJoined,
    ServerLeft,
    ServerList,
    ServerMade,
    ServerUpdated,
)
from agent_bridge.core.results.speech import SpeechMissing, SpeechSet
from agent_bridge.core.results.tasks import (
    TaskChanged,
    TaskEntry,
    TaskList,
    TaskMade,
    TaskProblem,
    TaskRefused,
    TaskSplit,
)
from agent_bridge.core.results.threads import (
    ThreadChange,
    ThreadChanged,
    ThreadEntry,
    ThreadList,
    ThreadProblem,
    ThreadRefused,
)
from agent_bridge.core.results.tokens import (
    TokenEntry,
    TokenList,
    TokenMade,
    TokenNotMade,
    TokenProblem,
    TokenRevoked,
)
from agent_bridge.core.results.traces import NoTrace, NoTraceReason, Step, Trace, TracePart, TurnTrace
from agent_bridge.core.results.triggers import (
    TriggerEntry,
    TriggerList,
    TriggerMade,
    TriggerNotMade,
    TriggerProblem,
    TriggerRevoked,
)
from agent_bridge.core.results.turns import (
    Dropped,
    FailedTurns,
    OpenTurns,
    QueuePlace,
    Retried,
    RetriedAll,
    RoomQueue,
    StopRequested,
    TurnChange,
    TurnEntry,
    TurnNotFound,
)
from agent_bridge.core.results.usage import UsagePart, UsageReport, UsedAmount
from agent_bridge.core.results.votes import VoteCast, VoteClosed, VoteEntry, VoteList, VoteOpened, VoteRefused
from agent_bridge.core.roles import Role, RoleSource, SourceKind
from agent_bridge.core.rooms import AnswerMode, RoomProblem, SpeechMode, Streaming, WhenBusy
from agent_bridge.core.servers import ChannelType
from agent_bridge.core.tasks import TaskAction, TaskState
from agent_bridge.core.times.kinds import TimeProblem
from agent_bridge.core.triggers import TriggerKind
from agent_bridge.core.turns import TurnKind, TurnState
from agent_bridge.core.upstreams import Health
from agent_bridge.core.usage import Usage
from agent_bridge.core.votes import VoteProblem, VoteState
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.content import message
from agent_bridge.render.results import ResultRenderer
from support.records import contact

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

KEY, OTHER_KEY = "0123456789abcdef", "fedcba9876543210"
THEN = datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=UTC)
ADA_ROOM = RoomAddress("!ada:x.org", "x.org")
A_THREAD = ThreadEntry("Trip *1*", ADA_ROOM, "$root", "@bob_b:x.org", THEN, is_archived=False)
ADA = AgentEntry("Ada", "agent_ada", "up", AgentState.ACTIVE, ADA_ROOM)
ADAM = AgentEntry("Adam *1*", "agent_adam", "up", AgentState.ACTIVE, None)
INVITE = CommandUsage(
    "invite", Group.AGENTS, (Argument("agent", required=True), Argument("user", required=False)), "Ada"
)
BUSY = CommandUsage(
    "busy", Group.ROOM, (Argument("mode", required=True, choices=("queue", "collect", "interrupt")),), "queue"
)
SYNC = CommandUsage("sync", Group.BRIDGE, (Argument("all", required=False, is_flag=True),))
TURN = TurnEntry(KEY, "@bob_b:x.org", "Ada", TurnState.QUEUED, 0, 75.0, None)
UP = Health("up", None, 2, 0)
OPERATION = OperationEntry(
    id=1,
    kind="provision",
    state=OperationState.RUNNING,
    done=3,
    total=40,
    note="",
    error=None,
    requested_by="",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    finished_at=None,
)
TRACE = TurnTrace(
    key=KEY,
    event_id="$question",
    kind=TurnKind.MESSAGE,
    sender="@bob_b:x.org",
    agent="Ada",
    state=TurnState.FAILED,
    error="the server failed.",
    collected_into=None,
    said_at=THEN,
    created_at=THEN,
    started_at=THEN + timedelta(seconds=1.5),
    attempts=2,
    failures=1,
    interruptions=0,
    steps=(
        Step(at=THEN, name="taken_up"),
        Step(at=THEN, name="failed", parts=1, error="it *broke*"),
        Step(at=THEN, name="retried", by="$retry"),
        Step(at=THEN, name="said in English by an older bridge"),
    ),
    parts=(TracePart(0, "$answer", THEN),),
    usage=Usage(1200, 30, 1000),
)
OSLO = ChatEntry(1, ChatName(17, "*Oslo*"), "Adam *1*", None, RoomAddress("!oslo:x.org", "x.org"), 7300.0)
TASK = TaskEntry(3, "Write", TaskState.WORKING, "Ada", None, 40, "note", None, None)
SAMPLES: list[Result] = [
    AgentList((ADA, ADAM)),
    AgentList((ADA, ADAM), page=2, pages=3),
    AgentChoices((AgentOption(1, "Ada", "writes *code*\nand more", is_current=True),), 1, 2),
    AgentChoices((AgentOption(1, "Ada", "", is_current=False),), is_for_chat=True),
    AgentSelected(ADA, "Adam *1*"),
    ChatGone(17),
    ChatList(()),
    ChatList((OSLO, replace(OSLO, name=ChatName(17), person="@eve*:x.org")), 2, 3, is_of_all=True),
    ChatRenamed("*Oslo*"),
    ChatArchived(ChatName(17)),
    ChatUnarchived(ChatName(17, "*Oslo*")),
    DeletionAsked(ChatName(17, "*Oslo*"), RoomAddress("!oslo:x.org", "x.org")),
    DeletionConfirmed(ChatName(17)),
    NothingToConfirm(),
    AgentRetired("Adam *1*"),
    RetirementAsked("Adam *1*"),
    RetirementConfirmed("Adam *1*"),
    AgentReturned("Adam *1*", is_listed=True),
    AgentReturned("Adam *1*", is_listed=False),
    NotRetired("Adam *1*"),
    ErasureAsked("@eve*:x.org"),
    ConversationExported("Adam *1*", 3, AnswerFile(MediaFile("mxc://x.org/a", "text/markdown", 7), "a.md")),
    ExportRefused(ExportRefusal.EMPTY, "Adam *1*"),
    ExportRefused(ExportRefusal.TOO_LARGE, "Adam *1*", 1_000_000),
    ErasureBegun("@eve*:x.org"),
    ErasureRefused(ErasureRefusal.OWN_CHAT),
    ErasureRefused(ErasureRefusal.TOO_SOON, 7200.0),
    AgentList((replace(ADA, state=AgentState.RETIRED),)),
    ChatList((OSLO,), 1, 2, is_archive=True),
    ChatList((), archived=3),
    NotArchived(ChatName(7, "Trip to Oslo")),
    NotYourChat("rename"),
    IsDirectChat("Adam *1*"),
    DeletionAsked(ChatName(0, None, "Adam *1*"), RoomAddress("!oslo:x.org", "x.org")),
    DeletionConfirmed(ChatName(0, None, "Adam *1*")),
    AgentList((replace(ADA, room=None, is_private=True),)),
    ChatMade(17, "*Oslo*", "Adam *1*", RoomAddress("!oslo:x.org", "x.org")),
    ChatMade(17, None, "Adam *1*", RoomAddress("!oslo:x.org", "x.org"), messages=3),
    *(ForkRefused(reason, "Adam *1*") for reason in ForkRefusal),
    TooManyChats(200),
    RoomBound("Adam *1*"),
    CannotEnter("Adam *1*", "@agent_adam:x.org"),
    CommandFailed("invite", "it broke."),
    CommandStopped("letta compact"),
    CommandHelp(INVITE, Role.MEMBER),
    CommandHelp(BUSY, Role.MODERATOR, in_own_chats=True),
    CommandList((INVITE, BUSY, SYNC)),
    ContextBegun("Ada"),
    ContextForgotten("before *Oslo*"),
    ImportBegun("Ada"),
    ContextList("Ada", (ContextOption(1, "before *Oslo*", 12, THEN), ContextOption(2, None, 1, THEN)), more=3),
    ContextLoaded("Ada", "before *Oslo*", 12),
    ContextRefused(ContextRefusal.SIMILAR, "Ada", "oslp", "before *Oslo*"),
    ContextReport("Ada", 12, 3400, 8000, "Be *kind*.", "", "small", THEN),
    ContextSaved("before *Oslo*"),
    Instructions("Ada", "Be *kind*."),
    ModelChoice("Ada", "small", "large", ("large", "small")),
    Dropped((TurnChange(KEY, TurnState.QUEUED, is_changed=True),)),
    FailedTurns((replace(TURN, error="it *broke*"),), has_more=True),
    HasEntry("Ada"),
    InvalidArguments(BUSY, ArgumentProblem.NOT_A_CHOICE, BUSY.arguments[0], "now"),
    Invited(None, "@bob_b:x.org", Arrival.INSIDE),
    Invited(NamedRoom(ADA_ROOM, "*Ada*"), "@bob_b:x.org", Arrival.INVITED, is_muted=True),
    Invited(NamedRoom(ADA_ROOM, "Ada"), "@bob_b:x.org", Arrival.JOINED),
    InvitingBegun("@bob_b:x.org"),
    RoomLeft(None, "@bob_b:x.org", is_own=False),
    RoomLeft(NamedRoom(ADA_ROOM, "Ada"), "@bob_b:x.org", is_own=True),
    NoRoomYet("Ada"),
    NoTrace("$x", NoTraceReason.UNKNOWN),
    NotPermitted("invite", Role.ADMIN),
    TaskMade(TASK),
    *(TaskChanged(TASK, action) for action in TaskAction),
    *(TaskRefused(problem, 3, "working", "@bob:example.org", 5) for problem in TaskProblem),
    TaskSplit(TASK, (4, 5)),
    TaskList(
        (TASK, replace(TASK, number=4, parent=3, assignee="Ada", percent=50)), 1, 2, is_own=False, has_closed=True
    ),
    *(TaskList((), 1, 1, is_own=is_own, has_closed=False) for is_own in (True, False)),
    EventAccepted("progress"),
    *(EventRefused(problem, "/a", 5) for problem in EventProblem),
    NoLogChannel("news"),
    MirrorSet("log", None, is_changed=True),
    MirrorSet("log", ("Ada", "Bea"), is_changed=False),
    *(MirrorSet("log", (), is_changed=is_changed) for is_changed in (True, False)),
    *(ReachableSet(is_on, is_changed) for is_on in (True, False) for is_changed in (True, False)),
    *(NotificationsSet(is_on, is_changed) for is_on in (True, False) for is_changed in (True, False)),
    NotReconnected("Ada", "up", ("Bea",)),
    OpenTurns((TURN,), has_more=False),
    Reconnected(ADA, "Bea"),
    Retried((TurnChange(KEY, TurnState.FAILED, is_changed=True),)),
    RetriedAll(2, has_more=True),
    RoomQueue(2, (QueuePlace(TurnState.QUEUED, 0, 90, 2),), has_more=True),
    ServerCommandDone("compact", succeeded=False, output="it ```broke```", said="*why*"),
    ServerCommandList("Ada", (ServerCommandEntry("compact"), ServerCommandEntry("x", "is *mine*", "<query>"))),
    ServerCommandRefused("tolset", CommandRefusal.UNKNOWN, "toolset"),
    PassPlan(),
    PassPlan(
        create=tuple(f"*{name}*" for name in "abcdefg"),
        rename=(("Adam", "Adam\nthe `Second`"),),
        retire=("Bea",),
        back=("Cleo",),
        put_away=("Ian",),
        delete=("Jo",),
        invite=("@bob:example.org",),
        move=("Dora",),
        waiting=("Egon",),
        doubted=("Fay",),
        vanished=("Gus",),
        appeared=("Hal",),
        away=(("up", "away"),),
    ),
    PassPlan(add=("Ada",)),
    ReloadReport((), 15.0),
    ReloadReport((ProcessReload("one 1", ReloadOutcome(("permissions", "quotas"), ("upstreams[a].url",))),), 15.0),
    ReloadReport((ProcessReload("one 1", ReloadOutcome()), ProcessReload("two 2", ReloadOutcome())), 15.0),
    ReloadReport(
        (
            ProcessReload("one 1", ReloadOutcome(("quotas",))),
            ProcessReload("two 2", ReloadOutcome(fault="config.yaml:1: unknown: is not a known key")),
            ProcessReload("", None),
            ProcessReload("", None, has_ended=True),
        ),
        15.0,
    ),
    RepairBegun(None, is_forced=True),
    RepairBegun("Ada", is_forced=False),
    SpeechMissing(),
    SpeechSet(SpeechMode.ON),
    StatusReport(9, 0, 0, 0, (), without_bot=8),
    StatusReport(1, 0, 0, 0, (), operations=(OPERATION,)),
    StatusReport(1, 2, 3, 4, (UP,), (RoomEntry("Ada", (RoomProblem.ENCRYPTED, RoomProblem.OPEN_DOOR)),)),
    StopRequested(1),
    DecisionMade(DecisionResult.TAKEN),
    StreamingSet(Streaming.OFF),
    SyncReport(is_finished=True, upstreams=(UP,)),
    Trace(KEY, (TRACE,)),
    TurnNotFound("x"),
    UnknownCommand("agnets", "agents"),
    UsageReport(
        None,
        is_own=False,
        period=Period.DAY,
        total=UsedAmount(34, 2, 138_600, Decimal("0.42")),
        currency="USD",
        parts=(UsagePart("Ada, Bea", UsedAmount(34, 2, 138_600, Decimal("0.42")), "!room:example.org", 12),),
        more=3,
    ),
    WhenBusySet(WhenBusy.COLLECT),
    Answers((AgentAnswers("Ada", AnswerMode.ALWAYS), AgentAnswers("Bea", AnswerMode.OFF))),
    WrongRoom("busy"),
    Kicked("@bob_b:x.org"),
    Muted("@bob_b:x.org", None, everywhere=True, turns=0, may_write=False),
    Muted("@bob_b:x.org", 3600.0, everywhere=False, turns=2, may_write=True),
    *(PersonRefused(reason, "@bob_b:x.org") for reason in PersonRefusal),
    *(PinChange(result, 50) for result in PinResult),
    RoleGiven("@bob_b:x.org", Role.MODERATOR, exists=False),
    RoleGiven("@bob_b:x.org", Role.MODERATOR, server="Lab *1*"),
    RoleList((RoleEntry("@ann:x.org", Role.OWNER), RoleEntry("@bob_b:x.org", Role.NONE, "@ann:x.org")), 21, 2, 3),
    *(
        RoleShown("@bob_b:x.org", RoleSource(kind, Role.MODERATOR, "x.org", "@ann:x.org", THEN), Role.MEMBER)
        for kind in SourceKind
    ),
    TokenMade(7, "nightly *build*", "Adam *1*"),
    *(TokenNotMade(problem, "nightly *build*", 20) for problem in TokenProblem),
    TokenRevoked(7, "nightly *build*"),
    TokenList(()),
    TokenList((), is_of_all=True),
    TokenList(
        (
            TokenEntry(7, "a *build*", "@bob_b:x.org", False, ("read", "send"), None, THEN, None, None),
            TokenEntry(8, "ci", "Adam *1*", True, ("read",), 2, THEN, THEN, THEN),
        ),
        pages=2,
    ),
    *(TriggerMade(7, "nightly *build*", "Adam *1*", kind) for kind in TriggerKind),
    *(TriggerNotMade(problem, "nightly *build*", 20) for problem in TriggerProblem),
    TriggerRevoked(7, "nightly *build*"),
    *(VoteRefused(problem, "pizza *1*", 20) for problem in VoteProblem),
    VoteOpened(7, None, THEN, None),
    VoteOpened(7, THEN + timedelta(hours=1), THEN, 3),
    VoteOpened(7, THEN + timedelta(days=1), THEN, 3),
    VoteClosed(7),
    VoteCast(7, "pizza *1*"),
    VoteCast(7, None),
    VoteList((), THEN),
    VoteList(
        tuple(
            VoteEntry(number, "What *now*?", ("a *b*", "c"), (1, 2), creator, state, ends_at, quorum)
            for number, creator, state, ends_at, quorum in (
                (1, "@bob:x.org", VoteState.CLOSED, None, None),
                (2, "", VoteState.CLOSING, THEN, 3),
                (3, "@bob:x.org", VoteState.OPEN, THEN + timedelta(days=2), 3),
            )
        ),
        THEN,
    ),
    *(PlaceRefused(problem, "news *1*", 20) for problem in PlaceProblem),
    ServerMade(7, "Lab *1*", RoomAddress("!room:x.org", "x.org")),
    ServerList(()),
    ServerList(
        (
            ServerEntry(
                7, "Lab *1*", "all *about* it", "@bob_b:x.org", RoomAddress("!room:x.org", "x.org"), Role.OWNER, 2
            ),
            ServerEntry(8, "New", "", "@bob_b:x.org", None, Role.NONE, 0),
        )
    ),
    *(
        ServerJoined("Lab *1*", RoomAddress("!room:x.org", "x.org"), arrival)
        for arrival in (Arrival.INVITED, Arrival.JOINED, Arrival.INSIDE)
    ),
    ServerLeft("Lab *1*"),
    *(ServerUpdated("Lab *1*", field, value) for field in ServerField for value in ("a *b*", "")),
    DeletionQuestion("Lab *1*", "server delete 7 yes", 2),
    DeletionQuestion("news *1*", 'channel delete "news *1*" yes'),
    *(PlaceDeleted("Lab *1*", is_server=is_server) for is_server in (True, False)),
    *(
        ChannelMade("news *1*", kind, RoomAddress("!room:x.org", "x.org"), server)
        for kind in ChannelType
        for server in ("", "Lab *1*")
    ),
    ChannelList((ChannelGroup("", ()),)),
    ChannelList(
        (
            ChannelGroup("", (ChannelEntry(1, "news *1*", ChannelType.ANNOUNCEMENT, "*all*", None),)),
            ChannelGroup(
                "Lab *1*", (ChannelEntry(1, "talk", ChannelType.TEXT, "", RoomAddress("!room:x.org", "x.org")),)
            ),
        )
    ),
    *(ChannelChanged("news *1*", change, "a *b*") for change in ChannelChange),
    ChannelChanged("news *1*", ChannelChange.TOPIC, ""),
    AgentAdded("Adam *1*", "Lab *1*/talk"),
    ScheduleMade(7, "Adam *1*", "every *day* 9:00", THEN, "Europe/Oslo"),
    *(ScheduleRefused(problem, "every *day*", 300) for problem in ScheduleProblem),
    *(TimeNotUnderstood(problem, "*b*") for problem in TimeProblem),
    SchedulePaused(7),
    ScheduleResumed(7, THEN, "Europe/Oslo"),
    ScheduleRemoved(7, "every *day* 9:00"),
    ScheduleList((), is_of_all=True),
    ScheduleList(
        tuple(
            ScheduleEntry(
                7,
                "Ada",
                "!room:x.org",
                "every *day*",
                "a *b*",
                "@bob_b:x.org",
                THEN,
                zone,
                paused=paused,
                problem=problem,
            )
            for zone, paused, problem in (("UTC", True, None), ("Nowhere/Lost", False, "muted"))
        ),
        2,
        3,
        is_of_all=True,
    ),
    ThreadRefused(ThreadProblem.LONG_NAME, 80),
    ThreadChanged(ThreadChange.ARCHIVED, A_THREAD),
    ThreadList((), is_archive=False, page=1, pages=1, others=2),
    ThreadList((A_THREAD, replace(A_THREAD, root=None, creator="")), is_archive=True, page=1, pages=2, others=0),
    TriggerList((), is_of_all=False),
    TriggerList(
        (
            TriggerEntry(7, "a *b*", "Ada", "!room:x.org", TriggerKind.SIGNED, "@bob_b:x.org", THEN, THEN, None),
            TriggerEntry(8, "c", "Ada", "!room:x.org", TriggerKind.CALLBACK, "@bob_b:x.org", THEN, None, THEN),
        ),
        2,
        3,
        is_of_all=True,
    ),
    Unmuted("@bob_b:x.org", everywhere=True, was_muted=True),
    Unmuted("@bob_b:x.org", everywhere=False, was_muted=True),
    Unmuted("@bob_b:x.org", everywhere=False, was_muted=False),
    AdminLinkSent(),
    AdminPageOff(),
    NoPrivateChat(),
]
IDS = [type(sample).__name__ for sample in SAMPLES]


def english(result: Result) -> str:
    return ResultRenderer(ENGLISH, "!ab").render(result)


def plain(value: object) -> Any:
    """Return the JSON form of a value that the encoder does not know."""
    if isinstance(value, Decimal):
        return str(value)
    assert isinstance(value, datetime), f"{value!r} is no plain data"
    return value.isoformat()


def test_the_status_tells_the_kind_and_the_capabilities() -> None:
    letta = replace(UP, kind="letta", server="App Server 0.34.12, protocol 1", capabilities=("cancel", "approvals"))
    text = english(StatusReport(0, 0, 0, 0, (letta, UP, replace(UP, kind="openai"))))
    facts = "(`kind: letta`, App Server 0.34.12, protocol 1, capabilities: `cancel`, `approvals`)"
    assert text.splitlines()[2:] == [
        f"- **up**: 2 agents {facts}",
        "- **up**: 2 agents",
        "- **up**: 2 agents (`kind: openai`)",
    ]


def test_the_status_counts_the_agents_of_the_configuration() -> None:
    assert english(StatusReport(3, 0, 0, 0, (), configured=2)).splitlines()[:2] == [
        "- 3 agents, 0 without a room until `sync all`, 0 gone",
        "- 2 of them from the configuration",
    ]


def test_the_status_lists_the_work_that_goes_on_and_counts_that_which_waits() -> None:
    queued = replace(OPERATION, kind="import", state=OperationState.QUEUED, done=0, total=None)
    result = StatusReport(1, 0, 0, 0, (), operations=(queued, OPERATION, queued))
    assert english(result).splitlines()[2:] == [
        "- In progress: rooms and names of agents, 3 of 40",
        "- Requested: import of earlier messages (2)",
    ]


def test_new_ids_have_their_names() -> None:
    unclear = replace(UP, vanished=("Ada",), appeared=("agent-1", "Bea"), appeared_names=("Zoe", "Bea"))
    assert "new in its list: `agent-1` (Zoe), `Bea`." in english(SyncReport(is_finished=True, upstreams=(unclear,)))


def test_thousands_of_unclear_names_fit_into_an_event() -> None:
    names = tuple(f"{number} " + "名" * 190 for number in range(2_000))
    unclear = replace(UP, vanished=names, appeared=tuple("&" * 255 for _ in names), appeared_names=names)
    text = english(SyncReport(is_finished=True, upstreams=(unclear,)))
    assert text.count("and 1990 more") == 2
    assert len(json.dumps(message(text, mark="m", notice=True), ensure_ascii=False).encode()) < 60_000
    assert "and 1990 more" in english(NotReconnected("Ada", "up", names))


def test_every_record_has_a_sample() -> None:
    assert {type(sample) for sample in SAMPLES} == set(get_args(Result))


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_every_record_becomes_markdown(sample: Result, texts: Texts) -> None:
    text = ResultRenderer(texts, "!ab").render(sample)
    assert text.strip() == text
    assert text
    assert "{" not in text, "every placeholder is filled"


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
def test_every_record_becomes_json(sample: Result) -> None:
    assert json.loads(json.dumps(asdict(sample), default=plain)) is not None


@pytest.mark.parametrize("sample", SAMPLES, ids=IDS)
def test_every_record_is_a_value(sample: Result) -> None:
    assert replace(sample) == sample
    for field in fields(sample):
        with pytest.raises(FrozenInstanceError):
            setattr(sample, field.name, None)


@pytest.mark.parametrize(
    ("usage", "en", "ru"),
    [
        (INVITE, "invite <agent> [@user:server]", "invite <агент> [@имя:сервер]"),
        (BUSY, "busy queue|collect|interrupt", "busy queue|collect|interrupt"),
        (SYNC, "sync [all]", "sync [all]"),
    ],
)
def test_usage_lines(usage: CommandUsage, en: str, ru: str) -> None:
    assert ResultRenderer(ENGLISH, "!ab").usage(usage) == en
    assert ResultRenderer(RUSSIAN, "!ab").usage(usage) == ru


def test_a_short_help_is_one_list_and_a_long_one_has_headings() -> None:
    short = english(CommandList((INVITE, BUSY, SYNC))).split("\n\n")
    assert [block.count("\n") for block in short] == [0, 2]
    assert short[1].splitlines()[0] == f"- `!ab invite <agent> [@user:server]`: {ENGLISH.commands.help['invite']}"
    long = english(CommandList((INVITE, INVITE, INVITE, BUSY, BUSY, SYNC, SYNC))).split("\n\n")
    assert long[1::2] == ["**Agents**", "**This room**", "**The bridge**"]
    assert [block.count("\n") for block in long[2::2]] == [2, 1, 1]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (
            InvalidArguments(INVITE, ArgumentProblem.MISSING, INVITE.arguments[0]),
            "`<agent>` is missing. Usage: `!ab invite <agent> [@user:server]`. For example: `!ab invite Ada`.",
        ),
        (
            InvalidArguments(BUSY, ArgumentProblem.NOT_A_CHOICE, BUSY.arguments[0], "n_o"),
            (
                "*n\\_o* is not one of `queue`, `collect`, `interrupt`. Usage: `!ab busy queue|collect|interrupt`. "
                "For example: `!ab busy queue`."
            ),
        ),
        (
            InvalidArguments(SYNC, ArgumentProblem.SURPLUS, None, "al"),
            "*al* is not expected here. Usage: `!ab sync [all]`.",
        ),
        (
            InvalidArguments(INVITE, ArgumentProblem.NO_SUCH_AGENT, INVITE.arguments[0], "*x*"),
            "No agent is called *\\*x\\**.",
        ),
        (
            InvalidArguments(INVITE, ArgumentProblem.SEVERAL_AGENTS, INVITE.arguments[0], "ad", (ADA, ADAM)),
            ENGLISH.commands.did_you_mean.format(value="ad", names="Ada (`agent_ada`), Adam \\*1\\* (`agent_adam`)"),
        ),
        (
            InvalidArguments(INVITE, ArgumentProblem.SEVERAL_AGENTS, INVITE.arguments[0], "ad", (ADA,) * 11),
            ENGLISH.commands.did_you_mean.format(value="ad", names="Ada (`agent_ada`), " * 10 + "…"),
        ),
        (UnknownCommand("agn`ets", "agents"), "There is no command `agn'ets`. Did you mean `!ab agents`?"),
        (UnknownCommand("x", None), "There is no command `x`. `!ab help` lists the commands."),
    ],
)
def test_faults_say_how_to_do_it(result: Result, text: str) -> None:
    assert english(result) == text


def test_several_turns_of_one_message_are_told_apart() -> None:
    changes = (
        TurnChange(KEY, TurnState.FAILED, is_changed=True),
        TurnChange(OTHER_KEY, TurnState.STOPPED, is_changed=False, is_redacted=True),
    )
    assert english(Retried(changes)) == (
        f"The agent will be asked again: `{KEY}`.\n\n`{OTHER_KEY}` cannot be asked again: it is redacted."
    )
    traces = english(Trace("$question", (TRACE, replace(TRACE, key=OTHER_KEY, agent="Bert"))))
    assert [line for line in traces.splitlines() if line.startswith("`")] == [
        f"`{KEY}`: a message for **Ada** from @bob\\_b:x.org. It failed: the server failed.",
        f"`{OTHER_KEY}`: a message for **Bert** from @bob\\_b:x.org. It failed: the server failed.",
    ]


def test_a_trace_is_a_line_for_each_event() -> None:
    assert english(Trace("$answer", (TRACE,))).splitlines()[1:] == [
        "",
        "- 2024-05-06 07:08:09.123Z: sent (homeserver's clock)",
        "- 2024-05-06 07:08:09.123Z: received and stored as a turn (a message)",
        "- 2024-05-06 07:08:10.623Z: first started, after 1.5 s in its lane",
        "- 2024-05-06 07:08:09.123Z: started",
        "- 2024-05-06 07:08:09.123Z: failed, shown in 1 part(s); it \\*broke\\*",
        "- 2024-05-06 07:08:09.123Z: an administrator asked it again",
        "- 2024-05-06 07:08:09.123Z: said in English by an older bridge",
        "- 2024-05-06 07:08:09.123Z: part 0 is `$answer`",
        "- started 2 times, 1 failure, 0 interruptions",
        "- tokens: 1200 read (1000 of them from the cache), 30 written",
        "- the question is `$question`",
    ]
    uncounted = english(Trace("$question", (replace(TRACE, usage=None),)))
    uncached = english(Trace("$question", (replace(TRACE, usage=Usage(5, 3)),)))
    assert "tokens" not in uncounted
    assert uncached.endswith("\n- tokens: 5 read, 3 written")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"state": TurnState.DONE}, "It was answered."),
        ({"state": TurnState.FAILED, "error": None}, "It failed: see below."),
        ({"state": TurnState.COLLECTED, "collected_into": "$other"}, "It was answered together with `$other`."),
        ({"state": TurnState.COLLECTED}, "It was answered together with another message."),
    ],
)
def test_a_trace_begins_with_the_state(change: dict[str, Any], text: str) -> None:
    head = english(Trace(KEY, (replace(TRACE, **change),))).splitlines()[0]
    assert head.endswith(text)


@pytest.mark.parametrize(
    ("reason", "detail", "text"),
    [
        (
            NoTraceReason.IGNORED,
            "notice",
            "The bridge received this message and ignored it: it is a notice, and agents do not answer notices.",
        ),
        (NoTraceReason.IGNORED, "an old reason", "The bridge received this message and ignored it: an old reason."),
        (NoTraceReason.UNKNOWN, "", "The bridge has no record of `$a_b`. A link to the message allows a wider search."),
        (NoTraceReason.NO_PORTAL, "", ENGLISH.commands.why_no_portal.format(prefix="!ab")),
        (NoTraceReason.NOT_A_MESSAGE, "m.sticker", "This is not a message but a `m.sticker`, which gets no answer."),
        (NoTraceReason.NOT_VISIBLE, "", ENGLISH.commands.why_unseen),
        (NoTraceReason.OWN_EVENT, "", ENGLISH.commands.why_ours),
        (NoTraceReason.NOT_RECEIVED, "", ENGLISH.commands.why_not_handed_over),
    ],
)
def test_a_message_without_a_turn_is_explained(reason: NoTraceReason, detail: str, text: str) -> None:
    assert english(NoTrace("$a_b", reason, detail)) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "- **up**: 2 agents"),
        (
            {"doubted": 9},
            "- **up**: 2 agents. 9 more disappeared from its list at once and are kept. `!ab sync all` removes them",
        ),
        (
            {"waiting": 3},
            "- **up**: 2 agents. 3 new ones appeared at once and have no rooms. `!ab sync all` makes the rooms",
        ),
        (
            {"vanished": ("Ada", "A*a"), "appeared": ("agent-1", "Be`a")},
            (
                "- **up**: 2 agents. It no longer lists *Ada*, *A\\*a*; new in its list: `agent-1`, `Be'a`. "
                "Names may have changed, so nothing was done. `!ab same <old> <new>` gives an agent's room to a new "
                "name, `!ab sync all` accepts the list as it is"
            ),
        ),
        ({"error": ""}, "- **up**: ⚠️ not asked yet"),
        ({"error": "it *broke*"}, "- **up**: ⚠️ it \\*broke\\*"),
    ],
)
def test_the_state_of_an_upstream(change: dict[str, Any], text: str) -> None:
    assert english(SyncReport(is_finished=True, upstreams=(replace(UP, **change),))) == text


def test_a_sync_that_takes_long_says_that_its_answer_is_old() -> None:
    assert (
        english(SyncReport(is_finished=False, upstreams=(UP,)))
        == f"{ENGLISH.commands.sync_unfinished}\n\n- **up**: 2 agents"
    )


def test_many_agents_are_several_tables() -> None:
    text = english(AgentList((ADA,) * 60))
    assert text.count(ENGLISH.commands.agents_head) == 3
    assert text.count("[Ada](https://matrix.to/#/!ada:x.org?via=x.org)") == 60


@pytest.mark.parametrize(
    ("state", "room", "text"),
    [
        (AgentState.ACTIVE, ADA.room, "ready"),
        (AgentState.ACTIVE, None, "its room is being created"),
        (AgentState.HELD, None, ENGLISH.commands.held.format(prefix="!ab")),
        (AgentState.GONE, ADA.room, "gone"),
    ],
)
def test_the_state_of_an_agent(state: AgentState, room: RoomAddress | None, text: str) -> None:
    row = english(AgentList((replace(ADA, state=state, room=room),))).splitlines()[-1]
    assert row.endswith(f" | up | {text} |")


@pytest.mark.parametrize(
    ("state", "room", "row"),
    [
        (AgentState.ACTIVE, ADA.room, "| [Ada](https://matrix.to/#/!ada:x.org?via=x.org) |"),
        (AgentState.ACTIVE, None, "| Ada (its room is being created) |"),
        (AgentState.GONE, ADA.room, "| [Ada](https://matrix.to/#/!ada:x.org?via=x.org) (gone) |"),
    ],
)
def test_members_get_the_agents_without_their_servers(state: AgentState, room: RoomAddress | None, row: str) -> None:
    text = english(AgentList((replace(ADA, state=state, room=room),), is_for_admin=False))
    assert text == f"| Agent |\n|---|\n{row}"
    assert english(AgentList((), is_for_admin=False)) == ENGLISH.commands.no_agents_yet


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (AgentList(()), ENGLISH.commands.no_agents.format(prefix="!ab")),
        (OpenTurns((), has_more=False), "No message is waiting."),
        (RoomQueue(0, ()), "No message is waiting."),
        (RoomQueue(2, ()), "Waiting in this room: 2 messages.\n\nNone of them is yours."),
        (
            RoomQueue(
                3,
                (
                    QueuePlace(TurnState.RUNNING, 1, 90, 1),
                    QueuePlace(TurnState.QUEUED, 0, 61, 2),
                    QueuePlace(TurnState.QUEUED, 2, 3, 1),
                ),
            ),
            """Waiting in this room: 3 messages.

1. yours, sent 1 minute ago: being answered
2. yours, sent 1 minute ago: place 2 in the queue
3. yours, sent 3 seconds ago: waiting for its next attempt""",
        ),
        (FailedTurns((), has_more=False), "No message has failed."),
        (
            DecisionMade(DecisionResult.FORBIDDEN),
            "Only the person who asked the agent can decide, or an administrator.",
        ),
        (StopRequested(0), "No message is being answered in this room."),
        (
            Invited(NamedRoom(ADA_ROOM, "Ada"), "@b:x", Arrival.INSIDE),
            "@b:x is already in [Ada](https://matrix.to/#/!ada:x.org?via=x.org).",
        ),
        (
            OpenTurns((TURN, replace(TURN, agent=None)), has_more=True),
            f"""- `{KEY}` from @bob\\_b:x.org to **Ada**, 1 minute ago: waiting
- `{KEY}` from @bob\\_b:x.org to **the bot**, 1 minute ago: waiting
- … and more""",
        ),
        (
            FailedTurns((TURN,), has_more=False),
            f"- `{KEY}` from @bob\\_b:x.org to **Ada**, 1 minute ago: unknown cause",
        ),
    ],
)
def test_answers(result: Result, text: str) -> None:
    assert english(result) == text


@pytest.mark.parametrize("problem", RoomProblem)
def test_an_agent_whose_room_is_of_no_use_is_not_ready(problem: RoomProblem) -> None:
    entry = agent_entry(contact(room_id="!ada:x.org", problems=(problem,)), "x.org")
    for_admin, for_member = (english(AgentList((entry,), is_for_admin=admin)) for admin in (True, False))
    text = ENGLISH.commands.unready[problem] if problem.ends_talk else None
    assert for_admin.endswith(f" {text or 'ready'} |")
    assert for_member.endswith(f" ({text}) |" if text else ") |")


def test_the_words_of_a_person_are_repeated_in_part() -> None:
    text = english(InvalidArguments(BUSY, ArgumentProblem.NOT_A_CHOICE, BUSY.arguments[0], "x" * 60_000))
    assert f"*{'x' * 80}…*" in text
    assert len(text) < 300
    assert len(english(UnknownCommand("x" * 60_000, None))) < 300
    assert len(english(TurnNotFound("x" * 60_000))) < 300
    assert len(english(NoTrace("x" * 60_000, NoTraceReason.UNKNOWN))) < 300


def test_the_help_of_a_command_has_its_usage_an_example_and_its_role() -> None:
    assert english(CommandHelp(INVITE, Role.MEMBER)).split("\n\n") == [
        f"`!ab invite <agent> [@user:server]`: {ENGLISH.commands.help['invite']}.",
        "For example: `!ab invite Ada`.",
        "This command is for members.",
    ]
    busy = english(CommandHelp(BUSY, Role.MODERATOR, in_own_chats=True))
    assert busy.endswith("\n\nThis command is for moderators of the room, and in your own chats for you.")


def test_agents_are_a_numbered_list_for_a_phone() -> None:
    options = (
        AgentOption(21, "Ada", "writes and reviews code, " * 9, is_current=True),
        AgentOption(22, "1. *Bea*", "", is_current=False),
    )
    assert english(AgentChoices(options, 2, 3)).split("\n\n") == [
        "Agents:",
        "21. **Ada** ✓: writes and reviews code, writes and reviews code, writes and…\n22. **1\\. \\*Bea\\***",
        "Send a number to choose, or `!ab agent` and a name. ✓ is your choice.",
        "Page 2 of 3. Another page: `!ab agent page 3`",
    ]
    assert english(AgentChoices((replace(options[1], number=1),), is_for_room=True)).split("\n\n") == [
        "Which agent should answer in this room?",
        "1. **1\\. \\*Bea\\***",
        "Send the number of one. Your messages wait for it.",
    ]
    assert english(AgentChoices((), is_for_room=True)) == "There are no agents yet."


def test_a_chat_is_told_with_a_link() -> None:
    oslo = RoomAddress("!oslo:x.org", "x.org")
    link = "[open it](https://matrix.to/#/!oslo:x.org?via=x.org)"
    assert english(ChatMade(17, None, "Ada", oslo)) == f"Chat 17 with *Ada* is ready: {link}"
    assert english(ChatMade(17, "1. *Oslo*", "Ada", oslo)) == (
        f"The chat *1\\. \\*Oslo\\** with *Ada* is ready: {link}"
    )
    assert english(TooManyChats(1)) == "You have 1 chat, and more are not possible."


def test_chats_are_a_list_that_a_phone_shows() -> None:
    link = "https://matrix.to/#/!oslo:x.org?via=x.org"
    assert english(ChatList((OSLO, replace(OSLO, position=2, name=ChatName(17), age=90_000)))).split("\n\n") == [
        "Your chats:",
        (
            f"1. [\\*Oslo\\*]({link}) with *Adam \\*1\\**, 2 hours ago\n"
            f"2. [Chat 17]({link}) with *Adam \\*1\\**, 1 day ago"
        ),
    ]
    of_all = ChatList((replace(OSLO, name=ChatName(17), person="@eve:x.org"),), 1, 2, is_of_all=True)
    assert english(of_all).split("\n\n") == [
        "Chats of all people:",
        f"- [Chat 17]({link}) of @eve:x.org with *Adam \\*1\\**, 2 hours ago",
        "Page 1 of 2. Another page: `!ab chats 2 all`",
    ]
    assert english(ChatList(())) == "You have no chats yet. `!ab new` opens one."


def test_a_choice_is_told_with_the_agent_that_stays() -> None:
    room = "[Ada](https://matrix.to/#/!ada:x.org?via=x.org)"
    assert english(AgentSelected(ADA)) == f"You have chosen {room}."
    assert english(AgentSelected(ADA, "Adam")) == f"You have chosen {room}. This room stays with *Adam*."
    no_agent = InvalidArguments(INVITE, ArgumentProblem.NO_SUCH_AGENT, INVITE.arguments[0], "reserch", (ADA, ADAM))
    assert english(no_agent) == "No agent is called *reserch*. Did you mean *Ada*, *Adam \\*1\\**?"
    beyond = InvalidArguments(INVITE, ArgumentProblem.NO_SUCH_NUMBER, INVITE.arguments[0], "9", most=3)
    assert english(beyond) == "The list has no number 9: it has 1 to 3."
    for number, pages in ((1, "1 страница"), (3, "3 страницы"), (5, "5 страниц")):
        no_page = InvalidArguments(INVITE, ArgumentProblem.NO_SUCH_PAGE, value="9", argument=None, most=number)
        assert ResultRenderer(RUSSIAN, "!ab").render(no_page) == f"Страницы 9 в списке нет: в нём {pages}."
