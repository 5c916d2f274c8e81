"""Whether the tokens of streams count: read for all of them at once, and not for each of their events."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from agent_bridge.api.token_watch import TokenWatch
from agent_bridge.core.actors import Actor
from agent_bridge.core.ids import Namespace
from agent_bridge.core.programs import token_hash
from agent_bridge.store.tokens import Tokens
from support.api_client import new_secret
from support.conditions import eventually

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.store.postgres.database import Database

ANN = "@ann:example.org"
#: Streams, each with a token of its own, and the events of each.
STREAMS, EVENTS = 20, 50


class _Counted(Tokens):
    """Counts how often it is asked."""

    asked = 0

    async def counting(self, tokens: Collection[int]) -> frozenset[int]:
        self.asked += 1
        return await super().counting(tokens)


async def test_one_statement_reads_the_tokens_of_all_streams(database: Database) -> None:
    tokens = _Counted(database, Namespace("example.org", "bot", "agent_"))
    secrets = [await new_secret(tokens, database, Actor(ANN), name=f"t{number}") for number in range(STREAMS)]
    found = [await tokens.find(token_hash(each)) for each in secrets]
    ids = [each.id for each in found if each is not None]
    watch = TokenWatch(tokens)
    with ExitStack() as stack:
        counts = [stack.enter_context(watch.watched(each)) for each in ids]
        for _ in range(EVENTS):
            assert all([await each() for each in counts])
        assert tokens.asked < EVENTS
        async with database.transaction() as connection:
            await tokens.revoke(connection, ids[0])

        async def has_ended() -> bool:
            return not await counts[0]()

        await eventually(has_ended, "the first token does not count")
        assert all([await each() for each in counts[1:]])
        # The token of a new stream is read at once.
        with watch.watched(await _another(tokens, database)) as another:
            assert await another()


async def _another(tokens: Tokens, database: Database) -> int:
    found = await tokens.find(token_hash(await new_secret(tokens, database, Actor(ANN), name="another")))
    assert found is not None
    return found.id
