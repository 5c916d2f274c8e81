"""The kinds of upstreams as the contract tests drive them: how to make one, and how its server answers."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.config.upstreams import UpstreamConfig
from agent_bridge.core.errors import AnswerInterrupted, UpstreamError
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.answer import AnswerRequest, TextDelta
from agent_bridge.upstream.conversation_store import MemoryConversations
from agent_bridge.upstream.registry import make_upstream
from support.answer_chunks import ResponsesFormat, ScriptedChatFormat
from support.answers import joined
from support.fault_server import sse
from support.scripted_a2a import ScriptedA2A
from support.scripted_app_server import ScriptedAppServer
from support.scripted_letta_v1 import ScriptedLettaV1
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    from agent_bridge.demo.agents.openai_server import AnswerFormat
    from agent_bridge.upstream.answer import AnswerEvent
    from agent_bridge.upstream.base import Upstream
    from support.fault_server import Reply

#: Seconds that one answer may take.
DEADLINE = 10
QUESTION = AnswerRequest(
    model="Dora",
    messages=(ChatMessage("user", "one"), ChatMessage("assistant", "two"), ChatMessage("user", "three")),
    session="!room:example.org",
    idempotency_key="0123456789abcdef",
)


@dataclass(frozen=True)
class Kind:
    """A kind of upstream with a configuration that changes its behaviour."""

    name: str
    #: Returns the format in which the server sends an answer.
    answer_format: Callable[[], AnswerFormat]
    #: Keys of the upstream's configuration.
    config: Mapping[str, Any] = field(default_factory=dict)
    #: Makes a server whose agents follow a script.
    server: Callable[[], ScriptedUpstream] = ScriptedUpstream
    #: The errors that differ from those of a server with the OpenAI API, by the id of the test's parameter.
    errors: Mapping[str, type[UpstreamError]] = field(default_factory=dict)
    #: The abilities that the bridge must find, in the order of :class:`Capabilities`.
    abilities: tuple[str, ...] = ()
    #: Whether an answer can contain files, and whether a lost connection loses the answer.
    files: bool = True
    loses: bool = True
    #: Whether the server lists its agents, and whether an answer can contain calls of tools.
    lists: bool = True
    tools: bool = True
    #: Whether reasoning is always shown, however soon the answer follows.
    reasons: bool = True

    def connect(self, url: str, session: aiohttp.ClientSession, **keys: Any) -> Upstream:
        """Return an upstream called ``up`` whose server is at *url*."""
        return connect(url, session, **{**self.config, **keys})

    def stream(self, *pieces: object, whole: bool = True, **changes: Any) -> Reply:
        """Return a streamed answer of *pieces*; one that is not *whole* lacks its end."""
        answer = self.answer_format()
        events = [answer.begin(), *(event for piece in pieces for event in answer.events(piece))]
        return sse(*map(json.dumps, [*events, answer.end()] if whole else events), **changes)


#: The same server is different to the bridge with each of these configurations.
KINDS = (
    Kind("openai-chat", lambda: ScriptedChatFormat("Dora")),
    Kind("openai-chat-idempotent", lambda: ScriptedChatFormat("Dora"), {"idempotency_header": "Idempotency-Key"}),
    Kind(
        "openai-responses",
        ResponsesFormat,
        {"api": "responses", "transcription_model": "whisper-1", "speech_model": "tts-1"},
        abilities=("approvals", "transcribe", "speak"),
    ),
    Kind(
        "openai-responses-header",
        ResponsesFormat,
        {"api": "responses", "idempotency_header": "Idempotency-Key"},
        abilities=("approvals",),
    ),
)

_LETTA_V1 = ("cancel", "resume", "approvals", "conversations", "deletion", "history")


#: All kinds, those without the OpenAI API last.
ALL_KINDS = (
    *KINDS,
    Kind(
        "letta",
        lambda: ScriptedChatFormat("Dora"),
        {"kind": "letta"},
        ScriptedAppServer,
        {"refused": AnswerInterrupted, "failed": AnswerInterrupted},
        abilities=(
            *("cancel", "approvals", "conversations", "branches", "archive"),
            *("history", "schedules", "commands", "pictures"),
        ),
        files=False,
        loses=False,
    ),
    Kind(
        "letta_v1",
        lambda: ScriptedChatFormat("Dora"),
        {"kind": "letta_v1"},
        # The questions of these tests have the same key.
        partial(ScriptedLettaV1, remembers=False),
        abilities=_LETTA_V1,
        files=False,
        loses=False,
    ),
    Kind(
        "letta_v1-foreground",
        lambda: ScriptedChatFormat("Dora"),
        {"kind": "letta_v1"},
        partial(ScriptedLettaV1, redis=False),
        abilities=_LETTA_V1,
        files=False,
        loses=False,
    ),
    *(
        Kind(
            name,
            lambda: ScriptedChatFormat("Dora"),
            {"kind": "a2a", "cards": ["Dora"]},
            server,
            abilities=("cancel", "resume"),
            loses=False,
            lists=False,
            tools=False,
            reasons=name != "a2a-polling",
        )
        for name, server in (
            ("a2a", partial(ScriptedA2A)),
            ("a2a-polling", partial(ScriptedA2A, streams=False)),
            ("a2a-0.3", partial(ScriptedA2A, old=True)),
        )
    ),
)


def connect(url: str, session: aiohttp.ClientSession, **keys: Any) -> Upstream:
    """Return an upstream called ``up`` whose server is at *url*, configured by *keys*."""
    return make_upstream(
        UpstreamConfig.model_validate({"name": "up", "url": url, **keys}), session, MemoryConversations()
    )


@dataclass(frozen=True)
class Answer:
    """The answer to one question, as the bridge reads it."""

    #: Every event, in its order.
    raw: list[AnswerEvent]
    #: The error that ended the answer, None if it is complete.
    error: UpstreamError | None

    @property
    def events(self) -> list[AnswerEvent]:
        """The events without the start of the run, consecutive pieces of a text joined."""
        return joined(self.raw)

    @property
    def text(self) -> str:
        """The text of the answer."""
        return "".join(event.text for event in self.raw if isinstance(event, TextDelta))


async def ask(upstream: Upstream, request: AnswerRequest = QUESTION) -> Answer:
    """Ask, and return the answer when it has ended."""
    raw: list[AnswerEvent] = []
    try:
        async with asyncio.timeout(DEADLINE), aclosing(upstream.answer(request)) as events:
            async for event in events:
                raw += [event]
    except UpstreamError as error:
        return Answer(raw, error)
    return Answer(raw, None)
