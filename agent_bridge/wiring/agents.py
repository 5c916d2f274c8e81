"""The parts that find agents and keep their rooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.avatars import Avatars
from agent_bridge.bridge.agents.configured import ConfiguredAgents
from agent_bridge.bridge.agents.discovery import Discovery
from agent_bridge.bridge.agents.held_changes import HeldChanges
from agent_bridge.bridge.agents.invitations import Invitations
from agent_bridge.bridge.agents.provisioner import Provisioner
from agent_bridge.bridge.agents.queries import AgentQueries
from agent_bridge.bridge.agents.reconciler import AgentReconciler
from agent_bridge.bridge.agents.resting import RestingRooms
from agent_bridge.bridge.agents.room_reports import RoomReports
from agent_bridge.bridge.agents.switch_reports import SwitchReports
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.bridge.groups.lobby import LobbyKeeper
from agent_bridge.bridge.groups.lobby_room import LobbyRoom
from agent_bridge.bridge.queue.tracked_work import TrackedWork
from agent_bridge.bridge.rooms.access import Access
from agent_bridge.bridge.rooms.admin_room import AdminRoom
from agent_bridge.bridge.rooms.first_imports import FirstImports
from agent_bridge.bridge.rooms.home_rooms import HomeRooms
from agent_bridge.bridge.rooms.home_state import HomeState
from agent_bridge.bridge.rooms.inviter import Inviter
from agent_bridge.bridge.rooms.space import Space
from agent_bridge.config.agents_source import AgentsSource
from agent_bridge.core.operations import PROVISION
from agent_bridge.store.lobbies import Lobbies
from agent_bridge.store.operations import OperationStore
from agent_bridge.wiring.chats import build_chats

if TYPE_CHECKING:
    from agent_bridge.bridge.roles.refresher import RoleRefresher
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.chats import ChatParts
    from agent_bridge.wiring.settings import Settings


#: Agents out of sync that make an entry among the operations.
_MANY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentParts:
    """The parts."""

    status: UpstreamStatus
    provisioner: Provisioner
    reconciler: AgentReconciler
    space: Space
    chats: ChatParts
    discovery: Discovery
    configured: ConfiguredAgents
    avatars: Avatars
    invitations: Invitations
    held: HeldChanges
    queries: AgentQueries
    lobby: LobbyKeeper
    lobby_room: LobbyRoom
    switches: SwitchReports
    admin_room: AdminRoom
    inviter: Inviter


def build_agents(settings: Settings, stores: Stores, clients: Clients, refresher: RoleRefresher) -> AgentParts:
    """Build them."""
    config, namespace, texts, signals = settings.config, settings.namespace, settings.texts, stores.signals
    rooms = settings.live.part(lambda each: each.rooms)
    homeserver, status = clients.homeserver, UpstreamStatus(stores.kv, signals)
    admin_room = AdminRoom(homeserver, stores.kv, stores.rooms, config, settings.roles, texts)
    inviter = Inviter(homeserver, admin_room, settings.roles, texts, joins=config.homeserver.admin)
    space = Space(homeserver, stores.kv, admin_room, inviter, settings.live, settings.roles, texts)
    avatars = Avatars(
        homeserver,
        clients.media,
        clients.fetcher,
        clients.pictures,
        {each.name: each.can.pictures for each, _ in clients.upstreams if each.can.pictures is not None},
        stores.agents,
        stores.kv,
        signals,
        config,
    )
    access = Access(namespace, stores.agents, admin_room, space, inviter, rooms, texts)
    home_rooms = HomeRooms(
        homeserver, namespace, stores.agents, access, admin_room, config.rooms, settings.roles, texts
    )
    private = config.rooms.private
    reports = RoomReports(homeserver, namespace, stores.agents, texts, sets_offline=config.presence is None)
    home_state = HomeState(homeserver, namespace, stores.agents, settings.roles)
    reconciler = AgentReconciler(
        homeserver,
        namespace,
        stores.agents,
        space,
        home_rooms,
        home_state,
        RestingRooms(namespace, space, home_rooms, home_state, reports, config.templates),
        avatars,
        access,
        FirstImports(
            OperationStore(stores.database),
            {each.name: each.import_history for each in config.upstreams},
            encrypted=config.encryption.encrypts_new_rooms,
        ),
        reports,
        config.rooms,
        signals,
        texts,
    )
    operations = OperationStore(stores.database)
    progress = TrackedWork(operations, PROVISION, least=_MANY)
    provisioner = Provisioner(
        homeserver, stores.agents, space, reconciler, reports, config.rooms, progress, signals, texts
    )
    invitations = Invitations(
        stores.agents, space, access, provisioner.request, rooms, settings.roles, refresher.refresh, signals
    )
    discovery = Discovery(
        clients.upstreams, stores.agents, provisioner.request, namespace, config.templates, status, signals, texts
    )
    source = AgentsSource(config, settings.file)
    held = HeldChanges(status, admin_room, stores.kv, signals, texts, config.bot.prefix)
    lobbies = Lobbies(stores.database)
    lobby_room = LobbyRoom(
        homeserver, lobbies, stores.agents, stores.kv, admin_room, space, access, inviter, rooms, settings.roles, texts
    )
    return AgentParts(
        status=status,
        provisioner=provisioner,
        reconciler=reconciler,
        space=space,
        chats=build_chats(settings, stores, clients, space),
        discovery=discovery,
        configured=ConfiguredAgents(source, stores.agents, discovery, admin_room, config, texts),
        avatars=avatars,
        invitations=invitations,
        held=held,
        queries=AgentQueries(homeserver, namespace, stores.agents, home_rooms, space, signals, private=private),
        lobby=LobbyKeeper(homeserver, lobby_room, lobbies, signals),
        lobby_room=lobby_room,
        switches=SwitchReports(admin_room, stores.kv, signals, texts),
        admin_room=admin_room,
        inviter=inviter,
    )
