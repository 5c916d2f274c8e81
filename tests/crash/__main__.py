"""``python -m crash --kills 200``: kill the bridge at random and compare; exit code 1 unless the run is clean."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from crash.driver import Driver, Plan
from support.harness import BridgeHarness
from support.postgres import Cluster
from support.watchdog import temporary_folder

if TYPE_CHECKING:
    from crash.report import Report


async def _play(plan: Plan) -> Report:
    # Short paths: PostgreSQL's Unix socket lives in one.
    with temporary_folder("ab-crash-") as folder, Cluster(folder) as cluster, cluster.database() as url:
        async with BridgeHarness(folder) as harness:
            return await Driver(plan, harness, url, folder).run()


command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command()
def main(
    *,
    kills: Annotated[int, typer.Option(min=1, help="How often the bridge is killed.")] = 200,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms in which a person talks.")] = 20,
    processes: Annotated[int, typer.Option(min=1, help="Bridges on one database.")] = 1,
    synapse: Annotated[bool, typer.Option(help="Kill the homeserver with every tenth too.")] = True,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn; default: a new one.")] = None,
) -> None:
    """Kill the bridge at random moments during conversations, and compare the rooms with the questions."""
    if seed is None:
        seed = secrets.randbelow(1_000_000)
    plan = Plan(kills, seed, rooms=rooms, processes=processes, synapse=synapse)
    report = asyncio.run(_play(plan))
    typer.echo(report)
    raise typer.Exit(0 if report.clean else 1)


if __name__ == "__main__":
    command()
