"""Functions that people and agents share: each takes an actor and typed arguments, and returns a record."""
