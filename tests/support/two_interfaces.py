"""An App Server whose OpenAI API lists the agents by their names, and its WebSocket by their ids, as the real one."""

from __future__ import annotations

from typing import Any

from support.scripted_app_server import ScriptedAppServer


class TwoInterfaces(ScriptedAppServer):
    """Has the agents *names*, which are names by ids. A name that two agents have is no id."""

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__()
        self.by_id = names

    def model_list(self) -> list[dict[str, Any]]:
        """Return the list of the OpenAI API."""
        names = list(self.by_id.values())
        shown = [name if names.count(name) == 1 else each for each, name in self.by_id.items()]
        return [{"id": each, "owned_by": "letta"} for each in shown]

    def agent_entries(self) -> list[dict[str, Any]]:
        """Return the list of the WebSocket."""
        return [{"id": each, "name": name} for each, name in self.by_id.items()]
