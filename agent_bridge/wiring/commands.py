"""Commands, and the parts of the bridge on which they act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.agents.pass_plan import PassPlanner
from agent_bridge.bridge.chats.maker import ChatMaker
from agent_bridge.bridge.delivery.token_secrets import TokenSecrets
from agent_bridge.bridge.delivery.trigger_secrets import TriggerSecrets
from agent_bridge.bridge.roles.moderation import Moderation
from agent_bridge.commands.choices import ChoiceHandler
from agent_bridge.commands.handler import CommandHandler, all_commands
from agent_bridge.commands.registry import CommandServices
from agent_bridge.commands.trace import Traces
from agent_bridge.render.results import ResultRenderer
from agent_bridge.store.agent_events import AgentEventStore
from agent_bridge.store.choices import Choices
from agent_bridge.store.contexts import Contexts
from agent_bridge.store.effects import Effects
from agent_bridge.store.exports import ExportStore
from agent_bridge.store.forks import Forks
from agent_bridge.store.mutes import MuteStore
from agent_bridge.store.notifications import Notifications
from agent_bridge.store.operations import OperationStore
from agent_bridge.store.pairs import Pairs
from agent_bridge.store.people_questions import PeopleQuestions
from agent_bridge.store.reloads import ReloadStore
from agent_bridge.store.retirement import RetirementStore
from agent_bridge.store.roles import RoleStore
from agent_bridge.store.schedules import ScheduleStore
from agent_bridge.store.servers import Servers
from agent_bridge.store.tasks import Tasks
from agent_bridge.store.tokens import Tokens
from agent_bridge.store.triggers import Triggers
from agent_bridge.wiring.admin import build_admin_links
from agent_bridge.wiring.channels import build_place_changes, build_place_maker, build_place_members
from agent_bridge.wiring.collaboration import build_agent_events, build_tasks
from agent_bridge.wiring.personal_data import build_personal_data
from agent_bridge.wiring.programs import build_token_maker
from agent_bridge.wiring.threads import build_threads
from agent_bridge.wiring.votes import build_votes

if TYPE_CHECKING:
    from agent_bridge.bridge.agents.upstream_status import UpstreamStatus
    from agent_bridge.bridge.answering.cancellation import Cancellations
    from agent_bridge.bridge.answering.context_report import ContextReports
    from agent_bridge.bridge.chats.direct import DirectChats
    from agent_bridge.bridge.rooms.inviter import Inviter
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.inbound import Inbound
    from agent_bridge.wiring.metering import Metering
    from agent_bridge.wiring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The parts."""

    handler: CommandHandler
    choices: ChoiceHandler
    traces: Traces
    renderer: ResultRenderer


def build_commands(
    settings: Settings,
    stores: Stores,
    clients: Clients,
    inbound: Inbound,
    reports: ContextReports,
    cancellations: Cancellations,
    status: UpstreamStatus,
    direct: DirectChats,
    inviter: Inviter,
    metering: Metering,
) -> Commands:
    """Build them."""
    traces = Traces(stores.turn_admin, stores.turns, stores.rooms, clients.homeserver, inbound.rules)
    renderer = ResultRenderer(settings.texts, settings.config.bot.prefix)
    services = CommandServices(
        database=stores.database,
        agents=stores.agents,
        rooms=stores.rooms,
        turns=stores.turns,
        turn_admin=stores.turn_admin,
        effects=Effects(),
        contexts=Contexts(stores.database),
        forks=Forks(),
        reports=reports,
        choices=Choices(stores.database),
        selections=inbound.selections,
        binding=inbound.binding,
        chats=stores.chats,
        pairs=Pairs(stores.database),
        chat_maker=ChatMaker(clients.homeserver, stores.chats, stores.kv, settings.live, settings.texts),
        direct=direct,
        direct_chats=stores.direct_chats,
        private_rooms=settings.config.rooms.private,
        approvals=stores.approvals,
        lanes=stores.lanes,
        traces=traces,
        upstream_status=status,
        operations=OperationStore(stores.database),
        reloads=ReloadStore(stores.database),
        personal_data=build_personal_data(settings, stores),
        exports=ExportStore(stores.database),
        media=clients.media,
        texts=settings.texts,
        planner=PassPlanner(
            stores.agents,
            stores.kv,
            RoleStore(stores.database),
            Servers(stores.database),
            settings.live,
            settings.texts,
        ),
        kv=stores.kv,
        homeserver=clients.homeserver,
        namespace=settings.namespace,
        roles=settings.roles,
        role_store=RoleStore(stores.database),
        mutes=MuteStore(stores.database),
        retirement=RetirementStore(stores.database),
        triggers=Triggers(stores.database),
        trigger_secrets=TriggerSecrets(
            clients.homeserver,
            settings.texts,
            key=settings.config.appservice.as_token.get_secret_value(),
            url=settings.config.public_url,
            expires_after=settings.config.api.callback_expires_after,
        ),
        tokens=Tokens(stores.database, settings.namespace),
        token_maker=build_token_maker(settings, stores, clients),
        admin_links=build_admin_links(settings, stores, clients),
        token_secrets=TokenSecrets(
            clients.homeserver,
            settings.texts,
            key=settings.config.appservice.as_token.get_secret_value(),
            url=settings.config.public_url,
        ),
        schedule_store=ScheduleStore(stores.database),
        time_zone=settings.live.part(lambda config: config.timezone),
        servers=Servers(stores.database),
        tasks=build_tasks(settings, stores, clients),
        task_store=Tasks(stores.database),
        notifications=Notifications(stores.database),
        agent_events=build_agent_events(settings, stores, clients),
        agent_event_store=AgentEventStore(stores.database),
        people_questions=PeopleQuestions(stores.database),
        place_maker=build_place_maker(settings, stores, clients),
        place_changes=build_place_changes(settings, stores),
        place_members=build_place_members(settings, stores, clients, inviter),
        votes=build_votes(settings, stores),
        threads=build_threads(settings, stores, clients),
        deletes_retired=settings.live.part(lambda config: config.retire.delete),
        inviter=inviter,
        moderation=Moderation(clients.homeserver, settings.texts),
        upstreams={each.name: upstream for upstream, each in clients.upstreams},
        when_busy=settings.config.lanes.when_busy,
        usage=metering.store,
        quotas=metering.quotas,
        currency=settings.config.prices.currency,
    )
    handler = CommandHandler(services, all_commands(), cancellations, renderer, settings.texts)
    choices = ChoiceHandler(services, all_commands(), renderer)
    return Commands(handler=handler, choices=choices, traces=traces, renderer=renderer)
