"""The card of a request for a decision about a tool call, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.approvals import Verdict
from agent_bridge.render.content import escape, fenced, in_backticks
from agent_bridge.render.markdown.plain import to_plain

if TYPE_CHECKING:
    from agent_bridge.core.approvals import Approval
    from agent_bridge.i18n.catalogue import Texts

#: Bytes of the arguments on a card.
_ARGUMENTS = 2_000
ALLOW, DENY, ALWAYS = "✅", "❌", "♾️"


def card(approval: Approval, agent: str, timeout: float, texts: Texts) -> tuple[str, str]:
    """Return the Markdown of the card of *approval*, and its text for clients without HTML.

    *agent* is the agent's name, *timeout* the number of seconds in which people can decide.
    """
    tool = in_backticks(approval.tool)
    if approval.verdict is None:
        head = f"🔐 {texts.approval_asked.format(agent=escape(agent), tool=tool)}"
        how = texts.approval_how.format(duration=texts.duration(timeout))
        if approval.always:
            how = f"{how} {texts.approval_always.format(offer=escape(approval.always))}"
        rows = [head, how]
    else:
        person = escape(approval.decided_by or "")
        ends = {
            Verdict.ALLOW: f"{ALLOW} {texts.approval_allowed}",
            Verdict.ALWAYS: f"{ALWAYS} {texts.approval_always_allowed}",
            Verdict.DENY: f"{DENY} {texts.approval_denied}",
            Verdict.EXPIRED: f"⌛ {texts.approval_expired}",
            Verdict.WITHDRAWN: f"⚪ {texts.approval_withdrawn}",
        }
        end = ends[approval.verdict].format(person=person, tool=tool, duration=texts.duration(timeout))
        rows = [f"{end} {escape(approval.reason)}".rstrip()]
    folded = f"<details><summary>{texts.approval_arguments}</summary>\n\n{_arguments(approval.arguments)}\n\n</details>"
    shown = "\n\n".join(rows)
    return f"{shown}\n\n{folded}", f"{to_plain(shown)}\n\n{_cut(approval.arguments)}"


def _arguments(arguments: str) -> str:
    return fenced(_cut(arguments), "json")


def _cut(text: str) -> str:
    data = text.encode()
    return text if len(data) <= _ARGUMENTS else data[:_ARGUMENTS].decode(errors="ignore") + "…"
