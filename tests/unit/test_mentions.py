"""Mentions of agents in the Markdown of an answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.render.mentions import may_mention, mentioned_in

ADA, LOVE, BEA, STAR, ZHU = (f"@agent_{name}:example.org" for name in ("ada", "love", "bea", "star", "zhu"))
NAMES = {
    ADA: ("Ada", "agent_ada", "agent_ada:example.org"),
    LOVE: ("Ada Lovelace", "agent_love", "agent_love:example.org"),
    BEA: ("Bea", "Letta Agent: Bea", "agent_bea", "agent_bea:example.org"),
    STAR: ("*Star* [x](y)_", "agent_star", "agent_star:example.org"),
    ZHU: ("助手", "agent_zhu", "agent_zhu:example.org"),
}


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("@Ada what do you think?", [ADA]),
        ("What do you think, @ada?", [ADA]),
        ("@Ada: yes", [ADA]),
        ("@Ada's view", [ADA]),
        ("(@Ada) and [@Bea], “@Ada Lovelace”.", [ADA, BEA, LOVE]),
        ("@Bea and @Ada and @Bea", [BEA, ADA]),
        ("@agent_ada", [ADA]),
        ("@agent_ada:example.org, hello", [ADA]),
        ("@agent_ada:example.org: hello", [ADA]),
        ("\uff20Ada hello", [ADA]),
        ("@Letta Agent: Bea, hello", [BEA]),
        # The longest name.
        ("@Ada Lovelace, hello", [LOVE]),
        ("@Ada Love is no name", [ADA]),
        # Decorated.
        ("**@Ada** _@Bea_ ~~@Ada Lovelace~~", [ADA, BEA, LOVE]),
        ("@**Ada**", [ADA]),
        ("# @Ada\n\n- @Bea\n\n| a |\n|---|\n| @Ada Lovelace |", [ADA, BEA, LOVE]),
        ("@agent\\_ada", [ADA]),
        ("@\\*Star\\* \\[x](y)\\_ hello", [STAR]),
        ("@*Star* [x](y)_ hello", [STAR]),
        ("请@助手看看, 请@Ada看看", [ZHU, ADA]),
        # Links.
        ("[Ada](https://matrix.to/#/@agent_ada:example.org)", [ADA]),
        ("[Ada](https://matrix.to/#/%40agent_ada%3Aexample.org?via=x)", [ADA]),
        ("<https://matrix.to/#/@agent_ada:example.org>", [ADA]),
        ("https://matrix.to/#/@agent_ada:example.org", [ADA]),
        ("[@Bea](https://matrix.to/#/@agent_ada:example.org)", [ADA]),
        ("[@Bea](https://example.org/)", [BEA]),
    ],
)
def test_a_mention_counts(text: str, users: list[str]) -> None:
    assert list(mentioned_in(text, NAMES)) == users
    assert may_mention(text)


@pytest.mark.parametrize(
    "text",
    [
        "Ada, what do you think?",
        "`@Ada`",
        "``@Ada ` @Bea``",
        "```\n@Ada\n```",
        "~~~~\n```\n@Ada\n~~~\n@Bea",
        "    @Ada",
        "- item\n\n  ```\n  @Ada\n  ```",
        "<code>@Ada</code>",
        "> @Ada said so",
        "> > `x` @Ada",
        "<details><summary>Thought</summary>\n\n@Ada\n\n</details>",
        "@Adam",
        "@Ada_x",
        "@agent_ada.x",
        "@agent_ada-x",
        "@agent_ada:other.org",
        "@agent_ada:example.org.uk",
        "bob@ada",
        "bob@ada.com",
        "<bob@ada.com>",
        "@@Ada",
        "https://example.org/@ada",
        "@ Ada",
        "@\n\nAda",
        "@Letta\nAgent: Bea",
        "[Ada](https://matrix.to/#/#agent_ada:example.org)",
        "[Ada](https://matrix.to.evil.org/#/@agent_ada:example.org)",
        "[x](https://matrix.to/#/@bob:example.org)",
        "`[Ada](https://matrix.to/#/@agent_ada:example.org)`",
        "",
    ],
)
def test_no_mention_counts(text: str) -> None:
    assert mentioned_in(text, NAMES) == ()


def test_a_name_of_two_agents_mentions_both() -> None:
    names = {"@a:x": ("Ada", "a1"), "@b:x": ("ADA", "b1"), "@c:x": ("", "x", "@")}
    assert mentioned_in("@ada and @x", names) == ("@a:x", "@b:x")


def test_the_emoji_of_a_name_may_be_left_out() -> None:
    names = {"@a:x": ("小蝶🦋",), "@b:x": ("Scout ★ Bot",), "@c:x": ("Ada",), "@d:x": ("Ada ❤️",), "@e:x": ("包",)}
    assert mentioned_in("@小蝶 and @小蝶🦋", names) == ("@a:x",)
    assert mentioned_in("请@Scout Bot处理", names) == ("@b:x",)
    assert mentioned_in("@Ada, go", names) == ("@c:x",)
    assert mentioned_in("@Ada ❤️, go", names) == ("@d:x",)
    assert mentioned_in("@包 go", names) == ("@e:x",)
    assert mentioned_in("@Scout go", names) == ()


def test_text_without_a_sign_needs_no_search() -> None:
    assert not may_mention("Ada, hello")


HOSTILE = {
    "signs": "@" * 300_000,
    "beginnings": "@ag " * 100_000,
    "names": "@agent_1:example.orgx " * 30_000,
    "fences": "```\n@Ada\n" * 30_000,
    "backticks": "".join("`" * (number % 50) + "@Ada " for number in range(20_000)),
    "quotes": "> " * 50_000 + "@Ada",
    "emphasis": "*" * 100_000 + "@Ada",
    "brackets": "[" * 50_000 + "@Ada](https://matrix.to/#/@agent_ada:example.org)",
    "links": "[x](https://matrix.to/#/@a) " * 10_000,
    "lists": "".join("  " * number + "- @Ada\n" for number in range(300)),
    "details": "<details>" * 20_000 + "@Ada",
    "blanks": "@Ada" + " " * 300_000 + "Lovelace",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_takes_no_long_time(text: str) -> None:
    names = NAMES | {f"@agent_{n}:x": (f"Agent {n}", f"agent_{n}", f"agent_{n}:example.org") for n in range(300)}
    mentioned_in("warm up", names)
    started = time.process_time()
    mentioned_in(text, names)
    assert time.process_time() - started < 2.0


def test_the_beginning_of_a_huge_answer_counts() -> None:
    assert mentioned_in("@Ada " + "x" * 500_000 + " @Bea", NAMES) == (ADA,)


@given(st.text(st.sampled_from("@Adab e`*_[]()<>~|#\n:.-"), max_size=60))
def test_only_known_users_are_mentioned_once(text: str) -> None:
    found = mentioned_in(text, NAMES)
    assert len({*found}) == len(found)
    assert {*found} <= {*NAMES}
    assert not found or may_mention(text)
