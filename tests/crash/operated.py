"""The verdict about the work of an administrator: replies, answers, roles, members, states of agents and usage."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from agent_bridge.store.agents import Agents
from agent_bridge.store.kv import KeyValues
from crash.verdict import Verdict
from support.conditions import eventually
from support.damages import homeserver_of
from support.imports import imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_bridge.config.model import Config
    from agent_bridge.matrix.client import Homeserver
    from agent_bridge.store.postgres.database import Database
    from crash.operation import Operation, Words

_LEVELS = {"none": 0, "member": 0, "default": 0, "moderator": 50, "admin": 100}
_INSIDE = {"join", "invite"}


def judge_words(words: Words, answers: Sequence[str], notices: Sequence[str], asked: Sequence[str]) -> Verdict:
    """Judge what the agent answered (*answers*), what the bot told of triggers, and what the server was *asked*.

    Each word that is due has one answer; each request to a trigger has one notice, one answer and one request to the
    server.
    """
    verdict = Verdict()
    for what, found, wanted in (
        ("answers", answers, [*words.due, *words.woken]),
        ("notices", notices, words.woken),
        ("requests", asked, [*words.due, *words.woken]),
    ):
        counts = {word: sum(word in text for text in found) for word in wanted}
        verdict += Verdict(
            lost=tuple(f"{word} no {what}" for word, count in counts.items() if not count),
            doubled=tuple(f"{word} {count} {what}" for word, count in counts.items() if count > 1),
        )
    heard = [word for word in words.unheard if any(word in text for text in (*answers, *asked))]
    return verdict + Verdict(kept=tuple(f"{word} said by a muted user, and heard" for word in heard))


def judge_imported(bodies: Sequence[str], remembered: int) -> Verdict:
    """Judge the *bodies* that an import has shown of the *remembered* questions."""
    wanted = [f"{kind} {number}" for number in range(remembered) for kind in ("question", "answer")]
    counts = Counter(bodies)
    return Verdict(
        lost=tuple(f"not imported: {each}" for each in wanted if not counts[each]),
        doubled=tuple(f"imported {count} times: {each}" for each, count in counts.items() if count > 1),
        reordered=("imported out of order",) if sorted(counts, key=bodies.index) != wanted else (),
    )


class Judge:
    """Compares the end of a run with the last orders of *operation*."""

    def __init__(self, operation: Operation, config: Config, database: Database) -> None:
        self._operation = operation
        self._config = config
        self._database = database

    async def judge(self, patience: float) -> Verdict:
        """Return the verdict, when it is clean, or when *patience* (seconds) ends."""
        operation, verdict = self._operation, Verdict()

        async def clean() -> bool:
            nonlocal verdict
            verdict = await self._look()
            return verdict.clean

        with contextlib.suppress(AssertionError):
            await eventually(clean, "the end is as the last orders wish", patience)
        verdict += await self._judge_repair()
        verdict += await self._judge_usage()
        verdict += Verdict(stuck=tuple(operation.unanswered))
        return verdict + Verdict(doubled=tuple(f"no order explains: {body}" for body in operation.rest()))

    async def _look(self) -> Verdict:
        operation, room_id = self._operation, self._operation.rooms[self._operation.asked]
        room = operation.admin.room(room_id)
        contacts = {each.agent.name: each for each in await Agents(self._database).all()}
        ghost = self._config.namespace.user_id(contacts[operation.asked].agent.ghost)
        answers = [each.body for each in room.said_by(ghost)]
        notices = [each.body for each in operation.said(room_id) if each.body.startswith("⏰")]
        asked = [each.question for each in operation.servers.counting.count.requests]
        verdict = judge_words(operation.words, answers, notices, asked)
        shown = await imported(operation.admin, operation.rooms[operation.remembering])
        verdict += judge_imported([each["content"]["body"] for each in shown], operation.servers.remembered)
        async with homeserver_of(self._config) as homeserver:
            verdict += await self._judge_people(homeserver, [each.home.room_id for each in contacts.values()])
            verdict += await self._judge_states(homeserver)
        return verdict

    async def _judge_people(self, homeserver: Homeserver, homes: Iterable[str | None]) -> Verdict:
        """Compare power levels with roles, and members with roles."""
        operation, found = self._operation, []
        space = await KeyValues(self._database).get(KeyValues.SPACE)
        entered = {space, *(operation.rooms[name] for name in (operation.asked, operation.remembering))}
        roles = {
            operation.admin.user_id: "admin",
            operation.guest.user_id: operation.role,
            operation.helper.user_id: operation.configured,
        }
        for room_id in filter(None, (*homes, space)):
            state = await homeserver.room_state(room_id)
            if state is None:
                found.append(f"{room_id}: the bot is not there")
                continue
            for user, role in roles.items():
                if state.power(user) != _LEVELS[role]:
                    found.append(f"{room_id}: {user} is {role} and has {state.power(user)}")
                if user == operation.guest.user_id and room_id in entered and state.membership(user) not in _INSIDE:
                    found.append(f"{room_id}: {user} is not invited")
                if role == "none" and state.membership(user) in _INSIDE:
                    found.append(f"{room_id}: {user} has no role and is a member")
        return Verdict(stuck=tuple(found))

    async def _judge_states(self, homeserver: Homeserver) -> Verdict:
        """Compare the states of agents with the lists and the orders."""
        operation, found = self._operation, []
        space = await KeyValues(self._database).get(KeyValues.SPACE)
        contacts = {each.agent.name: each for each in await Agents(self._database).all()}
        wanted = {
            operation.asked: "active",
            operation.retired: "retired" if operation.is_retired else "active",
            operation.removed: "gone" if operation.is_away else "active",
        }
        for name, state in wanted.items():
            contact = contacts[name]
            if (contact.agent.state, contact.home.announced_state) != (state, state):
                found.append(f"{name} is {contact.agent.state}, told {contact.home.announced_state}, and not {state}")
            link = await homeserver.state(str(space), "m.space.child", contact.home.room_id or "")
            content = {} if link is None else link["content"]
            if bool(content.get("via")) != (state != "retired") or bool(content.get("suggested")) != (
                state == "active"
            ):
                found.append(f"{name} is {state}, and the Space has {content}")
        return Verdict(stuck=tuple(found))

    async def _judge_repair(self) -> Verdict:
        """Have the rooms repaired once more: nothing is left."""
        said = await self._operation.order_again("repair")
        return Verdict() if "There are no differences" in said else Verdict(stuck=(f"a second repair: {said}",))

    async def _judge_usage(self) -> Verdict:
        """Compare the table, the reply to ``usage``, and the count of the server."""
        count = self._operation.servers.counting.count
        query = """
            SELECT upstream, count(*) AS requests, sum(input_tokens + output_tokens) AS tokens,
                   bool_or(is_estimated) AS estimated
            FROM usage GROUP BY upstream
        """
        rows = {row["upstream"]: row for row in await self._database.rows(query)}
        wanted = (len(count.requests), sum(each.read + each.written for each in count.requests), False)
        row = rows[self._operation.servers.counting.name]
        found = (row["requests"], row["tokens"], row["estimated"])
        lost = [] if found == wanted else [f"usage: {found} and not {wanted}"]
        said = await self._operation.order_again("usage user month")
        requests, tokens = (sum(each[key] for each in rows.values()) for key in ("requests", "tokens"))
        if f"{requests:,} requests, {tokens:,} tokens" not in said:
            lost.append(f"usage says {said} and not {requests} requests, {tokens} tokens")
        return Verdict(lost=tuple(lost))
