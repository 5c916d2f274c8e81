"""Write a migration for the difference between store/postgres/schema/ and the existing migrations."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command

from agent_bridge.store.postgres.embedded import start_postgres
from agent_bridge.store.postgres.migrate import migrate, migrations_folder
from agent_bridge.store.postgres.revisions import alembic_config, engine


def main(message: str) -> None:
    """Write the migration *message* with the next number."""
    if not message:
        sys.exit('a description of the migration is missing: make migration M="…"')
    number = 1 + len(list((migrations_folder() / "versions").glob("[0-9]*.py")))
    with tempfile.TemporaryDirectory() as folder:
        # As root, PostgreSQL runs as another user.
        Path(folder).chmod(0o711)
        server = start_postgres(Path(folder) / "postgres")
        try:
            if number > 1:
                migrate(server.uri)
            with engine(server.uri).connect() as connection:
                config = alembic_config(connection)
                command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
        finally:
            server.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
