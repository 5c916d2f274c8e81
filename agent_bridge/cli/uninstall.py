"""``agent-bridge uninstall``: removes everything that the bridge made on the homeserver, after a confirmation."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from enum import IntEnum
from typing import TYPE_CHECKING

from agent_bridge.bridge.lifecycle.uninstall import Uninstall
from agent_bridge.bridge.rooms.removal import RoomRemoval
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.postgres.locks import PROCESS
from agent_bridge.store.retirement import RetirementStore
from agent_bridge.stores import open_stores

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_bridge.bridge.lifecycle.uninstall import Inventory
    from agent_bridge.cli.progress import Show
    from agent_bridge.config.model import Config

#: Seconds that a statement waits for a connection.
_PATIENCE = 30.0
#: Names of the kinds of rooms: one, several.
_KINDS = {
    "home": ("room of an agent", "rooms of agents"),
    "chat": ("chat", "chats"),
    "dm": ("direct chat", "direct chats"),
    "space": ("Space", "Spaces"),
    "other": ("other room", "other rooms"),
}


class ExitCode(IntEnum):
    """Exit codes of the command."""

    DONE = 0
    #: Something is left: run it again.
    INCOMPLETE = 1
    #: It was not confirmed, or a process of the bridge runs. Nothing was removed.
    REFUSED = 3


async def uninstall(
    config: Config, say: Callable[[str], None], ask: Callable[[str], str] | None, show: Show
) -> ExitCode:
    """Remove the rooms and deactivate the ghosts; return the exit code.

    *say* shows a line, and *show* the progress. *ask* returns the answer of the operator to a question; None: it is
    confirmed already.

    Raises:
        StoreError, HomeserverError: the rooms are not known, or the ghosts that are deactivated: run it again.
    """
    async with AsyncExitStack() as stack:
        stores = await open_stores(config.database, _PATIENCE, stack)
        if not await stack.enter_async_context(stores.locks.hold(PROCESS, 0)):
            say("A process of the bridge runs. Stop all of them first.")
            return ExitCode.REFUSED
        session = await stack.enter_async_context(homeserver_session())
        token = config.appservice.as_token.get_secret_value()
        homeserver = Homeserver(config.homeserver.address, token, config.namespace, session)
        work = Uninstall(homeserver, RetirementStore(stores.database), RoomRemoval(homeserver))
        found = await work.inventory()
        domain = config.homeserver.domain
        for line in _summary(found, domain):
            say(line)
        if ask is not None:
            answer = await asyncio.to_thread(ask, "Type the domain to go on")
            if answer.strip() != domain:
                say("Nothing was removed.")
                return ExitCode.REFUSED

        def seen(rooms: int, ghosts: int) -> None:
            show(rooms + ghosts, len(found.rooms) + len(found.ghosts), "ghosts" if ghosts else "rooms")

        problems = await work.run(found, seen)
        for line in problems:
            say(line)
        if problems:
            say("Something is left. Run the command again.")
            return ExitCode.INCOMPLETE
        say("Done. Stop here, or remove the database and registration.yaml.")
        return ExitCode.DONE


def _summary(found: Inventory, domain: str) -> list[str]:
    counts, ghosts, people = found.counts(), len(found.ghosts), len(found.people)
    rooms = [f"{counts[kind]} {_KINDS[kind][counts[kind] != 1]}" for kind in _KINDS if counts[kind]]
    foreign = sum(not room.is_own for room in found.rooms)
    lines = [f"This removes everything that the bridge made on {domain}:", f"  {', '.join(rooms) or 'no rooms'}"]
    lines.append(f"  {ghosts} {'ghost is' if ghosts == 1 else 'ghosts are'} deactivated: names can never be used again")
    lines.append(f"  {people} {'person loses' if people == 1 else 'people lose'} these rooms")
    if foreign:
        lines.append(f"  {foreign} {'room' if foreign == 1 else 'rooms'} of people: the bridge leaves")
    return lines
