"""Responses to polls (MSC3381), of the unstable type that most clients send and of the stable one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.polls import POLL_ENDS, POLL_RESPONSES, REFERENCE
from agent_bridge.core.votes import Ballot
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Selections of a response that are read, and characters of each: the poll allows one, whose id is a number.
_MOST, _LONGEST = 2, 50


def answered_poll(event_type: str, content: Mapping[str, Any]) -> str | None:
    """Return the poll to which an event responds; None if it is no response."""
    return _poll(content) if event_type in POLL_RESPONSES else None


def ended_poll(event_type: str, content: Mapping[str, Any]) -> str | None:
    """Return the poll that an event ends; None if it ends none."""
    return _poll(content) if event_type in POLL_ENDS else None


def _poll(content: Mapping[str, Any]) -> str | None:
    related = content.get("m.relates_to")
    if not isinstance(related, dict) or related.get("rel_type") != REFERENCE:
        return None
    poll = related.get("event_id")
    return poll if isinstance(poll, str) and poll else None


def selections(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the selected ids of a response, as far as they are read; empty if it has none, or is malformed."""
    found = content.get("m.selections")
    for key in POLL_RESPONSES:
        block = content.get(key)
        if found is None and isinstance(block, dict):
            found = block.get("answers")
    if not isinstance(found, list):
        return ()
    read = found[:_MOST]
    return tuple(clean(each)[:_LONGEST] for each in read) if all(isinstance(each, str) for each in read) else ()


def ballot_of(event: Mapping[str, Any], poll: str) -> Ballot | None:
    """Return the ballot that an *event* of the homeserver casts in *poll*; None if it casts none."""
    content, voter, at = event.get("content"), event.get("sender"), event.get("origin_server_ts")
    if not isinstance(content, dict) or not isinstance(voter, str) or type(at) is not int:
        return None
    if answered_poll(str(event.get("type")), content) != poll:
        return None
    return Ballot(clean(voter), selections(content), at)
