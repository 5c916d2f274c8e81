"""The metadata to which the tables belong, and the columns that many have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, MetaData, text

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

now = text("now()")


def row_id() -> Column[int]:
    """Return the column of the row id."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)
