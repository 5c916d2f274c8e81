"""The application-service endpoint on 127.0.0.1, and a client that calls it as the homeserver does."""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from agent_bridge.bridge.chats.binding import WaitingEvents
from agent_bridge.bridge.feed.writer import FeedWriter
from agent_bridge.bridge.groups.hand_on import HandOn
from agent_bridge.bridge.inbound.bot_budget import BotBudget
from agent_bridge.bridge.inbound.intake import Intake
from agent_bridge.bridge.inbound.people_intake import PeopleIntake
from agent_bridge.bridge.inbound.rules import Rules
from agent_bridge.bridge.inbound.thread_intake import ThreadIntake
from agent_bridge.bridge.inbound.unstored_messages import UnstoredMessages
from agent_bridge.bridge.inbound.vote_intake import VoteIntake
from agent_bridge.config.conversations import BudgetsConfig
from agent_bridge.core.feed import FeedSwitch
from agent_bridge.core.live import Live
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.core.roles import Role, Roles
from agent_bridge.core.threads import ArchivedRooms
from agent_bridge.matrix.appservice import MAX_BODY, AppServiceEndpoint
from agent_bridge.store.agents import Agents
from agent_bridge.store.approvals import Approvals
from agent_bridge.store.chains import Chains
from agent_bridge.store.chats import Chats
from agent_bridge.store.choices import Choices
from agent_bridge.store.edits import Edits
from agent_bridge.store.feed import Feed
from agent_bridge.store.history import Histories
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.people_questions import PeopleQuestions
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.selections import Selections
from agent_bridge.store.sent_events import SentEvents
from agent_bridge.store.threads import ThreadStore
from agent_bridge.store.votes import VoteStore
from support.jobs import idle_lanes
from support.records import NAMES, wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from agent_bridge.bridge.inbound.unstored_messages import EventOf
    from agent_bridge.core.chains import ChainBudget
    from agent_bridge.core.observer import Observer
    from agent_bridge.matrix import appservice
    from agent_bridge.store.postgres.database import Database

TOKEN = "hs-s3cret"
_BUDGET = BudgetsConfig().budget
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TRANSACTION = "/_matrix/app/v1/transactions/1"


class AppServiceClient:
    """Calls the endpoint as a homeserver does, or as an impostor."""

    def __init__(self, url: URL, session: aiohttp.ClientSession, endpoint: AppServiceEndpoint) -> None:
        self.url = url
        self.endpoint = endpoint
        self._session = session

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] = BEARER, **query: str
    ) -> tuple[int, Any]:
        """Return the status and the JSON of the response; *body* is bytes, or a value to send as JSON."""
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        url = URL(f"{self.url}{path}", encoded=True).extend_query(query)
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    async def put(self, body: Any, path: str = TRANSACTION, **more: Any) -> tuple[int, Any]:
        return await self.ask("PUT", path, body, **more)


@asynccontextmanager
async def serve_endpoint(
    token: str, intake: appservice.Intake, *, max_size: int = MAX_BODY + 1, observer: Observer = UNOBSERVED
) -> AsyncIterator[AppServiceClient]:
    app = web.Application(client_max_size=max_size)
    endpoint = AppServiceEndpoint(token, intake, observer=observer)
    endpoint.add_routes(app)
    server = TestServer(app)
    await server.start_server(access_log=None, auto_decompress=False)
    try:
        # The rest of a body that is still being sent after the response must not reach the next request.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            yield AppServiceClient(server.make_url(""), session, endpoint)
    finally:
        await server.close()


async def _no_event(_room_id: str, _event_id: str, _reader: str | None) -> None:
    """The homeserver has no events."""


def real_intake(
    database: Database,
    *,
    max_queued: int = 1_000_000,
    budget: ChainBudget = _BUDGET,
    event_of: EventOf = _no_event,
    is_fed: bool = False,
) -> Intake:
    """Return the intake of a bridge without workers, whose members are the users of example.org."""
    roles = Roles.fixed({"example.org": Role.MEMBER}, NAMES)
    rules = Rules(NAMES, roles, "!ab")
    redactions = Redactions(NAMES.bot_username, redact_answers=True)
    intake_store, edits, rooms, lanes = IntakeStore(database), Edits(database), Rooms(database), idle_lanes(database)
    chains = Chains(database, NAMES)
    return Intake(
        database,
        rooms,
        intake_store,
        edits,
        redactions,
        Approvals(database),
        Choices(database),
        Chats(database),
        Selections(database),
        WaitingEvents(intake_store, edits),
        Histories(database),
        lanes,
        HandOn(database, rooms, intake_store, chains, lanes, NAMES, roles, Live(budget)),
        UnstoredMessages(SentEvents(database), NAMES, event_of),
        rules,
        RoleStore(database),
        BotBudget(intake_store, roles, Live(budget)),
        VoteIntake(VoteStore(database), rules),
        PeopleIntake(PeopleQuestions(database), NAMES),
        FeedWriter(Feed(database), FeedSwitch(is_fed)),
        ThreadIntake(ThreadStore(database), database, ArchivedRooms(), NAMES),
        max_queued=max_queued,
    )


async def make_homes(database: Database, room_ids: Iterable[str]) -> None:
    """Add an agent with a home for each of *room_ids*."""
    agents = Agents(database)
    for number, room_id in enumerate(room_ids):
        await agents.add([wanted(f"a{number}")])
        await agents.room_made((await agents.all())[-1].home.id, room_id, None, None)


async def messages_in(database: Database, room_id: str) -> list[tuple[str, str]]:
    """Return event and text of each message in the room's lane, in order."""
    rows = await database.rows(
        """
        SELECT t.event_id, t.payload->>'body' AS body FROM turn t JOIN conversation c ON c.id = t.conversation
        WHERE c.room_id = %s AND c.thread_id = '' AND t.kind = 'message' ORDER BY t.position
        """,
        (room_id,),
    )
    return [(row["event_id"], row["body"]) for row in rows]


async def dead_letter_reasons(database: Database) -> list[str]:
    """Return the reasons of the dead letters, oldest first."""
    return [row["reason"] for row in await database.rows("SELECT reason FROM dead_letter ORDER BY id")]


async def rooms_to_backfill(database: Database) -> set[str]:
    """Return the rooms that need a backfill."""
    return {row["room_id"] for row in await database.rows("SELECT room_id FROM room WHERE needs_backfill")}
