"""Commands of programs take a text from the standard input, or are refused."""

from __future__ import annotations

import io

import pytest
import typer

from agent_bridge.cli.programs import text_or_input


def test_a_closed_input_is_no_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(typer.Exit):
        text_or_input(None)
    assert "there is no text" in capsys.readouterr().err


def test_bytes_are_no_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # The error handler is that of Python without a locale.
    stream = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), "utf-8", errors="surrogateescape")
    monkeypatch.setattr("sys.stdin", stream)
    with pytest.raises(typer.Exit):
        text_or_input(None)
    assert "the standard input is no text in utf-8" in capsys.readouterr().err
