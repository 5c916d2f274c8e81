"""Everything that the bridge itself says to people, in one place and one voice."""

from __future__ import annotations

NOT_PERMITTED = "{sender} is not permitted to talk to agents here. An operator can change that (`permissions`)."
NO_FILES = "I can only read text so far, so I did not take that {kind}."
ENCRYPTED = "This room has been encrypted, and I cannot read encrypted messages. Please talk to me in a room without."
GHOST_DECLINES = "I talk in my own room. Ask {bot} for an invitation: invite {name}"
AGENT_GONE = "{name} is gone from its server. This room stays, but nobody answers here."
AGENT_BACK = "{name} is back."
FAILED = "⚠️ No answer: {cause}."
FAILED_MIDWAY = "⚠️ The answer ends here: {cause}."
TRUNCATED = "The answer was cut at the agent's length limit."
HELD = "no room yet: too many new agents at once. `{prefix} sync all` makes them"

UNKNOWN_COMMAND = "I do not know `{word}`. Did you mean `{nearest}`?"
UNKNOWN_COMMAND_HELP = "I do not know `{word}`. `{prefix} help` lists what I know."
COMMAND_NOT_PERMITTED = "`{word}` is for {role}s. Ask an operator (`permissions`)."
COMMAND_FAILED = "`{word}` failed: {cause}."
USAGE = "Usage: `{prefix} {usage}`"
HELP_HEAD = "I introduce you to agents. What I understand:"
NO_AGENTS = "No agents yet. `{prefix} status` tells how their servers are."
NO_SUCH_AGENT = "No agent is called *{name}*."
DID_YOU_MEAN = "Several agents are called like *{name}*. Which one? {names}"
INVITED = "Invited {user} to {room}."
ALREADY_THERE = "{user} is in {room} already."
MAY_NOT_TALK = "But agents do not answer {user}: `permissions` has no role for them."
NO_ROOM_YET = "{name} has no room yet. Try again in a moment."
NOT_A_USER_ID = "*{user}* is no Matrix user id (@name:server)."
HELLO = "Hello! I am the bridge bot. Say `help` to see what I can do."
HELLO_ALL = "Hello! I am the bridge bot. Say `{prefix} help` to see what I can do."


def count(number: int, noun: str) -> str:
    """Return *number* and *noun* in its number."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cause(text: str) -> str:
    """Return *text* as the end of a sentence: first letter as it is, no full stop."""
    return text.strip().rstrip(".")
