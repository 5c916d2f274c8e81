"""The command line. Exit code 0: done; 1: failed; 2: the configuration is wrong."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agent_bridge import __version__, log
from agent_bridge.app import build, database_uri
from agent_bridge.cli.doctor import Doctor
from agent_bridge.cli.init import InitAnswers, initialise, write_registration
from agent_bridge.config.load import load
from agent_bridge.core.errors import BridgeError, ConfigError
from agent_bridge.demo.run import play
from agent_bridge.store import migrate as migrations

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from agent_bridge.config.model import Config

cli = typer.Typer(
    name="agent-bridge",
    help="Turns every AI agent into a Matrix contact.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AGENT_BRIDGE_CONFIG", help="The configuration file.", show_default=True),
]
_DEFAULT = Path("config.yaml")
Result = TypeVar("Result")


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except BridgeError as error:
        print(f"agent-bridge: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


@cli.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@cli.command()
def init(
    *,
    homeserver: Annotated[str, typer.Option(prompt="Homeserver URL", help="Where the bridge reaches Synapse.")],
    domain: Annotated[str, typer.Option(prompt="Homeserver's server_name", help="What follows the colon in user ids.")],
    upstream: Annotated[str, typer.Option(prompt="Upstream URL (ends in /v1)", help="A server that hosts agents.")],
    admin: Annotated[str, typer.Option(prompt="Your Matrix id", help="Who administers the bridge.")],
    api_key: Annotated[
        str,
        typer.Option(prompt="Upstream's API key (empty: none; env:NAME reads it from there)", prompt_required=True),
    ] = "",
    upstream_name: Annotated[str, typer.Option(help="The upstream's name in the bridge.")] = "letta",
    address: Annotated[str | None, typer.Option(help="Where Synapse reaches the bridge.")] = None,
    port: Annotated[int, typer.Option(help="Port that the bridge listens on.")] = 29340,
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write config.yaml and registration.yaml for a new bridge."""
    answers = InitAnswers(
        homeserver=homeserver,
        domain=domain,
        upstream=upstream,
        admin=admin,
        upstream_name=upstream_name,
        api_key=api_key or None,
        address=address,
        port=port,
    )
    typer.echo(initialise(answers, folder, force=force))


@cli.command()
def registration(
    *,
    config: ConfigFile = _DEFAULT,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where it goes.")] = Path("registration.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Make registration.yaml again from a configuration."""
    typer.echo(write_registration(load(config), output, force=force))


@cli.command()
def doctor(
    *,
    config: ConfigFile = _DEFAULT,
    registration: Annotated[
        Path | None, typer.Option(help="The registration; default: registration.yaml beside the configuration.")
    ] = None,
) -> None:
    """Check everything the bridge needs, one line a check; exit code 0 only if all is well."""
    # Every check says itself what it found; what the parts log on the way would only stand between.
    logging.disable()
    patient = Doctor(load(config), config, registration or config.parent / "registration.yaml", database_uri)

    async def examine() -> bool:
        healthy = True
        async for finding in patient.findings():
            typer.echo(finding)
            healthy = healthy and finding.ok
        return healthy

    raise typer.Exit(0 if asyncio.run(examine()) else 1)


@cli.command()
def migrate(*, config: ConfigFile = _DEFAULT) -> None:
    """Bring the database's schema up to date."""
    settings = load(config)
    log.configure(settings.logging.level, settings.logging.format)

    async def bring_up() -> None:
        async with database_uri(settings) as uri:
            await asyncio.to_thread(migrations.migrate, uri)

    asyncio.run(bring_up())
    typer.echo("The database is up to date.")


@cli.command()
def run(*, config: ConfigFile = _DEFAULT) -> None:
    """Run the bridge: door, worker and discovery."""
    settings = load(config)
    log.configure(settings.logging.level, settings.logging.format)
    asyncio.run(_until_stopped(_run(settings)))


@cli.command()
def worker(*, config: ConfigFile = _DEFAULT) -> None:
    """Run a worker only: it answers what another process's door has taken."""
    settings = load(config)
    log.configure(settings.logging.level, settings.logging.format)
    asyncio.run(_until_stopped(_work(settings)))


@cli.command()
def why(
    message: Annotated[str, typer.Argument(help="A link to the message, its event id, or the name of its turn.")],
    *,
    config: ConfigFile = _DEFAULT,
) -> None:
    """Tell step by step what became of a message."""
    # The answer is the output; what the parts log on the way would only stand between.
    logging.disable()

    async def tell(settings: Config) -> str:
        async with build(settings) as bridge:
            return await bridge.traces.tell(message)

    typer.echo(asyncio.run(tell(load(config))))


@cli.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Say one thing, print the answer, end.")] = False,
    upstream: Annotated[str | None, typer.Option(help="A real upstream instead of the demo's own.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Its API key; env:NAME reads it from the environment.")] = None,
) -> None:
    """Bring everything up on this machine, throw-away homeserver included, and show it."""
    raise typer.Exit(asyncio.run(_until_stopped(play(once=once, upstream=upstream, api_key=api_key))) or 0)


async def _run(config: Config) -> None:
    async with build(config) as bridge:
        bridge.process_stats.listen()
        await bridge.run()


async def _work(config: Config) -> None:
    async with build(config) as bridge:
        bridge.process_stats.listen()
        await bridge.work()


async def _until_stopped(work: Coroutine[Any, Any, Result]) -> Result | None:
    """Await *work*; SIGINT or SIGTERM cancels it, a second one ends the process at once."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(sign)
        task.cancel()

    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return None
