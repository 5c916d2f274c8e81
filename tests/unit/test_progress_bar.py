"""The progress of commands: a bar in a terminal, lines elsewhere, never on the standard output."""

from __future__ import annotations

import io
import sys

import pytest

from agent_bridge.cli.progress import ProgressBar
from agent_bridge.cli.terminal import note


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar("Comparing rooms") as show:
        assert screen.getvalue() == ""
        show(3, None)
        show(40, 120, "[red]Ada\x1b[2J")
    assert "Comparing rooms" in screen.getvalue()
    assert "40/120" in screen.getvalue()
    assert "[red]Ada" in screen.getvalue()
    # Names of agents change no terminal.
    assert "\x1b[2J" not in screen.getvalue()
    assert capsys.readouterr().out == ""


def test_a_long_name_leaves_the_numbers_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar("Comparing rooms") as show:
        show(40, 120, "A very long name " * 9)
    assert "Comparing rooms" in screen.getvalue()
    assert "40/120" in screen.getvalue()
    # A process that is killed could not show the cursor again.
    assert "\x1b[?25l" not in screen.getvalue()


def test_a_terminal_that_cannot_draw_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, now = Terminal(), 0.0
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar("Comparing rooms", clock=lambda: now) as show:
        for now in (1.0, 11.0):
            show(int(now), 30, "Ada")
    assert screen.getvalue() == "Comparing rooms: 11 of 30 Ada\n"


class Gone(Terminal):
    """A terminal that was closed, or a full disk."""

    def write(self, _text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize("screen", [Gone(), None])
def test_work_goes_on_if_nobody_can_see_its_progress(
    screen: Gone | None, term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", screen)
    with ProgressBar("Comparing rooms", clock=lambda: now) as show:
        for now in (1.0, 11.0, 22.0):
            show(int(now), 30, "Ada")
    if screen is None:
        note("no part of the result")
    assert capsys.readouterr().out == ""


def test_elsewhere_there_are_lines_from_time_to_time(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with ProgressBar("Comparing rooms", clock=lambda: now) as show:
        for now in (1.0, 9.0, 11.0, 12.0, 25.0):
            show(int(now), 30 if now > 12 else None, "Ada")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Comparing rooms: 11 Ada\nComparing rooms: 25 of 30 Ada\n")
