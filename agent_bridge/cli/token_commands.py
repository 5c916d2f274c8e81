"""The commands ``agent-bridge token …``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from agent_bridge.cli.terminal import note, say

token_commands = typer.Typer(help="Tokens of programs that use the API.", no_args_is_help=True)

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AGENT_BRIDGE_CONFIG", help="The configuration file.", readable=False),
]
_DEFAULT = Path("config.yaml")


@token_commands.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the token, for lists.")],
    *,
    identity: Annotated[str, typer.Option("--as", help="The agent, or the Matrix id of the person, that it acts as.")],
    rooms: Annotated[list[str] | None, typer.Option(help="Room id, alias, or name of an agent. Default: all.")] = None,
    can: Annotated[str, typer.Option(help="read,send,ask,react,create. Default: all.")] = "",
    expires: Annotated[str, typer.Option(help="A length of time, for example 30 days. Default: never.")] = "",
    config: ConfigFile = _DEFAULT,
) -> None:
    """Make a token, and print it: it is stored nowhere and not shown again."""
    from agent_bridge.bridge.programs.token_maker import TokenWish
    from agent_bridge.cli.token import new as make
    from agent_bridge.config.load import load

    listed = tuple(part.strip() for each in rooms or () for part in each.split(",") if part.strip())
    capabilities = tuple(part.strip() for part in can.split(",") if part.strip())
    limit = listed if rooms else None
    wish = TokenWish(name=name, identity=identity, rooms=limit, capabilities=capabilities, expires=expires)
    say(asyncio.run(make(load(config), wish)))


@token_commands.command("list")
def listed(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    config: ConfigFile = _DEFAULT,
) -> None:
    """List the tokens that count, without their secrets."""
    from agent_bridge.cli.token import listed as read
    from agent_bridge.config.load import load

    say(asyncio.run(read(load(config), as_json=as_json)))


@token_commands.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Number or name of the token.")], *, config: ConfigFile = _DEFAULT
) -> None:
    """Revoke a token: it counts no more, for all processes at once."""
    from agent_bridge.cli.token import revoke as end
    from agent_bridge.config.load import load

    note(f"The token {asyncio.run(end(load(config), token))} is revoked.")
