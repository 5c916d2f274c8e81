"""The command line. Exit code 0: done; 1: failed; 2: the configuration is wrong.

Each command imports the parts that it needs when it runs: ``--help`` and ``init`` load neither the bridge nor the
driver of the database.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003  # typer needs it at run time
from typing import TYPE_CHECKING, Annotated

import typer

from agent_bridge.cli.message_commands import message_commands
from agent_bridge.cli.place_commands import channel_commands, server_commands, thread_commands
from agent_bridge.cli.program_commands import agent_commands, program_commands
from agent_bridge.cli.progress import ProgressBar
from agent_bridge.cli.serving import serve_bridge, until_stopped
from agent_bridge.cli.setup_commands import DEFAULT, ConfigFile, config_commands, setup_commands
from agent_bridge.cli.terminal import ask_operator, note, say, use_any_encoding
from agent_bridge.cli.token_commands import token_commands
from agent_bridge.cli.work_commands import task_commands, vote_commands
from agent_bridge.core.errors import BridgeError, ConfigError
from agent_bridge.core.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource

cli = typer.Typer(
    name="agent-bridge",
    help="Turns every AI agent into a Matrix contact.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

database_commands = typer.Typer(help="Commands about the database.", no_args_is_help=True)
cli.add_typer(database_commands, name="database")
cli.add_typer(setup_commands)
cli.add_typer(config_commands, name="config")
cli.add_typer(token_commands, name="token")
cli.add_typer(program_commands)
cli.add_typer(message_commands)
cli.add_typer(agent_commands, name="agent")
cli.add_typer(task_commands, name="task")
cli.add_typer(vote_commands, name="vote")
cli.add_typer(server_commands, name="server")
cli.add_typer(channel_commands, name="channel")
cli.add_typer(thread_commands, name="thread")


def main() -> None:
    """Run the command line."""
    use_any_encoding()
    try:
        cli()
    except ConfigError as error:
        print(printable(str(error)), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except BridgeError as error:
        print(printable(f"agent-bridge: {error}"), file=sys.stderr)  # noqa: T201
        sys.exit(1)


@cli.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, the commit, and the version of Python.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from agent_bridge.cli.version import version_line

        say(version_line())
        raise typer.Exit


@cli.command()
def doctor(
    *,
    config: ConfigFile = DEFAULT,
    registration: Annotated[
        Path | None, typer.Option(help="The registration; default: registration.yaml beside the configuration.")
    ] = None,
) -> None:
    """Check everything that the bridge needs, one line per check; exit code 0 only if all checks pass."""
    from agent_bridge.cli.doctor import Doctor

    checks = Doctor(_load(config), config, registration or config.parent / "registration.yaml")

    async def examine() -> bool:
        all_passed = True
        async for finding in checks.findings():
            say(str(finding))
            all_passed = all_passed and finding.ok
        return all_passed

    with _without_log():
        passed = asyncio.run(examine())
    raise typer.Exit(0 if passed else 1)


@cli.command()
def plan(
    upstream: Annotated[str | None, typer.Argument(help="Name of the upstream; default: all.")] = None,
    *,
    config: ConfigFile = DEFAULT,
    kind: Annotated[str | None, typer.Option(help="Compare as this kind; default: that of the configuration.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Show the changes that the next comparison with the upstreams makes. Writes nothing.

    If the kind of an upstream changes, this also shows which rooms keep their agents. Exit code 0: nothing to do; 4:
    something to do; 1: a server does not answer, or its list does not tell for every room.
    """
    from agent_bridge.cli.plan import plan as compare

    with _without_log():
        result = asyncio.run(compare(_load(config), upstream, kind))
    say(result.json if as_json else result.text)
    raise typer.Exit(result.exit_code)


@cli.command()
def repair(
    agent: Annotated[str | None, typer.Argument(help="Name of the agent; default: all rooms.")] = None,
    *,
    config: ConfigFile = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Also replace the state that people chose.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Change nothing, list the differences.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare rooms with the homeserver, repair the differences and report each.

    The running bridge does it; if none runs, this command does. Exit code 0: no difference is left; 4: some are left,
    because a person chose the state, the homeserver refuses the change, or nothing was to be changed; 1: a room could
    not be compared.
    """
    from agent_bridge.cli.repair import as_json as to_json
    from agent_bridge.cli.repair import as_text, exit_code
    from agent_bridge.cli.repair import repair as compare

    source = _source(config)
    settings = source.read()
    with _without_log(), ProgressBar("Comparing rooms") as show:
        report = asyncio.run(compare(settings, source, agent, force=force, dry=dry, show=show))
    say(to_json(report) if as_json else as_text(report, settings.bot.prefix))
    raise typer.Exit(exit_code(report))


@cli.command()
def uninstall(
    *,
    config: ConfigFile = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
) -> None:
    """Remove all rooms of the bridge from the homeserver and deactivate its ghosts, for ever.

    All processes of the bridge must be stopped. Exit code 0: done; 1: something is left, run it again; 3: not
    confirmed, or a process of the bridge runs.
    """
    from agent_bridge.cli.uninstall import uninstall as remove

    settings = _load(config)
    with _without_log(), ProgressBar("Removing rooms and ghosts") as show:
        code = asyncio.run(remove(settings, say, None if yes else ask_operator, show))
    raise typer.Exit(code)


@cli.command()
def erase(
    user: Annotated[str, typer.Argument(help="Matrix id of the person.")],
    *,
    config: ConfigFile = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Delete nothing, count the data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Delete all data of a person: chats, transcripts, saved conversations, usage.

    The running bridge does it; if none runs, this command does. Exit code 0: done; 1: something is left; 3: not
    confirmed.
    """
    from agent_bridge.cli.erase import as_json as to_json
    from agent_bridge.cli.erase import as_text, exit_code
    from agent_bridge.cli.erase import erase as delete

    source = _source(config)
    settings = source.read()
    ask = None if yes else ask_operator
    with _without_log(), ProgressBar("Erasing") as show:
        work = delete(settings, source, user, dry=dry, ask=ask, say=note, show=show)
        report = asyncio.run(work)
    if report is None:
        note("Nothing was deleted.")
    else:
        say(to_json(report) if as_json else as_text(report))
    raise typer.Exit(exit_code(report))


@cli.command()
def migrate(*, config: ConfigFile = DEFAULT) -> None:
    """Bring the database's schema up to date."""
    from agent_bridge.store.postgres import migrate as migrations
    from agent_bridge.store.postgres.embedded import database_uri

    settings = _load_with_logging(config)

    async def bring_up(show: ProgressBar) -> None:
        async with database_uri(settings.database) as uri:
            await asyncio.to_thread(migrations.migrate, uri, show=show)

    with ProgressBar("Migrating the database") as show:
        asyncio.run(bring_up(show))
    say("The database is up to date.")


@cli.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    config: ConfigFile = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write the database to a file. The bridge may run."""
    from agent_bridge.cli.database import back_up

    say(asyncio.run(back_up(_load_with_logging(config), config, file, force=force)))


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that agent-bridge backup wrote.")],
    *,
    config: ConfigFile = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Replace the tables of the database.")] = False,
) -> None:
    """Read the database from a file. All processes of the bridge must be stopped."""
    from agent_bridge.cli.database import restore as replace

    say(asyncio.run(replace(_load_with_logging(config), file, force=force)))


@database_commands.command("move")
def move(
    target: Annotated[str, typer.Argument(help="postgresql://…, or env:NAME: the URL of an empty database.")],
    *,
    config: ConfigFile = DEFAULT,
) -> None:
    """Copy the embedded database to another server, and compare the numbers of rows."""
    from agent_bridge.cli.database import move as copy

    say(asyncio.run(copy(_load_with_logging(config), config, target)))


@cli.command()
def run(*, config: ConfigFile = DEFAULT) -> None:
    """Run the bridge: endpoint, worker and candidate for leader. SIGHUP does what reload does."""
    serve_bridge(config)


@cli.command()
def worker(*, config: ConfigFile = DEFAULT) -> None:
    """Run a worker only: it answers messages that another process's endpoint took in."""
    serve_bridge(config, only_works=True)


@cli.command()
def reload(*, config: ConfigFile = DEFAULT) -> None:
    """Have all processes of the bridge read their configuration again.

    Lists the keys whose changes count now, and those that need a restart. A file with a fault changes nothing. Exit
    code 0: all processes have applied it; 1: a process has not, or none runs; 2: the file has a fault.
    """
    from agent_bridge.cli.reload import reload as request

    with _without_log():
        report = asyncio.run(request(_source(config).read_all()))
    say(report.text)
    raise typer.Exit(0 if report.is_applied else 1)


@cli.command()
def why(
    message: Annotated[str, typer.Argument(help="A link to the message, its event id, or the name of its turn.")],
    *,
    config: ConfigFile = DEFAULT,
) -> None:
    """Show step by step how the bridge handled a message."""
    from agent_bridge.cli.why import trace

    with _without_log():
        say(asyncio.run(trace(_load(config), message)))


@cli.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Send one message, print the answer and end.")] = False,
    upstream: Annotated[str | None, typer.Option(help="A real upstream instead of the demo's own.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Its API key; env:NAME reads it from the environment.")] = None,
) -> None:
    """Start everything on this machine, with a temporary homeserver."""
    from agent_bridge.demo.run import play

    raise typer.Exit(asyncio.run(until_stopped(play(once=once, upstream=upstream, api_key=api_key))) or 0)


def _source(file: Path) -> ConfigSource:
    from agent_bridge.config.source import ConfigSource

    return ConfigSource(file)


def _load(file: Path) -> Config:
    from agent_bridge.config.load import load

    return load(file)


@contextmanager
def _without_log() -> Iterator[None]:
    """Log nothing: the result of the command is its output, and log lines would appear inside it."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _load_with_logging(file: Path) -> Config:
    """Return the configuration in *file*, after setting up logging as configured."""
    from agent_bridge import log

    config = _load(file)
    log.configure(config.logging.level, config.logging.format)
    return config
