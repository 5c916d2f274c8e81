"""The handler of command turns: checks the role, runs the command, answers once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.outboxes import Outboxes
from agent_bridge.bridge.inbound.prefix import command_word
from agent_bridge.bridge.rooms.command_descriptions import DescribedCommand
from agent_bridge.commands import (
    access,
    admin,
    agent_events,
    agents,
    approvals,
    channels,
    chat_archive,
    chats,
    contexts,
    export,
    forks,
    groups,
    identity,
    imports,
    letta,
    moderation,
    notifications,
    reachable,
    repairs,
    retirement,
    roles,
    rooms,
    saves,
    schedules,
    selection,
    servers,
    status,
    tasks,
    threads,
    tokens,
    triggers,
    turns,
    usage,
    votes,
)
from agent_bridge.commands.registry import CommandContext, Registry, Where
from agent_bridge.core.answers import Reply
from agent_bridge.core.errors import BridgeError, HomeserverUnavailable, StoreError
from agent_bridge.core.payloads import CommandPayload
from agent_bridge.core.permissions import CAN, Permission
from agent_bridge.core.results.commands import CommandFailed, CommandStopped
from agent_bridge.core.results.exports import ConversationExported
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import StopReason, TurnState

if TYPE_CHECKING:
    from agent_bridge.bridge.answering.cancellation import Cancellations
    from agent_bridge.commands.registry import CommandServices
    from agent_bridge.core.results.commands import Result
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.render.results import ResultRenderer

#: Words of a command that a person ended, as the room is told: ``letta compact``.
_WORDS = 2


def all_commands() -> Registry:
    """Return the registry of all commands."""
    return Registry.of(
        agents,
        access,
        selection,
        chats,
        chat_archive,
        servers,
        channels,
        votes,
        tasks,
        threads,
        approvals,
        identity,
        turns,
        rooms,
        groups,
        triggers,
        schedules,
        agent_events,
        roles,
        moderation,
        contexts,
        saves,
        export,
        forks,
        imports,
        letta,
        status,
        tokens,
        admin,
        usage,
        notifications,
        reachable,
        repairs,
        retirement,
    )


def context_of(services: CommandServices, registry: Registry, turn: Turn, role: Role) -> CommandContext:
    """Return the context of a command that *turn*, whose sender has *role*, runs."""
    return CommandContext(
        services=services,
        registry=registry,
        sender=turn.sender,
        permissions=_permissions_there(turn, role),
        room_id=turn.room_id,
        voice=services.namespace.voice_id(turn.voice),
        in_agent_room=turn.in_agent_room,
        thread=turn.root or "",
        reply_to=turn.payload.reply_to if isinstance(turn.payload, CommandPayload) else None,
        corrects=turn.payload.target if isinstance(turn.payload, CommandPayload) else None,
        event_id=turn.event_id,
        turn=turn.id,
        key=turn.key,
        attempts=turn.attempts,
        agent=turn.agent,
        lane=0 if turn.agent is None else turn.conversation,
        session="" if turn.agent is None else turn.session,
        instructions=turn.instructions,
        chosen_model=turn.chosen_model,
    )


def described_commands() -> list[DescribedCommand]:
    """Return the commands as rooms describe them."""
    return [
        DescribedCommand(each.usage, each.permission, needs_agent=each.where is Where.AGENT_ROOM)
        for each in all_commands().commands.values()
    ]


def _permissions_there(turn: Turn, role: Role) -> frozenset[Permission]:
    """Return the permissions of the sender of *turn* in its room: a member changes the settings of an own chat."""
    return CAN[role] | ({Permission.SETTINGS} if turn.in_own_chat and role >= Role.MEMBER else set())


def _described_role(turn: Turn, role: Role) -> Role:
    """Return the role whose commands the room of *turn* describes."""
    return max(role, Role.MODERATOR) if turn.in_own_chat else role


class CommandHandler:
    """Handles the turns of kind *command*."""

    def __init__(
        self,
        services: CommandServices,
        registry: Registry,
        cancellations: Cancellations,
        renderer: ResultRenderer,
        texts: Texts,
    ) -> None:
        self._services = services
        self._cancellations = cancellations
        self._registry = registry
        self._renderer = renderer
        self._texts = texts
        self._turns = services.turns
        self._outboxes = Outboxes(services.homeserver, services.turns)

    async def handle(self, turn: Turn) -> None:
        """Run the command, until a person ends it, and answer it. A caller without a role or a muted one gets none."""
        roles = self._services.roles
        role = roles.of(turn.sender, turn.room_id)
        if role < Role.MEMBER or roles.is_muted(turn.sender, turn.room_id):
            await self._turns.finish(turn, TurnState.DONE, {})
            return
        await self._services.rooms.command_given(turn.room_id, _described_role(turn, role))
        await self._outboxes.for_bridge(turn).reply_once(partial(self._answer, turn, role))

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that the command failed."""
        await self._outboxes.for_bridge(turn).give_up(self._renderer.render(CommandFailed(turn.body, cause)), cause)

    async def _answer(self, turn: Turn, role: Role) -> Reply:
        result: Result | StopReason
        if turn.stop is not None and turn.attempts == 1:
            result = turn.stop
        else:
            # If an earlier attempt may have run the command, the command itself tells that.
            result = await self._cancellations.unless_stopped(turn, self._run(turn, role))
        if isinstance(result, StopReason):
            stopped = CommandStopped(" ".join(turn.body.split()[:_WORDS]))
            return Reply(self._renderer.render(stopped), result)
        files = (result.file,) if isinstance(result, ConversationExported) else ()
        return Reply(self._renderer.render(result), files=files)

    async def _run(self, turn: Turn, role: Role) -> Result:
        try:
            named = turn.payload.arguments if isinstance(turn.payload, CommandPayload) else None
            return await self._registry.run(turn.body, context_of(self._services, self._registry, turn, role), named)
        except (HomeserverUnavailable, StoreError):
            # The lane tries the turn again later.
            raise
        except BridgeError as error:
            return CommandFailed(command_word(turn.body)[0], error.says(self._texts))
