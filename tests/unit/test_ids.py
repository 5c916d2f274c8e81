"""Identifiers: derived, within the grammar, and the same every time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.ids import (
    MARK,
    MAX_ID_BYTES,
    Namespace,
    checked_user_id,
    escape_localpart,
    mark,
    parse_user_id,
    short_hash,
    turn_key,
)

NAMES = Namespace("example.org", "agentbridge", "agent_")
#: Matrix spec, appendix "User Identifiers".
GRAMMAR = re.compile(r"[a-z0-9._=/+-]+")
ANY_TEXT = st.text(st.characters(), max_size=400)  # half surrogate pairs too: JSON can carry them
LOCALPARTS = st.from_regex(r"[a-z0-9._=/+-]{1,32}", fullmatch=True)
DOMAINS = st.from_regex(r"[a-z0-9.-]{1,200}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("letta", "letta"),
        ("Letta", "letta"),
        ("agent-4bea", "agent_4bea"),
        ("a.b_c/d+e", "a.b_c/d+e"),
        ("llama3:8b", "llama3=3a8b"),
        ("a=b", "a=3db"),
        ("two words", "two=20words"),
        ("Ünï", "=c3=bcn=c3=af"),
        ("🦙", "=f0=9f=a6=99"),
        ("@x:y", "=40x=3ay"),
        ("a\0b\n", "a=00b=0a"),
        ("\ud83e", "=ed=a0=be"),
    ],
)
def test_escape(text: str, expected: str) -> None:
    assert escape_localpart(text) == expected


@given(ANY_TEXT)
def test_escaped_text_is_in_the_grammar_and_reversible_but_for_case_and_dash(text: str) -> None:
    escaped = escape_localpart(text)
    assert escaped == "" or GRAMMAR.fullmatch(escaped)
    back = re.sub(rb"=([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), escaped.encode())
    assert back.decode("utf-8", "surrogatepass") == text.lower().replace("-", "_")


@pytest.mark.parametrize(
    ("agent_id", "taken", "expected"),
    [
        ("agent-4bea0f00-7d3c-4a5e-9b1f-2f6f5a1c9d10", set(), "agent_4bea0f00_7d3c_4a5e_9b1f_2f6f5a1c9d10"),
        ("4bea", set(), "agent_4bea"),
        ("AGENT-4bea", set(), "agent_4bea"),
        ("agent_agent_x", set(), "agent_agent_x"),
        ("Frida", set(), "agent_frida"),
        ("Frida", {"agent_diego"}, "agent_frida"),
        ("Frida", {"agent_frida"}, f"agent_frida_{short_hash('/Frida')}"),
        ("frida", {"agent_frida", f"agent_frida_{short_hash('/frida')}"}, f"agent_frida_{short_hash('/frida', 9)}"),
        ("", set(), f"agent_{short_hash('/')}"),
        ("agent-", set(), f"agent_{short_hash('/agent-')}"),
        ("x" * 236, set(), "agent_" + "x" * 236),
        ("x" * 237, set(), "agent_" + "x" * 227 + "_" + short_hash("/" + "x" * 237)),
        ("é" * 80, set(), "agent_" + "=c3=a9" * 37 + "=c3_" + short_hash("/" + "é" * 80)),
    ],
    ids=range(13),
)
def test_localpart(agent_id: str, taken: set[str], expected: str) -> None:
    assert NAMES.localpart(agent_id, taken) == expected


def test_the_hash_depends_on_the_salt() -> None:
    taken = {"agent_frida"}
    assert NAMES.localpart("Frida", taken, salt="one") == f"agent_frida_{short_hash('one/Frida')}"
    assert NAMES.localpart("Frida", taken, salt="two") == f"agent_frida_{short_hash('two/Frida')}"


def test_no_ghost_gets_the_alias_of_the_space() -> None:
    names = Namespace("example.org", "ab", "ab_")
    assert names.space_alias_localpart == "ab_space"
    assert names.localpart("space") == f"ab_space_{short_hash('/space')}"


def test_an_existing_space_takes_the_place_of_the_one_that_the_bridge_makes() -> None:
    names = Namespace("example.org", "ab", "ab_", "team")
    assert names.alias(names.space_alias_localpart) == "#team:example.org"
    assert names.adopts_space
    # Its own name stays reserved.
    assert names.space_alias_regex == Namespace("example.org", "ab", "ab_").space_alias_regex
    assert names.localpart("space") == f"ab_space_{short_hash('/space')}"
    assert not Namespace("example.org", "ab", "ab_", "ab_space").adopts_space


def test_no_ghost_gets_the_alias_of_the_lobby() -> None:
    assert NAMES.lobby_alias_localpart == "agent_~lobby"
    assert NAMES.localpart("~lobby") == "agent_=7elobby"


@pytest.mark.parametrize(
    ("prefix", "agent_id", "expected"),
    [("ai-", "ai-7", "ai-7"), ("ai-", "ai_7", "ai-7"), ("ai=", "ai=7", "ai=7"), ("ai=", "", "ai=" + short_hash("/"))],
)
def test_any_prefix_is_not_repeated(prefix: str, agent_id: str, expected: str) -> None:
    assert Namespace("example.org", "bot", prefix).localpart(agent_id) == expected


@given(domain=DOMAINS, prefix=LOCALPARTS, agent_id=ANY_TEXT, others=st.lists(ANY_TEXT, max_size=5))
def test_every_localpart_is_valid_and_its_own(domain: str, prefix: str, agent_id: str, others: list[str]) -> None:
    names = Namespace(domain, "bot", prefix)
    taken: set[str] = set()
    for each in (*others, agent_id, agent_id):
        localpart = names.localpart(each, taken)
        assert localpart not in taken
        assert GRAMMAR.fullmatch(localpart)
        assert localpart.startswith(prefix)
        assert len(localpart) > len(prefix)
        assert len(names.user_id(localpart).encode()) <= MAX_ID_BYTES
        assert names.is_ours(names.user_id(localpart))
        assert re.fullmatch(names.user_regex, names.user_id(localpart))
        assert re.fullmatch(names.alias_regex, names.alias(localpart))
        assert localpart == names.localpart(each, frozenset(taken))
        taken.add(localpart)


@given(ANY_TEXT.map(lambda text: text + "é" * 100))
def test_a_shortened_localpart_has_whole_escapes(agent_id: str) -> None:
    assert re.fullmatch(r"([^=]|=[0-9a-f]{2})+", NAMES.localpart(agent_id))


@pytest.mark.parametrize(
    ("user_id", "ours"),
    [
        ("@agentbridge:example.org", True),
        ("@agent_x:example.org", True),
        ("@agent_x:example.org.net", False),
        ("@agent_x:other.example.org", False),
        ("@agentbridge2:example.org", False),
        ("@agent:example.org", False),
        ("@admin:example.org", False),
        ("#agent_x:example.org", False),
        ("", False),
    ],
)
def test_is_ours(user_id: str, ours: bool) -> None:  # noqa: FBT001  # a column of the table
    assert NAMES.is_ours(user_id) is ours


def test_names() -> None:
    assert NAMES.bot == "@agentbridge:example.org"
    assert NAMES.space_alias_localpart == "agentbridge_space"
    assert NAMES.alias("agent_x") == "#agent_x:example.org"
    assert NAMES.user_id("agent_x") == "@agent_x:example.org"
    assert (NAMES.voice_id("agent_x"), NAMES.voice_id(None)) == ("@agent_x:example.org", NAMES.bot)


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ("@alice:example.org", ("alice", "example.org")),
        ("@alice:example.org:8448", ("alice", "example.org:8448")),
        ("@alice:[::1]:8448", ("alice", "[::1]:8448")),
        ("@:x:y", None),
        ("@alice", None),
        ("@alice:", None),
        ("alice:example.org", None),
        ("!room:example.org", None),
        ("@", None),
        ("", None),
    ],
)
def test_parse_user_id(user_id: str, expected: tuple[str, str] | None) -> None:
    if expected:
        assert parse_user_id(user_id) == expected
        return
    with pytest.raises(ValueError, match=re.escape(f"{user_id!r} is not a Matrix user id")):
        parse_user_id(user_id)


def test_the_id_of_a_user_that_a_homeserver_may_have() -> None:
    """Other servers refuse all power levels of a room if one id in them is none."""
    longest = f"@{'a' * (MAX_ID_BYTES - len('@:example.org'))}:example.org"
    for user_id in ("@alice:example.org:8448", "@alice:[::1]", "@Ünï:EXAMPLE.org", "@a_b:1.2.3.4", longest):
        assert checked_user_id(user_id) == user_id
    refused = (
        "@alice:<b>.org",
        "@alice:host:abc",
        "@alice:",
        "@a b:example.org",
        "@ü" + longest[2:],
        "alice:example.org",
    )
    for user_id in refused:
        with pytest.raises(ValueError, match="is not a Matrix user id"):
            checked_user_id(user_id)


def test_keys_stay_the_same_between_releases() -> None:
    """Databases and rooms contain them: another value would send every message twice."""
    assert MARK == "agent_bridge.turn"
    assert turn_key("$event:example.org", "agent_frida") == "6b193856ec7d96a8"
    # Synapse treats the transaction ids of two ghosts as those of one user.
    assert turn_key("$event:example.org", "agent_gala") == "a444c19f9c673c0b"
    assert mark("8e3e260cfed508ed", 2) == "8e3e260cfed508ed.2"
    assert short_hash("letta/Frida") == "aa7dc741"


@given(ANY_TEXT, st.integers(1, 64))
def test_hashes(text: str, length: int) -> None:
    assert re.fullmatch(f"[0-9a-f]{{{length}}}", short_hash(text, length))
    assert short_hash(text, 64).startswith(short_hash(text, length))


@pytest.mark.parametrize("ghost", ["agent_ada", "agent_a/b+c", "agent_=2d=3d2f"])
def test_an_alias_of_a_home_fits_links_and_names_its_ghost(ghost: str) -> None:
    localpart = NAMES.home_alias_localpart(ghost)
    assert not set("/+") & set(localpart)
    assert NAMES.ghost_of_alias(localpart) == ghost
    assert NAMES.home_aliases(ghost)[0] == f"#{localpart}:{NAMES.domain}"
    assert (len(NAMES.home_aliases(ghost)) > 1) == ("/" in ghost)


@given(st.text(max_size=300))
def test_two_homes_never_share_an_alias(agent_id: str) -> None:
    ghosts = {
        NAMES.localpart(agent_id),
        NAMES.localpart(agent_id.replace("/", "=2f")),
        NAMES.localpart("a/=2f" + agent_id),
    }
    aliases = {alias for ghost in ghosts for alias in NAMES.home_aliases(ghost)}
    assert len({NAMES.home_alias_localpart(ghost) for ghost in ghosts}) == len(ghosts)
    assert all(len(alias.encode()) <= MAX_ID_BYTES for alias in aliases)


@given(ANY_TEXT, LOCALPARTS)
def test_no_agent_has_the_name_of_the_user_of_imports(agent_id: str, prefix: str) -> None:
    names = Namespace("example.org", "agentbridge", prefix)
    assert names.localpart(agent_id) != names.imported_localpart
    assert names.is_ours(names.imported)


@pytest.mark.parametrize("agent_id", ["=imported", "agent_=imported", "=IMPORTED", "agent-=imported"])
def test_an_id_like_the_name_of_the_user_of_imports_is_escaped(agent_id: str) -> None:
    assert NAMES.localpart(agent_id) == "agent_=3dimported"
    assert re.fullmatch(NAMES.user_regex, NAMES.imported)


def test_people_of_other_servers_are_last() -> None:
    people = ["@ann:example.org:8448", "@bob:example.org", "@cem:other.org", "@dan:example.org"]
    assert NAMES.local_first(people) == [
        "@bob:example.org",
        "@dan:example.org",
        "@ann:example.org:8448",
        "@cem:other.org",
    ]
