"""PostgreSQL: connections, locks, notifications, the schema and its migrations."""
