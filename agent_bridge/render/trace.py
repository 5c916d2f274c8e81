"""Traces of messages as Markdown: one line for each thing that happened, in its order, with its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.results.traces import NoTrace, NoTraceReason
from agent_bridge.i18n.catalogue import cause
from agent_bridge.render.content import escape, in_backticks, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from agent_bridge.core.results.traces import ChainTrace, Step, Trace, TurnTrace
    from agent_bridge.i18n.catalogue import Texts


def render_trace(trace: Trace, texts: Texts) -> str:
    """Return the traces of the message's turns, one below the other."""
    return "\n\n".join(_turn(turn, trace.reference, texts) for turn in trace.turns)


def render_no_trace(result: NoTrace, texts: Texts, prefix: str) -> str:
    """Return why the message has no turn; *prefix* starts a command in a room."""
    text = {
        NoTraceReason.IGNORED: texts.commands.why_ignored,
        NoTraceReason.UNKNOWN: texts.commands.why_unknown,
        NoTraceReason.NOT_VISIBLE: texts.commands.why_unseen,
        NoTraceReason.OWN_EVENT: texts.commands.why_ours,
        NoTraceReason.NOT_RECEIVED: texts.commands.why_not_handed_over,
        NoTraceReason.NO_PORTAL: texts.commands.why_no_portal,
        NoTraceReason.NOT_ADDRESSED: texts.commands.why_not_addressed,
        NoTraceReason.FOR_OTHERS: texts.commands.why_for_others,
        NoTraceReason.ANSWERS_OFF: texts.commands.why_answers_off,
        NoTraceReason.NOT_A_MESSAGE: texts.commands.why_not_a_message,
    }[result.reason]
    return text.format(
        # Older versions of the bridge stored an English sentence in place of a reason.
        reason=texts.commands.ignored.get(result.detail, result.detail),
        reference=in_backticks(shortened(result.reference)),
        prefix=prefix,
        type=in_backticks(result.detail),
    )


def _turn(turn: TurnTrace, reference: str, texts: Texts) -> str:
    lines = [_head(turn, texts), "", *(f"- {_time(at)}: {text}" for at, text in _moments(turn, texts))]
    lines.append(
        texts.commands.trace_counts.format(
            times=texts.count(turn.attempts, texts.time),
            failures=texts.count(turn.failures, texts.failure),
            interruptions=texts.count(turn.interruptions, texts.interruption),
        )
    )
    if turn.usage is not None:
        cached = turn.usage.cached_tokens
        text = texts.commands.trace_tokens if cached is None else texts.commands.trace_tokens_cached
        lines.append(text.format(read=turn.usage.input_tokens, written=turn.usage.output_tokens, cached=cached))
    if any(part.event_id == reference for part in turn.parts):
        lines.append(texts.commands.trace_question.format(event=turn.event_id))
    if turn.chain is not None:
        lines += _chain(turn.chain, texts)
    return "\n".join(lines)


def _chain(chain: ChainTrace, texts: Texts) -> Iterator[str]:
    words = texts.commands
    yield words.trace_chain.format(sender=escape(chain.asker), event=chain.root, hops=chain.hops)
    if chain.asked_by is not None:
        yield words.trace_asked.format(agent=escape(chain.asked_by))
    if chain.stopped_by is not None:
        yield words.trace_chain_stopped.format(event=chain.stopped_by)
    elif chain.waits:
        yield words.trace_chain_waits


def _head(turn: TurnTrace, texts: Texts) -> str:
    if turn.collected_into is not None:
        state = texts.commands.why_collected.format(event=turn.collected_into)
    else:
        state = texts.commands.why_state["redacted" if turn.is_redacted else turn.state].format(
            error=cause(turn.error or texts.commands.see_below)
        )
    return (texts.commands.trace_head_agent if turn.agent else texts.commands.trace_head).format(
        turn=turn.key,
        kind=texts.commands.kinds[turn.kind],
        agent=escape(turn.agent or ""),
        sender=escape(turn.sender),
        state=state,
    )


def _moments(turn: TurnTrace, texts: Texts) -> Iterator[tuple[datetime, str]]:
    yield turn.said_at, texts.commands.trace_said
    yield turn.created_at, texts.commands.trace_received.format(kind=texts.commands.kinds[turn.kind])
    if turn.started_at is not None:
        waited = (turn.started_at - turn.created_at).total_seconds()
        yield turn.started_at, texts.commands.trace_started.format(seconds=waited)
    for step in turn.steps:
        yield step.at, escape(_step(step, texts))
    for part in turn.parts:
        yield part.at, texts.commands.trace_part.format(part=part.part, event=part.event_id)


def _step(step: Step, texts: Texts) -> str:
    # Older versions of the bridge stored an English sentence in place of a name.
    text = texts.commands.steps[step.name].format(**step.details) if step.name in texts.commands.steps else step.name
    return f"{text}; {error}" if (error := step.details.get("error")) else text


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
