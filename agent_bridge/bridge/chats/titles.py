"""Titles of chats: a chat without a title gets one after its first answer."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import structlog

from agent_bridge.bridge.queue.periodic import FALLBACK, every
from agent_bridge.core.errors import UpstreamError
from agent_bridge.core.names import one_line
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.usage import Usage
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.store.postgres.signals import Topic
from agent_bridge.upstream.answer import AnswerRequest, TextDelta, TextWithdrawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agent_bridge.core.chats import UntitledChat
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.chats import Chats
    from agent_bridge.store.postgres.signals import Signals
    from agent_bridge.upstream.base import Traits, Upstream

    #: Records a request for a title: its report of tokens (None: the upstream gave none), and the text that it brought.
    Record = Callable[[UntitledChat, AnswerRequest, Usage | None, str, Traits], Awaitable[None]]

_log = structlog.stdlib.get_logger(__name__)

#: Words and characters of a title.
_WORDS, _CHARACTERS = 6, 50
#: The end of a sentence. Some scripts write no blank behind it.
_SENTENCE = re.compile(r"(?<=[.!?…])\s|(?<=[。！？])")  # noqa: RUF001
#: Marks of Markdown and signs that models put around a title, and quotes with those that close them.
_AROUND = " \t`*_#.:"
_QUOTES = {'"': '"', "'": "'", "«": "»", "»": "«", "„": "“", "“": "”", "‘": "’"}  # noqa: RUF001
#: Chats that get a title at the same time, seconds for the model's answer, and characters of the messages that it gets.
_TOGETHER, _PATIENCE, _EXCERPT = 4, 10.0, 2_000


class Titles:
    """Makes titles from the first words of the question, or *by_model*."""

    def __init__(
        self,
        chats: Chats,
        upstreams: Mapping[str, Upstream],
        record: Record,
        signals: Signals,
        texts: Texts,
        *,
        by_model: bool,
    ) -> None:
        self._chats = chats
        self._upstreams = upstreams
        self._record = record
        self._signals = signals
        self._texts = texts
        self._by_model = by_model

    async def run(self) -> None:
        """Make the titles that are due, until cancelled."""
        with self._signals.subscription(Topic.CHATS) as wake:
            await every(FALLBACK, self._look, name="titles of chats", wake=wake)

    async def _look(self) -> float | None:
        chats = await self._chats.untitled(_TOGETHER)
        async with asyncio.TaskGroup() as group:
            for chat in chats:
                group.create_task(self._make(chat))
        # There may be more of them.
        return 0.0 if len(chats) == _TOGETHER else None

    async def _make(self, chat: UntitledChat) -> None:
        """Give *chat* a title. The title of a question without text comes from the answer."""
        title = await self._of_model(chat) if self._by_model and chat.question else ""
        title = title or first_words(chat.question) or first_words(to_unmarked(chat.answer[:_EXCERPT]))
        await self._chats.titled(chat, title or None)

    async def _of_model(self, chat: UntitledChat) -> str:
        """Ask the model of the agent for a title; empty if there is none.

        A server that keeps conversations is not asked: the request would become a part of the agent's memory.
        """
        upstream = self._upstreams.get(chat.agent.upstream)
        if upstream is None or upstream.traits.stateful:
            return ""
        prompt = self._texts.commands.chats.title_prompt.format(
            question=chat.question[:_EXCERPT], answer=chat.answer[:_EXCERPT]
        )
        key = f"title-{chat.number}"
        request = AnswerRequest(chat.agent.model, (ChatMessage("user", prompt),), session=key, idempotency_key=key)
        text, is_begun = "", False
        usage: Usage | None = None
        try:
            async with asyncio.timeout(_PATIENCE):
                async for event in upstream.answer(request):
                    is_begun = True
                    match event:
                        case TextDelta():
                            text += event.text
                        case TextWithdrawn():
                            text = ""
                        case Usage():
                            usage = event if usage is None else usage + event
        except (UpstreamError, TimeoutError) as error:
            _log.info("the model gave no title", agent=chat.agent.name, error=str(error) or "no answer in time")
            return ""
        finally:
            if is_begun:
                await self._record(chat, request, usage, text, upstream.traits)
        return _shortened(unquoted(one_line(to_unmarked(text).strip().partition("\n")[0])))


def first_words(text: str) -> str:
    """Return a title from the first sentence of *text*: at most six words and 50 characters."""
    sentence = _SENTENCE.split(one_line(text), maxsplit=1)[0]
    words = sentence.split(" ")
    if len(words) > _WORDS:
        return _shortened(" ".join(words[:_WORDS]).rstrip(",;:–—-") + "…")  # noqa: RUF001
    return _shortened(sentence.rstrip(".… "))


def unquoted(title: str) -> str:
    """Return *title* without the marks around it, and without quotes around the whole: quotes of a part stay."""
    title = title.strip(_AROUND)
    closing = _QUOTES.get(title[:1])
    if closing is None or title.find(closing, 1) not in {-1, len(title) - 1}:
        return title
    return title[1:].removesuffix(closing).strip(_AROUND)


def _shortened(title: str) -> str:
    return title if len(title) <= _CHARACTERS else f"{title[: _CHARACTERS - 1].rstrip()}…"
