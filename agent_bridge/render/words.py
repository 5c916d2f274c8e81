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
TOO_LONG = "it grew beyond {characters} characters (`max_answer_chars`)"
TOO_SLOW = "it took longer than {seconds} s (`turn_timeout`)"
TOO_OLD = (
    "{messages} from {age} ago came too late to be answered as new (`max_message_age`). "
    "An administrator can have it asked anyway: `{command}`"
)
STOPPED = "(stopped)"
DROPPED = "an administrator set this message aside"
FULL = "I did not take this: {limit} messages wait here already (`max_queued_per_room`). Please say it again later."
FULL_MORE = "- … and {messages} more"
FULL_ALL = (
    "I did not take these: {limit} messages wait here already (`max_queued_per_room`). Please say them again later."
)
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

STILL_LOOKING = "I am still looking. This is what I knew before:"
STOPPING = "Stopping."
NOTHING_RUNS = "Nothing is being answered in this room."
NOT_AN_AGENTS_ROOM = "Please say that in an agent's room."
BUSY = {
    "queue": "From now on each message gets its own answer, one after the other.",
    "collect": "From now on messages that arrive while I answer are answered together.",
}
QUEUE_EMPTY = "No message waits."
NONE_FAILED = "No message failed."
NO_CAUSE = "the cause is not known"
MORE = "- … and more"
NO_SUCH_TURN = "I know no message *{turn}*, or several. `{prefix} queue` and `{prefix} failed` list them."
RETRYING = "`{turn}` is asked again."
CANNOT_RETRY = "`{turn}` cannot be asked again: it is {state}."
DROPPING = "`{turn}` is set aside."
CANNOT_DROP = "`{turn}` cannot be set aside: it is {state}."

WHY_IGNORED = "I received it and ignored it: {reason}."
WHY_UNKNOWN = "I know nothing of `{reference}`. With a link to the message I could look it up."
WHY_UNSEEN = "I cannot see that message: I am not in its room, or it does not exist."
WHY_OURS = "I said that myself; what it answered is not known any more."
WHY_NOT_HANDED_OVER = "It is a message for me, but the homeserver has not handed it over (yet), or I have forgotten it."
WHY_NO_PORTAL = "That room is no agent's: there I only listen to what begins with `{prefix}`."
WHY_NOT_A_MESSAGE = "It is no message but a `{type}`, which nobody answers."
WHY_COLLECTED = "It was answered together with `{event}`."
WHY_STATE = {
    "queued": "It waits in its lane.",
    "running": "It is being answered.",
    "answered": "The answer is committed and about to be shown.",
    "done": "It was answered.",
    "failed": "It failed: {error}.",
    "stopped": "A person stopped the answer.",
    "collected": "It was answered together with another.",
}


def count(number: int, noun: str) -> str:
    """Return *number* and *noun* in its number."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return count(int(seconds // size), noun)
    return count(max(0, int(seconds)), "second")


def cause(text: str) -> str:
    """Return *text* as the end of a sentence: first letter as it is, no full stop."""
    return text.strip().rstrip(".")
