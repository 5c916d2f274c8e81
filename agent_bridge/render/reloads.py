"""The result of a reload as Markdown: the keys, and the processes whose results differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.render.content import fenced, in_backticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.results.reloads import ReloadOutcome, ReloadReport
    from agent_bridge.i18n.catalogue import Texts


def render_reload(report: ReloadReport, texts: Texts) -> str:
    """Return the results, each of them once. The processes are named where not all have the same."""
    words = texts.commands.reload
    if not report.processes:
        return words["nobody"]
    names: dict[ReloadOutcome, list[str]] = {}
    for each in report.processes:
        if each.outcome is not None:
            names.setdefault(each.outcome, []).append(each.name)
    blocks = []
    for outcome, of in names.items():
        head = [words["process"].format(names=in_backticks(", ".join(of)))] if len(names) > 1 else []
        blocks.append("\n\n".join([*head, *_outcome(outcome, texts)]))
    ended = sum(each.has_ended for each in report.processes)
    silent = sum(each.outcome is None for each in report.processes) - ended
    if silent:
        blocks.append(words["silent"].format(count=silent, seconds=f"{report.within:g}"))
    if ended:
        blocks.append(words["ended"].format(count=ended))
    return "\n\n".join(blocks)


def _outcome(outcome: ReloadOutcome, texts: Texts) -> list[str]:
    words = texts.commands.reload
    if outcome.fault:
        return [words["fault"], fenced(outcome.fault)]
    keys = {"applied": outcome.applied, "restart": outcome.restart}
    lines = [words[name].format(keys=_keys(paths)) for name, paths in keys.items() if paths]
    return lines or [words["unchanged"]]


def _keys(paths: Sequence[str]) -> str:
    return ", ".join(f"`{in_backticks(path)}`" for path in paths)
