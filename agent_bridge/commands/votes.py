"""The commands ``vote`` and ``votes``: votes of a room are begun, closed and listed, and people vote in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from agent_bridge.commands.argument_kinds import VoteWords
from agent_bridge.commands.arguments import words_of
from agent_bridge.commands.effects import once
from agent_bridge.commands.registry import CommandContext, command
from agent_bridge.commands.room_power import moderates
from agent_bridge.commands.zones import zone_of
from agent_bridge.core.actors import Actor
from agent_bridge.core.permissions import Permission
from agent_bridge.core.results.commands import Group
from agent_bridge.core.results.votes import VoteCast, VoteClosed, VoteList, VoteOpened, VoteRefused
from agent_bridge.core.times.expressions import parse_moment
from agent_bridge.core.times.kinds import TimeExpressionError, TimeProblem
from agent_bridge.core.times.zones import zone_named
from agent_bridge.core.votes import LATEST, MOST_QUORUM, VoteDraft, VoteProblem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import tzinfo

    from agent_bridge.commands.effects import Effect
    from agent_bridge.store.postgres.database import Connection

#: A quoted text.
_QUOTED = r""""[^"]+"|'[^']+'|‘[^’]+’|[“„”][^“”]+[“”]|«[^»]+»|»[^«]+«"""  # noqa: RUF001
#: A question: quoted, or up to its question mark.
_QUESTION = re.compile(rf"(?:(?P<quoted>{_QUOTED})(?=[ \n|]|\Z)|(?P<plain>[^|\n?]*\?))")
#: A quoted text, a separator of answers, or another sign.
_PIECE = re.compile(rf"(?P<quoted>{_QUOTED})(?=[ \n|]|\Z)|(?P<separator>[|\n])|.", re.DOTALL)
#: The parts behind the answers, each at the end.
_QUORUM = re.compile(r" (?:quorum|кворум) (?P<number>\S+)\Z", re.IGNORECASE)
_UNTIL = re.compile(r".* (?P<word>until|till|до) (?P<time>.+)\Z", re.IGNORECASE | re.DOTALL)
_IN = re.compile(r".* (?P<word>(?=(?:in|через) \d))(?P<time>.+)\Z", re.IGNORECASE | re.DOTALL)
#: The sign of a list before an answer on a line of its own.
_ITEM = re.compile(r" ?[-*•] ")
#: The same without a number, such as ``in an hour``. Most other words behind ``in`` belong to the answer.
_SOON = re.compile(r".* (?P<word>(?=(?:in|через) \D))(?P<time>.+)\Z", re.IGNORECASE | re.DOTALL)
_LAST_MINUTE = "23:59"
#: Faults of a time that have words of their own.
_PROBLEMS = {TimeProblem.PAST: VoteProblem.PAST, TimeProblem.TOO_FAR: VoteProblem.TOO_FAR}
_NUMBER = re.compile(r"#?([0-9]{1,9})")
_NUMBERED = re.compile(r"#?(?P<number>[0-9]{1,9})\s+(?P<answer>\S.*)", re.DOTALL)


class VoteAction(StrEnum):
    """What is done about a vote."""

    NEW = "new"
    #: For people whose clients do not show polls.
    FOR = "for"
    CLOSE = "close"


@command("vote", group=Group.ROOM, permission=Permission.JOIN, example='new "Lunch?" pizza | pasta until 18:00')
async def vote(
    ctx: CommandContext, action: VoteAction, asked: VoteWords | None = None
) -> VoteOpened | VoteCast | VoteClosed | VoteRefused:
    """Begin a vote in the room, vote in one, or close one. Running twice has the effect of one run."""
    act: Mapping[
        VoteAction, Callable[[CommandContext, str], Awaitable[VoteOpened | VoteCast | VoteClosed | VoteRefused]]
    ] = {
        VoteAction.NEW: _new,
        VoteAction.FOR: _for,
        VoteAction.CLOSE: _close,
    }
    return await act[action](ctx, asked or "")


@command("votes", group=Group.ROOM, permission=Permission.READ)
async def votes(ctx: CommandContext) -> VoteList:
    """List the votes of the room, with the votes so far."""
    return await ctx.services.votes.listed(ctx.room_id, zone_named(ctx.services.time_zone.value))


async def _new(ctx: CommandContext, words: str) -> VoteOpened | VoteRefused:
    services, zone = ctx.services, zone_named(await zone_of(ctx))
    draft = draft_of(words, datetime.now(UTC), zone)

    async def act(connection: Connection) -> Effect:
        result = (
            draft
            if isinstance(draft, VoteRefused)
            else await services.votes.open(
                connection,
                Actor(ctx.sender),
                ctx.room_id,
                draft,
                zone,
                key=ctx.key,
                thread=ctx.thread,
                asked_in=ctx.event_id,
                corrects=ctx.corrects,
            )
        )
        return _refused(result) if isinstance(result, VoteRefused) else {"number": result.number}

    effect = await once(ctx, act)
    return _refusal(effect) or await services.votes.opened(effect["number"], zone)


async def _for(ctx: CommandContext, words: str) -> VoteCast | VoteRefused:
    """Vote: ``[number of the vote] answer``, the answer by its number or its text."""
    if not words.strip():
        return VoteRefused(VoteProblem.WHICH_ANSWER)

    async def act(connection: Connection) -> Effect:
        votes, actor = ctx.services.votes, Actor(ctx.sender)
        # An answer may begin with a number, as the number of a vote may stand before an answer.
        result = await votes.cast(connection, actor, ctx.room_id, None, _unquoted(words), key=ctx.key)
        numbered = _NUMBERED.fullmatch(words.strip())
        if isinstance(result, VoteRefused) and numbered is not None:
            number, answer = int(numbered["number"]), _unquoted(numbered["answer"])
            named = await votes.cast(connection, actor, ctx.room_id, number, answer, key=ctx.key)
            is_unknown = isinstance(named, VoteRefused) and named.problem is VoteProblem.NO_VOTE
            result = result if is_unknown else named
        if isinstance(result, VoteRefused):
            return _refused(result)
        return {"number": result.number, "answer": result.answer}

    effect = await once(ctx, act)
    return _refusal(effect) or VoteCast(effect["number"], effect["answer"])


def _unquoted(words: str) -> str:
    parts = words_of(words)
    return parts[0] if len(parts) == 1 else words.strip()


async def _close(ctx: CommandContext, words: str) -> VoteClosed | VoteRefused:
    number = _NUMBER.fullmatch(words.strip()) if words else None
    if words.strip() and number is None:
        return VoteRefused(VoteProblem.NO_VOTE, words.strip())
    has_power = await moderates(ctx)

    async def act(connection: Connection) -> Effect:
        result = await ctx.services.votes.close(
            connection,
            Actor(ctx.sender),
            ctx.room_id,
            None if number is None else int(number[1]),
            moderates=has_power,
        )
        return _refused(result) if isinstance(result, VoteRefused) else {"number": result.number}

    effect = await once(ctx, act)
    return _refusal(effect) or VoteClosed(effect["number"])


def draft_of(words: str, now: datetime, zone: tzinfo) -> VoteDraft | VoteRefused:
    """Return the vote that *words* describe at *now*: a question, answers between ``|``, the end in *zone*, the quorum.

    Answers may also stand in lines of their own. Words in quotes are always a part of their answer.
    """
    words = "\n".join(" ".join(line.split()) for line in words.splitlines())
    found = _QUESTION.match(words)
    if found is None:
        return VoteRefused(VoteProblem.NO_QUESTION)
    question, rest = found["plain"] or found["quoted"][1:-1], words[found.end() :]
    quorum: str | None = None
    time: str | None = None
    for _ in range(2):
        # In any order, each once.
        last = _last_answer(rest)
        if quorum is None and (number := _QUORUM.search(rest, last)) is not None:
            quorum, rest = number["number"], rest[: number.start()]
        ends = None
        if time is None:
            ends = _UNTIL.match(rest, last) or _IN.match(rest, last) or _soon(rest, last, now, zone)
        if ends is not None:
            time, rest = ends["time"], rest[: ends.start("word")].rstrip()
    ends_at = None if time is None else _moment(time, now, zone)
    if isinstance(ends_at, VoteRefused):
        return ends_at
    if quorum is not None and not (quorum.isascii() and quorum.isdecimal() and len(quorum) <= len(str(MOST_QUORUM))):
        return VoteRefused(VoteProblem.BAD_QUORUM, quorum, MOST_QUORUM)
    return VoteDraft(question, tuple(_answers(rest)), ends_at, None if quorum is None else int(quorum))


def _soon(words: str, begin: int, now: datetime, zone: tzinfo) -> re.Match[str] | None:
    """Return the end of *words*, from *begin* on, that is a length of time without a number."""
    found = _SOON.match(words, begin)
    try:
        return found if found is not None and parse_moment(found["time"], now, zone) else None
    except TimeExpressionError:
        return None


def _moment(words: str, now: datetime, zone: tzinfo) -> datetime | VoteRefused:
    """Return the moment, in UTC, that *words* mean; a day alone lasts until its last minute."""
    problem = TimeProblem.EMPTY
    for text in (words, f"{words} {_LAST_MINUTE}"):
        try:
            return parse_moment(text, now, zone)
        except TimeExpressionError as error:
            problem = error.problem
            if problem is not TimeProblem.NO_TIME:
                break
    return VoteRefused(_PROBLEMS.get(problem, VoteProblem.NO_TIME), words, LATEST.days)


def _last_answer(words: str) -> int:
    """Return where the last answer of *words* begins, or the words behind its quotes."""
    return max((piece.end() for piece in _PIECE.finditer(words) if piece["separator"] or piece["quoted"]), default=0)


def _answers(words: str) -> list[str]:
    answers, answer = [], ""
    for piece in _PIECE.finditer(words):
        if piece["separator"]:
            answers.append(answer)
            answer = ""
        elif piece["quoted"] and not answer.strip(" -*•"):
            answer = piece["quoted"][1:-1]
        else:
            answer += piece[0]
    return [_ITEM.sub("", each, count=1) if _ITEM.match(each) else each for each in (*answers, answer) if each.strip()]


def _refused(refusal: VoteRefused) -> Effect:
    """Return the effect of a command that changed nothing because of *refusal*."""
    return {"problem": refusal.problem, "words": refusal.words, "most": refusal.most}


def _refusal(effect: Effect) -> VoteRefused | None:
    """Return the refusal in *effect*; None if there is none."""
    return VoteRefused(VoteProblem(effect["problem"]), effect["words"], effect["most"]) if "problem" in effect else None
