"""The parts for programs that use the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.api.a2a.routes import A2ARoutes
from agent_bridge.api.endpoints import all_endpoints
from agent_bridge.api.mcp.routes import McpRoutes
from agent_bridge.api.routes import ApiRoutes
from agent_bridge.api.services import ApiServices
from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
from agent_bridge.bridge.channels.lookup import PlaceLookup
from agent_bridge.bridge.chats.maker import ChatMaker
from agent_bridge.bridge.delivery.uploads import Uploads
from agent_bridge.bridge.programs.access import Access
from agent_bridge.bridge.programs.agent_events import ProgramEvents
from agent_bridge.bridge.programs.answer_watch import AnswerWatch
from agent_bridge.bridge.programs.asks import Asks
from agent_bridge.bridge.programs.channels import ProgramChannels
from agent_bridge.bridge.programs.client_agents import ClientAgentDesk
from agent_bridge.bridge.programs.connected import ConnectedAgents
from agent_bridge.bridge.programs.directory import Directory
from agent_bridge.bridge.programs.feed import FeedService
from agent_bridge.bridge.programs.messages import Messages
from agent_bridge.bridge.programs.model_calls import ModelCalls
from agent_bridge.bridge.programs.model_threads import ThreadMaker
from agent_bridge.bridge.programs.names import Names
from agent_bridge.bridge.programs.own_profile import OwnProfileDesk
from agent_bridge.bridge.programs.place_access import PlaceAccess
from agent_bridge.bridge.programs.places import Places
from agent_bridge.bridge.programs.reading import Reading
from agent_bridge.bridge.programs.requests import Requests
from agent_bridge.bridge.programs.servers import ProgramServers
from agent_bridge.bridge.programs.tasks import ProgramTasks
from agent_bridge.bridge.programs.threads import ProgramThreads
from agent_bridge.bridge.programs.token_maker import TokenMaker
from agent_bridge.bridge.programs.votes import ProgramVotes
from agent_bridge.bridge.rooms.bot_chats import BotChats
from agent_bridge.commands.durations import parse_duration
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.client_agents import ClientAgents
from agent_bridge.store.model_threads import ModelThreads
from agent_bridge.store.own_profiles import OwnProfiles
from agent_bridge.store.people_questions import PeopleQuestions
from agent_bridge.store.program_requests import ProgramRequests
from agent_bridge.store.program_rooms import ProgramRooms
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.servers import Servers
from agent_bridge.store.tasks import Tasks
from agent_bridge.store.tokens import Tokens
from agent_bridge.store.votes import VoteStore
from agent_bridge.web.connections import Limits
from agent_bridge.wiring.channels import build_place_changes, build_place_maker, build_place_members
from agent_bridge.wiring.collaboration import build_agent_events, build_tasks
from agent_bridge.wiring.groups import build_hand_on, build_pair_rooms
from agent_bridge.wiring.threads import build_threads
from agent_bridge.wiring.votes import build_votes

if TYPE_CHECKING:
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.feed import FeedParts
    from agent_bridge.wiring.inbound import Inbound
    from agent_bridge.wiring.settings import Settings


#: Connections that streams leave to the homeserver and to short requests.
_RESERVED = 200


def _names(stores: Stores, clients: Clients) -> Names:
    return Names(stores.agents, Servers(stores.database), stores.kv, clients.homeserver)


def build_token_maker(settings: Settings, stores: Stores, clients: Clients) -> TokenMaker:
    """Build the part that makes tokens."""
    names = _names(stores, clients)
    return TokenMaker(Tokens(stores.database, settings.namespace), names, settings.namespace, parse_duration)


def build_api(
    settings: Settings,
    stores: Stores,
    clients: Clients,
    inbound: Inbound,
    direct: DirectChats,
    inviter: Inviter,
    feed: FeedParts,
) -> tuple[ApiRoutes, A2ARoutes, McpRoutes]:
    """Build the routes of the API."""
    config = settings.config
    services = build_api_services(settings, stores, clients, inbound, direct, inviter, feed)
    api = ApiRoutes(
        all_endpoints(),
        services,
        requests_per_minute=config.api.requests_per_minute,
        trusted_proxies=config.api.trusted_proxies,
        most_streams=Limits.of_process().total - _RESERVED,
    )
    return api, A2ARoutes(api, services, config.public_url), McpRoutes(api, services, config.public_url)


def build_api_services(
    settings: Settings,
    stores: Stores,
    clients: Clients,
    inbound: Inbound,
    direct: DirectChats,
    inviter: Inviter,
    feed: FeedParts,
) -> ApiServices:
    """Build the parts that endpoints call."""
    config, homeserver = settings.config, clients.homeserver
    store = ProgramRequests(stores.database)
    access = Access(_names(stores, clients), stores.rooms, stores.direct_chats, settings.roles, homeserver)
    requests = Requests(store, homeserver)
    messages = Messages(
        access,
        requests,
        store,
        stores.rooms,
        inbound.intake,
        inbound.rules,
        build_hand_on(settings, stores),
        homeserver,
        Uploads(clients.media, clients.fetcher, clients.pictures, config.files, settings.texts),
        max_queued=config.lanes.max_queued_per_room,
    )
    reading = Reading(access, homeserver)
    directory = Directory(
        access,
        stores.agents,
        stores.rooms,
        ProgramRooms(stores.database),
        store,
        reading,
        OwnProfiles(stores.database),
        settings.roles,
        homeserver,
    )
    watch = AnswerWatch(store, stores.signals)
    threads, known = ModelThreads(stores.database), ProgramRooms(stores.database)
    bot_chats = BotChats(homeserver, stores.rooms, RoleStore(stores.database), settings.roles, config.rooms.version)
    places = Places(
        access,
        requests,
        stores.database,
        stores.chats,
        ChatMaker(homeserver, stores.chats, stores.kv, settings.live, settings.texts),
        direct,
        build_pair_rooms(settings, stores, homeserver),
        _names(stores, clients),
        settings.roles,
        homeserver,
    )
    models = ModelCalls(
        access,
        requests,
        messages,
        directory,
        places,
        ThreadMaker(access, threads, known, requests, direct, places, bot_chats, homeserver, settings.texts),
        threads,
        stores.agents,
        PeopleQuestions(stores.database),
        store,
        watch,
        feed.growth,
        settings.roles,
        settings.namespace,
        settings.texts,
    )
    connected = ConnectedAgents(
        stores.agents, ClientAgents(stores.database), homeserver, shows_presence=config.presence is not False
    )
    desk = ClientAgentDesk(
        ClientAgents(stores.database),
        stores.agents,
        Tokens(stores.database, settings.namespace),
        access,
        requests,
        UpstreamStatus(stores.kv, stores.signals),
        connected,
        stores.database,
        stores.signals,
        settings.namespace,
        key=config.appservice.as_token.get_secret_value(),
        most=config.clients.max_agents,
    )
    place_store, changes = Servers(stores.database), build_place_changes(settings, stores)
    maker, members = (
        build_place_maker(settings, stores, clients),
        build_place_members(settings, stores, clients, inviter),
    )
    place_access = PlaceAccess(access, _names(stores, clients), PlaceLookup(place_store), changes)
    return ApiServices(
        tokens=Tokens(stores.database, settings.namespace),
        access=access,
        requests=requests,
        messages=messages,
        asks=Asks(access, messages, store, watch, settings.namespace),
        models=models,
        reading=reading,
        directory=directory,
        places=places,
        servers=ProgramServers(access, place_access, requests, place_store, changes, maker, members),
        channels=ProgramChannels(
            access, place_access, requests, place_store, changes, maker, members, settings.namespace
        ),
        threads=ProgramThreads(access, requests, build_threads(settings, stores, clients)),
        agent_events=ProgramEvents(
            access,
            requests,
            build_agent_events(settings, stores, clients),
            AgentEventStore(stores.database),
            reading,
            place_store,
            changes,
            maker,
            inviter,
            stores.agents,
            stores.database,
            stores.signals,
            homeserver,
        ),
        client_agents=desk,
        profiles=OwnProfileDesk(
            access,
            desk,
            stores.agents,
            OwnProfiles(stores.database),
            homeserver,
            shows_presence=config.presence is not False,
        ),
        connected=connected,
        tasks=ProgramTasks(
            access,
            requests,
            stores.database,
            build_tasks(settings, stores, clients),
            Tasks(stores.database),
            homeserver,
        ),
        votes=ProgramVotes(
            access,
            requests,
            stores.database,
            build_votes(settings, stores),
            VoteStore(stores.database),
            build_agent_events(settings, stores, clients),
        ),
        feed=FeedService(feed.feed, feed.reader, feed.live, directory, settings.namespace),
        longest_wait=config.api.longest_wait,
    )
