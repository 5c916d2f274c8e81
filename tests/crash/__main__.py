"""``python -m crash --kills 200``: faults at random, and a comparison; exit code 1 unless the run is clean."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from crash.database import Embedded, External
from crash.driver import Driver, Plan
from support.harness import BridgeHarness
from support.postgres import Cluster
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from crash.report import Report


class Server(StrEnum):
    """The database of a run."""

    EMBEDDED = "embedded"
    EXTERNAL = "external"


class Faults(StrEnum):
    """The kinds of faults of a run."""

    KILL = "kill"
    ALL = "all"


async def _play(plan: Plan, server: Server) -> Report:
    # Short paths: PostgreSQL's Unix socket lives in one.
    with temporary_folder("ab-crash-") as folder, ExitStack() as stack:
        database: Embedded | External = Embedded(folder / "data")
        if server is Server.EXTERNAL:
            cluster = stack.enter_context(Cluster(folder))
            database = External(cluster, stack.enter_context(cluster.database()))
        async with BridgeHarness(folder) as harness:
            return await Driver(plan, harness, database, folder).run()


command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    *,
    kills: Annotated[int, typer.Option(min=1, help="Number of faults.")] = 200,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms in which a person talks.")] = 20,
    processes: Annotated[int, typer.Option(min=1, help="Bridges on one database.")] = 1,
    database: Annotated[Server, typer.Option(help="The embedded one or a server.")] = Server.EMBEDDED,
    faults: Annotated[Faults, typer.Option(help="kill: only SIGKILL.")] = Faults.ALL,
    synapse: Annotated[bool, typer.Option(help="Let faults hit the homeserver itself too.")] = True,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn; default: a new one.")] = None,
) -> None:
    """Let faults happen at random moments during conversations, and compare the rooms with the questions."""
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    plan = Plan(kills, seed, rooms=rooms, processes=processes, faults=faults.value, synapse=synapse)
    report = asyncio.run(_play(plan, database))
    typer.echo(report)
    raise typer.Exit(0 if report.clean else 1)


if __name__ == "__main__":
    command()
