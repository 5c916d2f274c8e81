"""Servers of agents that count the tokens of their requests."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from support.scripted_upstream import ScriptedUpstream, own_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent_bridge.demo.agents.openai_server import AnswerFormat

KEY = "Idempotency-Key"
#: The end of each answer.
WHOLE = " and that is all."


@dataclass
class Counted:
    """A request as the server counts it."""

    question: str
    read: int
    written: int
    #: Whether the whole answer was sent.
    is_whole: bool = False


_COUNTED = web.RequestKey("counted", Counted)


@dataclass
class Count:
    """The server's own count."""

    #: All requests, in their order; of a server with keys, one for each key.
    requests: list[Counted] = field(default_factory=list)
    by_key: dict[str, Counted] = field(default_factory=dict)


class CountingUpstream(ScriptedUpstream):
    """Reports other numbers for each request. With keys, a repeated request is the same one."""

    def __init__(self, rooms: int, *, has_keys: bool) -> None:
        self.name = "keys" if has_keys else "attempts"
        super().__init__(*(f"{self.name}-{number}-" for number in range(rooms)))
        self.script = answer
        self.count = Count()
        self._has_keys = has_keys
        self._numbers = itertools.count(1)

    @property
    def config(self) -> dict[str, Any]:
        """Its section of the configuration."""
        return {"name": self.name, "url": self.url, "idempotency_header": KEY if self._has_keys else None}

    async def _record(self, request: web.Request) -> dict[str, Any]:
        body = await super()._record(request)
        key = request.headers[KEY] if self._has_keys else ""
        counted = self.count.by_key.get(key)
        if counted is None:
            number = next(self._numbers)
            counted = Counted(self.questions[-1], 1000 + number, number)
            self.count.requests.append(counted)
            if key:
                self.count.by_key[key] = counted
        request[_COUNTED] = counted
        return body

    async def respond(
        self, request: web.Request, question: Mapping[str, Any], answer_format: AnswerFormat
    ) -> web.StreamResponse:
        counted = request[_COUNTED]
        self.usage = lambda _: {"prompt_tokens": counted.read, "completion_tokens": counted.written}
        response = await super().respond(request, question, answer_format)
        counted.is_whole = True
        return response


async def answer(question: str) -> AsyncIterator[str]:
    """Answer *question* in two pieces."""
    yield f"I hear {own_words(question)},"
    await asyncio.sleep(0.3)
    yield WHOLE
