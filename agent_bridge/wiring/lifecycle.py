"""The parts that work on many rooms when an operator or a person requests it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.avatars import draw_tile
from agent_bridge.bridge.lifecycle.deletion import Deletion, is_short
from agent_bridge.bridge.lifecycle.erasure import ERASE, Erasure
from agent_bridge.bridge.lifecycle.erasure import report_of as erasure_report
from agent_bridge.bridge.lifecycle.history_import import HistoryImport
from agent_bridge.bridge.lifecycle.imported_people import ImportedPeople
from agent_bridge.bridge.lifecycle.invite_everywhere import INVITE, InviteEverywhere
from agent_bridge.bridge.lifecycle.invite_everywhere import report_of as invite_report
from agent_bridge.bridge.lifecycle.operation_reports import OperationReports
from agent_bridge.bridge.lifecycle.repair import REPAIR, Repair, RepairSteps
from agent_bridge.bridge.lifecycle.repair import report_of as repair_report
from agent_bridge.bridge.lifecycle.retirement import RetirementKeeper
from agent_bridge.bridge.queue.operations import Operations
from agent_bridge.bridge.queue.tracked_work import TrackedWork
from agent_bridge.bridge.rooms.removal import RoomRemoval
from agent_bridge.config.retirement import rules_of
from agent_bridge.core.imports import IMPORT, ImportReport
from agent_bridge.core.operations import DELETE, REMOVAL
from agent_bridge.render.access import render_invite
from agent_bridge.render.contexts import render_import
from agent_bridge.render.erasure import render_erasure
from agent_bridge.render.operations import render_deletion
from agent_bridge.render.repairs import render_repair
from agent_bridge.store.imports import ImportedMessages
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.repairs import ComparedRooms
from agent_bridge.store.retirement import RetirementStore
from agent_bridge.store.servers import Servers
from agent_bridge.wiring.channels import build_place_reconciler
from agent_bridge.wiring.personal_data import build_personal_data

if TYPE_CHECKING:
    from collections.abc import Collection

    from agent_bridge.bridge.rooms.editor import StateEditor
    from agent_bridge.clients import Clients
    from agent_bridge.core.operations import Operation
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.agents import AgentParts
    from agent_bridge.wiring.settings import Settings


def build_operations(settings: Settings, stores: Stores, clients: Clients, agents: AgentParts) -> Operations:
    """Build the part that runs long work, with its kinds."""
    config, store = settings.config, OperationStore(stores.database)
    texts, prefix = settings.texts, config.bot.prefix
    rooms = ComparedRooms(stores.database, private=config.rooms.private)
    repair = Repair(
        clients.homeserver,
        rooms,
        _steps(settings, stores, clients, agents),
        Servers(stores.database).with_rooms,
        config.rooms.concurrency,
        texts,
    )
    invite = InviteEverywhere(
        clients.homeserver,
        stores.agents,
        stores.kv,
        agents.inviter,
        settings.roles,
        agents.chats.direct.open,
        private=config.rooms.private,
        has_space=config.space.enabled,
        makes_lobby=config.rooms.lobby is True,
    )
    upstreams = {each.name: upstream for upstream, each in clients.upstreams}
    history = HistoryImport(
        clients.homeserver,
        stores.agents,
        ImportedMessages(stores.database),
        upstreams,
        ImportedPeople(clients.homeserver, clients.media, draw_tile, texts),
        agents.provisioner.request,
        texts,
    )
    erasure = Erasure(
        clients.homeserver,
        build_personal_data(settings, stores),
        upstreams,
        partial(_remove_chat, agents),
        RoomRemoval(clients.homeserver),
    )
    runners = {
        REPAIR: repair.run,
        INVITE: invite.run,
        IMPORT: history.run,
        ERASE: erasure.run,
        DELETE: Deletion(store).run,
    }

    def shown_repair(operation: Operation) -> str:
        return render_repair(repair_report(operation), texts, prefix)

    def shown_invite(operation: Operation) -> str:
        return render_invite(invite_report(operation), texts, prefix)

    def shown_import(operation: Operation) -> str:
        return render_import(ImportReport.of(operation), texts, prefix)

    def shown_erasure(operation: Operation) -> str:
        return render_erasure(erasure_report(operation), texts)

    shown = {REPAIR: shown_repair, INVITE: shown_invite, IMPORT: shown_import, ERASE: shown_erasure}
    reports = {kind: OperationReports(clients.homeserver, store, show).show for kind, show in shown.items()}
    deletions = OperationReports(clients.homeserver, store, partial(render_deletion, texts))

    async def show_deletion(operation: Operation) -> None:
        if not is_short(operation):
            await deletions.show(operation)

    return Operations(store, runners, {**reports, DELETE: show_deletion}, stores.signals, texts)


async def _remove_chat(agents: AgentParts, chat: int, gives_up: bool) -> bool:  # noqa: FBT001  # the only flag
    return await agents.chats.reconciler.reconcile(chat, gives_up=gives_up)


def build_retirement_keeper(
    settings: Settings, stores: Stores, clients: Clients, agents: AgentParts
) -> RetirementKeeper:
    """Build the part that retires agents and removes their rooms."""

    async def present(upstreams: Collection[str]) -> set[str]:
        return await agents.discovery.ask_again(upstreams) if agents.configured.are_applied() else set()

    return RetirementKeeper(
        clients.homeserver,
        RetirementStore(stores.database),
        stores.agents,
        stores.chats,
        agents.space,
        RoomRemoval(clients.homeserver),
        agents.admin_room,
        settings.live.part(rules_of),
        present,
        {each.name for each in settings.config.every_upstream if each.ephemeral},
        # The removal of one room that a person asked for has an entry of its own.
        TrackedWork(OperationStore(stores.database), REMOVAL, least=2),
        stores.signals,
        settings.texts,
    )


def _steps(settings: Settings, stores: Stores, clients: Clients, agents: AgentParts) -> RepairSteps:
    """Return the comparisons of the packages that keep rooms; an editor that changes nothing has steps of its own."""
    homes, chats, lobby = agents.reconciler, agents.chats.reconciler, agents.lobby_room
    places = build_place_reconciler(settings, stores, clients, agents.admin_room)
    config = settings.config

    async def home(agent: int, editor: StateEditor) -> None:
        await (homes.compare if editor.is_dry else homes.reconcile)(agent, editor)

    async def chat(room: int, editor: StateEditor) -> None:
        await (chats.compare if editor.is_dry else chats.reconcile)(room, editor)

    async def place(room: int, editor: StateEditor) -> None:
        await (places.compare if editor.is_dry else places.reconcile)(room, editor)

    async def lobby_home(editor: StateEditor) -> None:
        await (lobby.compare if editor.is_dry else lobby.enter)(editor)

    return RepairSteps(
        space=agents.space.repair,
        home=home,
        chat=chat,
        place=place,
        lobby=None if config.rooms.lobby is False else lobby_home,
        space_name=config.space.name if config.space.enabled else "",
        lobby_name=settings.texts.lobby_name,
    )
