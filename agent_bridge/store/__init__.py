"""PostgreSQL: the only package that sees SQL. Functions take and return the records of core."""
