"""The kind of a failure, by the words that servers use for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from agent_bridge.upstream.transport.error_body import ErrorReport
from agent_bridge.upstream.transport.errors import ErrorMapper, ErrorResponse, RequestContext
from agent_bridge.upstream.transport.failure_kind import FailureKind, kind_of

TOO_LONG = (
    "Please reduce the length of the messages or completion.",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096",
    "max_tokens must be at least 1, got -200",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    "The input token count (40000) exceeds the maximum number of tokens allowed (32768)",
    "the input length exceeds the context length",
    "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    "Requested tokens (5000) exceed context window of 4096",
    "Input length 5000 exceeds the maximum allowed input length of 4096 tokens",
    "Input length 5000 exceeds the maximum allowed length of 4096 tokens.",
    "prompt token count of 70000 exceeds the limit of 64000",
    "Prompt exceeds max length",
    "Prompt is too long for this model",
    (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in "
        "the messages, 1000 in "
        "the completion). Please reduce the length of the messages or completion."
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context length is "
        "1000 tokens and your "
        "request has 600 input tokens (512 > 1000 - 600)."
    ),
    "prompt is too long: 210000 tokens > 200000 maximum",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "request (9009 tokens) exceeds the available context size (4096 tokens), try increasing it",
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with "
        "context length of "
        "only 4096 tokens, which is not enough."
    ),
    "Reached context length of 4096 tokens with model",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "Input is too long for requested model.",
    "Range of input length should be [1, 30720]",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Prompt length 5000 is greater than max_seq_len 4096",
    "The message history is too long",
    "Token limit exceeded: the conversation has 9000 tokens, and the maximum is 8192",
    "Requested token count exceeds the model's maximum context length of 262144 tokens.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "Context size has been exceeded.",
    "tokens in request more than max tokens allowed: 9000 > 8192",
    "输入长度超过模型上下文限制",
    "the prompt does not fit into the context",
    "prompt (5000 tokens) doesn't fit into context (4096)",
    "The conversation no longer fits into the model's context window",
    "the request is too long for the model",
    "Total tokens of image and text exceed max message tokens",
    "the max input characters is 20000",
)
NOT_TOO_LONG = (
    "Rate limit reached for gpt-4 on tokens per min (TPM): Limit 30000, Requested 40000. Please try again in 6s.",
    (
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested "
        "32000. The input or "
        "output tokens must be reduced in order to run successfully."
    ),
    "This request would exceed your organization's rate limit of 40,000 input tokens per minute",
    "Number of request tokens has exceeded your daily rate limit",
    "max_tokens is too large: 5000. This model supports at most 4096 completion tokens, whereas you provided 5000.",
    "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude",
    "The maximum number of requests per minute was exceeded",
    "You exceeded your current quota, please check your plan and billing details.",
    "the context window is open",
    "This prompt is fine",
    "Image exceeds the maximum size of 5 MB",
    "image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes in messages.0.content",
    "Too many stop sequences: the maximum is 4",
    "temperature must be less than 2, the input is too large",
    "Invalid 'tools': array too long. Expected an array with maximum length 128",
    "The model is overloaded",
    "tool_call_id is too long: maximum length is 40 in messages",
    "Internal Server Error",
    "HTTPSConnectionPool: Max retries exceeded with url: /v1 (requests.exceptions.ConnectionError)",
    "The request body is too large for the queue",
    "messages: at least one message is required",
    "Conversation roles must alternate user/assistant/user/assistant/...",
    "",
)


@pytest.mark.parametrize("words", TOO_LONG)
def test_a_context_that_is_too_small(words: str) -> None:
    assert kind_of((), words) is FailureKind.TOO_LONG
    assert kind_of((), words.upper()) is FailureKind.TOO_LONG


@pytest.mark.parametrize("words", NOT_TOO_LONG)
def test_words_that_only_look_like_it(words: str) -> None:
    assert kind_of((), words) is not FailureKind.TOO_LONG


@pytest.mark.parametrize(
    ("codes", "words", "kind"),
    [
        ({"context_length_exceeded"}, "no", FailureKind.TOO_LONG),
        ({"exceed_context_size_error"}, "no", FailureKind.TOO_LONG),
        ({"string_too_long"}, "no", None),
        ({"model_not_found"}, "no", FailureKind.NO_SUCH_MODEL),
        ({"ModelNotFound"}, "no", FailureKind.NO_SUCH_MODEL),
        (set(), "model 'x' not found", FailureKind.NO_SUCH_MODEL),
        (set(), 'model "x" not found, try pulling it first', FailureKind.NO_SUCH_MODEL),
        (set(), "The model `x` does not exist or you do not have access to it.", FailureKind.NO_SUCH_MODEL),
        (set(), "Invalid model name passed in model=x", FailureKind.NO_SUCH_MODEL),
        (set(), "x is not a valid model ID", FailureKind.NO_SUCH_MODEL),
        (set(), "No endpoints found for x", None),
        (set(), "this model does not support images", None),
        ({"content_filter"}, "no", FailureKind.FLAGGED),
        ({"ResponsibleAIPolicyViolation"}, "no", FailureKind.FLAGGED),
        ({"content_policy_violation"}, "no", FailureKind.FLAGGED),
        ({"data_inspection_failed"}, "no", FailureKind.FLAGGED),
        (set(), "x requires moderation and your input was flagged", FailureKind.FLAGGED),
        ({"insufficient_quota"}, "no", FailureKind.NO_CREDIT),
        (set(), "You exceeded your current quota, please check your plan and billing details.", FailureKind.NO_CREDIT),
        (set(), "Insufficient Balance", FailureKind.NO_CREDIT),
        (set(), "This request requires more credits, or fewer max_tokens", FailureKind.NO_CREDIT),
        (set(), "Loading model", FailureKind.LOADING),
        (set(), "Model is currently loading", FailureKind.LOADING),
        (set(), "Incorrect API key provided", FailureKind.BAD_KEY),
        (set(), "Missing scopes: model.request", None),
        (set(), "Unexpected endpoint or method. (POST /v1/responses)", FailureKind.NO_PATH),
        (set(), "Unknown request URL: POST /v1/responses", FailureKind.NO_PATH),
        (set(), "Internal Server Error", None),
    ],
)
def test_kinds(codes: set[str], words: str, kind: FailureKind | None) -> None:
    assert kind_of(codes, words) is kind


def test_a_long_message_takes_no_time() -> None:
    assert kind_of((), "tokens limit " * 100_000) is None


@pytest.mark.parametrize(
    ("status", "code", "words", "perhaps"),
    [
        (400, None, "any words", True),
        (422, None, "any words", True),
        (413, None, "any words", True),
        (400, "context_length_exceeded", "any words", True),
        (400, "content_filter", "any words", False),
        (415, None, "any words", False),
        (403, None, "any words", False),
        (401, None, "any words", False),
        (429, None, "any words", False),
        (500, None, "any words", False),
        (400, None, "n_past is beyond n_ctx", True),
        (400, None, "image input is not supported", False),
        (400, None, "this model does not support images", False),
        (400, None, "tool execution failed", False),
        (422, None, "Invalid value for 'temperature'", False),
    ],
)
def test_a_refusal_may_be_about_the_history(status: int, code: str | None, words: str, *, perhaps: bool) -> None:
    errors = ErrorMapper("up", secrets=(), idempotent=False)
    response = ErrorResponse(status, {}, json.dumps({"error": {"message": words, "code": code}}).encode())
    error = errors.from_response(response, datetime.now(UTC), RequestContext("Dora"))
    assert error.perhaps_too_long is perhaps


@pytest.mark.parametrize("code", ["400", "422", "invalid_request_error", "500", "content_filter"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_report_inside_an_answer_asks_for_no_repeat(code: str, *, begun: bool) -> None:
    """The agent may have acted."""
    errors = ErrorMapper("up", secrets=(), idempotent=False)
    assert not errors.from_answer(ErrorReport("why", frozenset({code})), begun=begun).perhaps_too_long
