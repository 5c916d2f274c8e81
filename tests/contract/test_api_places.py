"""Requests about servers and channels on a real PostgreSQL, without a homeserver: each role may do its part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.routes import ApiRoutes
from agent_bridge.api.services import ApiServices
from agent_bridge.bridge.channels.changes import PlaceChanges
from agent_bridge.bridge.channels.lookup import PlaceLookup
from agent_bridge.bridge.channels.maker import PlaceMaker
from agent_bridge.bridge.channels.members import PlaceMembers
from agent_bridge.bridge.programs.access import Access
from agent_bridge.bridge.programs.channels import ProgramChannels
from agent_bridge.bridge.programs.names import Names
from agent_bridge.bridge.programs.place_access import PlaceAccess
from agent_bridge.bridge.programs.requests import Requests
from agent_bridge.bridge.programs.servers import ProgramServers
from agent_bridge.bridge.roles.moderation import Moderation
from agent_bridge.bridge.rooms.inviter import Inviter
from agent_bridge.config.example import example
from agent_bridge.core.actors import Actor
from agent_bridge.core.live import Live
from agent_bridge.core.programs import ALL_CAPABILITIES, Capability, token_hash
from agent_bridge.core.roles import Assignment, Mutes, Role, RoleBook, Roles
from agent_bridge.core.servers import ChannelType, NewPlace
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.agents import Agents
from agent_bridge.store.direct_chats import DirectChatStore
from agent_bridge.store.kv import KeyValues
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.program_requests import ProgramRequests
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.rooms import Rooms
from agent_bridge.store.servers import Servers
from agent_bridge.store.tokens import Tokens
from support.api_client import new_secret
from support.jobs import idle_lanes
from support.records import NAMES
from support.turn_rows import BOB, add_agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from aiohttp.test_utils import TestClient
    from pytest_aiohttp import AiohttpClient

    from agent_bridge.store.postgres.database import Database

LAB, NEWS = "!lab:example.org", "!news:example.org"
EVERY = [Role.AGENT, Role.MEMBER, Role.MODERATOR, Role.ADMIN, Role.OWNER]
#: Method, path and body of a request, with the lowest role in the server that it needs; those without a server need it
#: everywhere.
TABLE: list[tuple[str, str, Any, Role]] = [
    ("GET", "/v1/servers", None, Role.AGENT),
    ("POST", "/v1/servers", {"name": "Other"}, Role.ADMIN),
    ("PATCH", "/v1/servers/Lab", {"description": "all of it"}, Role.ADMIN),
    ("DELETE", "/v1/servers/1", None, Role.OWNER),
    ("POST", "/v1/servers/lab/join", None, Role.MEMBER),
    ("POST", "/v1/servers/%21lab%3Aexample.org/leave", None, Role.AGENT),
    ("GET", "/v1/channels", None, Role.AGENT),
    ("POST", "/v1/channels", {"name": "more", "server": "Lab"}, Role.ADMIN),
    ("PATCH", "/v1/channels/Lab%2Fnews", {"topic": "new"}, Role.MODERATOR),
    ("PATCH", "/v1/channels/news", {"name": "old"}, Role.ADMIN),
    ("PATCH", "/v1/channels/news", {"topic": "new", "position": 1}, Role.ADMIN),
    ("DELETE", "/v1/channels/news", None, Role.ADMIN),
    ("POST", "/v1/channels/news/join", None, Role.MEMBER),
    ("POST", "/v1/channels/news/leave", None, Role.AGENT),
    ("POST", "/v1/channels/%21news%3Aexample.org/agents", {"agent": "Ada"}, Role.ADMIN),
]
#: The requests that an agent may make: it enters and leaves channels.
OF_AGENTS = {"GET", "/v1/channels/news/join", "/v1/channels/news/leave", "/v1/servers/%21lab%3Aexample.org/leave"}


class _NoWaits:
    """Calls that wait: there are none."""

    async def end_waits(self) -> None:
        pass


class Scene:
    """The routes, with a server *Lab* of another person, and its channel *news*."""

    def __init__(self, client: TestClient[Any, Any], database: Database, roles: Roles) -> None:
        self.client = client
        self.database = database
        self.roles = roles
        self.tokens = Tokens(database, NAMES)
        self.number = 0

    def let(self, everywhere: Role, in_lab: Role | None = None) -> None:
        """Give Bob his roles."""
        now: datetime | Any = None
        given = {} if in_lab is None else {BOB: Assignment(in_lab, "@boss:example.org", now, is_of_server=True)}
        book = RoleBook({BOB: everywhere}, servers={self.number: given})
        self.roles.replace(book, Mutes(), {LAB: self.number, NEWS: self.number})

    async def token(self, identity: Actor | None = None, **more: Any) -> str:
        """Write a token, and return it."""
        values = {"capabilities": ALL_CAPABILITIES, "made_by": BOB} | more
        return await new_secret(self.tokens, self.database, identity or Actor(BOB), **values)

    async def request(self, token: str, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        """Send a request; return the status and the content of its response."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        async with self.client.request(method, path, headers=headers, json=body) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def scene(database: Database, aiohttp_client: AiohttpClient) -> AsyncIterator[Scene]:
    async with homeserver_session() as session:
        homeserver = Homeserver("http://127.0.0.1:9", "token", NAMES, session)
        roles = Roles.fixed({BOB: Role.MEMBER}, NAMES)
        store, kv = Servers(database), KeyValues(database)
        names = Names(Agents(database), store, kv, homeserver)
        access = Access(names, Rooms(database), DirectChatStore(database), roles, homeserver)
        requests = Requests(ProgramRequests(database), homeserver)
        changes = PlaceChanges(store, RoleStore(database), roles, idle_lanes(database), OperationStore(database))
        maker = PlaceMaker(homeserver, store, kv, Live(example()), roles, ENGLISH)
        inviter = Inviter(homeserver, None, roles, ENGLISH, joins=False)  # type: ignore[arg-type]
        members = PlaceMembers(homeserver, store, inviter, Moderation(homeserver, ENGLISH), ENGLISH)
        places = PlaceAccess(access, names, PlaceLookup(store), changes)
        parts: dict[str, Any] = dict.fromkeys(ApiServices.__dataclass_fields__)
        parts |= {"tokens": Tokens(database, NAMES), "access": access, "requests": requests, "longest_wait": 1.0}
        parts["asks"] = parts["client_agents"] = _NoWaits()
        parts["servers"] = ProgramServers(access, places, requests, store, changes, maker, members)
        parts["channels"] = ProgramChannels(access, places, requests, store, changes, maker, members, NAMES)
        app = web.Application()
        ApiRoutes(all_endpoints(), ApiServices(**parts), requests_per_minute=10_000).add_routes(app)
        scene = Scene(await aiohttp_client(app), database, roles)
        async with database.transaction() as connection:
            await store.lock(connection)
            scene.number = await store.add_server(connection, NewPlace("lab", "Lab"), "@boss:example.org")
            await store.add_channel(connection, NewPlace("news", "news"), scene.number, ChannelType.TEXT)
        await database.execute("UPDATE room SET room_id = '!' || request_key || ':example.org'")
        yield scene


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_in_a_server_may_do_its_part(scene: Scene, role: Role) -> None:
    scene.let(role)
    token = await scene.token()
    for method, path, body, needed in TABLE:
        if method == "DELETE" and role >= needed:
            continue
        status, content = await scene.request(token, method, path, body)
        is_refused = content.get("code") == "role_missing"
        assert is_refused is (role < needed), (method, path, status, content)


async def test_the_role_in_the_server_counts_there(scene: Scene) -> None:
    token = await scene.token()
    update = ("PATCH", "/v1/channels/news", {"topic": "of Bob"})
    scene.let(Role.ADMIN, Role.NONE)
    assert (await scene.request(token, *update))[1]["code"] == "role_missing"
    assert (await scene.request(token, "POST", "/v1/channels", {"name": "x", "server": "Lab"}))[1][
        "code"
    ] == "role_missing"
    scene.let(Role.NONE, Role.ADMIN)
    assert (await scene.request(token, *update))[0] == 200
    assert (await scene.request(token, "POST", "/v1/servers", {"name": "x"}))[1]["code"] == "role_missing"


async def test_an_agent_enters_and_leaves_channels_alone(scene: Scene) -> None:
    agent = await add_agent(scene.database)
    token = await scene.token(Actor("ignored", agent))
    (row,) = await scene.database.rows("SELECT ghost FROM agent WHERE id = %s", (agent,))
    scene.roles.replace(RoleBook({NAMES.user_id(row["ghost"]): Role.OWNER}), Mutes())
    for method, path, body, _ in TABLE:
        status, content = await scene.request(token, method, path, body)
        is_permitted = bool({method, path} & OF_AGENTS)
        assert (content.get("code") == "role_missing") is not is_permitted, (method, path, status, content)


async def test_tokens_that_do_not_count_or_are_for_something_else(scene: Scene) -> None:
    scene.let(Role.OWNER)
    revoked, limited = await scene.token(), await scene.token(rooms=["!other:example.org"])
    reader = await scene.token(capabilities=frozenset({Capability.READ, Capability.SEND}))
    (row,) = await scene.database.rows("SELECT id FROM token WHERE hash = %s", (token_hash(revoked),))
    async with scene.database.transaction() as connection:
        await scene.tokens.revoke(connection, row["id"])
    for method, path, body, _ in TABLE:
        request = (method, path, body)
        assert (await scene.request(revoked, *request))[1]["code"] == "token_invalid"
        status, content = await scene.request(limited, *request)
        hidden = {"room_not_found", "server_not_found"}
        assert content == {path.rpartition("/")[2]: []} if method == "GET" else content["code"] in hidden
        if method != "GET":
            assert (await scene.request(reader, *request))[1]["code"] == "capability_missing"
        assert status < 500


async def test_a_muted_person_only_leaves(scene: Scene) -> None:
    token = await scene.token()
    scene.let(Role.OWNER)
    scene.roles.replace(scene.roles.book, Mutes({("", BOB): None}), {LAB: scene.number})
    for method, path, body, _ in TABLE:
        _, content = await scene.request(token, method, path, body)
        assert (content.get("code") == "muted") is not (method == "GET" or path.endswith("leave")), path


async def test_a_deletion_needs_the_name_and_happens_once(scene: Scene) -> None:
    scene.let(Role.OWNER)
    token = await scene.token()
    status, content = await scene.request(token, "DELETE", "/v1/servers/Lab")
    assert (status, content["code"], content["name"], content["channels"]) == (409, "confirmation_missing", "Lab", 1)
    assert (await scene.request(token, "DELETE", "/v1/channels/news?confirm=new"))[1]["code"] == "confirmation_missing"
    deleted = [await scene.request(token, "DELETE", "/v1/channels/news?confirm=News", key="one") for _ in range(2)]
    assert deleted == [(200, {"name": "news", "server": "Lab", "room_id": NEWS})] * 2
    assert (await scene.request(token, "DELETE", "/v1/channels/news?confirm=news"))[1]["code"] == "room_not_found"
    assert await scene.request(token, "DELETE", "/v1/servers/1?confirm=lab") == (
        200,
        {"number": scene.number, "name": "Lab", "channels": 0},
    )
    assert (await scene.request(token, "GET", "/v1/servers"))[1] == {"servers": []}


async def test_a_change_is_made_as_a_whole_and_once(scene: Scene) -> None:
    scene.let(Role.ADMIN)
    token = await scene.token()
    both = {"name": "updates", "topic": "all that is new", "position": 7}
    status, content = await scene.request(token, "PATCH", "/v1/channels/news", both)
    assert (status, content["code"], content["reason"], content["limit"]) == (400, "invalid_request", "bad_position", 1)
    assert (await scene.request(token, "GET", "/v1/channels"))[1]["channels"][0]["name"] == "news"
    for _ in range(2):
        status, content = await scene.request(token, "PATCH", "/v1/channels/news", both | {"position": 1}, key="one")
        assert (status, content["name"], content["topic"], content["position"]) == (
            200,
            "updates",
            "all that is new",
            1,
        )
    (row,) = await scene.database.rows("SELECT changes FROM room WHERE room_id = %s", (NEWS,))
    assert row["changes"] == 3
    given = {"name": "Research", "description": "", "icon": "mxc://example.org/icon"}
    assert (await scene.request(token, "PATCH", "/v1/servers/1", given | {"icon": "http://x"}))[1][
        "reason"
    ] == "bad_icon"
    status, content = await scene.request(token, "PATCH", "/v1/servers/1", given)
    assert (status, {key: content[key] for key in given}) == (200, given)


async def test_an_interrupted_request_goes_on_with_its_first_step(scene: Scene) -> None:
    """The homeserver is away when the room is to be made; another person changes the name before the repeat."""
    scene.let(Role.ADMIN)
    token = await scene.token()
    body = {"name": "plans", "server": "Lab"}
    assert (await scene.request(token, "POST", "/v1/channels", body, key="one"))[1]["code"] == "unavailable"
    await scene.database.execute("UPDATE room SET name = 'other', room_id = '!made:example.org' WHERE name = 'plans'")
    # The invitation needs the homeserver, too.
    assert (await scene.request(token, "POST", "/v1/channels", body, key="one"))[1]["code"] == "unavailable"
    found = (await scene.request(token, "GET", "/v1/channels?server=Lab"))[1]["channels"]
    assert [each["name"] for each in found] == ["news", "other"]
    effects = await scene.database.rows("SELECT effect FROM api_request WHERE effect IS NOT NULL")
    assert len(effects) == 1, json.dumps(effects)
