"""Programs that use the HTTP API: subscriptions, and questions with their answers."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.core.actors import Actor
from agent_bridge.core.programs import ALL_CAPABILITIES, random_token, token_hash
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.tokens import NewToken, Tokens
from benchmarks.cpu import resident_megabytes
from benchmarks.figure import Aim, Figure, median, percentile
from benchmarks.household import answered, household, question, trip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.ground import Ground
    from benchmarks.household import Household

_MESSAGES, _MANY_MESSAGES, _WARM_UP = 120, 15, 10
_SUBSCRIBERS, _OF_A_TOKEN = 1_000, 25
#: Blocks of questions, and questions of a block.
_BLOCKS, _QUESTIONS = 8, 15
_PATIENCE, _PAUSE = 60.0, 0.05


class Subscriber:
    """A program that subscribes to the messages of a room."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str, room_id: str) -> None:
        self._session = session
        self._url = f"{url}/v1/events"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._query = {"rooms": room_id, "types": "message"}
        self.ready = asyncio.Event()
        #: When each text came, by :func:`time.monotonic`.
        self.seen: dict[str, float] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Read events, until cancelled."""
        kind = ""
        async with self._session.get(self._url, headers=self._headers, params=self._query) as response:
            response.raise_for_status()
            async for line in response.content:
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: ") and kind == "ready":
                    self.ready.set()
                elif line.startswith(b"data: "):
                    came = time.monotonic()
                    # The answer has the same text, and comes later.
                    self.seen.setdefault(json.loads(line[6:])["text"], came)
                    self._news.set()
                    self._news = asyncio.Event()

    async def when(self, text: str) -> float:
        """Return when *text* came."""
        async with asyncio.timeout(_PATIENCE):
            while text not in self.seen:
                await self._news.wait()
        return self.seen[text]


async def tokens_of(home: Household, number: int) -> list[str]:
    """Return *number* new tokens of the person."""
    config = home.bridge.config
    secrets = [random_token() for _ in range(number)]
    async with Database(config.database.url, pool_size=4) as database:
        tokens = Tokens(database, config.namespace)
        async with database.transaction() as connection:
            for place, secret in enumerate(secrets):
                new = NewToken(
                    name=f"program {place}",
                    identity=Actor(home.person.user_id),
                    hash=token_hash(secret),
                    nonce=None,
                    capabilities=ALL_CAPABILITIES,
                    rooms=None,
                    made_by="",
                    seconds=None,
                )
                await tokens.add(connection, new)
    return secrets


@asynccontextmanager
async def subscribed(home: Household, tokens: list[str], number: int) -> AsyncIterator[list[Subscriber]]:
    """Subscribe *number* times to the first room."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_PATIENCE)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, AsyncExitStack() as stack:
        url, room_id = home.bridge.config.public_url, home.rooms[0]
        found = [Subscriber(session, url, tokens[place % len(tokens)], room_id) for place in range(number)]
        reading = [asyncio.create_task(each.run()) for each in found]

        async def end() -> None:
            for each in reading:
                each.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

        stack.push_async_callback(end)
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(each.ready.wait() for each in found))
        yield found


async def say(home: Household, subscribers: list[Subscriber]) -> tuple[list[float], float]:
    """Say something; return the seconds until each of *subscribers*, and until the person's /sync, has it."""
    person, room_id, text = home.person, home.rooms[0], question()

    def synced() -> bool:
        return any(each.body == text for each in person.room(room_id).messages.values())

    async def own() -> float:
        await person.wait_for(synced, within=_PATIENCE)
        return time.monotonic()

    started = time.monotonic()
    watching = asyncio.create_task(own())
    await person.say(room_id, text)
    came = await asyncio.gather(*(each.when(text) for each in subscribers))
    seen = await watching
    # The answer repeats the text; the next message begins with idle servers.
    await person.wait_for(lambda: answered(person, room_id, text), within=_PATIENCE)
    await asyncio.sleep(_PAUSE)
    return [each - started for each in came], seen - started


async def subscribers(ground: Ground) -> list[Figure]:
    """Measure ``subscription_ratio_p95`` and ``subscribers_1000_ratio_p95``."""
    limits = {"requests_per_minute": 100_000}
    async with household(ground, "subscribers", 1, api=limits) as home:
        tokens = await tokens_of(home, _SUBSCRIBERS // _OF_A_TOKEN)
        async with subscribed(home, tokens, 1) as one:
            for _ in range(_WARM_UP):
                await say(home, one)
            single = [await say(home, one) for _ in range(_MESSAGES)]
        before = resident_megabytes(home.bridge.program.pid)
        async with subscribed(home, tokens, _SUBSCRIBERS) as many:
            await say(home, many)
            crowd = [await say(home, many) for _ in range(_MANY_MESSAGES)]
            after = resident_megabytes(home.bridge.program.pid)
    ours, theirs = [came[0] for came, _ in single], [seen for _, seen in single]
    everybody, beside = [each for came, _ in crowd for each in came], [seen for _, seen in crowd]
    return [
        Figure(
            "subscription_ratio_p95",
            percentile(ours, 95) / percentile(theirs, 95),
            "Time from PUT /send of a message to its event at a program that subscribes (`GET /v1/events`), over the "
            f"time to the /sync of the person's client; 95th percentiles of {len(ours)} messages, each at both.",
            Aim(1.2),
            parts={
                "subscriber p50 ms": median(ours) * 1000,
                "subscriber p95 ms": percentile(ours, 95) * 1000,
                "/sync p50 ms": median(theirs) * 1000,
                "/sync p95 ms": percentile(theirs, 95) * 1000,
            },
        ),
        Figure(
            "subscribers_1000_mb",
            after - before,
            f"Growth of the memory of one process by {_SUBSCRIBERS} subscribers to one room. The program that reads "
            "all of them runs on the same machine, and its time is part of theirs.",
            parts={
                "subscribers p50 ms": median(everybody) * 1000,
                "subscribers p95 ms": percentile(everybody, 95) * 1000,
                "/sync p95 ms": percentile(beside, 95) * 1000,
                "bridge MB": after,
            },
        ),
    ]


async def send_and_wait(ground: Ground) -> list[Figure]:
    """Measure ``ask_ratio_p50``."""
    limits = {"requests_per_minute": 100_000}
    async with household(ground, "ask", 1, api=limits) as home, aiohttp.ClientSession() as session:
        (token,) = await tokens_of(home, 1)
        headers = {"Authorization": f"Bearer {token}"}
        room_id, url = home.rooms[0], f"{home.bridge.config.public_url}/v1/ask"

        async def ask() -> float:
            body: dict[str, Any] = {"to": room_id, "text": question(), "timeout": _PATIENCE}
            started = time.monotonic()
            async with session.post(url, json=body, headers=headers) as response:
                found = await response.json()
            took = time.monotonic() - started
            if not (found.get("is_complete") and found["answers"][0]["text"].endswith(body["text"])):
                raise RuntimeError(f"no answer: {found}")
            await asyncio.sleep(_PAUSE)
            return took

        async def talk() -> float:
            seen = (await trip(home.person, home.upstream, room_id)).seen
            await asyncio.sleep(_PAUSE)
            return seen

        for _ in range(_WARM_UP):
            await ask()
            await talk()
        asked: list[list[float]] = []
        talked: list[list[float]] = []
        for number in range(_BLOCKS):
            kinds = [(ask, asked), (talk, talked)]
            for exchange, times in kinds if number % 2 else kinds[::-1]:
                times.append([await exchange() for _ in range(_QUESTIONS)])
    ours, theirs = [each for one in asked for each in one], [each for one in talked for each in one]
    return [
        Figure(
            "ask_ratio_p50",
            median(ours) / median(theirs),
            "Time of a question with its answer by the API (`POST /v1/ask`, as `agent-bridge send --wait` sends it), "
            "over the time from a person's PUT /send to the answer in the person's /sync; medians of "
            f"{len(ours)} questions each, in alternating blocks.",
            Aim(1.2),
            [median(one) / median(other) for one, other in zip(asked, talked, strict=True)],
            {
                "API p50 ms": median(ours) * 1000,
                "API p95 ms": percentile(ours, 95) * 1000,
                "client p50 ms": median(theirs) * 1000,
                "client p95 ms": percentile(theirs, 95) * 1000,
            },
        )
    ]
