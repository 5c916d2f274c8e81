"""Tokens are made, and refused: for chat commands and for the command line."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.core.actors import Actor
from agent_bridge.core.ids import checked_user_id
from agent_bridge.core.names import one_line
from agent_bridge.core.programs import ALL_CAPABILITIES, LONGEST_TOKEN_NAME, MOST_TOKENS, Capability
from agent_bridge.core.results.tokens import TokenEntry, TokenNotMade, TokenProblem
from agent_bridge.store.tokens import NewToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent_bridge.bridge.programs.names import Names
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.store.postgres.database import Connection
    from agent_bridge.store.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """A token as its maker describes it, in words."""

    name: str
    #: An agent, or a user id; empty: the maker.
    identity: str = ""
    #: None: all rooms of the identity.
    rooms: tuple[str, ...] | None = None
    #: Empty: all.
    capabilities: tuple[str, ...] = ()
    #: A length of time; empty: without an end.
    expires: str = ""


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """A token that can be made."""

    name: str
    identity: Actor
    #: Name of the agent, or user id of the person.
    label: str
    capabilities: frozenset[Capability]
    rooms: frozenset[str] | None
    seconds: float | None


class TokenMaker:
    """Decides about wishes, and writes tokens. *seconds_of* reads a length of time; None: it is none."""

    def __init__(
        self, tokens: Tokens, names: Names, namespace: Namespace, seconds_of: Callable[[str], float | None]
    ) -> None:
        self._tokens = tokens
        self._names = names
        self._namespace = namespace
        self._seconds_of = seconds_of

    async def plan(self, wish: TokenWish, maker: str, *, for_agents: bool) -> TokenPlan | TokenNotMade:
        """Return the token that *wish* describes, or why *maker* (empty: an operator) cannot have it.

        *for_agents*: the maker may make tokens of agents.

        Raises:
            HomeserverError, StoreError: the rooms or agents cannot be read.
        """
        name = one_line(wish.name)[:LONGEST_TOKEN_NAME]
        if not name or name.lstrip("#").isdecimal():
            return TokenNotMade(TokenProblem.BAD_NAME, name)
        identity = await self._identity(wish.identity, maker, for_agents=for_agents)
        if isinstance(identity, TokenNotMade):
            return identity
        actor, label = identity
        capabilities = _capabilities(wish.capabilities)
        if isinstance(capabilities, TokenNotMade):
            return capabilities
        rooms = None if wish.rooms is None else await self._rooms(wish.rooms)
        if isinstance(rooms, TokenNotMade):
            return rooms
        seconds = self._seconds_of(wish.expires) if wish.expires else None
        if wish.expires and seconds is None:
            return TokenNotMade(TokenProblem.BAD_TIME, wish.expires)
        return TokenPlan(name, actor, label, capabilities, rooms, seconds)

    async def add(
        self, connection: Connection, plan: TokenPlan, maker: str, *, hashed: str, nonce: str | None
    ) -> int | TokenNotMade:
        """Write the token of *plan* within the caller's transaction; return its number, or why there is none."""
        owned = await self._tokens.owned(plan.identity, connection)
        if len(owned) >= MOST_TOKENS:
            return TokenNotMade(TokenProblem.TOO_MANY, plan.label, MOST_TOKENS)
        if _folded(plan.name) in {_folded(each.name) for each in owned}:
            return TokenNotMade(TokenProblem.NAME_TAKEN, plan.name)
        new = NewToken(
            name=plan.name,
            identity=plan.identity,
            hash=hashed,
            nonce=nonce,
            capabilities=plan.capabilities,
            rooms=plan.rooms,
            made_by=maker,
            seconds=plan.seconds,
        )
        return await self._tokens.add(connection, new)

    async def _identity(  # noqa: PLR0911 - a table of cases
        self, word: str, maker: str, *, for_agents: bool
    ) -> tuple[Actor, str] | TokenNotMade:
        if word in {"", "me", maker}:
            return (Actor(maker), maker) if maker else TokenNotMade(TokenProblem.UNKNOWN_AGENT, word)
        if word.startswith("@") and ":" in word and not self._namespace.is_ours(word):
            if maker:
                return TokenNotMade(TokenProblem.NOT_YOURS, word)
            try:
                return Actor(checked_user_id(word)), word
            except ValueError:
                return TokenNotMade(TokenProblem.UNKNOWN_AGENT, word)
        if not for_agents:
            return TokenNotMade(TokenProblem.NOT_YOURS, word)
        found = await self._names.agents(word)
        if len(found) != 1:
            return TokenNotMade(TokenProblem.UNKNOWN_AGENT, word)
        agent = found[0].agent
        return Actor(self._namespace.user_id(agent.ghost), agent.id), agent.name

    async def _rooms(self, words: Iterable[str]) -> frozenset[str] | TokenNotMade:
        rooms: dict[str, str] = {}
        for word in words:
            room_id = await self._names.room(word)
            if room_id is None:
                return TokenNotMade(TokenProblem.UNKNOWN_ROOM, word)
            rooms[room_id] = word
        known = await self._tokens.known_rooms(rooms)
        unknown = [word for room_id, word in rooms.items() if room_id not in known]
        if unknown or not rooms:
            return TokenNotMade(TokenProblem.UNKNOWN_ROOM, unknown[0] if unknown else "")
        return known


def chosen_token(owned: Iterable[Token], named: str) -> Token | None:
    """Return the one of *owned* that *named* means: a number or a name; None if it means none, or several."""
    number = named.lstrip("#")
    found = [
        each
        for each in owned
        if (str(each.id) == number if number.isdecimal() else _folded(each.name) == _folded(named))
    ]
    return found[0] if len(found) == 1 else None


def token_entry(token: Token) -> TokenEntry:
    """Return *token* as lists show it."""
    return TokenEntry(
        number=token.id,
        name=token.name,
        identity=token.agent_name or token.user_id,
        is_agent=token.is_agent,
        capabilities=tuple(each for each in Capability if each in token.capabilities),
        rooms=None if token.rooms is None else len(token.rooms),
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        expires_at=token.expires_at,
    )


def _capabilities(words: Iterable[str]) -> frozenset[Capability] | TokenNotMade:
    found = set()
    for word in words:
        try:
            found.add(Capability(word.lower()))
        except ValueError:
            return TokenNotMade(TokenProblem.UNKNOWN_CAPABILITY, word)
    return frozenset(found) or ALL_CAPABILITIES


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
