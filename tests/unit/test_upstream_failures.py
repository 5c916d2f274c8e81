"""Error reports of upstreams, and the bridge's errors for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import (
    AgentGone,
    ConversationTooLong,
    QuestionRefused,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailed,
    UpstreamRefused,
)
from agent_bridge.i18n.catalogue import Text
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.transport.error_body import MAX_MESSAGE, parse_error, parse_error_body
from agent_bridge.upstream.transport.errors import ErrorMapper, ErrorResponse, PathMissing, RequestContext, retry_after
from agent_bridge.upstream.transport.failure_kind import FailureKind
from support.fault_server import TRANSCRIPTS
from support.growth import growth

NOW = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)
KEY = "s3cret-of-ours"


CUT = Text("answer_cut", upstream="up")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param({"detail": "Not Found"}, "Not Found", id="detail"),
        pytest.param({"detail": {"code": "PENDING_APPROVAL", "message": "wait"}}, "wait", id="detail object"),
        pytest.param(
            {"trace_id": "", "detail": "[{'type': 'missing', 'msg': 'Field required'}]"},
            "[{'type': 'missing', 'msg': 'Field required'}]",
            id="a list as Python prints it",
        ),
        pytest.param({"detail": [{"msg": "a", "loc": []}, {"msg": "b"}]}, "a; b", id="detail list"),
        pytest.param({"error": {"type": "llm_error", "message": "a", "detail": "b"}}, "a", id="error with detail"),
        pytest.param({"detail": "CONFLICT: busy", "run_id": "run-1"}, "CONFLICT: busy", id="busy conversation"),
        pytest.param({"error": {"message": "a", "type": "x", "code": "400"}}, "a", id="OpenAI"),
        pytest.param({"error": {"message": "a", "type": None, "code": None}}, "a", id="OpenAI without a code"),
        pytest.param({"error": {"message": "a", "code": 401}}, "a", id="OpenAI with a number"),
        pytest.param({"error": "missing token"}, "missing token", id="error text"),
        pytest.param({"statusCode": 400, "message": "a", "error": "Bad Request"}, "a", id="message beside error"),
        pytest.param({"error": {"message": '500: {"message": "a"}'}}, "a", id="JSON behind a status in a message"),
        pytest.param({"error": {"message": '{"x": 1}'}}, '{"x": 1}', id="JSON without words in a message"),
        pytest.param({"error": {"message": "{broken}"}}, "{broken}", id="braces in a message"),
        pytest.param({"error": {"message": " "}, "x": 1}, None, id="blank"),
        pytest.param({"error": {}}, None, id="empty"),
        pytest.param([], None, id="list"),
        pytest.param(None, None, id="null"),
        pytest.param(1, None, id="number"),
    ],
)
def test_words(value: Any, words: str | None) -> None:
    assert parse_error(value).message == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"Internal Server Error", "Internal Server Error"),
        (b'{"detail": "x"}', "x"),
        (b"<html><head><TITLE>502\nBad Gateway</TITLE></head>", "502\nBad Gateway"),
        (b"<html><body>no title", None),
        (b"", None),
        (b" \n", None),
        (b"\xff", "\ufffd"),
        (b"[" * 60_000, "[" * 60_000),
    ],
)
def test_words_of_bodies(body: bytes, words: str | None) -> None:
    assert parse_error_body(body).message == words


@pytest.mark.parametrize(
    "piece", [" ", "\n \n", "<title", "<title>", "<title></", "{", "[{", "sk-", "Bearer 1", "max_tokens "]
)
def test_the_time_for_a_report_grows_with_its_length_alone(piece: str) -> None:
    def read(text: str) -> None:
        for body in (f"{text}x", f"<{text}x", f"{{x{text}x"):
            report = parse_error_body(body.encode())
            assert len(report.redacted(["secret"]) or "") <= MAX_MESSAGE
            assert report.kind is None

    assert growth(read, piece) < 10


@pytest.mark.parametrize(
    ("name", "words", "too_long", "no_such_model"),
    [
        ("letta-code/boom", "fake exploded", False, False),
        ("letta-code/context", "This model's maximum context length is 32768 tokens.", True, False),
        ("letta-code/bad-key", "invalid websocket bearer token", False, False),
        (
            "letta-code/unknown-model",
            "The model 'Nobody' does not exist. Use GET /v1/models to list available agents.",
            False,
            True,
        ),
        ("llama-cpp/bad-json", "Internal Server Error", False, False),
        ("llama-cpp/not-found", "Not Found", False, False),
        (
            "llama-server/context",
            "request (9009 tokens) exceeds the available context size (4096 tokens), try increasing it",
            True,
            False,
        ),
        ("llama-server/no-key", "Invalid API Key", False, False),
        ("litellm/no-key", "Internal Server Error", False, False),
    ],
)
def test_recorded_failures(name: str, words: str, *, too_long: bool, no_such_model: bool) -> None:
    report = parse_error_body((TRANSCRIPTS / f"{name}.http").read_bytes().partition(b"\r\n\r\n")[2])
    assert report.message == words
    assert (report.kind is FailureKind.TOO_LONG) is too_long
    assert (report.kind is FailureKind.NO_SUCH_MODEL) is no_such_model


@pytest.mark.parametrize(
    ("words", "too_long"),
    [
        ("litellm.ContextWindowExceededError: litellm.BadRequestError: no", True),
        ("CONTEXT_WINDOW_EXCEEDED: Bad request to OpenAI (context window exceeded): no", True),
        ("prompt is too long: 210000 tokens > 200000 maximum", True),
        ("the context window is open", False),
        ("This prompt is fine", False),
    ],
)
def test_too_long_by_its_words(words: str, *, too_long: bool) -> None:
    assert (parse_error({"error": {"message": words}}).kind is FailureKind.TOO_LONG) is too_long


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a\n\n b\t\0c", "a b c"),
        (f"key {KEY} is {KEY}", "key [hidden] is [hidden]"),
        ("Incorrect API key: sk-abcdef123. Bye", "Incorrect API key: [hidden]. Bye"),
        ("Incorrect API key: sk-ab***********yz. Bye", "Incorrect API key: [hidden]. Bye"),
        ("got Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30", "got Authorization: Bearer [hidden]"),
        ("invalid Bearer token", "invalid Bearer token"),
        ("a task-based disk-shaped risk-free word", "a task-based disk-shaped risk-free word"),
        ("one", "one"),
        ("x" * 400, "x" * (MAX_MESSAGE - 1) + "…"),
        ("x" * (MAX_MESSAGE - 5) + KEY, "x" * (MAX_MESSAGE - 5) + "[hid…"),
    ],
)
def test_shown(words: str, shown: str) -> None:
    assert parse_error(words).redacted([KEY, "one", ""]) == shown


@given(st.text(), st.text(max_size=3))
def test_what_is_shown_is_one_short_line(words: str, rest: str) -> None:
    shown = parse_error({"error": {"message": f"{words} {KEY}{rest}"}}).redacted([KEY])
    assert shown is not None
    assert len(shown) <= MAX_MESSAGE
    assert len(shown.splitlines()) == 1
    assert KEY not in shown
    assert "\0" not in shown


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-1"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 03:01:30 GMT"}, 90),
        ({"retry-after": "Sat, 21 Nov 2026 02:00:00 GMT"}, 0),
        ({"retry-after": "Sat, 21 Nov 2026 03:01:30 -0000"}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def reply(status: int, message: str = "why", code: str | None = None, **headers: str) -> ErrorResponse:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    return ErrorResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "says"),
    [
        (reply(429), UpstreamBusy, True, "up is busy (429): why"),
        (reply(503), UpstreamBusy, True, "up is busy (503): why"),
        (reply(502), UpstreamFailed, True, "up failed (502): why"),
        (reply(500), UpstreamFailed, False, "up failed (500): why"),
        (reply(504), UpstreamFailed, False, "up failed (504): why"),
        (reply(529), UpstreamBusy, True, "up is busy (529): why"),
        (reply(408), UpstreamBusy, True, "up is busy (408): why"),
        (reply(425), UpstreamBusy, True, "up is busy (425): why"),
        (reply(404), UpstreamFailed, True, "up does not have the path of the request (404): why"),
        (
            reply(404, "404 page not found"),
            UpstreamFailed,
            True,
            "up does not have the path of the request (404): 404 page not found",
        ),
        (
            reply(404, "The model `Dora` does not exist"),
            AgentGone,
            False,
            "up no longer has an agent 'Dora': The model `Dora` does not exist",
        ),
        (
            reply(400, "Invalid model name passed in model=Dora"),
            AgentGone,
            False,
            "up no longer has an agent 'Dora': Invalid model name passed in model=Dora",
        ),
        (reply(402), UpstreamFailed, False, "the account at the server of up has no credit left: why"),
        (
            reply(429, code="insufficient_quota"),
            UpstreamFailed,
            False,
            "the account at the server of up has no credit left: why",
        ),
        (reply(413), ConversationTooLong, False, "the conversation is too long for this agent's model: why"),
        (
            reply(403, "x requires moderation and your input was flagged"),
            QuestionRefused,
            False,
            "up does not want to answer this message: x requires moderation and your input was flagged",
        ),
        (reply(400, code="content_filter"), QuestionRefused, False, "up does not want to answer this message: why"),
        (
            reply(400, code="data_inspection_failed"),
            QuestionRefused,
            False,
            "up does not want to answer this message: why",
        ),
        (
            reply(403, code="unsupported_country_region_territory"),
            UpstreamRefused,
            False,
            "up refused the request (403): why",
        ),
        (
            reply(403, "Missing scopes: model.request"),
            UpstreamRefused,
            False,
            "up refused the request (403): Missing scopes: model.request",
        ),
        (
            reply(403, "The API key is invalid"),
            UpstreamRefused,
            False,
            "up does not accept the api_key (403): The API key is invalid",
        ),
        (ErrorResponse(403, {}, b""), UpstreamRefused, False, "up refused the request (403)"),
        (reply(400, code="model_not_found"), AgentGone, False, "up no longer has an agent 'Dora': why"),
        (reply(401), UpstreamRefused, False, "up does not accept the api_key (401): why"),
        (reply(400), UpstreamRefused, False, "up refused the request (400): why"),
        (reply(409), UpstreamRefused, False, "up refused the request (409): why"),
        (
            reply(400, code="context_length_exceeded"),
            ConversationTooLong,
            False,
            "the conversation is too long for this agent's model: why",
        ),
        (
            reply(500, '400: {"message": "maximum context length is 5"}'),
            ConversationTooLong,
            False,
            "the conversation is too long for this agent's model: maximum context length is 5",
        ),
        (
            reply(307),
            UpstreamRefused,
            False,
            "up redirects to another address (307): set its url to that address: why",
        ),
        (ErrorResponse(500, {}, b""), UpstreamFailed, False, "up failed (500)"),
        (reply(400, f"bad {KEY}"), UpstreamRefused, False, "up refused the request (400): bad [hidden]"),
    ],
)
def test_replies(answer: ErrorResponse, kind: type[UpstreamError], says: str, *, retryable: bool) -> None:
    errors = ErrorMapper("up", secrets=(KEY,), idempotent=False)
    error = errors.from_response(answer, NOW, RequestContext("Dora"))
    assert type(error) is kind
    assert error.says(ENGLISH) == says
    assert error.retryable is retryable
    assert KEY not in repr(errors)


def test_without_agents() -> None:
    error = ErrorMapper("up", secrets=(), idempotent=False).from_response(
        ErrorResponse(404, {}, b""), NOW, RequestContext()
    )
    assert type(error) is UpstreamRefused
    assert str(error) == "up has no list of agents (404): is its url correct? It usually ends in /v1"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_repeat_that_is_harmless_may_be_tried(status: int) -> None:
    error = ErrorMapper("up", secrets=(), idempotent=True).from_response(
        reply(status, retry_after="3"), NOW, RequestContext("x")
    )
    assert error.retryable
    assert error.retry_after == 3


def test_a_cut_may_be_mended_by_a_harmless_repeat() -> None:
    assert ErrorMapper("up", secrets=(), idempotent=True).interrupted(CUT, RequestContext("x")).retryable
    assert not ErrorMapper("up", secrets=(), idempotent=False).interrupted(CUT, RequestContext("x")).retryable


@pytest.mark.parametrize("status", [500, 504])
def test_what_nobody_acts_on_may_be_repeated(status: int) -> None:
    errors = ErrorMapper("up", secrets=(), idempotent=False)
    assert errors.from_response(reply(status), NOW, RequestContext(transcription=True)).retryable
    assert errors.interrupted(CUT, RequestContext(transcription=True)).retryable


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(404), PathMissing),
        (reply(405), PathMissing),
        (reply(501), PathMissing),
        (reply(410), PathMissing),
        (reply(422), PathMissing),
        (reply(403, "Missing scopes: api.responses.write."), PathMissing),
        (ErrorResponse(403, {}, b""), PathMissing),
        (reply(403, "The API key is invalid"), UpstreamRefused),
        (reply(422, "the context is full"), ConversationTooLong),
        (reply(404, code="model_not_found"), AgentGone),
        (reply(400, code="model_not_found"), AgentGone),
        (reply(400), UpstreamRefused),
        (reply(429), UpstreamBusy),
        (reply(502), UpstreamFailed),
    ],
)
def test_a_path_that_there_is_another_way_for(answer: ErrorResponse, kind: type[UpstreamError]) -> None:
    errors = ErrorMapper("up", secrets=(), idempotent=False)
    assert type(errors.from_response(answer, NOW, RequestContext("Dora", optional_path=True))) is kind


@pytest.mark.parametrize("status", [400, 415, 422])
def test_a_refusal_may_be_about_the_images(status: int) -> None:
    errors = ErrorMapper("up", secrets=(), idempotent=False)
    error = errors.from_response(reply(status), NOW, RequestContext("Dora", images=True))
    assert (
        error.says(ENGLISH)
        == f"up refused the request ({status}): perhaps the agent's model does not accept images: why"
    )


def test_a_path_that_is_missing_says_what_for() -> None:
    error = ErrorMapper("up", secrets=(), idempotent=False).from_response(
        reply(404), NOW, RequestContext(transcription=True)
    )
    assert (
        error.says(ENGLISH) == "up does not transcribe voice messages (404): is its transcription_model correct?: why"
    )
