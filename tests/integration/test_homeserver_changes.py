"""The homeserver itself changes: its settings, its copy of the registration, its data."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from agent_bridge.core.errors import RegistrationRejected
from agent_bridge.core.rooms import RoomProblem
from support.conditions import eventually
from support.harness import OWN, BridgeHarness, new_harness
from support.outages import outage_noticed
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from agent_bridge.store.agents import AgentRoom
    from support.harness import Running


@pytest.fixture(scope="module")
async def own() -> AsyncIterator[BridgeHarness]:
    """A homeserver whose settings and data the tests change."""
    async with new_harness() as running:
        yield running


def _folder(harness: BridgeHarness) -> Path:
    return harness.synapse.log.parent


def _change(file: Path, values: Mapping[str, Any]) -> str:
    """Set *values* in a YAML file; return its former text."""
    before = file.read_text()
    yaml = YAML(typ="safe", pure=True)
    yaml.dump(yaml.load(before) | values, file)
    return before


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def _delete_data(harness: BridgeHarness) -> None:
    for file in _folder(harness).glob("homeserver.db*"):
        file.unlink()


@asynccontextmanager
async def edited(harness: BridgeHarness, file: Path, **values: Any) -> AsyncIterator[None]:
    """Restart the homeserver with *values* in a YAML file that it reads, and again without them."""
    before = _change(file, values)
    await harness.synapse.restart()
    try:
        yield
    finally:
        _write(file, before)
        await harness.synapse.restart()


async def only(running: Running) -> AgentRoom:
    (found,) = await running.agents.all()
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"as_token": "another"}, id="token"),
        pytest.param(
            {"namespaces": {"users": [], "aliases": [], "rooms": [{"regex": ".*", "exclusive": False}]}},
            id="namespace",
            marks=pytest.mark.long,
        ),
    ],
)
async def test_a_registration_that_is_wrong_for_a_while(
    own: BridgeHarness, database_url: str, wrong: Mapping[str, Any]
) -> None:
    """Messages of that time wait: no agent is asked for an answer that cannot be shown."""
    async with ScriptedUpstream("token") as upstream, own.talk(database_url, upstream, space={}) as talk:
        async with edited(own, _folder(own).parent / f"{OWN}.yaml", **wrong):
            homeserver = talk.running.homeserver

            async def is_rejected() -> bool:
                return isinstance(await homeserver.outage(talk.ghost), RegistrationRejected)

            await eventually(is_rejected, "the homeserver has the other registration")
            await talk.say("hello")

            async def waits() -> bool:
                return not await talk.idle()

            await eventually(waits, "the message arrives")
            assert upstream.asked == []
        assert [answer.body for answer in await talk.wait_for_answers(1)] == ["Echo: hello"]
        assert len(upstream.asked) == 1


@pytest.mark.long
async def test_names_that_the_homeserver_fixes(own: BridgeHarness, database_url: str) -> None:
    async with (
        edited(own, _folder(own) / "homeserver.yaml", enable_set_displayname=False),
        ScriptedUpstream("fixed") as upstream,
        own.talk(database_url, upstream, space={}) as talk,
    ):
        await talk.person.wait_for(lambda: talk.room.displayname(talk.ghost) == f"Letta Agent: {upstream.names[0]}")
        await talk.say("hello")
        assert [answer.body for answer in await talk.wait_for_answers(1)] == ["Echo: hello"]
        assert (await only(talk.running)).home.problems == (RoomProblem.NO_DISPLAYNAME,)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "version", "problems"),
    [
        ("invite", "12", ()),
        ("all", "12", (RoomProblem.ENCRYPTED,)),
        # The homeserver may not encrypt a room whose levels forbid it, and leaves it half-made.
        ("all", "11", ()),
    ],
)
async def test_rooms_that_are_encrypted_by_default(
    own: BridgeHarness, database_url: str, kind: str, version: str, problems: tuple[RoomProblem, ...]
) -> None:
    async with (
        edited(own, _folder(own) / "homeserver.yaml", encryption_enabled_by_default_for_room_type=kind),
        ScriptedUpstream("encrypted") as upstream,
        own.person() as person,
    ):
        config = own.config(database_url, [{"name": "u", "url": upstream.url}], rooms={"version": version}, space={})
        async with own.bridge(config) as running:
            talk = await running.join(person, upstream.names[0])
            state = await running.homeserver.room_state(talk.room_id)
            assert state is not None
            assert state.is_encrypted is bool(problems)
            if problems:
                await person.wait_for(lambda: any("encrypted" in each.body for each in talk.from_bot))

            async def noted() -> bool:
                return (await only(running)).home.problems == problems

            await eventually(noted, "the problems of the room are noted, after they are told")


async def test_a_homeserver_that_was_restored_from_a_backup(own: BridgeHarness, database_url: str) -> None:
    """The rooms of that time get their present names, and are listed; the later ones are made again."""
    async with ScriptedUpstream("backup") as upstream, own.person("admin") as admin:
        config = own.config(
            database_url, [{"name": "u", "url": upstream.url}], rooms={"invite": [admin.user_id]}, space={}
        )
        async with own.bridge(config) as running:
            first = await listed(running, upstream.names[0])
            room_id, space = first.home.room_id or "", first.home.space or ""
            await own.synapse.stop()
            saved = {file: file.read_bytes() for file in _folder(own).glob("homeserver.db*")}
            await own.synapse.start()
            upstream.models[0]["name"] = "renamed"
            upstream.models.append({"id": "later", "object": "model"})
            lost = (await listed(running, "later")).home.room_id
            await listed(running, "renamed")
            await own.synapse.stop()
            await outage_noticed(running)
            _delete_data(own)
            for file, data in saved.items():
                file.write_bytes(data)
            await own.synapse.start()

            async def whole() -> bool:
                later = (await running.contact("later")).home
                name = await running.homeserver.state(room_id, "m.room.name")
                return (
                    later.room_id != lost
                    and later.space == space
                    and name is not None
                    and name["content"] == {"name": "renamed - Letta Agent Chat"}
                    and await running.homeserver.state(space, "m.space.child", later.room_id or "") is not None
                )

            await eventually(whole, "all rooms are as they were")


async def listed(running: Running, name: str) -> AgentRoom:
    """Wait until the Space lists the room of the agent called *name*."""

    async def is_listed() -> AgentRoom | None:
        found = await running.contact(name)
        home = found.home
        return found if home.space is not None and home.name_applied == home.name else None

    return await eventually(is_listed, f"the room of {name} is in the Space")


@pytest.mark.long
async def test_a_homeserver_that_lost_its_data(own: BridgeHarness, database_url: str) -> None:
    async with ScriptedUpstream("wiped") as upstream, own.talk(database_url, upstream, space={}) as talk:
        await own.synapse.stop()
        await outage_noticed(talk.running)
        _delete_data(own)
        await own.synapse.start()
        own.forget_people()

        async def another() -> bool:
            home = (await only(talk.running)).home
            return home.room_id not in {None, talk.room_id} and home.bot_joined and home.space is not None

        await eventually(another, "the agent has another room")
        async with own.person() as person:
            again = await talk.running.join(person, upstream.names[0])
            await again.say("hello")
            assert [answer.body for answer in await again.wait_for_answers(1)] == ["Echo: hello"]
            await person.wait_for(lambda: again.room.displayname(talk.ghost) == f"Letta Agent: {upstream.names[0]}")


@pytest.mark.long
async def test_a_homeserver_that_encrypts_all_rooms_gets_one_direct_chat(own: BridgeHarness, database_url: str) -> None:
    """The one that the bridge makes is encrypted, too, and stays: another one would be no better."""
    async with (
        edited(own, _folder(own) / "homeserver.yaml", encryption_enabled_by_default_for_room_type="all"),
        ScriptedUpstream("sealed") as upstream,
        own.person() as person,
    ):
        rooms = {"private": True, "invite": [person.user_id], "version": "12"}
        config = own.config(database_url, [{"name": "u", "url": upstream.url}], rooms=rooms, space={})
        async with own.bridge(config) as running:

            async def reported() -> dict[str, Any] | None:
                query = "SELECT room_id FROM room WHERE kind = 'dm' AND 'encrypted' = ANY(problems)"
                return await running.database.row(query)

            row = await eventually(reported, "the problem is known")
            assert len(await running.database.rows("SELECT 1 FROM room WHERE kind = 'dm'")) == 1
            await person.wait_for(lambda: row["room_id"] in person.invites)
