"""The dialect of ``/responses``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent_bridge.upstream.answer import ReasoningDelta, TextDelta, ToolCall, ToolResult
from agent_bridge.upstream.openai.chat import ChatDialect
from agent_bridge.upstream.openai.content import as_list, image_url, plain_text, read_content
from agent_bridge.upstream.openai.dialect import Finish, RunName
from agent_bridge.upstream.openai.output_items import is_client_call, read_item
from agent_bridge.upstream.transport.error_body import failure_in, is_failure, parse_error
from agent_bridge.upstream.transport.pieces import short_line
from agent_bridge.upstream.transport.usage import read_usage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from agent_bridge.core.transcript import ChatMessage
    from agent_bridge.upstream.openai.dialect import Piece

    _Kind = type[TextDelta | ReasoningDelta]

PATH = "/responses"
_TEXT_DELTAS = ("response.output_text.delta", "response.refusal.delta")
_REASONING_DELTAS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
#: Events after which the reasoning continues in a new paragraph.
_REASONING_DONE = ("response.reasoning_summary_text.done", "response.reasoning_text.done")
#: Events with the whole text of a part, which are read if no delta of the part arrived.
_TEXT_DONE = ("response.output_text.done", "response.refusal.done")
_ITEM_DONE = "response.output_item.done"
_RESPONSE_DONE = (
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
    "response.done",
)
#: The chat API's finish reasons for ``incomplete_details.reason``.
_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
_PARAGRAPH = "\n\n"
#: The deltas that an item with text consists of.
_KINDS: dict[str, _Kind] = {"message": TextDelta, "reasoning": ReasoningDelta}


def request(
    model: str, messages: Sequence[ChatMessage], system_prompt: str | None, temperature: float | None = None
) -> dict[str, Any]:
    """Return the body of a question that the server does not store."""
    # The type is optional in the API. Letta ignores messages without it.
    items = [{"type": "message", "role": message.role, "content": _content(message)} for message in messages]
    instructions = {"instructions": system_prompt} if system_prompt else {}
    options = {} if temperature is None else {"temperature": temperature}
    return {"model": model, "input": items, **instructions, **options, "stream": True, "store": False}


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "input_text", "text": message.content}] if message.content else []
    return [*text, *({"type": "input_image", "image_url": image_url(image)} for image in message.images)]


class ResponsesDialect:
    """Reads the events of a stream, and the ``response`` of a server that does not stream.

    A stream contains its text three times: as deltas, in the item that the deltas form, and in the response. Servers
    leave out some of them, so each is read only if those before it brought nothing.
    """

    def __init__(self) -> None:
        self._run = RunName()
        #: Reads the answer of a server that answers at this path in the other dialect.
        self._chat = ChatDialect()
        #: The kinds of text that arrived as deltas: for the current item, and at all.
        self._arrived: set[_Kind] = set()
        self._ever_arrived: set[_Kind] = set()
        #: The kinds of text that continue in a new paragraph.
        self._paused: set[_Kind] = set()
        #: Hashes of the calls and results that were yielded.
        self._yielded: set[int] = set()
        #: Ids of the calls that have no result yet.
        self._open_calls: set[str] = set()
        #: The server's id of the response, empty if it gives none, and whether the server may know it later.
        self.response_id = ""
        self.is_kept = True
        #: The items of the response that a later request can repeat, and the requests for a decision among them.
        self.items: list[Mapping[str, Any]] = []
        self.asked: list[Mapping[str, Any]] = []

    def read(self, value: Any) -> Iterator[Piece]:
        """See :class:`~agent_bridge.upstream.openai.dialect.Dialect`."""
        if not isinstance(value, dict):
            return
        kind, response = value.get("type"), value.get("response")
        if isinstance(response, dict):
            self._note(response)
            yield from self._run.read(response.get("id"))
        if report := failure_in(value):
            yield report
        elif isinstance(value.get("choices"), list):
            yield from self._chat.read(value)
        elif kind in _RESPONSE_DONE and isinstance(response, dict):
            yield from self._response(response)
        elif value.get("object") == "response" or isinstance(value.get("output_text"), str):
            self._note(value)
            yield from self._run.read(value.get("id"))
            yield from self._response(value)
        else:
            yield from self._event(kind, value)

    def _event(self, kind: Any, value: Mapping[str, Any]) -> Iterator[Piece]:
        """Yield the pieces of an event about a part of the response."""
        item = value.get("item")
        if kind in _TEXT_DELTAS:
            yield from self._text(TextDelta(_string(value.get("delta"))))
        elif kind in _REASONING_DELTAS:
            yield from self._text(ReasoningDelta(_string(value.get("delta"))))
        elif kind in _TEXT_DONE and TextDelta not in self._arrived:
            yield from self._text(TextDelta(_string(value.get("text") or value.get("refusal"))))
        elif kind in _REASONING_DONE:
            self._pause(ReasoningDelta)
        elif kind == _ITEM_DONE and isinstance(item, dict):
            self._keep(item)
            yield from self._item(item, self._arrived)

    def _note(self, response: Mapping[str, Any]) -> None:
        """Note the id of the *response*, and whether the server keeps it."""
        self.response_id = short_line(_string(response.get("id"))) or self.response_id
        self.is_kept = self.is_kept and response.get("store") is not False

    def _keep(self, item: Mapping[str, Any]) -> None:
        """Keep a completed item. Reasoning without its encrypted content cannot be repeated."""
        if item.get("type") != "reasoning" or item.get("encrypted_content"):
            self.items.append(item)
        if item.get("type") == "mcp_approval_request" and _string(item.get("id")):
            self.asked.append(item)

    def _text(self, piece: TextDelta | ReasoningDelta) -> Iterator[Piece]:
        if not piece.text:
            return
        kind = type(piece)
        if kind in self._paused:
            self._paused.remove(kind)
            yield replace(piece, text=_PARAGRAPH)
        self._arrived.add(kind)
        self._ever_arrived.add(kind)
        yield piece

    def _pause(self, kind: _Kind) -> None:
        if kind in self._ever_arrived:
            self._paused.add(kind)

    def _item(self, item: Mapping[str, Any], arrived: Collection[_Kind]) -> Iterator[Piece]:
        """Yield the pieces of a completed *item*, without the kinds of text that have *arrived* as deltas."""
        for piece in _read_item(item):
            if isinstance(piece, TextDelta | ReasoningDelta):
                if type(piece) not in arrived:
                    yield from self._text(piece)
            elif isinstance(piece, ToolCall | ToolResult):
                if hash(piece) not in self._yielded:
                    self._yielded.add(hash(piece))
                    yield piece
                (self._open_calls.add if is_client_call(item) else self._open_calls.discard)(piece.call_id)
            else:
                yield piece
        if kind := _KINDS.get(_string(item.get("type"))):
            self._arrived.discard(kind)
            self._pause(kind)

    def _response(self, response: Mapping[str, Any]) -> Iterator[Piece]:
        if usage := read_usage(response.get("usage")):
            yield usage
        arrived = frozenset(self._ever_arrived)
        output = [item for item in as_list(response.get("output")) if isinstance(item, dict)]
        if output:
            # It has all items once more.
            self.items, self.asked = [], []
        for item in output:
            self._keep(item)
            yield from self._item(item, arrived)
        if TextDelta not in self._ever_arrived:
            yield from self._text(TextDelta(_string(response.get("output_text"))))
        if is_failure(response.get("error")):
            yield parse_error(response["error"])
            return
        yield Finish(self._finish_reason(response), last=True, asks=bool(self.asked))

    def _finish_reason(self, response: Mapping[str, Any]) -> str:
        details = response.get("incomplete_details")
        match response.get("status"):
            case "completed" | None:
                return "tool_calls" if self._open_calls else "stop"
            case "incomplete" if isinstance(details, dict):
                return _INCOMPLETE.get(_string(details.get("reason")), "abort")
            case "failed":
                return "error"
        return "abort"


def _read_item(item: Mapping[str, Any]) -> Iterator[Piece]:
    match item.get("type"):
        case "message":
            yield from read_content(item.get("content"))
        case "reasoning":
            summaries = [plain_text(part) for part in as_list(item.get("summary"))]
            yield ReasoningDelta(_PARAGRAPH.join(summaries) or plain_text(item.get("content")))
        case _:
            yield from read_item(item)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
