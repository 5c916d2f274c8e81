"""The templates of the page. Every value is escaped, and names of others stay in one line and in their direction."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agent_bridge.core.names import one_line
from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.usage import counted, money

if TYPE_CHECKING:
    from datetime import tzinfo
    from decimal import Decimal

    from agent_bridge.admin.assets import Assets
    from agent_bridge.core.live import Live
    from agent_bridge.i18n.catalogue import Texts

#: The pages in the order of the menu, by the ends of their paths.
MENU: Final = (
    "",
    "agents",
    "lanes",
    "failures",
    "trace",
    "usage",
    "plots",
    "activity",
    "operations",
    "configuration",
    "log",
)
#: Characters of a name, and of a cause, that are shown.
_NAME, _CAUSE = 120, 600
#: Seconds below which a length of time has a fraction.
_TEN = 10
#: Characters of a word that is broken where a column is narrow.
_LONG_WORD = 24
#: Characters that turn the direction of a text.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Templates:
    """Makes HTML of templates, in the language *texts* and the time zone of *zone*."""

    def __init__(self, texts: Texts, assets: Assets, zone: Live[tzinfo], currency: str, prefix: str) -> None:
        self._texts = texts
        self._zone = zone
        self._currency = currency
        env = Environment(
            loader=PackageLoader("agent_bridge.admin"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        env.globals |= {
            "t": texts.admin,
            "texts": texts,
            "menu": MENU,
            "asset": assets.address,
            "prefix": prefix,
            "counted": self._counted,
        }
        env.filters |= {
            "name": self._name,
            "cause": self._cause,
            "when": self._when,
            "ago": self._ago,
            "seconds": self._seconds,
            "money": self._money,
            "number": self._number,
            "rendered": _rendered,
        }
        self._env = env

    def render(self, name: str, **values: Any) -> str:
        """Return the template *name* with *values*."""
        return self._env.get_template(name).render(**values)

    def _name(self, text: str | None) -> Markup:
        """Return a name or an id that others chose. Its direction does not reach beyond it."""
        return Markup("<bdi{}>{}</bdi>").format(*_broken(_shortened(text or "", _NAME)))

    def _cause(self, text: str | None) -> Markup:
        return Markup('<bdi class="cause long">{}</bdi>').format(_shortened(text or "", _CAUSE))

    def _when(self, at: datetime | None) -> Markup:
        if at is None:
            return Markup("")
        local = at.astimezone(self._zone.value)
        return Markup('<time datetime="{}">{}</time>').format(
            at.astimezone(UTC).isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S}"
        )

    def _ago(self, at: datetime | None) -> Markup:
        """Return the length of time since *at*."""
        if at is None:
            return Markup("–")  # noqa: RUF001 - a dash in a table
        passed = max(0.0, (datetime.now(UTC) - at).total_seconds())
        local = at.astimezone(self._zone.value)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            at.astimezone(UTC).isoformat(timespec="seconds"),
            f"{local:%Y-%m-%d %H:%M:%S %Z}",
            self._texts.admin.ago.format(duration=self._texts.duration(passed)),
        )

    def _seconds(self, value: float | None) -> str:
        if value is None:
            return "–"  # noqa: RUF001 - likewise
        shown = f"{value:.2g}" if value < 1 else f"{value:.1f}" if value < _TEN else f"{math.floor(value):d}"
        return self._texts.admin.seconds.format(seconds=shown)

    def _money(self, amount: Decimal | None) -> str:
        return "–" if amount is None else money(amount, self._currency, self._texts)  # noqa: RUF001 - likewise

    def _number(self, value: int) -> str:
        return counted(value, ("",) * 3, self._texts).strip()

    def _counted(self, value: int, noun: tuple[str, ...]) -> str:
        return counted(value, noun, self._texts)


def _shortened(text: str, most: int) -> str:
    line = one_line(text)
    return line if len(line) <= most else f"{line[:most]}…"


def _broken(line: str) -> tuple[Markup, str]:
    """Return the attribute that lets *line* be broken within a word, if it has a very long one; and the line."""
    is_long = any(len(word) > _LONG_WORD for word in line.split())
    return Markup(' class="long"') if is_long else Markup(""), line


def _rendered(markdown: str) -> Markup:
    # The renderer has reduced it to the tags and links that rooms may show.
    return Markup(to_html(_TURNING.sub("", markdown)))  # noqa: S704
