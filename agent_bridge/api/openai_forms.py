"""Responses of the OpenAI API: chat completions, and responses of the Open Responses specification."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from agent_bridge.api.model import ApiModel
from agent_bridge.api.openai_errors import error_content
from agent_bridge.api.streams import STILL_HERE
from agent_bridge.core.program_problems import Problem

if TYPE_CHECKING:
    from agent_bridge.core.model_calls import ModelAnswer, ModelCall

#: The last line of a stream.
DONE = "data: [DONE]\n\n"
_COMPLETED, _IN_PROGRESS, _INCOMPLETE, _FAILED = "completed", "in_progress", "incomplete", "failed"


class _Form(ApiModel):
    model_config = ConfigDict(extra="allow")


class ChatCompletion(_Form):
    """A chat completion."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[dict[str, Any]] = Field(description="One choice, with the message of the agent.")
    usage: dict[str, Any] | None = Field(description="Tokens; null: the agent does not report them.")


class ResponseResource(_Form):
    """A response."""

    id: str = Field(description="For previous_response_id.")
    object: str = "response"
    created_at: int
    completed_at: int | None
    status: str = Field(description="completed, incomplete, failed or in_progress.")
    model: str
    output: list[dict[str, Any]] = Field(description="One message.")
    usage: dict[str, Any] | None = Field(description="Tokens; null: the agent does not report them.")


def chat_completion(asked: ModelCall, answer: ModelAnswer) -> ChatCompletion:
    """Return the completion that is *answer*."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    return ChatCompletion(
        id=f"chatcmpl-{asked.handle}",
        created=asked.created,
        model=asked.model,
        choices=[{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}],
        usage=_chat_usage(answer),
    )


class ChatChunks:
    """The chunks of a streamed chat completion. *with_usage*: the last one has the tokens."""

    def __init__(self, asked: ModelCall, *, with_usage: bool) -> None:
        self._asked = asked
        self._with_usage = with_usage

    def begin(self) -> str:
        """Return the first chunk."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> str:
        """Return the chunk with a piece of the text."""
        return self._chunk({"content": text})

    def pause(self) -> str:
        """Return a chunk without text, which keeps the connection open. Some clients fail at comments."""
        return self.piece("")

    def end(self, answer: ModelAnswer) -> str:
        """Return the last chunks."""
        if answer.status != "answered" and not answer.text:
            return self.failed(problem_of(answer), answer.error)
        usage = ""
        if self._with_usage:
            usage = self._data({"choices": [], "usage": _chat_usage(answer)})
        return self._chunk({}, _finish(answer)) + usage + DONE

    def failed(self, problem: Problem, detail: str) -> str:
        """Return the end of a completion that failed."""
        return f"data: {_json({'error': error_content(problem, detail)})}\n\n" + DONE

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        more: dict[str, Any] = {"usage": None} if self._with_usage else {}
        return self._data({"choices": [choice], **more})

    def _data(self, values: dict[str, Any]) -> str:
        head = {
            "id": f"chatcmpl-{self._asked.handle}",
            "object": "chat.completion.chunk",
            "created": self._asked.created,
            "model": self._asked.model,
        }
        return f"data: {_json(head | values)}\n\n"


class ResponseForm:
    """The response to one request, whose own fields are *given*, and the events of its stream."""

    def __init__(self, asked: ModelCall, given: dict[str, Any]) -> None:
        self._asked = asked
        self._given = given
        self._item = f"msg_{asked.handle}"
        self._number = 0

    def whole(self, answer: ModelAnswer) -> ResponseResource:
        """Return the response that is *answer*."""
        status = _COMPLETED if answer.status == "answered" else _INCOMPLETE if answer.text else _FAILED
        item_status = _COMPLETED if status == _COMPLETED else _INCOMPLETE
        return self._resource(status, [] if status == _FAILED else [self._message(answer.text, item_status)], answer)

    def begin(self) -> str:
        """Return the events before the text."""
        now = self._resource(_IN_PROGRESS, []).model_dump()
        return "".join(
            [
                self._event("response.created", response=now),
                self._event("response.in_progress", response=now),
                self._event("response.output_item.added", output_index=0, item=self._message(None, _IN_PROGRESS)),
                self._event("response.content_part.added", **self._place, part=_part("")),
            ]
        )

    def piece(self, text: str) -> str:
        """Return the event with a piece of the text."""
        return self._event("response.output_text.delta", **self._place, delta=text, logprobs=[])

    def pause(self) -> str:
        """Return a comment, which keeps the connection open: the specification has no event for that.

        No empty line follows, at which some clients look for an event.
        """
        return STILL_HERE.rstrip() + "\n"

    def end(self, answer: ModelAnswer) -> str:
        """Return the last events."""
        whole = self.whole(answer)
        if whole.status == _FAILED:
            return self._event("response.failed", response=whole.model_dump()) + DONE
        item = self._message(answer.text, _COMPLETED if whole.status == _COMPLETED else _INCOMPLETE)
        ended = self._ended(item, answer.text)
        return ended + self._event(f"response.{whole.status}", response=whole.model_dump()) + DONE

    def failed(self, problem: Problem, detail: str) -> str:
        """Return the end of a response that failed."""
        error = error_content(problem, detail)
        resource = self._resource(_FAILED, []).model_dump()
        resource["error"] = {"code": error["code"], "message": error["message"]}
        # An item that does not end as a whole would be one of an incomplete response.
        return self._event("response.failed", response=resource) + DONE

    def _ended(self, item: dict[str, Any], text: str) -> str:
        return "".join(
            [
                self._event("response.output_text.done", **self._place, text=text, logprobs=[]),
                self._event("response.content_part.done", **self._place, part=_part(text)),
                self._event("response.output_item.done", output_index=0, item=item),
            ]
        )

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _message(self, text: str | None, status: str) -> dict[str, Any]:
        content = [] if text is None else [_part(text)]
        return {"type": "message", "id": self._item, "status": status, "role": "assistant", "content": content}

    def _event(self, kind: str, **values: Any) -> str:
        number, self._number = self._number, self._number + 1
        return f"event: {kind}\ndata: {_json({'type': kind, 'sequence_number': number, **values})}\n\n"

    def _resource(
        self, status: str, output: list[dict[str, Any]], answer: ModelAnswer | None = None
    ) -> ResponseResource:
        is_failed = answer is not None and status == _FAILED
        problem = Problem.ANSWER_FAILED if answer is None else problem_of(answer)
        error = error_content(problem, "" if answer is None else answer.error)
        reason = None if answer is None or status != _INCOMPLETE else answer.status
        return ResponseResource.model_validate(
            {
                "id": f"resp_{self._asked.handle}",
                "created_at": self._asked.created,
                "completed_at": int(time.time()) if status == _COMPLETED else None,
                "status": status,
                "incomplete_details": None if reason is None else {"reason": reason},
                "model": self._asked.model,
                "previous_response_id": self._given.get("previous_response_id"),
                "instructions": self._given.get("instructions"),
                "output": output,
                "error": {"code": error["code"], "message": error["message"]} if is_failed else None,
                "tools": [],
                "tool_choice": "auto",
                "truncation": "auto",
                "parallel_tool_calls": False,
                "text": {"format": {"type": "text"}},
                "top_p": 1.0,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                "top_logprobs": 0,
                "temperature": 1.0,
                "reasoning": None,
                "usage": None if answer is None else _response_usage(answer),
                "max_output_tokens": None,
                "max_tool_calls": None,
                "store": True,
                "background": False,
                "service_tier": "default",
                "metadata": self._given.get("metadata") or {},
                "safety_identifier": None,
                "prompt_cache_key": None,
                "conversation": self._given.get("conversation"),
            }
        )


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _finish(answer: ModelAnswer) -> str:
    return "stop" if answer.status == "answered" else "length"


def problem_of(answer: ModelAnswer) -> Problem:
    """Return why there is no answer."""
    if answer.is_over_quota:
        return Problem.QUOTA_REACHED
    return Problem.ANSWER_STOPPED if answer.status == "stopped" else Problem.ANSWER_FAILED


def _chat_usage(answer: ModelAnswer) -> dict[str, Any] | None:
    if answer.input_tokens is None:
        return None
    written = answer.output_tokens or 0
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": written,
        "total_tokens": answer.input_tokens + written,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens or 0},
    }


def _response_usage(answer: ModelAnswer) -> dict[str, Any] | None:
    if answer.input_tokens is None:
        return None
    written = answer.output_tokens or 0
    return {
        "input_tokens": answer.input_tokens,
        "output_tokens": written,
        "total_tokens": answer.input_tokens + written,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens or 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
