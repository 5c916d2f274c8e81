"""The endpoint under hostile transactions, in any order: each good event becomes exactly one turn."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from agent_bridge.matrix.events import clean
from support.appservice_client import (
    TOKEN,
    dead_letter_reasons,
    make_homes,
    messages_in,
    real_intake,
    rooms_to_backfill,
    serve_endpoint,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent_bridge.store.postgres.database import Database
    from support.appservice_client import AppServiceClient

ROOMS = ["!one:example.org", "!two:example.org"]
MAX_SIZE = 1_000_000


class Long(str):
    """Text that is too long for the message of a failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Long({self[:10]!r}, {len(self)} characters)"


TOO_DEEP = "[" * 100_000 + "]" * 100_000
UNREADABLE = [Long(f'{{"content": {TOO_DEEP}}}'), Long("9" * 5000), "nonsense", '"\\x"']

#: Values that JSON can carry and PostgreSQL cannot store.
UNSTORABLE = ["\0", "a\0b", "\ud800", "a\udfffb", "\udc00\ud800"]
ANY_TEXT = st.text(st.characters(), max_size=10) | st.sampled_from(UNSTORABLE)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.sampled_from([10**400, "x" * 3000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
#: Keys that the bridge reads, and values that it recognises: junk under such a key passes the first checks.
KEYS = st.sampled_from(["membership", "m.relates_to", "rel_type", "event_id", "key", "body", "msgtype"])
WORDS = st.sampled_from(
    ["invite", "m.text", "m.image", "m.replace", "m.annotation", "🛑", "!ab stop", "!ab", "$1", "\0"]
)
CONTENT = st.recursive(WORDS | JUNK, lambda inner: st.dictionaries(KEYS | ANY_TEXT, inner, max_size=5), max_leaves=8)
STOP = st.fixed_dictionaries(
    {"key": st.sampled_from(["🛑", "🛑\ufe0f"]), "event_id": st.sampled_from(UNSTORABLE) | JUNK}
)
CONTENTS = st.dictionaries(KEYS | ANY_TEXT, CONTENT, max_size=5)
TYPES = ["m.room.message", "m.room.member", "m.room.encrypted", "m.reaction"]
STATE_KEYS = ["", "@agent_x:example.org", "@agentbridge:example.org"]
SENDERS = ["@bob:example.org", "@eve:other.org", "@agent_x:example.org"]


@dataclass(frozen=True)
class Good:
    """A message that needs an answer. It gets its event id when it is sent."""

    room: int
    body: str
    #: Further keys of the event, and of its content.
    more: dict[str, Any]
    content: dict[str, Any]


@dataclass(frozen=True)
class Again:
    """A repetition of an earlier good event, counted from the newest."""

    back: int


@dataclass(frozen=True)
class Bad:
    """JSON that is no event for the bridge."""

    json: str
    #: Whether Python reads it.
    readable: bool


@dataclass(frozen=True)
class Transaction:
    elements: Sequence[Good | Again | Bad]
    txn_id: str
    #: The damage to the body before it is sent.
    harm: str
    #: Headers and query that authenticate the sender.
    proof: tuple[dict[str, str], dict[str, str]]
    #: The number of copies that are sent at the same time.
    times: int


def _is_for_the_agent(body: str) -> bool:
    return clean(body).split(maxsplit=1)[:1] not in ([], ["!ab"])


def _relates(content: dict[str, Any]) -> bool:
    """Tell whether *content* is that of a message and not of an edit."""
    related = content.get("m.relates_to")
    return not (isinstance(related, dict) and related.get("rel_type") == "m.replace")


RIGHT = [({"Authorization": f"Bearer {TOKEN}"}, {}), ({}, {"access_token": TOKEN})]
WRONG = [
    ({}, {}),
    ({"Authorization": "Bearer wrong"}, {"access_token": TOKEN}),
    ({"Authorization": "Basic eDp5"}, {"access_token": f"{TOKEN}\0"}),
    ({}, {"access_token": "\u00fc"}),
]
HARMLESS = ["", "more keys", "no UTF-8", "claims to be compressed"]
RUIN = ["cut", "compressed", "array", "no list", "no JSON", "too large", "empty"]
PATHS = ["1", "2", "3", "0", "9" * 400, "%00", "%20", "a%2Fb", "", "%ff", "-1", "%F0%9F%98%80", "{}", "%D9%A3"]

GOOD = st.builds(
    Good,
    st.sampled_from(range(len(ROOMS))),
    (ANY_TEXT | st.just(Long("long " * 20_000))).filter(_is_for_the_agent),
    st.dictionaries(ANY_TEXT | st.just("unsigned"), JUNK, max_size=2).filter(lambda more: "state_key" not in more),
    st.dictionaries(ANY_TEXT | KEYS.filter(lambda key: key not in {"body", "msgtype"}), CONTENT, max_size=3).filter(
        _relates
    ),
)
FIELDS = {
    "event_id": JUNK | st.integers(10**6).map("$bad{}".format),
    "room_id": JUNK | st.sampled_from(ROOMS),
    "type": JUNK | st.sampled_from(TYPES),
    "sender": JUNK | st.sampled_from(SENDERS),
    "state_key": JUNK | st.sampled_from(STATE_KEYS),
    "content": JUNK | CONTENTS,
    "origin_server_ts": JUNK,
}
WHOLE = {
    "event_id": st.integers(10**6).map("$odd{}".format),
    "room_id": st.sampled_from(ROOMS),
    "type": st.sampled_from(TYPES),
    "sender": st.sampled_from(SENDERS),
    "content": CONTENTS,
}
STOPS = WHOLE | {
    "type": st.just("m.reaction"),
    "sender": st.just(SENDERS[0]),
    "content": st.fixed_dictionaries({"m.relates_to": STOP}),
}
ODD = (
    JUNK
    | st.fixed_dictionaries({}, optional=FIELDS)
    | st.fixed_dictionaries(WHOLE, optional={"state_key": FIELDS["state_key"]})
    | st.fixed_dictionaries(STOPS)
)
NEARLY = st.integers(300, 1100).map(lambda depth: f'{{"event_id": {"[" * depth}{"]" * depth}}}')
BAD = (
    st.builds(Bad, ODD.map(json.dumps) | NEARLY, st.just(True))
    | st.builds(Bad, st.sampled_from(UNREADABLE), st.just(False))
)  # fmt: skip
TRANSACTIONS = st.builds(
    Transaction,
    st.lists(GOOD | st.builds(Again, st.integers(1, 9)) | BAD, max_size=8),
    st.sampled_from(PATHS),
    st.sampled_from(HARMLESS) | st.sampled_from(RUIN),
    st.sampled_from(RIGHT) | st.sampled_from(RIGHT + WRONG),
    st.sampled_from([1, 1, 1, 2]),
)


class Homeserver:
    """Sends transactions, and knows the events that each room must have afterwards."""

    def __init__(self, client: AppServiceClient, database: Database, numbers: Iterator[int]) -> None:
        self._caller = client
        self._database = database
        self._numbers = numbers
        self._sent: list[tuple[str, Good]] = []
        self._expected: dict[str, list[tuple[str, str]]] = {room_id: [] for room_id in ROOMS}

    async def send(self, transaction: Transaction) -> None:
        elements = list(self._elements(transaction))
        body = _harmed(transaction.harm, ",".join(text for text, _ in elements))
        before = len(await dead_letter_reasons(self._database))
        headers, query = transaction.proof
        if "compressed" in transaction.harm:
            headers = headers | {"Content-Encoding": "gzip"}
        path = f"/_matrix/app/v1/transactions/{transaction.txn_id}"
        sent = [self._caller.put(body, path, headers=headers, **query) for _ in range(transaction.times)]
        for status, answer in await asyncio.gather(*sent):
            if transaction.proof in RIGHT:
                assert (status, answer) == (200, {})
            else:
                assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
        if transaction.proof not in RIGHT:
            assert len(await dead_letter_reasons(self._database)) == before
            return
        if transaction.harm in {*HARMLESS, "cut"}:
            self._expect(good for _, good in elements if good is not None)
        if transaction.harm in RUIN or any(
            isinstance(each, Bad) and not each.readable for each in transaction.elements
        ):
            assert len(await dead_letter_reasons(self._database)) > before
            assert await rooms_to_backfill(self._database) == set(ROOMS)

    async def check(self) -> None:
        """Fail unless each room has the accepted good events, once and in order."""
        sent = {event_id for event_id, _ in self._sent}
        for room_id, expected in self._expected.items():
            messages = await messages_in(self._database, room_id)
            assert [message for message in messages if message[0] in sent] == expected
        await self._database.execute("UPDATE room SET needs_backfill = false")

    def _expect(self, taken: Iterable[tuple[str, Good]]) -> None:
        for event_id, good in taken:
            message, expected = (event_id, clean(good.body)), self._expected[ROOMS[good.room]]
            if message not in expected:
                expected.append(message)

    def _elements(self, transaction: Transaction) -> Iterator[tuple[str, tuple[str, Good] | None]]:
        """Yield each element as JSON, and its good event if it has one."""
        for element in transaction.elements:
            if isinstance(element, Bad):
                yield element.json, None
                continue
            if isinstance(element, Good):
                self._sent.append((f"$good{next(self._numbers)}", element))
            back = element.back if isinstance(element, Again) else 1
            if back <= len(self._sent):
                yield _json(*self._sent[-back]), self._sent[-back]


def _json(event_id: str, good: Good) -> str:
    content = good.content | {"msgtype": "m.text", "body": good.body}
    own = {"event_id": event_id, "room_id": ROOMS[good.room], "type": "m.room.message", "sender": SENDERS[0]}
    return json.dumps(good.more | own | {"content": content, "origin_server_ts": 1})


def _harmed(harm: str, listed: str) -> bytes:
    """Return the body of a transaction with the elements *listed*, damaged as *harm* says."""
    whole = f'{{"events":[{listed}]}}'
    bodies = {
        "more keys": f'{{"events":[{listed}],"ephemeral":[{{"events":[1]}}],"\\u0000":NaN}}',
        "no UTF-8": f'{{"x":"\ud800","events":[{listed}]}}',
        "cut": whole[:-2],
        "array": f"[{listed}]",
        "no list": f'{{"events":{whole}}}',
        "no JSON": f"<html>{listed}",
        "too large": whole.ljust(MAX_SIZE + 1),
        "empty": "",
    }
    body = bodies.get(harm, whole).encode("utf-8", "surrogatepass")
    return gzip.compress(body) if harm == "compressed" else body


NUMBERS = itertools.count()


@settings(suppress_health_check=list(HealthCheck))
@given(transactions=st.lists(TRANSACTIONS, min_size=1, max_size=6))
async def test_good_events_arrive_beside_any_others(database: Database, transactions: list[Transaction]) -> None:
    if not await database.rows("SELECT 1 FROM room"):
        await make_homes(database, ROOMS)
    await database.execute("DELETE FROM turn")
    async with serve_endpoint(TOKEN, real_intake(database), max_size=MAX_SIZE) as client:
        homeserver = Homeserver(client, database, NUMBERS)
        for transaction in transactions:
            event(transaction.harm or "whole")
            await homeserver.send(transaction)
            await homeserver.check()
