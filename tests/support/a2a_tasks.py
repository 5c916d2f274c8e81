"""Tasks of a scripted A2A server, and their JSON in both versions of the protocol."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent_bridge.demo.agents.openai_server import Refusal
    from support.answer_chunks import File

Json = dict[str, Any]

_PREFIX = "TASK_STATE_"
ENDS = frozenset({"COMPLETED", "FAILED", "CANCELED", "REJECTED"})
RESTS = ENDS | {"INPUT_REQUIRED", "AUTH_REQUIRED"}


@dataclass(frozen=True, slots=True)
class Asks:
    """The agent asks the person something, and waits."""

    text: str
    state: str = "INPUT_REQUIRED"


@dataclass(frozen=True, slots=True)
class Ends:
    """The task ends in another way than by the end of the script."""

    state: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an artifact, with any parts."""

    artifact: str
    parts: tuple[Json, ...]
    appends: bool = True
    name: str = ""


@dataclass(eq=False)
class Task:
    """A task, whose updates are kept for its followers."""

    id: str
    context_id: str
    state: str = "SUBMITTED"
    words: Json | None = None
    artifacts: dict[str, Json] = field(default_factory=dict)
    history: list[Json] = field(default_factory=list)
    updates: list[Json] = field(default_factory=list)
    work: asyncio.Task[None] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    refused: Refusal | None = None
    #: Counts the statuses.
    number: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def shown(self) -> Json:
        """Return the task as a whole."""
        return {
            "id": self.id,
            "contextId": self.context_id,
            "status": self.status(),
            "artifacts": [dict(each) for each in self.artifacts.values()],
            "history": list(self.history),
        }

    def status(self) -> Json:
        """Return the status."""
        status: Json = {"state": _PREFIX + self.state, "timestamp": f"2026-11-28T10:00:00.{self.number:06}Z"}
        return status | ({} if self.words is None else {"message": self.words})

    def say(self, text: str) -> None:
        """Set the words of the status."""
        self.number += 1
        self.words = (
            {"messageId": f"{self.id}-{self.number}", "role": "ROLE_AGENT", "parts": [{"text": text}]} if text else None
        )

    def turn(self, state: str, text: str = "") -> None:
        """Change the state."""
        self.state = state
        self.say(text)
        self.tell({"statusUpdate": {"taskId": self.id, "contextId": self.context_id, "status": self.status()}})

    def add(self, chunk: Chunk) -> None:
        """Add a piece of an artifact."""
        known = self.artifacts.get(chunk.artifact)
        appends = chunk.appends and known is not None
        old = known["parts"] if known is not None and appends else []
        artifact = {"artifactId": chunk.artifact, "name": chunk.name, "parts": list(chunk.parts)}
        self.artifacts[chunk.artifact] = artifact | {"parts": [*old, *chunk.parts]}
        update = {"taskId": self.id, "contextId": self.context_id, "artifact": artifact, "append": appends}
        self.tell({"artifactUpdate": update})

    def tell(self, update: Json) -> None:
        """Send *update* to all followers."""
        self.updates.append(update)
        self.news.set()
        self.news = asyncio.Event()

    async def follow(self, after: int) -> AsyncIterator[Json]:
        """Yield the updates behind the number *after*, until the task rests."""
        while True:
            news = self.news
            for update in self.updates[after:]:
                after += 1
                yield update
            if after == len(self.updates):
                if self.state in RESTS:
                    return
                await news.wait()


def file_part(file: File) -> Json:
    """Return *file* as a part."""
    named = {"filename": file.name} if file.name else {}
    kind = {"mediaType": file.content_type} if file.content_type else {}
    return {"url": file.url, **named, **kind}


def as_old(value: Json) -> Json:
    """Return a result of version 1.0 as version 0.3 has it."""
    kinds = {"task": "task", "message": "message", "statusUpdate": "status-update", "artifactUpdate": "artifact-update"}
    for name, kind in kinds.items():
        if name in value:
            return {"kind": kind, **_old(value[name])}
    return {"kind": "task", **_old(value)}


def _old(value: Any, key: str = "") -> Any:
    if isinstance(value, list):
        return [_old(each, key) for each in value]
    if isinstance(value, dict):
        return _old_part(value) if key == "parts" else {name: _old(each, name) for name, each in value.items()}
    if key in ("state", "role") and isinstance(value, str):
        return value.removeprefix(_PREFIX).removeprefix("ROLE_").lower().replace("_", "-")
    return value


def _old_part(part: Json) -> Json:
    if "text" in part:
        return {"kind": "text", "text": part["text"]}
    if "data" in part:
        return {"kind": "data", "data": part["data"]}
    names = {"raw": "bytes", "url": "uri", "filename": "name", "mediaType": "mimeType"}
    return {"kind": "file", "file": {names[key]: value for key, value in part.items()}}
