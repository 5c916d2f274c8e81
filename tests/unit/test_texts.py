"""The catalogue: every language has every text, and its own plural forms."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest

import agent_bridge
from agent_bridge.config.model import Config
from agent_bridge.core import errors
from agent_bridge.core.results.contexts import ContextRefusal
from agent_bridge.core.roles import Role
from agent_bridge.core.rooms import Streaming, WhenBusy
from agent_bridge.core.turns import IgnoreReason, TurnKind, TurnState
from agent_bridge.i18n import texts_in
from agent_bridge.i18n.catalogue import Text, cause
from agent_bridge.i18n.chat_texts import ChatTexts
from agent_bridge.i18n.command_texts import CommandTexts
from agent_bridge.i18n.context_texts import ContextTexts
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.repair_texts import RepairTexts
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.i18n.usage_texts import UsageTexts

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts

_REMEDIES = {
    "try_again",
    "try_later",
    "look_at_server",
    "look_at_config",
    "shorten",
    "send_less",
    "say_otherwise",
    "ask_for_less",
    "ask_another",
}
#: Text that is the same in any language: code, placeholders, and signs.
_CODE = re.compile(r"`[^`]*`|\{\{.*?\}\}|\{[^{}]*\}")
_LETTER = re.compile(r"[^\W\d_]")
_CYRILLIC = re.compile("[\u0400-\u04ff]")


def all_texts(
    texts: Texts | CommandTexts | ChatTexts | ContextTexts | RepairTexts | UsageTexts,
) -> dict[str, str]:
    """Return all texts by their names, each entry of a table and each form of a noun on its own."""
    found: dict[str, str] = {}
    # The prefix of commands is a value of other texts.
    for field in (each for each in fields(texts) if each.name != "prefix"):
        value = getattr(texts, field.name)
        if isinstance(value, str):
            found[field.name] = value
        elif isinstance(value, Mapping):
            found |= {f"{field.name}.{key}": text for key, text in value.items()}
        elif isinstance(value, tuple):
            found |= {f"{field.name}#{form}": text for form, text in enumerate(value)}
        elif isinstance(value, CommandTexts | ChatTexts | RepairTexts):
            found |= all_texts(value)
        elif isinstance(value, ContextTexts):
            found |= {f"contexts.{name}": text for name, text in all_texts(value).items()}
        elif isinstance(value, UsageTexts):
            found |= {f"usage.{name}": text for name, text in all_texts(value).items()}
    return found


def placeholders(text: str) -> set[tuple[str, str | None]]:
    """Return the names and formats of the placeholders in *text*."""
    return {(name, form) for _, name, form, _ in Formatter().parse(text) if name is not None}


RUSSIAN_TEXTS = all_texts(RUSSIAN)
ENGLISH_TEXTS = all_texts(ENGLISH)


def test_a_language_is_chosen_by_the_configuration() -> None:
    assert texts_in("en") is ENGLISH
    assert texts_in("ru") is RUSSIAN
    assert Config.model_fields["language"].default == "en"


def test_every_table_has_the_same_keys() -> None:
    def named(all_texts: dict[str, str]) -> set[str]:
        return {name for name in all_texts if "#" not in name}

    assert named(RUSSIAN_TEXTS) == named(ENGLISH_TEXTS)


def code(text: str) -> set[str]:
    """Return the commands and configuration keys in *text*, which are the same in any language."""
    return set(re.findall("`[^`]+`", text))


def test_placeholders_and_code_are_the_same_in_every_language() -> None:
    pairs = [(name, ENGLISH_TEXTS[name], RUSSIAN_TEXTS[name]) for name in ENGLISH_TEXTS if "#" not in name]
    assert len(pairs) > 200
    different = [
        pair for pair in pairs if placeholders(pair[1]) != placeholders(pair[2]) or code(pair[1]) != code(pair[2])
    ]
    assert different == []


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_no_text_is_empty_or_has_superfluous_blanks(texts: Texts) -> None:
    faulty = [
        (name, text) for name, text in all_texts(texts).items() if not text or text != text.strip() or "  " in text
    ]
    assert faulty == []


def test_russian_texts_are_in_cyrillic_letters() -> None:
    latin = [
        (name, text)
        for name, text in RUSSIAN_TEXTS.items()
        if not _CYRILLIC.search(text) and _LETTER.search(_CODE.sub("", text))
    ]
    assert latin == []


def test_no_word_mixes_cyrillic_and_latin_letters() -> None:
    mixed = [
        (name, word)
        for name, text in RUSSIAN_TEXTS.items()
        for word in re.findall(r"[^\W\d_]+", text)
        if _CYRILLIC.search(word) and re.search("[A-Za-z]", word)
    ]
    assert mixed == []


def test_english_is_written_in_its_own_letters() -> None:
    assert not any(_CYRILLIC.search(text) for text in ENGLISH_TEXTS.values())


def test_a_cause_ends_a_sentence() -> None:
    """The cause is between «No answer: » and a full stop, in every language."""
    names = [
        name for name in ENGLISH_TEXTS if re.match(r"(upstream|list|answer|empty|homeserver|database|bridge)_", name)
    ]
    assert len(names) > 30
    for name in names:
        for text in (ENGLISH_TEXTS[name], RUSSIAN_TEXTS[name]):
            assert not text.endswith("."), text
            assert text[0] == text[0].lower(), text


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_what_to_do_is_a_sentence(texts: Texts) -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.UpstreamError)]
    assert len(kinds) > 10
    for kind in kinds:
        told = kind(Text("upstream_away", upstream="up")).remedy(texts)
        assert told in {texts.for_admins(text) for name, text in all_texts(texts).items() if name in _REMEDIES}
        assert told[0].isupper()
        assert told.endswith(".")


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_every_value_of_the_bridge_has_a_word(texts: Texts) -> None:
    # A redacted message has a text of its own in place of the state.
    assert set(texts.commands.states) == set(texts.commands.why_state) == {*map(str, TurnState), "redacted"}
    assert set(texts.commands.kinds) == {str(kind) for kind in TurnKind}
    assert set(texts.file_problems) == {str(problem) for problem in errors.FileProblem}
    assert set(texts.commands.ignored) == {str(reason) for reason in IgnoreReason}
    assert set(texts.commands.busy) == {str(busy) for busy in WhenBusy}
    assert set(texts.commands.stream) == {str(streaming) for streaming in Streaming}
    assert set(texts.contexts.refused) == {str(reason) for reason in ContextRefusal}
    assert set(texts.commands.roles) == {role.name.lower() for role in Role if role >= Role.MEMBER}


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_every_noun_has_a_form_for_every_number(texts: Texts) -> None:
    used = {texts.plural(number) for number in range(1000)}
    nouns = [getattr(texts, field.name) for field in fields(texts) if field.type == "Noun"]
    assert len(nouns) == 12
    assert all(used == set(range(len(noun))) for noun in nouns)


@pytest.mark.parametrize(
    ("number", "english", "russian"),
    [
        (0, "0 messages", "0 сообщений"),
        (1, "1 message", "1 сообщение"),
        (2, "2 messages", "2 сообщения"),
        (4, "4 messages", "4 сообщения"),
        (5, "5 messages", "5 сообщений"),
        (10, "10 messages", "10 сообщений"),
        (11, "11 messages", "11 сообщений"),
        (12, "12 messages", "12 сообщений"),
        (14, "14 messages", "14 сообщений"),
        (21, "21 messages", "21 сообщение"),
        (22, "22 messages", "22 сообщения"),
        (25, "25 messages", "25 сообщений"),
        (101, "101 messages", "101 сообщение"),
        (111, "111 messages", "111 сообщений"),
        (112, "112 messages", "112 сообщений"),
        (122, "122 messages", "122 сообщения"),
        (1001, "1001 messages", "1001 сообщение"),
        (1_000_000, "1000000 messages", "1000000 сообщений"),
    ],
)
def test_counts(number: int, english: str, russian: str) -> None:
    assert ENGLISH.count(number, ENGLISH.message) == english
    assert RUSSIAN.count(number, RUSSIAN.message) == russian


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (-3, "0 seconds", "0 секунд"),
        (0, "0 seconds", "0 секунд"),
        (0.9, "0 seconds", "0 секунд"),
        (1, "1 second", "1 секунду"),
        (59.9, "59 seconds", "59 секунд"),
        (60, "1 minute", "1 минуту"),
        (3599, "59 minutes", "59 минут"),
        (3600, "1 hour", "1 час"),
        (7200, "2 hours", "2 часа"),
        (86_399, "23 hours", "23 часа"),
        (86_400, "1 day", "1 день"),
        (86_400 * 400, "400 days", "400 дней"),
    ],
)
def test_a_length_of_time_in_its_largest_unit(seconds: float, english: str, russian: str) -> None:
    assert ENGLISH.duration(seconds) == english
    assert RUSSIAN.duration(seconds) == russian


@pytest.mark.parametrize(
    ("number", "english", "russian"),
    [
        (0, "0 bytes", "0 байт"),
        (999, "999 bytes", "999 байт"),
        (1000, "1 kB", "1 кБ"),
        (1_500_000, "1.5 MB", "1.5 МБ"),
        (20 * 1000**2, "20 MB", "20 МБ"),
        (5 * 1000**3, "5 GB", "5 ГБ"),
        (123 * 1000**3, "123 GB", "123 ГБ"),
    ],
)
def test_bytes_in_the_unit_that_suits_them(number: int, english: str, russian: str) -> None:
    assert ENGLISH.bytes(number) == english
    assert RUSSIAN.bytes(number) == russian


@pytest.mark.parametrize(("text", "end"), [("It broke.", "It broke"), (" a … ", "a …"), ("why?", "why?"), ("", "")])
def test_a_text_becomes_the_end_of_a_sentence(text: str, end: str) -> None:
    assert cause(text) == end


def test_an_error_is_told_in_each_language_and_logged_in_english() -> None:
    error = errors.UpstreamBusy(Text("upstream_busy", upstream="letta", status=429), detail="slow down")
    assert str(error) == "letta is busy (429)"
    assert error.says(ENGLISH) == "letta is busy (429): slow down"
    assert error.says(RUSSIAN) == "сервер letta занят (429): slow down"
    assert error.cause(RUSSIAN) == "сервер letta занят (429)"
    refused = errors.HomeserverRefused(Text("homeserver_refused", said="M_FORBIDDEN: no"))
    assert str(refused) == "the homeserver refused the request: M_FORBIDDEN: no"
    assert refused.says(RUSSIAN) == "домашний сервер отклонил запрос: M_FORBIDDEN: no"


def test_what_the_database_said_of_itself_is_not_told() -> None:
    error = errors.StoreRefused("the database refused: row (1, s3cret)")
    assert error.says(ENGLISH) == "the bridge's database failed"
    assert error.says(RUSSIAN) == "сбой базы данных моста"


def named_texts() -> list[tuple[str, str, set[str]]]:
    """Return each ``Text("name", …)`` of the program: where it is, its name and its placeholders."""
    found = []
    for file in Path(agent_bridge.__file__).parent.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if "from agent_bridge.i18n.catalogue import" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text"):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                values = {str(keyword.arg) for keyword in node.keywords}
                found.append((f"{file.name}:{node.lineno}", str(node.args[0].value), values))
    return found


def test_every_named_text_exists_and_gets_its_values() -> None:
    named = named_texts()
    assert len(named) > 40
    wrong = [
        (where, name)
        for where, name, values in named
        if name not in ENGLISH_TEXTS
        or {key.partition(".")[0] for key, _ in placeholders(ENGLISH_TEXTS[name])} != values
    ]
    assert wrong == []


#: Texts that only administrators and operators get: states of upstreams, traces, and lists with names of turns.
_FOR_ADMINS = re.compile(
    r"upstream_|list_|voice_no_path|answer_no_|status_|why|trace_|steps|ignored|kinds|states|held|no_agents$|may_not_talk|has_entry"
    r"|help\.|reload\.|no_such_turn|listed|not_asked_yet|sync_|agents_head$|rooms_(opened|closed)|space_strangers|(lobby|space)_problems\.|agents_invalid|room_problems\."
)
_OPERATOR_TERMS = re.compile(
    r"operator|оператор|permissions|configur|конфигур|upstream|homeserver\.yaml|\burl\b|api_key|_[a-z]+`", re.IGNORECASE
)


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_members_read_no_terms_of_operators(texts: Texts) -> None:
    for_members = {name: text for name, text in all_texts(texts).items() if not _FOR_ADMINS.match(name)}
    assert len(for_members) > 100
    terms = {name for name, text in for_members.items() if _OPERATOR_TERMS.search(re.sub(r"\{\w+\}", "", text))}
    assert terms == set()


@pytest.mark.parametrize("texts", [ENGLISH, RUSSIAN], ids=["en", "ru"])
def test_texts_name_the_administrators_who_can_help(texts: Texts) -> None:
    assert texts.naming(list, "!ab").who_can_help == texts.an_admin
    named = texts.naming(lambda: [f"@admin{number}:x" for number in range(9)], "!bot")
    assert "@admin0:x, @admin1:x, @admin2:x" in named.for_admins(named.not_permitted)
    assert texts.an_admin in texts.for_admins(texts.not_permitted)
