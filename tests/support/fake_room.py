"""A server in a homeserver's place that keeps the events of one room, with the faults that a test asks for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

from agent_bridge.demo.agents.openai_server import LocalServer
from agent_bridge.render.content import LIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = dict[str, Any]


class FakeRoom(LocalServer):
    """Sends, redacts and returns events like Synapse, which repeats no transaction id and loses redacted content."""

    def __init__(self) -> None:
        #: The events in their order.
        self.events: list[Event] = []
        #: Transaction ids whose next requests fail: *refused* ones have no effect, *lost* ones get no useful response.
        #: The requests of *forbidden* ones fail for ever.
        self.refused: set[str] = set()
        self.forbidden: set[str] = set()
        self.lost: set[str] = set()
        #: Whether the next request, whatever its id, gets no useful response, or is refused for ever.
        self.loses_next = self.refuses_next = False
        #: Transaction ids of requests that are carried out once the event is set.
        self.held: defaultdict[str, asyncio.Event] = defaultdict(_set_event)
        #: The requests for pages of messages, and whether they fail.
        self.pages = 0
        self.keeps_history_back = False
        #: The state of the room.
        self.state: list[Event] = []
        #: The files that were uploaded.
        self.files: list[bytes] = []
        #: Their names.
        self.names: list[str] = []
        self._by_txn: dict[str, str] = {}
        app = web.Application()
        rooms = "/_matrix/client/{version}/rooms/{room}"
        app.router.add_put(rooms + "/send/{kind}/{txn}", self._send)
        app.router.add_put(rooms + "/redact/{event}/{txn}", self._redact)
        app.router.add_get(rooms + "/event/{event}", self._event)
        app.router.add_get(rooms + "/messages", self._messages)
        app.router.add_get(rooms + "/state", self._state)
        app.router.add_get(rooms + "/state/{type}/{key}", self._state_event)
        app.router.add_get(rooms + "/members", self._members)
        app.router.add_post("/_matrix/media/v3/upload", self._upload)
        app.router.add_get(rooms + "/context/{event}", self._context)
        app.router.add_get(rooms + "/relations/{event}/{tail:.*}", self._relations)
        super().__init__(app)

    def redact(self, event_id: str) -> None:
        """Redact an event as a person does."""
        event = self._find(event_id)
        event["content"] = {}
        event["unsigned"] = {"redacted_because": {"type": "m.room.redaction"}}

    def forget_transactions(self) -> None:
        """Forget the transaction ids, as Synapse does when it restarts."""
        self._by_txn.clear()

    def texts(self) -> list[str]:
        """Return the texts of the messages, as clients show them."""
        return [self._text(event) for event in self._shown("m.room.message")]

    def growing(self) -> list[str]:
        """Return the texts of the messages that clients show as growing ones."""
        contents = [self._content(event) for event in self._shown("m.room.message")]
        return [content["body"] for content in contents if LIVE in content]

    def reactions(self) -> list[str]:
        """Return the keys of the reactions."""
        return [event["content"]["m.relates_to"]["key"] for event in self._shown("m.reaction")]

    def edits_of_redacted(self) -> list[Event]:
        """Return the edits that contain a text of a redacted event."""
        gone = {event["event_id"] for event in self.events if not event["content"]}
        return [event for event in self.events if _edited(event) in gone]

    def _shown(self, kind: str) -> Iterator[Event]:
        return (event for event in self.events if event["type"] == kind and event["content"] and not _edited(event))

    def _text(self, event: Event) -> str:
        return str(self._content(event)["body"])

    def _content(self, event: Event) -> Event:
        edits = [each for each in self.events if _edited(each) == event["event_id"]]
        content: Event = edits[-1]["content"]["m.new_content"] if edits else event["content"]
        return content

    def _find(self, event_id: str) -> Event:
        return next(event for event in self.events if event["event_id"] == event_id)

    async def _send(self, request: web.Request) -> web.Response:
        txn, content = unquote(request.match_info["txn"]), await request.json()
        if (refusal := self._refusal(txn)) is not None:
            return refusal
        return await asyncio.shield(self._carry_out(request, txn, content))

    def _refusal(self, txn: str) -> web.Response | None:
        if txn in self.forbidden or self.refuses_next:
            self.refuses_next = False
            return web.json_response({"errcode": "M_FORBIDDEN", "error": "no"}, status=403)
        if txn not in self.refused:
            return None
        self.refused.discard(txn)
        return web.json_response({"errcode": "M_UNKNOWN"}, status=503)

    async def _carry_out(self, request: web.Request, txn: str, content: Event) -> web.Response:
        await self.held[txn].wait()
        if txn not in self._by_txn:
            self._by_txn[txn] = f"${len(self.events)}"
            event = {"event_id": self._by_txn[txn], "type": request.match_info["kind"], "content": content}
            self.events.append(event | {"sender": request.query["user_id"], "room_id": request.match_info["room"]})
        if txn in self.lost or self.loses_next:
            self.lost.discard(txn)
            self.loses_next = False
            return web.json_response({"errcode": "M_UNKNOWN"}, status=504)
        return web.json_response({"event_id": self._by_txn[txn]})

    async def _redact(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(unquote(request.match_info["txn"]))) is not None:
            return refusal
        self.redact(unquote(request.match_info["event"]))
        return web.json_response({"event_id": "$redaction"})

    async def _event(self, request: web.Request) -> web.Response:
        event_id = unquote(request.match_info["event"])
        if all(event["event_id"] != event_id for event in self.events):
            return web.json_response({"errcode": "M_NOT_FOUND"}, status=404)
        event = self._find(event_id)
        edits = [each for each in self.events if _edited(each) == event_id]
        bundled = {"unsigned": {"m.relations": {"m.replace": edits[-1]}}} if edits and event["content"] else {}
        return web.json_response(event | bundled)

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(self.state)

    async def _state_event(self, request: web.Request) -> web.Response:
        wanted = (request.match_info["type"], request.match_info["key"])
        found = next((each for each in self.state if (each["type"], each["state_key"]) == wanted), None)
        missing = {"errcode": "M_NOT_FOUND", "error": "There is no such event."}
        return web.json_response(missing, status=404) if found is None else web.json_response(found)

    async def _members(self, _: web.Request) -> web.Response:
        return web.json_response({"chunk": [each for each in self.state if each["type"] == "m.room.member"]})

    async def _upload(self, request: web.Request) -> web.Response:
        self.files.append(await request.read())
        self.names.append(request.query.get("filename", ""))
        return web.json_response({"content_uri": f"mxc://example.org/{len(self.files)}"})

    async def _messages(self, request: web.Request) -> web.Response:
        self.pages += 1
        if self.keeps_history_back:
            return web.json_response({"errcode": "M_UNKNOWN"}, status=503)
        if request.query["dir"] == "f":
            return web.json_response({"chunk": self.events[int(request.query.get("from", "0")) :]})
        end = int(request.query.get("from", len(self.events)))
        start = max(0, end - int(request.query["limit"]))
        return web.json_response({"chunk": self.events[start:end][::-1]} | ({"end": str(start)} if start else {}))

    async def _context(self, request: web.Request) -> web.Response:
        event = self._find(unquote(request.match_info["event"]))
        return web.json_response({"end": str(self.events.index(event) + 1)})

    async def _relations(self, request: web.Request) -> web.Response:
        event_id, kind = unquote(request.match_info["event"]), request.match_info["tail"].partition("/")[0]
        related = [event for event in self.events if _relation(event) == (kind, event_id)]
        return web.json_response({"chunk": related[::-1]})


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _relation(event: Event) -> tuple[str | None, str | None]:
    relates = event["content"].get("m.relates_to", {})
    return relates.get("rel_type"), relates.get("event_id")


def _edited(event: Event) -> str | None:
    kind, event_id = _relation(event)
    return event_id if kind == "m.replace" else None
