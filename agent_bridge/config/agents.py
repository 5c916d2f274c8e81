"""The agents of the configuration: the schema of the list ``agents`` in config.yaml or in a file of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StrictFloat, ValidationInfo

from agent_bridge.config.section import Section
from agent_bridge.config.types import LocalPath, Origin, UpstreamName, is_web_address
from agent_bridge.core.names import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.config.upstreams import UpstreamConfig

#: Characters that the database or a request cannot hold: control characters, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
#: Bytes of an id or a model: an index of the database has to hold it.
_MAX_ID_BYTES = 255


def _one_line(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if one_line(value) != value:
        raise ValueError("must be one line of visible characters, without blanks at its ends or two in a row")
    return value


def _short(value: str) -> str:
    if len(_one_line(value).encode()) > _MAX_ID_BYTES:
        raise ValueError(f"must have at most {_MAX_ID_BYTES} bytes")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty; remove the key")
    if _UNSTORABLE.search(value):
        raise ValueError("must not contain control characters")
    return value


def _picture(value: str, info: ValidationInfo) -> str:
    if "://" in value:
        if not is_web_address(value):
            raise ValueError("must be a path or an http:// or https:// URL, such as https://example.org/ada.png")
        return value
    return str(info.context.folder / _text(value)) if isinstance(info.context, Origin) else _text(value)


def _not_empty(value: tuple[AgentConfig, ...]) -> tuple[AgentConfig, ...]:
    if not value:
        raise ValueError("must list at least one agent; without agents, remove the key agents, or agents_file")
    return value


_Id = Annotated[str, AfterValidator(_short)]
_Text = Annotated[str, AfterValidator(_text)]
_Picture = Annotated[str, AfterValidator(_picture)]


class AgentConfig(Section):
    """An agent of the configuration."""

    id: _Id = Field(
        description="Id of the agent. Its user id is made of it when the agent is new, and stays. An entry with the id "
        "of a discovered agent takes this agent over, with its room, and gives it back when the entry is removed.",
    )
    label: Annotated[str, Field(max_length=100), AfterValidator(_one_line)] = Field(
        description="Name for people. A change renames the agent and its room."
    )
    upstream: UpstreamName | None = Field(
        None, description="Name of its upstream. Default: the upstream, if there is only one.", examples=["letta"]
    )
    model: _Id | None = Field(
        None,
        description="Id by which the upstream lists the model or agent that answers. Several entries may share one; "
        "each has its own room and conversations. Default: the id of the entry.",
        examples=["gpt-5-mini"],
    )
    system_prompt: Annotated[_Text, Field(max_length=100_000)] | None = Field(
        None,
        description="System message of each request, instead of the system_prompt of the upstream. Only with "
        "kind: openai and history: bridge.",
        examples=["You are a patient translator. Answer with the translation alone."],
    )
    temperature: StrictFloat | None = Field(
        None,
        ge=0,
        le=2,
        description="Temperature of each request. Default: that of the server. Only with kind: openai.",
        examples=[0.2],
    )
    description: Annotated[str, Field(max_length=500), AfterValidator(_one_line)] | None = Field(
        None,
        description="One line about the agent, for its introduction. Default: the description of a discovered agent.",
        examples=["translates between English and Norwegian"],
    )
    greeting: Annotated[_Text, Field(max_length=4000)] | None = Field(
        None,
        description="First message in a new room, in Markdown, instead of the usual introduction. With "
        "rooms.introduce: false there is none.",
        examples=["Hello! Send me a text, and I translate it."],
    )
    avatar: _Picture | None = Field(
        None,
        description="Picture: a path, relative to this file, or an http(s) URL. Default: the picture of a discovered "
        "agent, else initials.",
        examples=["pictures/translator.png"],
    )


AgentList = Annotated[tuple[AgentConfig, ...], AfterValidator(_not_empty)]


class AgentsFile(Section):
    """Agents that the bridge adds to those that it discovers."""

    agents: AgentList


class AgentsSection(Section):
    """The part of config.yaml that tells the agents."""

    agents: AgentList = ()
    agents_file: LocalPath | None = None


def upstream_of(entry: AgentConfig, upstreams: Sequence[UpstreamConfig]) -> UpstreamConfig | None:
    """Return the upstream of *entry*; None if the entry names an unknown one, or none where there are several."""
    if entry.upstream is None:
        return upstreams[0] if len(upstreams) == 1 else None
    return next((each for each in upstreams if each.name == entry.upstream), None)


def picture_file(entry: AgentConfig) -> Path | None:
    """Return the file with the picture of *entry*; None without a picture, and if it has a URL."""
    return None if entry.avatar is None or "://" in entry.avatar else Path(entry.avatar)
