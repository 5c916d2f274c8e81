"""A homeserver for one bridge and thousands of rooms: the part of the client-server API that a bridge uses.

It keeps little for each room, checks no power levels, and is no judge of what a homeserver does: the tests of contracts
have a real one. Requests that it does not know are refused with ``M_UNRECOGNIZED`` and counted.

``python -m support.fake_homeserver REGISTRATION DOMAIN`` serves the bridge of a registration file and logs its URL.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter, OrderedDict, deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from ruamel.yaml import YAML

from agent_bridge.demo.agents.openai_server import LocalServer
from support.fake_homeserver_rooms import VERSION, Call, FakeRoom, Refused, make

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_MAX_BODY = 4 * 1024**2
#: Rooms at most; transaction ids that are remembered; events that wait for the bridge, and those of one transaction.
_ROOMS, _TRANSACTIONS, _WAITING, _TOGETHER = 50_000, 10_000, 500_000, 100
#: Seconds until a transaction that failed is repeated.
_AGAIN = 0.5
#: Tokens of people begin so; the rest is the localpart.
_PERSON = "person-"
_SERVICE, _CLIENT = "/_matrix/app/v1", ["", "_matrix", "client"]


def _missing(what: str) -> Refused:
    return Refused(404, "M_NOT_FOUND", f"no such {what}")


class FakeHomeserver(LocalServer):
    """Serves the application service of *registration*, the mapping of a registration file, as *domain*.

    A person is a user with the token ``person-<localpart>``, who exists from the first request on.
    """

    def __init__(self, registration: Mapping[str, Any], domain: str) -> None:
        self._registration = registration
        self._domain = domain
        self._bot = self._user_id(registration["sender_localpart"])
        self.rooms: dict[str, FakeRoom] = {}
        #: Rooms, by alias.
        self.aliases: dict[str, str] = {}
        #: Profiles of the users.
        self.profiles: dict[str, dict[str, Any]] = {self._bot: {}}
        #: Number of requests by method, and of those that are not known by method and path.
        self.requests: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        #: Transactions that the bridge has accepted.
        self.transactions = 0
        self._account_data: dict[tuple[str, str], Any] = {}
        self._joined: dict[str, set[str]] = {}
        self._sent: OrderedDict[str, str] = OrderedDict()
        self._waiting: deque[bytes] = deque(maxlen=_WAITING)
        self._news = asyncio.Event()
        self._ids = itertools.count(1)
        #: By method, if it matters, and the first part of the path; and those of a room, by the part behind the room.
        self._actions: dict[tuple[str, str], Callable[[Call], Any]] = {
            ("GET", "account"): self._whoami,
            ("GET", "capabilities"): self._capabilities,
            ("", "profile"): self._profile,
            ("", "presence"): self._presence,
            ("", "user"): self._data,
            ("POST", "createRoom"): self._make,
            ("", "directory"): self._directory,
            ("POST", "join"): self._join,
            ("GET", "joined_rooms"): self._joined_rooms,
            ("", "rooms"): self._in_room,
        }
        self._room_actions: dict[tuple[str, str], Callable[[FakeRoom, Call], Any]] = {
            ("GET", "state"): self._state,
            ("PUT", "state"): self._set_state,
            ("PUT", "send"): self._send,
            ("PUT", "redact"): self._redact,
            ("GET", "members"): self._members,
            ("GET", "messages"): self._messages,
            ("GET", "aliases"): self._aliases,
            ("GET", "event"): self._event,
            ("GET", "relations"): self._relations,
            ("POST", "invite"): self._invite,
            ("POST", "leave"): self._remove,
            ("POST", "kick"): self._remove,
            ("PUT", "typing"): self._nothing,
            ("POST", "receipt"): self._nothing,
            ("POST", "forget"): self._nothing,
        }
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._respond)
        super().__init__(app)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        await super().__aenter__()
        self._pushing = asyncio.create_task(self._push())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pushing.cancel()
        await asyncio.wait([self._pushing])
        await super().__aexit__(kind, error, trace)
        await self._http.close()

    def _user_id(self, localpart: str) -> str:
        return f"@{localpart}:{self._domain}"

    def _see(self, event: bytes) -> None:
        self._waiting.append(event)
        self._news.set()

    async def _push(self) -> None:
        """Send the events to the bridge, in their order, until cancelled."""
        for number in itertools.count(1):
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            events = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            body = b'{"events":[' + b",".join(events) + b"]}"
            is_delivered = False
            while not is_delivered:
                is_delivered = await self._deliver("PUT", f"/transactions/{number}", body)
                await asyncio.sleep(0 if is_delivered else _AGAIN)
            self.transactions += 1

    async def _deliver(self, method: str, path: str, body: bytes) -> bool:
        url = self._registration["url"] + _SERVICE + path
        headers = {"Authorization": f"Bearer {self._registration['hs_token']}"}
        try:
            async with self._http.request(method, url, data=body, headers=headers) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def _respond(self, request: web.Request) -> web.Response:
        self.requests[request.method] += 1
        try:
            answer = await self._answer(request)
        except Refused as refused:
            if refused.errcode == "M_UNRECOGNIZED":
                self.unknown[f"{request.method} {request.path}"] += 1
            return web.json_response({"errcode": refused.errcode, "error": str(refused)}, status=refused.status)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer, separators=(",", ":")).encode()
        return web.Response(body=raw, content_type="application/json")

    async def _answer(self, request: web.Request) -> Any:
        path = [unquote(part) for part in request.raw_path.partition("?")[0].split("/")]
        if path == ["", "fake", "counts"]:
            return {"requests": self.requests.total(), "unknown": self.unknown, "transactions": self.transactions}
        if path[1:] == ["_matrix", "media", "v3", "upload"]:
            await request.read()
            return {"content_uri": f"mxc://{self._domain}/file{next(self._ids)}"}
        body = json.loads(await request.read() or b"{}") if request.method in {"POST", "PUT"} else {}
        if path[:3] != _CLIENT:
            raise Refused(404, "M_UNRECOGNIZED")
        if path[3:] == ["versions"]:
            self._user(request, must_exist=True)
            return {"versions": ["v1.11", "v1.15"], "unstable_features": {}}
        match request.method, path[4:]:
            case "POST", ["register"]:
                return self._register(body)
            case "POST", ["appservice", _, "ping"]:
                return await self._ping()
            case _:
                user = self._user(request, must_exist=path[4:] != ["account", "whoami"])
                return self._carry_out(Call(request.method, path[4:], user, request.query, body))

    def _user(self, request: web.Request, *, must_exist: bool) -> str:
        """Return the user as whom *request* is made."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token.startswith(_PERSON):
            user = self._user_id(token.removeprefix(_PERSON))
            self.profiles.setdefault(user, {})
            return user
        if token != self._registration["as_token"]:
            raise Refused(401, "M_UNKNOWN_TOKEN")
        user = request.query.get("user_id", self._bot)
        if must_exist and user not in self.profiles:
            raise Refused(403, "M_FORBIDDEN", "Application service has not registered this user")
        return user

    def _register(self, body: Mapping[str, Any]) -> Any:
        user = self._user_id(body["username"])
        if user in self.profiles:
            raise Refused(400, "M_USER_IN_USE")
        self.profiles[user] = {}
        return {"user_id": user}

    async def _ping(self) -> Any:
        began = time.monotonic()
        if not await self._deliver("POST", "/ping", b"{}"):
            raise Refused(502, "M_CONNECTION_FAILED")
        return {"duration_ms": int((time.monotonic() - began) * 1000)}

    def _carry_out(self, call: Call) -> Any:
        part, *path = call.path
        action = self._actions.get((call.method, part)) or self._actions.get(("", part))
        if action is None:
            raise Refused(404, "M_UNRECOGNIZED")
        return action(replace(call, path=path))

    def _whoami(self, call: Call) -> Any:
        return {"user_id": call.user}

    def _capabilities(self, _call: Call) -> Any:
        return {"capabilities": {"m.room_versions": {"default": VERSION}}}

    def _presence(self, call: Call) -> Any:
        return {"presence": "offline"} if call.method == "GET" else {}

    def _joined_rooms(self, call: Call) -> Any:
        return {"joined_rooms": list(self._joined.get(call.user, ()))}

    def _profile(self, call: Call) -> Any:
        whose, *fields = call.path
        profile = self.profiles.get(whose)
        if profile is None:
            raise _missing("user")
        if call.method == "GET":
            return {field: profile[field] for field in fields or profile if field in profile}
        (field,) = fields
        if call.method == "PUT":
            profile[field] = call.body[field]
        else:
            profile.pop(field, None)
        if field in {"displayname", "avatar_url"}:
            # As a homeserver does: the memberships have the profile, too.
            for room_id in self._joined.get(whose, ()):
                self.rooms[room_id].enter(whose, self._shown(whose))
        return {}

    def _shown(self, user: str) -> dict[str, str]:
        profile = self.profiles.get(user, {})
        return {field: profile[field] for field in ("displayname", "avatar_url") if field in profile}

    def _data(self, call: Call) -> Any:
        whose, _, kind = call.path
        if call.method == "PUT":
            self._account_data[whose, kind] = call.body
            return {}
        if (whose, kind) not in self._account_data:
            raise _missing("account data")
        return self._account_data[whose, kind]

    def _room(self, room_id: str) -> FakeRoom:
        if room_id not in self.rooms:
            raise _missing("room")
        return self.rooms[room_id]

    def _make(self, call: Call) -> Any:
        name, user = call.body.get("room_alias_name"), call.user
        alias = None if name is None else f"#{name}:{self._domain}"
        if alias in self.aliases:
            raise Refused(400, "M_ROOM_IN_USE")
        if len(self.rooms) >= _ROOMS:
            raise Refused(500, "M_UNKNOWN", "too many rooms")
        room = FakeRoom(f"!fake{next(self._ids)}:{self._domain}", self._see)
        self.rooms[room.room_id] = room
        if alias is not None:
            self.aliases[alias] = room.room_id
        make(room, user, call.body, alias, self._shown(user))
        self._joined.setdefault(user, set()).add(room.room_id)
        for invited in call.body.get("invite", ()):
            room.enter(invited, self._shown(invited), sender=user)
        return {"room_id": room.room_id}

    def _directory(self, call: Call) -> Any:
        _, alias = call.path
        if call.method == "PUT":
            self.aliases[alias] = call.body["room_id"]
            return {}
        if alias not in self.aliases:
            raise _missing("alias")
        if call.method == "DELETE":
            del self.aliases[alias]
            return {}
        return {"room_id": self.aliases[alias], "servers": [self._domain]}

    def _join(self, call: Call) -> Any:
        (room,) = call.path
        return self._enter(self._room(self.aliases.get(room, room)), call)

    def _enter(self, room: FakeRoom, call: Call) -> Any:
        if room.members.get(call.user) != "join":
            room.enter(call.user, self._shown(call.user))
            self._joined.setdefault(call.user, set()).add(room.room_id)
        return {"room_id": room.room_id}

    def _in_room(self, call: Call) -> Any:
        room_id, part, *path = call.path
        room = self._room(room_id)
        if part == "join":
            return self._enter(room, call)
        if room.members.get(call.user) != "join":
            raise Refused(403, "M_FORBIDDEN", "not in the room")
        action = self._room_actions.get((call.method, part))
        if action is None:
            raise Refused(404, "M_UNRECOGNIZED")
        return action(room, replace(call, path=path))

    def _state(self, room: FakeRoom, call: Call) -> Any:
        if not call.path:
            return b"[" + b",".join(room.state.values()) + b"]"
        key = call.path[0], "".join(call.path[1:])
        if key not in room.state:
            raise _missing("state")
        raw = room.state[key]
        return raw if call.query.get("format") == "event" else json.loads(raw)["content"]

    def _set_state(self, room: FakeRoom, call: Call) -> Any:
        event_id = self._change(room, call.user, call.path[0], "".join(call.path[1:]), call.body)
        return {"event_id": event_id}

    def _change(self, room: FakeRoom, user: str, kind: str, key: str, content: Mapping[str, Any]) -> str:
        if kind == "m.room.member" and content["membership"] != "join":
            self._joined.get(key, set()).discard(room.room_id)
        return room.add(user, kind, content, key)

    def _send(self, room: FakeRoom, call: Call) -> Any:
        kind, transaction = call.path
        return self._once(room, call, kind, transaction)

    def _redact(self, room: FakeRoom, call: Call) -> Any:
        event_id, transaction = call.path
        return self._once(room, replace(call, body={**call.body, "redacts": event_id}), "m.room.redaction", transaction)

    def _once(self, room: FakeRoom, call: Call, kind: str, transaction: str) -> Any:
        """Return the event of a request with a transaction id, which is carried out once."""
        key = f"{room.room_id} {kind} {transaction} {call.user}"
        if key not in self._sent:
            self._sent[key] = room.add(call.user, kind, call.body)
            if len(self._sent) > _TRANSACTIONS:
                self._sent.popitem(last=False)
        return {"event_id": self._sent[key]}

    def _members(self, room: FakeRoom, _call: Call) -> Any:
        events = [raw for (kind, _), raw in room.state.items() if kind == "m.room.member"]
        return b'{"chunk":[' + b",".join(events) + b"]}"

    def _messages(self, room: FakeRoom, call: Call) -> Any:
        return {"chunk": list(room.events(json.loads(call.query.get("filter", "{}")))), "start": "newest"}

    def _aliases(self, room: FakeRoom, _call: Call) -> Any:
        return {"aliases": [alias for alias, target in self.aliases.items() if target == room.room_id]}

    def _event(self, room: FakeRoom, call: Call) -> Any:
        for event in room.events({}):
            if event["event_id"] == call.path[0]:
                return event
        raise _missing("event")

    def _relations(self, _room: FakeRoom, _call: Call) -> Any:
        return {"chunk": []}

    def _invite(self, room: FakeRoom, call: Call) -> Any:
        invited = call.body["user_id"]
        room.enter(invited, self._shown(invited), sender=call.user)
        return {}

    def _remove(self, room: FakeRoom, call: Call) -> Any:
        self._change(room, call.user, "m.room.member", call.body.get("user_id", call.user), {"membership": "leave"})
        return {}

    def _nothing(self, _room: FakeRoom, _call: Call) -> Any:
        return {}


async def _serve(registration: Mapping[str, Any], domain: str) -> None:
    async with FakeHomeserver(registration, domain) as homeserver:
        print(json.dumps({"event": "listening", "url": homeserver.root_url}), file=sys.stderr, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(YAML(typ="safe").load(Path(sys.argv[1])), sys.argv[2]))
