"""A process dies at each step by which agents enter groups, and groups change: nothing is lost, or said twice."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.store.postgres.database import Database
from crash.cases import short_form
from crash.doomed_process import DoomedProcess
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.harness import DOMAIN
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server

_ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
ADA, BEA = f"@agent_ada:{DOMAIN}", f"@agent_bea:{DOMAIN}"


class Kind(StrEnum):
    """The change of a group."""

    #: Ada enters a room that the bridge does not know.
    BEGIN = "begin"
    #: Bea enters a group of Ada.
    SECOND = "second"
    ENCRYPTED = "encrypted"
    #: A person without a role enters.
    STRANGER = "stranger"
    #: People remove Ada.
    REMOVED = "removed"
    #: The room is replaced.
    UPGRADE = "upgrade"
    #: All people leave.
    EMPTY = "empty"


_STEPS = {
    Kind.BEGIN: ("accept", "enter", "admit_group", "finish"),
    Kind.SECOND: ("accept", "enter", "admit_group", "finish"),
    Kind.ENCRYPTED: ("admit_group", "word", "finish"),
    Kind.STRANGER: ("compared", "warn", "wake", "word", "finish"),
    Kind.REMOVED: ("take_part", "compared"),
    Kind.UPGRADE: ("unite", "moved", "compared"),
    Kind.EMPTY: ("leave", "forget_room", "forget_group"),
}
#: Points that the quick form has.
_QUICK = {"second:after:admit_group:1", "upgrade:before:moved:1"}


@dataclass(frozen=True)
class Case:
    """A change, and the point at which a process dies."""

    kind: Kind
    when: str
    step: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.point}"

    @property
    def point(self) -> str:
        return f"{self.when}:{self.step}:1"


CASES = [Case(kind, when, step) for kind, steps in _STEPS.items() for step in steps for when in ("before", "after")]


@dataclass(frozen=True)
class Aftermath:
    """The room of one case, after an ordinary process has finished everything."""

    #: Exit code of the process that was to die; None if it did not.
    code: int | None
    #: Messages of the ghosts in the room where the group is in the end.
    ada: list[str]
    bea: list[str]
    #: The states of the agents there; None: the bridge does not know the room.
    agents: dict[str, str] | None
    is_warned: bool
    #: Whether the bridge knows the room in which the group began.
    is_known: bool


class Cases:
    """The cases, and the processes of the bridge."""

    def __init__(self, folder: Path, config: Config, database: Database) -> None:
        self._folder = folder
        self._config = config
        self._database = database

    def process(self) -> BridgeProcess:
        """Return an ordinary process."""
        return BridgeProcess(self._folder, self._config)

    async def agents_known(self) -> None:
        """Wait until the agents have rooms."""

        async def settled() -> bool:
            rows = await self._database.rows("SELECT 1 FROM room WHERE kind = 'home' AND name_applied IS NOT NULL")
            return len(rows) == 2

        await eventually(settled, "the agents have rooms")

    async def prepare(self, case: Case, person: Person, stranger: Person) -> str:
        """Make the room of *case*, with Ada in it unless she enters later."""
        is_new = case.kind in {Kind.BEGIN, Kind.ENCRYPTED}
        state = [_ENCRYPTION] if case.kind is Kind.ENCRYPTED else []
        invited = [] if is_new else [ADA]
        if case.kind is Kind.STRANGER:
            invited.append(stranger.user_id)
        room_id = await person.create_room(preset="private_chat", invite=invited, initial_state=state)
        if not is_new:
            await person.wait_for(lambda: ADA in person.room(room_id).members())
            await self.closed()
        return room_id

    async def doom(self, case: Case, person: Person, stranger: Person, room_id: str) -> tuple[int | None, str]:
        """Run a process that dies at the point of *case*; return its exit code, and the room of the group then."""
        async with DoomedProcess(self._folder, self._config, case.point, case.name) as process:
            await process.wait_for("listening")
            # The groups are compared when a process begins.
            await self.closed()
            room_id = await self._change(case, person, stranger, room_id)
            return await process.death(), room_id

    async def _change(self, case: Case, person: Person, stranger: Person, room_id: str) -> str:
        match case.kind:
            case Kind.BEGIN | Kind.ENCRYPTED | Kind.SECOND:
                ghost = BEA if case.kind is Kind.SECOND else ADA
                content = {"membership": "invite", "reason": case.name}
                await person.set_state(room_id, "m.room.member", content, ghost)
                if case.kind is not Kind.ENCRYPTED:
                    mentions = {"user_ids": [ADA, BEA]}
                    words = {"msgtype": "m.text", "body": "question", "m.mentions": mentions}
                    await person.send(room_id, "m.room.message", words)
            case Kind.STRANGER:
                content = {"membership": "join", "reason": case.name}
                await stranger.set_state(room_id, "m.room.member", content, stranger.user_id)
            case Kind.REMOVED:
                content = {"membership": "leave", "reason": case.name}
                await person.set_state(room_id, "m.room.member", content, ADA)
            case Kind.UPGRADE:
                predecessor = {"room_id": room_id, "event_id": "$last"}
                new = await person.create_room(preset="public_chat", creation_content={"predecessor": predecessor})
                tombstone = {"body": case.name, "replacement_room": new}
                await person.set_state(room_id, "m.room.tombstone", tombstone)
                return new
            case Kind.EMPTY:
                content = {"membership": "leave", "reason": case.name}
                await person.set_state(room_id, "m.room.member", content, person.user_id)
        return room_id

    async def look(self, case: Case, person: Person, first: str, room_id: str, code: int | None) -> Aftermath:
        """Wait until everything is done, and return the present state."""
        room = person.room
        if case.kind not in {Kind.EMPTY, Kind.REMOVED, Kind.UPGRADE}:
            await person.wait_for(lambda: room(room_id).said_by(ADA))
        if case.kind is Kind.SECOND:
            await person.wait_for(lambda: room(room_id).said_by(BEA))
        row = await eventually(lambda: self._row(case, room_id), f"the bridge has noted the change: {case.name}")
        await self.closed()
        rows = await self._database.rows(
            "SELECT a.ghost, p.state FROM participant p JOIN agent a ON a.id = p.agent JOIN room r ON r.id = p.room"
            " WHERE r.room_id = %s",
            (room_id,),
        )
        known = await self._database.row("SELECT 1 FROM room WHERE room_id = %s", (first,))
        return Aftermath(
            code=code,
            ada=[message.body for message in room(room_id).said_by(ADA)] if room_id in person.rooms else [],
            bea=[message.body for message in room(room_id).said_by(BEA)] if room_id in person.rooms else [],
            agents={each["ghost"]: each["state"] for each in rows} if rows else None,
            is_warned=bool(row.get("warned")),
            is_known=known is not None,
        )

    async def _row(self, case: Case, room_id: str) -> dict[str, Any] | None:
        """Return the row of the room when the leader has compared it; an empty one if there has to be none."""
        row = await self._database.row("SELECT * FROM room WHERE room_id = %s", (room_id,))
        if case.kind is Kind.EMPTY:
            return {"gone": True} if row is None else None
        # Nobody reads the history of a room that the last agent has left.
        is_read = case.kind is Kind.REMOVED or (row is not None and not row["needs_backfill"])
        is_done = row is not None and row["changes"] == row["changes_applied"] and is_read
        if case.kind is Kind.STRANGER:
            is_done = is_done and row is not None and row["warned"]
        if case.kind is Kind.REMOVED:
            is_done = is_done and row is not None and await self._left(row["id"])
        return row if is_done else None

    async def _left(self, room: int) -> bool:
        query = "SELECT 1 FROM participant WHERE room = %s AND state = 'left'"
        return bool(await self._database.rows(query, (room,)))

    async def closed(self) -> None:
        """Wait until no turn is open, and all groups are compared."""

        async def idle() -> bool:
            turns = await self._database.rows("SELECT 1 FROM turn WHERE open")
            return not turns and not await self._database.rows(
                "SELECT 1 FROM room WHERE kind = 'group' AND changes <> changes_applied"
            )

        await eventually(idle, "everything is done", 120)


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    folder = tmp_path_factory.mktemp("groups")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    with postgres.migrated() as url:
        async with named_upstream("Ada", "Bea") as upstream, Database(url) as database:
            for model, name in zip(upstream.models, ("ada", "bea"), strict=True):
                model["id"] = name
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 5}
            cases, results = Cases(folder, harness.config(url, [there], logging={"format": "json"}), database), {}
            for case in (case for case in CASES if case.name in selected):
                async with harness.person() as person, harness.person("stranger") as stranger:
                    async with cases.process() as process:
                        await process.wait_for("listening")
                        await cases.agents_known()
                        room_id = await cases.prepare(case, person, stranger)
                    code, present = await cases.doom(case, person, stranger, room_id)
                    async with cases.process():
                        results[case.name] = await cases.look(case, person, room_id, present, code)
            yield results


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_step_of_a_change_is_not_seen.__name__


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "case",
    short_form(CASES, _QUICK),
)
def test_a_death_at_any_step_of_a_change_is_not_seen(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.code == -signal.SIGKILL
    assert after.is_known == (case.kind not in {Kind.UPGRADE, Kind.EMPTY})
    ada = {ADA[1:].partition(":")[0]: "left" if case.kind is Kind.REMOVED else "joined"}
    bea = {BEA[1:].partition(":")[0]: "joined"} if case.kind is Kind.SECOND else {}
    assert after.agents == (None if case.kind is Kind.EMPTY else ada | bea)
    assert after.is_warned == (case.kind is Kind.STRANGER)
    match case.kind:
        case Kind.BEGIN:
            assert (after.ada, after.bea) == (["Echo: question"], [])
        case Kind.SECOND:
            assert (after.ada, after.bea) == (["Echo: question"], ["Echo: question"])
        case Kind.ENCRYPTED:
            assert len(after.ada) == 1
            assert "encrypt" in after.ada[0]
        case Kind.STRANGER:
            assert len(after.ada) == 1
            assert "without access" in after.ada[0]
        case _:
            assert after.ada == after.bea == []
