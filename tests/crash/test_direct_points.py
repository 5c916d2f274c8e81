"""A process dies at each step of an invitation of a ghost: one direct chat begins, and nothing is said twice."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.database import Database
from crash.cases import short_form
from crash.doomed_process import DoomedProcess
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.process import BridgeProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent_bridge.config.model import Config
    from support.harness import BridgeHarness
    from support.person import Person
    from support.postgres import Server

_ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


class Kind(StrEnum):
    """What an invitation leads to."""

    BEGIN = "begin"
    #: The person has a direct chat with the agent.
    SECOND = "second"
    ENCRYPTED = "encrypted"
    STRANGER = "stranger"


#: The steps of the turn of the invitation.
_STEPS = {
    Kind.BEGIN: ("accept", "enter", "admit", "finish"),
    Kind.SECOND: ("enter", "word", "sent", "leave", "finish"),
    Kind.ENCRYPTED: ("enter", "open", "create_room", "made", "word", "leave", "finish"),
    Kind.STRANGER: ("effect", "enter", "word", "leave", "finish"),
}
#: Points that the quick form has.
_QUICK = {"begin:after:admit:1"}


@dataclass(frozen=True)
class Case:
    """An invitation, and the point at which a process dies."""

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
    #: Messages of the agent in the room of the invitation.
    said: list[str]
    members: int
    #: Room ids of the direct chats of the person, and whether one of them is the room.
    chats: list[str]
    is_direct: bool
    #: Rooms into which the person is invited.
    others: int
    #: Direct chats in the account data of the ghost.
    listed: list[str]


class Cases:
    """The cases, and the processes of the bridge."""

    def __init__(self, folder: Path, config: Config, harness: BridgeHarness, database: Database) -> None:
        self._folder = folder
        self._config = config
        self._harness = harness
        self._database = database
        self._ghost = ""

    def process(self) -> BridgeProcess:
        """Return an ordinary process."""
        return BridgeProcess(self._folder, self._config)

    async def ghost(self) -> str:
        """Wait until the agent has a room; return the user id of its ghost."""

        async def settled() -> str | None:
            row = await self._database.row(
                "SELECT a.ghost FROM agent a JOIN room r ON r.owner = a.id WHERE r.name_applied IS NOT NULL"
            )
            return None if row is None else self._config.namespace.user_id(row["ghost"])

        self._ghost = await eventually(settled, "the agent has a room")
        return self._ghost

    async def prepare(self, case: Case, person: Person) -> str:
        """Make a room into which *person* invites nobody yet, and the first direct chat of a second one."""
        if case.kind is Kind.SECOND:
            first = await person.create_dm(self._ghost)
            await person.wait_for(lambda: self._ghost in person.room(first).members())
            await self.closed()
        state = [_ENCRYPTION] if case.kind is Kind.ENCRYPTED else []
        return await person.create_room(preset="private_chat", is_direct=True, initial_state=state)

    async def doom(self, case: Case, person: Person, room_id: str) -> int | None:
        """Run a process that dies at the point of *case*, and return its exit code."""
        async with DoomedProcess(self._folder, self._config, case.point, case.name) as process:
            await process.wait_for("listening")
            content = {"membership": "invite", "is_direct": True, "reason": case.name}
            await person.set_state(room_id, "m.room.member", content, self._ghost)
            if case.kind is Kind.BEGIN:
                await person.say(room_id, case.name.replace("begin", "question"))
            return await process.death()

    async def look(self, case: Case, person: Person, room_id: str, code: int | None) -> Aftermath:
        """Wait until everything is done, and return the present state."""
        joined = 2 if case.kind is Kind.BEGIN else 1
        room = person.room
        await person.wait_for(lambda: room(room_id).said_by(self._ghost))
        await person.wait_for(lambda: len(room(room_id).members()) == joined)
        await self.closed()
        rows = await self._database.rows(
            "SELECT room_id FROM room WHERE person = %s AND kind = 'dm'", (person.user_id,)
        )
        chats = [row["room_id"] for row in rows]
        return Aftermath(
            code=code,
            said=[message.body for message in room(room_id).said_by(self._ghost)],
            members=len(room(room_id).members()),
            chats=chats,
            is_direct=room_id in chats,
            others=len(person.invites),
            listed=await self._listed(person, len(chats)),
        )

    async def _listed(self, person: Person, count: int) -> list[str]:
        """Wait until the account data of the ghost lists *count* direct chats of *person*; return them."""

        async def found() -> list[str] | None:
            service = self._config.appservice.as_token.get_secret_value()
            async with homeserver_session() as session:
                homeserver = Homeserver(self._config.homeserver.address, service, self._config.namespace, session)
                listed = await homeserver.account_data(self._ghost, "m.direct")
            rooms: list[str] = listed.get(person.user_id, [])
            return rooms if len(rooms) == count else None

        return (await eventually(found, "the ghost lists its direct chats")) if count else []

    async def closed(self) -> None:
        """Wait until no turn is open, and no direct chat is out of sync."""

        async def idle() -> bool:
            turns = await self._database.rows("SELECT 1 FROM turn WHERE open")
            return not turns and not await self._database.rows(
                "SELECT 1 FROM room WHERE kind = 'dm' AND changes <> changes_applied"
            )

        await eventually(idle, "everything is done", 120)


@pytest.fixture(scope="module")
async def aftermath(
    request: pytest.FixtureRequest, harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Aftermath]]:
    """The results of the cases of this run."""
    folder = tmp_path_factory.mktemp("direct")
    selected = {
        item.callspec.id for item in request.session.items if isinstance(item, pytest.Function) and _is_case(item)
    }
    with postgres.migrated() as url:
        async with named_upstream("Ada") as upstream, Database(url) as database:
            there = {"name": "scripted", "url": upstream.url, "poll_interval": 5}
            config = harness.config(url, [there], logging={"format": "json"})
            cases, results = Cases(folder, config, harness, database), {}
            for case in CASES:
                if case.name not in selected:
                    continue
                # A person has one direct chat with the agent, and a stranger is told once.
                name = "stranger" if case.kind is Kind.STRANGER else None
                async with harness.person(name) as person:
                    async with cases.process() as process:
                        await process.wait_for("listening")
                        await cases.ghost()
                        room_id = await cases.prepare(case, person)
                    code = await cases.doom(case, person, room_id)
                    async with cases.process():
                        results[case.name] = await cases.look(case, person, room_id, code)
                await database.execute("UPDATE turn SET created_at = created_at - interval '2 days'")
            yield results


def _is_case(item: pytest.Function) -> bool:
    return item.originalname == test_a_death_at_any_step_of_an_invitation_is_not_seen.__name__


def _expected(case: Case) -> dict[str, Any]:
    return {"said": 1, "members": 2 if case.kind is Kind.BEGIN else 1, "chats": case.kind is not Kind.STRANGER}


# The first case waits for the fixture, which runs every case.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "case",
    short_form(CASES, _QUICK),
)
def test_a_death_at_any_step_of_an_invitation_is_not_seen(case: Case, aftermath: dict[str, Aftermath]) -> None:
    after = aftermath[case.name]
    assert after.code == -signal.SIGKILL
    found = {"said": len(after.said), "members": after.members, "chats": len(after.chats) == 1}
    assert found == _expected(case), after
    assert after.listed == after.chats
    assert after.is_direct == (case.kind is Kind.BEGIN)
    assert after.others == (case.kind is Kind.ENCRYPTED)
    match case.kind:
        case Kind.BEGIN:
            assert after.said == [f"Echo: {case.name.replace('begin', 'question')}"]
        case Kind.SECOND:
            assert "We talk in our chat already" in after.said[0]
        case Kind.ENCRYPTED:
            assert "I cannot read encrypted messages" in after.said[0]
        case Kind.STRANGER:
            assert "You are not permitted" in after.said[0]
