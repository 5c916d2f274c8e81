"""What programs that speak the OpenAI API say to agents."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent_bridge.api.openai_bodies import ChatRequest, ResponseRequest, chat_prompt, response_prompt
from agent_bridge.core.model_calls import Prompt, Said
from agent_bridge.core.program_problems import Problem, ProgramRefused

ONE = [Said("user", "a"), Said("assistant", "b"), Said("user", "c"), Said("user", "d")]


def test_a_known_conversation_gets_the_last_messages_alone() -> None:
    prompt = Prompt(messages=ONE, instructions="Be kind.")
    assert prompt.words(is_known=True, instructions=prompt.fingerprint) == "c\n\nd"
    assert prompt.words(is_known=True, instructions=None) == "> **system:** Be kind.\n\nc\n\nd"
    known = "> **system:** Be kind.\n>\n> **user:** a\n>\n> **assistant:** b\n\nc\n\nd"
    assert prompt.words(is_known=False, instructions=None) == known


def test_a_long_conversation_is_shortened() -> None:
    said = [Said("user", "x" * 5_000), Said("assistant", "y" * 5_000)] * 10
    words = Prompt(messages=[*said, Said("user", "now")], instructions="Rule.").words(is_known=False, instructions=None)
    assert words.startswith("> **system:** Rule.\n>\n> …\n>\n> **")
    assert len(words) < 13_000
    assert words.endswith("\n\nnow")


@pytest.mark.parametrize(
    "text", ["m", "\n" * 9_000, "🌍" * 9_000, "Привет, мир! " * 2_000], ids=["short", "lines", "emoji", "cyrillic"]
)
def test_a_conversation_of_any_script_and_length_fits_an_event(text: str) -> None:
    said = [Said("user", text), Said("assistant", text)] * 1_000
    for question in ("now", "ы" * 10_000):
        prompt = Prompt(messages=[*said, Said("user", question)], instructions=text * 2 + "The end.")
        words = prompt.words(is_known=False, instructions=None)
        assert len(words.encode()) < 31_000
        assert words.endswith(f"\n\n{question}")
        assert words.startswith("> **system:**")
        assert "The end.\n>\n> …\n" in words


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"n": 3}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": "x"}]}, "messages[0].role"),
    ],
)
def test_unsupported_parameters_are_named(more: dict[str, Any], param: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]} | more
    with pytest.raises(ProgramRefused) as refused:
        chat_prompt(ChatRequest.model_validate(body), {})
    assert refused.value.problem is Problem.UNSUPPORTED_PARAMETER
    assert refused.value.more["errors"][0]["field"] == param


def test_harmless_parameters_are_ignored() -> None:
    plain = {
        "tools": [],
        "n": 1,
        "stop": None,
        "temperature": 0,
        "max_tokens": 5,
        "user": "u",
        "reasoning_effort": "low",
    }
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]} | plain
    assert chat_prompt(ChatRequest.model_validate(body), {"X-Chat-Key": " k ", "X-Room": "lobby"}) == Prompt(
        messages=[Said("user", "x")], conversation="k", room="lobby"
    )


def test_the_input_of_a_response() -> None:
    items = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rule"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "c"}, {"type": "input_text", "text": "d"}]},
    ]
    body = {"model": "m", "input": items, "instructions": "first", "previous_response_id": "resp_7"}
    assert response_prompt(ResponseRequest.model_validate(body), {"X-Chat-Key": "ignored"}) == Prompt(
        messages=[Said("assistant", "b"), Said("user", "c\n\nd")], instructions="first\n\nrule", previous="7"
    )
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    wrong: dict[str, dict[str, Any]] = {
        "text.format": {"text": {"format": {"type": "json_schema"}}},
        "input[0].type": {"input": [{"type": "function_call_output"}]},
        "input[0].content[0]": {"input": [{"role": "user", "content": [picture]}]},
        "background": {"background": True, "stream": True},
        "tool_choice": {"tool_choice": "required"},
    }
    for param, values in wrong.items():
        with pytest.raises(ProgramRefused) as refused:
            response_prompt(ResponseRequest.model_validate(body | values), {})
        assert refused.value.more["errors"][0]["field"] == param
    with pytest.raises(ValidationError):
        ResponseRequest.model_validate(body | {"conversation": " "})
    replayed = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    again = ResponseRequest.model_validate(body | {"input": [replayed, *items]})
    assert response_prompt(again, {}).messages[0] == Said("assistant", "No.")


def test_chat_programs_name_their_conversations_by_headers() -> None:
    body = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "x"}]})
    assert chat_prompt(body, {"X-OpenWebUI-Chat-Id": "w"}).conversation == "w"
    assert chat_prompt(body, {"X-OpenWebUI-Chat-Id": "w", "X-Chat-Key": "k"}).conversation == "k"
