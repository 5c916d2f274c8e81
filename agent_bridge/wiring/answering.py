"""The parts that answer messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_bridge.bridge.answering.batching import Batching
from agent_bridge.bridge.answering.cancellation import Cancellations
from agent_bridge.bridge.answering.catch_up import RoomReader
from agent_bridge.bridge.answering.context_report import ContextReports
from agent_bridge.bridge.answering.edit_handler import EditHandler
from agent_bridge.bridge.answering.generation import Generation
from agent_bridge.bridge.answering.incoming_files import IncomingFiles
from agent_bridge.bridge.answering.matrix_tools import MatrixTools
from agent_bridge.bridge.answering.message_handler import MessageHandler
from agent_bridge.bridge.answering.question import Questions
from agent_bridge.bridge.answering.speech import Speaker
from agent_bridge.bridge.answering.tool_approvals import ToolApprovals
from agent_bridge.bridge.answering.undeliverable import Undeliverable
from agent_bridge.bridge.delivery.approval_cards import ApprovalCards
from agent_bridge.bridge.delivery.edit_budget import EditBudget
from agent_bridge.bridge.delivery.event_streams import EventStreams
from agent_bridge.bridge.delivery.live_messaging import LiveMessaging
from agent_bridge.bridge.delivery.outboxes import Outboxes
from agent_bridge.bridge.delivery.receipts import Receipts
from agent_bridge.bridge.delivery.status_reactions import StatusReactions
from agent_bridge.bridge.delivery.stop_offers import StopOffers
from agent_bridge.bridge.delivery.uploads import Uploads
from agent_bridge.files.audio import RecordingReader
from agent_bridge.store.client_agents import ClientAgents
from agent_bridge.store.contexts import Contexts
from agent_bridge.store.transcript import Transcripts
from agent_bridge.wiring.collaboration import build_work_services
from agent_bridge.wiring.groups import build_hand_on

if TYPE_CHECKING:
    from agent_bridge.bridge.feed.growth import AnswerGrowth
    from agent_bridge.clients import Clients
    from agent_bridge.stores import Stores
    from agent_bridge.wiring.metering import Metering
    from agent_bridge.wiring.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """The parts."""

    cancellations: Cancellations
    messages: MessageHandler
    edits: EditHandler
    reports: ContextReports


def build_event_streams(settings: Settings, stores: Stores, clients: Clients) -> EventStreams | None:
    """Build the event streams of answers; None: the configuration has none."""
    if not settings.config.answers.event_streams:
        return None
    if clients.keys is None:
        return EventStreams(clients.homeserver, stores.signals, None, None)
    # It needs the packages of an extra.
    from agent_bridge.encryption.stream_cipher import AesGcm

    return EventStreams(clients.homeserver, stores.signals, clients.keys, AesGcm())


def build_answering(
    settings: Settings, stores: Stores, clients: Clients, metering: Metering, growth: AnswerGrowth
) -> Answering:
    """Build them."""
    config, texts, turns, homeserver = settings.config, settings.texts, stores.turns, clients.homeserver
    cancellations, outboxes = Cancellations(turns, stores.signals), Outboxes(homeserver, turns, settings.observer)
    contexts, transcripts = Contexts(stores.database), Transcripts(stores.database)
    questions = Questions(
        homeserver,
        settings.namespace,
        settings.roles,
        transcripts,
        contexts,
        turns,
        RoomReader(homeserver, settings.namespace, settings.roles, transcripts),
        IncomingFiles(clients.media, clients.pictures, config.files, texts),
        config.threads,
        texts,
    )
    uploads = Uploads(clients.media, clients.fetcher, clients.pictures, config.files, texts)
    generation = Generation(
        questions,
        turns,
        clients.upstreams,
        cancellations,
        uploads,
        EditBudget(config.answers.edits_per_second),
        LiveMessaging(homeserver),
        build_event_streams(settings, stores, clients),
        stores.locks,
        config.answers,
        ToolApprovals(
            stores.approvals,
            ApprovalCards(homeserver, texts),
            stores.signals,
            texts,
            notify_after=config.notifications.approval_after,
        ),
        MatrixTools(homeserver, settings.roles, turns, uploads, build_work_services(settings, stores, clients), texts),
        metering.recorder,
        metering.gate,
        growth,
        settings.observer,
        texts,
    )
    reactions, stop_offers = StatusReactions(homeserver), StopOffers(homeserver, turns)
    messages = MessageHandler(
        outboxes,
        turns,
        stores.chats,
        Batching(turns, config.lanes),
        generation,
        Receipts(homeserver),
        reactions,
        stop_offers,
        Undeliverable(homeserver, turns, reactions, stop_offers, texts),
        build_hand_on(settings, stores),
        metering.recorder,
        ClientAgents(stores.database),
        Speaker(
            turns,
            {each.name: upstream for upstream, each in clients.upstreams},
            clients.media,
            RecordingReader(),
            cancellations,
            texts,
        ),
        config.lanes,
        config.answers,
        settings.observer,
        texts,
    )
    edits = EditHandler(homeserver, outboxes, turns, stores.edits, metering.gate, texts)
    reports = ContextReports(questions, generation, contexts)
    return Answering(cancellations=cancellations, messages=messages, edits=edits, reports=reports)
