"""``agent-bridge repair``: has the running bridge compare and repair rooms, or does it alone if no process leads."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.app import build
from agent_bridge.bridge.lifecycle.repair import REPAIR, report_of
from agent_bridge.cli.operations import carried_out
from agent_bridge.commands.lookup import Closeness, find_agents
from agent_bridge.core.errors import ConfigError
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.markdown.unmarked import to_unmarked
from agent_bridge.render.repairs import render_repair

if TYPE_CHECKING:
    from agent_bridge.cli.progress import Show
    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource
    from agent_bridge.core.operations import Operation
    from agent_bridge.core.results.repairs import RepairReport
    from agent_bridge.lifecycle import Bridge


async def repair(
    config: Config, source: ConfigSource, agent: str | None, *, force: bool, dry: bool, show: Show
) -> RepairReport:
    """Compare all rooms, or those of the agent called *agent*, and repair them; *show* gets the progress.

    *force* replaces the state that people chose. *dry* changes nothing.

    Raises:
        ConfigError: no agent has the name, or several have.
        StoreError: the database cannot be used.
    """
    async with build(config, source=source) as bridge:
        params = {"agent": None if agent is None else await _row_id(bridge, agent), "force": force, "dry": dry}
        operation = await bridge.operation_store.request_alone(REPAIR, f"cli.{uuid4().hex}", params)

        def seen(found: Operation) -> None:
            show(found.done, found.total, found.note)

        return report_of(await carried_out(bridge, operation, seen))


async def _row_id(bridge: Bridge, name: str) -> int:
    found = find_agents(name, await bridge.agents.all(), Closeness.PART)
    if len(found) != 1:
        names = ", ".join(f"{each.agent.name} ({each.agent.ghost})" for each in found)
        raise ConfigError(f"several agents are called {name}: {names}" if found else f"no agent is called {name}")
    return found[0].agent.id


def exit_code(report: RepairReport) -> int:
    """Return 0 if no difference is left, 1 if rooms were not compared, 4 if differences are left."""
    if report.error or any(room.error for room in report.rooms):
        return 1
    return 0 if report.is_clean else 4


def as_text(report: RepairReport, prefix: str) -> str:
    """Return the result for people; all rooms are listed."""
    return to_unmarked(render_repair(report, ENGLISH, prefix, most=len(report.rooms)))


def as_json(report: RepairReport) -> str:
    """Return the result for programs: the fields of :class:`~agent_bridge.core.results.repairs.RepairReport`."""
    return json.dumps(asdict(report), ensure_ascii=False, indent=2)
