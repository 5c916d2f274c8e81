"""Configuration files, good and bad, and the exact errors of the bad ones."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from agent_bridge.config.load import load
from agent_bridge.config.model import Config
from agent_bridge.core.errors import ConfigError
from agent_bridge.core.named_files import read_up_to
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import Streaming, WhenBusy

CARD = "must be an http:// or https:// URL, or a path below url, such as agents/weather"
OWN = "is an address of this bridge, whose agents cannot be agents of it again"
OWN_PLACES = ((10, "url"), (11, "cards[1]"), (11, "cards[2]"), (12, "url"))
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

# Errors of a file with GOOD and further lines; GOOD has nine lines.
WITH_MORE: dict[str, tuple[str, list[str]]] = {
    "unknown section, near": (
        "loging: {}\n",
        ["config.yaml:10: loging: is not a known key; did you mean logging?"],
    ),
    "unknown section": (
        "elsewhere: {}\n",
        [
            (
                "config.yaml:10: elsewhere: is not a known key; known keys: homeserver, appservice, database, "
                "upstreams, agents, agents_file, templates, retire, ephemeral_after, space, rooms, permissions, bot, "
                "chats, budgets, lanes, answers, files, threads, tasks, notifications, language, timezone, quotas, "
                "prices, api, clients, encryption, metrics, admin, presence, presence_per_second, profiles, "
                "profiles_per_second, retention, logging"
            )
        ],
    ),
    "unknown key, near": (
        "rooms:\n  concurrency: 2\n  invites: []\n",
        ["config.yaml:12: rooms.invites: is not a known key; did you mean invite?"],
    ),
    "unknown key": (
        "logging:\n  colour: red\n",
        ["config.yaml:11: logging.colour: is not a known key; known keys: level, format"],
    ),
    "unknown key in a list": (
        "  - name: other\n    url: http://localhost:1\n    apikey: x\n",
        ["config.yaml:12: upstreams[1].apikey: is not a known key; did you mean api_key?"],
    ),
    "key that is no text": (
        "bot: {1: x}\n",
        ["config.yaml:10: bot[1]: is not a known key; known keys: prefix, bare_commands, describe_commands"],
    ),
    "missing key in a list": (
        "  - name: other\n    kind: openai\n",
        [
            (
                "config.yaml:10: upstreams[1].url: is missing; add it. Base URL, including /v1 if the server uses it. "
                "kind: letta also takes the address of the WebSocket, ws://localhost:4500. kind: a2a: the address of "
                "an agent card, or of its server, which has the card at /.well-known/agent-card.json."
            ),
        ],
    ),
    "text for a whole number": (
        "database:\n  pool_size: many\n",
        ["config.yaml:11: database.pool_size: must be a whole number"],
    ),
    "number in quotes": (
        'database:\n  pool_size: "10"\n',
        ["config.yaml:11: database.pool_size: must be a whole number"],
    ),
    "true for a whole number": (
        "database:\n  pool_size: true\n",
        ["config.yaml:11: database.pool_size: must be a whole number"],
    ),
    "fraction for a whole number": (
        "database:\n  pool_size: 4.5\n",
        ["config.yaml:11: database.pool_size: must be a whole number"],
    ),
    "text for a number": (
        "lanes:\n  drain_timeout: long\n",
        ["config.yaml:11: lanes.drain_timeout: must be a number"],
    ),
    "infinity": (
        "lanes:\n  drain_timeout: .inf\n",
        ["config.yaml:11: lanes.drain_timeout: must be a finite number"],
    ),
    "text for a switch": (
        "space:\n  enabled: sometimes\n",
        ["config.yaml:11: space.enabled: must be true or false"],
    ),
    "a Space that is no alias": (
        "space:\n  alias: team\n",
        ["config.yaml:11: space.alias: 'team' is not a room alias (#name:server)"],
    ),
    "a Space of another server": (
        "space:\n  alias: '#team:other.org'\n",
        ["config.yaml:10: space: alias must be one of your homeserver, such as #team:example.org"],
    ),
    "a lobby that is no room": (
        "rooms:\n  lobby: all\n",
        ["config.yaml:11: rooms.lobby: must be true, false, a room alias (#name:server) or a room id (!…)"],
    ),
    "a number for a lobby": (
        "rooms:\n  lobby: 1\n",
        ["config.yaml:11: rooms.lobby: must be true, false, a room alias (#name:server) or a room id (!…)"],
    ),
    "list for a switch": (
        "space:\n  enabled: []\n",
        ["config.yaml:11: space.enabled: must be true or false"],
    ),
    "number for text": (
        "space:\n  name: 42\n",
        ["config.yaml:11: space.name: must be text (in quotes, if it looks like a number or a date)"],
    ),
    "date for text": (
        "space:\n  name: 2001-02-03\n",
        ["config.yaml:11: space.name: must be text (in quotes, if it looks like a number or a date)"],
    ),
    "number for a path": (
        "database:\n  data_dir: 4\n",
        ["config.yaml:11: database.data_dir: must be a path, as text"],
    ),
    "text for a list": (
        'rooms:\n  invite: "@admin:example.org"\n',
        ["config.yaml:11: rooms.invite: must be a list"],
    ),
    "text for a section": (
        "logging: debug\n",
        ["config.yaml:10: logging: must be a section (key: value)"],
    ),
    "list for a mapping": (
        "permissions: [admin]\n",
        ["config.yaml:10: permissions: must be a mapping (key: value)"],
    ),
    "text for an upstream": (
        "  - other\n",
        ["config.yaml:10: upstreams[1]: must be a section (key: value)"],
    ),
    "a section inside itself": (
        "space: &loop\n  name: *loop\n",
        ["config.yaml:11: space.name: has no value; it must be text (in quotes, if it looks like a number or a date)"],
    ),
    "no value": (
        "space:\n  name:\n",
        ["config.yaml:11: space.name: has no value; it must be text (in quotes, if it looks like a number or a date)"],
    ),
    "too little": (
        "database:\n  pool_size: 3\n",
        ["config.yaml:11: database.pool_size: must be at least 4"],
    ),
    "too much": (
        "rooms:\n  concurrency: 65\n",
        ["config.yaml:11: rooms.concurrency: must be at most 64"],
    ),
    "far too much": (
        "ephemeral_after: 1e12\n",
        ["config.yaml:10: ephemeral_after: must be at most 31536000"],
    ),
    "not more than nothing": (
        "  - {name: other, url: http://localhost, idle_timeout: 0}\n",
        ["config.yaml:10: upstreams[1].idle_timeout: must be more than 0"],
    ),
    "not one of": (
        "logging:\n  level: loud\n",
        ["config.yaml:11: logging.level: must be 'debug', 'info', 'warning' or 'error'"],
    ),
    "when_busy": (
        "lanes:\n  when_busy: wait\n",
        ["config.yaml:11: lanes.when_busy: must be 'queue', 'collect' or 'interrupt'"],
    ),
    "nothing may wait": (
        "lanes:\n  max_queued_per_room: 0\n  max_message_age: 0\n",
        [
            "config.yaml:11: lanes.max_queued_per_room: must be at least 1",
            "config.yaml:12: lanes.max_message_age: must be more than 0",
        ],
    ),
    "kept for no time": (
        "retention:\n  turns_days: 0.5\n  transcript_days: for ever\n",
        [
            "config.yaml:11: retention.turns_days: must be at least 1",
            "config.yaml:12: retention.transcript_days: must be a number",
        ],
    ),
    "hardly an answer": (
        "  - {name: other, url: http://localhost, turn_timeout: 0, max_answer_chars: 99}\n",
        [
            "config.yaml:10: upstreams[1].turn_timeout: must be more than 0",
            "config.yaml:10: upstreams[1].max_answer_chars: must be at least 100",
        ],
    ),
    "kind": (
        "  - {name: other, url: http://localhost, kind: oracle}\n",
        ["config.yaml:10: upstreams[1].kind: must be 'openai', 'letta', 'letta_v1' or 'a2a'"],
    ),
    "cards": (
        "  - {name: other, url: http://localhost, kind: a2a, cards: [a/../b, 'x?y', 'ftp://x/y']}\n",
        [
            f"config.yaml:10: upstreams[1].cards[0]: {CARD}",
            f"config.yaml:10: upstreams[1].cards[1]: {CARD}",
            "config.yaml:10: upstreams[1].cards[2]: must be an http:// or https:// URL, such as http://localhost:8008",
        ],
    ),
    "the bridge itself": (
        (
            "  - {name: one, url: 'http://localhost:29330/v1', api_key: x}\n"
            "  - {name: two, kind: a2a, url: 'https://x.org', cards: [a2a/ada, 'https://X.org/br/a2a/b', br/a2a/b]}\n"
            "  - {name: three, url: 'https://x.org/br/v1'}\n"
            "  - {name: four, url: 'https://x.org/brother/v1'}\n"
            "api: {port: 29330, public_url: 'https://x.org/br/'}\n"
        ),
        [f"config.yaml:{line}: upstreams[{line - 9}].{key}: {OWN}" for line, key in OWN_PLACES],
    ),
    "cards of another kind": (
        "  - {name: other, url: http://localhost, cards: [a]}\n",
        ["config.yaml:10: upstreams[1].cards: has no effect with kind: openai, only with kind: a2a; remove the key"],
    ),
    "keys of another kind": (
        (
            "  - name: other\n    url: http://localhost\n    kind: letta\n    history: server\n    api: chat\n"
            "  - {name: third, url: http://localhost, matrix_tools: false}\n"
            "  - {name: fourth, url: http://localhost, kind: letta_v1, matrix_tools: true, approvals: allow}\n"
            "  - {name: fifth, url: http://localhost, approvals: {Bash: ask}}\n"
            "  - {name: sixth, url: http://localhost, approvals: allow, api: responses}\n"
        ),
        [
            (
                "config.yaml:13: upstreams[1].history: has no effect with kind: letta, only with kind: openai; "
                "remove the key"
            ),
            (
                "config.yaml:15: upstreams[2].matrix_tools: has no effect with kind: openai, only with kind: letta; "
                "remove the key"
            ),
            (
                "config.yaml:17: upstreams[4].approvals: has no effect with kind: openai, only with kind: letta or "
                "kind: letta_v1 or api: responses; remove the key"
            ),
        ],
    ),
    "earlier messages": (
        (
            "  - {name: one, url: http://localhost, kind: letta, import_history: all}\n"
            "  - {name: two, url: http://localhost, kind: letta, import_history: 20000}\n"
            "  - {name: three, url: http://localhost, kind: letta_v1, import_history: true}\n"
            "  - {name: four, url: http://localhost, import_history: 20}\n"
        ),
        [
            "config.yaml:11: upstreams[2].import_history: must be a whole number from 0 to 10000, or all",
            "config.yaml:12: upstreams[3].import_history: must be a whole number from 0 to 10000, or all",
            (
                "config.yaml:13: upstreams[4].import_history: has no effect with kind: openai, only with kind: letta "
                "or kind: letta_v1; remove the key"
            ),
        ],
    ),
    "name of an upstream": (
        "  - {name: Big Server, url: http://localhost}\n",
        [
            (
                "config.yaml:10: upstreams[1].name: may contain only a-z, 0-9, _ and -, "
                "and must begin with a letter or digit"
            )
        ],
    ),
    "names of upstreams": (
        "  - {name: letta, url: http://localhost}\n",
        ["config.yaml:7: upstreams: names of upstreams must be unique; these occur twice: letta"],
    ),
    "URL": (
        "  - name: other\n    url: localhost:1416\n",
        ["config.yaml:11: upstreams[1].url: must be an http:// or https:// URL, such as http://localhost:8008"],
    ),
    "URL of a WebSocket": (
        "  - name: other\n    kind: letta_v1\n    url: ws://localhost:4500/ws\n",
        [
            (
                "config.yaml:12: upstreams[1].url: is the address of a WebSocket, which only kind: letta uses; set "
                "kind: letta, or write an http:// or https:// URL"
            ),
        ],
    ),
    "port of a URL": (
        "  - name: other\n    url: http://localhost:99999/v1\n",
        ["config.yaml:11: upstreams[1].url: must be an http:// or https:// URL, such as http://localhost:8008"],
    ),
    "brackets of a URL": (
        '  - name: other\n    url: "http://[::1/v1"\n',
        ["config.yaml:11: upstreams[1].url: must be an http:// or https:// URL, such as http://localhost:8008"],
    ),
    "URL with a query": (
        "  - name: other\n    url: http://localhost/v1?api-version=1\n",
        [
            (
                "config.yaml:11: upstreams[1].url: must not contain a query (?…); an upstream has the key query for "
                "its parameters"
            ),
        ],
    ),
    "database": (
        "database:\n  url: mysql://localhost\n",
        ['config.yaml:11: database.url: must be "embedded" or start with postgresql://'],
    ),
    "template": (
        'templates:\n  displayname: "{nmae}"\n  room_topic: "{name"\n',
        [
            "config.yaml:11: templates.displayname: may use braces only in the placeholders {name}, {id}, {upstream}",
            "config.yaml:12: templates.room_topic: may use braces only in the placeholders {name}, {id}, {upstream}",
        ],
    ),
    "user ids": (
        'rooms:\n  invite:\n    - "@ok:example.org"\n    - admin\n    - "@admin:https://example.org"\n',
        [
            "config.yaml:13: rooms.invite[1]: 'admin' is not a Matrix user id (@name:server)",
            "config.yaml:14: rooms.invite[2]: '@admin:https://example.org' is not a Matrix user id (@name:server)",
        ],
    ),
    "permissions": (
        'permissions:\n  "*": nobody\n  "@admin": admin\n  all people: member\n  example.org: 3\n  7: member\n',
        [
            "config.yaml:11: permissions.*: must be one of none, agent, member, moderator, admin, owner",
            "config.yaml:12: permissions.@admin: '@admin' is not a Matrix user id (@name:server)",
            'config.yaml:13: permissions.all people: must be a user id (@name:server), a server name, or "*"',
            "config.yaml:14: permissions.example.org: must be one of none, agent, member, moderator, admin, owner",
            "config.yaml:15: permissions[7]: must be text (in quotes, if it looks like a number or a date)",
        ],
    ),
    "command prefix": (
        "bot:\n  prefix: hey you\n",
        ["config.yaml:11: bot.prefix: must be one word, such as !ab"],
    ),
    "header": (
        '  - name: other\n    url: http://localhost\n    session_header: "X Key"\n    headers: {"X-Y:": z}\n',
        [
            "config.yaml:12: upstreams[1].session_header: must be the name of an HTTP header, such as X-Name",
            "config.yaml:13: upstreams[1].headers.X-Y:: must be the name of an HTTP header, such as X-Name",
        ],
    ),
    "secret of two lines": (
        '  - name: other\n    url: http://localhost\n    api_key: "one\\ntwo"\n',
        ["config.yaml:12: upstreams[1].api_key: must be one line of printable characters and must not be empty"],
    ),
    "secret with spaces around it": (
        'metrics:\n  port: 1\n  token: " secret"\n',
        ["config.yaml:12: metrics.token: must not begin or end with a space"],
    ),
    "unset variables": (
        "database:\n  url: env:NO_URL\n",
        ["config.yaml:11: database.url: the environment variable NO_URL is not set; set it, or write the value here"],
    ),
    "empty variable": (
        "  - name: other\n    url: http://localhost\n    headers:\n      X-Key: env:EMPTY\n",
        [
            (
                "config.yaml:13: upstreams[1].headers.X-Key: the environment variable EMPTY is not set; "
                "set it, or write the value here"
            )
        ],
    ),
    "no variable": (
        "  - name: other\n    url: http://localhost\n    api_key: 'env:'\n",
        [
            "config.yaml:12: upstreams[1].api_key: must have the name of an environment variable after env:",
        ],
    ),
    "key given twice": (
        "logging:\n  level: info\n  format: json\n  level: debug\n",
        ["config.yaml:13: logging.level: is given twice, first on line 11; remove one of them"],
    ),
    "section given twice, and more": (
        "  - name: other\n    url: nowhere\n    name: third\nhomeserver:\n  domain: 5\n  domain: 6\nspace: {a: b}\n",
        [
            "config.yaml:11: upstreams[1].url: must be an http:// or https:// URL, such as http://localhost:8008",
            "config.yaml:12: upstreams[1].name: is given twice, first on line 10; remove one of them",
            "config.yaml:13: homeserver: is given twice, first on line 1; remove one of them",
            "config.yaml:15: domain: is given twice, first on line 14; remove one of them",
            "config.yaml:16: space.a: is not a known key; known keys: enabled, name, topic, per_user, alias",
        ],
    ),
}

WHOLE: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", ["config.yaml: is empty; agent-bridge init writes one"]),
    "comments only": ("# nothing\n", ["config.yaml: is empty; agent-bridge init writes one"]),
    "a list": ("- homeserver\n", ["config.yaml:1: must be a mapping (key: value)"]),
    "a word": ("homeserver\n", ["config.yaml:1: must be a mapping (key: value)"]),
    "all sections missing": (
        "\nspace: {}\n",
        [
            "config.yaml:1: homeserver: is missing; add it. Your Matrix homeserver.",
            (
                "config.yaml:1: appservice: is missing; add it. The application service. "
                "registration.yaml is generated from this section."
            ),
            (
                "config.yaml:1: upstreams: is missing; add it. "
                "Servers that host agents. []: all agents connect themselves."
            ),
        ],
    ),
    "empty sections": (
        "upstreams: []\nhomeserver:\nappservice:\n",
        [
            "config.yaml:2: homeserver.address: is missing; add it. URL of its client-server API.",
            (
                "config.yaml:2: homeserver.domain: is missing; add it. "
                "Its server_name: the part of user ids after the colon."
            ),
            (
                "config.yaml:3: appservice.as_token: is missing; add it. "
                "Token of the bridge for the homeserver; agent-bridge init generates it."
            ),
            (
                "config.yaml:3: appservice.hs_token: is missing; add it. "
                "Token of the homeserver for the bridge; agent-bridge init generates it."
            ),
        ],
    ),
    "every key of appservice": (
        GOOD.replace(
            "appservice:\n",
            "appservice:\n  id: ''\n  hostname: ''\n  port: 65536\n"
            "  bot_username: Bot\n  username_prefix: agent-" + "x" * 32 + "\n",
        ).replace("first-token", "'<as_token: agent-bridge init writes one>'"),
        [
            "config.yaml:5: appservice.id: must not be empty",
            "config.yaml:6: appservice.hostname: must not be empty",
            "config.yaml:7: appservice.port: must be at most 65535",
            "config.yaml:8: appservice.bot_username: may contain only a-z, 0-9 and . _ / -",
            "config.yaml:9: appservice.username_prefix: must have at most 32 characters",
            (
                "config.yaml:10: appservice.as_token: is the placeholder of the example; "
                "agent-bridge init writes a real value"
            ),
        ],
    ),
    "prefix outside the grammar": (
        GOOD.replace("appservice:\n", "appservice:\n  username_prefix: Agent_\n"),
        [
            (
                "config.yaml:5: appservice.username_prefix: may contain only a-z, 0-9 and . _ = / + - "
                "(the Matrix grammar of user ids)"
            )
        ],
    ),
    "bot among the ghosts": (
        GOOD.replace("appservice:\n", "appservice:\n  bot_username: agent_bot\n"),
        [
            (
                "config.yaml:4: appservice.username_prefix: bot_username must not start with it, "
                "because the bot would look like a ghost"
            )
        ],
    ),
    "domain": (
        GOOD.replace("example.org", "https://example.org"),
        ["config.yaml:3: homeserver.domain: must be a server name, such as example.org"],
    ),
    "tab": (
        "homeserver:\n\taddress: x\n",
        ["config.yaml:2:1: is not YAML: indent with spaces, not with tabs"],
    ),
    "open quote": (
        "homeserver:\n  address: 'x\n",
        [
            (
                "config.yaml:3:1: is not YAML: found unexpected end of stream while scanning a quoted scalar "
                "from line 2; quote text with special characters"
            )
        ],
    ),
    "open bracket": (
        "upstreams: [\n",
        [
            (
                "config.yaml:2:1: is not YAML: expected the node content, but found '<stream end>' "
                "while parsing a flow node from line 2; quote text with special characters"
            )
        ],
    ),
    "colon in text": (
        "space:\n  name: a: b\n",
        ["config.yaml:2:10: is not YAML: mapping values are not allowed here; quote text with special characters"],
    ),
    "no anchor": (
        "space: *other\n",
        ["config.yaml:1:8: refers to an anchor that does not exist; quote text that begins with *"],
    ),
    "unknown tag": (
        "space: !x!y z\n",
        ["config.yaml:1:8: has an unknown tag; quote text that begins with !"],
    ),
    "impossible date": (
        "space:\n  name: 2001-13-45\n",
        ["config.yaml:2:9: is not a valid YAML value; quote it if it is text"],
    ),
    "two documents": (
        "space: {}\n---\nspace: {}\n",
        ["config.yaml:2:1: must be a single document; remove the line ---"],
    ),
    "too deep": ("space: " + "[" * 1000, ["config.yaml: is nested too deeply for a configuration"]),
    "control character": (
        "space:\n  name: \x07\n",
        ["config.yaml:2: contains a control character, which YAML does not allow"],
    ),
    "NUL": (
        'permissions:\n  "@a\\0b:x": admin\n',
        ["config.yaml:2:3: must not contain \\0 or half of a surrogate pair"],
    ),
    "half of a pair": (
        'agents_file: "\\ud800"\n',
        ["config.yaml:1:14: must not contain \\0 or half of a surrogate pair"],
    ),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def errors(file: Path, environ: dict[str, str] | None = None) -> list[str]:
    """Load *file* and return the lines of its error, with the file's name for its path."""
    with pytest.raises(ConfigError) as caught:
        load(file, environ if environ is not None else {"EMPTY": ""})
    assert not caught.value.retryable
    return str(caught.value).replace(f"{file.parent}/", "").split("\n")


@pytest.mark.parametrize(("more", "expected"), WITH_MORE.values(), ids=WITH_MORE)
def test_bad_addition(file: Path, more: str, expected: list[str]) -> None:
    file.write_text(GOOD + more)
    assert errors(file) == expected


@pytest.mark.parametrize(("text", "expected"), WHOLE.values(), ids=WHOLE)
def test_bad_file(file: Path, text: str, expected: list[str]) -> None:
    file.write_text(text)
    assert errors(file) == expected


def test_no_file(file: Path) -> None:
    assert errors(file) == ["config.yaml: does not exist; agent-bridge init writes one"]


def test_unreadable_file(file: Path) -> None:
    file.mkdir()
    assert errors(file) == ["config.yaml: cannot be read: Is a directory"]


def test_a_pipe_and_a_device_do_not_block(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(TimeoutError):
        read_up_to(file, 10, patience=0.01)
    # A shell gives a program the output of another one so: `-c <(…)`.
    theirs, ours = os.pipe()
    os.write(ours, GOOD.encode())
    os.close(ours)
    assert load(Path(f"/dev/fd/{theirs}")).homeserver.domain == "example.org"
    os.close(theirs)
    file.unlink()
    file.symlink_to("/dev/zero")
    assert errors(file) == ["config.yaml: has more than 10 MB, and is no configuration"]


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"space:\n  name: \xff\n", 2), (GOOD.encode("utf-16"), 1), (b"\n\n\xc3", 3)],
)
def test_not_utf_8(file: Path, content: bytes, line: int) -> None:
    file.write_bytes(content)
    assert errors(file) == [f"config.yaml:{line}: is not UTF-8 text; save the file as UTF-8"]


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("first-token", f"<{SECRET}>"),
        GOOD.replace("first-token", f"'{SECRET}\\n'").replace("'", '"'),
        GOOD.replace("first-token", f"[{SECRET}]"),
        GOOD.replace("first-token", f"*{SECRET}"),
        GOOD.replace("first-token", f"!{SECRET}!x y"),
        GOOD.replace("first-token", f"!{SECRET} y"),
        GOOD.replace("first-token", f"!!int {SECRET}"),
        GOOD.replace("first-token", f"!!bool {SECRET}"),
        GOOD.replace("first-token", f'"{SECRET}'),
        GOOD.replace("first-token", f"@{SECRET}"),
        GOOD.replace("first-token", f"a: {SECRET}"),
        GOOD.replace("first-token", f"{SECRET}\n  as_token: {SECRET}"),
        GOOD + f"    api_key: {SECRET}\n    api_key: {SECRET}2\n",
        GOOD + f"    headers: {{X-Key: [{SECRET}]}}\n",
        GOOD + f"    headers: [{SECRET}]\n",
        GOOD + f"database:\n  url: mysql://user:{SECRET}@localhost/bridge\n",
        GOOD + f"database:\n  url: env:{SECRET}-{SECRET}\n",
    ],
)
def test_secrets_are_not_shown(file: Path, text: str) -> None:
    file.write_text(text)
    assert SECRET not in "\n".join(errors(file))


def test_values_from_the_environment_are_not_shown(file: Path) -> None:
    file.write_text(GOOD.replace("first-token", "env:TOKEN") + "database: {url: env:TOKEN}\n")
    assert errors(file, {"TOKEN": f"{SECRET}\n"}) == [
        "config.yaml:5: appservice.as_token: must be one line of printable characters and must not be empty",
        'config.yaml:10: database.url: must be "embedded" or start with postgresql://',
    ]


@pytest.mark.filterwarnings("error")
def test_an_anchor_given_twice_shows_nothing(file: Path) -> None:
    file.write_text(GOOD.replace("first-token", "&a one").replace("second-token", "&a two"))
    assert load(file, {}).appservice.hs_token.get_secret_value() == "two"


def test_secrets_come_from_the_environment(file: Path) -> None:
    file.write_text(
        GOOD.replace("first-token", "env:AS").replace("second-token", "env:HS")
        + "    api_key: env:KEY\n    headers: {X-Key: env:KEY, X-Plain: plain}\n    include: [env:KEY]\n"
        "database: {url: env:DB}\n"
    )
    environ = {"AS": "1-as", "HS": "2-hs", "KEY": "the key", "DB": "postgresql://u:p@h/d", "OTHER": "x"}
    config = load(file, environ)
    assert environ == {"OTHER": "x"}, "programs that the bridge starts do not inherit its secrets"
    upstream = config.upstreams[0]
    assert config.appservice.as_token.get_secret_value() == "1-as"
    assert config.appservice.hs_token.get_secret_value() == "2-hs"
    assert upstream.api_key == SecretStr("the key")
    assert upstream.headers == {"X-Key": SecretStr("the key"), "X-Plain": SecretStr("plain")}
    assert upstream.include == ("env:KEY",), "only secrets are looked up"
    assert config.database.url == "postgresql://u:p@h/d"
    assert "the key" not in repr(config)
    assert "postgresql" not in repr(config)


def test_the_environment_is_the_process_own(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_BRIDGE_TEST_KEY", "from the process")
    file.write_text(GOOD + "    api_key: env:AGENT_BRIDGE_TEST_KEY\n")
    assert load(file).upstreams[0].api_key == SecretStr("from the process")
    assert "AGENT_BRIDGE_TEST_KEY" not in os.environ


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", "data"),
        ("database:\n", "data"),
        ("database: {migrate: false}\n", "data"),
        ("database: {data_dir: ../state/pg}\n", "../state/pg"),
        ("database: {data_dir: /var/lib/bridge}\n", "/var/lib/bridge"),
    ],
)
def test_data_dir_is_relative_to_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, more: str, expected: str
) -> None:
    file.write_text(GOOD + more)
    monkeypatch.chdir(file.parent)
    assert load(file, {}).database.data_dir == file.parent / expected
    assert load(Path("config.yaml"), {}).database.data_dir == file.parent / expected


def test_defaults(file: Path) -> None:
    file.write_text(GOOD)
    config = load(file, {})
    assert config.appservice.url == "http://localhost:29340"
    assert config.database.embedded
    assert config.namespace.bot == "@agentbridge:example.org"
    assert config.upstreams[0].poll_interval == 0.5
    assert config.permissions == {}


def test_yaml_in_other_shapes(file: Path) -> None:
    file.write_text(
        "\ufeff"
        + GOOD.replace("- name", "- &letta\n    name")
        + "  - <<: *letta\n    name: other\n"
        + "permissions: {'*': none, example.org: member, '@a:[::1]:8448': owner}\n"
        + "space: {enabled: no}\n",
        encoding="utf-8",
        newline="\r\n",
    )
    config = load(file, {})
    assert [upstream.name for upstream in config.upstreams] == ["letta", "other"]
    assert {upstream.url for upstream in config.upstreams} == {"http://localhost:1416/v1"}
    assert config.permissions == {"*": Role.NONE, "example.org": Role.MEMBER, "@a:[::1]:8448": Role.OWNER}
    assert not config.space.enabled


@pytest.mark.parametrize(
    ("written", "lobby"),
    [
        ("true", True),
        ("false", False),
        ("'#agents:example.org'", "#agents:example.org"),
        ("'!room:example.org'", "!room:example.org"),
        ("'!abc-DEF_1'", "!abc-DEF_1"),
    ],
)
def test_the_lobby(file: Path, written: str, lobby: object) -> None:
    file.write_text(f"{GOOD}rooms:\n  lobby: {written}\n")
    assert load(file, {}).rooms.lobby == lobby


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("ws://localhost:4500", "http://localhost:4500"),
        ("WSS://letta.example.org/ws/", "https://letta.example.org"),
        ("http://localhost:4500/ws", "http://localhost:4500"),
        ("wss://example.org/letta/ws", "https://example.org/letta"),
        ("http://localhost:4500/", "http://localhost:4500"),
    ],
)
def test_an_app_server_is_named_by_its_websocket_too(file: Path, written: str, url: str) -> None:
    file.write_text(f"{GOOD}  - {{name: app, kind: letta, url: '{written}'}}\n")
    assert load(file, {}).upstreams[1].url == url


def test_open_permissions_are_no_error(file: Path) -> None:
    file.write_text(GOOD)
    file.chmod(0o666)
    assert isinstance(load(file, {}), Config)


PIECES = st.sampled_from("\n \t:-?[]{},#&*!|>'\"%@`") | st.sampled_from(
    ["\n  ", ": ", "- ", "<<: ", "&a ", "*a", "!!int ", "!x ", "!!set ", "---\n", "null", "true", "12"],
)
WORDS = st.sampled_from(["2001-13-45", "é", "\x07", "\ud83d", "upstreams", "name", "as_token", "env:X"])


def outcome(file: Path) -> Config | str:
    try:
        return load(file, {})
    except ConfigError as error:
        return str(error)


@given(pieces=st.lists(PIECES | WORDS, max_size=12), at=st.integers(0, len(GOOD)))
def test_any_file_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], at: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    file.write_text(GOOD[:at] + "".join(pieces) + GOOD[at:], encoding="utf-8", errors="surrogatepass")
    found = outcome(file)
    if isinstance(found, str):
        line = re.compile(re.escape(str(file)) + r"(:\d+(:\d+)?)?: .+", re.DOTALL)
        assert [part for part in found.split("\n") if not line.fullmatch(part)] == []


def test_a_comment_that_the_yaml_library_does_not_expect(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(GOOD + "language:\n\n|+  # c\n")
    with pytest.raises(ConfigError, match=r"config.yaml: has an empty line before a text .*, and a comment behind"):
        load(file, {})


def test_a_renamed_key_keeps_its_meaning_under_its_old_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "config.yaml"
    old = "    stream: 'off'\nlanes:\n  busy: collect\n"
    file.write_text(GOOD.replace("  domain:", "  compare_interval: 7\n  domain:") + old)
    config = load(file, {})
    assert config.homeserver.backfill_interval == 7
    assert config.upstreams[0].streaming is Streaming.OFF
    assert config.lanes.when_busy is WhenBusy.COLLECT
    assert [record.getMessage().removeprefix(f"{tmp_path}/") for record in caplog.records] == [
        "config.yaml:3: homeserver.backfill_interval: has its old name compare_interval; rename it",
        "config.yaml:13: lanes.when_busy: has its old name busy; rename it",
        "config.yaml:11: upstreams[0].streaming: has its old name stream; rename it",
    ]


def test_a_renamed_key_may_be_merged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "config.yaml"
    others = "  - {<<: *first, name: other}\nlanes:\n  <<: {busy: collect}\n"
    file.write_text(GOOD.replace("- name", "- &first\n    stream: 'off'\n    name") + others)
    config = load(file, {})
    assert [each.streaming for each in config.upstreams] == [Streaming.OFF, Streaming.OFF]
    assert config.lanes.when_busy is WhenBusy.COLLECT
    assert [record.getMessage().rpartition(" has")[2] for record in caplog.records] == [
        " its old name busy; rename it",
        " its old name stream; rename it",
    ]


def test_a_key_under_both_names_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(GOOD + "lanes:\n  when_busy: queue\n  busy: collect\n")
    with pytest.raises(ConfigError) as raised:
        load(file, {})
    assert str(raised.value).removeprefix(f"{tmp_path}/") == (
        "config.yaml:12: lanes.busy: is the old name of when_busy, which is also set; remove it"
    )
