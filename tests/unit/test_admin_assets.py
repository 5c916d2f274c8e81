"""The files of the admin page: those of others are as released, and no template or script breaks the policy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from agent_bridge import admin
from agent_bridge.admin.assets import NAMES, Assets
from agent_bridge.admin.security import HEADERS
from agent_bridge.i18n import texts_in

FOLDER = Path(admin.__file__).parent
STATIC, TEMPLATES = FOLDER / "static", sorted((FOLDER / "templates").glob("*.html"))
VENDORED = re.findall(
    r"^\| `([^`]+)` \|.*\[\w+\]\((\S+)\) \| `([0-9a-f]{64})` \|$", (STATIC / "VENDORED.md").read_text(), re.MULTILINE
)


def test_vendored_files_are_those_of_their_releases() -> None:
    assert {name for name, *_ in VENDORED} == {"htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css"}
    for name, licence, digest in VENDORED:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
        assert "THE SOFTWARE IS PROVIDED" in (STATIC / licence).read_text("utf-8")


def test_every_file_is_served_by_a_name_with_its_content() -> None:
    files = {each.name for each in STATIC.iterdir() if each.suffix in {".js", ".css", ".svg"}}
    assert files == set(NAMES)
    addresses = [Assets().address(name) for name in NAMES]
    assert all(re.fullmatch(r"/admin/static/[0-9a-f]{12}/[\w.]+", each) for each in addresses)


def test_no_template_has_inline_scripts_or_styles_or_marks_values_as_safe() -> None:
    assert len(TEMPLATES) > 10
    for file in TEMPLATES:
        text = file.read_text("utf-8")
        assert (
            re.search(
                r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:|hx-on|hx-vals|\| *safe|autoescape", text
            )
            is None
        ), file


def test_no_script_makes_html_or_code_of_text() -> None:
    for name in ("admin.js", "plots.js"):
        text = (STATIC / name).read_text("utf-8")
        assert (
            re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|localStorage", text
            )
            is None
        )


def test_the_policy_permits_nothing_but_files_of_the_bridge() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "img-src", "connect-src", "form-action")} == {"'self'"}


def test_htmx_may_neither_evaluate_nor_store_anything() -> None:
    text = (FOLDER / "templates" / "base.html").read_text("utf-8")
    for setting in (
        '"allowEval": false',
        '"includeIndicatorStyles": false',
        '"historyCacheSize": 0',
        '"selfRequestsOnly": true',
    ):
        assert setting in text


def test_every_word_of_the_templates_has_a_text() -> None:
    words, kinds = texts_in("en").admin, ("labels", "buttons", "pages", "about", "empty", "notices")
    found = {
        (kind, name) for file in TEMPLATES for kind, name in re.findall(r"\bt\.(\w+)\.(\w+)", file.read_text("utf-8"))
    }
    named = {(kind, name) for kind, name in found if kind in kinds}
    assert len(named) > 50
    assert [each for each in named if each[1] not in getattr(words, each[0]) and each[1] not in {"items", "get"}] == []
