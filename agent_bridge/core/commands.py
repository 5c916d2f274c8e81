"""Names of commands that other parts than the commands themselves know."""

from __future__ import annotations

from typing import Final

#: The commands about the conversation with an agent: they wait in its lane, between the messages before and after them.
OF_THE_AGENT: Final = frozenset(
    {
        "letta",
        "reset",
        "context",
        "instructions",
        "model",
        "save",
        "saves",
        "load",
        "forget",
        "fork",
        "import",
        "export",
    }
)
