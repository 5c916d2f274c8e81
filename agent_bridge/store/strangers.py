"""How often ghosts tell people without a role that they may not talk with agents. The decision stands in the turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.store.effects import Effects
from agent_bridge.store.postgres.database import rows_of
from agent_bridge.store.postgres.locks import STRANGERS
from agent_bridge.store.postgres.statements import Statements

if TYPE_CHECKING:
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Database

_SQL = Statements("strangers")
#: Remote people that are told in an hour: the homeserver has to enter their rooms for it.
_MOST = 20


class Strangers:
    """Decides who is told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._effects = Effects()

    async def may_tell(self, turn: Turn, invited: str, *, is_local: bool) -> bool:
        """Tell whether the ghost *invited* answers the invitation *turn* of a person without a role with words.

        It does so once a day for each person; *is_local*: a person of the bridge's own homeserver. Of all others, few
        are told in an hour. The first decision about a turn counts.

        Raises:
            TurnLost: another worker has taken *turn* up.
        """
        values = {"sender": turn.sender, "invited": invited, "is_local": is_local, "most": _MOST}
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["lock"], {"kind": STRANGERS})
            known = await self._effects.lock(connection, turn.id, turn.attempts)
            if known is None:
                may_tell = bool((await rows_of(connection, _SQL["may_tell"], values))[0]["may_tell"])
                known = {"told": "local" if is_local else "remote"} if may_tell else {"declined": True}
                await self._effects.put(connection, turn.id, known)
        return "told" in known
