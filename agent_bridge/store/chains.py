"""Chains: which agents ask one another, how much that has used, and which of them wait for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.chains import Bound, ChainBudget, ChainUse
from agent_bridge.core.errors import TurnLost
from agent_bridge.core.ids import turn_key
from agent_bridge.core.payloads import MessagePayload, RefusalPayload, RefusalReason
from agent_bridge.store.payloads import encode
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import PAIR
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from psycopg.rows import DictRow

    from agent_bridge.core.chains import ResumeRequest
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.rooms import Participant
    from agent_bridge.core.turns import Addressee, Turn
    from agent_bridge.store.postgres.database import Connection, Database

_SQL = Statements("chains")
#: Minutes for which the messages of an agent's program belong to the chain in which the agent was asked last.
_GOES_ON = 10


@dataclass(frozen=True, slots=True)
class AskingTurn:
    """A turn whose answer mentions agents."""

    #: Row id; 0: no turn, but the message of an agent's program.
    id: int
    event_id: str
    sender: str
    answer: str | None
    #: Row id of its chain; None: it has none, or no longer.
    chain: int | None
    hops: int
    #: Row id of the agent whose message asked it; None: a person's.
    asked_by: int | None
    room_id: str
    thread: str
    #: Row id and ghost (localpart) of the agent that answers it.
    agent: int
    ghost: str
    #: Whether the answer may ask agents.
    may_ask: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain and its limits."""

    #: Row id.
    id: int
    root: str
    asker: str
    hops_allowed: int
    turns_allowed: int
    tokens_allowed: int | None
    #: How often people let its agents go on.
    grants: int
    is_stopped: bool

    def budget(self, pair: int) -> ChainBudget:
        """Return its budget; the limit *pair* of two agents holds for all chains."""
        return ChainBudget(self.hops_allowed, pair, self.turns_allowed, self.tokens_allowed)


@dataclass(frozen=True, slots=True)
class HeldAgent:
    """An agent that waits until people let a chain go on."""

    #: Row id of the turn whose answer mentions it.
    asked_in: int
    #: Row id.
    agent: int
    #: The event of that answer, and the row id of the agent that gave it.
    event_id: str
    speaker: int
    bound: Bound


class Chains:
    """The tables ``chain``, ``chain_hold`` and ``pair_grant``, and the turns of chains.

    All methods with a connection work within the caller's transaction, which has locked the room.
    """

    def __init__(self, database: Database, namespace: Namespace) -> None:
        self._database = database
        self._namespace = namespace

    async def source(self, connection: Connection, turn: Turn) -> AskingTurn:
        """Lock *turn*, whose committed answer is shown.

        Raises:
            TurnLost: another worker has taken it up, or it is closed.
        """
        rows = await rows_of(connection, _SQL["source"], {"turn": turn.id, "attempts": turn.attempts})
        if not rows:
            raise TurnLost(f"turn {turn.key} was taken over by another worker, or is closed")
        return AskingTurn(**rows[0])

    async def spoken(
        self, connection: Connection, room_id: str, event_id: str, text: str, speaker: Participant, *, thread: str
    ) -> AskingTurn:
        """Return a message of the program of the agent *speaker* as a turn that asks agents.

        It belongs to the chain in which the agent was asked in the room within the last minutes.
        """
        values = {"room_id": room_id, "agent": speaker.agent, "minutes": _GOES_ON}
        rows = await rows_of(connection, _SQL["recent"], values)
        chain, hops = (rows[0]["chain"], rows[0]["hops"]) if rows else (None, 0)
        return AskingTurn(
            id=0,
            event_id=event_id,
            sender=self._namespace.user_id(speaker.ghost),
            answer=text,
            chain=chain,
            hops=hops,
            asked_by=None,
            room_id=room_id,
            thread=thread,
            agent=speaker.agent,
            ghost=speaker.ghost,
            may_ask=True,
        )

    async def held_source(self, connection: Connection, turn: int) -> AskingTurn | None:
        """Lock the turn with the row id *turn*, whose answer mentions an agent that waits; None if it is deleted."""
        rows = await rows_of(connection, _SQL["held_source"], {"turn": turn})
        return AskingTurn(**rows[0]) if rows else None

    async def of(self, connection: Connection, source: AskingTurn, budget: ChainBudget) -> Chain | None:
        """Return the chain of *source*; the answer to a person begins one with *budget*. None: it is forgotten."""
        if source.chain is not None:
            return Chain(**(await rows_of(connection, _SQL["find"], {"chain": source.chain}))[0])
        if source.asked_by is not None:
            return None
        about = {"room_id": source.room_id, "root": source.event_id}
        limits = {"hops": budget.hops, "turns": budget.turns, "tokens": budget.tokens}
        values = {**about, **limits, "asker": source.sender}
        chain = Chain(**(await rows_of(connection, _SQL["begin"], values))[0])
        await connection.execute(_SQL["join"], {**about, "chain": chain.id})
        return chain

    async def asked(self, connection: Connection, source: AskingTurn) -> set[int]:
        """Return the agents that *source* has asked, or will ask once people let it."""
        return {row["agent"] for row in await rows_of(connection, _SQL["asked"], {"turn": source.id})}

    async def lock_pairs(self, connection: Connection, pairs: Collection[tuple[int, int]]) -> None:
        """Let no other transaction count the questions of *pairs* of agents to each other, also in other rooms.

        Once in a transaction, with all of its pairs.
        """
        low, high = [min(pair) for pair in pairs], [max(pair) for pair in pairs]
        await connection.execute(_SQL["lock_pairs"], {"kind": PAIR, "low": low, "high": high})

    async def used(self, connection: Connection, chain: Chain, source: AskingTurn, agent: int) -> ChainUse:
        """Return how much *chain* has used when *source* asks *agent*."""
        (row,) = await rows_of(connection, _SQL["use"], {"chain": chain.id, **_pair(source.agent, agent)})
        return ChainUse(hops=source.hops + 1, **row)

    async def ask(
        self, connection: Connection, chain: Chain, source: AskingTurn, addressee: Addressee, event_id: str
    ) -> set[int]:
        """Write the turn in which *addressee* answers the event of the answer of *source*; return its lane.

        A repeat writes nothing.
        """
        values = {
            "event_id": event_id,
            "key": turn_key(event_id, addressee.localpart),
            "room_id": source.room_id,
            "thread": source.thread,
            "agent": addressee.agent,
            "sender": self._namespace.user_id(source.ghost),
            "payload": encode(MessagePayload(source.answer or "")),
            "chain": chain.id,
            "hops": source.hops + 1,
            "asked_by": source.agent,
            "asked_in": source.id or None,
        }
        return {row["conversation"] for row in await rows_of(connection, _SQL["ask"], values)}

    async def hold(self, connection: Connection, chain: Chain, held: HeldAgent) -> None:
        """Have an agent wait until people let *chain* go on."""
        values = {
            "asked_in": held.asked_in,
            "agent": held.agent,
            "chain": chain.id,
            "event_id": held.event_id,
            "bound": held.bound,
            "grants": chain.grants,
        }
        await connection.execute(_SQL["hold"], values)

    async def tell(
        self, connection: Connection, chain: Chain, source: AskingTurn, event_id: str, target: str
    ) -> set[int]:
        """Write the turn in which the bridge asks people about *chain*, once for each grant; return its lane.

        It is the turn of the event *event_id*. The notice replies to the event *target*.
        """
        payload = RefusalPayload(RefusalReason.CHAIN_LIMIT, source.thread, target=target)
        values = {
            "event_id": event_id,
            "key": turn_key(event_id, self._namespace.bot_username),
            "room_id": source.room_id,
            "sender": chain.asker,
            "payload": encode(payload),
            "reason": payload.reason,
            "once_key": f"chain:{chain.id}:{chain.grants}",
            "chain": chain.id,
        }
        return {row["conversation"] for row in await rows_of(connection, _SQL["tell"], values)}

    async def noticed(self, connection: Connection, request: ResumeRequest) -> tuple[Chain, bool] | None:
        """Return the chain about which *request* lets agents go on, and whether that counts; None: about none.

        It does not count if people have let them go on since, or if they have stopped the chain.
        """
        values = {"target": request.target, "room_id": request.room_id}
        rows = await rows_of(connection, _SQL["noticed"], values)
        if not rows:
            return None
        noticed = rows[0].pop("noticed")
        chain = Chain(**rows[0])
        return chain, noticed == chain.grants and not chain.is_stopped

    async def grant(self, connection: Connection, chain: Chain) -> tuple[Chain, list[HeldAgent]]:
        """Note that people let the agents of *chain* go on; return the chain as it is then, and those that wait."""
        values = {"chain": chain.id, "grants": chain.grants}
        held = [_held(row) for row in await rows_of(connection, _SQL["held"], values)]
        await connection.execute(_SQL["grant"], values)
        return Chain(**(await rows_of(connection, _SQL["find"], values))[0]), held

    async def set_budget(self, connection: Connection, chain: Chain, budget: ChainBudget) -> Chain:
        """Store the budget of *chain*, and return the chain with it."""
        values = {"chain": chain.id, "hops": budget.hops, "turns": budget.turns, "tokens": budget.tokens}
        await connection.execute(_SQL["raise"], values)
        return Chain(**(await rows_of(connection, _SQL["find"], values))[0])

    async def grant_pair(self, connection: Connection, one: int, other: int) -> None:
        """Count the questions of two agents to each other from now on."""
        await connection.execute(_SQL["grant_pair"], _pair(one, other))

    async def release(self, connection: Connection, held: HeldAgent) -> None:
        """Forget that an agent waits."""
        await connection.execute(_SQL["release"], {"asked_in": held.asked_in, "agent": held.agent})

    async def reached(self, turn: Turn, pair: int) -> tuple[Bound, ChainBudget] | None:
        """Return the limit about which the notice *turn* asks people, and the budget of the chain.

        None: the chain does not wait any more.
        """
        row = await self._database.row(_SQL["notice"], {"turn": turn.id})
        if row is None:
            return None
        return Bound(row["bound"]), ChainBudget(row["hops_allowed"], pair, row["turns_allowed"], row["tokens_allowed"])


def _held(row: DictRow) -> HeldAgent:
    return HeldAgent(**{**row, "bound": Bound(row["bound"])})


def _pair(one: int, other: int) -> dict[str, int]:
    return {"low": min(one, other), "high": max(one, other)}
