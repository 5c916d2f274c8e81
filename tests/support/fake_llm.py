"""A language model that echoes, behind the OpenAI API: a real agent server needs one behind it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from agent_bridge.demo.agents.openai_server import OpenAIServer, Reasoning
from support.answer_chunks import ScriptedChatFormat, Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

MODEL = "fake-1"
_CALL = re.compile(r"call (\w+) (\{.*\})", re.DOTALL)
THOUGHT = "Let me think."
_LENGTH = 20_000_000
ARGUMENTS = '{"command":"echo done","description":"x"}'


#: The tokens of each answer.
USAGE = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 40}}


class _CountingFormat(ScriptedChatFormat):
    """An answer whose end reports tokens."""

    def end(self) -> dict[str, Any]:
        """Return the last event of the stream."""
        return {**super().end(), "usage": {**USAGE, "total_tokens": 105}}


class FakeLLM(OpenAIServer):
    """Answers ``Echo: <the last text of the last user message>``, one word at a time.

    A streamed answer to a message with "think" begins with a thought. A message with "use a tool" makes it call
    ``Bash`` first; so does one with "touch a file", and Letta does not allow that command by itself; with "at length",
    the arguments are 20 MB long. A message
    ``call <tool> <arguments>`` makes it call that tool; with "quietly", it says nothing after that. The words of an
    answer with "slowly" are :attr:`pause` s apart.
    """

    def __init__(self) -> None:
        super().__init__()
        #: The bodies of the questions.
        self.asked: list[Any] = []
        #: The number of its calls of tools.
        self.calls = 0
        self.pause = 0.2

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return self.api_url

    def model_list(self) -> list[dict[str, Any]]:
        """Return the only model."""
        return [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}]

    def chat_format(self, model: str) -> ScriptedChatFormat:
        """Return the format of an answer."""
        return _CountingFormat(model)

    async def reply(self, question: Mapping[str, Any]) -> AsyncIterator[object]:
        """Yield the answer."""
        self.asked.append(question)
        text = f"Echo: {_last_text(question['messages'])}"
        if not question.get("stream"):
            yield text
            return
        if "think" in text:
            yield Reasoning(THOUGHT)
        called = self._tool(text)
        if called and question["messages"][-1]["role"] != "tool":
            self.calls += 1
            # Letta never continues after a call whose id it knows.
            yield Tool(*called, call_id=f"call_{self.calls}")
            return
        if "quietly" in text:
            return
        first, *rest = text.split(" ")
        yield first
        for word in rest:
            if "slowly" in text:
                await asyncio.sleep(self.pause)
            yield f" {word}"

    def _tool(self, text: str) -> tuple[str, str] | None:
        """Return the tool that an answer to *text* calls first, and its arguments."""
        if "use a tool" in text:
            return "Bash", ARGUMENTS
        if called := _CALL.search(text):
            return called[1], called[2]
        if "touch a file" in text:
            words = "x" * (_LENGTH if "at length" in text else 1)
            return "Bash", json.dumps({"command": f"touch made-{len(self.asked)}", "description": words})
        return None


def _last_text(messages: list[dict[str, Any]]) -> str:
    content = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    return content if isinstance(content, str) else str(content[-1]["text"])
