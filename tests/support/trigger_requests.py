"""Requests to triggers, as the programs of people send them."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from agent_bridge.core.triggers import signature_of

if TYPE_CHECKING:
    from support.bot_rooms import BotRoom

_CALLBACK = re.compile(r"http://\S+/v1/triggers/callback/[\w-]+")
_SIGNED, _KEY = re.compile(r"^URL=(\S+)$", re.MULTILINE), re.compile(r"^KEY=(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Secret:
    """The secret of a trigger, as its owner reads it."""

    url: str
    key: str | None = None

    def request(self, text: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of a request with *text*."""
        body, headers = json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        if self.key is None:
            return body, headers
        timestamp = str(int(time.time()))
        signature = f"sha256={signature_of(self.key, timestamp, body)}"
        return body, headers | {"X-Agent-Bridge-Timestamp": timestamp, "X-Agent-Bridge-Signature": signature}

    def at(self, base: str) -> Secret:
        """Return the secret with the address of another process."""
        return Secret(base + "/v1/" + self.url.partition("/v1/")[2], self.key)


def secret_in(text: str) -> Secret | None:
    """Return the secret that a message of the bot tells; None if it tells none."""
    if (callback := _CALLBACK.search(text)) is not None:
        return Secret(callback[0])
    url, key = _SIGNED.search(text), _KEY.search(text)
    return None if url is None or key is None else Secret(url[1], key[1])


def secrets_of(room: BotRoom) -> list[Secret]:
    """Return the secrets in a chat with the bot, oldest first."""
    found = [secret_in(message.body) for message in room.said()]
    return [each for each in found if each is not None]


async def send(url: str, request: tuple[bytes, dict[str, str]]) -> tuple[int, dict[str, Any]]:
    """Send a request; return its status, and the answer or the error in it."""
    body, headers = request
    async with aiohttp.request("POST", url, data=body, headers=headers) as response:
        answer = await response.json()
        return response.status, answer.get("error", answer)


async def wake(secret: Secret, text: str) -> tuple[int, dict[str, Any]]:
    """Have the agent of a trigger get *text*."""
    return await send(secret.url, secret.request(text))
