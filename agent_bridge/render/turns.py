"""Results of the commands about messages and their turns as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.turns import TurnState
from agent_bridge.render.content import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.results.turns import (
        Dropped,
        FailedTurns,
        OpenTurns,
        QueuePlace,
        Retried,
        RetriedAll,
        RoomQueue,
        TurnEntry,
    )
    from agent_bridge.i18n.catalogue import Texts


def render_open(result: OpenTurns, texts: Texts) -> str:
    """Return the list of open turns."""
    if not result.turns:
        return texts.commands.queue_empty
    lines = [_turn(each, open_state(each, texts), texts) for each in result.turns]
    return _list(lines, texts, has_more=result.has_more)


def render_queue(result: RoomQueue, texts: Texts) -> str:
    """Return the number of messages that wait, and those of the caller."""
    if not (result.waiting or result.own):
        return texts.commands.queue_empty
    head = texts.commands.queue_head.format(messages=texts.count(result.waiting, texts.message))
    lines = [
        texts.commands.queue_own.format(number=number, state=_place(each, texts), age=texts.duration(each.age))
        for number, each in enumerate(result.own, 1)
    ]
    return "\n\n".join([head, _list(lines, texts, has_more=result.has_more) or texts.commands.queue_others])


def _place(own: QueuePlace, texts: Texts) -> str:
    if own.state is TurnState.QUEUED and not own.attempts:
        return texts.commands.queue_place.format(place=own.place)
    return open_state(own, texts)


def render_failed(result: FailedTurns, texts: Texts) -> str:
    """Return the list of failed turns with their causes."""
    if not result.turns:
        return texts.commands.none_failed
    lines = [_turn(each, escape(each.error or texts.commands.no_cause), texts) for each in result.turns]
    return _list(lines, texts, has_more=result.has_more)


def _turn(turn: TurnEntry, state: str, texts: Texts) -> str:
    return texts.commands.listed.format(
        turn=turn.key,
        sender=escape(turn.sender),
        agent=escape(turn.agent or texts.commands.the_bot),
        age=texts.duration(turn.age),
        state=state,
    )


def _list(lines: Sequence[str], texts: Texts, *, has_more: bool) -> str:
    return "\n".join([*lines, *([texts.commands.more] if has_more else [])])


def render_retried_all(result: RetriedAll, texts: Texts, prefix: str) -> str:
    """Return how many messages are asked again."""
    text = texts.commands.retried_all.format(messages=texts.count(result.number, texts.message))
    return f"{text} {texts.commands.retried_more.format(prefix=prefix)}" if result.has_more else text


def render_retried(result: Retried, texts: Texts) -> str:
    """Return which messages are asked again."""
    return _changes(result, texts.commands.retrying, texts.commands.cannot_retry, texts)


def render_dropped(result: Dropped, texts: Texts) -> str:
    """Return which messages are dropped."""
    return _changes(result, texts.commands.dropping, texts.commands.cannot_drop, texts)


def _changes(result: Retried | Dropped, changed: str, unchanged: str, texts: Texts) -> str:
    lines = [
        (changed if turn.is_changed else unchanged).format(
            turn=turn.key, state=texts.commands.states["redacted" if turn.is_redacted else turn.state]
        )
        for turn in result.turns
    ]
    return "\n\n".join(lines)


def open_state(turn: TurnEntry | QueuePlace, texts: Texts) -> str:
    """Return a few words about the state of an open turn."""
    match turn.state:
        case TurnState.RUNNING:
            return texts.commands.is_answered
        case TurnState.COMMITTED:
            return texts.commands.is_shown
        case _:
            return texts.commands.waits_again if turn.attempts else texts.commands.waits
