"""Tools that the bridge offers to an agent and runs itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ClientTool:
    """The definition of a tool."""

    name: str
    #: For the agent's model.
    description: str
    #: JSON schema of the arguments, an object.
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of one call."""

    text: str
    is_error: bool = False


class Toolbox(Protocol):
    """The tools of one answer. Every agent of an upstream gets the same definitions."""

    @property
    def tools(self) -> Sequence[ClientTool]:
        """The definitions."""

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolOutput:
        """Run a tool. The same call within one answer acts once. A failure is an output with *is_error*."""
