"""Programs and shells do with servers, channels and threads all that people do with commands, on a real Synapse."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from agent_bridge.bridge.collaboration.threads import THREAD
from agent_bridge.cli import cli
from agent_bridge.matrix.events import content_today
from agent_bridge.store.servers import Servers
from agent_bridge.store.threads import ThreadStore
from support.api_client import program_of
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.places import delete_places
from support.scripted_upstream import echo, waits_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.api_client import Program
    from support.harness import BridgeHarness, Running
    from support.postgres import Server as PostgresServer
    from support.scripted_upstream import ScriptedUpstream

#: Beginning of a line of the log.
_LOGGED = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} \[")
BOSS, BOB = f"@boss:{DOMAIN}", f"@bob:{DOMAIN}"


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with named_upstream("Ada", "Bea") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def running(
    harness: BridgeHarness, postgres: PostgresServer, upstream: ScriptedUpstream
) -> AsyncIterator[Running]:
    with postgres.migrated() as url:
        there = [{"name": "u", "url": upstream.url, "poll_interval": 60}]
        permissions = {DOMAIN: "member", BOSS: "owner"}
        config = harness.config(url, there, service=SHARED, permissions=permissions, rooms={"join_rule": "invite"})
        async with harness.bridge(config) as running:

            async def is_ready() -> bool:
                known = await running.agents.all()
                return len(known) == 2 and all(each.home.room_id is not None for each in known)

            await eventually(is_ready, "the agents have rooms")
            yield running
            await delete_places(running)


def at(kind: str, name: str, action: str = "", **query: str) -> str:
    """Return a path."""
    more = "&".join(f"{key}={quote(value)}" for key, value in query.items())
    return f"/v1/{kind}/{quote(name, safe='')}{f'/{action}' if action else ''}{f'?{more}' if more else ''}"


async def memberships(running: Running, room_id: str) -> dict[str, str]:
    return await running.homeserver.members(room_id)


async def ghost_of(running: Running, name: str) -> str:
    return running.homeserver.namespace.user_id((await running.contact(name)).agent.ghost)


async def test_servers_and_channels_of_programs(harness: BridgeHarness, running: Running) -> None:
    async with harness.person("boss") as boss, harness.person("bob") as bob:
        owner, member = await program_of(running, BOSS), await program_of(running, BOB)
        made = [await owner.post("/v1/servers", "one", name="Research Lab", description="all of it") for _ in range(2)]
        assert [each.status for each in made] == [201, 201]
        assert made[0].content == made[1].content
        lab = made[0].content
        assert (lab["name"], lab["description"], lab["owner"], lab["role"]) == (
            "Research Lab",
            "all of it",
            BOSS,
            "owner",
        )
        taken = await owner.post("/v1/servers", name="research lab")
        assert (taken.code, taken["detail"]) == ("name_taken", "the name research lab is taken")
        number = await owner.post("/v1/servers", name="12")
        assert number["detail"] == "a name has up to 80 characters, no slash, and is no number"
        await boss.wait_for(lambda: lab["room_id"] in boss.invites)
        await boss.join(lab["room_id"])
        # Nobody would read it there.
        assert (await owner.send(lab["room_id"], "Hello, all!")).code == "not_permitted"
        talks = await owner.post("/v1/channels", "talks", name="talks", server="Research Lab", topic="of all")
        news = await owner.post("/v1/channels", name="news", server=str(lab["number"]), type="announcement")
        alone = await owner.post("/v1/channels", name="alone")
        assert [each.status for each in (talks, news, alone)] == [201] * 3
        assert [each["position"] for each in (talks, news, alone)] == [1, 2, 1]
        assert (
            await owner.post("/v1/channels", "talks", name="talks", server="Research Lab", topic="of all")
        ).content == (talks.content)
        moved = await owner.request("PATCH", at("channels", "news"), body={"position": 1, "name": "latest"})
        assert (moved["name"], moved["position"]) == ("latest", 1)
        listed = (await member.get("/v1/channels", server="research lab"))["channels"]
        assert [(each["name"], each["type"], each["position"]) for each in listed] == [
            ("latest", "announcement", 1),
            ("talks", "text", 2),
        ]
        # The invitation of the member, and the way back of one who left; a channel of the main Space is closed.
        joined = await member.post(at("servers", "Research Lab", "join"))
        assert (joined["room_id"], joined["arrival"]) == (lab["room_id"], "invited")
        assert (await member.post(at("channels", "Research Lab/talks", "join")))["arrival"] == "invited"
        for room_id in (lab["room_id"], talks["room_id"]):
            await bob.wait_for(lambda room_id=room_id: room_id in bob.invites)  # type: ignore[misc]
            await bob.join(room_id)
        assert (await member.post(at("channels", talks["room_id"], "join")))["arrival"] == "inside"
        assert (await member.post(at("channels", "alone", "join"))).code == "not_permitted"
        assert (await member.post(at("channels", "talks", "leave"))).status == 200
        assert (await member.post(at("channels", "talks", "leave"))).code == "room_not_found"
        assert (await member.post(at("channels", "talks", "join")))["arrival"] == "invited"
        await boss.join(talks["room_id"])
        await boss.ask("POST", f"/rooms/{talks['room_id']}/kick", {"user_id": BOB})
        assert (await member.post(at("channels", "talks", "join"))).code == "not_permitted"
        await _agents(running, owner, talks.content)
        assert (await member.post(at("servers", "Research Lab", "leave"))).status == 200
        assert (await memberships(running, lab["room_id"])).get(BOB) != "join"
        assert (await member.post(at("servers", "Research Lab", "leave"))).code == "room_not_found"
        named = await owner.request("PATCH", at("servers", "1"), body={"name": "Lab", "icon": "mxc://test.local/icon"})
        assert (named["name"], named["icon"], named["channels"]) == ("Lab", "mxc://test.local/icon", 2)
        deleted = await owner.request("DELETE", at("servers", "Lab", confirm="Lab"))
        assert (deleted.status, deleted["channels"]) == (200, 2)
        store = Servers(running.database)

        async def gone() -> bool:
            return not await running.database.rows("SELECT 1 FROM room WHERE room_id = %s", (lab["room_id"],))

        await eventually(gone, "the server is deleted")
        assert [each.name for found in (await store.by_server()).values() for each in found] == ["alone"]


async def _agents(running: Running, owner: Program, talks: dict[str, Any]) -> None:
    """Agents enter by themselves, leave, stay outside, and are added again."""
    ada, bea = await program_of(running, "Ada"), await program_of(running, "Bea")
    ghost, room_id = await ghost_of(running, "Ada"), talks["room_id"]
    assert (await ada.post(at("channels", "latest", "join")))["reason"] == "silent"
    assert (await ada.post(at("channels", "alone", "join")))["reason"] == "closed"
    assert (await ada.post(at("servers", "Research Lab", "join"))).code == "role_missing"
    assert (await ada.post(at("channels", "talks", "leave"))).code == "room_not_found"
    for _ in range(2):
        assert (await ada.post(at("channels", "talks", "join"), "join")).status == 200
    assert (await memberships(running, room_id))[ghost] == "join"
    assert (await ada.send("talks", "I am here")).status == 200
    assert (await ada.post(at("channels", "talks", "leave"))).status == 200
    assert ghost not in await memberships(running, room_id)
    assert (await ada.send("talks", "still?")).code == "room_not_found"
    assert (await ada.post(at("channels", "talks", "join")))["reason"] == "closed"
    # The comparison of the channel does not bring it back.
    changed = await owner.request("PATCH", at("channels", "talks"), body={"topic": "of some"})
    assert changed["topic"] == "of some"

    async def applied() -> bool:
        (row,) = await running.database.rows(
            "SELECT changes = changes_applied AS same FROM room WHERE room_id = %s", (room_id,)
        )
        return bool(row["same"])

    await eventually(applied, "the channel is compared")
    assert ghost not in await memberships(running, room_id)
    added = [await owner.post(at("channels", "talks", "agents"), agent=name) for name in ("Ada", "Bea")]
    assert [each["agent"] for each in added] == ["Ada", "Bea"]
    assert (await ada.send("talks", "I am back")).status == 200
    assert (await bea.post(at("servers", "Research Lab", "leave"))).status == 200
    assert (await bea.send("talks", "still?")).code == "room_not_found"


@pytest.mark.long
async def test_threads_of_programs(harness: BridgeHarness, running: Running, upstream: ScriptedUpstream) -> None:
    async with harness.person("boss") as boss, harness.person("bob") as bob:
        owner, ada = await program_of(running, BOSS, name="threads"), await program_of(running, "Ada", name="threads")
        room_id = (await owner.post("/v1/channels", name="plans"))["room_id"]
        assert (await owner.post(at("channels", "plans", "agents"), agent="Ada")).status == 200
        await boss.join(room_id)
        await running.homeserver.invite(room_id, BOB)
        await bob.join(room_id)
        member = await program_of(running, BOB, name="threads")
        path = at("rooms", "plans", "threads")
        made = [await ada.post(path, "trip", name="Trip *to* Oslo") for _ in range(2)]
        assert (made[0].status, made[0].content) == (201, made[1].content)
        root = made[0]["root"]
        ghost = await ghost_of(running, "Ada")
        assert made[0]["creator"] == ghost
        assert await title(running, room_id, root) == {"name": "Trip *to* Oslo", "archived": False}
        trip = f"{path}/{quote(root, safe='')}"
        assert (await member.request("PATCH", trip, body={"name": "Mine"})).code == "not_permitted"
        assert (await ada.request("PATCH", trip, body={"name": "Oslo"}))["name"] == "Oslo"
        begun = await boss.say(room_id, "shall we?")
        named = await member.post(path, name="Questions", root=begun)
        assert (named.status, named["root"], named["creator"]) == (201, begun, BOB)
        assert (await member.post(path, name="x", root="$nothing")).code == "message_not_found"
        assert (await member.request("PATCH", f"{path}/%24nothing", body={"archived": True})).code == "thread_not_found"
        assert [each["name"] for each in (await member.get(path))["threads"]] == ["Questions", "Oslo"]

        async def archive() -> None:
            done = await owner.request("PATCH", trip, body={"archived": True})
            assert (done.status, done["archived"]) == (200, True)
            assert (await title(running, room_id, root))["archived"] is True

        await archive()
        assert [each["name"] for each in (await member.get(path, archived=True))["threads"]] == ["Oslo"]
        assert (await member.request("PATCH", trip, body={"archived": False}))["archived"] is False
        # The next message of an agent's program, of a person's program, and an answer that ends later.
        for program in (ada, member):
            await archive()
            assert (await program.send("plans", "one more thing", thread=root)).status == 200
            await until_open(running, room_id, root)
        gate, asked = asyncio.Event(), len(upstream.questions)
        upstream.script = waits_for(gate, "First ", "and last.")
        assert (await member.send("plans", "Are you there?", thread=root, mentions=["Ada"])).status == 200
        await boss.wait_for(lambda: [each for each in boss.room(room_id).said_by(ghost) if "First" in each.body])
        assert len(upstream.questions) > asked
        await archive()
        gate.set()
        await until_open(running, room_id, root)
        upstream.script = echo


async def title(running: Running, room_id: str, event_id: str) -> dict[str, Any]:
    """Return the thread as the event that shows its name tells it."""
    found = content_today(await running.homeserver.event(room_id, event_id) or {})[THREAD]
    return dict(found)


async def until_open(running: Running, room_id: str, root: str) -> None:
    """Wait until a thread is not archived, and its room shows that."""

    async def is_open() -> bool:
        found = await ThreadStore(running.database).of_root(room_id, root)
        return found is not None and found.archived_at is None and found.is_shown

    await eventually(is_open, "the message brings the thread back")


@pytest.mark.long
async def test_the_commands_of_a_shell(harness: BridgeHarness, running: Running) -> None:
    async with harness.person("boss") as boss:
        program = await program_of(running, BOSS, name="shell")
        ada = await program_of(running, "Ada", name="shell")

        async def run(*arguments: str, code: int = 0, token: str = "") -> str:
            named = {"AGENT_BRIDGE_URL": program.url, "AGENT_BRIDGE_TOKEN": token or program.token}
            done = await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=named)
            assert done.exit_code == code, (arguments, done.output)
            # The bridge of this process writes its log there, too.
            return "".join(line for line in done.stdout.splitlines(keepends=True) if not _LOGGED.match(line))

        room_id = (await run("server", "new", "Shell", "Lab", "--description", "by a program")).strip()
        assert room_id.startswith("!")
        assert "Shell Lab  owner" in await run("server", "list")
        channel = (await run("channel", "new", "Shell Lab/logs", "log", "--topic", "of agents")).strip()
        await run("channel", "new", "Shell Lab/chat")
        assert "Shell Lab/logs  log   1" in await run("channel", "list", "Shell Lab")
        assert await run("channel", "move", "logs", "2") == "2 logs: of agents\n"
        assert await run("channel", "topic", "logs") == "2 logs: \n"
        assert await run("channel", "rename", "logs", "agent", "reports") == "2 agent reports: \n"
        assert await run("channel", "add", "Shell Lab/chat", "Ada") == "Ada is in chat\n"
        assert await run("channel", "join", "agent reports", token=ada.token) == "agent reports: joined\n"
        assert await run("channel", "leave", "agent reports", token=ada.token) == "agent reports: left\n"
        assert json.loads(await run("channel", "join", "chat", "--json"))["arrival"] == "invited"
        found = [json.loads(line) for line in (await run("channel", "list", "--json")).splitlines()]
        assert [each["room_id"] for each in found if each["server"] == "Shell Lab"][1] == channel
        chat = next(each["room_id"] for each in found if each["name"] == "chat")
        await boss.wait_for(lambda: chat in boss.invites)
        await boss.join(chat)
        assert await run("send", "--to", "Shell Lab/chat", "--wait", "@Ada Hello") == "Echo: boss: @Ada Hello\n"
        root = (await run("thread", "new", "The", "plan", "--room", "chat")).strip()
        await run("send", "--to", "chat", "--thread", root, "step one")
        assert "step one" in await run("read", "chat", "--thread", root)
        assert "The plan" in await run("thread", "list", "chat")
        assert await run("thread", "rename", root, "Plan", "--room", "chat") == "Plan\n"
        assert await run("thread", "archive", root, "--room", "chat") == "Plan (archived)\n"
        assert "Plan" in await run("thread", "list", "chat", "--archived")
        assert await run("thread", "reopen", root, "--room", "chat") == "Plan\n"
        await run("thread", "rename", "$nothing", "x", "--room", "chat", code=4)
        assert await run("server", "update", "Shell Lab", "--name", "Shells") == "Shells\n"
        await run("server", "join", "Nothing", code=4)
        await run("server", "new", "x", code=5, token=ada.token)
        await run("channel", "delete", "chat", code=1)
        assert await run("channel", "delete", "chat", "--confirm", "chat") == "chat: deleted\n"
        assert await run("server", "delete", "Shells", "--confirm", "shells") == "Shells: deleted with 1 channels\n"
