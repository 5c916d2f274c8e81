"""The tools of the bridge, on a real PostgreSQL and in a room of a server in a homeserver's place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from agent_bridge.bridge.answering.matrix_tools import MatrixTools
from agent_bridge.bridge.answering.work_tools import WorkServices
from agent_bridge.bridge.collaboration.events import AgentEvents
from agent_bridge.bridge.collaboration.tasks import TaskService
from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.delivery.uploads import Uploads
from agent_bridge.config.conversations import FilesConfig
from agent_bridge.core.answers import Op
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.turns import StopReason, TurnState
from agent_bridge.files.pictures import PictureReader
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.edits import Edits
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.tasks import Tasks
from agent_bridge.upstream.download.fetch import Fetcher
from support.change_requests import again, asked, note, redaction
from support.records import NAMES
from support.records import agent as agent_record
from support.turn_rows import BOB, ROOM, accept, collect, take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from agent_bridge.bridge.answering.matrix_tools import MatrixToolbox
    from agent_bridge.core.turns import Turn
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.store.turns import Turns
    from support.fake_room import FakeRoom

    Open = Callable[[Turn], Awaitable[MatrixToolbox]]

GHOST = NAMES.user_id("agent_frida")
ANSWER = Op(0, "The answer")
FILE = {"name": "poem.txt", "text": "roses"}


def state(kind: str, content: dict[str, Any], key: str = "") -> dict[str, Any]:
    return {"type": kind, "state_key": key, "content": content, "sender": BOB}


def member(user_id: str, membership: str = "join") -> dict[str, Any]:
    return state("m.room.member", {"membership": membership}, user_id)


@pytest.fixture
async def tools(database: Database, room: FakeRoom, homeserver: Homeserver, turns: Turns) -> AsyncIterator[Open]:
    """Return a function that opens the toolbox of an attempt."""
    room.state += [member(GHOST), member(BOB)]
    question = {"type": "m.room.message", "content": {"body": "hi"}, "sender": BOB, "room_id": ROOM, "event_id": "$q"}
    room.events.append(question)
    async with homeserver_session() as session, Fetcher() as fetcher:
        media = Media(room.root_url, "token", NAMES, session)
        uploads = Uploads(media, fetcher, PictureReader(), FilesConfig(), ENGLISH)
        roles = Roles.fixed({"example.org": Role.MEMBER}, NAMES)
        events = AgentEvents(homeserver, AgentEventStore(database), roles, ENGLISH)
        tasks = TaskService(Tasks(database), Notifications(database), events, roles, NAMES, claim_timeout=900)
        work = WorkServices(database, events, tasks, Tasks(database))
        made = MatrixTools(homeserver, roles, turns, uploads, work, ENGLISH)

        async def open_tools(turn: Turn) -> MatrixToolbox:
            outbox = Outbox(homeserver, turns, turn, GHOST)
            await outbox.recover()
            return made.toolbox(turn, agent_record(), URL(room.root_url), outbox)

        yield open_tools


async def told(box: MatrixToolbox, name: str, /, **arguments: Any) -> str:
    output = await box.call(f"matrix_{name}", arguments)
    return f"error: {output.text}" if output.is_error else output.text


async def finish(turns: Turns, turn: Turn, box: MatrixToolbox, *ops: Op, state: TurnState = TurnState.DONE) -> bool:
    if turn.state is not TurnState.COMMITTED:
        await turns.commit(turn, "text", error=None, parts=[op.part for op in ops])
    return await box.outbox.publish(ops, state)


async def ask_again(database: Database, turns: Turns, lane: int) -> Turn:
    await note(database, again())
    change = await take(database, lane)
    assert await Edits(database).ask_again(change)
    await turns.finish(change, TurnState.DONE, {})
    return await take(database, lane)


async def test_a_call_acts_once_also_after_a_kill(
    database: Database, lane: int, turns: Turns, tools: Open, room: FakeRoom
) -> None:
    box = await tools(await take(database, lane))
    sent = await told(box, "send_file", **FILE)
    assert sent == "sent poem.txt as $1"
    assert await told(box, "react", key="🎉") == "reacted with 🎉"
    assert await told(box, "send_file", **FILE) == sent
    # The worker is killed before it stores the event of a further reaction.
    await told(box, "react", key="👀")
    await database.execute("UPDATE outbox SET event_id = NULL")
    turn = await take(database, lane)
    box = await tools(turn)
    assert (await told(box, "send_file", **FILE), await told(box, "react", key="👀")) == (sent, "reacted with 👀")
    assert (room.texts(), room.reactions(), room.files) == (["hi", "poem.txt"], ["🎉", "👀"], [b"roses"])
    # They stay beside the whole answer.
    assert await finish(turns, turn, box, ANSWER)
    assert (room.texts(), room.reactions()) == (["hi", "poem.txt", "The answer"], ["🎉", "👀"])


@pytest.mark.parametrize("target", ["$q", "$1"])
async def test_a_redaction_finds_what_the_tools_sent(
    database: Database, lane: int, turns: Turns, tools: Open, room: FakeRoom, target: str
) -> None:
    turn = await take(database, lane)
    box = await tools(turn)
    await told(box, "send_file", **FILE)
    await told(box, "react", key="🎉")
    await note(database, redaction(target))
    assert await turns.stops([turn.id]) == {turn.id: StopReason.WITHDRAWN}
    assert await finish(turns, turn, box, state=TurnState.STOPPED)
    assert (room.texts(), room.reactions()) == (["hi"], [])
    assert await turns.sends(turn.id) == []


async def test_another_answer_replaces_what_the_tools_sent(
    database: Database, lane: int, turns: Turns, tools: Open, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    box = await tools(turn)
    await told(box, "send_file", **FILE)
    await told(box, "react", key="🎉")
    assert await finish(turns, turn, box, ANSWER)
    retried = await ask_again(database, turns, lane)
    box = await tools(retried)
    assert await told(box, "send_file", **FILE) == "sent poem.txt as $4"
    assert room.reactions() == []
    assert await finish(turns, retried, box, ANSWER)
    assert room.texts() == ["hi", "The answer", "poem.txt"]
    assert [send.event_id for send in await turns.sends(turn.id)] == ["$4", "$3"]


async def test_an_answer_without_a_tool_removes_what_the_tools_sent_before(
    database: Database, lane: int, turns: Turns, tools: Open, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    box = await tools(turn)
    await told(box, "send_file", **FILE)
    assert await finish(turns, turn, box, ANSWER)
    retried = await ask_again(database, turns, lane)
    assert await finish(turns, retried, await tools(retried), ANSWER)
    assert room.texts() == ["hi", "The answer"]


async def test_a_tool_does_what_the_person_who_asked_may_do(
    database: Database, lane: int, tools: Open, room: FakeRoom
) -> None:
    box = await tools(await take(database, lane))
    room.state.append(state("m.room.power_levels", {"events": {"m.reaction": 50}, "users": {GHOST: 100}}))
    refusal = "error: the person who asked is not permitted to do that in this room"
    assert await told(box, "react", key="🎉") == refusal
    assert "sent" in await told(box, "send_file", **FILE)
    room.state[-1]["content"]["events_default"] = 10
    assert await told(box, "send_file", name="b", text="b") == refusal
    assert json.loads((await told(box, "list_participants")).splitlines()[1])["user_id"] == BOB
    for membership in ("leave", "ban"):
        room.state[:] = [member(GHOST), member(BOB, membership)]
        for name, arguments in (
            ("react", {"key": "x"}),
            ("send_file", {"name": "c", "text": "c"}),
            ("read_messages", {}),
            ("list_participants", {}),
        ):
            assert await told(box, name, **arguments) == "error: the person who asked is not in this room"
    assert room.reactions() == []


async def test_each_person_of_several_who_asked_needs_the_permission(
    database: Database, lane: int, agent: int, tools: Open, room: FakeRoom
) -> None:
    eve = "@eve:example.org"
    await accept(database, asked("$part", agent, sender=eve))
    turn = await take(database, lane)
    await collect(database, turn)
    box = await tools(turn)
    assert "is not in this room" in await told(box, "read_messages")
    levels = state("m.room.power_levels", {"events": {"m.reaction": 50}, "users": {GHOST: 100, BOB: 50}})
    room.state += [member(eve), levels]
    assert "not permitted" in await told(box, "react", key="x")
    assert "hi" in await told(box, "read_messages")


async def test_a_later_member_reads_no_earlier_messages(
    database: Database, lane: int, tools: Open, room: FakeRoom
) -> None:
    box = await tools(await take(database, lane))
    assert '"hi"' in await told(box, "read_messages")
    room.state.append(state("m.room.history_visibility", {"history_visibility": "joined"}))
    joined = member(BOB) | {"event_id": "$join", "unsigned": {"prev_content": {"membership": "invite"}}}
    later = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": "later"}, "event_id": "$later"}
    room.events += [joined, later | {"sender": BOB}]
    assert [json.loads(line)["body"] for line in (await told(box, "read_messages")).splitlines()] == ["later"]


async def test_nobody_without_a_role_is_read(database: Database, lane: int, tools: Open, room: FakeRoom) -> None:
    eve = "@eve:evil.org"
    room.state.append(member(eve))
    said = {"type": "m.room.message", "sender": eve, "content": {"msgtype": "m.text", "body": "obey"}, "event_id": "$e"}
    # An old client repeats the message that it replies to; a homeserver that names another sender's edit is wrong.
    content = {
        "msgtype": "m.text",
        "body": f"> <{eve}> obey\n\nno",
        "m.relates_to": {"m.in_reply_to": {"event_id": "$e"}},
    }
    edit = {"sender": eve, "content": {"m.new_content": {"msgtype": "m.text", "body": "obey"}}}
    reply = said | {"sender": BOB, "content": content, "event_id": "$r"}
    edited = said | {"sender": BOB, "content": {"msgtype": "m.text", "body": "mine"}, "event_id": "$m"}
    room.events += [said, reply, edited | {"unsigned": {"m.relations": {"m.replace": edit}}}]
    box = await tools(await take(database, lane))
    read = await told(box, "read_messages")
    assert [json.loads(line)["body"] for line in read.splitlines()] == ["hi", "no", "mine"]
    assert eve not in read + await told(box, "list_participants")


async def test_an_answer_has_a_bounded_number_of_files_and_reactions(
    database: Database, lane: int, tools: Open, room: FakeRoom
) -> None:
    box = await tools(await take(database, lane))
    for number in range(10):
        assert "sent" in await told(box, "send_file", name=f"{number}.txt", text="x")
    refusal = "error: an answer can have at most 10 files and reactions of tools"
    assert await told(box, "react", key="🎉") == refusal
    # A repeated call sends nothing, and an attempt after a kill has no further ten.
    assert "sent" in await told(box, "send_file", name="9.txt", text="x")
    assert await told(await tools(await take(database, lane)), "send_file", **FILE) == refusal
    assert len(room.files) == 10


async def test_a_long_name_and_a_type_that_is_none_do_not_spoil_a_file(
    database: Database, lane: int, tools: Open, room: FakeRoom
) -> None:
    box = await tools(await take(database, lane))
    for kind in ("text/plain, utf-8", "x" * 3_000, "text/plain; charset=utf-8", "a/b\r\nX: y"):
        assert "sent" in await told(box, "send_file", name="x" * 5_000, text="roses", content_type=kind)
    assert room.files == [b"roses"] * 4
    assert all(len(name) < 300 for name in room.names)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("send_file", {"name": "a", "base64": "é"}),
        ("send_file", {"name": "a", "base64": "###"}),
        ("send_file", {"name": "a", "text": "\ud800"}),
        ("send_file", {"name": "\ud800", "text": "a"}),
        ("send_file", {"name": "a", "text": "a", "content_type": "\ud800"}),
        ("send_file", {"name": "a", "text": "a", "base64": "YQ=="}),
        ("send_file", {}),
        ("react", {"key": "\ud800"}),
        ("react", {"key": "x", "event_id": "$\ud800"}),
        ("react", {"key": ["x"]}),
        ("dance", {}),
    ],
)
async def test_arguments_that_fit_nothing_are_an_error_for_the_agent(
    database: Database, lane: int, tools: Open, room: FakeRoom, name: str, arguments: dict[str, Any]
) -> None:
    assert (await told(await tools(await take(database, lane)), name, **arguments)).startswith("error: ")
    assert room.texts() == ["hi"]


async def test_an_agent_works_on_tasks_and_posts_events(
    database: Database, lane: int, tools: Open, room: FakeRoom
) -> None:
    turn = await take(database, lane)
    box = await tools(turn)
    # The bot shows the cards.
    assert (await told(box, "tasks")).startswith("error: there can be no tasks in this room")
    room.state += [member(NAMES.bot)]
    assert await told(box, "tasks") == "there are no open tasks"
    made = json.loads(await told(box, "task_new", title="Research"))
    assert (made["title"], made["state"], made["creator"]) == ("Research", "submitted", GHOST)
    # The same call acts once, also after a kill.
    box = await tools(turn)
    assert json.loads(await told(box, "task_new", title="Research"))["id"] == made["id"]
    part = json.loads(await told(box, "task_new", title="Sources", parent=made["id"]))
    assert part["parent"] == made["id"]
    unclaimed = await told(box, "task_update", number=part["id"], progress=5)
    assert json.loads(unclaimed.removeprefix("error: "))["refused"] == "unclaimed"
    assert json.loads(await told(box, "task_claim", number=part["id"]))["assignee"] == GHOST
    done = json.loads(await told(box, "task_update", number=part["id"], state="completed", note="12 sources"))
    assert (done["state"], done["progress"], done["note"]) == ("completed", 100, "12 sources")
    (listed,) = (await told(box, "tasks")).splitlines()
    assert (json.loads(listed)["id"], json.loads(listed)["progress"]) == (made["id"], 100)
    for name, arguments in (
        ("task_claim", {"number": 99}),
        ("task_claim", {"number": True}),
        ("task_update", {"number": made["id"], "state": "lost"}),
        ("task_update", {"number": made["id"], "progress": 0.5}),
        ("post_event", {"kind": "Bad kind"}),
        ("post_event", {"kind": "ok", "data": {"a": float("nan")}}),
        ("post_event", {"kind": "ok", "data": [1]}),
    ):
        assert (await told(box, name, **arguments)).startswith("error: "), (name, arguments)
    for _ in range(2):
        assert await told(box, "post_event", kind="research_complete", data={"confidence": 0.87}) == (
            "posted research_complete"
        )
    assert await AgentEventStore(database).due(9, 9, []) == [], "the cards of the tasks come first"
    await database.execute("UPDATE task SET shown = changes")
    (event,) = await AgentEventStore(database).due(9, 9, [])
    said = event.content["org.agent_bridge.event"]
    assert (event.sender, said["agent"], said["turn"]) == (GHOST, GHOST, turn.key)
    assert (said["data"], said["numbers"]) == ({"confidence": "0.87"}, ["/confidence"])
    # The person who asked has left.
    room.state[:] = [each for each in room.state if each["state_key"] != BOB]
    assert (await told(box, "tasks")).startswith("error: the person who asked")
