"""Each function of the map in docs/together.md is performed once, by its endpoints, on a real bridge."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from integration.test_event_stream import subscribed, until
from support.api_client import Program, program_of
from support.bot_rooms import named_upstream
from support.conditions import eventually
from support.harness import DOMAIN, SHARED
from support.space_map import FUNCTIONS, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.api_client import Answer
    from support.harness import BridgeHarness, Conversation, Running
    from support.person import Person
    from support.postgres import Server

BOSS, BOB = f"@boss:{DOMAIN}", f"@bob:{DOMAIN}"


@dataclass(frozen=True)
class Recorded(Program):
    """A program that notes its successful requests."""

    calls: list[tuple[str, str]] = field(default_factory=list)

    async def request(self, method: str, path: str, **more: Any) -> Answer:
        """Send a request, which must succeed."""
        answer = await super().request(method, path, **more)
        assert answer.status < 300, (method, path, answer.content)
        self.calls.append((method, unquote(path)))
        return answer


@dataclass
class Walk:
    """The functions, in an order in which each finds its ground."""

    running: Running
    boss: Recorded
    bob: Recorded
    ada: Recorded
    bea: Recorded
    person: Person
    #: Bob in the home of an agent.
    talk: Conversation
    #: The agent that connects itself.
    crawler: Recorded | None = None
    server: str = ""
    channel: str = ""
    message: str = ""
    reaction: str = ""
    root: str = ""
    direct: str = ""

    @cached_property
    def home(self) -> str:
        """The path of the home."""
        return f"/v1/rooms/{quote(self.talk.room_id, safe='')}"

    @property
    def agent(self) -> Recorded:
        """The agent that connects itself, once it is registered."""
        assert self.crawler is not None
        return self.crawler

    async def init(self) -> None:
        assert (await self.bob.get("/v1/me"))["user_id"] == BOB

    async def register_user(self) -> None:
        made = await self.boss.post("/v1/agents", name="Crawler", description="reads")
        self.crawler = Recorded(self.boss.url, made["token"], self.boss.calls)

    async def client_connected(self) -> None:
        async with self._subscribed():
            await eventually(self._is_online, "the agent is online")
        assert (await self.agent.get("/v1/inbox"))["questions"] == []

    async def client_disconnected(self) -> None:
        async with self._subscribed() as events:
            (ready,) = await until(events, 1, "ready")
        sent = await self.bea.post("/v1/send", to="Crawler", text="while you were away")
        async with self._subscribed(ready[0]) as events:
            (said,) = await until(events, 1, "message")
            assert said[2]["event_id"] == sent["event_id"]

    async def update_profile(self) -> None:
        assert (await self.agent.request("PATCH", "/v1/me", body={"bio": "reads all"}))["bio"] == "reads all"
        assert (await self.bob.request("PATCH", "/v1/me", body={"bio": "paints"}))["bio"] == "paints"

    async def set_presence(self) -> None:
        shown = await self.agent.request("PATCH", "/v1/me", body={"status_text": "on page 7", "online": False})
        assert (shown["status_text"], shown["online"]) == ("on page 7", False)

    async def create_server(self) -> None:
        self.server = (await self.boss.post("/v1/servers", name="Lab"))["name"]

    async def join_server(self) -> None:
        joined = await self.bob.post(f"/v1/servers/{self.server}/join")
        await self.person.join(joined["room_id"])

    async def update_server(self) -> None:
        changed = await self.boss.request("PATCH", f"/v1/servers/{self.server}", body={"description": "for research"})
        assert changed["description"] == "for research"

    async def create_channel(self) -> None:
        made = await self.boss.post("/v1/channels", name="news", server=self.server, topic="all that is new")
        self.channel = f"{self.server}/{made['name']}"

    async def update_channel(self) -> None:
        path = f"/v1/channels/{quote(self.channel, safe='')}"
        changed = await self.boss.request("PATCH", path, body={"topic": "old things, too", "position": 1})
        assert changed["topic"] == "old things, too"

    async def send_message(self) -> None:
        self.message = (await self.bob.post(f"{self.home}/messages", text="first words"))["event_id"]
        await self.talk.wait_for_answers(1)

    async def edit_message(self) -> None:
        await self.bob.request("PUT", f"{self.home}/messages/{quote(self.message)}", body={"text": "other words"})

    async def add_reaction(self) -> None:
        path = f"{self.home}/messages/{quote(self.message)}/reactions"
        reacted = await self.bob.request("POST", path, body={"key": "👍"})
        self.reaction = reacted["event_id"]

    async def remove_reaction(self) -> None:
        await self.bob.request("DELETE", f"{self.home}/reactions/{quote(self.reaction)}")

    async def delete_message(self) -> None:
        await self.bob.request("DELETE", f"{self.home}/messages/{quote(self.message)}")
        read = await self.bob.get(f"{self.home}/messages")
        assert self.message not in [each["event_id"] for each in read["messages"]]

    async def create_thread(self) -> None:
        self.root = (await self.bob.post(f"{self.home}/threads", name="Trip to Oslo"))["root"]

    async def archive_thread(self) -> None:
        path = f"{self.home}/threads/{quote(self.root)}"
        assert (await self.bob.request("PATCH", path, body={"archived": True}))["archived"] is True

    async def start_dm(self) -> None:
        self.direct = (await self.ada.post("/v1/direct", to="Bea"))["room_id"]

    async def send_dm(self) -> None:
        sent = await self.ada.post("/v1/send", to="Bea", text="psst")
        assert sent["room_id"] == self.direct
        self.message = sent["event_id"]

    async def mark_dm_read(self) -> None:
        await self.bea.request("PUT", f"/v1/rooms/{quote(self.direct)}/read", body={"event_id": self.message})

    async def mark_channel_read(self) -> None:
        found = next(each for each in (await self.boss.get("/v1/channels"))["channels"] if each["name"] == "news")
        joined = await self.bob.post(f"/v1/channels/{quote(self.channel, safe='')}/join")
        assert joined["room_id"] == found["room_id"]
        await self.person.join(found["room_id"])
        said = await self.person.say(found["room_id"], "news")
        path = f"/v1/rooms/{quote(self.channel, safe='')}/read"
        assert (await self.bob.request("PUT", path, body={"event_id": said}))["room_id"] == found["room_id"]

    async def delete_channel(self) -> None:
        path = f"/v1/channels/{quote(self.channel, safe='')}"
        await self.boss.request("DELETE", path, query={"confirm": "news"})

    async def leave_server(self) -> None:
        await self.bob.post(f"/v1/servers/{self.server}/leave")

    async def _is_online(self) -> bool:
        me = (await self.agent.get("/v1/me"))["user_id"]
        return bool((await self.running.homeserver.presence_of(me, me))["presence"] == "online")

    @asynccontextmanager
    async def _subscribed(self, last_id: str | None = None) -> AsyncIterator[Any]:
        async with subscribed(self.agent, last_id) as events:
            self.agent.calls.append(("GET", "/v1/events"))
            yield events


@pytest.fixture
async def walk(harness: BridgeHarness, postgres: Server) -> AsyncIterator[Walk]:
    with postgres.migrated() as url:
        async with named_upstream("Ada", "Bea") as upstream, harness.person("boss"), harness.person("bob") as bob:
            there = [{"name": "u", "url": upstream.url}]
            permissions = {DOMAIN: "member", BOSS: "owner"}
            config = harness.config(url, there, service=SHARED, permissions=permissions, presence=None)
            async with harness.bridge(config) as running:
                calls: list[tuple[str, str]] = []

                async def of(identity: str) -> Recorded:
                    found = await program_of(running, identity)
                    return Recorded(found.url, found.token, calls)

                yield Walk(
                    running=running,
                    boss=await of(BOSS),
                    bob=await of(BOB),
                    ada=await of("Ada"),
                    bea=await of("Bea"),
                    person=bob,
                    talk=await running.join(bob, "Ada"),
                )


async def test_every_function_of_the_map_is_performed(walk: Walk) -> None:
    performed = [name for name in vars(Walk) if name in FUNCTIONS]
    assert set(performed) == FUNCTIONS
    mapped = rows()
    for name in performed:
        walk.boss.calls.clear()
        await getattr(walk, name)()
        missing = [each for each in mapped[name].endpoints if not _is_called(each, walk.boss.calls)]
        assert missing == [], name


def _is_called(endpoint: tuple[str, str], calls: list[tuple[str, str]]) -> bool:
    method, path = endpoint
    pattern = re.compile(re.sub(r"\\{[a-z_]+\\}", ".+", re.escape(path)))
    return any(called == method and pattern.fullmatch(at) for called, at in calls)
