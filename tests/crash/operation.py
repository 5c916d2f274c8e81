"""An administrator operates the bridge while faults happen: each order has one reply, and in the end its effect."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from agent_bridge.core.errors import HomeserverUnavailable, StoreError
from agent_bridge.core.roles import Role
from agent_bridge.store.agents import Agents
from crash.counting import WHOLE, CountingUpstream
from crash.spots import SETTLED_WITHIN, insist, join
from support.conditions import eventually
from support.damages import homeserver_of
from support.imports import letta_of, remember
from support.scripted_app_server import ScriptedAppServer
from support.trigger_requests import secret_in, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agent_bridge.config.model import Config
    from agent_bridge.demo.timeline import Message
    from agent_bridge.store.agents import AgentRoom
    from agent_bridge.store.postgres.database import Database
    from crash.replica import Replica
    from support.harness import BridgeHarness
    from support.person import Person
    from support.trigger_requests import Secret

#: Messages that the server of the imports has in the beginning: questions, each with an answer.
_EARLIER = 3
_AGAIN = 0.3
_ACCEPTED = 202
#: Signs that the reply to an order is not complete.
_UNFINISHED = ("…", "so far", "is being invited")


@dataclass(slots=True)
class Words:
    """Words that people and programs said to agents; each is another one."""

    #: Those that an agent has to answer once, and those that no agent may hear.
    due: list[str] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)
    #: The texts of accepted requests to triggers.
    woken: list[str] = field(default_factory=list)


class Servers:
    """The servers of the agents that an administrator operates: one that counts tokens, and one with a history."""

    def __init__(self) -> None:
        self.counting = CountingUpstream(3, has_keys=True)
        self.letta = ScriptedAppServer("dora")
        self._stack = AsyncExitStack()
        remember(self.letta, _EARLIER)
        #: Questions that the server with the history knows.
        self.remembered = _EARLIER

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.counting)
        await self._stack.enter_async_context(self.letta)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def config(self) -> list[dict[str, Any]]:
        """Their sections of the configuration."""
        return [self.counting.config | {"poll_interval": 0.5}, *letta_of(self.letta, poll_interval=0.5)]

    @property
    def agents(self) -> list[str]:
        """The agents that are asked, retired, and taken from the list; and the one with a history."""
        return [*self.counting.names, *self.letta.names]


class Operation:
    """An administrator, and two users whose roles change: one by commands, and one by the configuration."""

    def __init__(self, seed: int, harness: BridgeHarness, servers: Servers, pace: float) -> None:
        self._random = random.Random(f"{seed} operation")  # noqa: S311
        self._harness = harness
        self.servers = servers
        self._pace = pace
        self._numbers = itertools.count(1)
        self._stack = AsyncExitStack()
        self.words = Words()
        #: The orders and the number of messages that each leads to.
        self.orders: list[tuple[str, int]] = []
        #: Orders without a reply.
        self.unanswered: list[str] = []
        #: The states that the last orders wish.
        self.role, self.configured = "member", "member"
        self.is_retired = self.is_away = False
        self._models = [*servers.counting.models]
        self.asked, self.retired, self.removed, self.remembering = servers.agents
        self.rooms: dict[str, str] = {}
        self.patience = SETTLED_WITHIN

    async def __aenter__(self) -> Self:
        people = [await self._stack.enter_async_context(self._harness.person(name)) for name in ("admin", None, None)]
        self.admin, self.guest, self.helper = people
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def begin(self, config: Config, replicas: Sequence[Replica], database: Database) -> None:
        """Enter the rooms, and make a trigger, while no fault happens."""
        self._config, self._replicas, self._database = config, replicas, database
        self._bot = config.namespace.bot
        self._url = f"http://127.0.0.1:{config.appservice.port}"
        for name in self.servers.agents:
            contact = await eventually(lambda name=name: self.contact(name), f"{name} has a room", SETTLED_WITHIN)  # type: ignore[misc]
            self.rooms[name] = contact.home.room_id or ""
        for name in (self.asked, self.remembering):
            await join(self.admin, self.rooms[name])
        self._desk = await self.admin.create_dm(self._bot)
        await self.admin.wait_for(self.said, SETTLED_WITHIN)
        self._greeted = len(self.said())
        await self._order(f"trigger new @{self.asked} signed signed", messages=2)
        self._trigger = self._secret()
        await self._order(f"invite * {self.guest.user_id}")
        await join(self.guest, self.rooms[self.asked])

    async def contact(self, name: str) -> AgentRoom | None:
        """Return an agent with a complete room."""
        found = [each for each in await Agents(self._database).all() if each.agent.name == name]
        return next((each for each in found if each.home.bot_joined and each.home.name_applied), None)

    def said(self, room_id: str = "") -> list[Message]:
        """Return the messages of the bot in a room, by default in the chat with it."""
        return self.admin.room(room_id or self._desk).said_by(self._bot)

    def rest(self) -> list[str]:
        """Return the messages in the chat with the bot that no order explains."""
        return [each.body for each in self.said()[self._greeted + sum(count for _, count in self.orders) :]]

    @property
    def evidence(self) -> list[tuple[str, Person, str]]:
        """The rooms that tell how it was: a name, a person in the room, and the room."""
        rooms = [("desk", self._desk), *((name, self.rooms[name]) for name in (self.asked, self.remembering))]
        return [(name, self.admin, room_id) for name, room_id in rooms]

    async def run(self, enough: asyncio.Event) -> None:
        """Operate the bridge until it is *enough*: each kind of act once, in any order, and then again."""
        acts = [
            self._ask,
            self._wake,
            self._wake_once,
            self._give_a_role,
            self._shut_out,
            self._reload,
            self._mute,
            self._retire,
            self._remove,
            self._damage,
            self._import,
            self._look,
        ]
        drawn: list[Callable[[], Awaitable[None]]] = []
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), self._random.expovariate(1 / self._pace))
                return
            if not drawn:
                drawn = self._random.sample(acts, len(acts))
            await drawn.pop()()

    async def end(self) -> None:
        """Give the last orders, after the faults."""
        await self._ask()
        await self._wake()
        await self._import()
        await self._order("repair")

    async def order_again(self, text: str) -> str:
        """Give an order after the faults, and return the reply."""
        return await self._order(text)

    # What the administrator does.

    async def _ask(self) -> None:
        """The administrator and the guest ask an agent."""
        await self._say(self.admin, self.words.due)
        await self._say(self.guest, self.words.due)

    async def _wake(self) -> None:
        """A program wakes an agent, and repeats the request until it is accepted, and once more."""
        await self._request(self._trigger)

    async def _wake_once(self) -> None:
        number = next(self._numbers)
        if await self._order(f"trigger new @{self.asked} callback{number}", messages=2):
            await self._request(self._secret())

    async def _give_a_role(self) -> None:
        self.role = self._random.choice(["member", "moderator", "default"])
        await self._order(f"role {self.guest.user_id} {self.role}")

    async def _shut_out(self) -> None:
        """The guest loses the role, says something, gets the role again, and comes back."""
        room_id = self.rooms[self.asked]
        await self._answered()
        self.role = "none"
        await self._order(f"role {self.guest.user_id} none")
        await self._until(lambda: room_id not in self.guest.rooms, "the guest is out")
        self.role = "member"
        await self._order(f"role {self.guest.user_id} member")
        await self._order(f"invite * {self.guest.user_id}")
        await self._until(lambda: room_id in self.guest.invites, "the guest is invited")
        await self._enter(self.guest, room_id)

    async def _reload(self) -> None:
        """The operator changes a role in the files, and has them read."""
        self.configured = "moderator" if self.configured == "member" else "member"
        for replica in self._replicas:
            permissions = {**replica.config.permissions, self.helper.user_id: Role[self.configured.upper()]}
            replica.configure(replica.config.model_copy(update={"permissions": permissions}))
        await self._order("reload")

    async def _mute(self) -> None:
        """The guest is muted everywhere, says something, and is not muted any more."""
        await self._answered()
        await self._order(f"mute {self.guest.user_id}")
        event_id = await self._say(self.guest, self.words.unheard)
        # Nothing orders the events of two rooms: a word that arrives when the mute is over is heard.
        await self._taken(event_id)
        await self._order(f"unmute {self.guest.user_id}")
        await self._say(self.guest, self.words.due)

    async def _retire(self) -> None:
        self.is_retired = not self.is_retired
        await self._order(f"retire {self.retired}" + ("" if self.is_retired else " back"))

    async def _remove(self) -> None:
        """An agent disappears from the list of its server, or comes back."""
        self.is_away = not self.is_away
        listed = self.servers.counting.models
        listed[:] = [each for each in self._models if not self.is_away or each["id"] != self._models[2]["id"]]
        if self.is_away:
            await self._order("sync all")

    async def _damage(self) -> None:
        """Somebody damages a room, and the administrator has it repaired."""
        async with homeserver_of(self._config) as homeserver:
            with contextlib.suppress(HomeserverUnavailable):
                await homeserver.set_state(self.rooms[self.asked], "m.room.topic", {"topic": "damaged"})
        await self._order("repair")

    async def _import(self) -> None:
        """Another client talks with the agent, and the administrator has that shown."""
        remember(self.servers.letta, 1, start=self.servers.remembered)
        self.servers.remembered += 1
        room_id = self.rooms[self.remembering]
        before = len(self._answers_in(room_id))
        path = f"send/m.room.message/import-{next(self._numbers)}"
        await insist(self.admin, room_id, path, {"msgtype": "m.text", "body": "!ab import all"})
        await self._until(lambda: self._complete(self._answers_in(room_id)[before:], 1), "the import has a reply")

    async def _look(self) -> None:
        for order in ("usage user month", "plan", "status"):
            await self._order(order)

    # How it is done.

    async def _order(self, text: str, *, messages: int = 1) -> str:
        """Give an order in the chat with the bot; return the last of the *messages* of the reply, or nothing."""
        before = self._greeted + sum(count for _, count in self.orders)
        self.orders.append((text, messages))
        path = f"send/m.room.message/order-{len(self.orders)}"
        await insist(self.admin, self._desk, path, {"msgtype": "m.text", "body": text})
        what = f"{text} has a reply"
        if await self._until(lambda: self._complete(self.said()[before:], messages), what):
            return self.said()[before + messages - 1].body
        return ""

    @staticmethod
    def _complete(said: Sequence[Message], messages: int) -> bool:
        return len(said) >= messages and not any(sign in said[messages - 1].body for sign in _UNFINISHED)

    def _answers_in(self, room_id: str) -> list[Message]:
        return [each for each in self.said(room_id) if each.body.startswith(("Import", "There are no earlier"))]

    async def _until(self, seen: Callable[[], bool], what: str) -> bool:
        try:
            await self.admin.wait_for(seen, self.patience)
        except TimeoutError:
            self.unanswered.append(f"not seen: {what}")
            return False
        return True

    def _secret(self) -> Secret:
        found = [secret_in(each.body) for each in self.said()]
        return [each for each in found if each is not None][-1].at(self._url)

    async def _request(self, secret: Secret) -> None:
        text = f"wake{next(self._numbers)}."
        request, accepted = secret.request(text), 0
        deadline = asyncio.get_running_loop().time() + self.patience
        while accepted < 2 and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                async with asyncio.timeout(15):
                    status, _ = await send(secret.url, request)
                accepted += status == _ACCEPTED
            await asyncio.sleep(_AGAIN)
        if not accepted:
            self.unanswered.append(f"the request {text} was not accepted")
        else:
            self.words.woken.append(text)

    async def _answered(self) -> None:
        """Wait until the words that are due have whole answers: a mute and the loss of a role end the others."""

        def complete() -> bool:
            said = [each.body for each in self.admin.room(self.rooms[self.asked]).messages.values()]
            return all(any(word in body and body.endswith(WHOLE) for body in said) for word in self.words.due)

        await self._until(complete, "the words are answered")

    async def _taken(self, event_id: str) -> None:
        """Wait until the bridge has taken an event."""
        query = "SELECT 1 FROM ignored WHERE event_id = %s UNION ALL SELECT 1 FROM turn WHERE event_id = %s"

        async def taken() -> bool:
            with contextlib.suppress(StoreError):
                return bool(await self._database.rows(query, (event_id, event_id)))
            return False

        try:
            await eventually(taken, "the bridge has taken an event", self.patience)
        except AssertionError:
            self.unanswered.append(f"not taken: {event_id}")

    async def _say(self, person: Person, words: list[str]) -> str:
        """Have *person* say a new word to an agent; return the event."""
        word = f"word{next(self._numbers)}."
        path = f"send/m.room.message/{word}"
        event_id = await insist(person, self.rooms[self.asked], path, {"msgtype": "m.text", "body": word})
        words.append(word)
        return event_id

    async def _enter(self, person: Person, room_id: str) -> None:
        while room_id not in person.rooms:
            with contextlib.suppress(HomeserverUnavailable, TimeoutError):
                await person.join(room_id)
                await person.wait_for(lambda: room_id in person.rooms)
            await asyncio.sleep(_AGAIN)
