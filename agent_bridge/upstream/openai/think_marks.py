"""The marks that models write around their reasoning, and the marks that end their text.

Models and templates spell them differently: ``<think>``, ``<seed:think>``, ``[THINK]``, the channels of the harmony
format, and the sections of Open WebUI.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from agent_bridge.upstream.transport.pieces import tool_call, tool_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.upstream.answer import ToolCall, ToolResult

_WORDS = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|monologue|chain[_-]of[_-]thought)"
#: Names that an answer uses for its own sections, such as ``plan``, ``analysis`` and ``monologue``, are not among them.
_NAMES = (
    rf"(?:[\w-]{{1,20}}:)?(?!monologue)(?:(?:ant|(?:inner|internal|hidden|private)[_-])?{_WORDS}"
    rf"(?:[_-](?:process|content|steps?|chain|trace|block))?)"
)
#: Beginnings and ends of a block of reasoning. The end belongs to the beginning in the same row.
_BLOCKS = (
    (rf"<{_NAMES}(?:\s[^<>]*)?>", rf"</{_NAMES}\s*>"),
    (r"\[(?:THINK|THINKING|REASONING)\]", r"\[/(?:THINK|THINKING|REASONING)\]"),
    (r"◁think▷", r"◁/think▷"),
    (
        rf"<\|(?:(?:start|begin)_(?:of_)?)?{_WORDS}(?:_(?:start|begin))?\|>",
        rf"<\|(?:(?:/|end_(?:of_)?){_WORDS}|{_WORDS}_end)\|>",
    ),
    (r"<unused94>", r"<unused95>"),
    (
        r"<details\s(?=[^<>]{0,2000}?type=[\"']?(?:reasoning|tool_calls|code_interpreter)\b)[^<>]{0,4000}>",
        r"</details>",
    ),
)
_HARMONY_END = r"<\|(?:end|return|call)\|>"
_HARMONY = (
    rf"(?:{_HARMONY_END})?(?:<\|start\|>[\w.]*)?<\|channel\|>(?P<channel>\w+)[^<\n]*"
    r"(?:<\|constrain\|>[^<\n]*)?<\|message\|>"
)
#: Marks at the end of a text that the server should have removed.
_LAST = (
    r"</s>|<\|(?:im_end|endoftext|end_of_text|eot_id|eom_id|eos|end|return|end_(?:of_)?(?:response|answer|solution))\|>|<end_of_turn>"
    r"|<｜end▁of▁sentence｜>|<\|(?:START|END)_OF_TURN_TOKEN\|>"
)
#: Marks around the answer itself, as Cohere and R1-like prompts write them.
_FINAL, _LATE = "final[_-]answer|final|answer", "response|output|solution"
_WRAP = rf"<(?:{_FINAL}|(?P<late>{_LATE}))>|<\|(?:start|begin)_(?:of_)?(?:response|answer|solution)\|>"
_UNWRAP = rf"</(?:{_FINAL}|{_LATE})>"
#: Any mark in the text of an answer. One group matched: ``block``, ``stray`` (an end without a beginning), ``harmony``,
#: ``wrap`` (with ``late`` for a name that an answer may use for its own sections), ``unwrap`` or ``last``.
MARK = re.compile(
    rf"(?P<block>{'|'.join(begin for begin, _ in _BLOCKS)})|(?P<harmony>{_HARMONY})"
    rf"|(?P<stray>{'|'.join(end for _, end in _BLOCKS[:-1])})|(?P<wrap>{_WRAP})|(?P<unwrap>{_UNWRAP})"
    rf"|(?P<last>{_LAST})",
    re.IGNORECASE,
)
#: The first characters of marks. A text without them, such as base64, needs no search.
SIGNS = ("<", "[", "◁")
#: Characters of text that are searched for a beginning of a mark.
LONGEST = 5_000
#: The end of a text that may be the beginning of a mark.
UNFINISHED = re.compile(
    r"(?:<\|/?\w{0,30}\|?"
    r"|(?:<\|start\|>[\w.]{0,40})?<\|channel\|>[^<\n]{0,100}(?:<\|constrain\|>[^<\n]{0,40})?(?:<\|?\w{0,12}\|?)?"
    r"|<\|start\|>[\w.]{0,40}(?:<\|?\w{0,12}\|?)?"
    rf"|<(?:details|{_NAMES})\s[^<>]{{0,4000}}|</?[\w:｜▁-]{{0,60}}\s?|\[/?[A-Z]{{0,9}}|◁/?[a-z]{{0,5}})\Z",
    re.IGNORECASE,
)
_ENDS = tuple((re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE)) for begin, end in _BLOCKS)
HARMONY_END = re.compile(rf"{_HARMONY_END}|(?=<\|(?:start|channel)\|>)")

_SUMMARY = re.compile(r"\s*<summary>.*?</summary>\s*", re.DOTALL)
_QUOTED = re.compile(r"^> ?", re.MULTILINE)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*\"([^\"]*)\"")


def end_of(beginning: str) -> re.Pattern[str]:
    """Return the pattern of the mark that ends the block with the mark *beginning*."""
    return next(end for begin, end in _ENDS if begin.fullmatch(beginning))


def is_section(beginning: str) -> bool:
    """Tell whether the block is a section of Open WebUI, which has to be read as a whole."""
    return beginning[:8].lower() == "<details"


def section_text(inner: str) -> str:
    """Return the reasoning in a section, without its summary and its quotation marks."""
    return html.unescape(_QUOTED.sub("", _SUMMARY.sub("", inner, count=1)))


def section_tool(beginning: str) -> Iterator[ToolCall | ToolResult]:
    """Yield the tool call of a section with the mark *beginning*, and its result; nothing for another section."""
    values = {name.lower(): html.unescape(value) for name, value in _ATTRIBUTE.findall(beginning)}
    if values.get("type") == "tool_calls" and values.get("name"):
        call_id = values.get("id", values["name"])
        yield tool_call(call_id, values["name"], values.get("arguments", ""))
        if values.get("result"):
            yield tool_result(call_id, values["result"])
