"""The characters of the demo's agents, which compute the answers. Does no I/O.

Every answer quotes the question and its history, so the demo shows the request that reaches an agent.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from agent_bridge.demo.agents.phrases import QUOTE_LENGTH, count, ordinal, quote
from agent_bridge.demo.agents.picture import stripes

if TYPE_CHECKING:
    from collections.abc import Callable

_TABLE_ROWS = 5
#: Place, inhabitant and ending.
_TALES = (
    (
        "at the edge of a grey harbour",
        (
            "a lamplighter who had never seen {hero}. Each evening she lit her lamps one by one, "
            "and at the last one she asked whether this was the night"
        ),
        "a small light answered from across the water, and it knew her name.",
    ),
    (
        "where the river forgets its name",
        (
            "a ferryman who was paid for one crossing with {hero}. He did not know its worth, "
            "so he kept it under the bench and asked every passenger"
        ),
        "a child stepped in, looked under the bench, and laughed: it had only been waiting to be asked.",
    ),
    (
        "in the last house before the hills",
        (
            "a mapmaker who had drawn every road but the one to {hero}. She sharpened her pencil, "
            "packed bread for the way, and followed the geese"
        ),
        "the road came towards her by itself, as roads do for slow travellers.",
    ),
)


@dataclass(frozen=True, slots=True)
class Talk:
    """The newest message of a person to an agent, and the earlier ones, oldest first."""

    text: str
    earlier: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The words of the newest message."""
        return re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*", self.text)

    @property
    def turn(self) -> int:
        """The number of messages, including the newest one."""
        return len(self.earlier) + 1


class Mishap(Enum):
    """A way in which an answer goes wrong."""

    #: The server reports an error.
    FAILS = "fail"
    #: The connection ends in mid-sentence.
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Character:
    """A way to answer."""

    name: str
    #: Description, in a few words.
    about: str
    #: Seconds per word.
    pace: float
    #: Returns the answer as Markdown.
    answer: Callable[[Talk], str]
    #: Returns the mishap of this answer; None without one.
    mishap: Callable[[Talk], Mishap | None] = lambda _: None
    #: Returns the reasoning before the answer as plain text.
    thoughts: Callable[[Talk], str] = lambda _: ""
    #: Returns the picture of the answer, a PNG; None without one.
    picture: Callable[[Talk], bytes | None] = lambda _: None


def _storyteller(talk: Talk) -> str:
    number = len(talk.words)
    hero = max(talk.words, key=len, default="silence")
    place, life, end = _TALES[(talk.turn - 1) % len(_TALES)]
    memory = (
        f"You first spoke to me of {quote(talk.earlier[0])}, and this is our {ordinal(talk.turn)} tale. "
        "I forget nothing that I am told twice, and little that I am told once."
        if talk.earlier
        else "This is our first tale. Give me another word, and I will find the next one."
    )
    return "\n\n".join(
        (
            (
                f"Sit down, there is time. You said {quote(talk.text)}: {count(number, 'word')}, "
                f"and the one with a story in it is *{hero}*."
            ),
            (
                f"Once, {place}, there lived {life.format(hero=f'*{hero}*')}. "
                f"So it went for {count(max(number, 1), 'year')}. Then, one morning without wind, {end}"
            ),
            memory,
        )
    )


def _archivist(talk: Talk) -> str:
    counted = Counter(word.lower() for word in talk.words)
    sample = talk.text[:QUOTE_LENGTH]
    note = json.dumps(sample, ensure_ascii=False).replace("`", "'")  # a fence inside would end the code
    words, letters = count(counted.total(), "word"), count(len(talk.text), "character")
    place = (
        f"shelved beside {count(len(talk.earlier), 'earlier note')}, the last {quote(talk.earlier[-1])}"
        if talk.earlier
        else "the first of its shelf"
    )
    lines = [f"### Entry no. {talk.turn}", ""]
    lines += [f"> {line}" for line in talk.text.splitlines()]
    lines += ["", f"I have it: **{words}**, *{len(counted)} of them different*, {letters} in all.", ""]
    lines += ["| word | letters | times |", "|:-----|--------:|------:|"]
    lines += [f"| {word} | {len(word)} | {times} |" for word, times in counted.most_common(_TABLE_ROWS)]
    lines += ["", "The catalogue says:", "", f"1. It is {place}."]
    lines += [f"2. It asks {'something, which I like' if '?' in talk.text else 'nothing, which is rare'}."]
    lines += ["3. Anyone can check it:", ""]
    lines += ["```python", f"note = {note}", f"print(len(note.split()))  # {len(sample.split())}", "```"]
    lines += ["", "~~Mislaid~~ Filed. Ask for it by its number."]
    return "\n".join(lines)


def _sceptic(talk: Talk) -> str:
    if "?" in talk.text:
        verdict = "A question, then. The answer is no, or yes with a surcharge."
    elif len(talk.words) % 2:
        verdict = "An odd number. It will not end well."
    else:
        verdict = "An even number. That never helped anybody."
    memory = (
        f"You have told me {talk.turn} things by now, and I still suspect {quote(talk.earlier[-1])}."
        if talk.earlier
        else "If you want to see me at work, say **fail** or **cut**: I break like the best of them."
    )
    return f"{quote(talk.text)}. {count(len(talk.words), 'word')}. {verdict} {memory}"


def _muse(talk: Talk) -> str:
    shortest = min(talk.words, key=len, default="nothing")
    return "\n\n".join(
        (
            f"They say {quote(talk.text)}. I should not answer at once.",
            f"First I count: {count(len(talk.words), 'word')}. The shortest is {quote(shortest)}; short words hide.",
            "Each of my words will be repeated. So I say less.",
        )
    )


def _thinker(talk: Talk) -> str:
    memory = f" It outweighs {quote(talk.earlier[-1])}." if talk.earlier else ""
    return f"I have thought about {quote(talk.text)}: {count(len(talk.words), 'word')}, and all of them needed.{memory}"


def _painter(talk: Talk) -> str:
    memory = f" It hangs beside {quote(talk.earlier[-1])}." if talk.earlier else ""
    return f"{quote(talk.text)}, in {count(len(talk.words), 'word')}: each has its colour, wide as it is long.{memory}"


def _painted(talk: Talk) -> bytes:
    return stripes(talk.words)


def _asked_to_break(talk: Talk) -> Mishap | None:
    said = {word.lower() for word in talk.words}
    return next((mishap for mishap in Mishap if mishap.value in said), None)


STORYTELLER = Character("Edda", "a patient storyteller, one word at a time", 0.1, _storyteller)
ARCHIVIST = Character("Quill", "an archivist with a file for every message", 0.01, _archivist)
SCEPTIC = Character(
    "Murphy",
    "a sceptic: fails at the word “fail”, hangs up at the word “cut”",
    0.03,
    _sceptic,
    _asked_to_break,
)
THINKER = Character("Ada", "a thinker whose thoughts can be followed", 0.05, _thinker, thoughts=_muse)
PAINTER = Character("Iris", "a painter of your words", 0.03, _painter, picture=_painted)

#: Every character, by the key that ``POST /agents`` takes.
CHARACTERS = {
    "storyteller": STORYTELLER,
    "archivist": ARCHIVIST,
    "sceptic": SCEPTIC,
    "thinker": THINKER,
    "painter": PAINTER,
}
