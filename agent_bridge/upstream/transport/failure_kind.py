"""Kinds of failures, by the codes and the words of the servers."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class FailureKind(Enum):
    """The cause of a failure, as far as it decides about the remedy."""

    #: The question and its history exceed the context of the model.
    TOO_LONG = auto()
    #: The server has no agent with the requested model id.
    NO_SUCH_MODEL = auto()
    #: The server does not want to answer this question.
    FLAGGED = auto()
    #: The account of the server has no credit left.
    NO_CREDIT = auto()
    #: The key is missing, wrong or expired.
    BAD_KEY = auto()
    #: The server is loading the model.
    LOADING = auto()
    #: The server lacks the requested path.
    NO_PATH = auto()


#: Kinds by the codes of servers. The first pattern that one of the codes contains decides.
_CODES = (
    (FailureKind.TOO_LONG, r"context_?(?:length|size|window)|(?:prompt|input|request|message)s?_too_(?:long|large)"),
    (FailureKind.NO_SUCH_MODEL, r"model_?(?:is_)?not_?(?:found|exist)|(?:invalid|unknown)_?model|no_such_model"),
    (
        FailureKind.FLAGGED,
        r"content_?(?:filter|policy|moderation|safety)|data_inspection|responsible_?ai|moderation|sensitive|safety",
    ),
    (
        FailureKind.NO_CREDIT,
        r"insufficient_?(?:quota|balance|funds|credit)|billing|payment_required|arrears|out_of_credit",
    ),
    (FailureKind.BAD_KEY, r"(?:invalid|incorrect|missing|expired)_?(?:api_?)?(?:key|token)|authentication"),
    (FailureKind.LOADING, r"model_?(?:is_)?loading|loading_model"),
)
#: Words that are surely about the context.
_CONTEXT = (
    r"maximum context (?:length|size|window)"
    r"|context.?(?:length|window|size|limit)s?\b.{0,60}?(?:exceed|overflow|reached)"
    r"|exceed\w*.{0,80}?\bcontext.?(?:length|window|size|limit)|context.?window.?exceeded|\bcontext\b.{0,20}\bfull\b"
    r"|(?:not|n'?t|no longer|never) fits?\b.{0,40}?\b(?:context|window)|\btotal tokens\b.{0,40}?exceed"
    r"|\brequest is too (?:long|large) for the model|\bmax(?:imum)? (?:input|prompt) (?:characters|length|tokens)"
    r"|prompt is too long|超长|超过.{0,20}(?:长度|上下文)|上下文.{0,20}(?:过长|超)|(?:输入|消息|对话).{0,10}过长"
)
#: Words about a rate, a setting or a file, which look like words about a context.
_NO_CONTEXT = (
    r"rate.?limit|per.(?:minute|second|hour|day)|\b[TR]P[MD]\b|throttl|too many requests|quota|daily|monthly"
    r"|max_?(?:completion_|output_|new_)?tokens.{0,60}(?:specified|in the request|must be less|too large|parameter)"
    r"|max_?(?:completion_|output_|new_)?tokens\W{1,4}\d+ > |(?:output|completion) tokens (?:for|of|allowed)"
    r"|(?:file|image|picture|upload|attachment|audio|header|\bname|(?:\b|_)id\b|url|string).{0,40}"
    r"(?:too (?:long|large|big)|exceed)"
    r"|stop.sequence|\btemperature\b|top_p|\bseed\b|\btools?\b"
)
#: The three parts of a sentence about a context, in any order: a thing, its size, and the excess.
_THING = (
    r"context|prompts?|inputs?|tokens?|messages?|conversation|history|requested|sequence|decoder|n_ctx"
    r"|max_tokens"
)
_SIZE = (
    r"length|window|limit|size|count|max(?:imum)?|number|long|large|allowed|exceed|n_ctx|least|less than|fewer|<=|many"
)
_EXCESS = (
    r"exceed|(?:longer|greater|more|larger|bigger|less|fewer) than|too (?:long|large|many|big)|\breduce\b|maximum"
    r"|overflow|must be at least 1\b|(?:not|n'?t|no longer) fit|surpass|out of range|must be <=|should be \[|reached"
    r"|not enough|above"
)
_WORDS = (
    (
        FailureKind.FLAGGED,
        (
            r"flagged|content (?:management )?policy|content.?filter|requires? moderation|safety (?:system|filter|poli)"
            r"|inappropriate content|sensitive (?:content|words?)|usage polic|risk(?:y)? content"
        ),
    ),
    (
        FailureKind.NO_CREDIT,
        (
            r"exceeded your current quota|insufficient (?:quota|balance|credits?|funds)|out of credits?|no credits?"
            r"|credit balance|requires more credits|billing|payment required|prepaid"
        ),
    ),
    (
        FailureKind.NO_SUCH_MODEL,
        (
            r"\b(?:model|agent|deployment)(?:\s+\S{1,120}){0,3}?\W+(?:(?:was|is|could)\s+)?"
            r"(?:not (?:be )?(?:found|exist)|(?:does|do|did)(?: not|n't) exist|no longer (?:available|exists?))"
            r"|invalid model|unknown model"
            r"|no such (?:model|agent)|no (?:model|agent) named|not a valid model"
        ),
    ),
    (
        FailureKind.LOADING,
        (
            r"(?:model|server).{0,80}?(?:loading|starting|warming)|(?<!error )(?<!failed )loading.{0,20}model"
            r"|still loading"
        ),
    ),
    (
        FailureKind.BAD_KEY,
        (
            r"(?:api.?key|token|credential|bearer|authoriz\w+|authenticat\w+).{0,60}?(?:invalid|incorrect|missing|expired"
            r"|required|fail|wrong|not valid|revoked|denied|disabled)"
            r"|(?:invalid|incorrect|missing|expired|no|wrong|bad|unauthorized|provide)\b.{0,40}?"
            r"(?:api.?key|\btoken\b|credential|bearer|authoriz|authenticat)|unauthori[sz]ed|not authenticated"
        ),
    ),
    (
        FailureKind.NO_PATH,
        r"unexpected endpoint|unknown request url|unrecognized request url|invalid url|not implemented",
    ),
)


def _compiled(patterns: Iterable[tuple[FailureKind, str]]) -> tuple[tuple[FailureKind, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for kind, pattern in patterns)


_CODE_PATTERNS, _WORD_PATTERNS = _compiled(_CODES), _compiled(_WORDS)
_SURELY_CONTEXT, _SURELY_NOT = (re.compile(each, re.IGNORECASE | re.DOTALL) for each in (_CONTEXT, _NO_CONTEXT))
_ABOUT_CONTEXT = re.compile(
    rf"(?=.*?\b(?:{_THING})\b)(?=.*?(?:{_SIZE}))(?=.*?(?:{_EXCESS}))", re.IGNORECASE | re.DOTALL
)
_OTHER_THING = r"\b(?:image|picture|vision|audio|video|file|attachment|multi-?modal|tool|function)(?:s|\b|_)"
_OTHER_FAULT = r"(?:support|unsupported|fail|invalid|not allowed|disabled|unavailable)"
_OTHER_CAUSE = re.compile(
    rf"{_OTHER_THING}.{{0,60}}?{_OTHER_FAULT}|{_OTHER_FAULT}.{{0,60}}?{_OTHER_THING}"
    r"|(?:invalid|unknown|unsupported|unrecogni[sz]ed|missing|required) (?:value|parameter|argument|field)",
    re.IGNORECASE | re.DOTALL,
)
#: Characters of a message that are read: more are no sentence, but the content of the request.
_MAX_READ = 2_000


def kind_of(codes: Iterable[str], message: str) -> FailureKind | None:
    """Return the kind of a failure with *codes* and *message*, None if it has no kind of its own."""
    for kind, pattern in _CODE_PATTERNS:
        if any(pattern.search(code.replace(" ", "_").replace("-", "_")) for code in codes):
            return kind
    message = message[:_MAX_READ]
    if _SURELY_CONTEXT.search(message) or (_ABOUT_CONTEXT.match(message) and not _SURELY_NOT.search(message)):
        return FailureKind.TOO_LONG
    return next((kind for kind, pattern in _WORD_PATTERNS if pattern.search(message)), None)


def names_other_cause(message: str) -> bool:
    """Tell whether *message* names a cause, such as images or a tool, that has nothing to do with the context."""
    return _OTHER_CAUSE.search(message[:_MAX_READ]) is not None
