"""Commands on a real PostgreSQL: their roles, the turns that they find, and that a repeated command acts once."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.agents import AgentState
from agent_bridge.core.changes import StopRequest
from agent_bridge.core.results.commands import (
    AgentList,
    ArgumentProblem,
    CommandHelp,
    CommandList,
    HasEntry,
    InvalidArguments,
    NoRoomYet,
    NotPermitted,
    NotReconnected,
    StatusReport,
    StreamingSet,
    UnknownCommand,
    WhenBusySet,
    WrongRoom,
)
from agent_bridge.core.results.server_commands import (
    CommandRefusal,
    ServerCommandDone,
    ServerCommandEntry,
    ServerCommandList,
    ServerCommandRefused,
)
from agent_bridge.core.results.traces import NoTrace, NoTraceReason, Trace
from agent_bridge.core.results.turns import (
    Dropped,
    OpenTurns,
    Retried,
    RetriedAll,
    RoomQueue,
    StopRequested,
    TurnChange,
    TurnNotFound,
)
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import Streaming, WhenBusy
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.store.agents import Agents
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.turns import Turns
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.letta.upstream import LettaUpstream
from support.command_services import REGISTRY, command_services, give
from support.jobs import woken
from support.records import agent, wanted
from support.scripted_app_server import ScriptedAppServer
from support.turn_rows import BOB, OTHER, ROOM, accept, add_agent, collect, finish, new, order, row_of, stop, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.commands.registry import CommandServices
    from agent_bridge.store.postgres.database import Database

CAROL = "@carol:example.org"


@pytest.fixture
async def services(database: Database) -> AsyncIterator[CommandServices]:
    async with command_services(database) as given:
        yield given


async def names_of(services: CommandServices, role: Role) -> list[str]:
    result = await give(services, "", role=role)
    assert isinstance(result, CommandList)
    return [usage.name for usage in result.commands]


async def test_a_command_needs_a_role_and_some_need_an_agents_room(services: CommandServices) -> None:
    assert await give(services, "agents", role=Role.MEMBER) == AgentList((), is_for_admin=False)
    assert await give(services, "busy queue", role=Role.MEMBER, in_agent_room=False) == NotPermitted(
        "busy", Role.MODERATOR
    )
    # A caller without the role does not learn the usage of the command.
    assert await give(services, "busy", role=Role.MEMBER, in_agent_room=False) == NotPermitted("busy", Role.MODERATOR)
    assert await give(services, "busy queue", in_agent_room=False) == WrongRoom("busy")
    assert await give(services, "stream off", in_agent_room=False) == WrongRoom("stream")
    assert await give(services, "stop", in_agent_room=False) == StopRequested(0)
    assert await names_of(services, Role.MEMBER) == [
        *("agents", "invite", "leave", "agent", "new", "chats", "rename", "archive", "unarchive", "delete", "yes"),
        *("server", "channel", "thread", "task", "tasks"),
        *("vote", "votes", "approve", "deny", "stop", "voice", "answer", "trigger", "triggers"),
        *(
            "schedule",
            "schedules",
            "pause",
            "resume",
            "unschedule",
            "event",
            "role",
            "context",
            "instructions",
            "model",
        ),
        *("save", "saves", "forget", "export", "fork", "queue", "help", "token", "tokens", "usage", "notify"),
        "reachable",
    ]
    assert await names_of(services, Role.ADMIN) == list(REGISTRY.commands)


async def test_lines_are_forgiven_much(services: CommandServices) -> None:
    assert await give(services, "AGENTS  1") == AgentList(())
    assert await give(services, "agents\n1") == AgentList(())
    assert isinstance(await give(services, "  "), CommandList)
    assert await give(services, "agnets") == UnknownCommand("agnets", "agents")
    assert await give(services, "Qwertyuiop x") == UnknownCommand("Qwertyuiop", None)
    invite = CommandHelp(REGISTRY.commands["invite"].usage, Role.MEMBER)
    assert await give(services, "help Invite, please") == invite
    assert await give(services, "help invitee") == UnknownCommand("invitee", "invite")
    busy = CommandHelp(REGISTRY.commands["busy"].usage, Role.MODERATOR, in_own_chats=True)
    assert await give(services, "help busy", role=Role.MEMBER) == busy
    # A command above the role of the caller is not told.
    assert await give(services, "help sync", role=Role.MEMBER) == UnknownCommand("sync", None)


async def test_arguments_are_checked_before_the_command_runs(services: CommandServices, database: Database) -> None:
    for name in ("Ada", "Adam"):
        await Agents(database).add([wanted(name)])

    async def rejected(line: str) -> InvalidArguments:
        result = await give(services, line)
        assert isinstance(result, InvalidArguments), result
        return result

    assert (await rejected("invite")).problem is ArgumentProblem.MISSING
    assert (await rejected("invite zzz")).problem is ArgumentProblem.NO_SUCH_AGENT
    assert (await rejected("invite Ada @broken")).problem is ArgumentProblem.NOT_A_USER_ID
    incomplete = await rejected("invite Ada bob")
    assert (incomplete.problem, incomplete.value) == (ArgumentProblem.NOT_A_USER_ID, "bob")
    assert (await rejected("busy sometimes")).problem is ArgumentProblem.NOT_A_CHOICE
    assert (await rejected("sync al")).problem is ArgumentProblem.SURPLUS
    # It would decide about the oldest call.
    surplus = await rejected("approve 2")
    assert (surplus.problem, surplus.value) == (ArgumentProblem.SURPLUS, "2")
    several = await rejected("invite ad")
    assert (several.problem, several.value) == (ArgumentProblem.SEVERAL_AGENTS, "ad")
    assert [each.name for each in several.candidates] == ["Ada", "Adam"]
    assert await give(services, "invite ada") == NoRoomYet("Ada")


async def test_agents_are_listed_by_name(services: CommandServices, database: Database) -> None:
    bert = await add_agent(database, "bert")
    await Agents(database).add([wanted("Ada", state=AgentState.HELD)])
    result = await give(services, "agents")
    assert isinstance(result, AgentList)
    assert [(each.name, each.state, each.room and each.room.room_id) for each in result.agents] == [
        ("Ada", AgentState.HELD, None),
        ("bert", AgentState.ACTIVE, ROOM),
    ]
    # A member gets no agents that are held, which have no room yet.
    result = await give(services, "agents", role=Role.MEMBER)
    assert isinstance(result, AgentList)
    assert [each.name for each in result.agents] == ["bert"]
    result = await give(services, "invite ada", role=Role.MEMBER)
    assert isinstance(result, InvalidArguments)
    assert (result.problem, result.candidates) == (ArgumentProblem.NO_SUCH_AGENT, ())
    # A turn of the bot is a command, like this one, and is not reported.
    await accept(database, new("$1", ROOM, bert), new("$2"))
    assert await give(services, "status") == StatusReport(1, 1, 0, 1, (), without_bot=1)


async def test_settings_of_a_room(services: CommandServices, database: Database) -> None:
    await add_agent(database)
    assert await give(services, "busy COLLECT") == WhenBusySet(WhenBusy.COLLECT)
    assert await give(services, "stream off") == StreamingSet(Streaming.OFF)
    (agent_room,) = await Agents(database).all()
    assert (agent_room.home.when_busy, agent_room.home.streaming) == (WhenBusy.COLLECT, Streaming.OFF)


async def test_long_lists_say_that_there_is_more(services: CommandServices, database: Database) -> None:
    await accept(database, *(new(f"${number}") for number in range(51)))
    result = await give(services, "queue")
    assert isinstance(result, OpenTurns)
    assert (len(result.turns), result.has_more) == (50, True)
    assert all(turn.age < 60 for turn in result.turns)


async def test_members_see_their_own_places_in_the_queue_of_a_room(
    services: CommandServices, database: Database
) -> None:
    agent = await add_agent(database)
    senders = {"$1": BOB, "$2": CAROL, "$3": BOB, "$4": CAROL}
    (lane,) = await accept(database, *(new(event, ROOM, agent, sender=by) for event, by in senders.items()))
    await accept(database, new("$else", OTHER, agent, sender=CAROL))
    await take(database, lane)
    result = await give(services, "queue", role=Role.MODERATOR, sender=CAROL)
    assert isinstance(result, RoomQueue)
    assert (result.waiting, result.has_more) == (3, False)
    assert [(each.state, each.place) for each in result.own] == [(TurnState.QUEUED, 1), (TurnState.QUEUED, 3)]
    result = await give(services, "queue", role=Role.MEMBER)
    assert isinstance(result, RoomQueue)
    assert [(each.state, each.place) for each in result.own] == [(TurnState.RUNNING, 1), (TurnState.QUEUED, 2)]
    assert await give(services, "queue", role=Role.MEMBER, sender="@dan:example.org") == RoomQueue(3, ())
    assert await give(services, "queue", role=Role.MEMBER, in_agent_room=False) == WrongRoom("queue")
    await Rooms(database).set_when_busy(ROOM, WhenBusy.COLLECT)
    result = await give(services, "queue", role=Role.MEMBER, sender=CAROL)
    assert isinstance(result, RoomQueue)
    assert [each.place for each in result.own] == [1, 1]


async def test_a_stop_is_reported_as_intake_wrote_it(services: CommandServices, database: Database) -> None:
    (lane,) = await accept(database, new("$1"))
    await take(database, lane)
    await stop(database, StopRequest(ROOM, "$command", "$1"))
    assert await give(services, "stop") == StopRequested(1)
    assert await give(services, "stop it", event_id="$other") == StopRequested(0)


async def test_retry_all_queues_every_turn_that_failed(services: CommandServices, database: Database) -> None:
    lanes = await accept(database, new("$1"), new("$2", room_id="!second"), new("$3", room_id="!third"))
    turns = Turns(database)
    for lane, state in zip(lanes, (TurnState.FAILED, TurnState.DONE, TurnState.FAILED), strict=True):
        await turns.finish(await take(database, lane), state, {})
    for _ in range(2):
        # A repeat of the same event, too.
        await give(services, "retry All", event_id="$retry")
    rows = await database.rows("SELECT event_id FROM turn WHERE state = 'queued' AND retries = 1 ORDER BY event_id")
    assert [row["event_id"] for row in rows] == ["$1", "$3"]
    assert await give(services, "retry all", event_id="$later") == RetriedAll(0, has_more=False)


async def test_a_repeated_retry_queues_a_turn_once(services: CommandServices, database: Database) -> None:
    """The bridge was killed after it queued the turn, which another worker then answered."""
    (lane,) = await accept(database, new("$1"))
    await finish(database, await take(database, lane), TurnState.FAILED)
    key = await key_of(services, "$1")
    assert await give(services, "retry $1") == Retried((TurnChange(key, TurnState.FAILED, is_changed=True),))
    assert (await order(database), await woken(database)) == (["$1"], [lane])
    await finish(database, await take(database, lane))
    # The second run tells of the first one.
    assert await give(services, "retry $1") == Retried((TurnChange(key, TurnState.FAILED, is_changed=True),))
    assert await order(database) == []
    assert (await row_of(database, "$1"))["retries"] == 1
    # Another command is another request.
    assert await give(services, f"retry {key}", event_id="$second") == Retried(
        (TurnChange(key, TurnState.DONE, is_changed=True),)
    )
    assert (await order(database), await woken(database)) == (["$1"], [lane])
    assert await give(services, "retry $1", event_id="$third") == Retried(
        (TurnChange(key, TurnState.QUEUED, is_changed=False),)
    )


async def test_a_repeated_drop_changes_nothing(services: CommandServices, database: Database) -> None:
    """The first run stopped the turn, and a retry queued the turn again before the last run."""
    (lane,) = await accept(database, new("$1"))
    key = await key_of(services, "$1")
    assert await give(services, "drop $1") == Dropped((TurnChange(key, TurnState.QUEUED, is_changed=True),))
    turn = await take(database, lane)
    assert turn.stop is StopReason.DROPPED
    await finish(database, turn, TurnState.FAILED)
    assert await give(services, "drop $1") == Dropped((TurnChange(key, TurnState.QUEUED, is_changed=True),))
    await give(services, "retry $1", event_id="$retry")
    await give(services, "drop $1")
    assert (await take(database, lane)).stop is None
    assert [step["what"] for step in (await row_of(database, "$1"))["steps"]] == [
        *("dropped", "taken_up", "failed", "retried", "taken_up"),
    ]


async def test_a_collected_message_stands_for_the_turn_that_answers_it(
    services: CommandServices, database: Database
) -> None:
    (lane,) = await accept(database, new("$1"), new("$2"))
    turn = await take(database, lane)
    await collect(database, turn)
    await finish(database, turn, TurnState.FAILED)
    result = await give(services, "retry $2")
    assert result == Retried((TurnChange(turn.key, TurnState.FAILED, is_changed=True),))
    assert await give(services, "retry nothing") == TurnNotFound("nothing")
    assert await give(services, "drop $nothing") == TurnNotFound("$nothing")


async def test_an_event_stands_for_those_of_its_turns_that_can_be_changed(
    services: CommandServices, database: Database
) -> None:
    frida, gala = await add_agent(database), await add_agent(database, "Gala", "!gala:example.org")
    lanes = await accept(database, new("$1", "!group", frida, gala))
    of_frida, of_gala = [await take(database, lane) for lane in lanes]
    await finish(database, of_gala, TurnState.FAILED)
    # Frida's turn is still running.
    assert await give(services, "drop $1") == Dropped((TurnChange(of_frida.key, TurnState.RUNNING, is_changed=True),))
    await finish(database, of_frida)
    retried = TurnChange(of_gala.key, TurnState.FAILED, is_changed=True)
    assert await give(services, "retry $1", event_id="$retry") == Retried((retried,))
    # The repeated command reports what its first run did. Another command retries both turns.
    await finish(database, await take(database, lanes[1]))
    assert await give(services, "retry $1", event_id="$retry") == Retried((retried,))
    assert len((await services.turn_admin.find("$1"))[0].steps) == 3
    result = await give(services, "retry $1", event_id="$another")
    assert isinstance(result, Retried)
    assert [(turn.key, turn.is_changed) for turn in result.turns] == [(of_frida.key, True), (of_gala.key, True)]
    trace = await give(services, "why $1")
    assert isinstance(trace, Trace)
    assert [turn.agent for turn in trace.turns] == ["Frida", "Gala"]


async def test_why_finds_turns_and_ignored_events(services: CommandServices, database: Database) -> None:
    (lane,) = await accept(database, new("$1"))
    await finish(database, await take(database, lane), TurnState.FAILED)
    result = await give(services, "why $1")
    assert isinstance(result, Trace)
    assert [(turn.event_id, turn.state, [step.name for step in turn.steps]) for turn in result.turns] == [
        ("$1", TurnState.FAILED, ["taken_up", "failed"])
    ]
    assert await give(services, "why $2") == NoTrace("$2", NoTraceReason.UNKNOWN)


async def key_of(services: CommandServices, event_id: str) -> str:
    """Return the public name of the turn that *event_id* started."""
    (summary,) = await services.turn_admin.find(event_id)
    return summary.key


async def test_agents_come_in_pages(services: CommandServices) -> None:
    await services.agents.add([wanted(f"agent-{number:03}") for number in range(120)])
    first, last = await give(services, "agents"), await give(services, "agents 3")
    assert isinstance(first, AgentList)
    assert isinstance(last, AgentList)
    assert (len(first.agents), first.page, first.pages) == (50, 1, 3)
    assert (len(last.agents), last.page, last.pages) == (20, 3, 3)
    for words in ("0", "4", "999999999"):
        refused = await give(services, f"agents {words}")
        assert isinstance(refused, InvalidArguments)
        assert (refused.problem, refused.value, refused.most) == (ArgumentProblem.NO_SUCH_PAGE, words, 3)
    for words in ("zzz", "-1", "1.5", "٣", "9999999999"):
        refused = await give(services, f"agents {words}")
        assert isinstance(refused, InvalidArguments)
        assert (refused.problem, refused.value) == (ArgumentProblem.UNKNOWN_WORD, words)


async def test_a_command_of_the_server_runs_once_in_the_lane_of_an_agent(services: CommandServices) -> None:
    frida = agent(upstream="up")
    config = UpstreamConfig.model_validate({"name": "up", "kind": "letta", "url": "http://127.0.0.1:9"})
    async with ScriptedAppServer() as server, aiohttp.ClientSession() as session:
        config = config.model_copy(update={"url": server.url})
        async with aclosing(LettaUpstream(config, session, MemoryConversations())) as upstream:
            there = replace(services, upstreams={"up": upstream})
            lane = {"agent": frida, "session": ROOM}
            entries = tuple(map(ServerCommandEntry, ("compact", "init", "clear")))
            assert await give(there, "letta", **lane) == ServerCommandList("Frida", entries)
            done = ServerCommandDone("compact", succeeded=True, output="/compact a  b")
            assert await give(there, "letta /Compact a  b", **lane) == done
            for line, reason, near in (
                ("letta compct", CommandRefusal.UNKNOWN, "compact"),
                ("letta xyz", CommandRefusal.UNKNOWN, None),
                ("letta secret x", CommandRefusal.NEEDS_TERMINAL, None),
            ):
                name = line.split()[1]
                assert await give(there, line, **lane) == ServerCommandRefused(name, reason, near)
            interrupted = ServerCommandRefused("compact", CommandRefusal.INTERRUPTED)
            assert await give(there, "letta compact", **lane, attempts=2) == interrupted
        assert [each["type"] for each in server.commands].count("execute_command") == 1
    assert await give(services, "letta compact") == ServerCommandRefused("compact", CommandRefusal.NO_AGENT)
    assert await give(services, "letta compact", **lane) == ServerCommandRefused("compact", CommandRefusal.NOT_OFFERED)
    assert isinstance(await give(services, "letta", role=Role.MODERATOR, **lane), NotPermitted)


async def test_same_leaves_agents_of_the_configuration_alone(services: CommandServices, database: Database) -> None:
    await Agents(database).add([wanted("Ada", entry="ada"), wanted("Bea"), wanted("Cleo")])
    assert await give(services, "same Ada Bea") == HasEntry("Ada")
    # An agent of the configuration is none of the list's.
    assert await give(services, "same Bea Ada") == NotReconnected("Ada", "up", ())
    states = {each.agent.name: (each.agent.model, each.agent.state) for each in await Agents(database).all()}
    assert set(states.values()) == {(name, AgentState.ACTIVE) for name in ("Ada", "Bea", "Cleo")}


async def test_status_counts_the_agents_of_the_configuration(services: CommandServices, database: Database) -> None:
    gone = wanted("Cleo", entry="cleo", state=AgentState.GONE)
    await Agents(database).add([wanted("Ada", entry="ada"), wanted("Bea"), gone])
    assert await give(services, "status") == StatusReport(2, 0, 1, 0, (), configured=1)
