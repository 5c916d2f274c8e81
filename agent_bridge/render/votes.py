"""Votes: the contents of their polls and results, and the answers to commands about them as Markdown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import mark
from agent_bridge.core.polls import DISCLOSED, EXTENSIBLE_TEXT, POLL_END, POLL_RESPONSE, POLL_START, REFERENCE, VOTE
from agent_bridge.core.results.votes import VoteCast, VoteClosed, VoteList, VoteOpened, VoteRefused
from agent_bridge.core.votes import Tally, VoteEnd, VoteState, answer_id
from agent_bridge.render.content import escape, in_reply_to, in_thread, message, shortened, user_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from agent_bridge.core.results.votes import VoteEntry
    from agent_bridge.core.votes import Vote
    from agent_bridge.i18n.catalogue import Texts

#: Bytes of the user ids that a result names. With more voters it has their numbers alone.
_VOTERS = 16_000


def start_content(vote: Vote) -> dict[str, Any]:
    """Return the content of the poll of *vote*."""
    lines = [vote.question, *(f"{number}. {answer}" for number, answer in enumerate(vote.answers, 1))]
    answers = [{"id": answer_id(number), EXTENSIBLE_TEXT: answer} for number, answer in enumerate(vote.answers)]
    content: dict[str, Any] = {
        EXTENSIBLE_TEXT: "\n".join(lines),
        POLL_START: {
            "kind": DISCLOSED,
            "max_selections": 1,
            "question": {EXTENSIBLE_TEXT: vote.question, "msgtype": "m.text", "body": vote.question},
            "answers": answers,
        },
        "m.mentions": {},
        VOTE: _facts(vote),
    }
    # Clients that know no threads show it in the room all the same.
    return content | (in_thread(vote.thread, vote.thread) if vote.thread else {})


def response_content(poll: str, selections: tuple[str, ...]) -> dict[str, Any]:
    """Return the content of the response to *poll* that selects answers by their ids."""
    return _of_poll(poll) | {POLL_RESPONSE: {"answers": list(selections)}}


def end_content(vote: Vote, texts: Texts) -> dict[str, Any]:
    """Return the content that ends the poll of *vote*, which has a result."""
    text = message(result_text(vote, texts), mark="", notice=True)["body"]
    return _of_poll(vote.poll or "") | {
        POLL_END: {},
        EXTENSIBLE_TEXT: text,
        "body": text,
        "m.mentions": {},
        VOTE: result_facts(vote),
    }


def result_content(vote: Vote, texts: Texts) -> dict[str, Any]:
    """Return the message with the result of *vote*: a reply to the poll, if that is in the same room."""
    content = message(result_text(vote, texts), mark=result_mark(vote), notice=True) | {VOTE: result_facts(vote)}
    return content | _place(vote)


def cancelled_content(vote: Vote, texts: Texts) -> dict[str, Any]:
    """Return the message that *vote* ended without a result."""
    words = texts.votes.refused if vote.poll is None else texts.votes.cancelled
    text = words.format(number=vote.id)
    content = message(text, mark=result_mark(vote), notice=True) | {VOTE: _facts(vote) | {"state": "cancelled"}}
    return content | (in_thread(vote.thread, vote.thread) if vote.thread else {})


def result_mark(vote: Vote) -> str:
    """Return the mark of the message with the result."""
    return mark(f"vote.{vote.key}", 0)


def _place(vote: Vote) -> dict[str, Any]:
    if vote.poll is None or vote.room_now != vote.room_id:
        return {}
    return in_thread(vote.thread, vote.poll) if vote.thread else in_reply_to(vote.poll)


def _of_poll(poll: str) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": REFERENCE, "event_id": poll}}


def _facts(vote: Vote) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": vote.id, "key": vote.key, "creator": vote.creator}
    if vote.end is not VoteEnd.REDACTION:
        facts["question"] = vote.question
    if vote.quorum is not None:
        facts["quorum"] = vote.quorum
    if vote.ends_at is not None:
        facts["ends_at"] = int(vote.ends_at.timestamp() * 1000)
    return facts


def result_facts(vote: Vote) -> dict[str, Any]:
    """Return the result of *vote* for programs; with very many voters only their numbers."""
    result = _result(vote)
    names_voters = sum(len(voter) + 3 for voters in result.by for voter in voters) <= _VOTERS
    answers: list[dict[str, Any]] = []
    for number, answer in enumerate(vote.answers):
        counted: dict[str, Any] = {"id": answer_id(number), "text": answer, "votes": result.votes[number]}
        if names_voters and result.by:
            counted["voters"] = list(result.by[number])
        answers.append(counted)
    return _facts(vote) | {
        "state": "closed",
        "ended_by": str(vote.end),
        "poll": vote.poll,
        "answers": answers,
        "voters": result.voters,
        "winners": [answer_id(number) for number in result.winners],
        "quorum_reached": result.has_quorum(vote.quorum),
    }


def _result(vote: Vote) -> Tally:
    if vote.result is None:
        raise LookupError(f"vote {vote.id} has no result")
    return vote.result


def result_text(vote: Vote, texts: Texts) -> str:
    """Return the result of *vote* as Markdown."""
    words, result = texts.votes, _result(vote)
    head = words.result.format(number=vote.id, question=escape(vote.question))
    lines = [
        "- "
        + words.line.format(
            answer=escape(answer),
            votes=texts.count(votes, words.vote),
            percent=round(100 * votes / result.voters) if result.voters else 0,
        )
        for answer, votes in zip(vote.answers, result.votes, strict=True)
    ]
    blocks = [head, "\n".join(lines)]
    if not result.has_quorum(vote.quorum):
        blocks.append(words.missed.format(votes=texts.count(result.voters, words.vote), quorum=vote.quorum))
    elif not result.voters:
        blocks.append(words.nobody)
    else:
        winners = [escape(vote.answers[number]) for number in result.winners]
        told = (
            words.winner.format(answer=winners[0])
            if len(winners) == 1
            else words.tie.format(answers=", ".join(winners))
        )
        blocks.append(told)
    if vote.end is VoteEnd.UPGRADE:
        blocks.append(words.upgraded)
    return "\n\n".join(blocks)


def outcome(vote: Vote | VoteEntry, result: Tally, texts: Texts) -> str:
    """Return the *result* of *vote* as a few words, which are no Markdown."""
    words = texts.votes
    if not result.has_quorum(vote.quorum):
        return words.missed.format(votes=texts.count(result.voters, words.vote), quorum=vote.quorum)
    if not result.voters:
        return words.nobody
    winners = [shortened(vote.answers[number]) for number in result.winners]
    if len(winners) > 1:
        return words.tie.format(answers=", ".join(winners))
    return words.answer.format(answer=winners[0], votes=texts.count(max(result.votes), words.vote))


def vote_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.votes
    return {
        VoteRefused: lambda result: words.problems[result.problem].format(
            words=escape(shortened(result.words)), most=result.most, prefix=prefix
        ),
        VoteOpened: partial(_opened, texts, prefix),
        VoteClosed: lambda result: words.closed.format(number=result.number),
        VoteCast: lambda result: (words.taken_back if result.answer is None else words.cast).format(
            number=result.number, answer=escape(result.answer or "")
        ),
        VoteList: partial(_list, texts, prefix),
    }


def _moment(at: datetime, now: datetime, texts: Texts) -> str:
    there, zone = at.astimezone(now.tzinfo), str(now.tzinfo)
    text = texts.votes.today if there.date() == now.date() else texts.votes.on_day
    return text.format(date=f"{there:%Y-%m-%d}", time=f"{there:%H:%M}", zone=zone)


def _opened(texts: Texts, prefix: str, result: VoteOpened) -> str:
    words = texts.votes
    if result.ends_at is None:
        ends = words.opened_by_hand.format(prefix=prefix, number=result.number)
    else:
        moment = _moment(result.ends_at, result.now, texts)
        ends = words.opened_until.format(moment=moment, prefix=prefix, number=result.number)
    parts = [words.opened.format(number=result.number, ends=ends)]
    if result.quorum is not None:
        parts.append(words.opened_quorum.format(votes=texts.count(result.quorum, words.vote)))
    return " ".join([*parts, words.opened_by_text.format(prefix=prefix)])


def _list(texts: Texts, prefix: str, result: VoteList) -> str:
    words = texts.votes
    if not result.votes:
        return words.none.format(prefix=prefix)
    blocks = [words.head, "\n".join(_entry(texts, each, result.now) for each in result.votes)]
    if any(each.state is VoteState.OPEN for each in result.votes):
        blocks.append(words.foot.format(prefix=prefix))
    return "\n\n".join(blocks)


def _entry(texts: Texts, entry: VoteEntry, now: datetime) -> str:
    words = texts.votes
    facts = [words.by.format(user=user_link(entry.creator))] if entry.creator else []
    if entry.state is VoteState.OPEN and entry.ends_at is not None:
        facts.append(words.until.format(moment=_moment(entry.ends_at, now, texts)))
    if entry.state is not VoteState.OPEN:
        facts.append(words.closing if entry.state is VoteState.CLOSING else words.ended)
    if entry.quorum is not None:
        facts.append(words.quorum.format(votes=texts.count(entry.quorum, words.vote)))
    question = escape(shortened(entry.question))
    line = "- " + words.entry.format(number=entry.number, question=question, facts="; ".join(facts))
    if entry.state is VoteState.CLOSED:
        return f"{line}. {escape(outcome(entry, Tally((), entry.votes), texts))}"
    answers = [
        "  - " + words.answer.format(answer=escape(shortened(answer)), votes=texts.count(votes, words.vote))
        for answer, votes in zip(entry.answers, entry.votes, strict=True)
    ]
    return "\n".join([line, *answers])
