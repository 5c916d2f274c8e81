"""Runs the migrations on the connection that the bridge hands over in ``config.attributes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

from agent_bridge.store.postgres.schema import metadata

if TYPE_CHECKING:
    from sqlalchemy.sql.schema import SchemaItem


def _ours(_item: SchemaItem, name: str | None, kind: str, _reflected: bool, _other: SchemaItem | None) -> bool:  # noqa: FBT001
    """Pass over the queue's tables: they stand in the same database, and procrastinate migrates them."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=_ours,
    compare_type=True,
    compare_server_default=True,
    on_version_apply=context.config.attributes.get("on_version_apply", ()),
)
with context.begin_transaction():
    context.run_migrations()
