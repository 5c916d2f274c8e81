"""The commands that write and check the files of the bridge: init, registration, ``config …``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from agent_bridge.cli.terminal import say

setup_commands = typer.Typer()
config_commands = typer.Typer(help="Commands about the configuration file.", no_args_is_help=True)

ConfigFile = Annotated[
    Path,
    # Not checked by typer: the bridge's own error is one line.
    typer.Option(
        "--config",
        "-c",
        envvar="AGENT_BRIDGE_CONFIG",
        help="The configuration file.",
        show_default=True,
        readable=False,
    ),
]
DEFAULT = Path("config.yaml")


@setup_commands.command()
def init(
    context: typer.Context,
    *,
    homeserver: Annotated[str | None, typer.Option(help="URL at which the bridge reaches Synapse.")] = None,
    domain: Annotated[str | None, typer.Option(help="Synapse's server_name: the end of user ids.")] = None,
    upstream: Annotated[str | None, typer.Option(help="URL of a server that hosts agents.")] = None,
    admin: Annotated[str | None, typer.Option(help="Matrix id of the administrator of the bridge.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Upstream's API key; env:NAME: from the environment.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Kind of the upstream: openai, letta, letta_v1 or a2a. Default: by its answers.")
    ] = None,
    upstream_name: Annotated[str, typer.Option(help="Name of the upstream in the bridge.")] = "letta",
    plain_names: Annotated[
        bool | None, typer.Option("--plain-names", help="Name agents and rooms without “Letta Agent”.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="URL at which Synapse reaches the bridge.")] = None,
    hostname: Annotated[str, typer.Option(help="Address on which the bridge listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port on which the bridge listens.")] = 29340,
    database: Annotated[str, typer.Option(help="embedded, or a URL of PostgreSQL; env:NAME.")] = "embedded",
    folder: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the files with this version. Asks nothing, writes nothing.")
    ] = False,
    registration: Annotated[
        Path | None,
        typer.Option(help="With --check: the registration; default: registration.yaml in the folder.", readable=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print the result as JSON.")] = False,
) -> None:
    """Write config.yaml and registration.yaml for a new bridge, or check existing ones.

    Asks for the first four options that are missing. With all four, it asks nothing.

    Exit code with --check: 0: nothing has to be changed; 1: a file cannot be read; 2: the configuration has faults; 3:
    there is no configuration; 4: something has to be changed. It needs neither the network nor the environment of the
    bridge.
    """
    if check:
        _refuse_others(context, "check", "folder", "registration", "as_json")
        _check(folder, registration, as_json=as_json)
    if registration is not None or as_json:
        raise typer.BadParameter("--registration and --json belong to --check")
    from agent_bridge.cli.init import initialise
    from agent_bridge.cli.interview import interview

    answers, notes = interview(
        homeserver=homeserver,
        domain=domain,
        upstream=upstream,
        admin=admin,
        api_key=api_key,
        plain_names=plain_names,
        kind=kind,
        upstream_name=upstream_name,
        address=address,
        hostname=hostname,
        port=port,
        database=database,
    )
    hint = initialise(answers, folder, force=force)
    say("\n".join([*notes, "", hint]))


@setup_commands.command()
def registration(
    *,
    config: ConfigFile = DEFAULT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; default: registration.yaml beside the configuration."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write registration.yaml from a configuration."""
    from agent_bridge.cli.init import write_registration
    from agent_bridge.config.load import load

    say(write_registration(load(config), output or config.parent / "registration.yaml", force=force))


@config_commands.command("upgrade")
def upgrade(
    *,
    config: ConfigFile = DEFAULT,
    add_new: Annotated[
        bool, typer.Option("--add-new", help="Add the keys that the file lacks, as comments with their descriptions.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing, list the changes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write the configuration in its current form: keys get their new names, all else stays as it is.

    The former content stays beside it, as config.yaml.bak. Exit code 0: done, or nothing to do; 1: the file cannot be
    written; 2: it has faults; 4: with --check, there is something to do.
    """
    from agent_bridge.cli.upgrade import upgrade_file

    report = upgrade_file(config, add_new=add_new, check=check)
    say(report.json if as_json else report.text)
    raise typer.Exit(report.exit_code)


def _check(folder: Path, registration: Path | None, *, as_json: bool) -> NoReturn:
    from agent_bridge.cli.check import check_files
    from agent_bridge.cli.init import CONFIG, REGISTRATION

    result = check_files(folder / CONFIG, registration or folder / REGISTRATION, os.environ)
    say(result.json if as_json else result.text)
    raise typer.Exit(result.exit_code)


def _refuse_others(context: typer.Context, *allowed: str) -> None:
    """Raise a usage error if the command line has other options than those *allowed*."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in allowed and _is_given(context, name):
            raise typer.BadParameter(f"{parameter.opts[0]} has no effect with --check")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name not in {"DEFAULT", "DEFAULT_MAP"}
