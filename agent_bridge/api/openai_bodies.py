"""Bodies of the OpenAI API, and the prompts that they are."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from agent_bridge.api.model import ApiModel, Text
from agent_bridge.core.model_calls import Prompt, Said
from agent_bridge.core.program_problems import Problem, ProgramRefused

#: Roles whose messages are instructions.
_INSTRUCTING = frozenset({"system", "developer"})
_SPEAKING = frozenset({"user", "assistant"})
_TEXTS = frozenset({"text", "input_text", "output_text", "refusal"})
#: Characters of the name of a conversation.
_LONGEST = 200
#: Values of parameters that ask for nothing special; other values are refused. Parameters that are not named here
#: are ignored: the agent decides about them.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("auto", "none"),
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "stop": ([], ""),
    "audio": (),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
    "prediction": (),
    "web_search_options": (),
    "background": (False,),
    "prompt": (),
    "moderation": (),
}
#: Headers that name a room, and a conversation: ours, and the one of Open WebUI.
_ROOM, _CHAT_KEYS = "X-Room", ("X-Chat-Key", "X-OpenWebUI-Chat-Id")


def _is_named(name: str) -> str:
    if not name.strip():
        raise ValueError("is empty")
    return name


ConversationName = Annotated[Text, Field(max_length=_LONGEST), AfterValidator(_is_named)]


class OpenAIModel(ApiModel):
    """Base of the models: unknown fields are kept for :func:`refuse_unsupported`."""

    model_config = ConfigDict(extra="allow")


class ConversationRef(OpenAIModel):
    """A conversation."""

    id: ConversationName


class ChatMessage(OpenAIModel):
    """A message of a conversation."""

    role: str = Field(description="system, developer, user or assistant.")
    content: Text | list[dict[str, Any]] | None = Field(None, description="A text, or parts of the type text.")


class StreamOptions(OpenAIModel):
    """What a stream has besides."""

    include_usage: bool | None = Field(None, description="Whether a chunk before the last line has the tokens.")


class ChatRequest(OpenAIModel):
    """A question to a model, and the conversation before it."""

    model: Text = Field(min_length=1, max_length=255, description="Id of a model, or the name of an agent.")
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    conversation: ConversationName | None = Field(None, description="Name of the conversation; as X-Chat-Key.")


class ResponseRequest(OpenAIModel):
    """A question to a model."""

    model: Text = Field(min_length=1, max_length=255, description="Id of a model, or the name of an agent.")
    input: Text | list[dict[str, Any]] = Field(description="A text, or items of the type message.")
    instructions: Text | None = None
    stream: bool | None = None
    conversation: ConversationName | ConversationRef | None = Field(None, description="Name of the conversation.")
    previous_response_id: Text | None = Field(None, description="An earlier response, whose conversation goes on.")
    metadata: dict[str, Text] | None = None


def chat_prompt(body: ChatRequest, headers: Any) -> Prompt:
    """Return the prompt of a chat completion.

    Raises:
        ProgramRefused: it asks for something that no agent does.
    """
    refuse_unsupported(body)
    messages = [each.model_dump() for each in body.messages]
    return _prompt(messages, "messages", "", body.conversation or _chat_key(headers), "", headers)


def response_prompt(body: ResponseRequest, headers: Any) -> Prompt:
    """Return the prompt of a response.

    Raises:
        ProgramRefused: it asks for something that no agent does.
    """
    refuse_unsupported(body)
    extra = body.model_extra or {}
    form = (extra.get("text") or {}).get("format") if isinstance(extra.get("text"), dict) else None
    if form is not None and form != {"type": "text"}:
        raise _unsupported("text.format")
    given = body.conversation
    name = given.id if isinstance(given, ConversationRef) else given or ""
    if name and body.previous_response_id:
        raise _refused("previous_response_id", "a request has either this or conversation")
    items = [{"role": "user", "content": body.input}] if isinstance(body.input, str) else body.input
    previous = (body.previous_response_id or "").removeprefix("resp_")
    name = name or ("" if previous else _chat_key(headers))
    return _prompt(items, "input", body.instructions or "", name, previous, headers)


def refuse_unsupported(body: OpenAIModel) -> None:
    """Return if *body* asks for nothing that no agent does.

    Raises:
        ProgramRefused: it does; the error names the parameter.
    """
    for name, value in (body.model_extra or {}).items():
        if value is not None and name in _PLAIN and value not in _PLAIN[name]:
            raise _unsupported(name)


def _prompt(
    items: list[dict[str, Any]], field: str, instructions: str, conversation: str, previous: str, headers: Any
) -> Prompt:
    told = [instructions] if instructions else []
    said: list[Said] = []
    for at, item in enumerate(items):
        place = f"{field}[{at}]"
        if item.get("type", "message") != "message":
            raise _unsupported(f"{place}.type")
        role, text = item.get("role"), _text(item.get("content"), f"{place}.content")
        if role in _INSTRUCTING:
            told.append(text)
        elif role in _SPEAKING:
            said.append(Said(str(role), text))
        else:
            raise _unsupported(f"{place}.role")
    if not said or said[-1].role != "user" or not said[-1].text.strip():
        raise _refused(field, "the last message is one of the user, and has a text")
    return Prompt(
        messages=[each for each in said if each.text.strip()],
        instructions="\n\n".join(each for each in told if each.strip()),
        conversation=conversation,
        previous=previous,
        room=_named(headers, _ROOM),
    )


def _text(content: Any, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _refused(place, "is a text, or a list of parts")
    texts = []
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("refusal" if kind == "refusal" else "text") if isinstance(part, dict) else None
        if kind not in _TEXTS or not isinstance(text, str):
            raise _unsupported(f"{place}[{at}]")
        texts.append(text)
    return "\n\n".join(texts)


def _chat_key(headers: Any) -> str:
    return next((found for each in _CHAT_KEYS if (found := _named(headers, each))), "")


def _named(headers: Any, name: str) -> str:
    value = str(headers.get(name, "")).strip()
    if len(value) > _LONGEST or not value.isprintable():
        raise _refused(name, f"has up to {_LONGEST} characters")
    return value


def _unsupported(name: str) -> ProgramRefused:
    return ProgramRefused(
        Problem.UNSUPPORTED_PARAMETER, name, more={"errors": [{"field": name, "message": "is not supported"}]}
    )


def _refused(name: str, why: str) -> ProgramRefused:
    return ProgramRefused(Problem.INVALID_REQUEST, f"{name}: {why}", more={"errors": [{"field": name, "message": why}]})
