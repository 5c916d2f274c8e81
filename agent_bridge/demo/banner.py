"""The instructions that the demo prints when it is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from agent_bridge.demo.agents.upstream import curl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType


@dataclass(frozen=True, slots=True)
class Login:
    """An account for the person at the terminal."""

    user_id: str
    password: str
    #: Its permissions, in a few words.
    role: str


@dataclass(frozen=True, slots=True)
class Scene:
    """The running parts of the demo."""

    #: Base URL of the homeserver.
    homeserver: str
    logins: tuple[Login, ...]
    #: Names of the agents.
    agents: tuple[str, ...]
    #: Name of the Space that lists the agents' rooms.
    space: str
    #: Base URL of the upstream in a browser.
    upstream: str
    #: Id of an agent that can be renamed with curl; None for an upstream that is not the demo's own.
    renamable: str | None = None


def print_banner(console: Console, scene: Scene) -> None:
    """Print how to use *scene*. Lines are not wrapped, so that commands can be copied."""
    people = Table.grid(padding=(0, 3))
    for login in scene.logins:
        password = Text(f"password {login.password}")
        people.add_row(Text(login.user_id, "bold"), password, Text(login.role, "dim"))
    lines = Group(
        Rule("agent-bridge demo", align="left"),
        Text.assemble("Homeserver  ", (scene.homeserver, "bold")),
        Text.assemble("Agents      ", ", ".join(scene.agents), (f"  (from {scene.upstream})", "dim")),
        Text(),
        people,
        Text(),
        Text("Open it in Element", "bold"),
        Text("1. In Element Desktop, or in an Element Web on this machine, choose Sign in. (A browser may prevent"),
        Text("   a web page from the internet from reaching this machine.)"),
        Text.assemble("2. Next to the homeserver choose Edit, and enter ", (scene.homeserver, "bold")),
        Text("3. Sign in with a name and password from above."),
        Text(f"4. Open the Space “{scene.space}” and write to an agent."),
        Text("5. All agents are in the Lobby: mention one or several there."),
        *_renaming(scene),
        Text(),
        Rule("Ctrl-C stops everything. Events from now on:", align="left"),
    )
    console.print(lines, soft_wrap=True)


def _renaming(scene: Scene) -> Iterator[RenderableType]:
    if scene.renamable:
        command = curl("PATCH", f"{scene.upstream}/agents/{scene.renamable}", name="Another Name")
        yield Text()
        yield Text("Rename an agent: the bridge renames its contact and its room", "bold")
        yield Text(command)
        yield Text(f"More commands: curl {scene.upstream}")
