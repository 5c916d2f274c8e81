"""Agents and people as models: programs that speak the OpenAI API ask them in rooms, and get their answers."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent_bridge.bridge.programs.asks import LEFT_MEANWHILE
from agent_bridge.bridge.programs.messages import Words
from agent_bridge.bridge.rooms.kinds import is_of_several_kind
from agent_bridge.core.agents import AgentState
from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.core.model_calls import Model, ModelAnswer, ModelCall
from agent_bridge.core.permissions import Permission
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import KindName
from agent_bridge.core.turns import TurnKind
from agent_bridge.matrix.events import clean
from agent_bridge.render.content import escape, message
from agent_bridge.render.relayed import by_agent
from agent_bridge.store.program_requests import GivenAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from agent_bridge.bridge.feed.growth import AnswerGrowth
    from agent_bridge.bridge.programs.access import Access
    from agent_bridge.bridge.programs.answer_watch import AnswerWatch
    from agent_bridge.bridge.programs.directory import Directory
    from agent_bridge.bridge.programs.messages import Messages
    from agent_bridge.bridge.programs.model_threads import ThreadMaker
    from agent_bridge.bridge.programs.places import Places
    from agent_bridge.bridge.programs.requests import Call, Requests
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.model_calls import Prompt
    from agent_bridge.core.programs import Token
    from agent_bridge.core.roles import Roles
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.store.agents import AgentRoom, Agents
    from agent_bridge.store.model_threads import ModelThread, ModelThreads
    from agent_bridge.store.people_questions import PeopleQuestions
    from agent_bridge.store.program_requests import ProgramRequest, ProgramRequests

#: Seconds for which the answer of a person counts, questions of one identity that may wait for a person, and seconds
#: after which a program may try again.
_DEADLINE, _WAITING, _AGAIN = 86_400.0, 3, 60.0
#: By the state of a turn.
_STATUSES = {"done": "answered", "collected": "answered", "stopped": "stopped"}
_MESSAGE = "m.room.message"


class ModelCalls:
    """Lists models, asks them, and reads their answers."""

    def __init__(
        self,
        access: Access,
        requests: Requests,
        messages: Messages,
        directory: Directory,
        places: Places,
        maker: ThreadMaker,
        threads: ModelThreads,
        agents: Agents,
        people: PeopleQuestions,
        store: ProgramRequests,
        watch: AnswerWatch,
        growth: AnswerGrowth,
        roles: Roles,
        namespace: Namespace,
        texts: Texts,
    ) -> None:
        self._access = access
        self._requests = requests
        self._messages = messages
        self._directory = directory
        self._places = places
        self._maker = maker
        self._threads = threads
        self._agents = agents
        self._people = people
        self._store = store
        self._watch = watch
        self._growth = growth
        self._roles = roles
        self._namespace = namespace
        self._texts = texts

    async def models(self, token: Token) -> list[Model]:
        """Return the agents that the token may ask, in its rooms or new direct chats, and the people who may be asked.

        Raises:
            ProgramRefused, HomeserverError, StoreError: they cannot be read.
        """
        self._access.require(token, Permission.SEND)
        agents = [
            each
            for each in await self._agents.all()
            if each.agent.state is AgentState.ACTIVE and each.agent.id != token.agent
        ]
        if not self._places.may_begin(token):
            rooms = [known for known, _ in await self._directory.rooms(token)]
            if token.is_agent:
                rooms = [each for each in rooms if is_of_several_kind(KindName(each.kind))]
            ghosts = {ghost for each in rooms for ghost in each.ghosts}
            agents = [each for each in agents if each.agent.ghost in ghosts]
        return [_model(each) for each in agents] + ([] if token.rooms is not None else await self._reachable(token))

    async def ask(self, call: Call, model: str, prompt: Prompt) -> ModelCall:
        """Say the question of *prompt* to *model* in its conversation, once.

        Raises:
            ProgramRefused, HomeserverError, StoreError: see :meth:`Requests.once`.
        """
        if not prompt.question.strip():
            raise ProgramRefused(Problem.INVALID_REQUEST, "the last message is one of the user, and has a text")

        async def act(request: ProgramRequest) -> dict[str, Any]:
            self._access.require(call.token, Permission.SEND)
            key = await self._key(call, prompt)
            target, user = await self._target(call.token, model, is_asked=request.event_id is not None)
            try:
                said = await self._say(call, request, target, user, key, prompt)
            except ProgramRefused as error:
                thread = await self._threads.find(call.token.user_id, user, key)
                if error.problem is not Problem.ROOM_NOT_FOUND or thread is None:
                    raise
                # The room of the conversation is gone, or the identity is not there any more: it begins anew.
                await self._threads.forget(thread.id)
                said = await self._say(call, request, target, user, key, prompt)
            return said | {"target": user, "key": key, "created": int(time.time())}

        outcome = await self._requests.once(call, act)
        content = outcome.content
        return ModelCall(
            handle=outcome.handle,
            room_id=content["room_id"],
            event_id=content["event_id"],
            model=model,
            target=content["target"],
            created=content["created"],
        )

    async def answer(self, asked: ModelCall, seconds: float) -> ModelAnswer | None:
        """Return the answer, as soon as it is whole; None: after *seconds* there is none.

        Raises:
            ProgramRefused: nobody was asked, because the budget of a chain of agents is used up.
            StoreError: it cannot be read.
        """
        given = self._chosen(asked, await self._watch.answers(asked.event_id, seconds))
        return None if given.open else _answer(given)

    async def require_inside(self, token: Token, asked: ModelCall) -> None:
        """Return if the identity of *token*, which has asked, is still in the room.

        Raises:
            ProgramRefused: it has left the room meanwhile.
            HomeserverError, StoreError: it cannot be told.
        """
        if await self._access.has_left(token, asked.room_id, [asked.target]):
            raise ProgramRefused(Problem.ROOM_NOT_FOUND, LEFT_MEANWHILE)

    async def growing(
        self, asked: ModelCall, seconds: float, patience: float, *, soon: float
    ) -> AsyncGenerator[str | ModelAnswer | None, None]:
        """Yield pieces of the text while it grows, and at last the answer, whose text begins with the pieces.

        None stands for *patience* seconds without a piece, at first for *soon* seconds. Without an answer after
        *seconds* the pieces end.

        Raises:
            ProgramRefused, StoreError: see :meth:`answer`.
        """
        loop = asyncio.get_running_loop()
        until, shown = loop.time() + seconds, ""
        given = self._chosen(asked, await self._watch.answers(asked.event_id, 0))
        turn: int | None = -1
        # Without an answer the turn is another one, or the time or this process is over.
        while given.open and given.turn != turn:
            turn = given.turn
            async with aclosing(self._texts_of(asked, turn, until - loop.time(), patience, soon)) as texts:
                async for each in texts:
                    soon = patience
                    if isinstance(each, GivenAnswer):
                        # The answer, or the turn that has collected the question.
                        given = each
                    elif each is None:
                        yield None
                    elif each.startswith(shown) and each != shown:
                        # A text that was withdrawn cannot be taken back: its end follows the answer's.
                        piece, shown = each[len(shown) :], each
                        yield piece
        if given.open:
            return
        answer = _answer(given)
        rest = answer.text[len(shown) :] if answer.text.startswith(shown) else f"\n\n{answer.text}".rstrip()
        yield replace(answer, text=shown + rest)

    async def _texts_of(
        self, asked: ModelCall, turn: int | None, seconds: float, patience: float, soon: float
    ) -> AsyncGenerator[str | GivenAnswer | None, None]:
        """Yield the text of *turn* (None: a person answers) when it has grown, and at last the answer as it is then.

        None: see :meth:`growing`. The end is when it is whole, when another turn has collected the question, or after
        *seconds*.
        """
        ending = asyncio.ensure_future(self._watch.answers(asked.event_id, seconds, turn))
        with ExitStack() as stack:
            stack.callback(ending.cancel)
            growing = None if turn is None else stack.enter_context(self._growth.reading(turn))
            while not ending.done():
                more = None if growing is None else asyncio.ensure_future(growing.next())
                waits = [each for each in (ending, more) if each is not None]
                try:
                    await asyncio.wait(waits, timeout=soon, return_when=asyncio.FIRST_COMPLETED)
                    soon = patience
                    if more is not None and more.done():
                        yield more.result()
                    elif not ending.done():
                        yield None
                finally:
                    if more is not None:
                        more.cancel()
            yield self._chosen(asked, ending.result())

    async def _say(
        self, call: Call, request: ProgramRequest, target: Model, user: str, key: str, prompt: Prompt
    ) -> dict[str, Any]:
        thread, root = await self._maker.of(call.token, target, user, key, prompt.room)
        text = prompt.words(is_known=thread.begun, instructions=thread.instructions)
        if target.is_agent:
            words = Words(text=text, thread=root, mentions=[user])
            said = await self._messages.say(call, request, thread.room_id, words, asks=True)
        else:
            said = await self._ask_person(call, request, user, thread, root, text)
        await self._threads.said(thread.id, prompt.fingerprint)
        return said

    async def _ask_person(
        self, call: Call, request: ProgramRequest, person: str, thread: ModelThread, root: str, text: str
    ) -> dict[str, Any]:
        token, voice = call.token, self._maker.voice(call.token)
        if await self._people.open_count(token.user_id, person, call.name) >= _WAITING:
            raise ProgramRefused(
                Problem.TOO_MANY_REQUESTS, f"{_WAITING} questions wait for the person", retry_after=_AGAIN
            )
        if not token.is_agent:
            text = f"{self._texts.models.asks.format(by=escape(token.user_id))}\n\n{text}"
        content = message(clean(text), mark=mark(call.name, 0), first=True, mentions=[person])
        content |= {"m.relates_to": {"rel_type": "m.thread", "event_id": root, "is_falling_back": True}}
        content["m.relates_to"]["m.in_reply_to"] = {"event_id": root}
        # Before the message: a person may answer at once.
        await self._people.add(call.name, token.user_id, person, thread.room_id, root, seconds=_DEADLINE)
        content = by_agent(content) if token.is_agent else content
        try:
            event_id = await self._requests.send(call, request, thread.room_id, content, _MESSAGE, voice)
        except HomeserverRefused:
            # Else it would count as one that waits.
            await self._people.forget(call.name)
            raise
        await self._people.sent(call.name, event_id)
        return {"room_id": thread.room_id, "event_id": event_id}

    async def _key(self, call: Call, prompt: Prompt) -> str:
        """Return the name of the conversation: without one, each request begins its own."""
        if prompt.previous:
            found = await self._store.by_handle(call.token.id, prompt.previous)
            key = None if found is None else (found[0].response or {}).get("key")
            if not isinstance(key, str):
                raise ProgramRefused(Problem.HANDLE_NOT_FOUND, "there is no such response of this identity")
            return key
        return f"named:{prompt.conversation}" if prompt.conversation else f"request:{call.name}"

    async def _target(self, token: Token, model: str, *, is_asked: bool = False) -> tuple[Model, str]:
        """Return the agent or the person called *model*, and the user id.

        *is_asked*: the question is said, so that it does not matter whether the person may be asked now.
        """
        if model.startswith("@") and not self._namespace.is_ours(model):
            for each in await self._reachable(token, model):
                return each, each.id
            if is_asked:
                return Model(id=model, name=model, owner="person", created_at=datetime.now(UTC), is_agent=False), model
            raise ProgramRefused(Problem.USER_NOT_FOUND, f"no person {model} may be asked")
        contact = await self._access.agent(model)
        if contact.agent.state is not AgentState.ACTIVE:
            raise ProgramRefused(Problem.AGENT_AT_REST, f"{contact.agent.name} is gone or retired")
        return _model(contact), self._namespace.user_id(contact.agent.ghost)

    async def _reachable(self, token: Token, user: str | None = None) -> list[Model]:
        found = await self._people.reachable(user)
        return [
            Model(id=each.user_id, name=each.user_id, owner="person", created_at=each.created_at, is_agent=False)
            for each in found
            if each.user_id != token.user_id and self._roles.of(each.user_id) >= Role.MEMBER
        ]

    def _chosen(self, asked: ModelCall, given: Sequence[GivenAnswer]) -> GivenAnswer:
        def is_target(each: GivenAnswer) -> bool:
            user = each.person if each.ghost is None else self._namespace.user_id(each.ghost)
            return user == asked.target

        found = [each for each in given if is_target(each)] or given
        if not found:
            raise ProgramRefused(Problem.NOBODY_ANSWERS, "nobody was asked: the budget of the agents' chain is used up")
        return found[0]


def _model(contact: AgentRoom) -> Model:
    agent = contact.agent
    return Model(id=agent.ghost, name=agent.name, owner=agent.upstream, created_at=agent.state_since, is_agent=True)


def _answer(given: GivenAnswer) -> ModelAnswer:
    is_refused = given.kind == TurnKind.REFUSAL
    status = "failed" if is_refused else _STATUSES.get(given.state, "failed")
    return ModelAnswer(
        text="" if is_refused else given.answer or "",
        status=status,
        error=(given.answer if is_refused else given.error) or "",
        is_over_quota=given.is_over_quota,
        again_in=given.again_in,
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        cached_tokens=given.cached_tokens,
    )
