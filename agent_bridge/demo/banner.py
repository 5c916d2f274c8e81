"""What the demo says when it is ready: where to look, who is who, what to try."""

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
    """An account that a person may use."""

    user_id: str
    password: str
    #: What they may do, in a few words.
    role: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that the demo brought up."""

    #: Base URL of the homeserver.
    homeserver: str
    logins: tuple[Login, ...]
    #: Names of the agents.
    agents: tuple[str, ...]
    #: Name of the Space in which the agents' rooms are.
    space: str
    #: Base URL of the upstream, as a person would open it.
    upstream: str
    #: Id of an agent that may be renamed with curl, None when the upstream is not the demo's own.
    renamable: str | None = None


def print_banner(console: Console, scene: Scene) -> None:
    """Print how to use *scene*. Lines are not broken, so that commands survive copying."""
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
        Text("1. In Element Desktop, or an Element Web served from this machine, choose Sign in. (A page from"),
        Text("   the internet may be kept from this machine's homeserver by the browser.)"),
        Text.assemble("2. Beside the homeserver choose Edit, and enter ", (scene.homeserver, "bold")),
        Text("3. Sign in with a name and password from above."),
        Text(f"4. Open the Space “{scene.space}” and write to somebody."),
        *_renaming(scene),
        Text(),
        Rule("Ctrl-C stops everything. What happens from now on:", align="left"),
    )
    console.print(lines, soft_wrap=True)


def _renaming(scene: Scene) -> Iterator[RenderableType]:
    if scene.renamable:
        command = curl("PATCH", f"{scene.upstream}/agents/{scene.renamable}", name="Another Name")
        yield Text()
        yield Text("Rename an agent, and watch its contact and its room follow", "bold")
        yield Text(command)
        yield Text(f"More to try: curl {scene.upstream}")
