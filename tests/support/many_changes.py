"""A model of people who change messages at random while agents answer, for tests on PostgreSQL.

The workers do what the handlers of turns do, in single steps, so that people can do anything in between. A message says
its own event id, and an answer says the text that was asked.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agent_bridge.core.changes import ChangeKind, StopRequest
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.transcript import ChatMessage
from agent_bridge.core.turns import StopReason, TurnKind, TurnState
from agent_bridge.store.edits import ChangeRefusal, Edits
from agent_bridge.store.intake import IntakeStore
from agent_bridge.store.redactions import Redactions
from agent_bridge.store.turn_admin import TurnAdmin
from agent_bridge.store.turns import Turns
from support.change_requests import CHANGES, again, edit, redaction
from support.turn_rows import new, stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_bridge.core.changes import ChangeRequest
    from agent_bridge.core.turns import Turn
    from agent_bridge.store.postgres.database import Connection, Database

    Command = Callable[[Connection, int, str], Awaitable[int | None]]

#: Failures of the upstream in one talk.
_FAILURES = 2
#: How often a worker does the next step, a message is collected, the upstream fails, a question is redacted, an agent
#: has begun to answer when it is interrupted.
_WORKS, _COLLECTS, _FAILS, _REDACTS, _BEGINS = 0.6, 0.4, 0.2, 0.5, 0.5
_MOST_QUESTIONS = 4
#: Steps of a worker after which a lane that is never empty counts as stuck.
_ENDLESS = 60
_WITHDRAWALS = {StopReason.REDACTED, StopReason.WITHDRAWN}


@dataclass
class Worker:
    """Takes the turns of one lane, one step at a time."""

    talk: Talk
    lane: int
    turn: Turn | None = None
    #: The answer that is to be committed, and the one that is to be shown; of a change: whether it is carried out.
    answer: str | None = None
    shown: str | None = None
    ended_by: StopReason | None = None

    @property
    def turns(self) -> Turns:
        """The turns of the database."""
        return Turns(self.talk.database)

    async def step(self) -> bool:
        """Do the next step; return False if there is nothing to do."""
        if self.turn is None:
            self.turn, self.answer, self.shown, self.ended_by = await self.turns.take(self.lane), None, None, None
            self.talk.log("take", self.turn and (self.turn.event_id, self.turn.state, self.turn.stop))
            return self.turn is not None
        turn = self.turn
        if turn.kind in CHANGES:
            await self._change(turn)
        elif self.shown is not None:
            await self._show(turn, self.shown)
            self.turn = None
        elif turn.state is TurnState.COMMITTED:
            if turn.stop is not StopReason.REDACTED or not await self._ask_the_rest(turn):
                self.ended_by = (await self.turns.stops([turn.id])).get(turn.id)
                self.shown = "" if self.ended_by is StopReason.WITHDRAWN else turn.answer
        elif self.answer is None:
            await self._ask(turn)
        else:
            await self._commit(turn, self.answer)
        return True

    async def _change(self, turn: Turn) -> None:
        if self.shown is not None:
            await self.turns.finish(turn, TurnState.DONE, {})
            self.turn = None
            return
        self.shown = ""
        if not await Edits(self.talk.database).ask_again(turn):
            self.talk.refused.add(turn.event_id)

    async def _ask(self, turn: Turn) -> None:
        talk = self.talk
        if turn.stop is StopReason.INTERRUPTED or (talk.interrupts and turn.attempts == 1 and turn.stop is None):
            self.turn = turn = (await self.turns.join(turn) or (turn, ""))[0]
        elif turn.attempts == 1 and turn.stop is None and talk.chance.random() < _COLLECTS:
            added = await self.turns.collect(turn, await self.turns.behind(turn))
            self.turn = turn = replace(turn, collected=tuple(each.payload for each in added))
        if turn.stop is None:
            talk.asked.append((self.lane, turn.request_key, turn.body))
        if turn.stop is None and talk.failures < _FAILURES and talk.chance.random() < _FAILS:
            talk.failures += 1
            talk.log("fails", turn.event_id)
            await self.turns.put_back(turn, delay=0, failed=True, why="busy")
            self.turn = None
            return
        self.answer = f"answer to {turn.body}"

    async def _commit(self, turn: Turn, answer: str) -> None:
        ended_by = self.ended_by or turn.stop or (await self.turns.stops([turn.id])).get(turn.id)
        if ended_by is StopReason.INTERRUPTED and self.ended_by is None and self.talk.chance.random() > _BEGINS:
            await self._resume(turn)
            return
        if ended_by is not None and self.ended_by is None:
            self.ended_by = ended_by
            self.talk.log("ended by", ended_by)
            if ended_by is StopReason.REDACTED:
                await self._ask_the_rest(turn)
            return
        text = "" if ended_by is StopReason.WITHDRAWN else f"half of {answer}" if ended_by else answer
        error = "dropped" if ended_by is StopReason.DROPPED else None
        said = [ChatMessage("user", turn.body), ChatMessage("assistant", text)]
        redacted = await self.turns.commit(
            turn,
            text,
            error=error,
            parts=[0] if text else [],
            stopped=None if error else ended_by,
            transcript=[] if ended_by in _WITHDRAWALS else said,
        )
        self.talk.log("commit", turn.event_id, text, redacted)
        if redacted is None:
            self.shown = text
        elif redacted is not StopReason.REDACTED or not await self._ask_the_rest(turn):
            self.ended_by = redacted

    async def _resume(self, turn: Turn) -> None:
        """Ask again, with the messages that have interrupted the answer before it began."""
        joined = await self.turns.join(turn)
        self.talk.log("join", turn.event_id, joined and joined[0].body)
        if joined is None:
            return
        self.turn, self.answer = joined[0], None
        if joined[0].questions == turn.questions:
            await self.turns.put_back(joined[0], delay=0, failed=False, why="not interrupted")
            self.turn = None

    async def _ask_the_rest(self, turn: Turn) -> bool:
        events = {send.part: send.event_id for send in await self.turns.sends(turn.id) if send.event_id}
        taken_back = [] if turn.collected else list(events)
        for part in taken_back:
            self.talk.room.pop(events[part], None)
        is_queued = await self.turns.ask_the_rest(turn, taken_back=taken_back)
        self.talk.log("rest", turn.event_id, is_queued)
        if is_queued:
            self.turn = None
        return is_queued

    async def _show(self, turn: Turn, text: str) -> None:
        talk = self.talk
        sends = {send.part: send.event_id for send in await self.turns.sends(turn.id)}
        ended_by = self.ended_by or turn.stop
        is_failed = turn.error is not None or ended_by is StopReason.DROPPED
        state = TurnState.FAILED if is_failed else TurnState.STOPPED if ended_by else TurnState.DONE
        events: dict[int, str] = {}
        if text:
            events[0] = sends.get(0) or talk.name("answer")
            talk.seen[turn.id].add(events[0])
            if events[0] not in talk.taken_back:
                talk.room[events[0]] = text
        else:
            for event in sends.values():
                talk.room.pop(event or "", None)
        closed = await self.turns.finish(turn, state, events, taken_back=[] if text else list(sends))
        talk.log("show", turn.event_id, text, state, closed)


@dataclass
class Talk:
    """A room in which people talk with agents, change their messages, and take them back."""

    database: Database
    agents: list[int]
    seed: int
    #: Whether a new message interrupts the answer that is given.
    interrupts: bool = False
    chance: random.Random = field(init=False)
    workers: dict[int, Worker] = field(default_factory=dict)
    #: The visible answers, by event; events of answers by turn; events that people redacted.
    room: dict[str, str] = field(default_factory=dict)
    seen: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    taken_back: set[str] = field(default_factory=set)
    #: Requests to upstreams: lane, key and text.
    asked: list[tuple[int, str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    questions: list[str] = field(default_factory=list)
    edits: list[tuple[str, str]] = field(default_factory=list)
    #: Texts that people redacted; those of edits.
    secrets: set[str] = field(default_factory=set)
    redacted_edits: set[str] = field(default_factory=set)
    #: Requests in their order: event, question, and whether an answer is wanted.
    wishes: list[tuple[str, str, bool]] = field(default_factory=list)
    failures: int = 0
    story: list[str] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # no secret

    @property
    def room_id(self) -> str:
        """The room of this talk."""
        return f"!{self.seed}:example.org"

    def name(self, kind: str) -> str:
        """Return the name of a new event."""
        self._count += 1
        return f"${kind}.{self.seed}.{self._count}"

    def log(self, *words: object) -> None:
        """Add a line to the story that a failed test tells."""
        self.story.append(" ".join(map(str, words)))

    async def run(self, steps: int) -> None:
        """Do *steps* random steps, and then let the workers finish."""
        await self.say()
        acts = [self.say, self.edit, self.edit, self.edit, self.again, self.redact_edit, self.redact_edit]
        acts += [self.redact_answer, self.redact_question, self.stop, self.retry, self.retry, self.drop]
        for _ in range(steps):
            if self.chance.random() < _WORKS:
                await self.chance.choice([*self.workers.values()]).step()
            else:
                await self.chance.choice(acts)()
        for worker in self.workers.values():
            count = 0
            while await worker.step() or await worker.step():
                count += 1
                assert count < _ENDLESS, self._told(f"lane {worker.lane} is stuck")

    async def say(self) -> None:
        """Ask a question."""
        if len(self.questions) == _MOST_QUESTIONS:
            return
        event = self.name("q")
        self.questions.append(event)
        self.log("SAY", event)
        question = new(event, self.room_id, *self.agents, payload=MessagePayload(f"<{event}>"))
        store = IntakeStore(self.database)
        async with self.database.transaction() as connection:
            await store.lock(connection, [self.room_id])
            lanes = (await store.accept(connection, [question]))[event]
            if self.interrupts:
                await store.interrupt(connection, [event], lanes)
        for lane in lanes:
            self.workers.setdefault(lane, Worker(self, lane))
        rows = await self.database.rows("SELECT event_id FROM turn WHERE stopped_by = %s", (event,))
        self.wishes += [(event, question, False) for row in rows for question in await self._family(row["event_id"])]
        self.wishes.append((event, event, True))

    async def _family(self, event_id: str) -> list[str]:
        """Return the messages that are answered with *event_id*."""
        rows = await self.database.rows(
            """
            SELECT DISTINCT m.event_id FROM turn head JOIN turn m ON m.id = head.id OR m.collected_into = head.id
            WHERE head.event_id = %s AND m.kind = 'message'
            """,
            (event_id,),
        )
        return [row["event_id"] for row in rows]

    async def edit(self) -> None:
        """Edit a question."""
        event, target = self.name("e"), self.chance.choice(self.questions)
        self.log("EDIT", event, target)
        if await self.change(edit(f"<{event}>", event, target, room_id=self.room_id)):
            self.edits.append((event, target))
            self.wishes.append((event, target, True))

    async def again(self) -> None:
        """Ask for another answer."""
        event, target = self.name("a"), self.chance.choice(self.questions)
        self.log("AGAIN", event, target)
        if await self.change(again(target, event, room_id=self.room_id)):
            self.wishes.append((event, target, True))

    async def redact_edit(self) -> None:
        """Redact an edit. Its message is asked again only if no other one was said since."""
        if self.edits:
            event, target = self.edits.pop(self.chance.randrange(len(self.edits)))
            self.log("REDACT EDIT", event, target)
            self.secrets.add(f"<{event}>")
            self.redacted_edits.add(f"<{event}>")
            self.wishes = [wish for wish in self.wishes if wish[0] != event]
            if target != self.questions[-1]:
                self.wishes.append((event, target, False))
            await self.change(redaction(event, self.name("r"), room_id=self.room_id))

    async def redact_answer(self) -> None:
        """Redact an answer that is visible."""
        if self.room:
            event = self.chance.choice([*self.room])
            self.log("REDACT ANSWER", event)
            self.wishes += [(event, question, False) for question in self.questions]
            del self.room[event]
            self.taken_back.add(event)
            await self.change(redaction(event, self.name("r"), room_id=self.room_id))

    async def redact_question(self) -> None:
        """Redact a question."""
        if self.chance.random() < _REDACTS:
            question = self.chance.choice(self.questions)
            self.log("REDACT QUESTION", question)
            self.secrets |= {f"<{event}>" for event, target in self.edits if target == question} | {f"<{question}>"}
            # An answer to several messages is forgotten, and it is not given again if it was shown.
            self.wishes += [(question, each, False) for each in self.questions]
            await self.change(redaction(question, self.name("r"), room_id=self.room_id))

    async def stop(self) -> None:
        """Stop the answers to a question, or those that are given."""
        target = self.chance.choice([None, self.chance.choice(self.questions)])
        event = self.name("s")
        self.log("STOP", target)
        if await stop(self.database, StopRequest(self.room_id, event, target)):
            self.wishes += [(event, question, False) for question in self.questions]

    async def retry(self) -> None:
        """Give the command ``retry``."""
        await self._command(TurnAdmin(self.database).retry, is_wanted=True)

    async def drop(self) -> None:
        """Give the command ``drop``."""
        await self._command(TurnAdmin(self.database).drop, is_wanted=False)

    async def _command(self, command: Command, *, is_wanted: bool) -> None:
        event, target = self.name("c"), self.chance.choice(self.questions)
        rows = await self.database.rows(
            "SELECT DISTINCT coalesce(collected_into, id) AS id FROM turn WHERE event_id = %s ORDER BY id", (target,)
        )
        async with self.database.transaction() as connection:
            lanes = [await command(connection, row["id"], event) for row in rows]
        self.log("RETRY" if is_wanted else "DROP", target, lanes)
        if is_wanted and all(lane is not None for lane in lanes):
            self.wishes.append((event, target, True))
        elif not is_wanted and any(lane is not None for lane in lanes):
            self.wishes += [(event, question, False) for question in self.questions]

    async def change(self, change: ChangeRequest) -> bool:
        """Write *change* like intake; tell whether it counts."""
        async with self.database.transaction() as connection:
            await IntakeStore(self.database).lock(connection, [self.room_id])
            if change.kind is not ChangeKind.REDACT:
                noted = await Edits(self.database).note(connection, change)
                return noted.refusal in {None, ChangeRefusal.MERGED}
            forgotten = await Redactions("bot", redact_answers=True).carry_out(connection, change)
        for event in forgotten.events:
            self.room.pop(event.event_id, None)
            self.taken_back.add(event.event_id)
        return True

    async def check(self) -> None:
        """Compare the database and the room with the requests of the people."""
        values = (self.room_id,)
        rows = await self.database.rows(
            "SELECT t.* FROM turn t JOIN conversation c ON c.id = t.conversation WHERE c.room_id = %s ORDER BY t.id",
            values,
        )
        said = await self.database.rows(
            "SELECT m.turn, m.content FROM message m JOIN conversation c ON c.id = m.conversation WHERE c.room_id = %s",
            values,
        )
        self._expect(not any(row["open"] for row in rows), "every turn is closed")
        self._expect(
            max(Counter(row["turn"] for row in said).values(), default=0) <= 2, "the transcript has each answer once"
        )
        kept = "".join(f"{row['payload']}{row['original']}{row['answer']}" for row in rows)
        kept += "".join(row["content"] for row in said)
        self._expect(not any(text in kept for text in self.secrets), "what was redacted is forgotten")
        # The answer to several messages stays while one of them is left; the answer to a redacted edit does not.
        visible = "".join(self.room.values())
        self._expect(
            not any(text in visible for text in self.redacted_edits), "no answer to a redacted edit is visible"
        )
        texts = {key: text for _, key, text in self.asked}
        self._expect(all(texts[key] == text for _, key, text in self.asked), "another text has another key")
        for head in rows:
            if head["kind"] == TurnKind.MESSAGE and head["collected_into"] is None:
                self._check_answer(head, rows)
        events = set().union(*self.seen.values())
        self._expect(self.room.keys() <= events, "the visible answers are known")

    def _check_answer(self, head: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """Check the answer to *head* and the messages that were collected into it."""
        family = [row for row in rows if head["id"] in {row["id"], row["collected_into"]} and row["kind"] == "message"]
        visible = [self.room[event] for event in self.seen[head["id"]] if event in self.room]
        self._expect(len(visible) <= 1, f"one event shows the answer to {head['event_id']}")
        if head["state"] == TurnState.DONE and head["answer"] is not None and visible:
            self._expect(visible == [head["answer"]], f"the answer to {head['event_id']} is visible")
        changes = [row for row in rows if row["target"] in {row["id"] for row in family}]
        events = {row["event_id"] for row in family}
        is_wanted = next(wanted for _, question, wanted in reversed(self.wishes) if question in events)
        body = "\n\n".join(text for row in family if (text := self._text(row, changes)))
        if not is_wanted or not body or any(row["event_id"] in self.refused for row in changes):
            return
        self._expect(head["state"] == TurnState.DONE, f"{head['event_id']} is answered")
        self._expect(visible == [f"answer to {body}"], f"the newest text of {head['event_id']} is answered")

    @staticmethod
    def _text(message: dict[str, Any], changes: list[dict[str, Any]]) -> str:
        """Return the text that *message* has after its *changes*; empty if it was redacted."""
        of_message = [row for row in changes if row["target"] == message["id"] and row["kind"] == TurnKind.EDIT]
        edits = [row["event_id"] for row in of_message if not row["redacted"]]
        return "" if message["redacted"] else f"<{[message['event_id'], *edits][-1]}>"

    def _expect(self, is_so: bool, fact: str) -> None:  # noqa: FBT001  # the fact is the name
        assert is_so, self._told(fact)

    def _told(self, fact: str) -> str:
        return "\n".join([f"not so, in the talk {self.seed}: {fact}", *self.story])
