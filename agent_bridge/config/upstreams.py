"""The section ``upstreams`` of config.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt, ValidationInfo, field_validator

from agent_bridge.config.kinds import KINDS_OF_KEYS, UpstreamKind, refuse_unused
from agent_bridge.config.section import Section
from agent_bridge.config.types import (
    CardPlace,
    HeaderName,
    ImportCount,
    LocalPath,
    Secret,
    ServerUrl,
    UpstreamName,
    Url,
)
from agent_bridge.core.approvals import Rule
from agent_bridge.core.imports import MOST_IMPORTED
from agent_bridge.core.rooms import Show, Streaming


class UpstreamConfig(Section):
    """A server that hosts agents."""

    name: UpstreamName = Field(description="Name in commands, logs and the database.")
    kind: UpstreamKind = Field(
        "openai",
        description="Protocol. openai: a server with /v1/models and /v1/chat/completions. letta: an App Server of "
        "Letta, over its WebSocket. letta_v1: Letta Cloud, or the retired server of Letta (0.16.8). a2a: an agent that "
        "speaks A2A 1.0 or 0.3 (docs/a2a.md).",
    )
    # After the kind, on which its form depends.
    url: ServerUrl = Field(
        description="Base URL, including /v1 if the server uses it. kind: letta also takes the address of the "
        "WebSocket, ws://localhost:4500. kind: a2a: the address of an agent card, or of its server, which has the card "
        "at /.well-known/agent-card.json.",
        examples=["http://localhost:1416/v1"],
    )
    query: dict[str, Secret] = Field(
        default_factory=dict,
        description="Query parameters of each request. env:NAME reads a value from the environment.",
        examples=[{"api-version": "2024-10-21"}],
    )
    proxy: Url | None = Field(
        None,
        description="HTTP proxy through which the server is reached. The environment variables HTTP_PROXY and "
        "HTTPS_PROXY have no effect.",
        examples=["http://proxy.example.org:3128"],
    )
    ca_file: LocalPath | None = Field(
        None,
        description="File (PEM) with the certificates that sign the server's certificate. Default: those of the "
        "system, or of the environment variable SSL_CERT_FILE.",
        examples=["ca.pem"],
    )
    api_key: Secret | None = Field(
        None,
        description="Bearer token. env:NAME reads it from the environment.",
        examples=["env:LETTA_API_KEY"],
    )
    api: Literal["chat", "responses"] = Field(
        "chat",
        description="chat: /chat/completions. responses: /responses, or /chat/completions if the server has no "
        "/responses.",
    )
    cards: tuple[CardPlace, ...] = Field(
        (),
        description="Agent cards of the upstream, each a URL or a path below url; a place that does not end in .json "
        "is that of a server. Each one is an agent whose id is the place as it is written here. Without the key the "
        "card of url is the only one, and the name of the upstream is the id.",
        examples=[["weather", "https://other.example.org/.well-known/agent-card.json"]],
    )
    trusted_hosts: tuple[str, ...] = Field(
        (),
        description="Hosts, besides that of a card, to which the bridge may send messages and the key if the card "
        "names an address there.",
        examples=[["api.example.org"]],
    )
    webhook_token: Secret | None = Field(
        None,
        description="Token with which the server has its list read at once: POST /v1/upstreams/NAME/sync, with "
        "Authorization: Bearer TOKEN. env:NAME reads it from the environment. Without it there is no such route.",
        examples=["env:SYNC_TOKEN"],
    )
    poll_interval: StrictFloat = Field(
        0.5, ge=0.05, le=3600, description="Seconds between two requests for the list of agents."
    )
    gone_after: StrictFloat = Field(
        60, ge=0, le=86_400, description="Seconds for which the list must lack an agent before the agent is gone."
    )
    ephemeral: bool = Field(
        False,
        description="Whether its agents live for a short time, as the members of a swarm do: the room of an agent that "
        "is gone is removed after ephemeral_after. Many may go at once without !ab sync all.",
    )
    include: tuple[str, ...] = Field(
        ("*",),
        description="Globs, in upper or lower case: only agents whose id or name matches one of them. Models that do "
        'not chat need a glob other than "*".',
    )
    exclude: tuple[str, ...] = Field(
        (), description="Globs, in upper or lower case: no agents whose id or name matches one of them."
    )
    max_new_agents: StrictInt = Field(
        100, ge=0, description="Maximum number of new agents accepted at once. !ab sync all accepts the others."
    )
    model_ids: Literal["auto", "stable", "names"] = Field(
        "auto",
        description="names: a model id is the agent's name, so one missing and one new id in the same list are a "
        "rename. stable: model ids never change. auto: names if the server sends owned_by: letta, "
        "otherwise stable.",
    )
    history: Literal["bridge", "server"] = Field(
        "bridge",
        description="bridge: each request contains the last messages of the room. server: the server remembers them.",
    )
    history_tokens: StrictInt = Field(8000, ge=0, description="Maximum length of this history in (estimated) tokens.")
    system_prompt: str | None = Field(
        None,
        description="Optional system message of each request.",
        examples=["You talk with people in a Matrix room."],
    )
    session_header: HeaderName | None = Field(
        None,
        description="Header with the id of the conversation, for servers that keep the history.",
        examples=["X-Letta-Chat-Key"],
    )
    idempotency_header: HeaderName | None = Field(
        None,
        description="Header with the id of the turn. Set it only if the server answers a repeated id without acting "
        "twice.",
        examples=["Idempotency-Key"],
    )
    headers: dict[HeaderName, Secret] = Field(
        default_factory=dict,
        description="Additional headers of each request. env:NAME reads a value from the environment.",
        examples=[{"X-Team": "env:TEAM_KEY"}],
    )
    streaming: Streaming = Field(
        Streaming.EDITS,
        description="edits: a growing answer is shown by edits. off: the answer is sent when it is complete. !ab "
        "stream changes it for a room.",
    )
    reasoning: Show = Field(
        Show.COLLAPSED, description="How reasoning is shown: hidden, collapsed (in a folded section) or thread."
    )
    tools: Show = Field(
        Show.COLLAPSED, description="How tool calls are shown: hidden, collapsed (in a folded section) or thread."
    )
    images: bool = Field(True, description="Whether the models accept images.")
    transcription_model: str | None = Field(
        None,
        min_length=1,
        description="Model that transcribes voice messages (/audio/transcriptions). Without it they are not accepted.",
        examples=["whisper-1"],
    )
    speech_model: str | None = Field(
        None,
        min_length=1,
        description="Model that reads answers aloud (/audio/speech): those to voice messages, and all of a room after "
        "!ab voice on. The text of the answer is sent in any case. Needs pip install '.[voice]'. Without a model no "
        "answer is read aloud.",
        examples=["tts-1"],
    )
    speech_voice: str = Field("alloy", min_length=1, description="The voice.", examples=["alloy"])
    speech_format: Literal["opus", "mp3", "wav", "flac", "aac"] = Field(
        "opus",
        description="Format that the server is asked for. Anything but Opus in Ogg is converted to that.",
    )
    approvals: Rule | dict[str, Rule] = Field(
        Rule.ASK,
        description="Tools for which the server requests a decision. ask: a card in the room asks the person who asked "
        "the agent, or an administrator. allow, deny: the bridge decides. Or a rule for each glob of tools' names; the "
        "first match counts, and tools without a match are asked about. The name of a tool of an MCP server begins "
        "with the label of its server: files.delete.",
        examples=[{"Read*": "allow", "Bash": "ask"}],
    )
    approval_timeout: StrictFloat = Field(
        3600, gt=0, le=604_800, description="Seconds after which a tool call without a decision is refused."
    )
    report_usage: bool = Field(
        True,
        description="Whether requests to /chat/completions ask for a report of the tokens (stream_options). A server "
        "that refuses that is asked without it. Without a report the bridge estimates the tokens.",
    )
    import_history: ImportCount = Field(
        0,
        description="Number of earlier messages with other clients that the new room of an agent shows before people "
        f"are invited: the newest of the agent's main conversation, or all (at most {MOST_IMPORTED:,}). Everybody in "
        "the room reads them. !ab import shows those of a room that exists.",
    )
    matrix_tools: bool = Field(
        True,
        description="Whether agents get tools of the bridge: react, send a file, read the last messages, list the "
        "participants, each in the room in which the agent was asked.",
    )
    connect_timeout: StrictFloat = Field(10, gt=0, description="Seconds after which an attempt to connect fails.")
    idle_timeout: StrictFloat = Field(
        300, gt=0, description="Seconds without data after which an answer counts as broken off."
    )
    turn_timeout: StrictFloat = Field(3600, gt=0, description="Maximum duration of an answer in seconds.")
    max_answer_chars: StrictInt = Field(
        200_000,
        ge=100,
        description="Maximum length of an answer in characters. The room is told if an answer is longer.",
    )

    @field_validator(*KINDS_OF_KEYS)
    @classmethod
    def _has_an_effect(cls, value: object, info: ValidationInfo) -> object:
        key, api = str(info.field_name), info.data.get("api")
        refuse_unused(cls, key, value, info.data.get("kind"), str(value) if key == "api" else api)
        return value

    @property
    def approval_rules(self) -> dict[str, Rule]:
        """The rules for tool calls, by the globs of the tools' names."""
        return {"*": self.approvals} if isinstance(self.approvals, Rule) else self.approvals
