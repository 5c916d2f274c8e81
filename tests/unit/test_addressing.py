"""The agents that a message among several agents is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_bridge.bridge.rooms.addressing import Silence, addressees, why_silent
from agent_bridge.core.rooms import AnswerMode, KindName, Participant, ParticipantState, Room
from agent_bridge.matrix.events import parse_event
from support.records import NAMES

ADA = Participant(1, "agent_ada", names=("Ada", "Agent: Ada"))
LOVELACE = Participant(2, "agent_lovelace", names=("Ada Lovelace", "Agent: Ada Lovelace"))
RESEARCH = Participant(3, "agent_research", names=("Ресёрч",))
LEFT = Participant(4, "agent_left", ParticipantState.LEFT, ("Left",))
GONE = Participant(5, "agent_gone", names=("Gone",), is_gone=True)
ROOM = Room(
    "!r",
    KindName.LOBBY,
    None,
    (ADA, LOVELACE, RESEARCH, LEFT, GONE),
    answered_by={"$of-ada": 1, "$of-lovelace": 2},
    thread_agents={"$thread": [2, 3], "$of-left": [4], "$of-gone": [5, 1]},
)


def asked(body: str = "hi", **content: Any) -> list[int]:
    """Return the agents that a message is for."""
    raw = {"event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@bob:example.org"}
    event = parse_event(raw | {"content": {"msgtype": "m.text", "body": body} | content})
    assert event is not None
    return [each.agent for each in addressees(event, ROOM, NAMES)]


def html(text: str) -> dict[str, Any]:
    return {"format": "org.matrix.custom.html", "formatted_body": text}


def pill(user: str, name: str = "x") -> str:
    return f'<a href="https://matrix.to/#/{user}">{name}</a>'


def mentions(*users: str) -> dict[str, Any]:
    return {"m.mentions": {"user_ids": [*users]}}


def reply(target: str) -> dict[str, Any]:
    return {"m.relates_to": {"m.in_reply_to": {"event_id": target}}}


def thread(root: str, target: str | None = None) -> dict[str, Any]:
    """Return the relation of a message in a thread; clients write a reply for those that know no threads."""
    falls_back = target is None
    reply_to = {"m.in_reply_to": {"event_id": target or "$last"}, "is_falling_back": falls_back}
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": root} | reply_to}


@pytest.mark.parametrize(
    ("content", "agents"),
    [
        pytest.param({}, [], id="nobody"),
        pytest.param(mentions("@agent_ada:example.org"), [1], id="m.mentions"),
        pytest.param(mentions("@agent_lovelace:example.org", "@agent_ada:example.org"), [1, 2], id="two"),
        pytest.param(mentions("@agent_left:example.org", "@bob:example.org"), [], id="an agent that left, a person"),
        pytest.param(mentions("@agent_ada:other.org"), [], id="a user of another server"),
        pytest.param(html(f"hello {pill('@agent_ada:example.org')}"), [1], id="a pill"),
        pytest.param(
            html(f"{pill('%40agent_ada%3Aexample.org')} and {pill('@agent_research:example.org?via=x')}"),
            [1, 3],
            id="two pills, encoded",
        ),
        pytest.param(html("<a href='https://matrix.to/#/@agent_ada:example.org'>x</a>"), [1], id="single quotes"),
        pytest.param(html('<a href="matrix:u/agent_ada:example.org?action=chat">x</a>'), [1], id="a matrix: URI"),
        pytest.param(html('<a href="matrix:r/agent_ada:example.org">x</a>'), [], id="a matrix: URI of a room"),
        pytest.param(
            html(f"<blockquote>a<BLOCKQUOTE>b</BLOCKQUOTE>{pill('@agent_ada:example.org')}</blockquote>hi"),
            [],
            id="a pill in a quotation that a person chose",
        ),
        pytest.param(
            html(f"<blockquote>a</blockquote>{pill('@agent_ada:example.org')}<blockquote>b</blockquote>"),
            [1],
            id="a pill between quotations",
        ),
        pytest.param(html(f"<mx-reply>{pill('@agent_ada:example.org')}</mx-reply>hi"), [], id="a pill in a quotation"),
        pytest.param(html('<a href="https://matrix.to/#/!r/$agent_ada">x</a>'), [], id="a link to a message"),
        pytest.param(reply("$of-lovelace"), [2], id="a reply"),
        pytest.param(reply("$of-lovelace") | mentions("@agent_ada:example.org"), [1, 2], id="a reply and a mention"),
        pytest.param(reply("$of-bob"), [], id="a reply to a person"),
        pytest.param(thread("$thread"), [2, 3], id="a thread"),
        pytest.param(thread("$of-ada"), [1], id="a thread below a message of an agent"),
        pytest.param(thread("$of-left"), [], id="a thread of an agent that left"),
        pytest.param(thread("$of-gone"), [1], id="a thread of an agent that is gone, and another one"),
        pytest.param(mentions("@agent_gone:example.org"), [5], id="an agent that is gone"),
        pytest.param(thread("$other"), [], id="a thread of people"),
        pytest.param(thread("$thread") | mentions("@agent_ada:example.org"), [1], id="a thread, and another agent"),
        pytest.param(thread("$thread", "$of-lovelace"), [2], id="a reply within a thread"),
        pytest.param(thread("$thread") | mentions("@carol:example.org"), [], id="a thread, and another person"),
        pytest.param(thread("$thread") | mentions("@bob:example.org"), [2, 3], id="a thread, and the sender"),
        pytest.param(thread("$thread") | html(pill("@carol:example.org")), [], id="a thread, and a pill of a person"),
    ],
)
def test_a_message_is_for_those_that_it_addresses(content: dict[str, Any], agents: list[int]) -> None:
    assert asked(**content) == agents


@pytest.mark.parametrize(
    ("body", "agents"),
    [
        ("Ada", [1]),
        ("ada: what is new?", [1]),
        ("  ADA, hello", [1]),
        ("@Ada hello", [1]),
        ("Ada Lovelace, hello", [2]),
        ("Ada Love, hello", [1]),
        ("Agent: Ada Lovelace hello", [2]),
        ("agent_ada hello", [1]),
        ("@agent_ada:example.org: hello", [1]),
        ("@agent_ada:example.org", [1]),
        ("ресёрч, привет", [3]),
        ("Ada. Are you there?", [1]),
        ("Ada... are you there?", [1]),
        ("Ada… are you there?", [1]),
        ("Ada…привет", [1]),
        ("Ada,hello", [1]),
        ("Ada，你好", [1]),  # noqa: RUF001
        ("Ada：你好", [1]),  # noqa: RUF001
        ("Ada！你好", [1]),  # noqa: RUF001
        ("Ada、こんにちは", [1]),
        ("Ada。", [1]),
        ("agent_ada：你好", [1]),  # noqa: RUF001
        ("Adam, hello", []),
        ("Ada's idea is good", []),
        ("ada.example.org is down", []),
        ("@ada:other.org hello", []),
        ("Hello Ada", []),
        ("I like Ada", []),
        ("Left, hello", []),
        ("Gone, hello", [5]),
        ("", []),
    ],
)
def test_the_name_of_an_agent_as_the_first_word(body: str, agents: list[int]) -> None:
    assert asked(body) == agents


DECORATED = tuple(
    Participant(number, f"agent_{number}", names=(name,))
    for number, name in enumerate(("小蝶🦋", "Scout ★ Bot", "👩\u200d💻 Dev", "Ada", "Ada ❤️", "包", "🦋", "Rex™ 1️⃣"))
)


@pytest.mark.parametrize(
    ("body", "agents"),
    [
        # People leave the emoji of a name out.
        ("小蝶 你好", [0]),
        ("小蝶，你好", [0]),  # noqa: RUF001
        ("小蝶🦋 你好", [0]),
        ("Scout Bot: hello", [1]),
        ("Scout ★ Bot: hello", [1]),
        ("Scout, hello", []),
        ("Dev, hello", [2]),
        ("Rex 1 hello", [7]),
        # The agent with just that name is meant.
        ("Ada, hello", [3]),
        ("Ada ❤️, hello", [4]),
        # A single character may be a word.
        ("包，你好", [5]),  # noqa: RUF001
        ("包装", []),
        ("🦋 hello", []),
        # Behind the sign, a text without blanks may go on.
        ("@小蝶你好", [0]),
        ("@Ada你好", [3]),
        ("小蝶你好", []),
        ("@Adam", []),
    ],
)
def test_the_emoji_of_a_name_may_be_left_out(body: str, agents: list[int]) -> None:
    raw = {"event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@bob:example.org"}
    event = parse_event(raw | {"content": {"msgtype": "m.text", "body": body}})
    assert event is not None
    room = Room("!r", KindName.GROUP, None, DECORATED)
    assert [each.agent for each in addressees(event, room, NAMES)] == agents


def test_the_name_stands_behind_the_quotation_of_a_reply() -> None:
    assert asked("> <@bob:example.org> Ada Lovelace\n\nAda, what is this?", **reply("$of-bob")) == [1]
    assert asked("> <@bob:example.org> x\n\nwhat is this?", **reply("$of-bob")) == []


def test_the_name_of_a_file_calls_nobody() -> None:
    file = {"msgtype": "m.file", "url": "mxc://example.org/x"}
    assert asked("Ada 1.pdf", **file) == []
    assert asked("Ada, read this", filename="x.pdf", **file) == [1]


def test_agents_of_the_same_name_all_answer() -> None:
    twins = (Participant(1, "agent_a", names=("Ada",)), Participant(2, "agent_b", names=("Ada",)))
    event = parse_event(
        {
            "event_id": "$e",
            "room_id": "!r",
            "type": "m.room.message",
            "sender": "@bob:example.org",
            "content": {"msgtype": "m.text", "body": "Ada: hi"},
        }
    )
    assert event is not None
    assert addressees(event, Room("!r", KindName.GROUP, None, twins), NAMES) == twins


def modes(
    *agents: Participant, people: int | None = 2, kind: KindName = KindName.GROUP, body: str = "hi", **content: Any
) -> list[int] | Silence | None:
    """Return the agents that answer a message, or why none does."""
    room = Room("!r", kind, None, agents, answered_by={"$of-ada": 1}, thread_agents={"$thread": [1]}, people=people)
    raw = {"event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@bob:example.org"}
    event = parse_event(raw | {"content": {"msgtype": "m.text", "body": body} | content})
    assert event is not None
    found = [each.agent for each in addressees(event, room, NAMES)]
    return found or why_silent(event, room, NAMES)


def answering(agent: Participant, mode: AnswerMode) -> Participant:
    return replace(agent, answers=mode)


def test_an_agent_alone_with_one_person_answers_everything() -> None:
    assert modes(ADA, people=1) == [1]
    assert modes(ADA, LEFT, people=1) == [1]
    assert modes(ADA, people=1, **mentions("@carol:example.org")) is Silence.FOR_OTHERS
    for silent in (modes(ADA, people=2), modes(ADA, people=None), modes(ADA, RESEARCH, people=1)):
        assert silent is Silence.NOT_ADDRESSED
    assert modes(ADA, people=1, kind=KindName.LOBBY) is Silence.NOT_ADDRESSED
    assert modes(GONE, people=1) is Silence.NOT_ADDRESSED


def test_people_choose_the_messages_that_an_agent_answers() -> None:
    always = answering(ADA, AnswerMode.ALWAYS)
    assert modes(always, RESEARCH) == [1]
    assert modes(always, RESEARCH, **mentions("@agent_research:example.org")) == [3]
    assert modes(always, RESEARCH, body="Ресёрч, привет") == [3]
    assert modes(always, RESEARCH, **mentions("@carol:example.org")) is Silence.FOR_OTHERS
    assert modes(always, RESEARCH, **mentions("@carol:example.org", "@agent_ada:example.org")) == [1]
    assert modes(always, answering(RESEARCH, AnswerMode.ALWAYS)) == [1, 3]
    assert modes(answering(ADA, AnswerMode.MENTION), people=1) is Silence.NOT_ADDRESSED
    # Those that take part in a thread answer there.
    assert modes(ADA, answering(RESEARCH, AnswerMode.ALWAYS), **thread("$thread")) == [1]
    assert modes(ADA, answering(RESEARCH, AnswerMode.ALWAYS), **thread("$other")) == [3]


def test_an_agent_that_is_off_answers_nothing() -> None:
    off = answering(ADA, AnswerMode.OFF)
    assert modes(off, people=1) is Silence.OFF
    assert modes(off, RESEARCH, **mentions("@agent_ada:example.org")) is Silence.OFF
    assert modes(off, RESEARCH, **reply("$of-ada")) is Silence.OFF
    assert modes(off, RESEARCH, **thread("$thread")) is Silence.OFF
    assert modes(off, RESEARCH) is Silence.NOT_ADDRESSED
    both = mentions("@agent_ada:example.org", "@agent_research:example.org")
    assert modes(off, RESEARCH, **both) == [3]


def test_the_owner_of_a_room_can_be_set_too() -> None:
    def home(mode: AnswerMode, **content: Any) -> list[int]:
        room = Room("!r", KindName.HOME, 1, (answering(ADA, mode),))
        raw = {"event_id": "$e", "room_id": "!r", "type": "m.room.message", "sender": "@bob:example.org"}
        event = parse_event(raw | {"content": {"msgtype": "m.text", "body": "hi"} | content})
        assert event is not None
        return [each.agent for each in addressees(event, room, NAMES)]

    assert home(AnswerMode.ALWAYS, **mentions("@carol:example.org")) == [1]
    assert home(AnswerMode.MENTION) == []
    assert home(AnswerMode.MENTION, **mentions("@agent_ada:example.org")) == [1]
    assert home(AnswerMode.OFF, **mentions("@agent_ada:example.org")) == []
