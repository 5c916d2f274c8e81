"""Refusals of functions that commands share, as problems of programs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.core.results.events import EventProblem
from agent_bridge.core.results.servers import PlaceProblem
from agent_bridge.core.results.tasks import TaskProblem
from agent_bridge.core.results.threads import ThreadProblem
from agent_bridge.core.votes import VoteProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.results.events import EventRefused
    from agent_bridge.core.results.servers import PlaceRefused
    from agent_bridge.core.results.tasks import TaskRefused
    from agent_bridge.core.results.threads import ThreadRefused
    from agent_bridge.core.results.votes import VoteRefused

_EVENTS: Mapping[EventProblem, Problem] = MappingProxyType(
    {EventProblem.NOT_THERE: Problem.ROOM_NOT_FOUND, EventProblem.NOT_ALLOWED: Problem.NOT_PERMITTED}
)
_PLACES: Mapping[PlaceProblem, Problem] = MappingProxyType(
    {
        PlaceProblem.NO_SERVER: Problem.SERVER_NOT_FOUND,
        PlaceProblem.NO_CHANNEL: Problem.ROOM_NOT_FOUND,
        PlaceProblem.TAKEN: Problem.NAME_TAKEN,
        PlaceProblem.TOO_MANY_SERVERS: Problem.TOO_MANY,
        PlaceProblem.TOO_MANY_CHANNELS: Problem.TOO_MANY,
        PlaceProblem.NOT_READY: Problem.UNAVAILABLE,
        PlaceProblem.NO_AGENT: Problem.AGENT_NOT_FOUND,
        PlaceProblem.SILENT: Problem.NOT_PERMITTED,
        PlaceProblem.NOT_ENTERED: Problem.REFUSED,
        PlaceProblem.OUTSIDE: Problem.ROOM_NOT_FOUND,
        PlaceProblem.CLOSED: Problem.NOT_PERMITTED,
        PlaceProblem.POWERLESS: Problem.REFUSED,
    }
)
_TASKS: Mapping[TaskProblem, Problem] = MappingProxyType(
    {
        TaskProblem.UNKNOWN: Problem.TASK_NOT_FOUND,
        TaskProblem.NOT_YOURS: Problem.NOT_PERMITTED,
        TaskProblem.NO_TITLE: Problem.INVALID_REQUEST,
        TaskProblem.TITLE_TOO_LONG: Problem.INVALID_REQUEST,
        TaskProblem.BAD_PERCENT: Problem.INVALID_REQUEST,
    }
)
#: Those of drafts are problems of the request; the others are those of the vote as it is.
_VOTES: Mapping[VoteProblem, Problem] = MappingProxyType(
    {
        VoteProblem.NO_VOTE: Problem.VOTE_NOT_FOUND,
        VoteProblem.NO_VOTES: Problem.VOTE_NOT_FOUND,
        VoteProblem.NOT_YOURS: Problem.NOT_PERMITTED,
        VoteProblem.OUTSIDE: Problem.NOT_PERMITTED,
        VoteProblem.WHICH_VOTE: Problem.VOTE_REFUSED,
        VoteProblem.MANY_VOTES: Problem.VOTE_REFUSED,
        VoteProblem.ENDED: Problem.VOTE_REFUSED,
        VoteProblem.NO_ANSWER: Problem.VOTE_REFUSED,
    }
)
_THREADS: Mapping[ThreadProblem, Problem] = MappingProxyType(
    {
        ThreadProblem.UNNAMED: Problem.THREAD_NOT_FOUND,
        ThreadProblem.NO_ROOT: Problem.MESSAGE_NOT_FOUND,
        ThreadProblem.NOT_YOURS: Problem.NOT_PERMITTED,
        ThreadProblem.NOT_PERMITTED: Problem.ROLE_MISSING,
        ThreadProblem.IN_USE: Problem.THREAD_IN_USE,
        ThreadProblem.TOO_MANY: Problem.TOO_MANY,
    }
)
#: Sentences about those that their names do not explain, with the fields of the refusal.
_PLACE_DETAILS: Mapping[PlaceProblem, str] = MappingProxyType(
    {
        PlaceProblem.NO_SERVER: "there is no server {name}",
        PlaceProblem.NO_CHANNEL: "there is no channel {name}",
        PlaceProblem.SEVERAL: "several channels are called {name}: name the server, too",
        PlaceProblem.NO_NAME: "the name has no character that shows something",
        PlaceProblem.BAD_NAME: "a name has up to {most} characters, no slash, and is no number",
        PlaceProblem.TAKEN: "the name {name} is taken",
        PlaceProblem.TOO_MANY_SERVERS: "there are {most} servers, and can be no more",
        PlaceProblem.TOO_MANY_CHANNELS: "there are {most} channels, and can be no more",
        PlaceProblem.BAD_ICON: "the address of a picture begins with mxc://",
        PlaceProblem.BAD_POSITION: "the list has {most} places",
        PlaceProblem.NOT_READY: "the room of {name} is being made",
        PlaceProblem.SILENT: "agents cannot write in {name}",
        PlaceProblem.NOT_ENTERED: "{name} cannot enter the channel",
        PlaceProblem.OUTSIDE: "the identity of the token is not in {name}",
        PlaceProblem.CLOSED: "{name} can be entered by an invitation of others only",
        PlaceProblem.POWERLESS: "the homeserver does not let the bridge do this in {name}",
    }
)
_EVENT_DETAILS: Mapping[EventProblem, str] = MappingProxyType(
    {
        EventProblem.BAD_KIND: "a kind has up to {most} small letters, digits, _ and .",
        EventProblem.NO_OBJECT: "the data is no object of JSON",
        EventProblem.NOT_JSON: "a value is none of JSON: {place}",
        EventProblem.TOO_LARGE: "the data has up to {most} bytes",
        EventProblem.TOO_MANY: "the data has up to {most} values",
        EventProblem.TOO_DEEP: "up to {most} objects and lists can be in one another",
        EventProblem.BAD_NUMBER: "a number is infinite, or too long: {place}",
        EventProblem.BAD_TEXT: "a text has characters that cannot be sent: {place}",
        EventProblem.NOT_THERE: "the identity of the token is not in the room",
        EventProblem.NOT_ALLOWED: "the identity of the token may not write in the room",
    }
)
_TASK_DETAILS: Mapping[TaskProblem, str] = MappingProxyType(
    {
        TaskProblem.WHICH_TASK: "the number of a task is missing",
        TaskProblem.NO_TITLE: "the title has no character that shows something",
        TaskProblem.WHO: "task {number} cannot be assigned to the bot",
        TaskProblem.UNKNOWN: "there is no task {number}",
        TaskProblem.TAKEN: "task {number} is taken by {by}",
        TaskProblem.UNCLAIMED: "nobody has claimed task {number}",
        TaskProblem.BAD_STATE: "task {number} is {state}",
        TaskProblem.NOT_YOURS: "the identity of the token may not change task {number} so",
        TaskProblem.OPEN_SUBTASKS: "task {number} has subtasks that are open",
        TaskProblem.TITLE_TOO_LONG: "a title has up to {most} characters",
        TaskProblem.NOTE_TOO_LONG: "a note has up to {most} characters",
        TaskProblem.TOO_MANY_SUBTASKS: "a task has up to {most} subtasks",
        TaskProblem.TOO_DEEP: "up to {most} tasks can be parts of one another",
        TaskProblem.TOO_MANY: "a room has up to {most} open tasks",
        TaskProblem.BAD_PERCENT: "progress is a whole number from 0 to {most}",
        TaskProblem.NOT_THERE: "the identity of the token, or the bot, may not write in the room of the task",
        TaskProblem.ASSIGNEE_OUTSIDE: "{by} is not in the room of task {number}",
        TaskProblem.ASSIGNEE_WITHOUT_ROLE: "{by} has no role in the room of task {number}, or is muted",
    }
)
_VOTE_DETAILS: Mapping[VoteProblem, str] = MappingProxyType(
    {
        VoteProblem.NO_QUESTION: "the question has no character that shows something",
        VoteProblem.QUESTION_TOO_LONG: "a question has up to {most} characters",
        VoteProblem.FEW_ANSWERS: "a vote has at least {most} answers with characters that show something",
        VoteProblem.MANY_ANSWERS: "a vote has up to {most} answers",
        VoteProblem.ANSWER_TOO_LONG: "an answer has up to {most} characters: {words}",
        VoteProblem.SAME_ANSWERS: "an answer is there twice: {words}",
        VoteProblem.NO_TIME: "the time of the end cannot be read: {words}",
        VoteProblem.PAST: "the time of the end is over",
        VoteProblem.TOO_FAR: "a vote lasts up to {most} days",
        VoteProblem.BAD_QUORUM: "a quorum is a number of voters from 1 to {most}",
        VoteProblem.MANY_VOTES: "a room has up to {most} open votes",
        VoteProblem.NO_VOTES: "no vote is open in the room",
        VoteProblem.NO_VOTE: "the room has no vote {words}",
        VoteProblem.WHICH_VOTE: "several votes are open in the room: name one by its number",
        VoteProblem.ENDED: "vote {words} has ended",
        VoteProblem.NOT_YOURS: "only the creator of vote {words}, and moderators, may close it",
        VoteProblem.WHICH_ANSWER: "the answer is missing",
        VoteProblem.NO_ANSWER: "the vote has no such answer: {words}",
        VoteProblem.OUTSIDE: "the identity of the token is not in the room, or has no role there",
    }
)
_THREAD_DETAILS: Mapping[ThreadProblem, str] = MappingProxyType(
    {
        ThreadProblem.NO_NAME: "the name has no character that shows something",
        ThreadProblem.LONG_NAME: "a name has up to {most} characters",
        ThreadProblem.TOO_MANY: "the room has {most} threads, and can have no more",
        ThreadProblem.UNNAMED: "the thread has no name yet",
        ThreadProblem.NO_ROOT: "no thread can begin with this event",
        ThreadProblem.NOT_YOURS: "only its creator and moderators may change the thread",
        ThreadProblem.NOT_PERMITTED: "the identity of the token may not make threads",
        ThreadProblem.IN_USE: "somebody wrote in the thread after the request",
    }
)


def of_event(refused: EventRefused) -> ProgramRefused:
    """Return the problem of an event that was not posted; ``reason`` and ``place`` tell more."""
    problem = _EVENTS.get(refused.problem, Problem.INVALID_REQUEST)
    detail = _EVENT_DETAILS.get(refused.problem, "").format(place=refused.place, most=refused.most)
    return _problem(problem, refused.problem, detail, place=refused.place, limit=refused.most)


def of_place(refused: PlaceRefused) -> ProgramRefused:
    """Return the problem of a server or a channel to which nothing was done; ``reason`` tells more."""
    problem = _PLACES.get(refused.problem, Problem.INVALID_REQUEST)
    detail = _PLACE_DETAILS.get(refused.problem, "").format(name=refused.name, most=refused.most)
    return _problem(problem, refused.problem, detail, name=refused.name, limit=refused.most)


def of_task(refused: TaskRefused) -> ProgramRefused:
    """Return the problem of a task that was not made or changed; ``reason``, ``state`` and ``assignee`` tell more."""
    problem = _TASKS.get(refused.problem, Problem.TASK_REFUSED)
    detail = _TASK_DETAILS.get(refused.problem, "")
    return _problem(
        problem,
        refused.problem,
        detail.format(number=refused.number, state=refused.state, by=refused.by, most=refused.most),
        state=refused.state,
        assignee=refused.by,
        limit=refused.most,
    )


def of_thread(refused: ThreadRefused) -> ProgramRefused:
    """Return the problem of a thread to which nothing was done; ``reason`` tells more."""
    problem = _THREADS.get(refused.problem, Problem.INVALID_REQUEST)
    detail = _THREAD_DETAILS.get(refused.problem, "").format(most=refused.most)
    return _problem(problem, refused.problem, detail, limit=refused.most)


def of_vote(refused: VoteRefused) -> ProgramRefused:
    """Return the problem of a vote that was not begun, given or closed; ``reason`` and ``words`` tell more."""
    problem = _VOTES.get(refused.problem, Problem.INVALID_REQUEST)
    detail = _VOTE_DETAILS.get(refused.problem, "").format(words=refused.words, most=refused.most)
    return _problem(problem, refused.problem, detail, words=refused.words, limit=refused.most)


def _problem(problem: Problem, reason: str, detail: str = "", **more: str | int | None) -> ProgramRefused:
    """Return *problem*; *reason* is a stable name, and the values of *more* that are not empty are fields."""
    return ProgramRefused(
        problem,
        detail or _words(reason),
        more={"reason": str(reason)} | {key: each for key, each in more.items() if each},
    )


def _words(reason: str) -> str:
    return str(reason).replace("_", " ")
