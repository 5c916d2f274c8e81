"""Results of the commands about conversations as Markdown: short lines and numbered lists, as phones show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent_bridge.core.names import one_line
from agent_bridge.core.results.contexts import (
    ContextBegun,
    ContextForgotten,
    ContextList,
    ContextLoaded,
    ContextRefused,
    ContextReport,
    ContextSaved,
    ImportBegun,
    Instructions,
    ModelChoice,
)
from agent_bridge.render.content import escape, in_backticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.imports import ImportReport
    from agent_bridge.core.results.contexts import ContextOption
    from agent_bridge.i18n.catalogue import Texts

#: Characters of a system message or of instructions.
_PROMPT = 1_000
#: Characters of the cause of a failure.
_CAUSE = 300
_BREAK = "  \n"


def context_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    return {
        ImportBegun: lambda result: texts.contexts.importing.format(agent=escape(result.agent)),
        ContextBegun: lambda result: texts.contexts.begun.format(agent=escape(result.agent), prefix=prefix),
        ContextForgotten: lambda result: texts.contexts.forgotten.format(name=escape(result.name)),
        ContextList: lambda result: render_contexts(result, texts, prefix),
        ContextLoaded: lambda result: render_loaded(result, texts, prefix),
        ContextRefused: lambda result: render_context_refused(result, texts, prefix),
        ContextReport: lambda result: render_report(result, texts),
        ContextSaved: lambda result: texts.contexts.saved.format(name=escape(result.name), prefix=prefix),
        Instructions: lambda result: render_instructions(result, texts, prefix),
        ModelChoice: lambda result: render_models(result, texts, prefix),
    }


def render_context_refused(result: ContextRefused, texts: Texts, prefix: str) -> str:
    """Return why nothing was changed."""
    return texts.contexts.refused[result.reason].format(
        agent=escape(result.agent),
        name=escape(result.name),
        typed=in_backticks(result.name),
        nearest=escape(result.nearest),
        most=result.most,
        prefix=prefix,
    )


def render_import(report: ImportReport, texts: Texts, prefix: str) -> str:
    """Return the progress or the result of an import."""
    words, total = texts.contexts, texts.count(report.total, texts.message)
    if not report.is_finished:
        return words.import_progress.format(done=report.imported, messages=total)
    lines = [words.imported.format(messages=texts.count(report.imported, texts.message))]
    if report.known:
        lines.append(words.imported_known.format(count=report.known))
    elif not report.total and not report.error:
        lines = [words.imported_none]
    if report.error:
        cause = one_line(report.error)[:_CAUSE].rstrip(".")
        lines.append(words.import_failed.format(cause=escape(cause), prefix=prefix))
    return " ".join(lines)


def render_report(result: ContextReport, texts: Texts) -> str:
    """Return the content of the next request, in lines."""
    words = texts.contexts
    agent, messages = escape(result.agent), texts.count(result.messages, texts.message)
    if result.is_on_server:
        lines = [words.report_server.format(agent=agent, messages=messages)]
    else:
        lines = [words.report_bridge.format(agent=agent, messages=messages, tokens=result.tokens, budget=result.budget)]
    if result.began is None:
        lines.append(words.report_empty)
    else:
        lines.append(words.report_began.format(age=_age(result.began, texts)))
    if result.model:
        lines.append(words.report_model.format(model=in_backticks(result.model)))
    if result.system_prompt is not None:
        lines.append(words.report_prompt.format(prompt=_prompt(result.system_prompt)))
    elif not result.is_on_server:
        lines.append(words.report_no_prompt)
    if result.instructions:
        lines.append(words.report_instructions.format(prompt=_prompt(result.instructions)))
    return _BREAK.join(lines)


def render_instructions(result: Instructions, texts: Texts, prefix: str) -> str:
    """Return the instructions, or that they are other ones now."""
    words = texts.contexts
    if result.is_new:
        text = words.instructions_set if result.text else words.instructions_off
    else:
        text = words.instructions_now if result.text else words.instructions_none
    return text.format(agent=escape(result.agent), instructions=_prompt(result.text), prefix=prefix)


def render_models(result: ModelChoice, texts: Texts, prefix: str) -> str:
    """Return the models as a list, or the one that is asked from now on."""
    words, agent = texts.contexts, escape(result.agent)
    if not result.models:
        return words.model_set.format(agent=agent, model=in_backticks(result.current))
    lines = [f"- `{in_backticks(each)}`{' ✓' if each == result.current else ''}" for each in result.models]
    return "\n\n".join([words.models.format(agent=agent), "\n".join(lines), words.models_how.format(prefix=prefix)])


def render_contexts(result: ContextList, texts: Texts, prefix: str) -> str:
    """Return the conversations as a numbered list."""
    words, agent = texts.contexts, escape(result.agent)
    if not result.options:
        return words.list_empty.format(agent=agent, prefix=prefix)
    head = words.list_head_renewed if result.is_renewed else words.list_head
    lines = [_option(each, texts) for each in result.options]
    more = [words.list_more.format(count=result.more)] if result.more else []
    return "\n\n".join([head.format(agent=agent), "\n".join(lines), *more, words.list_how.format(prefix=prefix)])


def render_loaded(result: ContextLoaded, texts: Texts, prefix: str) -> str:
    """Return with which conversation the agent goes on."""
    text = texts.contexts.loaded_ended if result.name is None else texts.contexts.loaded
    return text.format(
        agent=escape(result.agent),
        name=escape(result.name or ""),
        messages=texts.count(result.messages, texts.message),
        prefix=prefix,
    )


def _option(option: ContextOption, texts: Texts) -> str:
    text = texts.contexts.list_ended if option.name is None else texts.contexts.list_saved
    return text.format(
        number=option.number,
        name=escape(option.name or ""),
        messages=texts.count(option.messages, texts.message),
        age=_age(option.at, texts),
    )


def _age(since: datetime, texts: Texts) -> str:
    return texts.duration((datetime.now(UTC) - since).total_seconds())


def _prompt(text: str) -> str:
    line = one_line(text)
    return escape(line if len(line) <= _PROMPT else f"{line[:_PROMPT].rstrip()}…")
