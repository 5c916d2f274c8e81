"""The references of tasks, as the bridge stores them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agent_bridge.core.errors import UpstreamRefused
from agent_bridge.i18n.catalogue import Text

_KIND = "a2a"


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task of the agent *model*."""

    model: str
    task_id: str

    def __str__(self) -> str:
        """Return the text from which :meth:`parse` makes it."""
        return json.dumps([_KIND, self.model, self.task_id], ensure_ascii=False)

    @classmethod
    def parse(cls, ref: str, upstream: str) -> TaskRef:
        """Return the reference that *ref* is.

        Raises:
            UpstreamRefused: another kind of upstream made it.
        """
        try:
            kind, model, task_id = json.loads(ref)
        except (ValueError, TypeError):
            kind, model, task_id = "", "", ""
        if kind != _KIND:
            raise UpstreamRefused(Text("run_unknown", upstream=upstream))
        return cls(str(model), str(task_id))
