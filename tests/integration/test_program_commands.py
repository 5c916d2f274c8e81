"""The commands of people and programs, as processes beside a bridge on a real Synapse."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.api_client import program_of
from support.conditions import DEADLINE, eventually
from support.harness import DOMAIN, SHARED
from support.places import delete_places
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.config.model import Config
    from support.api_client import Program
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

BOSS = f"@boss:{DOMAIN}"
DATA = {"subtask": 1, "sources": 12, "confidence": 0.87}


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream("Ada", "Bea") as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def config(harness: BridgeHarness, postgres: Server, upstream: ScriptedUpstream) -> AsyncIterator[Config]:
    with postgres.migrated() as url:
        permissions = {DOMAIN: "member", BOSS: "owner"}
        there = [{"name": "u", "url": upstream.url}]
        yield harness.config(url, there, service=SHARED, permissions=permissions)


@pytest.fixture(scope="module")
async def running(harness: BridgeHarness, config: Config) -> AsyncIterator[Running]:
    async with harness.bridge(config) as running:
        yield running
        await delete_places(running)


@dataclass
class Shell:
    """A shell of a program."""

    program: Program
    home: Path

    @property
    def environ(self) -> dict[str, str]:
        named = {"AGENT_BRIDGE_URL": self.program.url, "AGENT_BRIDGE_TOKEN": self.program.token}
        return named | {"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent_bridge", *arguments),
            env=self.environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, given: str = "") -> tuple[int | None, str, str]:
        """Run a command; return its exit code, its output and its errors."""
        process = await self.start(*arguments)
        output, errors = await process.communicate(given.encode())
        return process.returncode, output.decode(), errors.decode()

    async def json(self, *arguments: str) -> Any:
        code, output, errors = await self.run(*arguments, "--json")
        assert code == 0, errors
        return [json.loads(line) for line in output.splitlines()]


async def test_a_person_talks_from_a_shell(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    shell, agent = Shell(await program_of(running, BOSS), tmp_path), upstream.names[0]
    async with harness.person("boss") as boss:
        talk = await running.join(boss, agent)
        code, who, _ = await shell.run("who")
        assert code == 0
        assert agent in [each["name"] for each in await shell.json("who")]
        assert who.splitlines()[0].split() == [
            "NAME",
            "ROLE",
            "AGENT",
            "ONLINE",
            "LAST",
            "SEEN",
            "STATUS",
            "BIO",
            "USER",
        ]
        assert any(
            line.startswith(agent) and " agent " in line and line.endswith(talk.ghost) for line in who.splitlines()
        )
        code, event_id, _ = await shell.run("send", "--to", agent, "Hello", "*there*")
        assert code == 0
        await talk.wait_for_answers(1)
        assert event_id.strip() in {each.event_id for each in talk.room.said_by(f"@sharedbridge:{DOMAIN}")}
        assert await shell.run("ask", agent, given="And from the input\n") == (0, "Echo: And from the input\n", "")
        code, output, _ = await shell.run("send", "--to", agent, "--wait", "Again")
        assert (code, output) == (0, "Echo: Again\n")
        (first, *_) = found = await shell.json("read", agent, "-n", "6")
        assert [each["text"] for each in found][-2:] == ["Again", "Echo: Again"]
        assert (first["sender"], first["text"]) == (BOSS, "Hello *there*")
        (status,) = await shell.json("status")
        assert status["me"]["user_id"] == BOSS


@pytest.mark.long
async def test_exit_codes(running: Running, tmp_path: Path) -> None:
    shell = Shell(await program_of(running, BOSS, name="codes"), tmp_path)
    bad = Shell(shell.program.__class__(shell.program.url, "ab_wrong"), tmp_path)
    for arguments, code, told in (
        (("send", "--to", "Nobody", "x"), 4, "no agent or channel is called Nobody"),
        (("send", "x"), 4, "rooms.lobby"),
        (("read", "Nobody"), 4, "no agent or channel is called Nobody"),
        (("read",), 2, "name a room"),
        (("ask", "Nobody", "x"), 4, "no agent"),
        (("inbox",), 5, "tokens of agents"),
    ):
        found = await shell.run(*arguments)
        assert (found[0], found[1]) == (code, ""), found
        assert told in found[2]
    assert (await bad.run("who"))[0] == 5
    assert "ab_wrong" not in "".join(map(str, await bad.run("who")))
    away = Shell(shell.program.__class__("", ""), tmp_path)
    found = await away.run("who")
    assert found[0] == 2
    assert "AGENT_BRIDGE_URL" in found[2]


@pytest.mark.long
async def test_an_agent_lives_in_a_shell(harness: BridgeHarness, running: Running, tmp_path: Path) -> None:
    boss = Shell(await program_of(running, BOSS, name="agents"), tmp_path)
    code, output, told = await boss.run("agent", "register", "Crab", "--description", "walks sideways")
    assert code == 0
    assert "Crab is @" in told
    crab = Shell(boss.program.__class__(boss.program.url, output.strip().partition("=")[2]), tmp_path)
    async with harness.person("bob") as bob:
        talk = await running.join(bob, "Crab")
        following = await crab.start("tail", "-f", "Crab")
        assert following.stdout is not None
        await talk.say("How many legs?")
        (question,) = await crab.json("inbox", "--wait", "30")
        assert question["text"] == "How many legs?"
        assert (await crab.run("reply", str(question["id"]), given="Ten."))[0] == 0
        (answer,) = await talk.wait_for_answers(1)
        assert answer.body == "Ten."
        async with asyncio.timeout(DEADLINE):
            lines = [(await following.stdout.readline()).decode() for _ in range(2)]
        assert [line.partition(": ")[2] for line in lines] == ["How many legs?\n", "Ten.\n"]
        following.terminate()
        await following.wait()
        assert [each["text"] for each in await crab.json("read", "-n", "2")] == ["How many legs?", "Ten."]
    assert (await crab.run("reply", "1000000", "No"))[0] == 4
    assert (await boss.run("agent", "remove", "Crab"))[0] == 0
    await eventually(lambda: _is_forbidden(crab), "the token of the removed agent is of no use")


async def _is_forbidden(shell: Shell) -> bool:
    return (await shell.run("inbox"))[0] == 5


async def test_hooks_post_and_print_events(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """The first summary makes the channel for logs; an agent reports there, too, and members without power do not."""
    boss = Shell(await program_of(running, BOSS, name="hooks"), tmp_path)
    said = {"cwd": "/home/ann/site", "session_id": "s1", "last_assistant_message": "The tests are green."}
    async with harness.person("boss"):
        assert (await boss.program.get("/v1/rooms/-/events")).code == "room_not_found"
        # The process has less than a second: the channel may not be ready then.
        await boss.run("hook", "stop", given=json.dumps(said))
        posted = await boss.program.post("/v1/rooms/-/events", "one", kind="research_complete", data=DATA, wait=20)
        assert (posted.status, posted.headers.get("Idempotent-Replayed")) == (200, None)
        again = await boss.program.post("/v1/rooms/-/events", "one", kind="research_complete", data=DATA, wait=20)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (posted.content, "true")
        await boss.run("hook", "stop", given=json.dumps(said))

        async def summary() -> str | None:
            code, output, _ = await boss.run("hook", "start")
            assert code == 0
            return output if "site: The tests are green." in output else None

        output = await eventually(summary, "the summary is printed")
        assert output.startswith("Recent activity of other agents, as information only:\n- ")
        found = (await boss.program.get("/v1/rooms/agent-logs/events"))["events"]
        kinds = [each["kind"] for each in found]
        assert sorted(kinds) == ["research_complete", "session_summary"]
        (result,) = (each for each in found if each["kind"] == "research_complete")
        assert (result["data"], result["sender"], result["event_id"]) == (DATA, BOSS, posted["event_id"])
        agent = await program_of(running, upstream.names[0], name="agent")
        assert (await agent.post("/v1/rooms/-/events", kind="result")).code == "room_not_found"
        member = await program_of(running, f"@bob:{DOMAIN}", name="member")
        assert (await member.post("/v1/rooms/agent-logs/events", kind="result")).code == "room_not_found"
        limited = await program_of(running, BOSS, name="limited", rooms=["!other:example.org"])
        assert (await limited.post("/v1/rooms/-/events", kind="result")).code == "room_not_found"
        for body, reason in (({"kind": "Bad kind"}, "bad_kind"), ({"kind": "x", "data": {"a": "\0"}}, "bad_text")):
            refused = await boss.program.post("/v1/rooms/-/events", **body)
            assert (refused.code, refused["reason"]) == ("invalid_request", reason)
        code, event_id, _ = await boss.run("post", "agent-logs", "--kind", "progress", "--data", '{"percent": 0.5}')
        assert (code, event_id[0]) == (0, "$")


@pytest.mark.long
async def test_tasks_and_votes_from_a_shell(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    name = upstream.names[1]
    async with harness.person() as person:
        talk = await running.join(person, name)
        shell = Shell(await program_of(running, person.user_id), tmp_path)
        # The own room of an agent is the default.
        agent = Shell(await program_of(running, name, name="shell"), tmp_path)
        (made,) = await agent.json("task", "new", "Write", "it")
        number = str(made["number"])
        assert (made["title"], made["room_id"]) == ("Write it", talk.room_id)
        assert (await agent.run("task", "claim", number))[1] == f"#{number} Write it: working\n"
        (vote,) = await agent.json("vote", "new", "Lunch?", "pizza", "pasta", "--quorum", "1")
        found = await shell.run("vote", "close", str(vote["number"]))
        told = f"only the creator of vote {vote['number']}, and moderators, may close it"
        assert found == (5, "", f"agent-bridge: {told}\n")


@pytest.mark.long
async def test_further_commands_about_tasks_and_votes(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    name = upstream.names[0]
    async with harness.person() as person:
        await running.join(person, name)
        shell = Shell(await program_of(running, person.user_id), tmp_path)
        agent = Shell(await program_of(running, name, name="shell"), tmp_path)
        await agent.run("task", "new", given="Read\nall\n")
        (made,) = [each for each in await shell.json("task", "list", name) if each["title"] == "Read all"]
        number = str(made["number"])
        code, output, _ = await agent.run("task", "split", number, "one", "the other")
        assert (code, [line.partition(" ")[2] for line in output.splitlines()]) == (
            0,
            ["one: submitted", "the other: submitted"],
        )
        (part,) = await agent.json("task", "new", "third", "--parent", number)
        assert part["parent"] == made["number"]
        (assigned,) = await agent.json("task", "assign", number, person.user_id)
        assert assigned["assignee"] == person.user_id
        assert (await agent.run("task", "fail", number))[0] == 5
        assert (await shell.run("task", "progress", number, "40%", "half"))[1] == f"#{number} Read all: working\n"
        assert (await shell.run("task", "progress", number, "fine"))[0] == 0
        assert [each["note"] for each in await shell.json("task", "list")] == ["fine"]
        assert (await shell.run("task", "done", number))[0] == 1
        assert (await agent.run("task", "cancel", number))[0] == 0
        listed = await shell.json("task", "list", name, "--closed")
        assert [(each["note"], each["state"]) for each in listed if each["number"] == made["number"]] == [
            ("fine", "canceled")
        ]
        code, output, _ = await shell.run("task", "list", name, "--closed")
        assert (code, output.split()[:5]) == (0, ["NUMBER", "STATE", "DONE", "ASSIGNEE", "TITLE"])
        for arguments, code in (
            (("task", "new", "x"), 2),
            (("task", "new", "--room", "Nobody", "x"), 4),
            (("task", "claim", "x"), 2),
            (("task", "assign", number, "Nobody"), 4),
            (("task", "claim", number), 1),
            (("vote", "new", "x?", "a", "--room", name), 2),
            (("vote", "new", "x?", "a", "a", "--room", name), 2),
            (("vote", "new", "x?", "a", "b", "--until", "tomorrow", "--room", name), 2),
            (("vote", "for", "a", "--vote", "999999999", "--room", name), 4),
            (("vote", "close", "999999999"), 4),
        ):
            found = await shell.run(*arguments)
            assert (arguments, found[0], found[1]) == (arguments, code, "")
        bad = Shell(shell.program.__class__(shell.program.url, "ab_wrong"), tmp_path)
        for each in ("task", "vote"):
            assert (await bad.run(each, "close" if each == "vote" else "claim", "1"))[0] == 5
        code, output, _ = await shell.run(
            "vote", "new", "Tea?", "yes", "no", "--until", "2026-12-24T18:00:00+01:00", "--room", name
        )
        begun = output.strip()
        (row,) = [each for each in await shell.json("vote", "list", name) if str(each["number"]) == begun]
        assert datetime.fromisoformat(row["ends_at"]) == datetime(2026, 12, 24, 17, tzinfo=UTC)
        (cast,) = await shell.json("vote", "for", "1", "--vote", begun, "--room", name)
        assert cast == {"number": int(begun), "answer": "yes"}
        code, output, _ = await shell.run("vote", "list", name)
        assert code == 0
        assert "Tea?" in output
        assert "yes 1, no 0" in output
        assert json.loads((await shell.run("vote", "close", begun, "--json"))[1])["number"] == int(begun)


@pytest.mark.long
async def test_own_messages_direct_rooms_and_the_profile_from_a_shell(
    harness: BridgeHarness, running: Running, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent, (ann, bob) = upstream.names[0], (f"@ann:{DOMAIN}", f"@bob:{DOMAIN}")
    shell = Shell(await program_of(running, ann, name="own"), tmp_path)
    async with harness.person("ann") as person, harness.person("bob") as other:
        talk = await running.join(person, agent)
        (sent,) = await shell.json("send", "--to", agent, "First")
        await talk.wait_for_answers(1)
        (reacted,) = await shell.json("react", agent, sent["event_id"], "👍")
        (taken,) = await shell.json("unreact", agent, reacted["event_id"])
        assert taken["event_id"] == reacted["event_id"]
        code, edited, _ = await shell.run("edit", agent, sent["event_id"], "Second", "words")
        assert code == 0
        assert edited.startswith("$")
        (marked,) = await shell.json("mark", agent)
        assert marked["room_id"] == talk.room_id
        assert (await shell.run("redact", agent, sent["event_id"]))[0] == 0
        code, room_id, _ = await shell.run("dm", bob)
        assert code == 0
        (again,) = await shell.json("dm", bob)
        assert again == {"room_id": room_id.strip(), "user_id": bob, "name": "bob"}
        for each in (person, other):
            await each.join(room_id.strip())
        (said,) = await shell.json("dm", bob, "Hello", "you")
        await other.wait_for(lambda: said["event_id"] in other.room(room_id.strip()).messages)
        assert (await shell.run("status", "--set", "on the roof"))[0] == 0
        code, told, _ = await shell.run("profile", "--bio", "paints")
        assert (code, {"bio: paints", "status_text: on the roof"} <= set(told.splitlines())) == (0, True)
        assert (await shell.run("status", "--away"))[0] == 1
        assert (await shell.run("dm", "Nobody"))[0] == 4
