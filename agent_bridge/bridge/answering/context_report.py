"""Reports on contexts: the content of the next request to an agent, besides the next message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.results.contexts import ContextReport
from agent_bridge.core.transcript import tokens_of

if TYPE_CHECKING:
    from agent_bridge.bridge.answering.generation import Generation
    from agent_bridge.bridge.answering.question import Questions
    from agent_bridge.core.agents import Agent
    from agent_bridge.store.contexts import Contexts
    from agent_bridge.upstream.base import Upstream


class ContextReports:
    """Puts a request together as an answer does, and counts."""

    def __init__(self, questions: Questions, generation: Generation, contexts: Contexts) -> None:
        self._questions = questions
        self._generation = generation
        self._contexts = contexts

    async def of(
        self,
        agent: Agent,
        upstream: Upstream,
        lane: int,
        *,
        room_id: str,
        thread: str,
        sender: str,
        instructions: str | None,
        model: str | None,
    ) -> ContextReport:
        """Return the report on a lane of *agent*, which *upstream* hosts, with the settings of its room.

        *thread* is the root of the thread that is the lane; empty: the room itself. *sender* asks for the report.

        Raises:
            HomeserverUnavailable: the root of the thread cannot be fetched now.
            StoreError: the transcript cannot be read.
        """
        began, number = await self._contexts.begun(lane)
        if upstream.traits.stateful:
            return ContextReport(agent.name, number, None, None, None, instructions or "", model or "", began)
        budget = self._generation.budget(agent, model)
        earlier = await self._questions.earlier(lane, room_id, thread, agent, sender, budget)
        prompt = self._generation.system_prompt(agent, instructions)
        return ContextReport(agent.name, len(earlier), tokens_of(earlier), budget, prompt, "", model or "", began)
