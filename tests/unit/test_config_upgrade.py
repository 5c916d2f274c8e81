"""agent-bridge config upgrade: only the keys change, and every other byte of the file stays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.config.example import example, render
from agent_bridge.config.load import examine
from agent_bridge.config.types import Origin
from agent_bridge.config.upgrade import Upgrade, upgrade
from agent_bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

GOOD = """\
homeserver:
  address: http://localhost:8008
  domain: example.org
appservice:
  as_token: first-token
  hs_token: second-token
upstreams:
  - name: letta
    url: http://localhost:1416/v1
"""
PLACEHOLDER = re.compile('"<(.s_token).*>"')
NAME = Path("config.yaml")
BY_HAND = "config.yaml:11: lanes.when_busy: has its old name busy; rename it by hand: it has an anchor"
PIECES = ["lanes:", "tasks:", "\n", "\n\n", "  ", "busy: queue", "#", "# a", "|+", "{}", "\r\n", "...", "~"]


def upgraded(text: str | bytes, *, add_new: bool = False) -> Upgrade:
    content = text if isinstance(text, bytes) else text.encode()
    found = examine(NAME, content, Origin(Path("/"), {}, unset=set()))
    if found.config is None:
        raise found.error
    return upgrade(NAME, content, found.document, add_new=add_new)


def values_of(content: bytes) -> Config:
    found = examine(NAME, content, Origin(Path("/"), {}, unset=set()))
    assert found.config is not None, found.error
    assert not found.old_names
    return found.config


#: Files with keys under old names, and the same files with the new ones.
RENAMED = {
    "block": (
        GOOD + "    stream: 'off' # why\n\nlanes: # queues\n    busy:   collect\n",
        GOOD + "    streaming: 'off' # why\n\nlanes: # queues\n    when_busy:   collect\n",
    ),
    "one line, quotes, no end": (
        GOOD + "lanes: {\"busy\": collect, 'max_attempts': 2}",
        GOOD + "lanes: {\"when_busy\": collect, 'max_attempts': 2}",
    ),
    "windows": (
        (GOOD + "lanes:\n  busy: collect\n").replace("\n", "\r\n"),
        (GOOD + "lanes:\n  when_busy: collect\n").replace("\n", "\r\n"),
    ),
    "anchors and merges": (
        GOOD.replace("- name", "- &first\n    stream: edits\n    name") + "  - {<<: *first, name: other}\n",
        GOOD.replace("- name", "- &first\n    streaming: edits\n    name") + "  - {<<: *first, name: other}\n",
    ),
    "a merge in one line": (
        GOOD + "lanes:\n  <<: {busy: collect}\n",
        GOOD + "lanes:\n  <<: {when_busy: collect}\n",
    ),
    "the words elsewhere": (
        GOOD + "    system_prompt: |\n      stream: a\n      #busy: b\n# busy: c\nlanes:\n  busy: queue # busy\n",
        GOOD + "    system_prompt: |\n      stream: a\n      #busy: b\n# busy: c\nlanes:\n  when_busy: queue # busy\n",
    ),
    "a long line": (
        GOOD + f"    stream: edits\n    system_prompt: {'x ' * 50_000}x\n",
        GOOD + f"    streaming: edits\n    system_prompt: {'x ' * 50_000}x\n",
    ),
    "an explicit key": (GOOD + "lanes:\n  ? busy\n  : queue\n", GOOD + "lanes:\n  ? when_busy\n  : queue\n"),
    "marks of a document": (
        "---\n" + GOOD + "lanes:\n  busy: queue\n...\n",
        "---\n" + GOOD + "lanes:\n  when_busy: queue\n...\n",
    ),
    "other letters": (
        GOOD + "space:\n  name: Größe 你 👩\u200d💻\nlanes:\n  busy: queue\n",
        GOOD + "space:\n  name: Größe 你 👩\u200d💻\nlanes:\n  when_busy: queue\n",
    ),
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "with a mark"])
@pytest.mark.parametrize("name", RENAMED)
def test_a_key_gets_its_new_name_and_nothing_else_changes(name: str, mark: bytes) -> None:
    old, new = (mark + text.encode() for text in RENAMED[name])
    result = upgraded(old)
    assert result.content == new
    assert [change.action for change in result.changes].count("renamed") == len(result.changes) > 0
    assert upgraded(new) == Upgrade(new, ())


def test_the_changes_are_named() -> None:
    result = upgraded(RENAMED["block"][0])
    assert [str(change) for change in result.changes] == [
        "10: upstreams[0].streaming: renamed from stream",
        "13: lanes.when_busy: renamed from busy",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            'lanes:\n  "b\\x75sy": queue\n',
            BY_HAND,
        ),
        (
            "lanes:\n  &a busy: queue\n",
            BY_HAND,
        ),
        ("lanes:\n  busy: queue\n  when_busy: queue\n", "config.yaml:11: lanes.busy: is the old name of when_busy"),
        ("lanes:\n  busy: queue\n  busy: queue\n", "config.yaml:12: lanes.busy: is given twice, first on line 11"),
        ("lanes:\n\tbusy: queue\n", "config.yaml:11:1: is not YAML: indent with spaces, not with tabs"),
        ("lanes:\n  busy: queue\n  no: 1\n", "config.yaml:12: lanes.no: is not a known key"),
        ("lanes:\n  busy: queue\n---\na: 1\n", "config.yaml:12:1: must be a single document"),
    ],
)
def test_a_file_with_faults_is_not_changed(more: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        upgraded(GOOD + more, add_new=True)
    assert said in str(raised.value)


NEW = {
    "short": GOOD,
    "windows": GOOD.replace("\n", "\r\n"),
    "without an end": GOOD.rstrip(),
    "an empty section": GOOD + "tasks:\nlanes:   # later\n",
    "a section in one line": GOOD + "lanes: {busy: queue}\n",
    "a section without values": GOOD + "lanes: ~\n",
    "comments between sections": GOOD
    + "\n# About lanes.\nlanes:\n  busy: queue\n\n  # An end.\n\n# Files.\nfiles:\n\n",
    "wide": GOOD + "lanes:\n        busy: queue\n",
    "a text at the end": GOOD
    + "    system_prompt: |+\n      #api: x\n      a\n\n\n# c\nspace:\n  topic: >-\n   #name: b\n\n",
    "an end of the document": GOOD + "lanes:\n  busy: queue\n...\n# behind\n",
    "several upstreams": GOOD + "    # of the first\n\n  # The second.\n  - {name: b, url: http://localhost:2}\n",
    "upstreams in one line": GOOD.partition("upstreams")[0] + "upstreams: [{name: a, url: http://localhost:2}]\n",
    "no upstreams": GOOD.partition("upstreams")[0] + "upstreams: []\n",
    "upstreams at the margin": GOOD.replace("  - name", "- name").replace("    url", "  url"),
    "aliases": GOOD + "tasks: &a {}\nthreads: *a\n",
    "old Macintosh": GOOD.replace("\n", "\r"),
}


@pytest.mark.parametrize("name", NEW)
def test_new_keys_are_comments(name: str) -> None:
    before = NEW[name].encode()
    result = upgraded(before, add_new=True)
    assert values_of(result.content) == values_of(upgraded(before).content)
    again = upgraded(result.content, add_new=True)
    assert (again.content, again.changes) == (result.content, ()), "a second run changes nothing"
    # The lines of the file stay, in their order.
    lines = iter(re.split(r"\r\n|\r|\n", result.content.decode()))
    kept = re.split(r"\r\n|\r|\n", upgraded(before).content.decode())
    assert all(line in lines for line in kept if line.strip())
    shown = result.content.decode().splitlines()
    for change in result.changes:
        if change.action == "added":
            assert shown[change.line - 1].lstrip().startswith(f"#{change.key.rpartition('.')[2]}:")
    if "\r\n" in NEW[name]:
        assert b"\n" not in result.content.replace(b"\r\n", b"")


def test_a_comment_in_a_text_is_no_comment() -> None:
    added = {change.key for change in upgraded(NEW["a text at the end"], add_new=True).changes}
    assert {"upstreams[0].api", "space.name"} <= added


def test_new_keys_come_with_their_descriptions_and_can_be_used() -> None:
    result = upgraded(GOOD + "lanes:\n  max_attempts: 2\n\n# Files.\nfiles: {}\n", add_new=True)
    text = result.content.decode()
    about = "  # Seconds within which the bridge stops, at least 5. Running answers have all but the last 5 of\n"
    assert f"{about}  # them.\n  #drain_timeout: 20\n\n# Files.\nfiles: {{}}\n" in text
    used = text.replace("  #drain_timeout: 20", "  drain_timeout: 30").replace(
        "    #gone_after: 60", "    gone_after: 7"
    )
    used = used.replace("#tasks:", "tasks:").replace("  #claim_timeout: 900", "  claim_timeout: 60")
    config = values_of(used.encode())
    assert (config.lanes.drain_timeout, config.lanes.max_attempts) == (30, 2)
    assert (config.upstreams[0].gone_after, config.tasks.claim_timeout) == (7, 60)
    assert {key.partition(".")[0] for key in result.left_out} == {"files"}


def test_a_file_of_init_has_every_key() -> None:
    assert upgraded(PLACEHOLDER.sub(r"\1", render(example())), add_new=True).changes == ()


@given(
    pieces=st.lists(
        st.sampled_from(
            ["lanes:", "tasks:", "\n", "\n\n", "  ", "busy: queue", "#", "# a", "|+", "{}", "\r\n", "...", "~"]
        ),
        max_size=12,
    ),
    add_new=st.booleans(),
)
def test_a_valid_file_keeps_its_values(pieces: list[str], add_new: bool) -> None:  # noqa: FBT001
    try:
        result = upgraded(GOOD + "".join(pieces), add_new=add_new)
    except ConfigError:
        return
    values_of(result.content)
    assert upgraded(result.content, add_new=add_new).content == result.content
