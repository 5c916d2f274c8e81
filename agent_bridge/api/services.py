"""The parts of the bridge that endpoints call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.agent_events import ProgramEvents
    from agent_bridge.bridge.programs.asks import Asks
    from agent_bridge.bridge.programs.channels import ProgramChannels
    from agent_bridge.bridge.programs.client_agents import ClientAgentDesk
    from agent_bridge.bridge.programs.connected import ConnectedAgents
    from agent_bridge.bridge.programs.directory import Directory
    from agent_bridge.bridge.programs.feed import FeedService
    from agent_bridge.bridge.programs.messages import Messages
    from agent_bridge.bridge.programs.model_calls import ModelCalls
    from agent_bridge.bridge.programs.own_profile import OwnProfileDesk
    from agent_bridge.bridge.programs.places import Places
    from agent_bridge.bridge.programs.reading import Reading
    from agent_bridge.bridge.programs.requests import Requests
    from agent_bridge.bridge.programs.servers import ProgramServers
    from agent_bridge.bridge.programs.tasks import ProgramTasks
    from agent_bridge.bridge.programs.threads import ProgramThreads
    from agent_bridge.bridge.programs.votes import ProgramVotes
    from agent_bridge.store.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The parts. Each feature adds its own service."""

    tokens: Tokens
    access: Access
    requests: Requests
    messages: Messages
    asks: Asks
    models: ModelCalls
    reading: Reading
    directory: Directory
    places: Places
    agent_events: ProgramEvents
    servers: ProgramServers
    channels: ProgramChannels
    threads: ProgramThreads
    feed: FeedService
    client_agents: ClientAgentDesk
    profiles: OwnProfileDesk
    connected: ConnectedAgents
    tasks: ProgramTasks
    votes: ProgramVotes
    #: Seconds for which a request may wait for an answer.
    longest_wait: float = 300.0
