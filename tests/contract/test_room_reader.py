"""The messages that an agent gets with a question, from a server in a homeserver's place and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.bridge.answering.catch_up import Place, RoomReader
from agent_bridge.core.ids import IMPORTED
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.transcript import NO_CATCH_UP
from agent_bridge.render.content import LIVE
from agent_bridge.store.transcript import Transcripts
from support.records import NAMES
from support.turn_rows import BOB, ROOM

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from support.fake_room import FakeRoom

GHOST, OTHER = NAMES.user_id("agent_frida"), NAMES.user_id("agent_gala")
EVE, STRANGER = "@eve:example.org", "@stranger:evil.org"
ROLES = Roles.fixed({"example.org": Role.MEMBER}, NAMES)


def state(kind: str, content: dict[str, Any], key: str = "", sender: str = BOB) -> dict[str, Any]:
    return {"type": kind, "state_key": key, "content": content, "sender": sender, "room_id": ROOM}


def said(event_id: str, text: str, sender: str = EVE, **content: Any) -> dict[str, Any]:
    body = {"msgtype": "m.text", "body": text, **content}
    event = {"type": "m.room.message", "event_id": event_id, "sender": sender, "room_id": ROOM, "content": body}
    return event | {"origin_server_ts": 1}


def place(lane: int, event_id: str | None = "$q", thread: str = "", ghost: str = GHOST) -> Place:
    return Place(lane, ROOM, thread, ghost, (BOB,), event_id)


@pytest.fixture
def reader(room: FakeRoom, homeserver: Homeserver, database: Database) -> RoomReader:
    room.state += [state("m.room.member", {"membership": "join"}, user, user) for user in (GHOST, OTHER, BOB, EVE)]
    return RoomReader(homeserver, NAMES, ROLES, Transcripts(database))


async def texts(reader: RoomReader, where: Place, tokens: int = 1_000) -> list[str]:
    return [each.text for each in (await reader.since_last_turn(where, tokens)).messages]


async def test_messages_of_members_in_the_same_place_before_the_question(
    reader: RoomReader, room: FakeRoom, lane: int
) -> None:
    in_thread: dict[str, Any] = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}
    room.events += [
        said("$1", "one"),
        said("$2", "two", STRANGER),
        said("$3", "three", OTHER),
        said("$4", "a notice", OTHER, msgtype="m.notice"),
        said("$5", "a reply of the bot", NAMES.bot),
        said("$6", "my own", GHOST),
        said("$7", "in a thread", **in_thread),
        said("$8", "", msgtype="m.image", url="mxc://example.org/x", filename="cat.png"),
        said("$9", "not yet said") | {"content": {}},
        said("$imported", "long ago", NAMES.imported, **{IMPORTED: True}),
        said("$also imported", "long ago", OTHER, **{IMPORTED: True}),
        said("$q", "the question", BOB),
        said("$10", "later"),
    ]
    assert await texts(reader, place(lane)) == ["eve: one", "agent_gala: three", "eve: [cat.png]"]
    assert await texts(reader, place(lane, thread="$root")) == ["eve: in a thread"]
    # The report about the next request is about the present end of the room.
    assert (await texts(reader, place(lane, None)))[-1] == "eve: later"


@pytest.mark.parametrize("tokens", [0, 1, 5, 12, 1_000])
async def test_the_oldest_are_cut(reader: RoomReader, room: FakeRoom, lane: int, tokens: int) -> None:
    room.events += [*(said(f"${number}", f"{number:04}") for number in range(300)), said("$q", "?", BOB)]
    found = await texts(reader, place(lane), tokens)
    assert found == [f"eve: {number:04}" for number in range(300)][300 - min(tokens // 3, 200) :]


async def test_from_the_position_of_the_lane(reader: RoomReader, room: FakeRoom, database: Database, lane: int) -> None:
    room.events += [said("$1", "one"), said("$p", "before", BOB), said("$2", "two"), said("$q", "?", BOB)]
    await database.execute("UPDATE conversation SET caught_up = '$p' WHERE id = %s", (lane,))
    found = await reader.since_last_turn(place(lane), 100)
    assert ([each.text for each in found.messages], found.until) == (["eve: two"], "$q")
    # An earlier question that is asked again brings nothing and leaves the position, and so does the same one.
    assert await reader.since_last_turn(place(lane, "$1"), 100) == NO_CATCH_UP
    pages = room.pages
    assert await reader.since_last_turn(place(lane, "$p"), 100) == NO_CATCH_UP
    assert room.pages == pages


async def test_a_question_far_back_in_the_room(reader: RoomReader, room: FakeRoom, lane: int) -> None:
    room.events += [said("$1", "one"), said("$q", "?", BOB), *(said(f"$later{each}", "later") for each in range(500))]
    assert await texts(reader, place(lane)) == ["eve: one"]


async def test_people_and_agents_get_what_they_could_read(reader: RoomReader, room: FakeRoom, lane: int) -> None:
    room.state.append(state("m.room.history_visibility", {"history_visibility": "joined"}))
    joined = {"unsigned": {"prev_content": {"membership": "invite"}}}
    bob = state("m.room.member", {"membership": "join"}, BOB) | joined | {"event_id": "$bob"}
    ghost = state("m.room.member", {"membership": "join"}, GHOST, GHOST) | joined | {"event_id": "$ghost"}
    room.events += [said("$1", "one"), bob, said("$2", "two"), ghost, said("$3", "three"), said("$q", "?", BOB)]
    assert await texts(reader, place(lane)) == ["eve: three"]
    assert await texts(reader, place(lane, ghost=OTHER)) == ["eve: two", "eve: three"]


async def test_an_answer_that_still_grows_comes_with_the_next_question(
    reader: RoomReader, room: FakeRoom, lane: int
) -> None:
    room.events += [said("$1", "one"), said("$2", "Once upon", OTHER, **{LIVE: {}}), said("$q", "?", BOB)]
    found = await reader.since_last_turn(place(lane), 100)
    assert ([each.text for each in found.messages], found.until) == (["eve: one"], None)


async def test_without_the_history_the_question_goes_on(
    reader: RoomReader, room: FakeRoom, lane: int, capsys: pytest.CaptureFixture[str]
) -> None:
    room.events += [said("$1", "one"), said("$q", "?", BOB)]
    room.keeps_history_back = True
    assert await reader.since_last_turn(place(lane), 100) == NO_CATCH_UP
    assert "an agent is asked without what was said before" in capsys.readouterr().out
    room.keeps_history_back = False
    assert await texts(reader, place(lane)) == ["eve: one"]


async def test_agents_that_are_asked_at_once_share_a_request(reader: RoomReader, room: FakeRoom, lane: int) -> None:
    room.events += [said("$1", "one"), said("$q", "?", BOB)]
    places = [place(lane, ghost=ghost) for ghost in (GHOST, OTHER, GHOST)]
    assert await asyncio.gather(*(texts(reader, where) for where in places)) == [["eve: one"]] * 3
    assert room.pages == 1
