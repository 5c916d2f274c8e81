"""A language model that follows the test's script, behind the OpenAI API: a real agent server needs one behind it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.demo.agents.openai_server import HangUp, Refusal
from support.answer_chunks import ScriptedChatFormat, Tool
from support.scripted_upstream import ScriptedUpstream, echo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from support.scripted_upstream import Script

MODEL = "fake-1"
#: The header with which OpenAI's library counts its repeats.
_RETRIES = "X-Stainless-Retry-Count"
_numbers = itertools.count(1)


class _Format(ScriptedChatFormat):
    """Numbers the calls of one answer: a client joins the pieces of calls with the same number."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._calls = itertools.count()

    def delta(self, piece: object) -> dict[str, Any]:
        delta = super().delta(piece)
        for call in delta.get("tool_calls", []):
            call["index"] = next(self._calls)
        return delta


class ScriptedModel(ScriptedUpstream):
    """Each script is the whole answer of an agent: after its calls, it goes on when the results of the calls arrive.

    Only questions of people are recorded, and take a script.
    """

    def __init__(self) -> None:
        super().__init__()
        self.models = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}]
        #: The rest of a script, by the ids of the calls that it waits for.
        self._rests: dict[str, AsyncIterator[object]] = {}
        #: The last result of a tool.
        self.told = ""
        #: The last script, which answers a repeat of its question too.
        self._retried: Script = echo
        self._is_retry = False

    def forget(self) -> None:
        """Repeat questions again, and forget those that arrived."""
        self.script = echo
        for each in (self.scripts, self.asked, self.paths, self.headers):
            each.clear()
        self._rests.clear()

    def chat_format(self, model: str) -> ScriptedChatFormat:
        """Return the format of an answer."""
        return _Format(model)

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Yield the pieces of the script up to its next calls."""
        last = question["messages"][-1]
        rest = self._rests.get(str(last.get("tool_call_id"))) if last["role"] == "tool" else None
        if rest is None:
            self._retried = self._retried if self._is_retry else self._next_script()
            self.scripts.appendleft(self._retried)
            rest = super().reply(question)
        ids: list[str] = []
        while True:
            try:
                piece = await anext(rest)
            except StopAsyncIteration:
                self._rests |= dict.fromkeys(ids, _rest())
                return
            except (Refusal, HangUp) as error:
                if not ids:
                    raise
                self._rests |= dict.fromkeys(ids, _rest(error=error))
                return
            if isinstance(piece, Tool):
                # An agent server never runs two calls with the same id.
                call = replace(piece, result=None, call_id=f"call_{next(_numbers)}")
                ids.append(str(call.call_id))
                yield call
            elif ids:
                self._rests |= dict.fromkeys(ids, _rest(piece, then=rest))
                return
            else:
                yield piece

    def _next_script(self) -> Script:
        return self.scripts.popleft() if self.scripts else self.script

    async def _record(self, request: Any) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        if body["messages"][-1]["role"] == "tool":
            self.told = str(body["messages"][-1]["content"])
        self._is_retry = request.headers.get(_RETRIES, "0") != "0"
        if body["messages"][-1]["role"] != "tool" and not self._is_retry:
            return await super()._record(request)
        return body


async def _rest(
    *pieces: object, then: AsyncIterator[object] | None = None, error: Exception | None = None
) -> AsyncIterator[object]:
    """Yield *pieces*, and *then* the others, or fail."""
    for piece in pieces:
        yield piece
    if error is not None:
        raise error
    if then is not None:
        async for piece in then:
            yield piece
