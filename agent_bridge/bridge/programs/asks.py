"""Programs ask agents, and wait for the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.programs import Answered, AnsweredFile, Asked
from agent_bridge.core.turns import TurnKind
from agent_bridge.render.attachment import encrypted_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.answer_watch import AnswerWatch
    from agent_bridge.bridge.programs.messages import Messages, Words
    from agent_bridge.bridge.programs.requests import Call
    from agent_bridge.core.agents import Agent
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.programs import Token
    from agent_bridge.store.program_requests import GivenAnswer, ProgramRequests

LEFT_MEANWHILE = "the identity of the token has left the room meanwhile"
#: By the state of a turn; open ones are *working*.
_STATUSES = {"done": "answered", "stopped": "stopped", "collected": "answered"}


class Asks:
    """Sends a message that asks agents, and reads their answers from their turns."""

    def __init__(
        self, access: Access, messages: Messages, store: ProgramRequests, watch: AnswerWatch, namespace: Namespace
    ) -> None:
        self._access = access
        self._messages = messages
        self._store = store
        self._watch = watch
        self._namespace = namespace

    async def ask(self, call: Call, room: str, words: Words, seconds: float) -> Asked:
        """Send *words*, and return the answers as soon as all have ended, or as they are after *seconds*.

        A repeat of the call asks nobody again, and waits for the same answers.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Messages.send`.
        """
        sent = await self._messages.send(call, room, words, asks=True)
        asked = await self._asked(sent.handle, sent.content["room_id"], sent.content["event_id"], seconds)
        if await self._access.has_left(call.token, asked.room_id, (each.user_id for each in asked.answers)):
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, LEFT_MEANWHILE)
        return asked

    async def addressed(self, to: str, room: str | None, words: Words) -> tuple[str, Words]:
        """Return the room of a question to *to*, and its words, which mention the agent.

        *to*: an agent, a room, or the name of a channel or of the lobby. The words need the answer of an agent *to*.

        Raises:
            ProgramRefused: there is no such agent.
        """
        contact = await self._access.addressee(to)
        if contact is None:
            return to, words
        user = self._namespace.user_id(contact.agent.ghost)
        return room or user, replace(words, mentions=(*words.mentions, user), to=user)

    def user_id(self, agent: Agent) -> str:
        """Return the user id of *agent*."""
        return self._namespace.user_id(agent.ghost)

    async def find(self, token: Token, handle: str, seconds: float) -> Asked:
        """Return the answers to an earlier message of the identity, see :meth:`ask`.

        Raises:
            ProgramRefused: the identity has sent no such message, or has left its room.
            HomeserverError, StoreError: they cannot be read.
        """
        found = await self._store.by_handle(token.id, handle)
        event_id, room_id = (None, None) if found is None else (found[0].event_id, found[1])
        if event_id is None or room_id is None or not token.reaches(room_id):
            raise ProgramRefused(Problem.HANDLE_NOT_FOUND, f"there is no request {handle}")
        asked = await self._asked(handle, room_id, event_id, seconds)
        if await self._access.has_left(token, room_id, (each.user_id for each in asked.answers)):
            raise ProgramRefused(Problem.HANDLE_NOT_FOUND, f"there is no request {handle}")
        return asked

    async def end_waits(self) -> None:
        """Return all calls that wait: the process stops."""
        await self._watch.end()

    async def _asked(self, handle: str, room_id: str, event_id: str, seconds: float) -> Asked:
        given = await self._watch.answers(event_id, seconds)
        return Asked(
            handle=handle,
            room_id=room_id,
            event_id=event_id,
            is_complete=not any(each.open for each in given),
            answers=tuple(self._answered(each) for each in _of_agents(given)),
        )

    def _answered(self, given: GivenAnswer) -> Answered:
        status = "working" if given.open else _STATUSES.get(given.state, "failed")
        is_refused = given.kind == TurnKind.REFUSAL
        return Answered(
            user_id=given.person or self._namespace.voice_id(given.ghost),
            name=given.name or self._namespace.bot_username,
            status="failed" if is_refused and not given.open else status,
            text=None if given.open else given.answer,
            event_ids=tuple(given.shown),
            error=given.error,
            files=tuple(
                AnsweredFile(
                    url=each.media.url,
                    name=each.name,
                    content_type=each.media.content_type,
                    file=encrypted_file(each.media.url, each.media.key),
                )
                for each in given.files
            ),
        )


def _of_agents(given: Sequence[GivenAnswer]) -> Sequence[GivenAnswer]:
    """Return the answers of agents, or the refusal in their place."""
    agents = [each for each in given if each.agent is not None]
    return agents or given
