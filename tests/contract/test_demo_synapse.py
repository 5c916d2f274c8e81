from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import sys
import time
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from agent_bridge.config.model import Config
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.core.errors import HomeserverRefused, HomeserverUnavailable
from agent_bridge.demo.account import call
from agent_bridge.demo.synapse import Synapse, SynapseError, free_port
from support.person import Account, Person, is_space, space_children
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

DOMAIN = "demo.test"
DEADLINE = 30

RUN_UNTIL_KILLED = """
import asyncio, pathlib, sys
from agent_bridge.demo.synapse import Synapse

async def main():
    async with Synapse(pathlib.Path(sys.argv[1]), "demo.test") as synapse:
        print(synapse.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def config(port: int) -> Config:
    return Config.model_validate(
        {
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": DOMAIN},
            "appservice": {
                "address": f"http://127.0.0.1:{port}",
                "port": port,
                "as_token": "as-secret",
                "hs_token": "hs-secret",
            },
            "upstreams": [{"name": "letta", "url": "http://127.0.0.1:1416/v1"}],
        }
    )


def listens(port: int, address: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def wait_until_free(port: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while listens(port):
        assert time.monotonic() < deadline, f"something still listens on {port}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def appservice_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
async def synapse(appservice_port: int) -> AsyncIterator[Synapse]:
    with temporary_folder("ab-hs-") as folder:
        registered = folder / "registration.yaml"
        registered.write_text(to_yaml(registration(config(appservice_port))))
        async with Synapse(folder / "homeserver", DOMAIN, registrations=[registered]) as running:
            yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder("ab-hs-") as path:
        yield path


@pytest.fixture
async def alice(synapse: Synapse, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    name = f"alice_{request.node.name}".partition("[")[0]
    token = await synapse.register_user(name, "wonderland", admin=True)
    async with Person(synapse.url, synapse.user_id(name), token) as person:
        yield person


@pytest.fixture
async def bob(synapse: Synapse, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    name = f"bob_{request.node.name}".partition("[")[0]
    await synapse.register_user(name, "builder")
    async with await Person.login(synapse.url, name, "builder") as person:
        yield person


async def meet(alice: Person, bob: Person) -> str:
    room_id = await alice.create_dm(bob.user_id)
    await bob.wait_for(lambda: room_id in bob.invites)
    await bob.join(room_id)
    await alice.wait_for(lambda: bob.user_id in alice.room(room_id).members())
    return room_id


async def test_two_people_talk_and_see_edits_receipts_and_typing(alice: Person, bob: Person) -> None:
    room_id = await meet(alice, bob)
    said = await alice.say(room_id, "helo")
    [message] = await bob.wait_for(lambda: bob.room(room_id).said_by(alice.user_id))
    assert (message.event_id, message.body) == (said, "helo")

    content = {"msgtype": "m.text", "body": "hello"}
    relation = {"rel_type": "m.replace", "event_id": said}
    edit = content | {"m.new_content": content, "m.relates_to": relation}
    await alice.send(room_id, "m.room.message", edit)
    await bob.wait_for(lambda: message.body == "hello")
    assert [version["body"] for version in message.versions] == ["helo", "hello"]

    await bob.ask("PUT", f"/rooms/{room_id}/typing/{bob.user_id}", {"typing": True, "timeout": 10_000})
    await alice.wait_for(lambda: bob.user_id in alice.room(room_id).typing)
    await bob.ask("POST", f"/rooms/{room_id}/receipt/m.read/{said}", {})
    await alice.wait_for(lambda: alice.room(room_id).receipts.get(bob.user_id) == said)


async def burst(person: Account, room_id: str, numbers: range) -> None:
    for number in numbers:
        await person.say(room_id, str(number))


@pytest.mark.long
async def test_nothing_is_skipped_when_more_comes_than_one_sync_shows(alice: Person, bob: Person) -> None:
    room_id = await alice.create_room(preset="private_chat")
    await burst(alice, room_id, range(30))
    await alice.invite(room_id, bob.user_id)
    await bob.wait_for(lambda: room_id in bob.invites)
    await bob.join(room_id)
    await bob.wait_for(lambda: len(bob.room(room_id).messages) == 30)

    bob._watching.cancel()
    since = await bob._look(None)
    await burst(alice, room_id, range(30, 60))
    async with asyncio.timeout(DEADLINE):
        while len(bob.room(room_id).messages) < 60:
            since = await bob._look(since)
    said = bob.room(room_id).said_by(alice.user_id)
    assert [message.body for message in said] == [str(number) for number in range(60)]


async def test_spaces_aliases_and_profiles_are_found(alice: Person) -> None:
    alias = f"#garden:{DOMAIN}"
    assert await alice.resolve(alias) is None
    room_id = await alice.create_room(name="Garden", room_alias_name="garden")
    space_id = await alice.create_room(name="House", creation_content={"type": "m.space"})
    await alice.set_state(space_id, "m.space.child", {"via": [DOMAIN]}, room_id)
    await alice.wait_for(lambda: space_children(alice.room(space_id)) == [room_id])
    assert is_space(alice.room(space_id))
    assert await alice.resolve(alias) == room_id
    assert {room["room_id"] for room in await alice.hierarchy(space_id)} == {space_id, room_id}
    assert "m.room.create" in {event["type"] for event in await alice.state(room_id)}
    assert await alice.displayname(alice.user_id) == alice.user_id[1:].partition(":")[0]
    assert await alice.displayname(f"@nobody:{DOMAIN}") is None


async def test_a_declined_invitation_and_a_left_room_are_out_of_sight(alice: Person, bob: Person) -> None:
    room_id = await meet(alice, bob)
    await bob.leave(room_id)
    await bob.wait_for(lambda: room_id not in bob.rooms)
    await alice.invite(room_id, bob.user_id)
    await bob.wait_for(lambda: room_id in bob.invites)
    await bob.leave(room_id)
    await bob.wait_for(lambda: room_id not in bob.invites)


async def test_the_error_of_a_vain_wait_describes_the_rooms(alice: Person) -> None:
    room_id = await alice.create_room(name="Quiet")
    await alice.say(room_id, "anybody?")
    await alice.wait_for(lambda: alice.room(room_id).messages)
    with pytest.raises(TimeoutError, match=r"within 0\.1 s.*Quiet.*anybody\?"):
        await alice.wait_for(lambda: False, 0.1)


async def test_waiting_ends_when_the_person_is_logged_out(alice: Person) -> None:
    await alice.ask("POST", "/logout", {})
    with pytest.raises(HomeserverRefused) as refusal:
        await alice.wait_for(lambda: False, DEADLINE)
    assert refusal.value.errcode == "M_UNKNOWN_TOKEN"


@pytest.mark.long
async def test_users_rooms_and_open_clients_survive_a_restart_and_a_kill(
    synapse: Synapse, alice: Person, bob: Person
) -> None:
    room_id = await meet(alice, bob)
    url, first = synapse.url, synapse.pid
    await synapse.restart()
    assert synapse.url == url
    assert first != synapse.pid
    await alice.say(room_id, "after the restart")

    await synapse.kill()
    assert not listens(synapse.port)
    with pytest.raises(HomeserverUnavailable):
        await alice.say(room_id, "into the void")
    await synapse.start()
    await alice.say(room_id, "after the crash")
    said = await bob.wait_for(lambda: bob.room(room_id).said_by(alice.user_id)[1:])
    assert said[-1].body == "after the crash"


async def test_a_name_is_given_once(synapse: Synapse) -> None:
    await synapse.register_user("carol", "secret")
    with pytest.raises(HomeserverRefused, match="taken") as refusal:
        await synapse.register_user("carol", "secret")
    assert refusal.value.errcode == "M_USER_IN_USE"


async def test_it_listens_on_the_loopback_address_only(synapse: Synapse) -> None:
    assert listens(synapse.port)
    assert not listens(synapse.port, "127.0.0.2")  # would be reached by a server that listens everywhere


async def test_files_are_private_to_their_owner(synapse: Synapse) -> None:
    for path in synapse.log.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_the_registration_is_accepted(synapse: Synapse, alice: Person, appservice_port: int) -> None:
    pings: asyncio.Queue[str] = asyncio.Queue()

    async def ping(request: web.Request) -> web.Response:
        await pings.put(request.headers["Authorization"])
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.post("/_matrix/app/v1/ping", ping)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", appservice_port).start()
    try:
        bot = synapse.user_id("agentbridge")
        async with Account(synapse.url, bot, "as-secret") as bridge:
            assert (await bridge.ask("GET", "/account/whoami"))["user_id"] == bot
            answer = await call(bridge._http, "POST", "/_matrix/client/v1/appservice/agent-bridge/ping", {})
            assert "duration_ms" in answer
        assert pings.get_nowait() == "Bearer hs-secret"
    finally:
        await runner.cleanup()
    with pytest.raises(HomeserverRefused) as refusal:
        await alice.create_room(room_alias_name="agent_smith")
    assert refusal.value.errcode == "M_EXCLUSIVE"


async def test_a_registration_that_synapse_refuses_is_told_with_its_reason(folder: Path) -> None:
    registered = folder / "registration.yaml"
    registered.write_text("id: broken\n")
    synapse = Synapse(folder / "homeserver", DOMAIN, registrations=[registered])
    with pytest.raises(SynapseError, match=r"(?s)ended at its start.*homeserver\.log.*as_token"):
        async with synapse:
            pytest.fail("it started")
    assert synapse.pid is None


async def test_a_synapse_that_is_too_slow_is_ended_and_told(folder: Path) -> None:
    synapse = Synapse(folder / "homeserver", DOMAIN, start_within=0.1)
    with pytest.raises(SynapseError, match=r"did not answer within 0\.1 s"):
        async with synapse:
            pytest.fail("it started")
    assert synapse.pid is None


async def test_it_ends_with_a_process_that_is_killed(folder: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN_UNTIL_KILLED, str(folder)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    try:
        port = int(await asyncio.wait_for(parent.stdout.readline(), DEADLINE))
        assert listens(port)
    finally:
        parent.kill()
        await parent.wait()
    await asyncio.to_thread(wait_until_free, port)


@pytest.mark.long
async def test_the_limits_on_people_hold_unless_relaxed(alice: Person, folder: Path) -> None:
    await burst(alice, await alice.create_room(), range(15))
    async with Synapse(folder / "homeserver", DOMAIN, relaxed=False) as strict:
        token = await strict.register_user("alice", "wonderland")
        async with Account(strict.url, strict.user_id("alice"), token) as hasty:
            room_id = await hasty.create_room()
            with pytest.raises(HomeserverUnavailable) as refusal:
                await burst(hasty, room_id, range(15))
    assert refusal.value.errcode == "M_LIMIT_EXCEEDED"


async def test_without_the_package_it_says_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "synapse", None)
    with pytest.raises(SynapseError, match=r"agent-bridge\[demo\]"):
        async with Synapse(folder, DOMAIN):
            pytest.fail("it started")


def test_stopping_twice_is_harmless(folder: Path) -> None:
    for end in (Synapse.stop, Synapse.kill):
        synapse = Synapse(folder, DOMAIN)
        asyncio.run(end(synapse))
        assert synapse.pid is None
