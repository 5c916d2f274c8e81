"""Names of polls in Matrix (MSC3381), in the unstable form that clients send and read."""

from __future__ import annotations

#: Types of events, and keys of their contents.
POLL_START = "org.matrix.msc3381.poll.start"
POLL_RESPONSE = "org.matrix.msc3381.poll.response"
POLL_END = "org.matrix.msc3381.poll.end"
#: Types of responses to a poll: some clients send the stable one.
POLL_RESPONSES = ("m.poll.response", POLL_RESPONSE)
#: Types of events that end a poll.
POLL_ENDS = ("m.poll.end", POLL_END)
#: Kind of a poll whose votes are seen before its end.
DISCLOSED = "org.matrix.msc3381.poll.disclosed"
#: Key with the text of an extensible event (MSC1767).
EXTENSIBLE_TEXT = "org.matrix.msc1767.text"
#: Type of the relation of responses and ends to their poll.
REFERENCE = "m.reference"
#: Key with a vote for programs, in the poll, in its end and in the message with the result.
VOTE = "org.agent_bridge.vote"
