"""README.md and docs/: short enough, without broken links, and generated where the code determines the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import build_site
import cli_docs
import command_docs
import config_docs
import content_docs
import links
import pages
import reference_docs
from agent_bridge.config.live_keys import LIVE_KEYS
from agent_bridge.config.model import Config

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "agent_bridge"


def test_the_readme_is_short() -> None:
    assert len((TOP / "README.md").read_text("utf-8").splitlines()) <= 150


def test_no_link_is_broken_and_the_index_has_all_pages() -> None:
    assert links.broken(TOP) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](other.md)", None),
        ("[a](other.md#the-second-one-is-code-1)", None),
        ("[a](#a-page)", None),
        ("[a](https://example.org/none.md#x)", None),
        ("`[a](none.md)` and\n```\n[a](none.md)\n```", None),
        ("[a](none.md)", "docs/page.md: none.md: no such file"),
        ("![a](none.png)", "docs/page.md: none.png: no such file"),
        ("[a][1]\n\n[1]: none.md", "docs/page.md: none.md: no such file"),
        ("[a](other.md#none)", "docs/page.md: other.md#none: no such heading"),
        ("[a](#none)", "docs/page.md: #none: no such heading"),
        ("[a](other.md#not-a-heading)", "docs/page.md: other.md#not-a-heading: no such heading"),
    ],
)
def test_broken_links_are_found(tmp_path: Path, text: str, fault: str | None) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "index.md").write_text("[page](page.md) [other](other.md#the-second-one-is-code)")
    (folder / "page.md").write_text(f"# A page\n\n{text}\n")
    heading = "## The *second* one: is `code`?\n"
    (folder / "other.md").write_text(f"{heading}\n{heading}\n```\n# Not a heading\n```\n".replace("*", ""))
    assert links.broken(tmp_path) == ([] if fault is None else [fault])


def test_a_page_that_the_index_has_not_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    for name in ("index.md", "deep/page.md"):
        (tmp_path / "docs" / name).touch()
    assert links.broken(tmp_path) == ["docs/index.md: no link to docs/deep/page.md"]


@pytest.mark.parametrize("page", reference_docs.PAGES, ids=lambda page: page.name)
def test_a_reference_page_is_that_of_the_code(page: Path) -> None:
    assert page.read_text("utf-8") == reference_docs.PAGES[page](), "run make examples"


def test_the_configuration_has_every_key() -> None:
    text = config_docs.document()
    for name, field in Config.model_fields.items():
        assert f"| `{name}`" in text or f"| [`{name}`](#{name})" in text
        section = config_docs.section_of(field.annotation)
        part = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for key in section.model_fields if section else ():
            assert f"| `{key}`" in part, f"{name}.{key}"
    assert text.count(" ↻ |") == len(LIVE_KEYS)


def test_the_command_line_has_every_command() -> None:
    text = cli_docs.document()
    for name in ("init", "run", "database move", "token new", "task", "hook", "agent register"):
        assert f"\n## {name}" in text
    assert "| `--config`, `-c` | The configuration file. Environment: `AGENT_BRIDGE_CONFIG`. | `config.yaml` |" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost:<port>", r"http://localhost:\<port>"),
        ("`<port>` or *", r"`<port>` or \*"),
        ("a [b](c)", r"a \[b\](c)"),
        ("@telegram_*:x, @a_*:x", r"@telegram_\*:x, @a_\*:x"),
    ],
)
def test_texts_of_the_code_are_shown_as_they_are(text: str, expected: str) -> None:
    assert pages.plain(text) == expected


def test_contents_have_every_key_and_its_comment() -> None:
    text = content_docs.document()
    sources = [file.read_text("utf-8") for file in PACKAGE.rglob("*.py")]
    keys = {key for source in sources for key in re.findall(r'"(org\.agent_bridge\.[a-z_]+)"', source)}
    assert len(keys) > 15
    for key in keys:
        section = text.partition(f"\n## {key}\n")[2].partition("\n## ")[0]
        assert re.match(r"\nIn: .+\. [A-Z].*\.\n", section), f"{key} has no comment"
        assert f'"{key}": ' in section


def test_a_note_for_an_unknown_command_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_docs, "NOTES", tmp_path / "notes.toml")
    (tmp_path / "notes.toml").write_text('nonsense = "Words."')
    with pytest.raises(KeyError, match="nonsense"):
        command_docs.document()


@pytest.mark.parametrize(
    ("name", "text", "is_fault"),
    [
        ("a.html", '<a href="https://example.org">x</a><img src="b.png"><script src="/c.js"></script>', False),
        ("a.html", '<link rel="canonical" href="https://example.org">', False),
        ("a.html", '<img src="data:image/svg+xml,http://www.w3.org/2000/svg">', False),
        ("a.html", '<script src="https://example.org/a.js"></script>', True),
        ("a.html", '<script src="//example.org/a.js"></script>', True),
        ("a.html", '<link rel="stylesheet" href="https://example.org/a.css">', True),
        ("a.html", '<img src="https://example.org/a.png"/>', True),
        ("a.html", '<p style="background: url(https://example.org/a.png)">', True),
        ("a.css", "@font-face { src: url(font.woff2) }", False),
        ("a.css", "@font-face{src:url(https://example.org/font.woff2)}", True),
        ("a.css", "@import 'https://example.org/a.css';", True),
        ("a.css", "a{b:url(//example.org/a.png)}", True),
    ],
)
def test_what_a_site_loads_from_other_hosts_is_found(tmp_path: Path, name: str, text: str, *, is_fault: bool) -> None:
    (tmp_path / name).write_text(text)
    assert bool(build_site.loaded_from_elsewhere(tmp_path)) is is_fault
