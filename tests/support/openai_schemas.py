"""The schema of responses of the Open Responses specification, in the parts that its compliance tests look at.

Written from the specification (openresponses.org, "ResponseResource" and the events of streams).
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter


class _Strict(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Text(_Strict):
    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class _Message(_Strict):
    type: Literal["message"]
    id: str
    status: Literal["in_progress", "completed", "incomplete"]
    role: Literal["assistant"]
    content: list[_Text]


class _Cached(_Strict):
    cached_tokens: int


class _Reasoning(_Strict):
    reasoning_tokens: int


class _Usage(_Strict):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: _Cached
    output_tokens_details: _Reasoning


class _Error(_Strict):
    code: str
    message: str


class _Reason(_Strict):
    reason: str


class Resource(_Strict):
    """A response: every field is required."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["queued", "in_progress", "completed", "failed", "incomplete"]
    incomplete_details: _Reason | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[_Message]
    error: _Error | None
    tools: list[Any]
    tool_choice: str
    truncation: Literal["auto", "disabled"]
    parallel_tool_calls: bool
    text: dict[str, Any]
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    temperature: float
    reasoning: dict[str, Any] | None
    usage: _Usage | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: dict[str, str]
    safety_identifier: str | None
    prompt_cache_key: str | None


class _Event(_Strict):
    sequence_number: int


class _Lifecycle(_Event):
    type: Literal[
        "response.created", "response.in_progress", "response.completed", "response.failed", "response.incomplete"
    ]
    response: Resource


class _Item(_Event):
    type: Literal["response.output_item.added", "response.output_item.done"]
    output_index: int
    item: _Message


class _Part(_Event):
    type: Literal["response.content_part.added", "response.content_part.done"]
    item_id: str
    output_index: int
    content_index: int
    part: _Text


class _Delta(_Event):
    type: Literal["response.output_text.delta"]
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: list[Any]


class _Done(_Event):
    type: Literal["response.output_text.done"]
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: list[Any]


_EVENT: TypeAdapter[_Lifecycle | _Item | _Part | _Delta | _Done] = TypeAdapter(
    _Lifecycle | _Item | _Part | _Delta | _Done
)
_FRAME = ("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added")
_END = ("response.output_text.done", "response.content_part.done", "response.output_item.done")


def checked_resource(content: Any) -> dict[str, Any]:
    """Return *content*, which is a response."""
    Resource.model_validate(content)
    found: dict[str, Any] = content
    return found


def lines_of(text: str) -> list[tuple[str | None, str]]:
    """Return the events of a stream: their types (None: without one) and data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        assert set(fields) <= {"event", "data"}, fields
        if fields:
            found.append((fields.get("event"), fields["data"]))
    return found


def checked_stream(text: str) -> list[dict[str, Any]]:
    """Return the events of a streamed response, which has all events in their order, and whose pieces are the text.

    One that failed ends before its item does.
    """
    *events, last = lines_of(text)
    assert last == (None, "[DONE]")
    found: list[dict[str, Any]] = [json.loads(data) for _, data in events]
    for (kind, _), event in zip(events, found, strict=True):
        assert kind == event["type"]
        _EVENT.validate_python(event)
    assert [each["sequence_number"] for each in found] == list(range(len(found)))
    kinds = [each["type"] for each in found]
    assert tuple(kinds[:4]) == _FRAME
    if kinds[-1] == "response.failed":
        assert set(kinds[4:-1]) <= {"response.output_text.delta"}
        assert found[-1]["response"]["error"]
        return found
    assert tuple(kinds[-4:-1]) == _END
    assert set(kinds[4:-4]) <= {"response.output_text.delta"}
    whole = "".join(each["delta"] for each in found[4:-4])
    assert whole == found[-4]["text"] == found[-3]["part"]["text"] == found[-2]["item"]["content"][0]["text"]
    return found
