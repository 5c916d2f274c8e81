"""The bridge bot: understands a command, checks who gave it, answers once."""

from __future__ import annotations

import difflib
from functools import partial
from typing import TYPE_CHECKING

from agent_bridge.bridge.delivery.outbox import Outbox
from agent_bridge.bridge.rooms.permissions import role_of
from agent_bridge.commands.registry import Call, Command
from agent_bridge.core.errors import BridgeError, HomeserverUnavailable, StoreError
from agent_bridge.core.roles import Role
from agent_bridge.core.turns import TurnState
from agent_bridge.i18n.catalogue import cause as clause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.turns import Turn
    from agent_bridge.i18n.catalogue import Texts
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.turns import Turns


class CommandHandler:
    """Carries out the turns of kind *command*."""

    def __init__(
        self,
        homeserver: Homeserver,
        namespace: Namespace,
        turns: Turns,
        commands: Iterable[Command],
        permissions: Mapping[str, Role],
        prefix: str,
        texts: Texts,
    ) -> None:
        self._homeserver = homeserver
        self._namespace = namespace
        self._turns = turns
        self._permissions = permissions
        self._prefix = prefix
        self._texts = texts
        own = Command("help", "help", texts.help_help, Role.MEMBER, self.help)
        self._commands = {command.word: command for command in (own, *commands)}

    async def handle(self, turn: Turn) -> None:
        """Carry the command out and answer it."""
        role = role_of(turn.sender, self._permissions)
        if role < Role.MEMBER:
            await self._turns.finish(turn, TurnState.DONE, {})
            return
        outbox = Outbox(self._homeserver, self._turns, turn, self._namespace.bot)
        await outbox.reply_once(partial(self._answer, turn, role))

    async def give_up(self, turn: Turn, cause: str) -> None:
        """Tell the room that the command failed."""
        outbox = Outbox(self._homeserver, self._turns, turn, self._namespace.bot)
        told = self._texts.command_failed.format(word=_code(turn.body), cause=clause(cause))
        await outbox.give_up(told, cause)

    async def help(self, call: Call) -> str:
        """List the commands that the caller may use."""
        lines = [
            f"- `{self._prefix} {command.usage}`: {command.help}"
            for command in self._commands.values()
            if call.role >= command.role
        ]
        return "\n".join([self._texts.help_head, "", *lines])

    async def _answer(self, turn: Turn, role: Role) -> str:
        word, _, arguments = turn.body.partition(" ")
        command = self._commands.get(word.lower() or "help")
        if command is None:
            return self._unknown(word)
        if role < command.role:
            return self._texts.command_not_permitted.format(
                word=command.word, role=self._texts.roles[command.role.name.lower()]
            )
        try:
            return await command.run(Call(turn.sender, role, arguments.strip(), turn.room_id, turn.event_id))
        except (HomeserverUnavailable, StoreError):
            raise
        except BridgeError as error:
            return self._texts.command_failed.format(word=command.word, cause=clause(error.says(self._texts)))

    def _unknown(self, word: str) -> str:
        near = difflib.get_close_matches(word.lower(), self._commands, n=1, cutoff=0.5)
        if near:
            return self._texts.unknown_command.format(word=_code(word), nearest=f"{self._prefix} {near[0]}")
        return self._texts.unknown_command_help.format(word=_code(word), prefix=self._prefix)


def _code(text: str) -> str:
    return text.replace("`", "'")
