"""``agent-bridge erase``: has the data of a person deleted, after a confirmation."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from enum import IntEnum
from typing import TYPE_CHECKING
from uuid import uuid4

from agent_bridge.app import build
from agent_bridge.bridge.lifecycle.erasure import ERASE, report_of
from agent_bridge.cli.operations import carried_out
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.ids import parse_user_id
from agent_bridge.core.results.erasure import ErasureReport
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.render.erasure import render_erasure
from agent_bridge.render.markdown.unmarked import to_unmarked

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.cli.progress import Show
    from agent_bridge.config.model import Config
    from agent_bridge.config.source import ConfigSource
    from agent_bridge.core.operations import Operation


class ExitCode(IntEnum):
    """Exit codes of the command."""

    DONE = 0
    #: Something is left.
    INCOMPLETE = 1
    #: It was not confirmed. Nothing was deleted.
    REFUSED = 3


async def erase(
    config: Config,
    source: ConfigSource,
    user: str,
    *,
    dry: bool,
    ask: Callable[[str], str] | None,
    say: Callable[[str], None],
    show: Show,
) -> ErasureReport | None:
    """Delete the data of *user*; return the result, None if the operator did not confirm it.

    *dry*: count them, and delete nothing. *ask* returns the answer of the operator to a question; None: it is confirmed
    already. *say* shows what is about to be deleted, and *show* the progress.

    Raises:
        ConfigError: *user* is no person.
        StoreError: the database cannot be used.
    """
    _check(config, user)
    async with build(config, source=source) as bridge:
        planned = ErasureReport(user=user, counts=await bridge.personal_data.count(user), is_dry=True)
        if dry:
            return planned
        if ask is not None:
            say(as_text(planned))
            if (await asyncio.to_thread(ask, "Type the user id to go on")).strip() != user:
                return None
        operation = await bridge.operation_store.request_alone(ERASE, f"cli.{uuid4().hex}", {"user": user})

        def seen(found: Operation) -> None:
            show(found.done, found.total, found.note)

        return report_of(await carried_out(bridge, operation, seen))


def _check(config: Config, user: str) -> None:
    try:
        parse_user_id(user)
    except ValueError as error:
        raise ConfigError(f"{user} is no user id: {error}") from error
    if config.namespace.is_ours(user):
        raise ConfigError(f"{user} is a user of the bridge; agent-bridge uninstall removes those")


def exit_code(report: ErasureReport | None) -> ExitCode:
    """Return the exit code of the command."""
    if report is None:
        return ExitCode.REFUSED
    return ExitCode.DONE if report.is_dry or report.is_complete else ExitCode.INCOMPLETE


def as_text(report: ErasureReport) -> str:
    """Return the result for people; all conversations that are left are listed."""
    return to_unmarked(render_erasure(report, ENGLISH, most=len(report.kept)))


def as_json(report: ErasureReport) -> str:
    """Return the result for programs: the fields of :class:`~agent_bridge.core.results.erasure.ErasureReport`."""
    return json.dumps(asdict(report), ensure_ascii=False, indent=2)
