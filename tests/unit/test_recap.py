"""The messages that an upstream gets again after its restart."""

from __future__ import annotations

from agent_bridge.bridge.answering.recap import newest_lines
from agent_bridge.core.transcript import ChatMessage

MESSAGES = [ChatMessage("user", "my cat is Tom"), ChatMessage("assistant", "Hello Tom!"), ChatMessage("user", "ж")]


def test_each_message_has_its_author() -> None:
    assert newest_lines(MESSAGES, "Dora", 1000) == ["user: my cat is Tom", "Dora: Hello Tom!", "user: ж"]


def test_the_newest_messages_that_fit_are_repeated() -> None:
    assert newest_lines(MESSAGES, "Dora", len("Dora: Hello Tom!user: ") + 2) == ["Dora: Hello Tom!", "user: ж"]
    assert newest_lines(MESSAGES, "Dora", 7) == []
