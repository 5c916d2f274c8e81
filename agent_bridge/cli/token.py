"""``agent-bridge token``: makes, lists and revokes the tokens of programs."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent_bridge.bridge.programs.names import Names
from agent_bridge.bridge.programs.token_maker import TokenMaker, chosen_token, token_entry
from agent_bridge.clients import open_clients
from agent_bridge.commands.durations import parse_duration
from agent_bridge.core.errors import BridgeError
from agent_bridge.core.programs import random_token, token_hash
from agent_bridge.core.results.tokens import TokenList, TokenNotMade
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.session import READ_TIMEOUT
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.render.tokens import token_renderers
from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.postgres import migrate
from agent_bridge.store.postgres.database import Database
from agent_bridge.store.postgres.embedded import database_uri
from agent_bridge.store.servers import Servers
from agent_bridge.store.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.bridge.programs.token_maker import TokenWish
    from agent_bridge.config.model import Config
    from agent_bridge.core.results.tokens import TokenResult

#: In place of the prefix of commands: the texts name commands of a chat.
_PREFIX = "agent-bridge"


async def new(config: Config, wish: TokenWish) -> str:
    """Make the token that *wish* describes, and return it.

    Raises:
        BridgeError: there is no such token, or a server does not answer.
    """

    async def make(database: Database, _tokens: Tokens, maker: TokenMaker) -> str:
        plan = await maker.plan(wish, "", for_agents=True)
        if isinstance(plan, TokenNotMade):
            raise BridgeError(_text(plan))
        token = random_token()
        async with database.transaction() as connection:
            number = await maker.add(connection, plan, "", hashed=token_hash(token), nonce=None)
            if isinstance(number, TokenNotMade):
                raise BridgeError(_text(number))
        return token

    return await _with_tokens(config, make)


async def listed(config: Config, *, as_json: bool) -> str:
    """Return all tokens that count, as text or as JSON."""

    async def read(_database: Database, tokens: Tokens, _maker: TokenMaker) -> str:
        entries = tuple(token_entry(each) for each in await tokens.owned(None))
        if as_json:
            return json.dumps([asdict(each) for each in entries], ensure_ascii=False, indent=2, default=str)
        return _text(TokenList(entries, is_of_all=True))

    return await _with_tokens(config, read)


async def revoke(config: Config, named: str) -> str:
    """Revoke the token *named*, by its number or its name, and return its name.

    Raises:
        BridgeError: no token, or several, have the name.
    """

    async def end(database: Database, tokens: Tokens, _maker: TokenMaker) -> str:
        token = chosen_token(await tokens.owned(None), named)
        if token is None:
            raise BridgeError(f"no token, or more than one, is called {named}: agent-bridge token list shows all")
        async with database.transaction() as connection:
            await tokens.revoke(connection, token.id)
        return token.name

    return await _with_tokens(config, end)


async def _with_tokens(config: Config, work: Callable[[Database, Tokens, TokenMaker], Awaitable[str]]) -> str:
    async with AsyncExitStack() as stack:
        uri = await stack.enter_async_context(database_uri(config.database))
        await asyncio.to_thread(migrate.migrate if config.database.migrate else migrate.check, uri)
        database = await stack.enter_async_context(Database(uri))
        clients = await open_clients(config, config.namespace, database, READ_TIMEOUT, stack)
        tokens = Tokens(database, config.namespace)
        names = Names(Agents(database), Servers(database), KeyValues(database), clients.homeserver)
        return await work(database, tokens, TokenMaker(tokens, names, config.namespace, parse_duration))


def _text(result: TokenResult) -> str:
    return to_unmarked(token_renderers(ENGLISH, _PREFIX)[type(result)](result))
