"""Reports of tokens: their forms, and their place among the events of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.core.usage import Usage
from agent_bridge.upstream.answer import AnswerEvent, End
from agent_bridge.upstream.openai.chat import ChatDialect
from agent_bridge.upstream.openai.responses import ResponsesDialect
from agent_bridge.upstream.transport.letta_messages import DeltaReader
from agent_bridge.upstream.transport.usage import read_usage
from support.answers import read, stream

CHAT = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 3}}


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        pytest.param(CHAT, Usage(12, 6, 3), id="chat"),
        pytest.param(
            {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 6},
            Usage(12, 6, 0),
            id="responses",
        ),
        pytest.param(
            {"prompt_tokens": 7, "completion_tokens": 0, "cached_input_tokens": 5}, Usage(7, 0, 5), id="letta"
        ),
        pytest.param(
            {"prompt_tokens": 60, "completion_tokens": 5, "cached_input_tokens": 40, "total_tokens": 105},
            Usage(100, 5, 40),
            id="a cache that is counted apart",
        ),
        pytest.param({"prompt_tokens": 1}, Usage(1, 0), id="input alone"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 0}, None, id="a server that does not count"),
        pytest.param({"total_tokens": 3}, None, id="a sum alone"),
        pytest.param({"prompt_tokens": "7", "completion_tokens": True}, None, id="no numbers"),
        pytest.param({"prompt_tokens": 10**30, "completion_tokens": -1}, None, id="impossible numbers"),
        pytest.param({"prompt_tokens": 1, "prompt_tokens_details": None}, Usage(1, 0), id="details of null"),
        pytest.param(None, None, id="null"),
        pytest.param([], None, id="a list"),
    ],
)
def test_forms_of_a_report(report: Any, usage: Usage | None) -> None:
    assert read_usage(report) == usage


def test_reports_are_added() -> None:
    assert Usage(1, 2) + Usage(3, 4) == Usage(4, 6)
    assert Usage(1, 2, 1) + Usage(3, 4) == Usage(4, 6, 1)
    assert Usage(1, 2, 1) + Usage(3, 4, 2) == Usage(4, 6, 3)


def tokens(events: list[AnswerEvent]) -> list[Usage]:
    return [each for each in events if isinstance(each, Usage)]


def test_the_last_report_of_a_chat_counts() -> None:
    text = {"choices": [{"index": 0, "delta": {"content": "Hello"}}], "usage": {"prompt_tokens": 12}}
    finish = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    whole = stream(text, finish, {"choices": [], "usage": CHAT}, "[DONE]")
    events, error = read(ChatDialect(), [whole])
    assert error is None
    assert events[-2:] == [Usage(12, 6, 3), End("stop")]
    assert tokens(events) == [Usage(12, 6, 3)]


@pytest.mark.parametrize(
    ("reports", "usage"),
    [
        pytest.param(
            [{"prompt_tokens": 900, "completion_tokens": 1, "cached_tokens": 5}, {"completion_tokens": 70}],
            Usage(900, 70, 5),
            id="input at the start, output at the end",
        ),
        pytest.param(
            [{"prompt_tokens": 900}, {"prompt_tokens": 0, "completion_tokens": 70}], Usage(900, 70), id="with a zero"
        ),
        pytest.param(
            [{"prompt_tokens": 9, "completion_tokens": 7}, {"prompt_tokens": 11}], Usage(11, 7), id="reversed"
        ),
        pytest.param(
            [{"prompt_tokens": 9, "completion_tokens": each} for each in (1, 2, 3)], Usage(9, 3), id="running totals"
        ),
    ],
)
def test_reports_of_one_chat_complete_each_other(reports: list[Any], usage: Usage) -> None:
    text = {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    finish = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    events, error = read(ChatDialect(), [stream(*(text | {"usage": each} for each in reports), finish, "[DONE]")])
    assert error is None
    assert tokens(events) == [usage]


def test_an_answer_that_fails_has_its_tokens() -> None:
    text = {"choices": [{"index": 0, "delta": {"content": "Hello"}}], "usage": {"prompt_tokens": 12}}
    events, error = read(ChatDialect(), [stream(text, {"error": {"message": "no"}})])
    assert error is not None
    assert tokens(events) == [Usage(12, 0)]
    events, error = read(ChatDialect(), [stream(text)])
    assert error is not None
    assert tokens(events) == [Usage(12, 0)]


def test_a_response_has_its_tokens() -> None:
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
    usage = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}
    response = {"object": "response", "id": "resp_1", "status": "completed", "output": [item], "usage": usage}
    events, error = read(ResponsesDialect(), [stream({"type": "response.completed", "response": response})])
    assert error is None
    assert tokens(events) == [Usage(5, 2, 4)]


def test_each_step_of_letta_has_its_report() -> None:
    reader = DeltaReader()
    step = {"message_type": "usage_statistics", "prompt_tokens": 5, "completion_tokens": 2}
    assert [*reader.read(step), *reader.read(step)] == [Usage(5, 2), Usage(5, 2)]
