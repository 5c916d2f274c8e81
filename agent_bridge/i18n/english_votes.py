"""The texts about votes in English."""

from __future__ import annotations

from agent_bridge.i18n.vote_texts import VoteTexts

ENGLISH_VOTES = VoteTexts(
    vote=("vote", "votes"),
    problems={
        "no_question": 'Which question? Put it in quotes: `{prefix} vote new "Lunch?" pizza | pasta`.',
        "question_too_long": "The question is too long: it can have {most} characters.",
        "few_answers": "A vote needs at least {most} answers, with `|` between them.",
        "many_answers": "A vote can have {most} answers at most.",
        "answer_too_long": "The answer *{words}* is too long: it can have {most} characters.",
        "same_answers": "The answer *{words}* stands there twice.",
        "no_time": (
            "I do not understand the time *{words}*. Examples: `until 18:00`, `until tomorrow 9:00`, "
            "`until 2026-12-01 12:00`, `in 20 minutes`. If the words belong to the answer, put it in quotes."
        ),
        "past": "That time is over already.",
        "too_far": "A vote can last {most} days at most.",
        "bad_quorum": "The quorum is a number of voters, from 1 to {most}.",
        "many_votes": "This room has {most} open votes, and can have no more. `{prefix} votes` lists them.",
        "no_votes": "No vote is open here. `{prefix} vote new` begins one.",
        "no_vote": "This room has no vote *{words}*. `{prefix} votes` lists them.",
        "which_vote": "Several votes are open. Put the number before the answer, or behind `close`: `{prefix} votes`.",
        "ended": "Vote {words} has ended.",
        "not_yours": "Only the one who began vote {words}, and moderators, can close it.",
        "which_answer": "Which answer? `{prefix} votes` lists them.",
        "no_answer": "*{words}* is none of the answers.",
        "outside": "A vote needs a room in which you have a role.",
    },
    opened="Vote **{number}** has begun. {ends}",
    opened_by_text="Clients that show no polls: `{prefix} vote for <answer>`.",
    opened_until="It ends {moment}, or earlier with `{prefix} vote close {number}`.",
    opened_by_hand="`{prefix} vote close {number}` ends it.",
    opened_quorum="The result counts from {votes} on.",
    closed="Vote {number} ends.",
    cast="Your vote in vote {number}: *{answer}*.",
    taken_back="You have taken your vote in vote {number} back.",
    today="at {time} ({zone})",
    on_day="on {date} at {time} ({zone})",
    none="There are no votes here. `{prefix} vote new` begins one.",
    head="Votes:",
    foot="`{prefix} vote close <number>` ends one.",
    entry="**{number}** {question} ({facts})",
    until="ends {moment}",
    by="by {user}",
    quorum="needs {votes}",
    closing="is ending",
    ended="ended",
    answer="{answer}: {votes}",
    result="Result of vote {number}: **{question}**",
    line="{answer}: {votes} ({percent} %)",
    winner="Most votes: **{answer}**",
    tie="A tie: {answers}",
    nobody="Nobody has voted.",
    missed="The result does not count: {votes} of the {quorum} that are needed.",
    upgraded="The vote ended because the room was upgraded.",
    cancelled="Vote {number} was cancelled.",
    refused="Vote {number} was cancelled: I may not show polls in this room.",
)
